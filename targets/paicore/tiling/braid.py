"""Two layers that read one source, in bands that take turns along an axis.

One of them perhaps reads the other: a block with a connection around a convolution. Each is cut
into bands of its own along an axis, and both alike along the others. The bands lie one after the
other as their places do, and each has a code one bit from that of the band before. An element goes
to the smallest cube of codes that holds the bands that read it; so a core receives what its own
layer reads and little else. The search looks for codes under which no band receives more than its
cores have axons for.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, product

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from snnc.targets.paicore.tiling.axis import width
from snnc.targets.paicore.tiling.choose import OCCUPIED
from snnc.targets.paicore.tiling.cutter import Cutter, Finer, codes, ends, styles
from snnc.targets.paicore.tiling.patches import Patch
from snnc.targets.paicore.tiling.reach import Reach

STEPS = 200
"""How many codes are tried for bands before a search gives up."""

MOST_BANDS = 32
"""How many bands two layers have at most together."""

MOST_PARTS = 8
"""Into how many parts they are cut at most along another axis."""


def braided(cutter: Cutter, cost: int) -> Iterator[Finer]:
    """Yield ways to cut the two layers of a region that may be below a cost."""
    for cores, lead, parts, found in sorted(_plans(cutter), key=lambda plan: plan[0]):
        if (OCCUPIED + 1) * cores >= cost:
            return
        for sizes in product(*found):
            way = _taking_turns(cutter, lead, parts, sizes, cost)
            if way is not None:
                cost = min(cost, way.cost)
                yield way
                break


Plan = tuple[int, int, dict[int, int], list[list[list[int]]]]
"""Cores, the axis of the bands, parts along the others, and for each layer the sizes of bands."""


def _plans(cutter: Cutter) -> Iterator[Plan]:
    """Yield ways that need as few cores as each layer alone would."""
    for lead in cutter.axes:
        others = [axis for axis in cutter.axes if axis != lead]
        for counts in product(range(1, MOST_PARTS + 1), repeat=len(others)):
            parts = dict(zip(others, counts, strict=True))
            found = [_bands(cutter, layer, lead, parts) for layer in (0, 1)]
            if all(sizes for _, sizes in found):
                cores = sum(cores for cores, _ in found)
                yield cores, lead, parts, [sizes for _, sizes in found]


def _bands(
    cutter: Cutter, layer: int, lead: int, parts: Mapping[int, int]
) -> tuple[int, list[list[int]]]:
    """Return the fewest cores of a layer in bands, and the sizes of the bands that need so few."""
    columns, best = cutter.bounds(layer, parts), (0, list[list[int]]())
    size = cutter.shapes[layer][lead]
    if columns is None:
        return best
    for bands in range(1, min(size, MOST_BANDS - 1) + 1):
        found = []
        for sizes in styles(size, bands):
            bounds = {**columns, lead: ends(sizes)}
            if (cutter.loads(layer, bounds) <= cutter.room).all():
                found.append((int(cutter.cores(layer, bounds).sum()), sizes))
        if found:
            least = min(cores for cores, _ in found)
            if best[1] and least >= best[0]:
                break
            best = least, [sizes for cores, sizes in found if cores == least]
    return best


@frozen
class _Band:
    """Places first..stop-1 of a layer; bands are ordered by their middle."""

    middle: float
    layer: int
    first: int
    stop: int


def _taking_turns(
    cutter: Cutter,
    lead: int,
    parts: Mapping[int, int],
    sizes: Sequence[Sequence[int]],
    cost: int,
) -> Finer | None:
    """Return the patches of two layers in bands, None where codes below a cost are not found."""
    bands = [
        _Band((first + stop) / cutter.shapes[layer][lead], layer, first, stop)
        for layer in (0, 1)
        for first, stop in pairwise(ends(sizes[layer]))
    ]
    bands.sort(key=lambda band: (band.middle, band.layer))
    shared = _shared(cutter, lead, parts, bands)
    if shared is None or len(bands) > MOST_BANDS:
        return None
    columns = codes([*parts.values()])
    # A core for each tile, and each code that frames reach.
    most = (cost - 1 - len(bands) * len(columns)) // (OCCUPIED * len(columns))
    found = CodeSearch(len(bands), width(len(bands)), cutter.room, shared, most + 1).search()
    low = int(columns.max()).bit_length()
    patches: list[list[Patch]] = [[], []]
    for code, band in zip(found, bands, strict=False):
        bounds = {**(cutter.bounds(band.layer, parts) or {}), lead: (band.first, band.stop)}
        each = cutter.patches(band.layer, bounds)
        patches[band.layer] += [
            (code << low | column, *patch)
            for column, patch in zip(columns.tolist(), each, strict=True)
        ]
    return cutter.checked(patches) if found else None


@frozen
class Shared:
    """What some bands read: `axons` in each of their tiles; bands ascending."""

    bands: tuple[int, ...]
    axons: int


def _shared(
    cutter: Cutter, lead: int, parts: Mapping[int, int], bands: Sequence[_Band]
) -> list[Shared] | None:
    """Return which bands read the places of the sources; None where some follow the axis oddly."""
    found: dict[tuple[int, ...], int] = {}
    for number, (sizes, reaches) in enumerate(cutter.reads.values()):
        along = {_following(reach, lead) for reach in reaches if reach is not None}
        (axis, *others) = along
        if others or axis < 0:
            return None
        read = np.zeros((sizes[axis], len(bands)), dtype=bool)
        for at, band in enumerate(bands):
            reach = reaches[band.layer]
            if reach is not None:
                low = reach[axis].low[band.first : band.stop]
                high = reach[axis].high[band.first : band.stop]
                some = high >= low
                first, last = low[some].min(initial=sizes[axis]), high[some].max(initial=-1)
                read[first : last + 1, at] = True
        axons = _beside(cutter, number, lead, parts)
        for row in read[read.any(axis=1)]:
            key = tuple(np.flatnonzero(row).tolist())
            found[key] = found.get(key, 0) + axons
    return [Shared(*each) for each in found.items()]


def _following(reach: Reach, lead: int) -> int:
    """Return the only axis of a source that follows an axis, -1 where it is not one."""
    found = [axis for axis, span in enumerate(reach) if span.axis == lead]
    return found[0] if len(found) == 1 else -1


def _beside(cutter: Cutter, source: int, lead: int, parts: Mapping[int, int]) -> int:
    """Return the axons that one place of a source along the bands takes in a tile, at most."""
    most = 0
    for layer in (0, 1):
        bounds = cutter.bounds(layer, parts) or {}
        axons = int(cutter.rest(layer)[source])
        for axis, size in enumerate(cutter.shapes[layer]):
            if axis != lead:
                along = np.asarray(bounds.get(axis, (0, size)))
                axons *= int(cutter.table(layer, axis)[source, along[:-1], along[1:]].max())
        most = max(most, axons)
    return most


@define
class CodeSearch:
    """A search for codes of `count` bands in `bits` bits, cores having `room` axons.

    Frames are to reach fewer than `least` codes.
    """

    count: int
    bits: int
    room: int
    shared: Sequence[Shared]
    least: int = 1 << 30
    _best: tuple[int, ...] = ()
    _steps: int = 0
    _reads: NDArray[np.bool_] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._reads = np.zeros((len(self.shared), self.count), dtype=bool)
        for number, each in enumerate(self.shared):
            self._reads[number, list(each.bands)] = True

    def search(self) -> tuple[int, ...]:
        """Return the code of each band, so that frames reach few codes; none if it finds none."""
        self._extend([0])
        return self._best

    def _extend(self, known: list[int]) -> None:
        self._steps += 1
        reached = self._reached(np.array(known))
        if reached is None or reached >= self.least:
            return
        if len(known) == self.count:
            self._best, self.least = tuple(known), reached
            return
        for bit in range(min(max(known).bit_length() + 1, self.bits)):
            code = known[-1] ^ 1 << bit
            if code not in known and self._steps < STEPS:
                self._extend([*known, code])

    def _reached(self, known: NDArray[np.int64]) -> int | None:
        """Return how many codes frames to the first bands reach, None where axons lack.

        Bands that have no code yet are left out: more of them make cubes larger only.
        """
        reads = self._reads[:, : len(known)]
        low = np.bitwise_and.reduce(np.where(reads, known, -1), axis=1)[:, None]
        high = np.bitwise_or.reduce(np.where(reads, known, 0), axis=1)[:, None]
        every, open_bits = np.arange(1 << self.bits), high & ~low
        read = np.asarray(reads.any(axis=1))[:, None]
        inside = np.asarray((every ^ low) & ~open_bits == 0) & read
        axons = np.array([each.axons for each in self.shared])
        if (axons @ inside.take(known, axis=1) > self.room).any():
            return None
        return int(inside.any(axis=0).sum())
