import subprocess
import sys
import textwrap

import pytest

from snnc.builtins import PLUGIN
from snnc.diagnostics import SnncError
from snnc.extend.plugin import Plugin
from snnc.extend.registry import Registry

PASS = '''
from attrs import frozen
from snnc.extend.passes import Pass
from snnc.extend.plugin import Plugin

@frozen
class Mine(Pass):
    """Mine."""
    name = "mine"

    def run(self, module, context):
        return module

plugin = Plugin(passes={"mine": "plug:Mine"}, presets={"two": "mine,mine"})
'''


@pytest.fixture
def write_plugin(tmp_path):
    def write(text, name="plug.py"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        return path

    return write


def code_of(action):
    with pytest.raises(SnncError) as caught:
        action()
    return caught.value.diagnostics[0]


def test_what_ships_in_the_box_has_no_clashes_and_needs_no_numpy():
    script = (
        "import sys; from snnc.builtins import PLUGIN; from snnc.extend.registry import Registry; "
        "Registry(PLUGIN).names('passes'); print('numpy' in sys.modules, 'lark' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "False False\n" == ran.stdout


def test_plugin_file_adds_its_passes_and_presets(write_plugin):
    registry = Registry(PLUGIN, [write_plugin(PASS)])
    assert "mine" == registry.get_pass("mine").name
    assert "mine,mine" == registry.presets["two"]


def test_plugin_file_named_twice_counts_once(write_plugin):
    path = write_plugin(PASS)
    assert "mine" in Registry(PLUGIN, [path, path]).names("passes")


def test_plugin_file_is_run_once_in_a_process(write_plugin):
    path = write_plugin(PASS)
    first, second = (Registry(PLUGIN, [path]).get_pass("mine") for _ in range(2))
    assert first is second


def test_second_use_of_a_name_is_refused_with_both_origins(write_plugin):
    path = write_plugin(PASS.replace('"mine": ', '"clean": '))
    found = code_of(lambda: Registry(PLUGIN, [path]))
    assert "duplicate-name" == found.code
    assert "snnc" in found.message
    assert "plug.py" in found.message


@pytest.mark.parametrize(
    ("kind", "code"),
    [("target", "unknown-target"), ("engine", "unknown-engine"), ("frontend", "unknown-frontend")],
)
def test_unknown_name_is_refused(kind, code):
    registry = Registry(PLUGIN)
    assert code == code_of(lambda: getattr(registry, f"get_{kind}")("nix")).code


def test_unknown_pass_names_the_nearest():
    assert "did you mean 'quantize'?" == code_of(lambda: Registry(PLUGIN).get_pass("quantise")).help


def test_pass_of_a_target_that_was_not_chosen_is_named_with_it():
    found = code_of(lambda: Registry(PLUGIN).get_pass("legalise"))
    assert "unknown-pass" == found.code
    assert "-t paicore" in found.help


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x = 1\ny = x / 0\n", 2),
        ("import not_a_module_at_all\n", 1),
        ("x = = 1\n", 1),
        ("raise SystemExit(3)\n", 1),
    ],
)
def test_plugin_that_raises_on_import_is_named_with_its_line(write_plugin, text, line):
    path = write_plugin(text)
    found = code_of(lambda: Registry(PLUGIN, [path]))
    assert ("plugin-failed", str(path), line) == (found.code, found.loc.file, found.loc.line)
    assert "plug.py" in found.message


def test_plugin_file_without_a_plugin_is_refused(write_plugin):
    path = write_plugin("x = 1\n")
    assert "plugin-failed" == code_of(lambda: Registry(PLUGIN, [path])).code


@pytest.mark.parametrize("table", ["[1]", "'mine'", "{'mine': 1}", "{1: 'plug:Mine'}", "None"])
def test_plugin_with_a_table_of_another_kind_is_refused(write_plugin, table):
    text = f"from snnc.extend.plugin import Plugin\n\nplugin = Plugin(passes={table})\n"
    path = write_plugin(text)
    found = code_of(lambda: Registry(PLUGIN, [path]))
    assert ("plugin-failed", str(path), 3) == (found.code, found.loc.file, found.loc.line)


def test_plugin_file_that_does_not_exist_is_refused(tmp_path):
    assert "plugin-failed" == code_of(lambda: Registry(PLUGIN, [tmp_path / "no.py"])).code


def test_class_that_a_plugin_lacks_is_its_failure(write_plugin):
    path = write_plugin(PASS.replace("plug:Mine", "plug:Yours"))
    found = code_of(lambda: Registry(PLUGIN, [path]).get_pass("mine"))
    assert "plugin-failed" == found.code


def test_level_of_a_plugin_is_found_by_name(write_plugin):
    level = """
        from snnc.extend.plugin import Plugin
        from snnc.ir.opset import register_level

        plugin = Plugin(levels={"attic": f"{__name__}:make"})

        def __getattr__(name):
            if name != "make":
                raise AttributeError(name)
            return register_level("attic", "a level for this test", [])
        """
    from snnc.ir import opset

    Registry(PLUGIN, [write_plugin(level, "levels.py")]).install()
    assert "attic" == opset.level("attic").name


class Point:
    """An entry point that gives, or raises, what it was made with."""

    name, value, dist = "mine", "mine:plugin", None

    def __init__(self, found):
        self.found = found

    def load(self):
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def test_installed_plugin_adds_its_names(monkeypatch):
    point = Point(Plugin(presets={"mine": "clean"}))
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [point])
    assert "clean" == Registry(PLUGIN).presets["mine"]


@pytest.mark.parametrize("found", [ImportError("no such library"), 3])
def test_installed_plugin_that_fails_is_named(monkeypatch, found):
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [Point(found)])
    refused = code_of(lambda: Registry(PLUGIN))
    assert "plugin-failed" == refused.code
    assert "mine" in refused.message


def test_lazy_names_point_at_what_exists():
    registry = Registry(PLUGIN, installed=False)
    for name in registry.names("passes"):
        assert name == registry.get_pass(name).name
    for name in registry.names("engines"):
        assert name == registry.get_engine(name).name
    for name in registry.names("frontends"):
        assert name == registry.get_frontend(name).name
    for name in registry.names("targets"):
        assert name == registry.get_target(name).name


def test_origin_of_an_empty_plugin_adds_nothing():
    assert () == Registry(Plugin(), installed=False).names("passes")


def test_package_that_is_not_installed_is_named():
    registry = Registry(Plugin(engines={"fast": "no_such_package:Fast"}), installed=False)
    found = code_of(lambda: registry.get_engine("fast"))
    assert "missing-package" == found.code
    assert "no_such_package" in found.message
