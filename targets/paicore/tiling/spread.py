"""How many links of the quad tree frames pass inside a region, for each of several tilings.

A frame that leaves bits of the code open passes, at each level of the tree, a link to every block
that it reaches: 2 to the number of open bits at that level and above. Bits of an axis that a
source follows are open where two tiles read a place, those of other axes and of the split always.
The counts are sums over places along an axis, multiplied over the axes, so they are exact and no
element is looked at by itself.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from attrs import frozen

from snnc.targets.paicore.frames import Ints
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.tiling.axis import Axis, width

LEVELS = LIMITS.side.bit_length() - 1


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

    def place(self, number: int, bit: int) -> Ints:
        """Return which bit of the code holds a bit of an axis."""
        inner = range(len(self.widths) - 1, 0, -1)
        before = self.split.copy()
        for other in inner:
            most = bit + 1 if other > number else bit
            before += self.widths[other] if number == 0 else np.minimum(self.widths[other], most)
        return before + bit if number == 0 else before

    def below(self, number: int, level: int) -> Ints:
        """Return how many bits of an axis lie below a level of the tree."""
        found = np.zeros_like(self.split)
        for bit in range(int(self.widths[number].max(initial=0))):
            found += (bit < self.widths[number]) & (self.place(number, bit) < 2 * level)
        return found


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
    axes = range(len(numbering.widths))
    for level in range(LEVELS):
        below = [numbering.below(number, level) for number in axes]
        for rest, cuts in sources:
            open_ = np.maximum(numbering.split - 2 * level, 0)
            frames = np.full_like(total, rest)
            for number in axes:
                if number in cuts:
                    frames *= _reached(cuts[number], below[number])
                else:
                    open_ += numbering.widths[number] - below[number]
            total += frames << open_
    return total


def _reached(cuts: Sequence[Axis], below: Ints) -> Ints:
    """Return the blocks of tiles that places along an axis reach, all but the lowest bits told."""
    counts: dict[tuple[int, int], int] = {}
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
