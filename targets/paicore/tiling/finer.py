"""Layers cut in ways of their own, where tiles that are alike leave cores half empty.

Axons are the measure where weights are narrow: a core has room for more neurons than it has axons
for their windows. One layer is tried in bands that are cut apart from each other, two layers that
read one source in bands that take turns.
"""

from collections.abc import Mapping

from snnc.targets.paicore.tiling.answers import Answers
from snnc.targets.paicore.tiling.braid import braided
from snnc.targets.paicore.tiling.choose import Member
from snnc.targets.paicore.tiling.cutter import Cutter, Finer
from snnc.targets.paicore.tiling.patches import ReadByLayer
from snnc.targets.paicore.tiling.ragged import ragged
from snnc.targets.paicore.tiling.reach import told
from snnc.targets.paicore.tiling.shares import Share

WAYS = {1: ragged, 2: braided}
"""How so many layers of a region are cut."""


def finer(
    layers: Mapping[Share, Member],
    reads: ReadByLayer,
    wide: bool,
    extensions: tuple[int, int],
    cost: int,
) -> Finer | None:
    """Return the cheapest way, None where none is found below a cost; answers are kept.

    Args:
        layers: one or two, whole, each with weights of one width.
        reads: what they read.
        wide: whether the cores take values.
        extensions: the smallest and the largest axon extension.
        cost: of the layout that is known.
    """
    read = tuple(
        (tuple(sizes), *(None if reach is None else told(reach) for reach in each))
        for sizes, each in reads.values()
    )
    question = (*layers.values(), read, wide, extensions, cost)
    return _FINER.of(question, lambda: _cheapest(layers, reads, wide, extensions, cost))


_FINER = Answers[Finer | None]()


def _cheapest(
    layers: Mapping[Share, Member],
    reads: ReadByLayer,
    wide: bool,
    extensions: tuple[int, int],
    cost: int,
) -> Finer | None:
    best: Finer | None = None
    least, most = extensions
    for extension in (1 << n for n in range(least.bit_length() - 1, most.bit_length())):
        for found in WAYS[len(layers)](Cutter(layers, reads, wide, extension), cost):
            if found.cost < cost:
                best, cost = found, found.cost
    return best
