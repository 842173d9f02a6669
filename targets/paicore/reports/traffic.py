"""What one spike of each neuron costs on its way: links of the quad tree, deliveries, additions.

A frame goes up from its core to the smallest block of the quad tree that holds all cores of its
region, and from there down to each of them; what comes from the host, or from another chip, comes
from the root, and what leaves goes up to it. A link is an edge of that tree passed once: level 1
joins a core to its block of four, level 5 the quarters of a chip to its root. All counts are exact
for the placed module; how the chip's network routes within a level is not known.
"""

from collections.abc import Iterator

import numpy as np
from attrs import frozen

from snnc.targets.paicore.chip.core import Coordinate
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.placed import Core, Input, Place, Placed
from snnc.targets.paicore.rules.routes import Region, destinations, region

Address = tuple[Coordinate, Coordinate, Coordinate]
"""Chip, core and mask of a destination."""

LEVELS = LIMITS.levels
"""Levels of the quad tree of a chip."""


@frozen(eq=False)
class Costs:
    """What one spike of each of n senders costs.

    `links` is (n, LEVELS); `between` counts frames to other chips and to the host; `deliveries`
    cores that a frame reaches, `wanted` those of them that have a weight for it; `additions` the
    weights other than 0 that it adds.
    """

    links: Ints
    between: Ints
    deliveries: Ints
    wanted: Ints
    additions: Ints

    @classmethod
    def none(cls, senders: int) -> "Costs":
        """Return costs of 0 for so many senders."""
        zeros = [np.zeros(senders, dtype=np.int64) for _ in range(4)]
        return cls(np.zeros((senders, LEVELS), dtype=np.int64), *zeros)


@frozen(eq=False)
class Traffic:
    """The costs of all neuron records, by row of the tables, and of each way of an input."""

    rows: Costs
    inputs: tuple[Costs, ...]


class Reach:
    """The regions of a placed module, each made once: (chip, core, mask) -> region."""

    def __init__(self, placed: Placed) -> None:
        self.placed = placed
        self.regions: dict[Address, Region] = {}

    def region(self, chip: Coordinate, core: Coordinate, mask: Coordinate) -> Region:
        """Return the region of a destination."""
        key = (chip, core, mask)
        if key not in self.regions:
            self.regions[key] = region(self.placed, *key)
        return self.regions[key]

    def of_core(self, core: Core) -> Iterator[tuple[Region | None, Ints]]:
        """Yield where neurons of a core send, with their rows; None is outside, the host."""
        span = np.arange(core.row, core.row + core.count)
        for key, mine in destinations(self.placed, slice(core.row, core.row + core.count)):
            yield self.region(*key) if key[0] in self.placed.chips else None, span[mine]

    def of_input(self, item: Input) -> Iterator[tuple[Region, Ints]]:
        """Yield where elements of an input go, with their numbers."""
        for core, mask, mine in item.destinations:
            yield self.region(item.chip, core, mask), mine


def traffic(placed: Placed) -> Traffic:
    """Return the costs of every sender of a placed module."""
    weights = {core.place: _weights(placed, core) for core in placed.cores}
    reach, rows = Reach(placed), Costs.none(len(placed.tables["core"]))
    axon, slot = placed.tables["axon"], placed.tables["slot"]
    for core in placed.cores:
        for to, mine in reach.of_core(core):
            if to is None:
                rows.links[mine] = 1
                rows.between[mine] = 1
                continue
            rows.links[mine] = links(core.place, to)
            rows.between[mine] = to.chip != core.chip
            _deliver(rows, mine, to, (axon[mine], slot[mine]), weights)
    inputs = []
    for item in placed.inputs:
        costs = Costs.none(item.axon.size)
        for to, mine in reach.of_input(item):
            costs.links[mine] = links(None, to)
            _deliver(costs, mine, to, (item.axon[mine], item.slot[mine]), weights)
        inputs.append(costs)
    return Traffic(rows, tuple(inputs))


def _weights(placed: Placed, core: Core) -> Ints:
    """Return how many neurons of a core have a weight in each of its columns."""
    return np.asarray(np.count_nonzero(placed.module.tensor(core.weights), axis=0), np.int64)


def _deliver(
    costs: Costs, who: Ints, to: Region, at: tuple[Ints, Ints], weights: dict[Place, Ints]
) -> None:
    axon, slot = at
    costs.deliveries[who] = len(to.places)
    for core in to.used:
        added = weights[core.place][core.columns(slot, axon)]
        costs.additions[who] += added
        costs.wanted[who] += added > 0


def links(source: Place | None, to: Region) -> tuple[int, ...]:
    """Return the links at each level, from 1 on, of one frame from a core, or from the host."""
    here = source is not None and source[0] == to.chip
    top = LEVELS
    if source is not None and here:
        ends = zip(source[1], to.base, to.mask, strict=True)
        top = max(m | (s ^ b) & ~m for s, b, m in ends).bit_length()
    up = LEVELS if source is not None and not here else top if here else 0
    x, y = to.mask
    # A link of level l + 1 ends at one of the blocks of 4^l cores that are reached.
    blocks = [1 << ((x >> bit).bit_count() + (y >> bit).bit_count()) for bit in range(LEVELS)]
    return tuple((n < up) + (blocks[n] if n < top else 0) for n in range(LEVELS))
