"""Layers of a region between given places along each axis: what each patch reads and takes.

What the neurons of a patch read of a source is a product over the axes, so the loads of all patches
of a grid follow from one table for each axis.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from math import inf

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.chip.geometry import axons_of, capacity
from snnc.targets.paicore.tiling.axis import gray, width
from snnc.targets.paicore.tiling.choose import MOST_BITS, OCCUPIED, Member
from snnc.targets.paicore.tiling.patches import Patch, Patched, Patches, ReadByLayer, cut
from snnc.targets.paicore.tiling.reach import Span
from snnc.targets.paicore.tiling.shares import Share

LONGEST = 64
"""The longest axis that is cut into bands."""

Bounds = Mapping[int, Sequence[int]]
"""Where some axes are cut: 0, the places between two parts, and the size."""


@frozen
class Finer:
    """A choice: the patches of each layer, the axons of a core, and what it costs."""

    patches: tuple[tuple[Patch, ...], ...]
    room: int
    cores: int
    occupied: int

    @property
    def cost(self) -> int:
        """What is made small."""
        return OCCUPIED * self.occupied + self.cores


class Cutter:
    """Cuts the layers of a region, at one axon extension.

    Args:
        layers: whole ones, each with weights of one width.
        reads: what they read.
        wide: whether the cores take values.
        extension: of the axons.
    """

    def __init__(
        self, layers: Mapping[Share, Member], reads: ReadByLayer, wide: bool, extension: int
    ) -> None:
        self.shares, self.reads = [*layers], reads
        self.members = [*layers.values()]
        self.shapes = [member.shape for member in self.members]
        self.room = axons_of(wide) * extension
        self.full = [capacity(wide, member.widths[0][0], extension) for member in self.members]
        self._tables: dict[tuple[int, int], Ints] = {}

    @cached_property
    def axes(self) -> list[int]:
        """The axes that may be cut: some source follows them in each layer."""
        found = []
        for axis, sizes in enumerate(zip(*self.shapes, strict=True)):
            followed = [
                any(span.axis == axis for _, each in self.reads.values() for span in each[n] or ())
                for n in range(len(self.members))
            ]
            if all(followed) and 1 < max(sizes) <= LONGEST:
                found.append(axis)
        return found

    def bounds(self, layer: int, parts: Mapping[int, int]) -> Bounds | None:
        """Return where a layer is cut evenly along some axes, None where parts are too many."""
        shape = self.shapes[layer]
        if any(count > shape[axis] for axis, count in parts.items()):
            return None
        return {axis: ends(even(shape[axis], count)) for axis, count in parts.items()}

    def patches(self, layer: int, bounds: Bounds) -> list[Patch]:
        """Return the bounds of all patches of a layer."""
        shape = self.shapes[layer]
        return cut([bounds.get(axis, (0, size)) for axis, size in enumerate(shape)])

    def loads(self, layer: int, bounds: Bounds) -> Ints:
        """Return the axons that each patch of a layer reads, the patches in order."""
        each = np.ones((len(self.reads), 1), dtype=np.int64)
        for axis, size in enumerate(self.shapes[layer]):
            along = np.asarray(bounds.get(axis, (0, size)))
            parts = self.table(layer, axis)[:, along[:-1], along[1:]]
            each = (each[:, :, None] * parts[:, None, :]).reshape(len(each), -1)
        return np.asarray((each * self.rest(layer)[:, None]).sum(axis=0))

    def cores(self, layer: int, bounds: Bounds) -> Ints:
        """Return the cores that the neurons of each patch of a layer take, the patches in order."""
        neurons = np.ones(1, dtype=np.int64)
        for axis, size in enumerate(self.shapes[layer]):
            parts = np.diff(np.asarray(bounds.get(axis, (0, size))))
            neurons = (neurons[:, None] * parts).reshape(-1)
        return self.cores_of(layer, neurons)

    def cores_of(self, layer: int, neurons: Ints) -> Ints:
        """Return the cores that so many neurons of a layer take."""
        copies = self.members[layer].copies
        return np.ceil(copies * neurons / self.full[layer] - 1e-9).astype(np.int64)

    def table(self, layer: int, axis: int) -> Ints:
        """Return the places that neurons first..stop-1 along an axis read of each source.

        The table `(sources, first, stop)` counts axes of the source that follow the axis.
        """
        if (layer, axis) not in self._tables:
            size = self.shapes[layer][axis]
            found = np.ones((len(self.reads), size + 1, size + 1), dtype=np.int64)
            for number, (_, each) in enumerate(self.reads.values()):
                for span in each[layer] or ():
                    if span.axis == axis:
                        found[number] *= _covered(span, size)
            self._tables[layer, axis] = found
        return self._tables[layer, axis]

    def rest(self, layer: int) -> Ints:
        """Return what each source has along axes that follow none; 0 where it is not read."""
        found = []
        for sizes, each in self.reads.values():
            reach = each[layer]
            unfollowed = [
                size
                for size, span in zip(sizes, reach or (), strict=reach is not None)
                if span.axis < 0
            ]
            found.append(0 if reach is None else int(np.prod(unfollowed, dtype=np.int64)))
        return np.array(found)

    def checked(self, patches: Sequence[Sequence[Patch]], cost: float = inf) -> Finer | None:
        """Return what patches with codes cost, None where axons or codes do not suffice.

        What costs as much as something else does is left, too.
        """
        codes = max(code for each in patches for code, *_ in each).bit_length()
        if codes > MOST_BITS:
            return None
        cores = np.concatenate([self._held(layer, each) for layer, each in enumerate(patches)])
        split = width(int(cores.max()))
        if split + codes > MOST_BITS:
            return None
        chosen = tuple(map(tuple, patches))
        patched = Patched(dict(zip(self.shares, chosen, strict=True)), self.room)
        made = Patches(self.shapes, patched, split, self.reads)
        tiles = np.asarray(made.reached.reshape(-1, 1 << split).any(axis=1))
        tiles[made.codes] = True
        found = Finer(chosen, self.room, int(cores.sum()), int(tiles.sum()) << split)
        return found if found.cost < cost and made.fits else None

    def _held(self, layer: int, patches: Sequence[Patch]) -> Ints:
        """Return the cores that the neurons of each of some patches of a layer take."""
        bounds = np.array(patches)[:, 1:]
        return self.cores_of(layer, (bounds[:, 1::2] - bounds[:, ::2]).prod(axis=1))


def _covered(span: Span, size: int) -> Ints:
    """Return how many places the neurons first..stop-1 read, for all first < stop."""
    found = np.zeros((size + 1, size + 1), dtype=np.int64)
    empty, place = span.high < span.low, np.arange(size)
    later, none = place >= place[:, None], span.low.max(initial=0)
    low = np.minimum.accumulate(np.where(later & ~empty, span.low, none), axis=1)
    high = np.maximum.accumulate(np.where(later & ~empty, span.high, -1), axis=1)
    found[:-1, 1:] = high - low + 1
    return np.maximum(found, 0)


def codes(parts: Sequence[int]) -> NDArray[np.int64]:
    """Return codes for the patches of a grid, in order, by the Gray code along each axis.

    >>> codes([2, 3]).tolist()
    [0, 1, 3, 4, 5, 7]
    """
    found = np.zeros(1, dtype=np.int64)
    for count in parts:
        found = (found[:, None] << width(count) | gray(np.arange(count))).reshape(-1)
    return found


def even(count: int, parts: int) -> list[int]:
    """Return sizes that differ by one at most.

    >>> even(8, 3)
    [3, 3, 2]
    """
    return [count // parts + (n < count % parts) for n in range(parts)]


def ends(sizes: Sequence[int]) -> list[int]:
    """Return where parts of some sizes end, and where the first begins."""
    return [0, *accumulate(sizes)]


def styles(count: int, parts: int) -> Iterator[list[int]]:
    """Yield sizes that differ by one: the larger ones outside, inside, before, behind.

    >>> list(styles(8, 3))
    [[3, 2, 3], [3, 3, 2], [2, 3, 3]]
    """
    sizes = sorted(even(count, parts))
    inward = sorted(range(parts), key=lambda n: -min(n, parts - 1 - n))
    seen = []
    for places in (inward, inward[::-1], range(parts)[::-1], range(parts)):
        style = [size for _, size in sorted(zip(places, sizes, strict=True))]
        if style not in seen:
            seen.append(style)
            yield style
