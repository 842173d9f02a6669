"""Regions near those that they exchange frames with, on as few cores as first fit finds.

First fit says which chips are used. Of these, each region goes to one so that few frames cross
between chips (`cutting`); there it lies where first fit puts it or, if some regions leave holes, at
the place of fewest links of those that take the fewest new cores. Then blocks change places.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from snnc.targets.paicore.chip.regions import CHIP, Chip, Region, Wish, by_size
from snnc.targets.paicore.placing.cutting import cut
from snnc.targets.paicore.placing.exchange import Neighbors, exchanged
from snnc.targets.paicore.placing.flows import Flows

Places = Mapping[int, tuple[int, int]]
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
    ranks = {number: region.chip_rank for number, region in regions.items()}
    laid: Places = {number: (region.start, region.axon) for number, region in regions.items()}
    if len({*ranks.values()}) > 1:
        ranks = cut(wishes, ranks, flows)
        laid = _first_fit(wishes, ranks)
    made: dict[int, tuple[int, int]] = {}
    for rank in sorted({*ranks.values()}):
        made |= _near([wish for wish in wishes if ranks[wish.number] == rank], laid, flows)
    return {
        number: Region(chips[ranks[number]], ranks[number], start, regions[number].size, axon)
        for number, (start, axon) in sorted(made.items())
    }


def _first_fit(wishes: Sequence[Wish], ranks: Mapping[int, int]) -> Places:
    """Return how first fit lays regions on the chips that `cut` chose, which have room for them."""
    filled, laid = {rank: Chip() for rank in ranks.values()}, dict[int, tuple[int, int]]()
    for wish in sorted(wishes, key=by_size):
        found = filled[ranks[wish.number]].place(wish)
        assert found is not None
        laid[wish.number] = found
    return laid


def _near(wishes: Sequence[Wish], first: Places, flows: Flows) -> dict[int, tuple[int, int]]:
    """Return how the regions of a chip lie, given how first fit lays them all.

    If some leave holes, they are also laid by links, in two orders; the fewest cores count first,
    then links.
    """
    found = [(*_cost(wishes, first, flows), first)]
    if not all(wish.needs.all() for wish in wishes):
        by_text = sorted(wishes, key=lambda wish: -len(wish.needs))
        tried = [_by_links(order, flows) for order in (by_text, sorted(wishes, key=by_size))]
        found += [(*_cost(wishes, laid, flows), laid) for laid in tried if laid is not None]
    best = min(found, key=lambda each: each[:2])[2]
    starts = exchanged(wishes, {w.number: best[w.number][0] for w in wishes}, flows)
    return {number: (start, best[number][1]) for number, start in starts.items()}


def _by_links(wishes: Sequence[Wish], flows: Flows) -> Places | None:
    """Return how regions lie that are laid in an order by links, None where one has no room."""
    chip, known = Chip(), Neighbors(wishes, flows)
    laid = dict[int, tuple[int, int]]()
    for wish in wishes:
        found = chip.place(wish, known.links)
        if found is None:
            return None
        laid[wish.number], known.starts[wish.number] = found, found[0]
    return laid


def _cost(wishes: Sequence[Wish], laid: Places, flows: Flows) -> tuple[int, int]:
    """Return how many cores the regions of a chip take, and the links between them."""
    known, links, taken = Neighbors(wishes, flows), 0, np.zeros(CHIP, dtype=np.bool_)
    for wish in wishes:
        start = laid[wish.number][0]
        taken[start : start + len(wish.needs)] |= wish.needs
        links += int(known.links(wish.number, np.array([start]))[0])
        known.starts[wish.number] = start
    return int(taken.sum()), links
