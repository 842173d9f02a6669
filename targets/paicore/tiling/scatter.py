"""An irregular region: any neuron may be in any tile, and each source goes where it is read.

A source has one destination, a cube of tiles: those whose codes agree outside some open bits. Its
cube is the smallest that holds all tiles with a weight for it. Cubes that meet in a tile take
different axons there. What the host sends may go to several cubes, one frame each.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.diagnostics import fail
from snnc.targets.paicore.chip.distinct import distinct
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.neurons.populations import Populations, Segment
from snnc.targets.paicore.tiling.grid import Arrival, Part
from snnc.targets.paicore.tiling.reads import Reads, reads_of
from snnc.targets.paicore.tiling.shares import Share

UNREAD = -1
"""The mask of an element without weights, which goes to an axon that the first tile leaves free."""

ONES = np.array([number.bit_count() for number in range(LIMITS.routing_group)])
"""How many bits of a code are set."""


@frozen(eq=False)
class Codes:
    """The code of the tile of each neuron, for every share of a region.

    The axons that sources take stay below `room`, so that `place` finds the axons that `group` did.
    """

    of: Mapping[Share, Ints]
    room: int


@frozen(eq=False)
class Cubes:
    """Cubes of codes: those of `element`, where an element may have several, `rank` its number."""

    element: Ints
    base: Ints
    mask: Ints
    rank: Ints


def cubes(element: Ints, code: Ints, exact: bool) -> Cubes:
    """Return the cubes that elements go to; with `exact` ones no tile hears what it does not read.

    Args:
        element: of pairs, each once, sorted by element.
        code: of the tile that reads it.
        exact: whether an element may go to several cubes.
    """
    first = np.flatnonzero(np.diff(element, prepend=-1))
    while True:
        count = np.diff(first, append=len(code))
        base: Ints = np.bitwise_and.reduceat(code, first)
        mask: Ints = base ^ np.bitwise_or.reduceat(code, first)
        loose = (1 << ONES[mask]) > count
        if not exact or not loose.any():
            begins = np.flatnonzero(np.diff(element[first], prepend=-1))
            rank = np.arange(len(first)) - np.repeat(begins, np.diff(begins, append=len(first)))
            return Cubes(element[first], base, mask, rank)
        part, split = np.repeat(np.arange(len(first)) * 2, count), np.repeat(loose, count)
        ends = np.cumsum(np.where(loose, count, 0)) - np.where(loose, count, 0)
        bit = _best_bit(code[split], ends[loose], mask[loose])
        part[split] += code[split] >> np.repeat(bit, count[loose]) & 1
        order = np.argsort(part, kind="stable")
        element, code = element[order], code[order]
        first = np.flatnonzero(np.diff(part[order], prepend=-1))


def _best_bit(code: Ints, first: Ints, mask: Ints) -> Ints:
    """Return for each group of codes the bit that leaves the smallest cubes when it is split."""
    best, least = np.zeros_like(mask), np.full(len(mask), np.iinfo(np.int64).max)
    every = (1 << int(mask.max(initial=0)).bit_length()) - 1
    for bit in range(every.bit_length()):
        size = np.zeros_like(mask)
        for value in (0, 1):
            mine = (code >> bit & 1) == value
            base = np.bitwise_and.reduceat(np.where(mine, code, every), first) & every
            top = np.bitwise_or.reduceat(np.where(mine, code, 0), first) & every
            some = np.logical_or.reduceat(mine, first)
            size += np.where(some, 1 << ONES[base ^ top], 0)
        better = (mask >> bit & 1 == 1) & (size < least)
        best, least = np.where(better, bit, best), np.where(better, size, least)
    return best


@frozen(eq=False)
class Arranged:
    """Where sources go: by segment an arrival for each rank, all codes those of tiles.

    `reached` says of each code whether anything goes there or neurons are there.
    """

    arrivals: tuple[tuple[Arrival, ...], ...]
    axons: int
    bits: int
    reached: NDArray[np.bool_]


def arrange(reads: Reads, codes: Ints, room: int, again: bool = True) -> Arranged | None:
    """Return destinations on fewer than `room` axons, None where none are found.

    What the host sends goes to one cube if that fits.

    Args:
        reads: of the region.
        codes: of the tile of each neuron.
        room: axons of a core, all slots.
        again: whether else the host may send it to as many cubes as it takes.
    """
    bits = int(codes.max()).bit_length()
    pairs = np.sort(reads.element << bits | codes[reads.row])
    pairs = pairs[np.flatnonzero(np.diff(pairs, prepend=-1))]
    element, code = pairs >> bits, pairs & (1 << bits) - 1
    ends = np.searchsorted(element, np.cumsum([0, *reads.sizes]))
    parts = [(element[a:b], code[a:b]) for a, b in pairwise(ends.tolist())]
    made = _arranged(reads, codes, bits, room, [cubes(*part, False) for part in parts])
    if made is None and again and any(reads.host):
        several = [cubes(*part, host) for part, host in zip(parts, reads.host, strict=True)]
        made = _arranged(reads, codes, bits, room, several)
    return made


def _arranged(
    reads: Reads, codes: Ints, bits: int, room: int, found: Sequence[Cubes]
) -> Arranged | None:
    ways = np.stack([np.concatenate([getattr(c, n) for c in found]) for n in ("base", "mask")])
    home = int(codes.min())
    inside = np.zeros(1 << bits, dtype=bool)
    inside[codes] = True
    axons, taken = _addresses(bits, ways, room)
    if axons is None:
        return None
    free = np.flatnonzero(~taken[home])
    dead = int(free[0]) if free.size else room
    arrivals, start, begin = [], 0, 0
    for several, size in zip(found, reads.sizes, strict=True):
        mine = axons[start : start + len(several.element)]
        arrivals.append(_by_rank(several, mine, begin, size, (home, dead)))
        start, begin = start + len(several.element), begin + size
    unheard = any((one.mask == UNREAD).any() for ranks in arrivals for one in ranks)
    top = max(int(axons.max(initial=0)), dead if unheard else 0) + 1
    reached = taken.any(axis=1) | inside
    return None if top > room else Arranged(tuple(arrivals), top, bits, reached)


def _by_rank(
    several: Cubes, axons: Ints, begin: int, size: int, dead: tuple[int, int]
) -> tuple[Arrival, ...]:
    """Return the arrivals of a source; elements without a cube of a rank go to a dead axon."""
    made = []
    for rank in range(int(several.rank.max(initial=0)) + 1):
        here, (code, axon) = several.rank == rank, dead
        one = Arrival(np.full(size, code), np.full(size, UNREAD), np.full(size, axon))
        at = several.element[here] - begin
        one.base[at], one.mask[at], one.axon[at] = (
            several.base[here],
            several.mask[here],
            axons[here],
        )
        made.append(one)
    return tuple(made)


def _addresses(bits: int, ways: Ints, room: int) -> tuple[Ints | None, NDArray[np.bool_]]:
    """Return the axon of each cube, cubes that meet apart, and what is taken of each tile."""
    every = np.arange(1 << bits)
    taken = np.zeros((len(every), room), dtype=bool)
    groups, which = distinct(ways)
    counts = np.bincount(which, minlength=groups.shape[1])
    inside = (every ^ groups[0][:, None]) & ~groups[1][:, None] == 0
    if (counts[:, None] * inside).sum(axis=0).max(initial=0) > room:
        return None, taken
    order = np.argsort(which, kind="stable")
    starts = np.cumsum(counts) - counts
    axons = np.zeros(ways.shape[1], dtype=np.int64)
    # Large cubes first: what goes to all tiles takes the same axons in all of them.
    for number in np.lexsort((groups[0], groups[1], -ONES[groups[1]])).tolist():
        here = np.flatnonzero(inside[number])
        free = np.flatnonzero(~taken[here].any(axis=0))[: counts[number]]
        if len(free) < counts[number]:
            return None, taken
        taken[np.ix_(here, free)] = True
        axons[order[starts[number] : starts[number] + counts[number]]] = free
    return axons, taken


class Scatter:
    """The tiles of an irregular region, as `grid.Grid` tells those of a regular one.

    Raises:
        SnncError: `bad-place` for codes that leave the sources no room.
    """

    def __init__(self, populations: Populations, codes: Codes, split: int) -> None:
        self.codes, self.split = codes, split
        self._of_all = np.concatenate([*codes.of.values()])
        arranged = arrange(reads_of(populations, [*codes.of]), self._of_all, codes.room)
        if arranged is None:
            op = next(iter(codes.of)).op
            raise fail(
                "bad-place",
                f"%{op.result.name}: with these codes its sources need more than the {codes.room} "
                "axons of a core",
                op.loc,
                help="leave codes out of place; group finds them",
            )
        self.axons, self.bits = arranged.axons, arranged.bits + split
        segments = populations.segments(share.op for share in codes.of)
        self._tiles = dict(zip(segments, arranged.arrivals, strict=True))
        self._arrivals = {
            segment: tuple(Arrival(a.base << split, self._open(a.mask), a.axon) for a in ranks)
            for segment, ranks in self._tiles.items()
        }

    def _open(self, mask: Ints) -> Ints:
        """Return masks of tiles as masks of cores; what nobody reads goes to one core."""
        return np.where(mask == UNREAD, 0, mask << self.split | (1 << self.split) - 1)

    def order(self, share: Share) -> tuple[Ints, list[Part]]:
        """Return the neurons of a share tile by tile, and where each tile begins and ends."""
        codes, used = self.codes.of[share], np.unique(self._of_all)
        order = np.argsort(codes, kind="stable")
        ends = np.searchsorted(codes[order], used, side="right").tolist()
        return order, list(map(Part, (used << self.split).tolist(), [0, *ends[:-1]], ends))

    def arrivals(self, segment: Segment) -> tuple[Arrival, ...]:
        """Return where the elements of a source go, an arrival for each time they are sent."""
        return self._arrivals[segment]

    def axons_at(self, segment: Segment, code: int) -> Ints:
        """Return the axons in the core of a code of the elements of a source that it reads."""
        first, *others = self._tiles[segment]
        axon = first.axon
        for other in others:
            here = ((code >> self.split ^ other.base) & ~other.mask == 0) & (other.mask != UNREAD)
            axon = np.where(here, other.axon, axon)
        return axon

    @cached_property
    def reached(self) -> NDArray[np.bool_]:
        """For each code whether a frame goes there."""
        found = np.zeros(1 << self.bits, dtype=bool)
        for segment, ranks in self._arrivals.items():
            for rank in range(len(ranks)):
                found |= self.reached_by(segment, rank=rank)
        return found

    def reached_by(
        self, segment: Segment, some: slice | Ints = slice(None), rank: int = 0
    ) -> NDArray[np.bool_]:
        """Return for each code whether any of some elements of a source goes there."""
        return self._arrivals[segment][rank].reached(self.bits, some)
