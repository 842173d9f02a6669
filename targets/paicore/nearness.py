"""Regions near those that they exchange frames with, on as few cores as first fit finds.

First fit says which chips are used. Of these, each region goes to one so that few frames cross
between chips (`cutting`); there, of the places that take the fewest new cores, it goes to that of
the fewest links to regions that lie already. What first fit finds stays where nothing is better.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from snnc.targets.paicore.cutting import cut
from snnc.targets.paicore.exchange import Neighbors, exchanged
from snnc.targets.paicore.flows import Flows
from snnc.targets.paicore.regions import Chip, Region, Wish, by_size

Laid = Mapping[int, tuple[int, int]]
"""The start and the first axon of each region of a chip."""


def nearer(
    wishes: Sequence[Wish],
    regions: Mapping[int, Region],
    chips: Sequence[tuple[int, int]],
    flows: Flows,
) -> dict[int, Region]:
    """Return a region for each wish, near those that it exchanges frames with.

    Args:
        wishes: of all regions.
        regions: as `allocate` gives them; no other chips are used.
        chips: all chips.
        flows: the frames between regions.
    """
    first = {number: region.chip_rank for number, region in regions.items()}
    ranks = cut(wishes, first, flows) if len({*first.values()}) > 1 else first
    made: dict[int, Region] = {}
    for rank in sorted({*ranks.values()}):
        mine = [wish for wish in wishes if ranks[wish.number] == rank]
        for number, (start, axon) in _laid(mine, flows).items():
            size = regions[number].size
            made[number] = Region(chips[rank], rank, start, size, axon)
    return dict(sorted(made.items()))


def _laid(wishes: Sequence[Wish], flows: Flows) -> Laid:
    """Return how regions lie on a chip: as first fit has them, or by links in one order or other.

    The fewest cores count first, then links. All regions have room in the order of first fit. Then
    blocks change places.
    """
    needy = sorted(wishes, key=by_size)
    found = [_placed(needy, flows, near=False)]
    found.append(_placed(sorted(wishes, key=lambda w: -len(w.needs)), flows))
    if not all(wish.needs.all() for wish in wishes):
        found.append(_placed(needy, flows))
    _, _, best = min((each for each in found if each is not None), key=lambda each: each[:2])
    starts = exchanged(wishes, {number: start for number, (start, _) in best.items()}, flows)
    return {number: (start, best[number][1]) for number, start in starts.items()}


def _placed(
    wishes: Sequence[Wish], flows: Flows, near: bool = True
) -> tuple[int, int, Laid] | None:
    """Return cores and links of regions laid in an order, and how they lie; None without room."""
    chip, known = Chip(), Neighbors(wishes, flows)
    laid, links = dict[int, tuple[int, int]](), 0
    for wish in wishes:
        found = chip.place(wish, known.links if near else None)
        if found is None:
            return None
        links += int(known.links(wish.number, np.array(found[:1]))[0])
        laid[wish.number], known.starts[wish.number] = found, found[0]
    return chip.occupied, links, laid
