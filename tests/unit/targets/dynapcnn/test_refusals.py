"""What is refused, with which code, and that the message holds the numbers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snnc
from snnc.diagnostics import Diagnostics, SnncError
from snnc.ir import Module
from snnc.ir.build import Builder
from snnc.targets.dynapcnn import Dynapcnn
from snnc.targets.dynapcnn.limits import chip
from snnc.targets.dynapcnn.recordings.events import EVENT
from tests.unit.targets.dynapcnn.networks import compiled, neuron, one_layer, saved, small, weights

TARGET = Dynapcnn()


def refusal(module: Module, **options: Any) -> SnncError:
    with pytest.raises(SnncError) as refused:
        compiled(module, **options)
    return refused.value


def test_an_uneven_padding() -> None:
    error = refusal(one_layer("u1[1, 8, 8]~", 2, 3, padding=(1, 1, 0, 0)))
    assert "uneven-padding" == error.code


def test_a_padding_that_is_too_large() -> None:
    assert "padding-size" == refusal(one_layer("u1[1, 8, 8]~", 2, 3, padding=(8, 8))).code


def test_a_map_that_is_too_large() -> None:
    error = refusal(one_layer("u1[1, 129, 129]~", 1, 3, stride=(4, 4)))
    assert "map-size" == error.code
    assert "129 x 129" in str(error)


def test_a_kernel_that_zeros_cannot_make_square() -> None:
    b = Builder("long", "snn")
    x = b.input("x", "u1[1, 12, 12]~")
    made = b.op("conv2d", x, b.weight("w", weights(0, 1, 1, 1, 12)), padding=(7, 0))
    error = refusal(b.finish(neuron(b, made, "y")))
    assert "kernel-not-square" == error.code


def test_three_readers_of_a_layer() -> None:
    b = Builder("three", "snn")
    x = b.input("x", "u1[1, 6, 6]~")
    s = neuron(b, b.op("conv2d", x, b.weight("w", weights(0, 1, 1, 3, 3))), "s")
    ends = [
        neuron(b, b.op("conv2d", s, b.weight(f"w{n}", weights(n, 1, 1, 2, 2))), f"y{n}")
        for n in range(3)
    ]
    error = refusal(b.finish(*ends))
    assert "too-many-destinations" == error.code
    assert 4 == error.exit_status


@pytest.mark.parametrize(
    "map", [("0:0",), ("0:0", "1:0"), ("0:0", "2:1"), ("s:0", "0:1"), ("0:0", "1:9")]
)
def test_maps_that_are_wrong(map: tuple[str, ...]) -> None:
    assert "bad-map" == refusal(small(), map=map).code


def test_a_map_by_name_and_number() -> None:
    placed = compiled(small(), map=("s:4", "1:2")).placed
    assert [4, 2] == [op["core"] for op in placed.ops("core")]


def test_monitored_layers() -> None:
    assert "bad-monitor" == refusal(small(), monitor=("t",)).code
    assert "bad-monitor" == refusal(small(), monitor=("dvs",)).code
    wanted = {("-1",): [False, True], ("all",): [True, True], ("0", "-1"): [True, True]}
    for words, expected in wanted.items():
        placed = compiled(small(), monitor=words).placed
        assert expected == [op["monitor"] for op in placed.ops("core")]


def test_exactly_the_layers_that_are_wanted_are_monitored() -> None:
    found = Diagnostics()
    build = compiled(small(), monitor=("s",), diagnostics=found)
    assert ["output-unseen"] == [d.code for d in found]
    assert [True, False] == [op["monitor"] for op in build.placed.ops("core")]
    assert build.verify()
    assert {} == TARGET.decode(build._files, np.zeros(0, EVENT), 3)


def test_inputs_that_the_pixel_block_cannot_prepare() -> None:
    b = Builder("twice", "snn")
    x = b.input("x", "u8[2, 16, 16]~")
    ends = []
    for size in (2, 4):
        p = b.op("sum_pool2d", x, kernel=(size, size))
        made = b.op("conv2d", p, b.weight(f"w{size}", weights(size, 1, 2, 3, 3)))
        ends.append(neuron(b, made, f"y{size}"))
    assert "pixel-block" == refusal(b.finish(*ends)).code


def test_a_threshold_that_vanishes() -> None:
    assert "threshold-vanishes" == refusal(small(threshold=0.0001, floor=-0.0001)).code


def faint(strength: float) -> Module:
    """Weights that are small beside the unlimited lower bound of their neurons."""
    b = Builder("faint", "snn")
    x = b.input("x", "u1[1, 6, 6]~")
    made = b.op("conv2d", x, b.weight("w", weights(0, 1, 1, 3, 3) * np.float32(strength)))
    return b.finish(neuron(b, made, "y", floor=None))


def test_a_layer_whose_weights_would_all_vanish_leaves_its_unlimited_lower_bound_out() -> None:
    found = Diagnostics()
    made = compiled(faint(0.1), diagnostics=found)
    assert ["unlimited-floor"] == [d.code for d in found]
    assert 127 == np.abs(made.config["cnn_layers"][0]["weights"]).max()
    assert made.config == compiled(faint(0.1), scale="fine").config


def test_a_layer_whose_weights_all_vanish_is_refused() -> None:
    b = Builder("faint", "snn")
    w = b.weight("w", np.full((1, 1, 1, 1), 0.001, np.float32))
    made = b.op("conv2d", b.input("x", "u1[1, 6, 6]~"), w, b.weight("b", np.ones(1, np.float32)))
    assert "weights-vanish" == refusal(b.finish(neuron(b, made, "y"))).code


def test_weights_that_vanish_are_warned_about_and_can_be_kept() -> None:
    module = faint(2)
    found = Diagnostics()
    compiled(module, diagnostics=found)
    assert ["weights-vanish"] == [d.code for d in found]
    kept = compiled(module, scale="fine").config["cnn_layers"][0]
    assert 127 == np.abs(kept["weights"]).max()
    assert -32768 == kept["threshold_low"]


def test_integers_without_a_lower_bound() -> None:
    b = Builder("whole", "int")
    x = b.input("x", "u1[1, 6, 6]~")
    made = b.op("conv2d", x, b.weight("w", np.ones((1, 1, 3, 3), np.int8)))
    module = b.finish(b.op("neuron", made, threshold=3, spike="count", name="y"))
    with pytest.raises(SnncError) as refused:
        snnc.compile(module, "dynapcnn", pipeline="legalise,place")
    assert "no-lower-bound" == refused.value.code


def test_integer_networks_are_placed_as_they_are() -> None:
    b = Builder("whole", "int")
    x = b.input("x", "u1[1, 6, 6]~")
    made = b.op("conv2d", x, b.weight("w", np.ones((1, 1, 3, 3), np.int8)))
    module = b.finish(b.op("neuron", made, threshold=3, spike="count", name="y", floor=-1))
    assert snnc.compile(module, "dynapcnn", pipeline="legalise,place").verify()


def test_devices_have_their_cores() -> None:
    assert 5 == chip("speck2cmini").cores
    assert 9 == len(TARGET.hardware("speck2fdevkit:1", TARGET.Options())["cores"])
    for name in ("speck3", "speck2e:x", "speck2e:0:0"):
        with pytest.raises(SnncError) as refused:
            chip(name)
        assert "unknown-variant" == refused.value.code


def edited(folder: Path, name: str, change: Any) -> SnncError:
    path = folder / name
    tree = json.loads(path.read_text())
    change(tree)
    path.write_text(json.dumps(tree))
    with pytest.raises(SnncError) as refused:
        TARGET.emulate(folder)
    return refused.value


def first_weight(tree: Any, value: float) -> None:
    tree["cnn_layers"][0]["weights"][0][0][0][0] = value


CHANGES = {
    "fraction": ("config.json", lambda t: first_weight(t, 0.5)),
    "nine bits": ("config.json", lambda t: first_weight(t, 128)),
    "lacking": ("config.json", lambda t: t["cnn_layers"][0].pop("weights")),
    "unknown": ("config.json", lambda t: t.__setitem__("cnn_layer", [])),
    "unknown in a core": ("config.json", lambda t: t["cnn_layers"][0].__setitem__("leak", True)),
    "unknown in dimensions": (
        "config.json",
        lambda t: t["cnn_layers"][0]["dimensions"]["stride"].__setitem__("z", 1),
    ),
    "unknown in a destination": (
        "config.json",
        lambda t: t["cnn_layers"][0]["destinations"][1].__setitem__("core", 1),
    ),
    "a third destination": (
        "config.json",
        lambda t: t["cnn_layers"][0]["destinations"].append({}),
    ),
    "a word for a number": (
        "config.json",
        lambda t: t["cnn_layers"][0].__setitem__("threshold_high", "1"),
    ),
    "a fraction of a threshold": (
        "config.json",
        lambda t: t["cnn_layers"][0].__setitem__("threshold_high", 1.5),
    ),
    "neurons that the dimensions do not give": (
        "config.json",
        lambda t: t["cnn_layers"][0]["dimensions"]["output_shape"]["size"].__setitem__("x", 7),
    ),
    "a stride of nothing": (
        "config.json",
        lambda t: t["cnn_layers"][0]["dimensions"]["stride"].__setitem__("x", 0),
    ),
    "a kernel of another size": (
        "config.json",
        lambda t: t["cnn_layers"][0]["dimensions"].__setitem__("kernel_size", 2),
    ),
    "a layer that nobody names": (
        "config.json",
        lambda t: t["cnn_layers"].__setitem__(8, dict(t["cnn_layers"][0])),
    ),
    "lost output": ("layout.json", lambda t: t["outputs"][0].__setitem__("cores", [7])),
}


@pytest.mark.parametrize("name", CHANGES)
def test_damaged_files(name: str, tmp_path: Path) -> None:
    file, change = CHANGES[name]
    assert "config-malformed" == edited(saved(small(), tmp_path), file, change).code


def test_a_missing_file(tmp_path: Path) -> None:
    folder = saved(small(), tmp_path)
    (folder / "config.json").unlink()
    with pytest.raises(SnncError) as refused:
        TARGET.emulate(folder)
    assert "config-missing" == refused.value.code


def test_a_layout_in_another_order(tmp_path: Path) -> None:
    error = edited(saved(small(), tmp_path), "layout.json", lambda t: t["cores"].reverse())
    assert "core-order" == error.code


def test_runs_go_on_where_they_stopped(tmp_path: Path) -> None:
    program = TARGET.emulate(saved(small(), tmp_path))
    x = np.random.Generator(np.random.PCG64(3)).integers(0, 2, (2, 8, 2, 10, 10))
    whole = program.run({"x": x}).outputs["y"]
    first = program.run({"x": x[:, :5]})
    rest = program.run({"x": x[:, 5:]}, state=first.state)
    assert np.array_equal(whole, np.concatenate([first.outputs["y"], rest.outputs["y"]], axis=1))
    for bad in (first, None):
        with pytest.raises(SnncError) as refused:
            program.run({"x": x[:1]}, state=bad.state if bad else "no state")
        assert "bad-state" == refused.value.code


@pytest.mark.parametrize(
    ("inputs", "ticks", "code"),
    [
        ({}, None, "missing-input"),
        ({"z": np.zeros((1, 1))}, None, "unknown-input"),
        ({"x": np.zeros((1, 2, 2, 10, 9))}, None, "input-shape"),
        ({"x": np.full((1, 2, 2, 10, 10), 256)}, None, "input-range"),
        ({"x": np.full((1, 2, 2, 10, 10), 0.5)}, None, "input-range"),
        ({"x": np.zeros((1, 2, 2, 10, 10))}, 3, "tick-count"),
    ],
)
def test_inputs_that_are_wrong(tmp_path: Path, inputs: Any, ticks: int | None, code: str) -> None:
    with pytest.raises(SnncError) as refused:
        TARGET.emulate(saved(small(), tmp_path)).run(inputs, ticks=ticks)
    assert code == refused.value.code


def test_an_unknown_probe(tmp_path: Path) -> None:
    with pytest.raises(SnncError) as refused:
        TARGET.emulate(saved(small(), tmp_path)).run(
            {"x": np.zeros((1, 1, 2, 10, 10))}, probe=("t",)
        )
    assert "unknown-probe" == refused.value.code


def test_a_device_may_have_an_index() -> None:
    build = compiled(small(), "speck2fdevkit:1")
    assert "speck2fdevkit:1" == build.manifest["layout"]["device"]
    with pytest.raises(SnncError) as refused:
        compiled(small(), "speck2fdevkit:first")
    assert "unknown-variant" == refused.value.code


def test_the_manifest_tells_memory_per_core() -> None:
    manifest = compiled(small()).manifest
    expected = {"layer": "s", "kernel": [128, 16384], "neuron": [256, 65536], "bias": [0, 1024]}
    assert expected == manifest["layout"]["memory"]["0"]
    assert {"cores": 2, "neurons": 261, "kernel_words": 640}.items() <= manifest[
        "resources"
    ].items()


@pytest.mark.parametrize("type", ["f32[1, 6, 6]~", "f32[1, 6, 6]"])
def test_inputs_that_are_no_events(type: str) -> None:
    b = Builder("real", "snn")
    made = b.op("conv2d", b.input("x", type), b.weight("w", weights(0, 1, 1, 3, 3)))
    timed = "~" in type
    module = b.finish(neuron(b, made, "y")) if timed else b.finish(b.op("relu", made, name="y"))
    assert ("input-not-events" if timed else "not-for-cores") == refusal(module).code
    found = Diagnostics()
    if not timed:
        build = compiled(module, ann_to_snn=True, diagnostics=found)
        assert ["input-as-events"] == [d.code for d in found]
        assert "u8[1, 6, 6]~" == build.manifest["inputs"]["x"]["type"]
        assert build.verify()


def test_a_network_without_relus_is_not_converted() -> None:
    assert "conversion-network" == refusal(small(), ann_to_snn=True).code


def test_a_map_that_another_layer_sees_flat_and_then_as_another_map() -> None:
    b = Builder("bent", "snn")
    x = b.input("x", "u8[1, 6, 6]~")
    s = neuron(b, b.op("conv2d", x, b.weight("w", weights(0, 2, 1, 3, 3))), "s")
    bent = b.op("reshape", b.op("reshape", s, shape=(32,)), shape=(32, 1, 1))
    made = b.op("conv2d", bent, b.weight("v", weights(1, 2, 32, 1, 1)))
    assert "not-for-cores" == refusal(b.finish(neuron(b, made, "y"))).code
