"""Which tiles a region is cut into: all sizes are counted exactly, and the fewest cores win.

Of tilings that take as many, the one wins whose frames pass the fewest links of the quad tree.

Layers choose apart from each other, because tiles cost their sources nothing: one neuron still has
one destination. For every tile size the axons follow from the periods, the axon extension from the
axons, the neurons per core from the extension, and the cores from the neurons of inner and of
border tiles.
"""

import math
from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import product

import numpy as np
from attrs import frozen
from numpy.typing import ArrayLike, NDArray

from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.chip.geometry import axons_of, capacity
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.neurons.populations import Segment
from snnc.targets.paicore.tiling.answers import Answers
from snnc.targets.paicore.tiling.axis import Axis, axes, codes_of, width
from snnc.targets.paicore.tiling.reach import Reach, told
from snnc.targets.paicore.tiling.spread import Numbering, links

EVERY_SIZE = 64
"""Along an axis up to this long every tile size is tried; of longer ones, one per tile count."""

OCCUPIED = 4
"""What a core costs that is taken, counted in cores that hold neurons."""

ALIKE = 100
"""Links that differ by less than one part in so many count as equal: places move more."""

MOST_BITS = LIMITS.routing_group.bit_length() - 1
"""Bits of a code: a region is at most half a chip."""

Sources = Mapping[Segment, tuple[Sequence[int], Reach]]
"""Each segment of a region with the shape of its source and what is read of it."""


@frozen
class Member:
    """A layer of a region: its shape, the bits of its weights and its physical copies.

    `widths` are the parts of its neurons whose weights have so many bits.
    """

    shape: tuple[int, ...]
    widths: tuple[tuple[int, float], ...]
    copies: float

    @property
    def size(self) -> int:
        """Number of neurons."""
        return math.prod(self.shape)


@frozen
class Tiling:
    """A choice: neurons of a tile along each axis, and what it costs.

    `cores` hold neurons; `occupied` adds those that only receive; `links` are those of the quad
    tree that a frame of each element passes.
    """

    tile: tuple[int, ...]
    extension: int
    axons: int
    cores: int
    occupied: int
    links: int


@frozen
class Terms:
    """What a choice must keep to.

    Attributes:
        wide: whether the cores take values.
        extensions: the smallest and the largest axon extension.
        contiguous: whether a place may go to one tile only.
    """

    wide: bool
    extensions: tuple[int, int]
    contiguous: bool


def choose(
    members: Sequence[Member],
    sources: Sources,
    terms: Terms,
) -> tuple[Tiling, Tiling] | None:
    """Return the best tiles of a region, None where no legal axon extension is enough.

    Of tilings that take as many cores, the first is that of fewest links, the second of fewest
    tiles.

    Args:
        members: the layers; of one rank. Axes of different sizes are not cut.
        sources: what they read.
        terms: what a choice must keep to.
    """
    followed = {span.axis for _, reach in sources.values() for span in reach}
    along = list(zip(*(member.shape for member in members), strict=True))
    sizes = [_sizes(counts, number in followed) for number, counts in enumerate(along)]
    counted = _Counted(along, sizes, [_Cut(*source, sizes) for source in sources.values()])
    legal = counted.alone if terms.contiguous else np.ones_like(counted.alone)
    wide, (least, most) = terms.wide, terms.extensions
    lcn = np.full(counted.axons.shape, least.bit_length() - 1)
    for code in range(least.bit_length() - 1, LIMITS.max_lcn):
        lcn += counted.axons > axons_of(wide) << code
    legal = legal & (counted.axons <= axons_of(wide) * most)
    rooms = {
        bits: np.array([capacity(wide, bits, 1 << code) for code in range(LIMITS.max_lcn + 1)])
        for member in members
        for bits, _ in member.widths
    }
    cores, largest = counted.cores(members, {bits: room[lcn] for bits, room in rooms.items()})
    split = np.ceil(np.log2(largest)).astype(np.int64)
    legal &= split + counted.bits <= MOST_BITS
    if not legal.any():
        return None
    occupied = counted.reached << split
    cost = np.where(legal, OCCUPIED * occupied + cores, np.iinfo(np.int64).max)

    def tiling(at: tuple[int, ...], passed: int) -> Tiling:
        tile = tuple(size[n] for size, n in zip(sizes, at, strict=True))
        axons, extension = int(counted.axons[at]), 1 << int(lcn[at])
        return Tiling(tile, extension, axons, int(cores[at]), int(occupied[at]), passed)

    near, few = counted.best(cost, lcn, split)
    return tiling(*near), tiling(*few)


def chosen(
    members: Sequence[Member],
    sources: Sources,
    terms: Terms,
    near: bool,
) -> Tiling | None:
    """Return one of what `choose` gives: of fewest links if `near`, else of fewest tiles.

    Passes ask the same of a layer, one after another.
    """
    read = tuple((tuple(sizes), told(reach)) for sizes, reach in sources.values())
    question = (tuple(members), read, terms)
    found = _CHOSEN.of(question, lambda: choose(members, sources, terms))
    return found and found[0 if near else 1]


_CHOSEN = Answers[tuple[Tiling, Tiling] | None]()


