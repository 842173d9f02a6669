"""The program as a whole: what it imports, how it ends, what it says of mistakes."""

import errno
import os
import re
import shutil
import subprocess
import sys

import click
import pytest

from snnc.cli import failures
from snnc.cli.app import COMMANDS, app

HEAVY = ("numpy", "lark", "rich", "networkx", "safetensors", "snnc.driver")


def process(*args, **extra):
    return subprocess.run(
        [sys.executable, "-m", "snnc", *args], capture_output=True, text=True, check=False, **extra
    )


@pytest.mark.parametrize("args", [["--help"], ["--version"], []])
def test_help_and_version_import_nothing_heavy(args):
    code = (
        "import sys; from snnc.cli.app import app\n"
        f"try: app.main({args!r})\n"
        f"except SystemExit as end: assert not end.code, end.code\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_names_every_command_with_a_line(snnc):
    shown = snnc("--help").stdout
    assert [name for name in COMMANDS if not re.search(rf"\n  {name} +\w", shown)] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example_that_begins_with_its_name(name, snnc):
    args = [name, "compile"] if name == "bench" else [name]
    result = snnc(*args, "--help")
    assert result.exit_code == 0
    assert f"  snnc {name} " in result.stdout or f"  snnc {name}\n" in result.stdout


def test_the_table_of_commands_says_what_each_command_says_of_itself():
    context = click.Context(app)
    for name, (_, line) in COMMANDS.items():
        help = app.get_command(context, name).help.strip().splitlines()[0]
        assert line.rstrip(".").split(",")[0] in help or help.rstrip(".") in line, name


def test_no_arguments_show_the_help(snnc):
    assert snnc().stdout == snnc("--help").stdout


def test_version():
    assert re.fullmatch(r"snnc \d+\.\d+\.\d+\n", process("--version").stdout)


def test_a_wrong_command_is_usage_and_gets_the_nearest_name(snnc):
    result = snnc("complie", "net.snn")
    assert result.exit_code == failures.USAGE
    assert "did you mean 'compile'?" in result.stderr


def test_a_wrong_option_is_usage_and_gets_the_nearest_name(snnc):
    result = snnc("compile", "net.snn", "-o", "d", "--formt", "bin")
    assert result.exit_code == failures.USAGE
    assert "--format" in result.stderr


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (
            ["run", "net.snn", "-i", "x.npz", "--inputs", "x.npz", "-o", "y.npz"],
            "'-i' / '--inputs'",
        ),
        (["verify", "build", "--against", "a.snn", "--against", "b.snn"], "'--against'"),
        (["compile", "net.snn", "-o", "b", "--bits", "4", "--bits=8"], "'--bits'"),
        (["compile", "net.snn", "-o", "b", "--split", "chip", "--split", "none"], "'--split'"),
        (["compile", "net.snn", "-o", "b", "--core-params", "--no-core-params"], "'--core-params'"),
        (["bench", "compile", "--case", "784", "--case", "chain"], "'--case'"),
    ],
)
def test_an_option_of_one_value_is_not_given_twice(args, said, snnc):
    result = snnc(*args)
    assert 2 == result.exit_code
    assert f"{said} is given twice, and takes one value" in result.stderr


def test_options_of_several_values_and_plain_flags_are_repeated(snnc):
    done = snnc("check", "net.snn", "-t", "paicore", "-t", "lynxi", "--json", "--json")
    assert ["paicore", "lynxi"] == [row["target"] for row in done.json()]


def test_a_refused_input_is_status_1_with_place_caret_and_help(folder, snnc):
    (folder / "bad.snn").write_text(
        (folder / "net.snn").read_text().replace("int.linear %x", "int.linear %xx", 1)
    )
    result = snnc("run", "bad.snn", "-i", "x.npz", "-o", "y.npz")
    assert result.exit_code == failures.REFUSED
    assert "bad.snn:6:21: error[undefined-name]" in result.stderr.replace("6:22", "6:21")
    assert "^" in result.stderr
    assert "help:" in result.stderr


