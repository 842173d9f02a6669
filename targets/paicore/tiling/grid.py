"""A region cut into tiles: the code of every core in it, and where each spike goes.

A core's code is its place in the region. Its low bits count the cores of one tile; above them the
bits of the tiles' codes follow, those of the last axes interleaved as a quad tree has them,
those of the first axis on top. A frame leaves the low bits open, and those that its place's tiles
differ in. A region without tiles is a `Whole`: all its frames go to all its cores.
"""

from collections.abc import Container, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from math import prod

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.targets.paicore.chip.distinct import distinct
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.neurons.populations import Segment
from snnc.targets.paicore.tiling.axis import Axis, axis, codes_of, everywhere, width
from snnc.targets.paicore.tiling.reach import Reach

Axes = Sequence[tuple[Axis, int]]
"""The axes of a source, each with the axis of the neurons that it follows, or -1."""


@frozen(eq=False)
class Arrival:
    """Where the elements of a source go in a region: codes `base`, open bits `mask`, axons."""

    base: Ints
    mask: Ints
    axon: Ints

    def reached(self, bits: int, some: slice | Ints = slice(None)) -> NDArray[np.bool_]:
        """Return for each code of so many bits whether any of some elements goes there."""
        codes, ways = np.arange(1 << bits), np.stack([self.base[some], self.mask[some]])
        found = np.zeros(len(codes), dtype=bool)
        for base, mask in distinct(ways)[0].T.tolist():
            found |= (codes ^ base) & ~mask == 0
        return found


@frozen(eq=False)
class Part:
    """Neurons first..last-1 in the order of `Grid.order`, and the code of their tile."""

    code: int
    first: int
    last: int


class Whole:
    """A region without tiles: its sources lie one behind the other, and reach all its cores.

    Args:
        bits: of a core's code.
        sources: the segments in order.
    """

    def __init__(self, bits: int, sources: Sequence[Segment]) -> None:
        self.bits = bits
        sizes = [segment.source.type.size for segment in sources]
        self._offsets = dict(zip(sources, accumulate(sizes, initial=0), strict=False))
        self.axons = sum(sizes)
        self.reached = np.ones(1 << bits, dtype=bool)

    def first(self, segment: Segment) -> int:
        """Return the axon of the first element of a source."""
        return self._offsets[segment]

    def arrival(self, segment: Segment) -> Arrival:
        """Return where the elements of a source go."""
        size, offset = segment.source.type.size, self._offsets[segment]
        open_ = np.full(size, (1 << self.bits) - 1)
        return Arrival(np.zeros(size, np.int64), open_, np.arange(offset, offset + size))

    def reached_by(self, segment: Segment, some: slice | Ints = slice(None)) -> NDArray[np.bool_]:
        """Return for each code whether any of some elements of a source goes there."""
        if isinstance(some, slice) or some.size:
            return self.reached
        return np.zeros_like(self.reached)


