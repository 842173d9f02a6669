"""One axis of a layer cut into tiles: which tiles read each place, and at which address it arrives.

Tiles are numbered by the reflected Gray code, so that neighbors differ in one bit: a place that two
of them read goes to both with one don't-care bit and to nobody else. Three or four in a row take
two bits; a fourth tile that did not ask for it receives it too.

Of codes that no tile has, the last ones stay unused: the cores at the end of a region's block are
free for other regions, or may be such as no frame may go to.

The address of a place is its number modulo a period, the same in every tile: the smallest period
that keeps all that reaches any one tile apart.
"""

from functools import lru_cache

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.targets.paicore.frames import Ints


@frozen(eq=False)
class Axis:
    """The tiles of an axis and, for each place of the source, who receives it.

    `base` and `mask` are the code and the don't-care bits of a place's tiles, both 0 where nobody
    reads it (`read`). `reached` says for each code of `bits` bits whether anything goes there.
    """

    tiles: int
    bits: int
    period: int
    base: Ints
    mask: Ints
    read: NDArray[np.bool_]
    reached: NDArray[np.bool_]


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
    bits = width(tiles)
    # The last Gray code is 10...0; mirrored so that it is 11...1, unused codes end the block.
    mirror = 0 if tiles == 1 << bits else (1 << bits - 1) - 1
    return gray(np.arange(tiles)) ^ mirror


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
    return _axis(low.astype(np.int64).tobytes(), high.astype(np.int64).tobytes(), places, tile)


def everywhere(count: int, places: int, tile: int) -> Axis:
    """Return tiles along an axis that a source does not have: each of them gets every place."""
    if count <= tile:
        none = np.zeros(places, dtype=np.int64)
        return Axis(1, 0, places, none, none, none == 0, np.ones(1, dtype=bool))
    low = np.zeros(count, dtype=np.int64)
    return axis(low, low + places - 1, places, tile)


@lru_cache(maxsize=4096)
def _axis(low_bytes: bytes, high_bytes: bytes, places: int, tile: int) -> Axis:
    low = np.frombuffer(low_bytes, dtype=np.int64)
    high = np.frombuffer(high_bytes, dtype=np.int64)
    starts = np.arange(0, len(low), tile)
    empty = high < low
    lows = np.minimum.reduceat(np.where(empty, places, low), starts)
    highs = np.maximum.reduceat(np.where(empty, -1, high), starts)
    place = np.arange(places)
    inside = np.logical_and(lows[:, None] <= place, place <= highs[:, None])
    read = np.asarray(inside.any(axis=0))
    first, last = inside.argmax(axis=0), len(starts) - 1 - inside[::-1].argmax(axis=0)
    codes = codes_of(len(starts))
    mask = np.zeros(places, dtype=np.int64)
    for step in range(1, int((last - first)[read].max(initial=0)) + 1):
        at = np.minimum(first + step, len(starts) - 1)
        mask |= np.where(read & (first + step <= last), codes[at] ^ codes[first], 0)
    base = np.where(read, codes[first] & ~mask, 0)
    bits = width(len(starts))
    differs = (np.arange(1 << bits) ^ base[:, None]) & ~mask[:, None]
    reach = np.logical_and(differs == 0, read[:, None])
    period = _period(reach[:, codes])
    return Axis(len(starts), bits, period, base, mask, read, reach.any(axis=0))


def _period(reach: NDArray[np.bool_]) -> int:
    """Return the smallest period whose residues differ within each column `(places, tiles)`."""
    period = max(int(reach.sum(axis=0).max(initial=0)), 1)
    while _collide(reach, period):
        period += 1
    return period


def _collide(reach: NDArray[np.bool_], period: int) -> bool:
    rounds = -(-len(reach) // period)
    padded = np.zeros((rounds * period, reach.shape[1]), dtype=np.int8)
    padded[: len(reach)] = reach
    return bool((padded.reshape(rounds, period, -1).sum(axis=0) > 1).any())
