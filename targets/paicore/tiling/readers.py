"""Which shares of a divided population read which elements of its sources.

A neuron has one destination, so one that several shares read is stored in as many copies, all
neurons of its population with it. A copy that has no reader left goes to a share that finds no
weight for it.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from snnc.ir.graph import Op
from snnc.targets.paicore.frames import Ints
from snnc.targets.paicore.populations import Populations, Segment
from snnc.targets.paicore.tiling.plan import sources_of
from snnc.targets.paicore.tiling.reach import Span
from snnc.targets.paicore.tiling.shares import Share


class Readers:
    """Answers for the shares of all populations of a module."""

    def __init__(self, populations: Populations, shares: Mapping[Op, tuple[Share, ...]]) -> None:
        self.populations, self.shares = populations, shares
        self._found: dict[tuple[Op, Segment], NDArray[np.bool_]] = {}

    def most(self, op: Op, segment: Segment) -> int:
        """Return how many shares of a population read the same element of a source, at most."""
        return max(int(self._reads(op, segment).sum(axis=0).max(initial=1)), 1)

    def chosen(self, op: Op, segment: Segment, rank: int) -> Ints:
        """Return the number of the share that copy `rank` of each element of a source goes to."""
        ranked = np.argsort(~self._reads(op, segment), axis=0, kind="stable")
        return np.asarray(ranked[rank])

    def _reads(self, op: Op, segment: Segment) -> NDArray[np.bool_]:
        """Return a row for each share: whether it may read each element."""
        if (op, segment) not in self._found:
            rows = [self._read_by(share, segment) for share in self.shares[op]]
            self._found[op, segment] = np.stack(rows)
        return self._found[op, segment]

    def _read_by(self, share: Share, segment: Segment) -> NDArray[np.bool_]:
        found = np.ones(1, dtype=bool)
        sizes, reach = (sources_of(self.populations, [share]) or {})[segment]
        for size, span in zip(sizes, reach, strict=True):
            found = np.logical_and(found[:, None], _covered(span, size)).reshape(-1)
        return found


def _covered(span: Span, size: int) -> NDArray[np.bool_]:
    """Return whether each place of an axis is read by anyone."""
    if span.axis < 0:
        return np.ones(size, dtype=bool)
    place, some = np.arange(size), span.high >= span.low
    low, high = span.low[some, None], span.high[some, None]
    return np.asarray(((low <= place) & (place <= high)).any(axis=0))
