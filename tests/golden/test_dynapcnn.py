"""Recorded cases of sinabs 3.1.3: configurations, integers and spikes are the same.

All cases of a folder are tried, which SNNC_GOLDEN_DYNAPCNN may name: numbered ones pass with the
vendor's builder; `f` ones it refuses, `g` ones it gets wrong without a word.
"""

import json
import re
from functools import cache
from typing import Any

import numpy as np
import pytest

import snnc
from snnc.diagnostics import SnncError
from snnc.driver import Build
from snnc.ir.write import write
from tests.golden.dynapcnn_compare import Pairs, differences, leaves, pairings, renamed
from tests.golden.dynapcnn_translate import (
    Case,
    case_folder,
    case_names,
    has_pixels,
    read_case,
)

NAMES = case_names()
PASSING = [name for name in NAMES if re.match(r"\d", name)]
OTHER = [name for name in NAMES if name not in PASSING]
REFUSED = {
    "f01_too_many_outputs": "feature-count",
    "f02_ten_layers": "too-few-cores",
    "f03_neuron_memory": "no-core-fits",
    "f05_relu": "not-for-cores",
    "f06_lif": "neuron-not-for-cores",
    "f10_nonsquare_pool": "not-for-cores",
    "f11_pool_stride": "not-for-cores",
    "f13_pool3": "pool-size",
    "f14_kernel17": "kernel-size",
    "f16_stride3": "stride-size",
    "f17_maxpool": "not-for-cores",
    "f19_merge_mismatch": "type-mismatch",
    "f20_dvs_3ch": "pixel-map",
    "f22_no_input_shape": "type-mismatch",
    "f23_shape_conflict": "golden-shape",
    "f26_spiking_first": "not-for-cores",
    "g04_manual_map_overflow": "bad-map",
}
WORKING = (
    "f07_iaf_not_squeeze",
    "f08_missing_spiking",
    "f24_dynapcnndevkit",
    "f27_conv_pool",
    "f28_same_dest_twice",
    "f29_dvs_only",
    "f30_dvs_swap_nonsquare",
    "g01_groups",
    "g02_dilation",
)
"""What the chip, or the host behind it, can do, and the vendor's software can't, or does wrong."""

DEFECTS = ("pass-broke-module", "pass-not-exact", "build-differs")


@cache
def case(name: str) -> Case:
    return read_case(case_folder(name))


def device_of(name: str) -> str:
    return case(name).model.get("devices", ["speck2fmodule"])[0]


@cache
def build(name: str, device: str | None = None) -> Build:
    target = f"dynapcnn:{device or device_of(name)}"
    return snnc.compile(case(name).module, target, **case(name).options)


def config_of(name: str, device: str) -> Any:
    """Return our configuration, changed as the case changes the vendor's: path -> value."""
    config = build(name, device).config
    changes = case(name).model.get("modifier", {})
    if not isinstance(changes, dict):
        pytest.skip(f"the case changes its configuration by {changes!r}, which is not told")
    for path, value in changes.items():
        *steps, last = re.findall(r"\w+", path)
        place = config
        for step in steps:
            place = place[int(step) if step.isdecimal() else step]
        assert last in place
        place[last] = value
    return config


@cache
def recorded(name: str, device: str = "speck2fmodule") -> Any:
    return json.loads((case(name).folder / f"config.{device}.json").read_text())


def first_layer(name: str) -> int:
    """The vendor counts the pixel block as a layer."""
    return 1 if has_pixels(case(name).model) else 0


def one_entry(name: str) -> bool:
    """Whether the vendor's numbering is the same for every hash seed."""
    expected = case(name).expected
    first = expected["entry_points"]
    return len(expected["destination_map"]["dvs"] if first == ["dvs"] else first) == 1


def set_order(name: str) -> bool:
    """Whether the vendor lists some layer's pooled destinations in the order of a set."""
    pools = [one["pool_per_destination"] for one in case(name).expected["layers"].values()]
    return any(sum(pool != [1, 1] for pool in one) > 1 for one in pools)


def cores(name: str) -> list[int]:
    return [op["core"] for op in build(name).placed.ops("core")]


def recorded_cores(name: str) -> list[int]:
    found = case(name).expected["devices"]["speck2fmodule"]["layer2core_map"]
    return [found[str(n)] for n in range(first_layer(name), first_layer(name) + len(found))]


def compared(name: str, device: str) -> tuple[list[str], Pairs]:
    """Return the written fields that differ for the best pairing of layers, and the pairing."""
    actual, expected = config_of(name, device), recorded(name, device)
    written = set(case(name).expected["fields_written_by_sinabs"])
    tried = []
    for pairs in pairings(expected, actual, cores(name), recorded_cores(name)):
        moved = renamed(expected, pairs)
        order = one_entry(name) and not set_order(name)
        tried.append((differences(moved, actual, written, order), pairs))
        if one_entry(name) or not tried[-1][0]:
            break
    return min(tried, key=lambda found: len(found[0]))


@cache
def layer_names(name: str) -> dict[int, str]:
    """Return the name of our layer for each of the vendor's."""
    _, pairs = compared(name, "speck2fmodule")
    ours = {op["core"]: op.result.name for op in build(name).placed.ops("core")}
    return {n: ours[pairs[c]] for n, c in enumerate(recorded_cores(name), first_layer(name))}


