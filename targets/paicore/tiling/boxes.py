"""Layers under every size of box: axons, room of a core, and what each box reads of its sources.

A box is a part of a layer's neurons, cut along every axis. Its region is a block of cores, and what
two boxes read is stored twice. Arrays over the choices have an axis for each axis of the layer.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.ir.graph import Op
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.chip.geometry import axons_of, capacity
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.neurons.populations import Populations, Segment, blocks
from snnc.targets.paicore.tiling.reach import ALL, Reach, Span
from snnc.targets.paicore.tiling.shares import Share, in_boxes
from snnc.targets.paicore.tiling.sources import share_shape, sources_of

EVERY_SIZE = 40
"""Along an axis up to this long every size is tried; of longer ones, one for each number of boxes,
and so of the first axis, that of channels."""

MOST_CHOICES = 2048
"""Choices for a layer; where there would be more, only one size is tried for each number."""

MORE_BOXES = 8
"""Numbers of boxes to try beyond those that there is a reason for."""

Among = tuple[Ints, ...]
"""Choices of a layer: places in its sizes along each axis, and all products of them."""

Sources = Mapping[Segment, tuple[Sequence[int], Reach]]


@frozen(eq=False)
class Followed:
    """An axis of a source: the axis of the reader that cuts it, -1 for none.

    `counts` say for each size of box along that axis how many boxes read each place, `windows` how
    many places a box reads at most.
    """

    axis: int
    counts: Ints
    windows: tuple[int, ...]


class Reading:
    """What the boxes of a layer read of one segment, under every size of them."""

    def __init__(self, places: Sequence[int], reach: Reach, sizes: Sequence[Sequence[int]]) -> None:
        self.places, self.axes = tuple(places), list[Followed]()
        self.cut = dict.fromkeys(span.axis for span in reach if span.axis >= 0)
        left = dict(self.cut)
        for count, span in zip(places, reach, strict=True):
            if span.axis in left:
                del left[span.axis]
                self.axes.append(_followed(span, sizes[span.axis], count))
            else:
                self.axes.append(Followed(-1, np.ones((1, count), dtype=np.int64), (count,)))

    @property
    def whole(self) -> bool:
        """Whether some box reads each place."""
        return all(bool(axis.counts[0].all()) for axis in self.axes)

    def copied(self, counts: Sequence[int]) -> bool:
        """Whether any place is read by two boxes, given how many sizes each axis of them has."""
        free = any(n > 1 and axis not in self.cut for axis, n in enumerate(counts))
        return free or any(int(axis.counts.max()) > 1 for axis in self.axes)


def _followed(span: Span, sizes: Sequence[int], places: int) -> Followed:
    each = [_reads(span, size, places) for size in sizes]
    windows = tuple(max(int(read.sum(axis=1).max()), 1) for read in each)
    return Followed(span.axis, np.stack([read.sum(axis=0) for read in each]), windows)


def _reads(span: Span, size: int, places: int) -> NDArray[np.bool_]:
    """Return for each box along an axis which places it reads."""
    starts, empty = np.arange(0, len(span.low), size), span.high < span.low
    low = np.minimum.reduceat(np.where(empty, places, span.low), starts)[:, None]
    high = np.maximum.reduceat(np.where(empty, -1, span.high), starts)[:, None]
    place = np.arange(places)
    return np.asarray((low <= place) & (place <= high))


@frozen(eq=False)
class Choices:
    """A layer and the sizes of box that it may have; the first choice is one box.

    `sizes` are those along each axis. For each choice `legal` says whether it is one, `extension`
    what its cores have, `room` how many neurons they hold. `readers` read the layer, each through a
    segment; besides it is stored `plain` times, as target slots are counted. All neurons are given
    room `tight` times.
    """

    op: Op
    shape: tuple[int, ...]
    sizes: Sequence[tuple[int, ...]]
    readings: Mapping[Segment, Reading]
    legal: NDArray[np.bool_]
    extension: Ints
    room: Ints
    readers: Sequence[tuple[Op, Segment]]
    plain: Mapping[int, int]
    tight: float

    @property
    def counts(self) -> tuple[int, ...]:
        """How many sizes there are along each axis."""
        return self.legal.shape

    @property
    def size(self) -> int:
        """Number of neurons."""
        return math.prod(self.shape)

    def along(self, axis: int, values: Sequence[int]) -> Ints:
        """Return values for the sizes along an axis, or one for all where the axis is -1."""
        return _along(axis, values, len(self.sizes))

    def at(self, choice: int) -> "Among":
        """Return a choice alone."""
        return tuple(np.array([n]) for n in np.unravel_index(choice, self.counts))

    @property
    def every(self) -> "Among":
        """All choices."""
        return tuple(np.arange(count) for count in self.counts)

    def among(self, some: NDArray[np.bool_]) -> "Among":
        """Return the fewest choices that have all of some, of which is said which they are."""
        at = np.unravel_index(np.flatnonzero(some), self.counts)
        return tuple(np.unique(each) for each in at)

    def numbers(self, among: "Among") -> Ints:
        """Return the numbers of some choices."""
        return np.ravel_multi_index(np.ix_(*among), self.counts).reshape(-1)

    def boxes(self, choice: int) -> tuple[int, ...]:
        """Return the size of a choice's boxes along each axis."""
        at = np.unravel_index(choice, self.counts)
        return tuple(sizes[n] for sizes, n in zip(self.sizes, at, strict=True))

    def shares(self, choice: int) -> tuple[Share, ...]:
        """Return the boxes of a choice, the layer itself where there is but one."""
        sizes = self.boxes(choice)
        return (Share(self.op),) if sizes == self.shape else in_boxes(self.op, self.shape, sizes)


