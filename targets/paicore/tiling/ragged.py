"""A layer in bands along one axis, each cut along another as often as it must be.

Windows at the border of a map see less of it, so a band there may need fewer cores than one inside.
Bands, and the tiles of each, are numbered by Gray codes.
"""

from collections.abc import Iterator
from itertools import permutations
from math import prod

import numpy as np

from snnc.targets.paicore.tiling.axis import width
from snnc.targets.paicore.tiling.choose import OCCUPIED
from snnc.targets.paicore.tiling.cutter import Cutter, Finer, codes, ends, even
from snnc.targets.paicore.tiling.patches import Patch

LONGEST = 32
"""The longest axis along which all bands are tried."""

Bands = list[tuple[int, int, int]]
"""First place of a band, the one behind its last, and its number of tiles."""


def ragged(cutter: Cutter, cost: int) -> Iterator[Finer]:
    """Yield ways to cut the only layer of a region that may be below a cost."""
    (shape,) = cutter.shapes
    for lead, other in permutations(cutter.axes, 2):
        if shape[lead] > LONGEST:
            continue
        most = (cost - 1) // (OCCUPIED + 1)
        tiles = _tiles(cutter, lead, other, most)
        for last in (1, -1):
            bands = _bands(tiles, shape[lead], last)
            if bands and sum(count for _, _, count in bands) <= most:
                found = cutter.checked([_patches(cutter, lead, other, bands)], cost)
                if found is not None:
                    yield found


def _patches(cutter: Cutter, lead: int, other: int, bands: Bands) -> list[Patch]:
    """Return the patches of a layer in bands, with their codes."""
    size, patches = cutter.shapes[0][other], []
    low = width(max(tiles for _, _, tiles in bands))
    for code, (first, stop, tiles) in zip(codes([len(bands)]).tolist(), bands, strict=True):
        each = cutter.patches(0, {lead: (first, stop), other: ends(even(size, tiles))})
        for column, patch in zip(codes([tiles]).tolist(), each, strict=True):
            patches.append((code << low | column, *patch))
    return patches


def _tiles(cutter: Cutter, lead: int, other: int, most: int) -> dict[tuple[int, int], int]:
    """Return the tiles of one core that each band needs at least, of bands that do with `most`."""
    (shape,) = cutter.shapes
    rows = cutter.table(0, lead) * cutter.rest(0)[:, None, None]
    for axis, size in enumerate(shape):
        if axis not in (lead, other):
            rows = rows * cutter.table(0, axis)[:, 0, size, None, None]
    long = np.maximum(np.arange(shape[lead] + 1) - np.arange(shape[lead] + 1)[:, None], 0)
    neurons = long * prod(shape) // (shape[lead] * shape[other])
    least = np.zeros_like(neurons)
    flat = rows.reshape(len(rows), -1)
    for tiles in range(min(shape[other], most), 0, -1):
        sizes = even(shape[other], tiles)
        columns = np.asarray(ends(sizes))
        each = cutter.table(0, other)[:, columns[:-1], columns[1:]]
        axons = (each.T @ flat).max(axis=0).reshape(neurons.shape)
        cores = cutter.cores_of(0, neurons * sizes[0])
        least = np.where((axons <= cutter.room) & (cores <= 1), tiles, least)
    some = np.argwhere((least > 0) & (long > 0)).tolist()
    return {(first, stop): int(least[first, stop]) for first, stop in some}


def _bands(tiles: dict[tuple[int, int], int], size: int, last: int) -> Bands:
    """Return bands of an axis of some size, of the fewest tiles in all, none if none do.

    Of equal ones those whose `last` band is long (1), or short (-1).
    """
    best: dict[int, tuple[int, Bands]] = {0: (0, [])}
    for stop in range(1, size + 1):
        ways = [
            (best[first][0] + tiles[first, stop], last * first, first)
            for first in range(stop)
            if first in best and (first, stop) in tiles
        ]
        if ways:
            count, _, first = min(ways)
            best[stop] = count, [*best[first][1], (first, stop, tiles[first, stop])]
    return best.get(size, (0, []))[1]