def test_an_error_without_a_way_out_of_its_own_names_the_page_of_its_code(folder, snnc):
    text = (folder / "net.snn").read_text().replace("threshold = 2", "threshold = 2, width = 99")
    (folder / "bad.snn").write_text(text)
    assert "help: snnc explain type-mismatch" in snnc("dump", "bad.snn").stderr


@pytest.mark.parametrize("args", [("dump",), ("compile", "net.snn", "-o")])
def test_what_the_system_refuses_is_no_defect_of_ours(snnc, args):
    result = snnc(*args, "x" * 300)
    assert result.exit_code == failures.REFUSED
    assert "error[system-refused]: cannot use" in result.stderr
    assert "File name too long" in result.stderr
    assert "help:" in result.stderr


def test_a_system_without_room_for_temporary_files_is_told(snnc, monkeypatch):
    def none(*_, **__):
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr("tempfile.mkdtemp", none)
    result = snnc("compile", "net.snn", "-o", "made")
    assert "error[system-refused]" in result.stderr
    assert "No usable temporary directory" in result.stderr


def test_a_full_disk_of_temporary_files_is_told(build, snnc, monkeypatch):
    def full(source, target, **_):
        raise shutil.Error([(str(source), str(target), "[Errno 28] No space left on device")])

    monkeypatch.setattr("shutil.copytree", full)
    result = snnc("verify", "build")
    assert result.exit_code == failures.REFUSED
    assert "No space left on device" in result.stderr


def test_a_pipeline_that_means_nothing_is_usage(snnc):
    result = snnc("opt", "net.snn", "-p", "cleen")
    assert result.exit_code == failures.USAGE
    assert "error[unknown-pass]" in result.stderr
    assert "did you mean 'clean'?" in result.stderr


def test_no_more_than_twenty_errors_are_shown(folder, snnc):
    text = (folder / "net.snn").read_text()
    lines = "".join(f"    %v{n} = int.none %x : (u1[6]~) -> u1[6]~\n" for n in range(25))
    (folder / "many.snn").write_text(text.replace("    return", lines + "    return"))
    result = snnc("dump", "many.snn")
    assert result.stderr.count("error[") == failures.SHOWN
    assert "... and 5 more" in result.stderr


