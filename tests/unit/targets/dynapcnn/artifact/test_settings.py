"""Settings beside the network, and the script that writes a configuration into a device object."""

import copy
import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.driver import Build
from snnc.ir import Module
from snnc.ir.build import Builder
from tests.unit.targets.dynapcnn.networks import compiled, neuron, small, weights


def leaking() -> Module:
    b = Builder("leaking", "snn")
    x = b.input("x", "u8[1, 6, 6]~")
    symbols = [b.weight("w", weights(0, 3, 1, 3, 3)), b.weight("b", np.array([-0.1, 0, 0.2], "f4"))]
    return b.finish(neuron(b, b.op("conv2d", x, *symbols), "y"))


def refused(code: str, module: Module, device: str = "speck2fmodule", **options: Any) -> str:
    with pytest.raises(SnncError) as error:
        compiled(module, device, **options)
    assert code == error.value.code
    return str(error.value)


def test_settings_stand_in_the_configuration() -> None:
    build = compiled(small(), decimate=("s:8", "1:128"), balance=("0",), slow_clock=200)
    first, second = build.config["cnn_layers"][:2]
    assert (True, 2, True) == (
        first["output_decimator_enable"],
        first["output_decimator_interval"],
        first["input_congestion_balancer_enable"],
    )
    assert 5 == second["output_decimator_interval"]
    assert ["decimator", "balancer"] == [
        text.partition(":")[0] for text in build.manifest["relies_on"][-2:]
    ]
    for run in (build.run, lambda x: build.run(x, semantics="event")):
        with pytest.raises(SnncError) as error:
            run({"x": np.zeros((1, 1, 2, 10, 10), np.uint8)})
        assert "decimated" == error.value.code


def test_the_leak_may_have_a_clock_of_the_chip() -> None:
    build = compiled(leaking(), leak_divider=15)
    assert 15 == build.config["factory_config"]["internal_slow_clk_divider"]
    used = [layer["leak_internal_slow_clk_enable"] for layer in build.config["cnn_layers"]]
    assert 1 == sum(used)
    assert build.verify()


def test_the_readout_block_is_set() -> None:
    options = {"readout_mode": "threshold", "readout_threshold": 5, "readout_average": 32}
    block = compiled(small(), readout=True, readout_pins=True, **options).config["readout"]
    assert (1, 5) == (block["output_mode_sel"], block["threshold"])
    assert block["low_pass_filter32_not16"]
    assert not block["low_pass_filter_disable"]
    assert block["readout_pin_monitor_enable"]


def test_settings_that_there_are_not_are_refused() -> None:
    for options in (
        {"slow_clock": 5},
        {"slow_clock": 100, "leak_divider": 14},
        {"decimate": ("0:64",)},
        {"decimate": ("8",)},
        {"decimate": ("t:8",)},
        {"leak_divider": 14},
        {"readout_threshold": 3},
        {"readout": True, "readout_class": 16},
    ):
        refused("chip-setting", small(), **options)
    refused("chip-setting", leaking(), leak_divider=13)
    refused("chip-setting", small(), "speck2b", decimate=("0:8",))


RAISED = """def change(config):
    config["cnn_layers"][0]["threshold_high"] {}
    return config
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, an empty one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def modifier(folder: Path, text: str) -> str:
    (folder / "change.py").write_text(text)
    return "change.py:change"


def test_a_modifier_changes_the_configuration(here: Path) -> None:
    text = RAISED.format("+= 7")
    build = compiled(small(), config_modifier=modifier(here, text))
    before = compiled(small()).config["cnn_layers"][0]["threshold_high"]
    assert before + 7 == build.config["cnn_layers"][0]["threshold_high"]
    assert not build.verify()
    assert any(text.startswith("modifier") for text in build.manifest["relies_on"])
    assert 64 == len(build.manifest["layout"]["modifier"])


def test_what_a_modifier_breaks_is_refused(here: Path) -> None:
    for text in (
        "change = 3\n",
        "def change(config):\n    raise ValueError('no')\n",
        "def change(config):\n    pass\n",
        "syntax error",
    ):
        refused("config-modifier", small(), config_modifier=modifier(here, text))
    refused("config-modifier", small(), config_modifier="change")
    refused("config-modifier", small(), config_modifier=f"{here / 'change.py'}:change")
    refused("config-modifier", small(), config_modifier="none.py:change")
    lost = "def change(config):\n    del config['dvs_layer']\n    return config\n"
    refused("config-malformed", small(), config_modifier=modifier(here, lost))
    zero = RAISED.format("= 0")
    refused("state-range", small(), config_modifier=modifier(here, zero))


CHANGES = {
    "speck2fmodule": (
        "config['dvs_layer']['on_channel'] = False",
        "config['dvs_filter']['hot_pixel_filter_enable'] = True",
    ),
    "dynapcnndevkit": (
        "config['cnn_layers'][0]['weights_kill_bit'][0][0][0] = [True] * 3",
        "config['cnn_layers'][0]['neurons_value_kill_bit'][0][0][0] = True",
        "config['cnn_layers'][0]['biases_kill_bit'] = []",
    ),
}


def test_what_emulators_cannot_follow_they_refuse(here: Path) -> None:
    for device, changes in CHANGES.items():
        x = {"x": np.zeros((1, 1, 2, 10, 10), np.uint8)}
        assert len(compiled(small(), device).run(x).outputs)
        for change in changes:
            text = f"def change(config):\n    {change}\n    return config\n"
            build = compiled(small(), device, config_modifier=modifier(here, text))
            with pytest.raises(SnncError) as error:
                build.run(x)
            assert "decimated" == error.value.code


def stand_in(tree: Any) -> Any:
    """An object with the attributes of a tree, as the vendor's library has them."""
    if isinstance(tree, dict):
        return SimpleNamespace(**{name: stand_in(value) for name, value in tree.items()})
    if isinstance(tree, list) and tree and isinstance(tree[0], dict):
        return [stand_in(value) for value in tree]
    return [] if isinstance(tree, list) else "the vendor's default"