def choices(populations: Populations, op: Op, most: int, tight: float, coarse: bool) -> Choices:
    """Return the choices of a layer.

    Args:
        populations: of the module.
        op: the layer.
        most: the largest axon extension that its buffers allow.
        tight: by how much more room its neurons are to have.
        coarse: whether to try one size only for each number of boxes along an axis.
    """
    # A single value without axes is one place.
    shape = share_shape(populations, Share(op)) or (1,)
    found = {
        segment: (tuple(places) or (1,), reach or (ALL,))
        for segment, (places, reach) in (sources_of(populations, [Share(op)]) or {}).items()
    }
    wide, bits = populations.form(op).wide, populations.bits(op)
    # A layer that reads itself would choose for itself twice.
    free = all(s.source is not op.result for s in found)
    cores = math.ceil(math.prod(shape) * tight / capacity(wide, bits, 1))
    sizes = _sizes(shape, found, free, cores, coarse)
    readings = {s: Reading(*source, sizes) for s, source in found.items()}
    inputs = any(s.source not in populations.by_value for s in found)
    axons = _axons([*readings.values()], tuple(map(len, sizes)), inputs)
    rooms = _rooms(axons, wide, bits)
    legal, few = axons <= axons_of(wide) * most, _filled(shape, sizes, rooms[1])
    outputs = len(populations.outputs.get(op, ()))
    return Choices(
        op,
        shape,
        sizes,
        readings,
        legal & few if (legal & few).any() else legal,
        *rooms,
        populations.readers[op],
        {blocks(populations.size(op)): outputs} if outputs else {},
        tight,
    )


def relay_choices(layer: Choices) -> Choices:
    """Return the choices of relays between a layer and all its readers; channels are halved."""
    channels = layer.shape[0] if layer.shape else 1
    halves = tuple(dict.fromkeys(-(-channels >> k) for k in range(channels.bit_length())))
    sizes = [_balanced(n) if axis else halves for axis, n in enumerate(layer.shape)]
    counts = tuple(map(len, sizes))
    axons = np.ones(counts, dtype=np.int64)
    for axis, each in enumerate(sizes):
        axons = axons * _along(axis, each, len(sizes))
    rooms = _rooms(axons, False, 1)
    legal = (axons <= LIMITS.axons) & _filled(layer.shape, sizes, rooms[1])
    return Choices(layer.op, layer.shape, sizes, {}, legal, *rooms, layer.readers, {}, 1.0)


def _axons(readings: Sequence[Reading], counts: tuple[int, ...], inputs: bool) -> Ints:
    """Return the axons of the largest box; one for what comes and is not read."""
    axons = np.zeros(counts, dtype=np.int64)
    for reading in readings:
        mine = np.ones(counts, dtype=np.int64)
        for axis in reading.axes:
            mine = mine * _along(axis.axis, axis.windows, len(counts))
        axons += mine
    if not all(reading.whole for reading in readings):
        return axons + 1
    if inputs:
        axons += 1
        axons[(0,) * len(counts)] -= 1
    return axons


def _rooms(axons: Ints, wide: bool, bits: int) -> tuple[Ints, Ints]:
    """Return the axon extension for some axons, and how many neurons a core then holds."""
    lcn = np.zeros(axons.shape, dtype=np.int64)
    for code in range(LIMITS.max_lcn):
        lcn += axons > axons_of(wide) << code
    rooms = [capacity(wide, bits, 1 << code) for code in range(LIMITS.max_lcn + 1)]
    return 1 << lcn, np.array(rooms)[lcn]


def _filled(shape: Sequence[int], sizes: Sequence[Sequence[int]], room: Ints) -> NDArray[np.bool_]:
    """Return which choices do not have many more boxes than cores that hold all neurons once."""
    count = np.ones(room.shape, dtype=np.int64)
    for axis, n in enumerate(shape):
        count = count * _along(axis, [-(-n // size) for size in sizes[axis]], len(shape))
    return np.asarray(count <= MORE_BOXES + 2 * (math.prod(shape) // room))


def _along(axis: int, values: Sequence[int], rank: int) -> Ints:
    return np.array(values, dtype=np.int64).reshape([-1 if a == axis else 1 for a in range(rank)])


def _sizes(
    shape: Sequence[int], sources: Sources, free: bool, cores: int, coarse: bool
) -> list[tuple[int, ...]]:
    """Return the sizes to try along each axis, the largest first."""
    followed = {span.axis for _, reach in sources.values() for span in reach if free}
    balanced = [_balanced(n) if a in followed else (n,) for a, n in enumerate(shape)]
    every = [
        tuple(range(n, 0, -1)) if a and a in followed and n <= EVERY_SIZE else balanced[a]
        for a, n in enumerate(shape)
    ]
    few = math.prod(map(len, every)) <= MOST_CHOICES
    found = every if few and not coarse else balanced
    # A block is half a chip: where the cores of all neurons at one place are more, they are cut.
    cut = math.prod(n for a, n in enumerate(shape) if a in followed)
    least = -(-cores // (LIMITS.routing_group * cut))
    if least > 1 and shape:
        axis = max((a for a in range(len(shape)) if a not in followed), key=lambda a: shape[a])
        numbers = range(least, 2 * least + MORE_BOXES)
        found[axis] = tuple(dict.fromkeys(-(-shape[axis] // n) for n in (1, *numbers)))
    return found


def _balanced(count: int) -> tuple[int, ...]:
    """Return the smallest size for each number of boxes, the largest first.

    >>> _balanced(10)
    (10, 5, 4, 3, 2, 1)
    """
    return tuple(dict.fromkeys(-(-count // n) for n in range(1, count + 1)))