DEVICES = ("speck2fmodule", "speck2fdevkit", "speck2edevkit")
RECORDED = [
    (name, device)
    for name in PASSING
    for device in DEVICES
    if (case_folder(name) / f"config.{device}.json").is_file()
]


@pytest.mark.parametrize(("name", "device"), RECORDED)
def test_every_field_that_sinabs_writes_is_the_same(name: str, device: str) -> None:
    assert [] == compared(name, device)[0]


@pytest.mark.parametrize("name", PASSING)
def test_layers_stand_on_the_cores_that_sinabs_chooses(name: str) -> None:
    assert [] == build(name).target.check(build(name).placed).errors
    if one_entry(name):
        assert recorded_cores(name) == cores(name)


@pytest.mark.parametrize("name", PASSING)
def test_integers_are_those_of_sinabs(name: str) -> None:
    config = build(name).config["cnn_layers"]
    found = {op.result.name: config[op["core"]] for op in build(name).placed.ops("core")}
    stored = case(name).folder / "discrete.npz"
    for number, layer in layer_names(name).items():
        facts, actual = case(name).expected["layers"][str(number)], found[layer]
        assert facts["threshold_high"] == actual["threshold_high"]
        assert facts["threshold_low"] == actual["threshold_low"]
        weights = np.array(actual["weights"]).swapaxes(2, 3)
        assert facts["weight_minmax"] == [weights.min(), weights.max()]
        if stored.is_file():
            discrete = np.load(stored)
            assert np.array_equal(discrete[f"{number}.weight"], weights)
            if f"{number}.bias" in discrete:
                assert discrete[f"{number}.bias"].tolist() == actual["biases"]


@pytest.mark.parametrize("name", PASSING)
def test_time_steps_give_the_spikes_and_potentials_of_sinabs(name: str) -> None:
    raster = np.load(case(name).folder / "input.npz")["raster"]
    if raster.shape[1:] != build(name).module.graph.inputs[0].type.shape:
        raster = raster.sum(axis=1, keepdims=True)
    ran = build(name).run({"input": raster[None]}, probe=("all",))
    stored = np.load(case(name).folder / "output.npz")
    for number, layer in layer_names(name).items():
        spikes, potential = ran.trace[layer][0], ran.trace[f"{layer}.v"][0, -1]
        expected = case(name).expected["layers"][str(number)]["spikes_total"]
        assert expected == int(spikes.sum(dtype=np.int64))
        if f"neuron_spikes.{number}" in stored:
            assert (stored[f"neuron_spikes.{number}"].reshape(spikes.shape) == spikes).all()
        final = stored[f"v_mem_final.{number}"].reshape(potential.shape)
        assert np.array_equal(final, potential)
    outputs = [stored[key] for key in stored.files if key == "out" or key.startswith("out.")]
    ours = [array[0] for array in ran.outputs.values()]
    assert len(outputs) == len(ours)
    for expected in outputs:
        assert any(_same(expected, array) for array in ours)


def _same(a: Any, b: Any) -> bool:
    return a.size == b.size and np.array_equal(a, b.reshape(a.shape))


@pytest.mark.parametrize("name", PASSING)
def test_the_files_equal_the_program_and_load_back(name: str) -> None:
    raster = np.load(case(name).folder / "input.npz")["raster"][None, :4]
    large = build(name).manifest["resources"]["neurons"] > 50_000
    assert build(name).verify(raster if large else None)
    target, placed = build(name).target, build(name).placed
    assert write(placed, locs=False) == write(target.load(build(name)._files), locs=False)


KILL_BITS = [n for n in PASSING if (case_folder(n) / "config.dynapcnndevkit.json").is_file()]


@pytest.mark.parametrize("name", KILL_BITS)
def test_the_first_chip_gets_kill_bits(name: str) -> None:
    if not one_entry(name):
        pytest.skip("the vendor's order of layers depends on a hash seed")
    expected = recorded(name, "dynapcnndevkit")
    actual = dict(leaves(build(name, "dynapcnndevkit").config))
    wanted = {k: v for k, v in leaves(expected) if "kill_bit" in k and v}
    assert len(wanted) == 3 * len(cores(name))
    assert wanted == {key: actual[key] for key in wanted}


def outcome(name: str) -> Build | SnncError:
    try:
        return build(name)
    except SnncError as refused:
        return refused


@pytest.mark.parametrize("name", OTHER)
def test_what_the_vendor_refuses_is_compiled_or_refused_for_its_reason(name: str) -> None:
    found = outcome(name)
    if isinstance(found, Build):
        assert name not in REFUSED
        assert found.verify()
        return
    assert name not in WORKING
    assert REFUSED.get(name, found.code) == found.code
    assert found.code not in DEFECTS
    assert found.diagnostics[0].message
    if found.code not in ("type-mismatch", "golden-node", "golden-shape", "golden-loop"):
        assert found.diagnostics[0].help


def test_a_relu_network_is_converted_on_request() -> None:
    if "f05_relu" not in NAMES:
        pytest.skip("the folder has no such case")
    module = case("f05_relu").module
    assert snnc.compile(module, "dynapcnn", ann_to_snn=True).verify()
