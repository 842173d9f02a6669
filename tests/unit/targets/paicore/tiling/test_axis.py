"""Tiles of an axis: who receives a place, and that no two places meet in a tile."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.tiling.axis import Axis, _cut, axes, axis, codes_of, everywhere, width


@st.composite
def windows(draw: st.DrawFn) -> tuple[Ints, Ints, int]:
    """First and last place of each window of a convolution, and the places there are."""
    stride, kernel = draw(st.integers(1, 4)), draw(st.integers(1, 7))
    before, count = draw(st.integers(0, 6)), draw(st.integers(1, 24))
    places = max((count - 1) * stride + kernel - 2 * before, 1) + draw(st.integers(0, 3))
    low = np.arange(count) * stride - before
    high = np.minimum(low + kernel - 1, places - 1)
    low = np.maximum(low, 0)
    empty = high < low
    return np.where(empty, places, low), np.where(empty, -1, high), places


def receives(made: Axis, code: int) -> Ints:
    """Return the places that a tile receives."""
    return np.flatnonzero(made.read & (((code ^ made.base) & ~made.mask) == 0))


@given(windows(), st.integers(1, 24))
def test_every_tile_receives_all_that_its_neurons_read_at_distinct_addresses(
    given_windows: tuple[Ints, Ints, int], tile: int
) -> None:
    low, high, places = given_windows
    made = axis(low, high, places, tile)
    for number in range(made.tiles):
        here = receives(made, int(codes_of(made.tiles)[number]))
        mine = slice(number * tile, (number + 1) * tile)
        for a, b in zip(low[mine].tolist(), high[mine].tolist(), strict=True):
            assert set(range(a, b + 1)) <= set(here.tolist())
        assert len(here) == len(set((here % made.period).tolist()))


@given(windows(), st.integers(1, 24))
def test_a_place_that_nobody_reads_goes_nowhere(
    given_windows: tuple[Ints, Ints, int], tile: int
) -> None:
    low, high, places = given_windows
    read = {y for a, b in zip(low, high, strict=True) for y in range(a, b + 1)}
    made = axis(low, high, places, tile)
    assert read <= set(np.flatnonzero(made.read).tolist())
    assert not made.mask[~made.read].any()


@given(windows(), st.lists(st.integers(1, 24), min_size=1))
def test_each_size_is_cut_as_if_it_were_the_only_one(
    given_windows: tuple[Ints, Ints, int], sizes: list[int]
) -> None:
    low, high, places = given_windows
    together = axes(low, high, places, sizes)
    for size, made in zip(sizes, together, strict=True):
        assert [-(-len(low) // size), width(made.tiles)] == [made.tiles, made.bits]
        held = made.reached.copy()
        held[codes_of(made.tiles)] = True
        assert (held.sum(), not made.mask.any()) == (made.taken, made.alone)
        alone = _cut(low, high, places, [size])[0]
        assert alone.period == made.period
        for name in ("base", "mask", "read", "reached"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(made, name))


@given(st.integers(1, 200))
def test_neighbors_differ_in_one_bit_and_the_last_codes_stay_unused(tiles: int) -> None:
    codes = codes_of(tiles)
    steps = codes[1:] ^ codes[:-1]
    assert not (steps & (steps - 1)).any()
    free = set(range(1 << width(tiles))) - set(codes.tolist())
    size = 1 << len(free).bit_length() - 1 if free else 0
    assert set(range((1 << width(tiles)) - size, 1 << width(tiles))) <= free


def test_places_of_two_neighbors_go_to_both_and_to_nobody_else() -> None:
    low = np.arange(8) - 1
    made = axis(np.maximum(low, 0), np.minimum(low + 2, 7), 8, 2)
    reached = [[n for n in range(4) if place in receives(made, n ^ n >> 1)] for place in range(8)]
    assert [[0], [0, 1], [0, 1], [1, 2], [1, 2], [2, 3], [2, 3], [3]] == reached
    assert 4 == made.period


def test_disjoint_windows_need_no_masks() -> None:
    low = np.arange(6) * 2
    made = axis(low, low + 1, 12, 3)
    assert (2, 6, False) == (made.tiles, made.period, bool(made.mask.any()))


def test_what_is_read_everywhere_takes_an_axon_each() -> None:
    made = everywhere(3, 5, 1)
    assert (5, [3] * 5) == (made.period, made.mask.tolist())
