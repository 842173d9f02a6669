"""How many cores a divided module takes, those that hold nothing included."""

import numpy as np

from snnc.ir.graph import Module
from snnc.targets.paicore.laid import Division
from snnc.targets.paicore.regions import allocate


def taken(module: Module) -> tuple[int, int]:
    """Return the cores that hold neurons, and those that frames reach."""
    division = Division(module)
    reached = (int(np.count_nonzero(made.reached)) for made in division.grids.values())
    return sum(map(len, division.cores.values())), sum(reached)


def occupied(module: Module) -> int:
    """Return the cores that regions take where small ones lie in the holes of others."""
    division = Division(module)
    wishes = [division.wish(group) for group in division.members]
    chips = [(0, n) for n in range(len(wishes))]  # There is room for each on one of its own.
    made, found = allocate(wishes, chips), set[tuple[int, int]]()
    for wish in wishes:
        region = made[wish.number]
        here = region.start + np.flatnonzero(wish.needs)
        found |= {(region.chip_rank, place) for place in here.tolist()}
    return len(found)
