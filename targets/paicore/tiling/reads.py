"""Which elements of its sources each neuron of a region reads, weight by weight.

The neurons of a region's shares are numbered one share after the other, the elements of its
sources one segment after the other.
"""

from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256

import numpy as np
from attrs import frozen

from snnc.ir.graph import Op
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.neurons.populations import Populations, Segment
from snnc.targets.paicore.tiling.shares import Share

SPARSE = 0.4
"""The part of all weights other than 0 up to which a layer reads a source sparsely."""


@frozen(eq=False)
class Reads:
    """Pairs of neuron `row` and `element` that a weight joins, each once, sorted by row.

    `sizes` are those of the segments; `host` says which of them the host sends. Equal reads have an
    equal `digest`, by which they are told apart.
    """

    neurons: int
    sizes: tuple[int, ...]
    host: tuple[bool, ...]
    row: Ints
    element: Ints

    @cached_property
    def digest(self) -> bytes:
        """The SHA-256 of all of it."""
        found = sha256(repr((self.neurons, self.sizes, self.host)).encode())
        for table in (self.row, self.element):
            found.update(table.astype("<i4").tobytes())
        return found.digest()

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reads) and self.digest == other.digest

    @property
    def elements(self) -> int:
        """The number of elements of all segments."""
        return sum(self.sizes)

    @cached_property
    def rows(self) -> Ints:
        """Where the pairs of each neuron begin; one more number than neurons."""
        return np.searchsorted(self.row, np.arange(self.neurons + 1))

    @cached_property
    def degrees(self) -> Ints:
        """How many elements each neuron reads."""
        return np.diff(self.rows)

    @cached_property
    def by_element(self) -> Ints:
        """The order of the pairs by element, and of one element by the degrees of neurons."""
        return np.lexsort((self.row, self.degrees[self.row], self.element))

    @cached_property
    def columns(self) -> Ints:
        """Where the pairs of each element begin in `by_element`."""
        return np.searchsorted(self.element[self.by_element], np.arange(self.elements + 1))

    @cached_property
    def readers(self) -> Ints:
        """How many neurons read each element."""
        return np.diff(self.columns)

    def only(self, neurons: Ints) -> "Reads":
        """Return what some neurons read, of elements that at least two of them read.

        Both are numbered anew; it has one segment.
        """
        new = np.full(self.neurons, -1)
        new[neurons] = np.arange(len(neurons))
        some = new[self.row] >= 0
        row, element = new[self.row[some]], self.element[some]
        shared = np.bincount(element, minlength=self.elements) > 1
        kept = shared[element]
        number = np.cumsum(shared) - 1
        row, element = row[kept], number[element[kept]]
        order = np.argsort(row, kind="stable")
        size = int(shared.sum())
        return Reads(len(neurons), (size,), (False,), row[order], element[order])


def behind_matrix(populations: Populations, op: Op) -> bool:
    """Whether there is a matrix before a layer, so that it may be cut by what its neurons read."""
    between = populations.synapses.between(op).values()
    return any(o.kind in ("linear", "masked_linear") for ops in between for o in ops)


def _whole(populations: Populations, op: Op, segment: Segment, count: int) -> bool:
    return count > SPARSE * populations.size(op) * segment.source.type.size


def density_of(populations: Populations, shares: Sequence[Share]) -> float:
    """Return the part of all pairs that `reads_of` would tell, before it makes them."""
    found = every = 0
    for share in shares:
        for segment, (row, _) in populations.pairs(share.op).items():
            most = populations.size(share.op) * segment.source.type.size
            every += most
            found += most if _whole(populations, share.op, segment, len(row)) else len(row)
    return found / max(every, 1)


def reads_of(populations: Populations, shares: Sequence[Share]) -> Reads:
    """Return what whole populations read; what is not read sparsely counts as read whole."""
    segments = populations.segments(share.op for share in shares)
    sizes = [segment.source.type.size for segment in segments]
    begin = dict(zip(segments, np.cumsum([0, *sizes]).tolist(), strict=False))
    found, neurons = [np.zeros(0, dtype=np.int64)], 0
    for share in shares:
        for segment, (row, element) in populations.pairs(share.op).items():
            if _whole(populations, share.op, segment, len(row)):
                size = segment.source.type.size
                row, element = np.divmod(np.arange(populations.size(share.op) * size), size)
            found.append((row + neurons) * (sum(sizes) + 1) + element + begin[segment])
        neurons += populations.size(share.op)
    pairs = np.sort(np.concatenate(found))
    pairs = pairs[np.flatnonzero(np.diff(pairs, prepend=-1))]
    row, element = np.divmod(pairs, sum(sizes) + 1)
    host = tuple(segment.source not in populations.by_value for segment in segments)
    return Reads(neurons, tuple(sizes), host, row, element)
