"""Orders, cubes and axons of irregular regions, by themselves."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.extend.passes import Context
from snnc.targets.paicore.group import Group
from snnc.targets.paicore.schedule import Schedule
from snnc.targets.paicore.tiling import hypergraph
from snnc.targets.paicore.tiling.irregular import Kind, Problem, choose_codes
from snnc.targets.paicore.tiling.orders import bisected, components, cuthill_mckee, halve
from snnc.targets.paicore.tiling.reads import Reads
from snnc.targets.paicore.tiling.scatter import UNREAD, arrange, cubes
from snnc.targets.paicore.tiling.turning import turned
from tests.unit.targets.paicore.tiling.sparse import Mask, band, blocks, chain, random, shuffled

BELOW = 1 << 40


def reads_of(mask: Mask, host: bool = False) -> Reads:
    row, element = np.nonzero(mask)
    return Reads(len(mask), (mask.shape[1],), (host,), row, element)


def bandwidth(mask: Mask, order: np.ndarray) -> int:
    """The farthest that two neurons with an element in common stand from each other."""
    row, element = np.nonzero(mask[order])
    first, last = np.full(mask.shape[1], len(mask)), np.zeros(mask.shape[1], dtype=int)
    np.minimum.at(first, element, row)
    np.maximum.at(last, element, row)
    return int((last - first).max())


def test_components_are_named_by_their_least_neuron() -> None:
    label = components(reads_of(shuffled(blocks(60, 6))))
    counts = np.bincount(label)
    assert [10] * 6 == counts[counts > 0].tolist()
    assert all(label[label] == label)


def test_neurons_that_read_nothing_are_components_too() -> None:
    assert [0, 1, 2] == components(reads_of(np.zeros((3, 4), dtype=bool))).tolist()


def test_a_walk_finds_a_band_again() -> None:
    mask = np.abs(np.arange(300)[:, None] - np.arange(300)) <= 3
    hidden = shuffled(mask)
    assert bandwidth(hidden, cuthill_mckee(reads_of(hidden))) <= 2 * bandwidth(mask, np.arange(300))


def test_what_most_neurons_read_does_not_lead_a_walk() -> None:
    mask = shuffled(blocks(120, 4))
    mask[:, 0] = True
    order = cuthill_mckee(reads_of(mask))
    label = components(reads_of(mask[:, 1:]))
    assert 4 == 1 + np.count_nonzero(np.diff(label[order]))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200), st.integers(8, 40), st.integers(0, 99))
def test_orders_hold_each_neuron_once(count: int, unit: int, seed: int) -> None:
    reads = reads_of(random(count, 70, 3, seed))
    for order in (cuthill_mckee(reads), bisected(reads, unit, halve)):
        assert list(range(count)) == sorted(order.tolist())


def test_halves_part_what_is_joined_by_little() -> None:
    mask = shuffled(blocks(128, 2))
    chosen = halve(reads_of(mask), 64)
    assert 64 == chosen.sum()
    assert not (mask[chosen].any(axis=0) & mask[~chosen].any(axis=0)).any()


@settings(deadline=None)
@given(st.integers(0, 999), st.booleans())
def test_cubes_hold_the_tiles_that_read(seed: int, exact: bool) -> None:
    wanted = np.random.default_rng(seed).random((9, 16)) < 0.3
    element, code = np.nonzero(wanted)
    if not element.size:
        return
    found = cubes(element, code, exact)
    heard = np.zeros_like(wanted, dtype=int)
    for e, base, mask in zip(found.element, found.base, found.mask, strict=True):
        heard[e] += (np.arange(16) ^ base) & ~mask == 0
    assert heard.max() == 1
    assert not (wanted & (heard == 0)).any()
    if exact:
        assert np.array_equal(wanted, heard == 1)
    else:
        assert not found.rank.any()


@settings(deadline=None)
@given(st.integers(0, 999), st.booleans())
def test_axons_differ_where_cubes_meet(seed: int, host: bool) -> None:
    draw = np.random.default_rng(seed)
    mask = draw.random((40, 30)) < draw.choice([0.02, 0.1, 0.3])
    codes = draw.integers(0, 8, 40)
    made = arrange(reads_of(mask, host), codes, draw.choice([12, 20, 40]))
    if made is None:
        return
    for tile in np.unique(codes):
        axons = [
            axon
            for one in made.arrivals[0]
            for base, m, axon in zip(one.base, one.mask, one.axon, strict=True)
            if m != UNREAD and (tile ^ base) & ~m == 0
        ]
        dead = [a for one in made.arrivals[0] for a in one.axon[one.mask == UNREAD]]
        read = np.count_nonzero(mask[codes == tile].any(axis=0))
        assert len(axons) == len(set(axons))
        assert len(axons) >= read
        assert max([*axons, *dead], default=0) < made.axons
        assert tile != codes.min() or not set(axons) & set(dead)


def test_tiles_turned_hear_less_and_are_as_many() -> None:
    side = np.arange(576) // 24, np.arange(576) % 24
    near = [np.abs(axis[:, None] - axis) <= 1 for axis in side]
    reads = reads_of(near[0] & near[1])
    codes = np.random.default_rng(0).permutation(16)[side[0] // 6 * 4 + side[1] // 6]
    other = turned(reads, codes)
    pairs = set(zip(codes.tolist(), other.tolist(), strict=True))
    assert (16, 16) == (len(pairs), len({new for _, new in pairs}))
    assert _heard(reads, other) < _heard(reads, codes)


def _heard(reads: Reads, codes: np.ndarray) -> int:
    made = arrange(reads, codes, 1 << 12)
    assert made is not None
    return sum(1 << int(mask).bit_count() for mask in made.arrivals[0][0].mask)


def test_tiles_that_cost_as_much_are_not_taken() -> None:
    reads = reads_of(shuffled(band(1300, 8)))
    least = 21 * 5
    kinds = (Kind(1300, 8, 1),)
    assert choose_codes(Problem(reads, kinds, False, 1, 64, least, False)) is None
    assert choose_codes(Problem(reads, kinds, False, 1, 64, least + 1, False)) is not None


def test_without_the_package_a_note_says_so_and_the_tiles_are_those_of_auto(monkeypatch) -> None:
    monkeypatch.setattr(hypergraph, "PACKAGE", "no_such_partitioner")
    module = Schedule().run(chain(shuffled(band(1300, 8))), Context())
    context = Context()
    asked = Group(partition="hypergraph").run(module, context)
    assert ["no-partitioner"] == [d.code for d in context.diagnostics.items]
    places = [next(m.ops("neuron"))["place"] for m in (asked, Group().run(module, Context()))]
    assert places[0] == places[1]


@pytest.mark.skipif(
    importlib.util.find_spec("mtkahypar") is None, reason="needs the extra `partition`"
)
def test_the_package_halves_as_asked_and_alike_each_time() -> None:
    reads = reads_of(shuffled(band(200, 3)))
    first, second = (hypergraph.halve(reads, 128) for _ in range(2))
    assert 128 == first.sum()
    assert np.array_equal(first, second)
