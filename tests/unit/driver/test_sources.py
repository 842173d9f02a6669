import textwrap

import pytest

import snnc
from snnc.diagnostics import SnncError
from snnc.ir.write import save, write

PYTHON = """
from tests.unit.driver.conftest import network

def make():
    return network()

net = network()

def number():
    return 3

def broken():
    one = 1
    return one / 0

def leave():
    raise SystemExit(1)
"""


def refused(source, **options):
    with pytest.raises(SnncError) as caught:
        snnc.load(source, **options)
    return caught.value.diagnostics[0]


@pytest.fixture
def python(tmp_path):
    path = tmp_path / "nets.py"
    path.write_text(PYTHON)
    return path


def test_text_is_read_with_its_weights(module, tmp_path):
    save(module, tmp_path / "net.snn")
    assert write(module, locs=False) == write(snnc.load(tmp_path / "net.snn"), locs=False)


def test_module_is_its_own_source(module):
    assert module is snnc.load(module)


def test_build_folder_stands_for_its_program(module, toy, tmp_path):
    snnc.compile(module, "toy", plugin=[toy]).save(tmp_path / "out")
    assert write(module, locs=False) == write(snnc.load(tmp_path / "out"), locs=False)


@pytest.mark.parametrize("name", ["make", "net"])
def test_function_or_object_of_a_python_file_is_read(python, module, name):
    assert write(module, locs=False) == write(snnc.load(f"{python}:{name}"), locs=False)


@pytest.mark.parametrize(
    ("name", "line"), [("broken", "return one / 0"), ("leave", "raise SystemExit(1)")]
)
def test_error_in_the_users_function_is_told_with_its_line(python, name, line):
    found = refused(f"{python}:{name}")
    assert ("source-failed", str(python)) == (found.code, found.loc.file)
    assert line in PYTHON.splitlines()[found.loc.line - 1]


def test_imports_find_what_lies_beside_the_file_and_in_the_current_folder(tmp_path, monkeypatch):
    for folder in ("project/nets", "project/parts", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "project" / "nets" / "near_to_net.py").write_text("WIDTH = 4\n")
    (tmp_path / "project" / "parts" / "far_from_net.py").write_text("TICKS = 7\n")
    source = tmp_path / "project" / "nets" / "net.py"
    source.write_text(
        "from snnc.ir import Builder\n"
        "def make():\n"
        "    from near_to_net import WIDTH\n"
        "    from parts.far_from_net import TICKS\n"
        "    b = Builder('net', 'int', {'ticks': TICKS})\n"
        "    return b.finish(b.op('neuron', b.input('x', f'i32[{WIDTH}]~'), threshold=1))\n"
    )
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert "source-failed" == refused(f"{source}:make").code
    monkeypatch.chdir(tmp_path / "project")
    assert {"ticks": 7} == dict(snnc.load("nets/net.py:make").attrs)


def test_syntax_error_in_the_users_file_is_told_with_its_line(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text("def f(:\n")
    found = refused(f"{path}:f")
    assert ("source-failed", 1) == (found.code, found.loc.line)


def test_object_that_no_front_end_reads_is_refused_with_what_is_read(python):
    found = refused(f"{python}:number")
    assert "unknown-source" == found.code
    assert "builtins.int" in found.message
    assert "text" in found.help


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("nets.py", "source-function"),
        ("nets.py:maek", "source-function"),
        ("no.py:f", "source-missing"),
        ("no.snn", "source-missing"),
        ("no.xyz", "source-missing"),
    ],
)
def test_source_that_is_not_there_is_refused(python, name, code):
    assert code == refused(python.with_name(name)).code


