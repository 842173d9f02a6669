"""A region whose tiles are patches given one by one, each layer in it cut in a way of its own.

A patch has a code and holds the neurons of one layer within bounds along each axis. An element goes
to the smallest cube of codes that holds all tiles that read it. Where the cube holds other tiles,
these receive it without having a weight for it; where it holds codes without tiles, nobody is
there.

Axons are given class by class: elements of a source that go to the same tiles are alike. Along the
tiles, each class takes the first axons that mean nothing else to whoever reads it, and that nobody
who receives it reads otherwise. What nobody reads may share axons: there it meets no weight.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import accumulate, pairwise, product

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.neurons.populations import Segment
from snnc.targets.paicore.tiling.grid import Arrival, Part
from snnc.targets.paicore.tiling.reach import Reach, Span
from snnc.targets.paicore.tiling.shares import Share

Patch = tuple[int, ...]
"""A code, then the first place and the one behind the last along each axis."""

ReadByLayer = Mapping[Segment, tuple[Sequence[int], Sequence[Reach | None]]]
"""Each segment with the shape of its source and what each layer reads of it."""

Flags = NDArray[np.bool_]


@frozen(eq=False)
class Patched:
    """The patches of each share of a region, whose cores have axons below `room`."""

    of: Mapping[Share, tuple[Patch, ...]]
    room: int


@frozen(eq=False)
class _Classes:
    """The elements of a source, told apart by the tiles that read them.

    `read` and `reach` say for each class which tiles read and receive it; `base` and `mask` are its
    codes. `along` has the class of each place of each axis; classes are their combinations.
    """

    read: Flags
    reach: Flags
    base: Ints
    mask: Ints
    along: tuple[Ints, ...]

    @cached_property
    def sizes(self) -> Ints:
        """How many elements each class has."""
        found = np.ones(1, dtype=np.int64)
        for each in self.along:
            found = (found[:, None] * np.bincount(each)).reshape(-1)
        return found

    def elements(self) -> tuple[Ints, Ints]:
        """Return the class of each element, and its number in the class."""
        which, rank = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
        for each in self.along:
            counts = np.bincount(each)
            order = np.argsort(each, kind="stable")
            place = np.empty_like(order)
            place[order] = np.arange(len(each)) - (np.cumsum(counts) - counts)[each[order]]
            which = (which[:, None] * len(counts) + each).reshape(-1)
            rank = (rank[:, None] * counts[each] + place).reshape(-1)
        return which, rank


class Patches:
    """The tiles of a region.

    Args:
        shapes: of the layers in it.
        patched: the patches of each layer, which hold each neuron once.
        split: bits that count the cores of a tile.
        reads: what the layers read of each source.
    """

    def __init__(
        self, shapes: Sequence[Sequence[int]], patched: Patched, split: int, reads: ReadByLayer
    ) -> None:
        self.shapes, self.split, self.room = shapes, split, patched.room
        self._layers = [*patched.of]
        each = enumerate(patched.of.values())
        tiles = [(number, patch) for number, patches in each for patch in patches]
        self.tiles = sorted(tiles, key=lambda tile: self._middle(tile, 1))
        self.codes = np.array([patch[0] for _, patch in self.tiles])
        self.bits = split + int(self.codes.max()).bit_length()
        self._classes = {s: self._told_apart(*given) for s, given in reads.items()}

    def _middle(self, tile: tuple[int, Patch], lead: int) -> tuple[float, ...]:
        """Return where a tile lies in its layer, along an axis first."""
        number, (_, *bounds) = tile
        places = [
            (first + stop) / size
            for first, stop, size in zip(
                bounds[::2], bounds[1::2], self.shapes[number], strict=True
            )
        ]
        return (*places[lead:], *places[:lead], number)

    def _told_apart(self, sizes: Sequence[int], reaches: Sequence[Reach | None]) -> _Classes:
        read, along = np.ones((1, len(self.tiles)), dtype=bool), []
        for axis, size in enumerate(sizes):
            here = self._read(axis, size, reaches)
            packed = np.packbits(here, axis=1)
            _, first, where = np.unique(packed, axis=0, return_index=True, return_inverse=True)
            read = np.logical_and(read[:, None], here[first]).reshape(-1, len(self.tiles))
            along.append(where.reshape(-1))
        some = read.any(axis=1)
        low = np.bitwise_and.reduce(np.where(read, self.codes, -1), axis=1)
        high = np.bitwise_or.reduce(np.where(read, self.codes, 0), axis=1)
        base, mask = np.where(some, low, self.codes[0]), np.where(some, high & ~low, 0)
        reach = (self.codes ^ base[:, None]) & ~mask[:, None] == 0
        return _Classes(read, reach, base, mask, tuple(along))

    def _read(self, axis: int, size: int, reaches: Sequence[Reach | None]) -> Flags:
        """Return which tiles read each place along an axis of a source."""
        columns = []
        for number, (_, *bounds) in self.tiles:
            reach = reaches[number]
            if reach is None:
                columns.append(np.zeros(size, dtype=bool))
            elif reach[axis].axis < 0:
                columns.append(np.ones(size, dtype=bool))
            else:
                columns.append(_within(reach[axis], bounds, size))
        return np.stack(columns, axis=1)

    @cached_property
    def _axons(self) -> dict[Segment, list[Ints]] | None:
        """The axons of the elements of each class; None where there are too few."""
        every = range(len(self.tiles))
        for lead in (1, 2):
            along = sorted(every, key=[self._middle(tile, lead) for tile in self.tiles].__getitem__)
            found = self._given(np.argsort(along))
            if found is not None:
                return found
        return None

    def _given(self, rank: Ints) -> dict[Segment, list[Ints]] | None:
        """Return the axons of each class, given in the order of the first tile that it reaches.

        What nobody reads comes last; it has one axon in all.
        """
        taken, received = (np.zeros((len(self.tiles), self.room), dtype=bool) for _ in range(2))
        found = {s: [np.zeros(0, np.int64)] * len(c.sizes) for s, c in self._classes.items()}
        todo = []
        for number, (segment, classes) in enumerate(self._classes.items()):
            first = np.where(classes.reach, rank, len(rank)).min(axis=1)
            first[~classes.read.any(axis=1)] = len(rank)
            todo += [(at, number, n, segment) for n, at in enumerate(first.tolist())]
        for at, _, n, segment in sorted(todo, key=lambda one: one[:3]):
            classes = self._classes[segment]
            count = int(classes.sizes[n]) if at < len(rank) else 1
            reach, read = np.flatnonzero(classes.reach[n]), np.flatnonzero(classes.read[n])
            blocked = taken[reach].any(axis=0) | received[read].any(axis=0)
            free = np.flatnonzero(~blocked)[:count]
            if len(free) < count:
                return None
            taken[np.ix_(read, free)] = True
            received[np.ix_(reach, free)] = True
            found[segment][n] = np.resize(free, classes.sizes[n])
        return found

    @cached_property
    def reached(self) -> Flags:
        """For each code whether a frame goes there."""
        tiles = np.zeros(1 << self.bits - self.split, dtype=bool)
        for classes in self._classes.values():
            ways = zip(classes.base.tolist(), classes.mask.tolist(), strict=True)
            for base, mask in dict.fromkeys(ways):
                tiles |= (np.arange(len(tiles)) ^ base) & ~mask == 0
        return np.repeat(tiles, 1 << self.split)

    @property
    def fits(self) -> bool:
        """Whether the axons of a core are enough."""
        return self._axons is not None

    @cached_property
    def axons(self) -> int:
        """How many axons a core of the region needs."""
        each = (axons for found in (self._axons or {}).values() for axons in found)
        return max((int(axons.max(initial=-1)) for axons in each), default=-1) + 1

    def arrival(self, segment: Segment) -> Arrival:
        """Return where the elements of a source go; unread ones, to an axon without weights."""
        assert self._axons is not None
        classes, axons = self._classes[segment], self._axons[segment]
        which, rank = classes.elements()
        starts = np.array([0, *accumulate(map(len, axons))])
        unread = ~classes.read.any(axis=1)
        split = (1 << self.split) - 1
        return Arrival(
            (classes.base << self.split)[which],
            np.where(unread, 0, classes.mask << self.split | split)[which],
            np.concatenate(axons)[starts[which] + rank],
        )

    def reached_by(self, segment: Segment, some: slice | Ints = slice(None)) -> Flags:
        """Return for each code whether any of some elements of a source goes there."""
        return self.arrival(segment).reached(self.bits, some)

    def order(self, share: Share) -> tuple[Ints, list[Part]]:
        """Return the neurons of a layer tile by tile, and where each tile begins and ends.

        Tiles of other layers have none of its neurons.
        """
        number = self._layers.index(share)
        owner = np.zeros(tuple(self.shapes[number]), dtype=np.int64)
        for place, (layer, (_, *bounds)) in enumerate(self.tiles):
            if layer == number:
                cut = zip(bounds[::2], bounds[1::2], strict=True)
                owner[tuple(slice(first, stop) for first, stop in cut)] = place
        flat = owner.reshape(-1)
        ends = np.cumsum(np.bincount(flat, minlength=len(self.tiles))).tolist()
        parts = map(Part, self.codes.tolist(), [0, *ends[:-1]], ends)
        return np.argsort(flat, kind="stable"), list(parts)


def _within(span: Span, bounds: Sequence[int], size: int) -> Flags:
    """Return which places the neurons within bounds read, with those between them."""
    mine = slice(bounds[2 * span.axis], bounds[2 * span.axis + 1])
    low, high = span.low[mine], span.high[mine]
    some = high >= low
    place = np.arange(size)
    if not some.any():
        return place < 0
    return np.asarray((place >= low[some].min()) & (place <= high[some].max()))


def cut(bounds: Sequence[Sequence[int]]) -> list[Patch]:
    """Return the bounds of the patches between given places along each axis, in order.

    >>> cut([[0, 4], [0, 2, 3]])
    [(0, 4, 0, 2), (0, 4, 2, 3)]
    """
    return [tuple(n for pair in each for n in pair) for each in product(*map(pairwise, bounds))]


def covers(patches: object, shape: Sequence[int]) -> bool:
    """Whether some patches are such, and hold each place of a shape once."""
    if not isinstance(patches, tuple):
        return False
    held = np.zeros(tuple(shape), dtype=np.int64)
    for patch in patches:
        if not isinstance(patch, tuple) or len(patch) != 1 + 2 * len(shape):
            return False
        if not all(isinstance(number, int) for number in patch):
            return False
        ends = list(zip(patch[1::2], patch[2::2], shape, strict=True))
        if not all(0 <= first < stop <= size for first, stop, size in ends):
            return False
        held[tuple(slice(first, stop) for first, stop, _ in ends)] += 1
    return bool((held == 1).all())
