"""Shares: the neurons of a population that lie in one region.

Most populations are one share. One that no region holds is divided along an axis into several,
which are laid out apart; what they read is sent to each of them that reads it. Where regions must
be blocks, a population may be divided along several axes, into boxes.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise, product

import numpy as np
from attrs import frozen

from snnc.ir.graph import Op
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.tiling.reach import Reach, Span


@frozen
class Share:
    """Places first..stop-1 along an axis of a population's neurons; all of them where axis is -1.

    A `box` has first and stop for every axis instead. Axes are those of the shape that
    `reach.shape_of` gives.
    """

    op: Op
    axis: int = -1
    first: int = 0
    stop: int = 0
    box: tuple[tuple[int, int], ...] = ()

    def shape(self, whole: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of the share, given that of the population."""
        found = list(whole)
        for axis, (first, stop) in self._cuts().items():
            found[axis] = stop - first
        return tuple(found)

    def neurons(self, whole: Sequence[int]) -> Ints:
        """Return the flat neurons of the share."""
        every = np.arange(int(np.prod(whole, dtype=np.int64))).reshape(tuple(whole))
        return every[self.part(every.ndim)].reshape(-1)

    def part(self, rank: int) -> tuple[slice, ...]:
        """Return which part of an array of the population's shape, of some rank, is the share's."""
        cuts = self._cuts()
        return tuple(slice(*cuts[a]) if a in cuts else slice(None) for a in range(rank))

    def reach(self, whole: Reach) -> Reach:
        """Return what the share's neurons read, given what all of the population's do."""
        cuts = {axis: slice(*ends) for axis, ends in self._cuts().items()}
        return tuple(
            Span(s.axis, s.low[cuts[s.axis]], s.high[cuts[s.axis]]) if s.axis in cuts else s
            for s in whole
        )

    def _cuts(self) -> Mapping[int, tuple[int, int]]:
        """Return first and stop along each axis that is cut."""
        if self.box:
            return dict(enumerate(self.box))
        return {} if self.axis < 0 else {self.axis: (self.first, self.stop)}


def in_boxes(op: Op, shape: Sequence[int], sizes: Sequence[int]) -> tuple[Share, ...]:
    """Return boxes of some sizes along the axes; the last ones may be smaller.

    >>> [share.box for share in in_boxes(None, (4, 5), (4, 3))]
    [((0, 4), (0, 3)), ((0, 4), (3, 5))]
    """
    ends = [[*range(0, n, size), n] for n, size in zip(shape, sizes, strict=True)]
    return tuple(Share(op, box=box) for box in product(*map(pairwise, ends)))
