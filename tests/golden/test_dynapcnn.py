"""Recorded cases of sinabs 3.1.3: configurations, integers and spikes are the same."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest

import snnc
from snnc.diagnostics import SnncError
from snnc.driver import Build
from snnc.ir.write import write
from tests.golden.dynapcnn_translate import Case, case_folder, read_case

PASSING = (
    "01_mnist_seed",
    "02_bias",
    "04_padding",
    "06_pools",
    "07_split_merge",
    "08_residual",
    "10_two_outputs",
    "11_dvs_pool",
    "14_dvs_flag_pool",
    "15_batchnorm",
    "17_min_v_mem_none",
    "19_nine_cores",
    "21_linear_first",
)
REFUSED = {
    "f01_too_many_outputs": "feature-count",
    "f02_ten_layers": "too-few-cores",
    "f03_neuron_memory": "no-core-fits",
    "f05_relu": "not-for-cores",
    "f06_lif": "neuron-not-for-cores",
    "f08_missing_spiking": "not-for-cores",
    "f10_nonsquare_pool": "not-for-cores",
    "f11_pool_stride": "not-for-cores",
    "f13_pool3": "pool-size",
    "f14_kernel17": "kernel-size",
    "f16_stride3": "stride-size",
    "f17_maxpool": "not-for-cores",
    "f19_merge_mismatch": "type-mismatch",
    "f20_dvs_3ch": "pixel-map",
    "f23_shape_conflict": "golden-shape",
    "f26_spiking_first": "not-for-cores",
    "f27_conv_pool": "not-for-cores",
    "g04_manual_map_overflow": "bad-map",
}
BETTER = (
    "f07_iaf_not_squeeze",
    "f24_dynapcnndevkit",
    "f28_same_dest_twice",
    "f29_dvs_only",
    "f30_dvs_swap_nonsquare",
    "g01_groups",
    "g02_dilation",
)
"""What the chip can do, and the vendor's software can't, or does wrong."""


@cache
def case(name: str) -> Case:
    folder = case_folder(name)
    if folder is None:
        pytest.skip(f"{name} is neither committed nor beside the repository")
    return read_case(folder)


@cache
def build(name: str, device: str = "speck2fmodule") -> Build:
    return snnc.compile(case(name).module, f"dynapcnn:{device}", **case(name).options)


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from leaves(value, f"{path}.{key}" if path else key)
    elif isinstance(tree, list) and tree and isinstance(tree[0], dict):
        for number, value in enumerate(tree):
            yield from leaves(value, f"{path}[{number}]")
    else:
        yield path, tree


def first_layer(name: str) -> int:
    """The vendor counts the pixel block as a layer."""
    return 1 if case(name).options["sensor"] else 0


@pytest.mark.parametrize("name", PASSING)
def test_every_field_that_sinabs_writes_is_the_same(name: str) -> None:
    expected = json.loads((case(name).folder / "config.speck2fmodule.json").read_text())
    written = set(case(name).expected["fields_written_by_sinabs"])
    wanted = {k: v for k, v in leaves(expected) if re.sub(r"\[\d+\]", "[]", k) in written}
    actual = dict(leaves(build(name).config))
    assert len(wanted) > 200
    assert wanted == {key: actual[key] for key in wanted}


@pytest.mark.parametrize("name", PASSING)
def test_layers_stand_on_the_cores_that_sinabs_chooses(name: str) -> None:
    expected = case(name).expected["devices"]["speck2fmodule"]["layer2core_map"]
    cores = [op["core"] for op in build(name).placed.ops("core")]
    assert expected == {str(n): core for n, core in enumerate(cores, first_layer(name))}


@pytest.mark.parametrize("name", PASSING)
def test_time_steps_give_the_spikes_and_potentials_of_sinabs(name: str) -> None:
    raster = np.load(case(name).folder / "input.npz")["raster"]
    ran = build(name).run({"input": raster[None]}, probe=("all",))
    recorded = np.load(case(name).folder / "output.npz")
    layers = [op.result.name for op in build(name).placed.ops("core")]
    for number, layer in enumerate(layers, first_layer(name)):
        spikes, potential = ran.trace[layer][0], ran.trace[f"{layer}.v"][0, -1]
        expected = case(name).expected["layers"][str(number)]["spikes_total"]
        assert expected == int(spikes.sum(dtype=np.int64))
        if f"neuron_spikes.{number}" in recorded:
            assert (recorded[f"neuron_spikes.{number}"].reshape(spikes.shape) == spikes).all()
        final = recorded[f"v_mem_final.{number}"].reshape(potential.shape)
        assert np.array_equal(final, potential)


@pytest.mark.parametrize("name", [n for n in PASSING if n != "19_nine_cores"])
def test_the_files_equal_the_program_and_load_back(name: str) -> None:
    assert build(name).verify()
    target = build(name).target
    placed = build(name).placed
    assert [] == target.check(placed).errors
    assert write(placed, locs=False) == write(target.load(build(name)._files), locs=False)


def test_the_first_chip_gets_kill_bits() -> None:
    expected = json.loads((case("02_bias").folder / "config.dynapcnndevkit.json").read_text())
    actual = dict(leaves(build("02_bias", "dynapcnndevkit").config))
    names = [k for k, v in leaves(expected) if "kill_bit" in k and v]
    assert len(names) == 9
    assert {k: v for k, v in leaves(expected) if k in names} == {k: actual[k] for k in names}


@pytest.mark.parametrize(("name", "code"), REFUSED.items())
def test_what_no_chip_can_do_is_refused_for_its_reason(name: str, code: str) -> None:
    with pytest.raises(SnncError) as refused:
        build(name)
    assert code == refused.value.code


@pytest.mark.parametrize("name", BETTER)
def test_what_the_chip_can_do_is_compiled(name: str) -> None:
    assert build(name).verify()