def test_unknown_suffix_is_refused_with_the_known_ones(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_text("")
    found = refused(path)
    assert "unknown-source" == found.code
    assert ".snn" in found.help


def test_options_that_nobody_takes_are_refused(module, tmp_path):
    save(module, tmp_path / "net.snn")
    assert "unknown-option" == refused(tmp_path / "net.snn", sample=3).code
    assert "unknown-option" == refused(module, sample=3).code


def test_front_end_of_a_plugin_reads_its_suffix_and_its_objects(module, tmp_path):
    save(module, tmp_path / "net.snn")
    plugin = tmp_path / "fe.py"
    plugin.write_text(
        textwrap.dedent("""
        from pathlib import Path
        from snnc.extend.plugin import Plugin
        from snnc.ir.read import load

        class Toml:
            name, suffixes = "toml", (".toml",)

            def accepts(self, source):
                return isinstance(source, dict)

            def read(self, source, options):
                if isinstance(source, dict):
                    return load(source["path"])
                raise KeyError("layers")

        plugin = Plugin(frontends={"toml": "fe:Toml"})
        """)
    )
    made = snnc.load({"path": tmp_path / "net.snn"}, plugin=[plugin])
    assert write(module, locs=False) == write(made, locs=False)
    (tmp_path / "net.toml").write_text("")
    found = refused(tmp_path / "net.toml", plugin=[plugin])
    assert ("plugin-failed", str(plugin)) == (found.code, found.loc.file)


DECLARING = """
from attrs import frozen
from snnc.extend.passes import option
from snnc.extend.plugin import Plugin
from snnc.ir import Builder

@frozen
class Options:
    ticks: int = option(3, help="ticks of a run")
    label: str = option("net", help="its name")

class Pairs:
    name, suffixes, Options, data = "pairs", (), Options, ("sample",)

    def accepts(self, source):
        return isinstance(source, dict)

    def read(self, source, options):
        build = Builder(options.get("label", "net"), "int", {"ticks": options.get("ticks", 3)})
        x = build.input("x", f"i32[{len(options['sample'])}]~")
        return build.finish(build.op("neuron", x, threshold=1))

plugin = Plugin(frontends={"pairs": "pairs:Pairs"})
"""


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.py"
    path.write_text(DECLARING)
    return path


def test_options_that_a_front_end_declares_are_read_from_texts(pairs):
    made = snnc.load({}, plugin=[pairs], sample=[1, 2, 3], ticks="7", label="12")
    assert ({"ticks": 7}, "12") == (dict(made.attrs), made.name)
    assert (3,) == made.graph.inputs[0].type.shape


def test_options_that_a_front_end_does_not_declare_are_refused_with_the_nearest(pairs):
    found = refused({}, plugin=[pairs], sample=[1], tiks=4)
    assert ("unknown-option", "did you mean 'ticks'?") == (found.code, found.help)
    assert "front end pairs has no option 'tiks'" == found.message
    assert "did you mean 'sample'?" == refused({}, plugin=[pairs], smaple=4).help
    assert "bad-option" == refused({}, plugin=[pairs], sample=[1], ticks="seven").code


def test_a_network_that_needs_a_sample_runs_with_one(pairs):
    given = {"sample": [1, 2], "plugin": [pairs]}
    ran = snnc.run({}, {"x": [[[1, 0], [0, 1], [1, 1]]]}, **given, engine="reference")
    assert 4 == sum(array.sum() for array in ran.outputs.values())


def test_a_build_takes_no_sample(module, toy):
    build = snnc.compile(module, "toy", plugin=[toy])
    with pytest.raises(SnncError, match="a build takes no sample"):
        snnc.run(build, {}, sample=[1])


def test_two_front_ends_of_one_suffix_are_refused(module, tmp_path):
    save(module, tmp_path / "net.snn")
    plugin = tmp_path / "twice.py"
    plugin.write_text(
        "from snnc.extend.plugin import Plugin\n"
        "class Twice:\n    name, suffixes = 'twice', ('.snn',)\n"
        "plugin = Plugin(frontends={'twice': 'twice:Twice'})\n"
    )
    assert "duplicate-name" == refused(tmp_path / "net.snn", plugin=[plugin]).code


def test_importing_the_package_is_cheap():
    import subprocess
    import sys

    script = "import sys, snnc; print([m for m in ('numpy', 'lark', 'attrs') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "[]\n" == ran.stdout


def test_public_names_exist():
    for name in snnc.__all__:
        assert getattr(snnc, name) is not None
    with pytest.raises(AttributeError):
        _ = snnc.nothing_of_this_name
