"""Layers with few synapses: which regions may gain by tiles of any neurons, and what is told of it.

A region is looked at only where its axons need an extension, where a matrix lies before one of its
layers, and where some neurons read little; so that full layers pay for a look at a few rows.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from snnc.ir.graph import Op
from snnc.targets.paicore.chip.geometry import axons_of
from snnc.targets.paicore.neurons.populations import Populations
from snnc.targets.paicore.tiling import hypergraph
from snnc.targets.paicore.tiling.irregular import Kind, Problem, choose_codes
from snnc.targets.paicore.tiling.plan import Plan
from snnc.targets.paicore.tiling.reads import SPARSE, behind_matrix, density_of, reads_of
from snnc.targets.paicore.tiling.scatter import Codes
from snnc.targets.paicore.tiling.shares import Share

LOOKED_AT = 16
"""Neurons of a layer that say whether it may be sparse."""

NO_COST = 1 << 40
"""More than any mapping costs: what does not fit is beaten by all that does."""

Widths = Sequence[tuple[int, float]]
"""Bits of weights, and the part of a layer's neurons that has them."""


class Sparse:
    """Looks for tiles of any neurons; `partition` is one of `plan.PARTITION`, not `off`."""

    def __init__(self, populations: Populations, partition: str) -> None:
        self.populations = populations
        self.partitioner = partition == "hypergraph" and hypergraph.installed()
        self._sparse: dict[Op, bool] = {}

    def plan(
        self,
        shares: Sequence[Share],
        widths: Sequence[Widths],
        copies: Sequence[float],
        extensions: tuple[int, int],
        best: Plan,
    ) -> Plan:
        """Return a plan with tiles of any neurons where that is better than the best one.

        Args:
            shares: of different layers; only whole layers, with weights of one width, have such
                tiles.
            widths: of each share.
            copies: how many physical copies each has.
            extensions: the smallest and the largest axon extension.
            best: the plan to beat.
        """
        populations = self.populations
        whole = all(share.axis < 0 for share in shares) and all(len(w) == 1 for w in widths)
        if not whole or not any(self._may_be_sparse(share.op) for share in shares):
            return best
        if not 0 < density_of(populations, shares) <= SPARSE:
            return best
        wide = populations.form(shares[0].op).wide
        kinds = tuple(
            Kind(populations.size(share.op), bits, count)
            for share, ((bits, _),), count in zip(shares, widths, copies, strict=True)
        )
        legal = best.fits and best.extension <= extensions[1]
        below = best.cost if legal else NO_COST
        reads = reads_of(populations, shares)
        found = choose_codes(Problem(reads, kinds, wide, *extensions, below, self.partitioner))
        if found is None:
            return best
        ends = np.cumsum([kind.count for kind in kinds])[:-1]
        each = np.split(np.array(found.codes, dtype=np.int64), ends)
        codes = Codes(dict(zip(shares, each, strict=True)), axons_of(wide) * found.extension)
        return Plan(found.extension, found.cores, found.occupied, codes, found.order)

    def _may_be_sparse(self, op: Op) -> bool:
        """Whether there is a matrix before a layer, and some of its neurons read little."""
        if op not in self._sparse:
            self._sparse[op] = behind_matrix(self.populations, op) and self._some_read_little(op)
        return self._sparse[op]

    def _some_read_little(self, op: Op) -> bool:
        populations = self.populations
        size = populations.size(op)
        some = np.unique(np.linspace(0, size - 1, LOOKED_AT).astype(np.int64))
        read = np.zeros(len(some), dtype=np.int64)
        for entries in populations.synapses.entries(op, some).values():
            row, _, weight = entries.coordinates()
            read += np.bincount(row[weight != 0], minlength=len(some))
        every = sum(segment.source.type.size for segment in populations.segments([op]))
        return bool(read.min() <= SPARSE * every)


def partitions(regions: Iterable[tuple[Sequence[Share], Plan]]) -> dict[str, dict[str, Any]]:
    """Return, by layer, what found the tiles of irregular regions, and how many there are."""
    found: dict[str, dict[str, Any]] = {}
    for shares, plan in regions:
        if isinstance(plan.tile, Codes):
            tiles = len(np.unique(np.concatenate([*plan.tile.of.values()])))
            told = {"by": hypergraph.described(plan.order), "tiles": tiles}
            found |= {share.op.result.name: told for share in shares}
    return found
