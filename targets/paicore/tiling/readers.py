"""Which shares of a divided population read which elements of its sources.

A neuron has one destination, so one that several shares read is stored in as many copies. What
nobody reads goes to a share that finds no weight for it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from snnc.ir.graph import Op
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.neurons.populations import Destination, Populations, Segment
from snnc.targets.paicore.tiling.shares import Share
from snnc.targets.paicore.tiling.sources import read_by


class Readers:
    """Answers for the shares of all populations of a module."""

    def __init__(self, populations: Populations, shares: Mapping[Op, tuple[Share, ...]]) -> None:
        self.populations, self.shares = populations, shares
        self._found: dict[tuple[Op, Segment], NDArray[np.bool_]] = {}
        self._counts: dict[tuple[Op, Segment], Ints] = {}
        self._ranked: dict[tuple[Op, Segment], Ints] = {}

    def most(self, op: Op, segment: Segment) -> int:
        """Return how many shares of a population read the same element of a source, at most."""
        return max(int(self._count(op, segment).max(initial=1)), 1)

    def chosen(self, op: Op, to: Destination) -> Ints:
        """Return to which of its regions each neuron of a copy goes."""
        key = self._reading(op, to)
        if key not in self._ranked:
            ranked = np.argsort(~self._reads(*key), axis=0, kind="stable")
            self._ranked[key] = ranked[: self.most(*key)].copy()
        return np.asarray(self._ranked[key][to.rank])

    def turns(self, op: Op, segment: Segment, some: Sequence[int]) -> Ints:
        """Return to which of some shares of a layer each element goes in each turn.

        There are as many turns as of these shares read one element. One that fewer read goes to a
        share that does not read it then.
        """
        reads = self._reads(op, segment)[some]
        count = max(int(reads.sum(axis=0).max(initial=1)), 1)
        return np.argsort(~reads, axis=0, kind="stable")[:count]

    def some(self, op: Op, to: Destination) -> NDArray[np.bool_] | None:
        """Return which neurons of a population are needed in a copy, None for all."""
        if to.rank == 0:
            return None
        return np.asarray(self._count(*self._reading(op, to)) > to.rank)

    def _reading(self, op: Op, to: Destination) -> tuple[Op, Segment]:
        """Return the reader that a copy of a population is for, and the segment that it reads."""
        assert to.reader is not None
        segments = self.populations.segments([to.reader])
        source = op.result
        mine = next(s for s in segments if s.source is source and s.delay == to.delay)
        return to.reader, mine

    def _count(self, op: Op, segment: Segment) -> Ints:
        """Return how many shares may read each element."""
        if (op, segment) not in self._counts:
            self._counts[op, segment] = self._reads(op, segment).sum(axis=0)
        return self._counts[op, segment]

    def _reads(self, op: Op, segment: Segment) -> NDArray[np.bool_]:
        """Return a row for each share: whether it may read each element."""
        if (op, segment) not in self._found:
            rows = [read_by(self.populations, share, segment) for share in self.shares[op]]
            self._found[op, segment] = np.stack(rows)
        return self._found[op, segment]
