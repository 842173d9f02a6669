"""How many cores a divided module takes, those that hold nothing included."""

import numpy as np

from snnc.ir.graph import Module
from snnc.targets.paicore.chip.regions import allocate
from snnc.targets.paicore.mapping.laid import Division


def taken(module: Module) -> tuple[int, int]:
    """Return the cores that hold neurons, and those that regions take if small ones lie in holes.

    Holes are places of a larger region's block that its frames do not reach, or only pass.
    """
    division = module.once(Division, Division)
    wishes = [division.wish(group) for group in division.members]
    chips = [(0, n) for n in range(len(wishes))]  # There is room for each on one of its own.
    made, found = allocate(wishes, chips), set[tuple[int, int]]()
    for wish in wishes:
        region = made[wish.number]
        here = region.start + np.flatnonzero(wish.needs)
        found |= {(region.chip_rank, place) for place in here.tolist()}
    return sum(map(len, division.cores.values())), len(found)
