"""Layers that are cut in ways of their own: fewer cores than with tiles that are alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import snnc
from snnc.targets.paicore.neurons.populations import Populations
from snnc.targets.paicore.tiling.braid import CodeSearch, Shared
from snnc.targets.paicore.tiling.patches import Patched
from snnc.targets.paicore.tiling.plan import Plan, Planner
from snnc.targets.paicore.tiling.shares import Share
from tests.unit.targets.paicore.tiling.networks import Net, chain, residual


def plan(module: snnc.ir.Module, *names: str, multicast: str = "masks") -> Plan:
    """Return the layout of a region of some layers."""
    populations = Populations(module)
    shares = [Share(op) for op in populations.ops if op.result.name in names]
    return Planner(populations, multicast).plan(shares, [1] * len(shares))


def planned(module: snnc.ir.Module, *names: str) -> tuple[int, int]:
    """Return the cores of a region of some layers, and those that it takes."""
    made = plan(module, *names)
    return made.cores, made.occupied


@pytest.mark.parametrize(
    ("name", "expected"), [("res16", ((8, 12), (20, 28))), ("res32c", ((4, 8), (10, 14)))]
)
def test_two_readers_in_bands_that_take_turns_need_hardly_more_cores_than_apart(
    name: str, expected: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    module = residual(name, 1)
    apart = tuple(planned(module, layer)[0] for layer in "ab")
    assert expected == (apart, planned(module, "a", "b"))


def test_bands_are_cut_apart_where_windows_at_the_border_are_smaller() -> None:
    module = chain("vgg_dvs32", 1)
    assert [(5, 6), (3, 3)] == [planned(module, layer) for layer in ("l2", "l4")]


def test_blocks_of_cores_are_left_as_they_are() -> None:
    module = chain("vgg_dvs32", 1)
    tiles = [plan(module, "l2", multicast=how).tile for how in ("masks", "contiguous")]
    assert [True, False] == [isinstance(tile, Patched) for tile in tiles]


def test_a_block_whose_source_is_stored_once_is_exact() -> None:
    build = snnc.compile(residual("res16", 1), target="paicore")
    resources = build.manifest["resources"]
    assert (31, 0) == (resources["cores"], resources["neuron_copies"])
    samples = np.ones((2, 5, 3, 16, 16), np.uint8)
    samples[1] = np.random.default_rng(5).random((5, 3, 16, 16)) < 0.3
    assert str(build.verify({"x": samples})).startswith("equal at every tick")


def test_layers_cut_apart_are_exact() -> None:
    module = chain("vgg_dvs32", 1)
    build = snnc.compile(module, target="paicore")
    samples = (np.random.default_rng(6).random((2, 6, 2, 32, 32)) < 0.4).astype(np.uint8)
    assert 26 == build.manifest["resources"]["cores"]
    assert str(build.verify({"x": samples})).startswith("equal at every tick")


def strided() -> snnc.ir.Module:
    """A block that halves its map: a convolution of windows, beside one of single places."""
    net = Net("down", 1)
    x = net.build.input("x", "u1[32,12,12]~")
    stem = net.fire("stem", net.conv(x, 32, 1, 1, 0), 32)
    a = net.fire("a", net.conv(stem, 48, 3, 2, 1), 288)
    both = net.build.op("add", net.conv(a, 48, 3, 1, 1), net.conv(stem, 48, 1, 2, 0))
    return net.build.finish(net.fire("b", both, 432))


def test_a_block_that_halves_its_map_is_exact() -> None:
    module = strided()
    build = snnc.compile(module, target="paicore")
    samples = (np.random.default_rng(7).random((2, 5, 32, 12, 12)) < 0.4).astype(np.uint8)
    assert str(build.verify({"x": samples})).startswith("equal at every tick")


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 7), st.integers(1, 9), st.randoms(use_true_random=False))
def test_codes_keep_what_bands_receive_within_their_axons(count, room, random) -> None:  # type: ignore[no-untyped-def]
    shared = []
    for first in range(count):
        bands = tuple(range(first, min(first + random.randint(1, 3), count)))
        shared.append(Shared(bands, random.randint(1, 3)))
    found = CodeSearch(count, count.bit_length(), room, shared).search()
    if not found:
        return
    assert len(set(found)) == count
    received = [0] * count
    for each in shared:
        mine = [found[band] for band in each.bands]
        open_bits = max(mine) and int(np.bitwise_or.reduce([code ^ mine[0] for code in mine]))
        for band, code in enumerate(found):
            received[band] += each.axons * (not (code ^ mine[0]) & ~open_bits)
    assert max(received) <= room
