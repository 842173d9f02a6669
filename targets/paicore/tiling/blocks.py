"""Which boxes layers are cut into where every region must be a block of the quad tree.

What several boxes of a reader see, its source stores once for each of them. So the boxes of a layer
decide how many neurons the layer before it holds, and all layers choose together: along a chain of
layers by dynamic programming over every choice of each, chain by chain for as long as the sum
becomes smaller. Costs are those of the layout itself: the neurons of a box fill its cores one after
the other with all their copies, and the cores are rounded up to a power of two.

Relays may stand between a layer and all its readers: a neuron of one bit for each copy, where a
copy of the layer's own neurons takes up to eight.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from attrs import evolve

from snnc.ir.graph import Op
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.neurons.populations import Populations
from snnc.targets.paicore.tiling.boxes import Among, Choices, Reading, choices, relay_choices
from snnc.targets.paicore.tiling.choose import OCCUPIED
from snnc.targets.paicore.tiling.plan import Plan
from snnc.targets.paicore.tiling.shares import Share

NEVER = 1 << 40
"""What an illegal choice costs."""

TRIED = 3
"""Choices of a reader that are looked at first, to see which others need not be."""

_POWERS = 1 << np.array([max(n - 1, 0).bit_length() for n in range(LIMITS.routing_group + 1)])
_COST = np.append(OCCUPIED * _POWERS + np.arange(len(_POWERS)), NEVER)
"""What a box costs, by its cores."""


class Blocks:
    """The boxes of all layers of a module.

    Args:
        populations: of the module.
        most: the largest axon extension that the buffers of each layer allow.
        tight: by how much more room the neurons of some layers are to have.
        relayed: layers that relays may stand behind. Then fewer sizes are tried: relays will be
            layers themselves, and choose again.
    """

    def __init__(
        self,
        populations: Populations,
        most: Mapping[Op, int],
        tight: Mapping[Op, float],
        relayed: Sequence[Op] = (),
    ) -> None:
        self.populations = populations
        legal = 1 << LIMITS.max_lcn
        self.layers = {
            op: choices(populations, op, most.get(op, legal), tight.get(op, 1.0), bool(relayed))
            for op in populations.ops
        }
        self.relays = {op: relay_choices(self.layers[op]) for op in relayed if self._copied(op)}
        self._sums: dict[tuple[Reading, int, int], tuple[Ints, Ints]] = {}
        self.chosen = dict.fromkeys(self.layers, 0)
        self.cost = self._solve()
        self._shares = {op: layer.shares(self.chosen[op]) for op, layer in self.layers.items()}
        self._plans = {
            share: plan
            for op, shares in self._shares.items()
            if len(shares) > 1
            for share, plan in zip(shares, self._laid(op), strict=True)
        }

    def shares(self, op: Op) -> tuple[Share, ...]:
        """Return the boxes of a layer, the whole of it where it is not cut."""
        return self._shares[op]

    def plan(self, share: Share) -> Plan:
        """Return the layout of a box."""
        return self._plans[share]

    def behind(self) -> list[Op]:
        """Return the layers that have relays behind them."""
        found = []
        for op in self.relays:
            layer = self.layers[op]
            at = layer.at(self.chosen[op])
            if self._costs(op, at, None, ()).item() < self._stored(layer, at, None, ()).item():
                found.append(op)
        return found

    def _copied(self, op: Op) -> bool:
        """Whether some boxes of its readers would have copies of a layer."""
        readers = self.layers[op].readers
        return len(readers) > 1 or any(
            self.layers[reader].readings[segment].copied(self.layers[reader].counts)
            for reader, segment in readers
        )

    def _laid(self, op: Op) -> list[Plan]:
        layer, choice = self.layers[op], self.chosen[op]
        wide = int(layer.extension.reshape(-1)[choice])
        cores = self._cores(layer, layer.at(choice), None, ()).reshape(-1).tolist()
        shapes = [share.shape(layer.shape) for share in self._shares[op]]
        return [
            Plan(wide, n, 1 << (n - 1).bit_length(), tile)
            for n, tile in zip(cores, shapes, strict=True)
        ]

    def _solve(self) -> int:
        """Choose anew along each chain until nothing becomes better; return what it costs."""
        chains = self._chains()
        cost, before = self._total(), dict[Op, int]()
        while before != self.chosen:
            before = dict(self.chosen)
            for path in chains:
                held = dict(self.chosen)
                self._follow(path)
                now = self._total()
                # Where a layer is read by two of a path, costs of its copies were counted apart.
                if now >= cost:
                    self.chosen = held
                cost = min(cost, now)
            if len(chains) == 1:
                break
        return cost

    def _total(self) -> int:
        chosen = [(op, self.layers[op].at(choice)) for op, choice in self.chosen.items()]
        return sum(int(self._costs(op, at, None, ())[0, 0]) for op, at in chosen)

    def _chains(self) -> list[list[Op]]:
        """Return paths of layers, each with one reader, the next; the last ones first."""
        before: dict[Op, Op] = {}
        for op, readers in self.populations.readers.items():
            if len(readers) == 1 and readers[0][0] is not op:
                before.setdefault(readers[0][0], op)
        found: list[list[Op]] = []
        left = dict.fromkeys(reversed(self.populations.ops))
        while left:
            path = [next(iter(left))]
            del left[path[0]]
            while path[0] in before and before[path[0]] in left:
                path.insert(0, before[path[0]])
                del left[path[0]]
            found.append(path)
        return found

    def _follow(self, path: Sequence[Op]) -> None:
        """Choose for the layers of a path, the best of all choices while the others stay."""
        every = self.layers[path[-1]].every
        value, steps = self._costs(path[-1], every, None, ())[:, 0], list[Ints]()
        for op, reader in zip(path[-2::-1], path[:0:-1], strict=True):
            value, step = self._before(op, reader, value + self._others(reader, op))
            steps.append(step)
        choice = int((value + self._others(path[0], None)).argmin())
        self.chosen[path[0]] = choice
        for op, step in zip(path[1:], reversed(steps), strict=True):
            choice = self.chosen[op] = int(step[choice])

    def _before(self, op: Op, reader: Op, value: Ints) -> tuple[Ints, Ints]:
        """Return the best value of each choice of a layer, and what its reader then chooses.

        Choices of the reader are left out that are worth less than another one, whatever the layer
        chooses, even if they needed no copies at all.
        """
        layer, into = self.layers[op], self.layers[reader]
        alone = self._costs(op, layer.every, reader, into.at(0))[:, 0]
        best, step = alone + value.min(), np.full(len(alone), value.argmin())
        if not self._copied(op) and not layer.plain:
            return best, step
        best += NEVER
        known = np.argsort(value, kind="stable")[:TRIED]
        for choice in known.tolist():
            made = self._costs(op, layer.every, reader, into.at(choice))[:, 0] + value[choice]
            best, step = np.minimum(best, made), np.where(made < best, choice, step)
        useful = value < (best - alone).max()
        useful[known[0]] = True
        # Where no source cares for the choice, only the best one matters.
        own = alone + value.min() < (best.min() if self._carefree(op) else 2 * NEVER)
        if not own.any():
            return best, step
        mine, among = layer.among(own), into.among(useful)
        rows, kept = layer.numbers(mine), into.numbers(among)
        pairs = self._costs(op, mine, reader, among) + value[kept]
        made, chosen = pairs.min(axis=1), kept[pairs.argmin(axis=1)]
        step[rows] = np.where(made < best[rows], chosen, step[rows])
        best[rows] = np.minimum(best[rows], made)
        return best, step

    def _carefree(self, op: Op) -> bool:
        """Whether the sources of a layer cost the same for all its choices."""
        values = {segment.source for segment in self.layers[op].readings}
        sources = [self.populations.by_value[v] for v in values if v in self.populations.by_value]
        return not any(self._copied(source) or self.layers[source].plain for source in sources)

    def _others(self, op: Op, before: Op | None) -> Ints:
        """Return what the sources of a layer cost but the one before it, for each choice."""
        layer = self.layers[op]
        found = np.zeros(layer.room.size, dtype=np.int64)
        values = dict.fromkeys(segment.source for segment in layer.readings)
        for source in map(self.populations.by_value.get, values):
            if source is not None and source is not before and source is not op:
                at = self.layers[source].at(self.chosen[source])
                found += self._costs(source, at, op, layer.every)[0]
        return found

    def _costs(self, op: Op, own: Among, reader: Op | None, among: Among) -> Ints:
        """Return what a layer costs by some of its choices and some of a reader's.

        All other readers stay. Where relays stand behind the layer, they are counted with it.
        """
        layer = self.layers[op]
        found = self._stored(layer, own, reader, among)
        if op not in self.relays:
            return found
        alone = evolve(layer, readers=(), plain={1: 1 + sum(layer.plain.values())})
        relay = self.relays[op]
        passed = self._stored(relay, relay.every, reader, among).min(axis=0)
        return np.asarray(np.minimum(found, self._stored(alone, own, None, ()) + passed))

    def _stored(self, layer: Choices, own: Among, reader: Op | None, among: Among) -> Ints:
        """Return what a layer costs if it sends to its readers itself."""
        *outer, inner = own
        width = math.prod(map(len, among))
        found = np.full((math.prod(map(len, outer)), len(inner), width), NEVER)
        for row, combination in enumerate(product(*(each.tolist() for each in outer))):
            at = (*(np.array([n]) for n in combination), inner)
            legal = layer.legal[np.ix_(*at)].reshape(-1)
            if not legal.any():
                continue
            mine = (*at[:-1], inner[legal])
            counts = [-(-layer.shape[-1] // layer.sizes[-1][n]) for n in mine[-1].tolist()]
            cores = np.minimum(self._cores(layer, mine, reader, among), len(_POWERS))
            starts = np.cumsum([0, *counts[:-1]])
            cost = np.add.reduceat(_COST[cores].sum(axis=1), starts, axis=1)
            found[row, legal] = np.minimum(cost, NEVER).T
        return found.reshape(-1, width)

    def _cores(self, layer: Choices, own: Among, reader: Op | None, among: Among) -> Ints:
        """Return the cores of each box `(choices of the reader, boxes, boxes of the last axis)`.

        Of choices along the last axis the boxes follow one another; along all others there is one.
        Copies share cores if their targets count slots alike.
        """
        lengths = self._lengths(layer, own)
        held = {wide: lengths * count for wide, count in layer.plain.items()}
        loads: list[Ints] = []
        for other, segment in layer.readers:
            into = self.layers[other]
            mine = among if other is reader else into.at(self.chosen[other])
            load = self._load(layer, own, lengths, into.readings[segment], into, mine)
            if other is reader:
                loads.append(load)
            else:
                wide = int(into.extension[np.ix_(*mine)].item())
                held[wide] = held.get(wide, 0) + load
        together = list(held.values())
        if reader is not None:
            wides = self.layers[reader].extension[np.ix_(*among)].reshape(-1, 1, 1)
            moving = np.sum(loads, axis=0) if len(loads) > 1 else loads[0]
            together = [n + np.where(wides == wide, moving, 0) for wide, n in held.items()]
            together.append(np.where(np.isin(wides, [*held]), 0, moving) if held else moving)
        rooms = layer.room[np.ix_(*own)].reshape(-1)
        many = [-(-layer.shape[-1] // layer.sizes[-1][n]) for n in own[-1].tolist()]
        room = np.repeat(rooms, many)
        cores = np.zeros((1, 1, 1), dtype=np.int64)
        for load in together:
            wanted = load if layer.tight == 1 else np.ceil(load * layer.tight).astype(np.int64)
            cores = cores + _shared(wanted, room)
        return cores

    def _lengths(self, layer: Choices, own: Among) -> Ints:
        """Return the neurons of boxes, ordered as `_cores` has them."""
        *outer, inner = (
            np.concatenate([np.diff([*range(0, n, sizes[k]), n]) for k in numbers.tolist()])
            for n, sizes, numbers in zip(layer.shape, layer.sizes, own, strict=True)
        )
        total = np.ones(1, dtype=np.int64)
        for each in outer:
            total = np.outer(total, each).reshape(-1)
        return np.asarray(total[None, :, None] * inner)

    def _load(
        self,
        layer: Choices,
        own: Among,
        lengths: Ints,
        reading: Reading,
        reader: Choices,
        among: Among,
    ) -> Ints:
        """Return the neurons of each box with all copies, as `_cores` orders them."""
        alike = reading.places == layer.shape
        total = np.ones((*map(len, among), 1), dtype=np.int64)
        for axis, each in enumerate(reader.sizes):
            # All boxes along an axis that the source does not have read all of it.
            if axis not in reading.cut:
                many = [-(-reader.shape[axis] // each[n]) for n in among[axis].tolist()]
                total = total * reader.along(axis, many)[..., None]
        some = np.ones_like(total)
        last = len(reading.places) - 1
        for number, places in enumerate(reading.places):
            axis = reading.axes[number].axis
            here = among[axis] if axis >= 0 else slice(None)
            sizes = [layer.sizes[number][n] for n in own[number].tolist()] if alike else [places]
            sums, read = (
                np.concatenate(each, axis=1)[here]
                for each in zip(*(self._summed(reading, number, n) for n in sizes), strict=True)
            )
            total = _spread(total, sums, axis, number == last)
            some = _spread(some, read, axis, number == last)
        found = (total - some).reshape(-1, *total.shape[-2:])
        if alike:
            return np.asarray(found + lengths)
        # The neurons of a box are no box of the places that are read: taken in proportion.
        return -(-(found + layer.size) * lengths // layer.size)

    def _summed(self, reading: Reading, number: int, size: int) -> tuple[Ints, Ints]:
        """Return how many copies of places a box holds, and how many are read at all."""
        key = (reading, number, size)
        if key not in self._sums:
            counts = reading.axes[number].counts
            starts = np.arange(0, counts.shape[1], size)
            read = (counts > 0).astype(np.int64)
            self._sums[key] = (
                np.add.reduceat(counts, starts, axis=1),
                np.add.reduceat(read, starts, axis=1),
            )
        return self._sums[key]


def _shared(neurons: Ints, room: Ints) -> Ints:
    """Return the cores that neurons fill."""
    if (room & room - 1).any():
        return -(-neurons // room)
    return neurons + (room - 1) >> np.log2(room).astype(np.int64)


def _spread(total: Ints, sums: Ints, axis: int, last: bool) -> Ints:
    """Return products with the sums of one more axis; the boxes of the last stay apart."""
    shape = [1] * (total.ndim - 1)
    if axis >= 0:
        shape[axis] = len(sums)
    made = total[..., None] * sums.reshape(*shape, 1, -1)
    return made if last else made.reshape(*made.shape[:-2], -1)
