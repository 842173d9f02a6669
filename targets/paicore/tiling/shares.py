"""Shares: the neurons of a population that lie in one region.

Most populations are one share. One that no region holds is divided along an axis into several,
which are laid out apart; what they read is sent to each of them that reads it.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from attrs import frozen

from snnc.ir.graph import Op
from snnc.targets.paicore.frames import Ints
from snnc.targets.paicore.tiling.reach import Reach, Span


@frozen
class Share:
    """Places first..stop-1 along an axis of a population's neurons; all of them where axis is -1.

    Axes are those of the shape that `reach.shape_of` gives.
    """

    op: Op
    axis: int = -1
    first: int = 0
    stop: int = 0

    def shape(self, whole: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of the share, given that of the population."""
        size = self.stop - self.first
        return tuple(size if a == self.axis else n for a, n in enumerate(whole))

    def neurons(self, whole: Sequence[int]) -> Ints:
        """Return the flat neurons of the share."""
        every = np.arange(int(np.prod(whole, dtype=np.int64))).reshape(tuple(whole))
        return every.reshape(-1) if self.axis < 0 else self._cut(every).reshape(-1)

    def _cut(self, every: Ints) -> Ints:
        index = [slice(None)] * every.ndim
        index[self.axis] = slice(self.first, self.stop)
        return every[tuple(index)]

    def reach(self, whole: Reach) -> Reach:
        """Return what the share's neurons read, given what all of the population's do."""
        if self.axis < 0:
            return whole
        mine = slice(self.first, self.stop)
        return tuple(
            Span(s.axis, s.low[mine], s.high[mine]) if s.axis == self.axis else s for s in whole
        )


def divided(op: Op, axis: int, count: int, size: int) -> tuple[Share, ...]:
    """Return shares of `size` places each along an axis of `count`; the last may have fewer.

    >>> [(s.first, s.stop) for s in divided(None, 0, 10, 4)]
    [(0, 4), (4, 8), (8, 10)]
    """
    ends = [*range(0, count, size), count]
    return tuple(Share(op, axis, first, stop) for first, stop in pairwise(ends))
