"""How many links of the quad tree frames pass inside a region, for each of several tilings.

A frame that leaves bits of the code open passes, at each level of the tree, a link to every block
that it reaches: 2 to the number of open bits at that level and above. Bits of an axis that a
source follows are open where two tiles read a place, those of other axes and of the split always.
The counts are sums over places along an axis, multiplied over the axes, so they are exact and no
element is looked at by itself.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from attrs import frozen

from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.tiling.axis import Axis, width

LEVELS = LIMITS.levels


@frozen(eq=False)
class Numbering:
    """Bits of a core's code, for each of several tilings.

    `split` bits count the cores of a tile, `widths` bits the tiles along each axis. The last axes
    are interleaved as a quad tree has them, the first one stands on top.
    """

    split: Ints
    widths: Sequence[Ints]

    @property
    def bits(self) -> Ints:
        """The bits of the whole code."""
        return self.split + np.sum(self.widths, axis=0, dtype=np.int64)

    def _place(self, number: int, bit: Ints) -> Ints:
        """Return which bit of the code holds each of some bits of an axis: (bits, tilings)."""
        inner, bit = range(len(self.widths) - 1, 0, -1), bit[:, None]
        before = self.split if number else self.split + bit
        for other in inner:
            size = self.widths[other]
            before = before + (np.minimum(size, bit + (other > number)) if number else size)
        return before

    @cached_property
    def _held(self) -> list[Ints]:
        """For each axis the bits of the code that hold its own, those that lack beyond the rest."""
        found = []
        for number, size in enumerate(self.widths):
            bit = np.arange(int(size.max(initial=0)))
            found.append(np.where(bit[:, None] < size, self._place(number, bit), 2 * LEVELS))
        return found

    def below(self, number: int, level: int) -> Ints:
        """Return how many bits of an axis lie below a level of the tree."""
        return np.asarray((self._held[number] < 2 * level).sum(axis=0))


def links(
    numbering: Numbering, sources: Sequence[tuple[int, Mapping[int, Sequence[Axis]]]]
) -> Ints:
    """Return the links that one frame of every element takes, for each tiling.

    They are counted from the root of the tree down.

    Args:
        numbering: of the tilings.
        sources: of each the elements along the axes that it does not follow, and for each axis
            that it follows how the tilings cut it.
    """
    total = np.zeros_like(numbering.split)
    counts: dict[tuple[int, int], int] = {}
    axes = range(len(numbering.widths))
    for level in range(LEVELS):
        below = [numbering.below(number, level) for number in axes]
        for rest, cuts in sources:
            open_ = np.maximum(numbering.split - 2 * level, 0)
            frames = np.full_like(total, rest)
            for number in axes:
                if number in cuts:
                    frames *= _reached(cuts[number], below[number], counts)
                else:
                    open_ += numbering.widths[number] - below[number]
            total += frames << open_
    return total


def _reached(cuts: Sequence[Axis], below: Ints, counts: dict[tuple[int, int], int]) -> Ints:
    """Return the blocks of tiles that places along an axis reach, all but the lowest bits told.

    `counts` keeps them by cut and bits.
    """
    found = []
    for cut, low in zip(cuts, below.tolist(), strict=True):
        key = id(cut), low
        if key not in counts:
            counts[key] = int(
                (1 << np.bitwise_count(cut.mask[cut.read] >> low).astype(np.int64)).sum()
            )
        found.append(counts[key])
    return np.array(found, dtype=np.int64)


def whole(elements: int, cores: int) -> int:
    """Return the same links where every element goes to all cores of a block."""
    bits = width(cores)
    return sum(elements << max(bits - 2 * level, 0) for level in range(LEVELS))
