"""Frames from region to region, counted before regions have their places.

Every neuron counts as often as its rate says, or once. A frame's links depend on where its two
regions lie: it goes up from its core to the smallest block of the quad tree that holds both ends,
and down to each core of its multicast, whose open bits the region's geometry fixes. What comes from
the host comes from the root, wherever a region lies; what goes there likewise. Neither is counted.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from attrs import field, frozen

from snnc.ir.graph import Op
from snnc.targets.paicore.chip.distinct import distinct, members
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.mapping.laid import Division
from snnc.targets.paicore.neurons.populations import Destination

CHIP, LEVELS = LIMITS.places, LIMITS.levels

Rates = Mapping[str, Ints]
"""How many spikes each neuron of a population sends, by the population's name."""


def _links() -> Ints:
    """Return the links of a frame, by its open bits and the level of the block it goes up to."""
    masks = np.arange(CHIP)
    found = np.zeros((CHIP, LEVELS + 1), dtype=np.int64)
    for level in range(LEVELS):
        open_bits = np.bitwise_count(masks >> 2 * level).astype(np.int64)
        found[:, level + 1] = found[:, level] + 1 + (1 << open_bits)
    return found


LINKS = _links()
LEVEL = np.array([(n.bit_length() + 1) // 2 for n in range(CHIP)])
"""The level of the smallest block that holds two places, by the bits in which they differ."""


@frozen(eq=False)
class Flow:
    """Frames from one region to another: codes of their cores, destinations there, how many."""

    core: Ints
    base: Ints
    mask: Ints
    frames: Ints
    by_level: Ints = field(init=False)
    """The links of all frames, by the level that all of them go up to."""

    @by_level.default
    def _by_level(self) -> Ints:
        return np.asarray(self.frames @ LINKS[self.mask])

    def links(self, source: int, target: int) -> int:
        """Return the links of all frames, the two regions beginning at some places of a chip."""
        differ = ((source | self.core) ^ (target | self.base)) & ~self.mask
        return int(self.frames @ LINKS[self.mask, LEVEL[differ | self.mask]])


class Flows:
    """The frames between the regions of a division, without those that a region sends to itself."""

    def __init__(self, flows: Mapping[tuple[int, int], Flow]) -> None:
        self.between = {pair: flow for pair, flow in flows.items() if pair[0] != pair[1]}
        self.near: dict[int, dict[int, Ints]] = {}
        """For each region those that it sends to or hears from, with the links by level."""
        for (source, target), flow in self.between.items():
            for one, other in ((source, target), (target, source)):
                known = self.near.setdefault(one, {})
                known[other] = known.get(other, 0) + flow.by_level
        self.frames: dict[tuple[int, int], int] = {}
        """How many frames two regions exchange; the smaller number of a pair stands first."""
        for (source, target), flow in self.between.items():
            pair = min(source, target), max(source, target)
            self.frames[pair] = self.frames.get(pair, 0) + int(flow.frames.sum())

    def inside(self, one: int, here: int, other: int, there: int) -> int:
        """Return the links between two regions of which one lies within the block of the other."""
        found = 0
        for pair, places in (((one, other), (here, there)), ((other, one), (there, here))):
            if pair in self.between:
                found += self.between[pair].links(*places)
        return found


def flows(division: Division, rates: Rates | None = None) -> Flows:
    """Return the frames between the regions of a division.

    Args:
        division: of a module.
        rates: what each neuron sends; each population without any sends one spike per neuron.
    """
    found: dict[tuple[int, int], list[Ints]] = {}
    for (op, copy), (group, code) in _places(division).items():
        to = division.copies[op][copy]
        if to.output >= 0:
            continue
        table = np.stack([group, code, *_destinations(division, op, to)])
        weights = np.ones(len(group), np.int64) if rates is None else rates[op.result.name]
        stored = group >= 0
        for pair, rows in _counted(table[:, stored], weights[stored]):
            found.setdefault(pair, []).append(rows)
    return Flows({pair: Flow(*np.concatenate(rows, axis=1)) for pair, rows in found.items()})


def _places(division: Division) -> dict[tuple[Op, int], tuple[Ints, Ints]]:
    """Return the region and code of each neuron of each copy, -1 where the copy has none of it."""
    found: dict[tuple[Op, int], tuple[Ints, Ints]] = {}
    for number, cores in division.cores.items():
        for place, pieces in cores.items():
            for piece in pieces:
                size = division.populations.size(piece.op)
                key = piece.op, piece.copy
                if key not in found:
                    found[key] = np.full(size, -1), np.zeros(size, dtype=np.int64)
                group, code = found[key]
                mine = division.mine(piece)
                group[mine], code[mine] = number, place
    return found


def _destinations(division: Division, op: Op, to: Destination) -> tuple[Ints, Ints, Ints]:
    """Return for each neuron the region that it sends to, and base and open bits there."""
    arrivals = [
        division.arrivals(group, division.segment(group, op, to.delay))[0] for group in to.groups
    ]
    size = division.populations.size(op)
    if len(to.groups) == 1:
        return np.full(size, to.groups[0]), arrivals[0].base, arrivals[0].mask
    which, each = division.readers.chosen(op, to), np.arange(size)
    base = np.stack([arrival.base for arrival in arrivals])[which, each]
    mask = np.stack([arrival.mask for arrival in arrivals])[which, each]
    return np.array(to.groups)[which], base, mask


def _counted(table: Ints, weights: Ints) -> Iterator[tuple[tuple[int, int], Ints]]:
    """Yield (regions, rows): codes, bases and open bits that differ, with the sum of weights."""
    kinds, which = distinct(table)
    frames = np.zeros(kinds.shape[1], dtype=np.int64)
    np.add.at(frames, which, weights)
    source, code, target, base, mask = kinds
    rows = np.stack([code, base, mask, frames])
    pairs, number = distinct(np.stack([source, target]))
    for (one, other), mine in zip(pairs.T.tolist(), members(number, pairs.shape[1]), strict=True):
        yield (one, other), rows[:, mine]