def _sizes(counts: Sequence[int], followed: bool) -> list[int]:
    """Return the tile sizes to try along an axis, the largest last."""
    count = max(counts)
    if not followed or min(counts) < count:
        return [count]
    least = -(-count >> MOST_BITS)
    if count <= EVERY_SIZE:
        return list(range(max(least, 1), count + 1))
    return sorted({-(-count // -(-count // size)) for size in range(max(least, 1), count + 1)})


def _on(values: ArrayLike, number: int, rank: int) -> NDArray[np.int64]:
    """Return values as an array along one of `rank` axes."""
    return np.asarray(values, dtype=np.int64).reshape(
        [-1 if a == number else 1 for a in range(rank)]
    )


class _Cut:
    """A source under every tile size: the axes that it follows, and axons along all others."""

    def __init__(self, places: Sequence[int], reach: Reach, sizes: Sequence[Sequence[int]]) -> None:
        self.axes: dict[int, list[Axis]] = {}
        self.rest = 1
        for count, span in zip(places, reach, strict=True):
            if span.axis < 0 or span.axis in self.axes:
                self.rest *= count
            else:
                low, high = span.low, span.high
                self.axes[span.axis] = axes(low, high, count, sizes[span.axis])
        self.unread = any(not one[0].read.all() for one in self.axes.values())


class _Counted:
    """What every combination of tile sizes takes, in arrays with an axis for each axis."""

    def __init__(
        self,
        along: Sequence[Sequence[int]],
        sizes: Sequence[Sequence[int]],
        cuts: Sequence[_Cut],
    ) -> None:
        self.along, self.sizes, self.rank = along, sizes, len(sizes)
        self.cuts = cuts
        shape = [len(s) for s in sizes]
        self.axons = np.full(shape, int(any(cut.unread for cut in cuts)))
        self.tiles = np.ones(shape, dtype=np.int64)
        self.bits = np.zeros(shape, dtype=np.int64)
        self.reached = np.ones(shape, dtype=np.int64)
        self.alone = np.ones(shape, dtype=bool)
        self.widths: list[Ints] = []
        for cut in cuts:
            periods = [self._each(n, [a.period for a in one]) for n, one in cut.axes.items()]
            self.axons += reduce(np.multiply, periods, np.full(shape, cut.rest))
        for number, each in enumerate(sizes):
            tiles = [-(-max(along[number]) // size) for size in each]
            self.tiles *= self._each(number, tiles)
            self.widths.append(np.array([width(count) for count in tiles]))
            self.bits += self._each(number, self.widths[-1])
            kinds = [
                [cut.axes[number][at] if number in cut.axes else None for cut in cuts]
                for at in range(len(each))
            ]
            self.reached *= self._each(number, list(map(_reached, kinds, tiles)))
            self.alone &= self._each(number, list(map(_alone, kinds, tiles))) > 0

    def _each(self, number: int, values: ArrayLike) -> NDArray[np.int64]:
        return _on(values, number, self.rank)

    def best(
        self, cost: Ints, lcn: Ints, split: Ints
    ) -> tuple[tuple[tuple[int, ...], int], tuple[tuple[int, ...], int]]:
        """Return the combination of least cost, then axon extension, and its links.

        There are two: of fewest links, where these are alike of fewest tiles, then bits; and of
        fewest tiles, then bits.
        """
        cheap = cost == cost.min()
        ties = np.nonzero(cheap & (lcn == lcn[cheap].min()))
        numbering = Numbering(split[ties], [w[n] for w, n in zip(self.widths, ties, strict=True)])
        passed = links(
            numbering,
            [
                (cut.rest, {n: [axes[at] for at in ties[n]] for n, axes in cut.axes.items()})
                for cut in self.cuts
            ],
        )
        alike = np.maximum(passed, passed.min() + passed.min() // ALIKE)
        few = (numbering.bits, self.tiles[ties])

        def first(*keys: Ints) -> tuple[tuple[int, ...], int]:
            best = int(np.lexsort(keys)[0])
            return tuple(int(each[best]) for each in ties), int(passed[best])

        return first(*few, alike), first(*few)

    def cores(self, members: Sequence[Member], room: Mapping[int, Ints]) -> tuple[Ints, Ints]:
        """Return the cores that hold neurons, of all tiles and of the largest one."""
        total = np.zeros_like(self.axons)
        largest = total
        cut = [n for n, each in enumerate(self.sizes) if len(each) > 1]
        for inner in product((True, False), repeat=len(cut)):
            count, extents = np.ones_like(total), dict[int, Ints]()
            for number, whole in zip(cut, inner, strict=True):
                size, n = np.array(self.sizes[number]), self.along[number][0]
                count = count * self._each(number, n // size if whole else n % size > 0)
                extents[number] = self._each(number, size if whole else n % size)
            here = np.zeros_like(total)
            for member in members:
                neurons = np.ones_like(total)
                for number, n in enumerate(member.shape):
                    neurons = neurons * extents.get(number, n)
                each = held(neurons, member.widths, room)
                here = here + np.ceil(member.copies * each).astype(np.int64)
            total = total + count * here
            if all(inner):
                largest = here
        return total, largest


def held(neurons: Ints, widths: Sequence[tuple[int, float]], room: Mapping[int, Ints]) -> Ints:
    """Return the cores that neurons take whose weights have several widths."""
    total = np.zeros_like(neurons)
    for bits, part in widths:
        total = total + -(-np.ceil(neurons * part - 1e-6).astype(np.int64) // room[bits])
    return total


def _reached(kinds: Sequence[Axis | None], tiles: int) -> int:
    """Return how many codes along an axis are reached by some source, or hold a tile."""
    size = 1 << width(tiles)
    if any(one is None for one in kinds):
        return size
    first, *others = kinds
    if first is not None and all(one is first for one in others):
        return first.taken
    found = np.zeros(size, dtype=bool)
    found[codes_of(tiles)] = True
    for one in kinds:
        if one is not None:
            found |= one.reached
    return int(found.sum())


def _alone(kinds: Sequence[Axis | None], tiles: int) -> bool:
    """Whether each place along an axis goes to one tile only."""
    return tiles == 1 or all(one is not None and one.alone for one in kinds)
