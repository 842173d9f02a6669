"""One axis of a layer cut into tiles: which tiles read each place, and at which address it arrives.

Tiles are numbered by the reflected Gray code, so that neighbors differ in one bit: a place that two
of them read goes to both with one don't-care bit and to nobody else. Three or four in a row take
two bits; a fourth tile that did not ask for it receives it too.

Of codes that no tile has, the last ones stay unused: the cores at the end of a region's block are
free for other regions, or may be such as no frame may go to.

The address of a place is its number modulo a period, the same in every tile: the smallest period
that keeps all that reaches any one tile apart.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.tiling.answers import Answers

AT_ONCE = 1 << 16
"""Pairs of a code and a place up to so many are looked at together."""


@frozen(eq=False)
class Axis:
    """The tiles of an axis and, for each place of the source, who receives it.

    `base` and `mask` are the code and the don't-care bits of a place's tiles, both 0 where nobody
    reads it (`read`). `reached` says for each code of `bits` bits whether anything goes there;
    `taken` counts these and those of tiles. `alone` says that each place goes to one tile only.
    """

    tiles: int
    bits: int
    period: int
    base: Ints
    mask: Ints
    read: NDArray[np.bool_]
    reached: NDArray[np.bool_]
    taken: int
    alone: bool


def gray(number: Ints) -> Ints:
    """Return the reflected Gray code of numbers.

    >>> gray(np.arange(8)).tolist()
    [0, 1, 3, 2, 6, 7, 5, 4]
    """
    return number ^ number >> 1


def codes_of(tiles: int) -> Ints:
    """Return the codes of tiles that stand in a row.

    >>> [codes_of(n).tolist() for n in (3, 4, 5)]
    [[1, 0, 2], [0, 1, 3, 2], [3, 2, 0, 1, 5]]
    """
    return gray(np.arange(tiles)) ^ _mirror(tiles)


def _mirror(tiles: int) -> int:
    """Return what is turned over in the codes of tiles that stand in a row.

    The last Gray code is 10...0; mirrored so that it is 11...1, unused codes end the block.
    """
    bits = width(tiles)
    return 0 if tiles == 1 << bits else (1 << bits - 1) - 1


def width(count: int) -> int:
    """Return how many bits number so many things.

    >>> [width(n) for n in (1, 2, 3, 4, 5)]
    [0, 1, 2, 2, 3]
    """
    return (count - 1).bit_length()


def axis(low: Ints, high: Ints, places: int, tile: int) -> Axis:
    """Return the tiles of `tile` neurons each along an axis.

    Args:
        low: first place of the source that each neuron along the axis reads.
        high: the last one; less than `low` where a neuron reads none.
        places: size of the source along its axis.
        tile: neurons along the axis in a tile; the last tile may have fewer.
    """
    return axes(low, high, places, [tile])[0]


def everywhere(count: int, places: int, tile: int) -> Axis:
    """Return tiles along an axis that a source does not have: each of them gets every place."""
    if count <= tile:
        none = np.zeros(places, dtype=np.int64)
        return Axis(1, 0, places, none, none, none == 0, np.ones(1, dtype=bool), 1, True)
    low = np.zeros(count, dtype=np.int64)
    return axis(low, low + places - 1, places, tile)


def axes(low: Ints, high: Ints, places: int, sizes: Sequence[int]) -> list[Axis]:
    """Return the tiles along an axis for several sizes of a tile; see `axis`."""
    low, high = low.astype(np.int64), high.astype(np.int64)
    known = _KNOWN.of((low.tobytes(), high.tobytes(), places), dict)
    new = [size for size in dict.fromkeys(sizes) if size not in known]
    for some in _batches(new, len(low), places):
        known.update(zip(some, _cut(low, high, places, some), strict=True))
    return [known[size] for size in sizes]


_KNOWN = Answers[dict[int, Axis]](256)
"""What is known of an axis by the size of a tile."""


def _batches(sizes: Sequence[int], count: int, places: int) -> Iterator[list[int]]:
    """Yield sizes of tiles of so many neurons together, as many as are looked at at once."""
    some, pairs = list[int](), 0
    for size in sizes:
        more = places << width(-(-count // size))
        if some and pairs + more > AT_ONCE:
            yield some
            some, pairs = [], 0
        some, pairs = [*some, size], pairs + more
    if some:
        yield some


def _cut(low: Ints, high: Ints, places: int, sizes: Sequence[int]) -> list[Axis]:
    """Return the tiles along an axis for each of several sizes.

    Tables have a row for each tile of each size, or for each code, those of one size together.
    """
    counts = [-(-len(low) // size) for size in sizes]
    of, first, number = _rows(counts)
    codes = gray(number) ^ np.array([*map(_mirror, counts)])[of]
    low, high = np.where(high < low, places, low), np.where(high < low, -1, high)
    starts = number * np.array(sizes)[of] + of * len(low)
    lows = np.minimum.reduceat(np.tile(low, len(sizes)), starts)[:, None]
    highs = np.maximum.reduceat(np.tile(high, len(sizes)), starts)[:, None]
    place, number = np.arange(places), number[:, None]
    inside = (lows <= place) & (place <= highs)
    last = np.maximum.reduceat(np.where(inside, number, -1), first)
    begin = np.minimum.reduceat(np.where(inside, number, len(low)), first)
    read = last >= 0
    between = (begin[of] <= number) & (number <= last[of])
    alike = np.bitwise_and.reduceat(np.where(between, codes[:, None], -1), first)
    base = np.where(read, alike, 0)
    mask = np.bitwise_or.reduceat(np.where(between, codes[:, None], 0), first) & ~base
    bits = [*map(width, counts)]
    code_of, begins, code = _rows([1 << each for each in bits])
    goes = ((code[:, None] ^ base[code_of]) & ~mask[code_of] == 0) & read[code_of]
    tiles = begins[of] + codes
    periods = _periods(goes[tiles], of, first)
    reached = goes.any(axis=1)
    taken = reached.copy()
    taken[tiles] = True
    held = np.add.reduceat(taken, begins, dtype=np.int64)
    spread, each = np.asarray(mask.any(axis=1)), np.split(reached, begins[1:])
    return [
        Axis(
            counts[n],
            bits[n],
            int(periods[n]),
            base[n],
            mask[n],
            read[n],
            each[n],
            int(held[n]),
            not spread[n],
        )
        for n in range(len(sizes))
    ]


def _rows(counts: Sequence[int]) -> tuple[Ints, Ints, Ints]:
    """Return of rows that are counted part by part the part, where parts begin, and the number."""
    parts = np.array(counts)
    first = np.cumsum(parts) - parts
    of = np.repeat(np.arange(len(parts)), parts)
    return of, first, np.arange(len(of)) - first[of]


def _periods(goes: NDArray[np.bool_], of: Ints, first: Ints) -> Ints:
    """Return for each size the smallest period whose residues differ within each tile.

    Args:
        goes: which places go to each tile, `(tiles, places)`.
        of: the size of each tile.
        first: the first tile of each size.
    """
    tile, place = np.nonzero(goes)
    found = np.maximum.reduceat(goes.sum(axis=1), first).clip(min=1)
    while tile.size:
        address = tile * goes.shape[1] + place % found[of[tile]]
        meet = np.zeros(len(found), dtype=bool)
        meet[of[tile[np.bincount(address)[address] > 1]]] = True
        found += meet
        left = meet[of[tile]]
        tile, place = tile[left], place[left]
    return found