def as_tree(device: Any) -> Any:
    if isinstance(device, SimpleNamespace):
        return {name: as_tree(value) for name, value in vars(device).items()}
    if isinstance(device, list) and device and isinstance(device[0], SimpleNamespace):
        return [as_tree(value) for value in device]
    return device


def script(build: Build, folder: Path) -> Any:
    saved = build.save(folder / "build")
    spec = importlib.util.spec_from_file_location("load_config", saved / "load_config.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def plain(build: Build) -> Any:
    import json

    return json.loads((build._files / "config.json").read_text())


def test_the_script_sets_what_the_build_determines(tmp_path: Path) -> None:
    build = compiled(small(), readout=True)
    module, config = script(build, tmp_path), plain(build)
    device = stand_in(config)
    assert [] == module.load(device)
    found = as_tree(device)
    used = [core["core"] for core in build.placed.ops("core")]
    for number in used:
        assert config["cnn_layers"][number] == found["cnn_layers"][number]
    free = next(n for n in range(9) if n not in used)
    assert "the vendor's default" == found["cnn_layers"][free]["threshold_high"]
    assert found["dvs_layer"]["pass_sensor_events"] is False
    assert "the vendor's default" == found["dvs_layer"]["merge"]
    assert found["readout"]["enable"] is True
    assert "the vendor's default" == found["factory_config"]["io_sel"]
    assert ("Speck2fModuleDevKit", "speck2f") == (module.DEVICE, module.MODULE)


class Copying:
    """An object that hands out copies of its parts, as some bindings do."""

    def __init__(self, values: dict[str, Any]) -> None:
        vars(self)["_values"] = values

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._values:
            raise AttributeError(name)
        return copy.deepcopy(self._values[name])

    def __setattr__(self, name: str, value: Any) -> None:
        self._values[name] = value


def copying(tree: Any) -> Any:
    if isinstance(tree, dict):
        return Copying({name: copying(value) for name, value in tree.items()})
    if isinstance(tree, list) and tree and isinstance(tree[0], dict):
        return [copying(value) for value in tree]
    return [] if isinstance(tree, list) else None


def test_the_script_gives_back_parts_that_are_copies(tmp_path: Path) -> None:
    build = compiled(small(), readout=True)
    module, config = script(build, tmp_path), plain(build)
    device = copying(config)
    assert [] == module.load(device)
    core = device.cnn_layers[0]
    expected = config["cnn_layers"][0]
    assert expected["threshold_high"] == core.threshold_high
    assert expected["dimensions"]["stride"]["x"] == core.dimensions.stride.x
    assert expected["destinations"][0]["layer"] == core.destinations[0].layer
    assert device.readout.enable is True


class Picky:
    """An attribute that takes whole numbers up to 10, and one that can't be set."""

    def __init__(self, **values: Any) -> None:
        vars(self).update(values)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "threshold_low":
            raise AttributeError("it can't be set")
        vars(self)[name] = min(value, 10) if name == "threshold_high" else value


def test_the_script_lists_what_it_could_not_set(tmp_path: Path) -> None:
    build = compiled(small())
    module, device = script(build, tmp_path), stand_in(plain(build))
    first = vars(device.cnn_layers[0])
    del first["return_to_zero"], first["dimensions"].stride
    device.cnn_layers[0] = Picky(**first)
    device.cnn_layers[1].destinations = device.cnn_layers[1].destinations[:1]
    del device.dvs_layer
    found = dict(module.load(device))
    assert {
        "cnn_layers[0].return_to_zero",
        "cnn_layers[0].dimensions.stride",
        "cnn_layers[0].threshold_low",
        "cnn_layers[0].threshold_high",
        "cnn_layers[1].destinations",
        "dvs_layer",
    } == set(found)
    assert "no such attribute" in found["dvs_layer"]
    assert "holds 10" in found["cnn_layers[0].threshold_high"]
    del device.cnn_layers[1:]
    assert "cnn_layers[1]" in dict(module.load(device))


def test_the_script_starts_the_slow_clock(tmp_path: Path) -> None:
    said: list[Any] = []
    board = SimpleNamespace(set_slow_clk=said.append, set_slow_clk_rate=said.append)
    module = script(compiled(leaking(), slow_clock=100), tmp_path)
    assert [] == module.start_clock(board)
    assert [True, 100] == said
    assert ["set_slow_clk", "set_slow_clk_rate"] == [p[0] for p in module.start_clock(object())]
    assert [] == script(compiled(leaking()), tmp_path).start_clock(object())
