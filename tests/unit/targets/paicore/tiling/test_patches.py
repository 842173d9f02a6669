"""Tiles that are patches given one by one: all that a tile reads arrives at axons of its own."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.diagnostics import SnncError
from snnc.driver.pipeline import run_pipeline
from snnc.ir import Builder, Module
from snnc.ir.graph import Op
from snnc.ir.rewrite import Rebuild, rebuild
from snnc.targets.paicore.mapping.laid import Division
from snnc.targets.paicore.neurons.populations import Segment
from snnc.targets.paicore.tiling.cutter import ends
from snnc.targets.paicore.tiling.patches import Patch, Patched, Patches, ReadByLayer
from snnc.targets.paicore.tiling.reach import ALL, Span
from snnc.targets.paicore.tiling.shares import Share
from tests.unit.targets.paicore.tiling.networks import residual

ROOM = 400
CHANNELS = 2


def layer(name: str) -> Share:
    build = Builder("n", "int")
    return Share(build.emit("neuron", (build.input(name, "i32[4]~"),), {"threshold": 1}))


LAYERS = [layer(name) for name in "ab"]


def patched(patches: list[tuple[Patch, ...]], room: int) -> Patched:
    return Patched(dict(zip(LAYERS, patches, strict=False)), room)


def source(name: str, size: int) -> Segment:
    build = Builder("n", "int")
    return Segment(build.input(name, f"u1[{CHANNELS}, {size}, {size}]~"), 1)


@st.composite
def regions(draw: st.DrawFn) -> tuple[Patches, list[tuple[Patch, ...]], ReadByLayer]:
    """Two layers in bands of any size, cut apart; one reads a source and the other, one both."""
    size = draw(st.integers(2, 7))
    codes = iter(draw(st.permutations(range(32))))

    def places() -> list[int]:
        return sorted({0, size, *draw(st.lists(st.integers(1, size - 1), max_size=2))})

    patches = []
    for _ in range(2):
        mine: list[Patch] = []
        rows = places()
        for first, stop in pairwise(rows):
            columns = places()
            mine += [(next(codes), 0, 3, first, stop, a, b) for a, b in pairwise(columns)]
        patches.append(tuple(mine))

    def spans(around: int) -> tuple[Span, ...]:
        low = np.maximum(np.arange(size) - around, 0)
        high = np.minimum(np.arange(size) + around, size - 1)
        return ALL, Span(1, low, high), Span(2, low, high)

    shape = (CHANNELS, size, size)
    reads = {
        source("x", size): (shape, (spans(1), spans(0))),
        source("y", size): (shape, (None, spans(draw(st.integers(0, 2))))),
    }
    made = Patches([(3, size, size)] * 2, patched(patches, ROOM), 0, reads)
    return made, patches, reads


@settings(max_examples=60, deadline=None)
@given(regions())
def test_every_tile_receives_what_it_reads_at_axons_that_nothing_else_reaches(
    region: tuple[Patches, list[tuple[Patch, ...]], ReadByLayer],
) -> None:
    made, patches, reads = region
    if not made.fits:
        return
    for layer, mine in enumerate(patches):
        for code, *bounds in mine:
            read, others = [], []
            for segment, (sizes, each) in reads.items():
                to = made.arrival(segment)
                here = np.flatnonzero((code ^ to.base) & ~to.mask == 0)
                inside = np.zeros(sizes, dtype=bool)
                if each[layer] is not None:
                    cut = [slice(None)]
                    for axis, span in enumerate(each[layer][1:], 1):
                        first, stop = bounds[2 * axis : 2 * axis + 2]
                        cut.append(
                            slice(span.low[first:stop].min(), span.high[first:stop].max() + 1)
                        )
                    inside[tuple(cut)] = True
                wanted = np.flatnonzero(inside.reshape(-1))
                assert set(wanted.tolist()) <= set(here.tolist())
                read += to.axon[wanted].tolist()
                others += to.axon[np.setdiff1d(here, wanted)].tolist()
            assert len(read) == len(set(read))
            assert not set(read) & set(others)
            assert max([*read, *others], default=0) < made.axons <= ROOM


@settings(max_examples=60, deadline=None)
@given(regions())
def test_the_tiles_hold_each_neuron_of_a_layer_once(
    region: tuple[Patches, list[tuple[Patch, ...]], ReadByLayer],
) -> None:
    made, patches, _ = region
    size = made.shapes[0][1]
    for layer, mine in enumerate(patches):
        order, parts = made.order(LAYERS[layer])
        assert sorted(order.tolist()) == list(range(3 * size * size))
        held = {part.code: order[part.first : part.last] for part in parts}
        for code, *bounds in mine:
            index = np.unravel_index(held[code], (3, size, size))
            for axis, place in enumerate(index):
                assert bounds[2 * axis] == place.min()
                assert bounds[2 * axis + 1] == place.max() + 1
        assert sum(map(len, held.values())) == len(order)


def test_what_nobody_reads_shares_an_axon_without_weights() -> None:
    segment = source("x", 5)
    span = Span(1, np.array([0, 2]), np.array([1, 3]))
    reads = {segment: ((CHANNELS, 5, 5), ((ALL, span, Span(2, span.low, span.high)),))}
    patches = [tuple((n, 0, 1, n, n + 1, 0, 2) for n in (0, 1))]
    made = Patches([(1, 2, 2)], patched(patches, ROOM), 0, reads)
    axon = made.arrival(segment).axon.reshape(CHANNELS, 5, 5)
    assert (17, {16}) == (made.axons, set(axon[:, 4].reshape(-1).tolist()))
    assert not made.arrival(segment).mask.reshape(CHANNELS, 5, 5)[:, 4].any()


def test_too_few_axons_are_told() -> None:
    segment = source("x", 4)
    whole = Span(1, np.zeros(4, dtype=np.int64), np.full(4, 3))
    reads = {segment: ((CHANNELS, 4, 4), ((ALL, whole, Span(2, whole.low, whole.high)),))}
    patches = [((0, 0, 1, 0, 4, 0, 4),)]
    fits = [Patches([(1, 4, 4)], patched(patches, room), 0, reads).fits for room in (31, 32)]
    assert [False, True] == fits


def test_places_where_parts_end() -> None:
    assert [0, 3, 5, 8] == ends([3, 2, 3])


def damaged(how: Callable[[tuple[Patch, ...]], object]) -> Module:
    """Return a block that `group` cut into patches, those of its last layer changed."""
    module = run_pipeline(residual("res32c", 1), "schedule,group", target="paicore")

    def changed(op: Op, build: Rebuild) -> Op | None:
        place = dict(op["place"] or {}) if op.kind == "neuron" else {}
        if op.results[0].name != "b":
            return None
        return build.copy(op, place={**place, "patches": how(place["patches"])})

    return rebuild(module, changed)


@pytest.mark.parametrize(
    "how",
    [
        lambda given: given[1:],
        lambda given: (*given, given[0]),
        lambda given: (given[0][:-1], *given[1:]),
        lambda given: ((1 << 20, *given[0][1:]), *given[1:]),
        lambda given: ((*given[0][:-1], 99), *given[1:]),
        lambda given: (7, *given[1:]),
        lambda given: (("0", *given[0][1:]), *given[1:]),
    ],
)
def test_patches_that_do_not_hold_each_neuron_once_are_refused(
    how: Callable[[tuple[Patch, ...]], object],
) -> None:
    with pytest.raises(SnncError) as caught:
        Division(damaged(how))
    assert "bad-place" == caught.value.code


def test_patches_whose_sources_have_too_few_axons_are_refused() -> None:
    with pytest.raises(SnncError) as caught:
        Division(damaged(lambda given: ((given[0][0], 0, 32, 0, 8, 0, 8),)))
    assert ("bad-place", True) == (caught.value.code, "axons" in str(caught.value))
