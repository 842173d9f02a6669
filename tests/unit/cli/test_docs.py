"""docs/cli.md: its examples are run, and what they print is compared where the page shows it."""

import re
import subprocess
import sys
from pathlib import Path

from snnc.cli.app import COMMANDS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "cli.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
EXAMPLE = re.compile(r"^\$ (.*?)(?:  # exit (\d+))?\n((?:(?!\$ ).*\n)*)", re.M)


def blocks(kind):
    return [text for found, text in BLOCK.findall(PAGE.read_text()) if found == kind]


def test_the_page_names_every_command():
    page = PAGE.read_text()
    assert [name for name in COMMANDS if not re.search(rf"`?(snnc )?{name}\b", page)] == []


def test_the_examples_of_the_page_run(folder, snnc):
    (network,), (inputs,) = blocks("snn"), blocks("python")
    Path("net.snn").write_text(network)
    exec(compile(inputs, str(PAGE), "exec"), {})
    examples = [match for text in blocks("console") for match in EXAMPLE.findall(text)]
    assert len(examples) > 25
    for command, status, shown in examples:
        done = _run(command, snnc)
        assert done.exit_code == int(status or 0), f"{command}\n{done.stderr}"
        if shown:
            assert done.stdout + done.stderr == shown, command


def _run(command, snnc):
    """Run a line, in this process if it is no pipe."""
    output = None
    for part in command.split(" | "):
        done = snnc(*_words(part), input=output)
        output = done.stdout
    return done


def _words(part):
    import shlex

    program, *words = shlex.split(part)
    assert program == "snnc"
    return words


def test_the_settings_of_the_page_are_read(snnc):
    (settings,) = blocks("toml")
    Path("snnc.toml").write_text(settings)
    assert snnc("compile", "net.snn", "-o", "build").exit_code == 0
    assert Path("build/config_all.npy").is_file()


def test_a_true_pipe_works(folder):
    done = subprocess.run(
        f"{sys.executable} -m snnc opt net.snn -p clean --no-locs"
        f" | {sys.executable} -m snnc opt - -p infer --no-locs",
        shell=True,
        capture_output=True,
        text=True,
        cwd=folder,
        check=True,
    )
    assert done.stdout.startswith("module @tiny level int")