def test_an_unexpected_exception_is_status_70_one_line_and_a_reproducer(
    folder, snnc, monkeypatch, tmp_path
):
    def broken(*args, **extra):
        raise KeyError("lost")

    monkeypatch.setattr("snnc.driver.sources.read_source", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = snnc("dump", "net.snn")
    assert result.exit_code == failures.DEFECT
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "internal error: KeyError: 'lost'" in result.stderr
    (made,) = tmp_path.glob("snnc-reproducer-*")
    assert str(made) in result.stderr
    assert (made / "command.txt").read_text() == "snnc dump net.snn\n"
    assert "Traceback" in (made / "traceback.txt").read_text()
    assert (made / "input" / "net.snn").read_text() == (folder / "net.snn").read_text()


def test_true_processes_end_with_the_documented_statuses(folder, build):
    assert process("verify", "build", cwd=folder).returncode == 0
    assert process("run", "no.snn", "-i", "x.npz", "-o", "y.npz", cwd=folder).returncode == 1
    assert process("run", cwd=folder).returncode == 2
    text = (folder / "net.snn").read_text()
    (folder / "other.snn").write_text(text.replace("threshold = 3", "threshold = 4"))
    (folder / "odd.snn").write_text(text.replace("= 3}", "= 3, overflow = saturate, width = 8}"))
    assert process("diff", "other.snn", "build", "-i", "x.npz", cwd=folder).returncode == 3
    assert process("check", "odd.snn", cwd=folder).returncode == 4


def test_a_defect_ends_a_true_process_without_a_traceback(folder):
    code = (
        "import sys, tempfile, snnc.driver\n"
        "tempfile.tempdir = '.'\n"
        "snnc.driver.sources.read_source = None\n"
        "sys.argv = ['snnc', 'dump', 'net.snn']\n"
        "from snnc.cli import main; main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == failures.DEFECT
    assert "Traceback" not in done.stderr
    assert "internal error: TypeError" in done.stderr


def test_a_closed_pipe_is_quiet(folder, build):
    command = f"{sys.executable} -m snnc disassemble build/config_all.bin --full"
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -n 1; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == str(failures.PIPE_CLOSED)


def test_an_interrupt_is_quiet(snnc, monkeypatch):
    def interrupted(*args, **extra):
        raise KeyboardInterrupt

    monkeypatch.setattr("snnc.driver.sources.read_source", interrupted)
    result = snnc("dump", "net.snn")
    assert result.exit_code == failures.INTERRUPTED
    assert result.stderr.strip() == ""


def test_verbose_speaks_on_stderr_only(snnc):
    quiet, loud = snnc("dump", "net.snn"), snnc("-v", "dump", "net.snn")
    assert loud.stdout == quiet.stdout
    assert quiet.stderr == ""
    assert "read net.snn" in loud.stderr


def test_a_plugin_file_adds_its_passes(folder, snnc):
    (folder / "own.py").write_text(
        "from attrs import frozen\n"
        "from snnc.extend.passes import Pass\n"
        "from snnc.extend.plugin import Plugin\n"
        "@frozen\n"
        "class Nothing(Pass):\n"
        "    '''Do nothing.'''\n"
        "    name = 'nothing'\n"
        "    def run(self, module, context): return module\n"
        "plugin = Plugin(passes={'nothing': ':Nothing'})\n"
    )
    assert "nothing" in snnc("--plugin", "own.py", "passes").stdout
    shown = snnc("--plugin", "own.py", "opt", "net.snn", "-p", "nothing")
    assert shown.exit_code == 0
    assert snnc("opt", "net.snn", "-p", "nothing").exit_code == failures.USAGE


def test_a_plugin_that_fails_is_told_with_its_line(folder, snnc):
    (folder / "bad.py").write_text("x = 1\nraise RuntimeError('no')\n")
    result = snnc("--plugin", "bad.py", "passes")
    assert result.exit_code == failures.REFUSED
    assert "bad.py:2: error[plugin-failed]" in result.stderr


def test_completion_scripts_know_the_program(snnc):
    for shell in ("bash", "zsh", "fish"):
        if shell == "bash" and not os.path.exists("/bin/bash"):
            continue
        assert "_SNNC_COMPLETE" in snnc("completion", shell).stdout


def test_completions_are_given(monkeypatch):
    words = {"_SNNC_COMPLETE": "bash_complete", "COMP_WORDS": "snnc comp", "COMP_CWORD": "1"}
    done = process(env={**os.environ, **words})
    assert done.returncode == 0
    assert done.stdout.split() == ["plain,compile", "plain,compare", "plain,completion"]


def test_doctor_is_well_here_and_says_versions(snnc):
    found = snnc("doctor", "--json").json()
    assert found["healthy"] is True
    assert found["packages"]["numpy"]
    assert snnc("doctor").stdout.rstrip().endswith("all is well")


def test_doctor_imports_what_a_plugin_names(folder, snnc):
    text = (
        "from snnc.extend.plugin import Plugin\nplugin = Plugin(passes={'mine': 'nowhere:Mine'})\n"
    )
    (folder / "bad.py").write_text(text)
    result = snnc("--plugin", "bad.py", "doctor")
    assert result.exit_code == 1
    assert "No module named 'nowhere'" in result.stdout


@pytest.mark.parametrize(
    "args",
    [("run", "net.snn", "-i", "x.npz"), ("encode", "build", "-i", "x.npz"), ("decode", "build")],
)
def test_stdout_is_refused_for_what_is_no_text(folder, snnc, args):
    result = snnc(*args, "-o", "-")
    assert result.exit_code == failures.USAGE
    assert "name a file" in result.stderr
    assert not (folder / "-").exists()


def test_doctor_tells_of_a_plugin_that_fails(folder, snnc):
    (folder / "bad.py").write_text("raise RuntimeError('no')\n")
    result = snnc("--plugin", "bad.py", "doctor")
    assert result.exit_code == 1
    assert "fails:" in result.stdout