class Grid:
    """The tiles of a region.

    Args:
        shape: of the layers in it; an axis in which they differ has one tile and any size.
        tile: neurons of a tile along each axis.
        split: bits that count the cores of a tile.
        sources: each segment with the shape of its source and what is read of it.
        elsewhere: segments of which all that is not read here is read, and sent, elsewhere.
    """

    def __init__(
        self,
        shape: Sequence[int],
        tile: Sequence[int],
        split: int,
        sources: Mapping[Segment, tuple[Sequence[int], Reach]],
        elsewhere: Container[Segment] = (),
    ) -> None:
        self.shape, self.tile, self.split = tuple(shape), tuple(tile), split
        self._elsewhere = elsewhere
        self._axes = {s: axes_of(sizes, r, shape, tile) for s, (sizes, r) in sources.items()}
        self.counts = [-(-n // t) for n, t in zip(shape, tile, strict=True)]
        self._bits = self._numbered()
        self.bits = split + sum(len(b) for b in self._bits)
        self._arrivals: dict[Segment, Arrival] = {}

    def _numbered(self) -> list[list[int]]:
        """Return the bits of a core's code that hold the code of each axis."""
        widths = [width(count) for count in self.counts]
        found: list[list[int]] = [[] for _ in widths]
        inner = list(range(len(widths) - 1, 0, -1))
        free = self.split
        for bit in range(max((widths[a] for a in inner), default=0)):
            for number in inner:
                if bit < widths[number]:
                    found[number].append(free)
                    free += 1
        if widths:
            found[0] = list(range(free, free + widths[0]))
        return found

    def _spread(self, number: int, code: Ints) -> Ints:
        """Return codes along an axis as bits of a core's code."""
        found = np.zeros_like(code)
        for bit, place in enumerate(self._bits[number]):
            found |= (code >> bit & 1) << place
        return found

    def order(self, shape: Sequence[int]) -> tuple[Ints, list[Part]]:
        """Return the neurons of a layer tile by tile, and where each tile begins and ends."""
        tiles = np.zeros(1, dtype=np.int64)
        codes = np.zeros(1, dtype=np.int64)
        for number, size in enumerate(shape):
            count = self.counts[number]
            along = np.arange(size) // self.tile[number] if count > 1 else np.zeros(size, np.int64)
            tiles = (tiles[:, None] * count + along).reshape(-1)
            code = self._spread(number, codes_of(count))
            codes = (codes[:, None] | code).reshape(-1)
        ends = np.cumsum(np.bincount(tiles, minlength=len(codes))).tolist()
        starts = [0, *ends[:-1]]
        order = np.argsort(tiles, kind="stable")
        return order, list(map(Part, codes.tolist(), starts, ends))

    @cached_property
    def axons(self) -> int:
        """How many axons a core of the region needs; one for what nobody reads, if there is any."""
        here = [axes for s, axes in self._axes.items() if s not in self._elsewhere]
        return self._end + (not all(a.read.all() for axes in here for a, _ in axes))

    @property
    def _end(self) -> int:
        return sum(area(axes) for axes in self._axes.values())

    def arrival(self, segment: Segment) -> Arrival:
        """Return where the elements of a source go.

        What nobody reads goes to the tile of code 0, to an axon without weights.
        """
        if segment not in self._arrivals:
            self._arrivals[segment] = self._arrival(self._axes[segment], self._offset(segment))
        return self._arrivals[segment]

    def _arrival(self, axes: Axes, offset: int) -> Arrival:
        split = (1 << self.split) - 1
        base, mask = np.zeros(1, dtype=np.int64), np.full(1, split)
        axon, read = np.zeros(1, dtype=np.int64), np.ones(1, dtype=bool)
        for one, number in axes:
            here, open_ = one.base, one.mask
            if number >= 0:
                here, open_ = self._spread(number, here), self._spread(number, open_)
            base = (base[:, None] | here).reshape(-1)
            mask = (mask[:, None] | open_).reshape(-1)
            place = np.arange(len(here)) % one.period
            axon = (axon[:, None] * one.period + place).reshape(-1)
            read = (read[:, None] & one.read).reshape(-1)
        open_bits = self._unfollowed(axes)
        return Arrival(
            np.where(read, base, 0),
            np.where(read, mask | open_bits, 0),
            np.where(read, axon + offset, self._end),
        )

    def _unfollowed(self, axes: Axes) -> int:
        """Return the bits of the axes that a source does not follow: all its places go there."""
        followed = {number for _, number in axes}
        return sum(
            1 << place for n, bits in enumerate(self._bits) if n not in followed for place in bits
        )

    def _offset(self, segment: Segment) -> int:
        offset = 0
        for other, axes in self._axes.items():
            if other == segment:
                break
            offset += area(axes)
        return offset

    @cached_property
    def reached(self) -> NDArray[np.bool_]:
        """For each code whether a frame goes there."""
        found = np.zeros(1 << self.bits, dtype=bool)
        for segment in self._axes:
            found |= self.reached_by(segment)
        return found

    def reached_by(self, segment: Segment, some: slice | Ints = slice(None)) -> NDArray[np.bool_]:
        """Return for each code whether any of some elements of a source goes there."""
        return self.arrival(segment).reached(self.bits, some)


def axes_of(sizes: Sequence[int], reach: Reach, shape: Sequence[int], tile: Sequence[int]) -> Axes:
    """Return the axes of a source as the tiles cut them; no two follow the same axis."""
    found: list[tuple[Axis, int]] = []
    taken: set[int] = set()
    for size, span in zip(sizes, reach, strict=True):
        number = span.axis
        if number < 0 or number in taken:
            found.append((everywhere(1, size, 1), -1))
            continue
        taken.add(number)
        found.append((axis(span.low, span.high, size, tile[number]), number))
    return found


def area(axes: Axes) -> int:
    """Return how many axons a source takes."""
    return prod(one.period for one, _ in axes)
