"""Pass `group`: which populations share a region of cores, and which neurons share a core.

A region is a block of cores that receives frames together; all populations that read one physical
copy of a source lie in one region. Readers are put together as long as that needs fewer cores (less
weight RAM, where nothing is cut into tiles) than storing the source once per region, and readers of
one input where they share cores then. A region of convolutions or pools may be cut into tiles, each
with the cores that its neurons need.

The result stands in `place`: the region's number, its axon extension, and slices `[core, first,
last, copy]`, cores counted in the region; with tiles also `tile`, the neurons of a tile along each
axis, and `split`, the bits that count its cores. Slices then count neurons tile by tile.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

from attrs import frozen

from snnc.diagnostics import fail
from snnc.extend.passes import Context, Exactness, Pass, option
from snnc.ir.graph import Module, Op, Value
from snnc.ir.rewrite import Rebuild, rebuild
from snnc.targets.paicore.geometry import axons_of, capacity
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.pack import PACKERS, Core, Slice
from snnc.targets.paicore.populations import (
    Destination,
    Populations,
    blocks,
    checked_extension,
)
from snnc.targets.paicore.tiling.axis import width
from snnc.targets.paicore.tiling.grid import Part
from snnc.targets.paicore.tiling.plan import MULTICAST, Plan, Planner, grid, tile_shape

Copies = Mapping[Op, Sequence[Destination]]
"""The physical copies of each population, by where they send."""


@frozen
class Group(Pass):
    """Divide the populations into regions of cores and cores into slices of neurons."""

    name = "group"
    level = "int"
    exactness = Exactness.EXACT
    for_: str = option(
        "both",
        help="fewest ticks of work per core, fewest cores, or both",
        choices=("latency", "cores", "both"),
    )
    multicast: str = option(
        "masks",
        help="cut layers into tiles as far as masks follow, where no place goes to two tiles, "
        "or not at all",
        choices=MULTICAST,
    )

    def run(self, module: Module, context: Context) -> Module:
        """Return the module with region, extension, bits and slices on every neuron op."""
        populations = Populations(module)
        regions = Regions(populations, self.multicast)
        regions.merge()
        regions.share(self.for_)
        hints = regions.hints(self.for_)

        def placed(op: Op, build: Rebuild) -> Any:
            if op.kind != "neuron":
                return None
            return build.copy(op, place={**(op["place"] or {}), **hints[op]})

        return rebuild(module, placed)


class Regions:
    """A division of the populations into regions, and what it costs."""

    def __init__(self, populations: Populations, multicast: str = "masks") -> None:
        self.populations = populations
        self.planner = Planner(populations, multicast)
        self.group_of = {op: number for number, op in enumerate(populations.ops)}
        self._bits = {op: populations.bits(op) for op in populations.ops}
        self._forms = {op: populations.form(op) for op in populations.ops}

    def members(self, group_of: Mapping[Op, int]) -> dict[int, list[Op]]:
        """Return the populations of each region, in text order."""
        found: dict[int, list[Op]] = {}
        for op in self.populations.ops:
            found.setdefault(group_of[op], []).append(op)
        return found

    def plan(self, ops: Sequence[Op], copies: Copies) -> Plan:
        """Return how a region of these populations is laid out."""
        counts = [len(copies[op]) for op in ops]
        return self.planner.plan(ops, counts, self._deepest(ops))

    def merge(self) -> None:
        """Join readers of one source, two regions at a time, while that saves something."""
        cost = self.cost(self.group_of)
        for readers in self.populations.readers.values():
            for number, (first, one) in enumerate(readers):
                for second, other in readers[number + 1 :]:
                    a, b = self.group_of[first], self.group_of[second]
                    if a == b or one.delay != other.delay:
                        continue
                    joined = {
                        op: min(a, b) if g in (a, b) else g for op, g in self.group_of.items()
                    }
                    found = self.cost(joined) if self.fits(joined, min(a, b)) else None
                    if found is not None and found < cost:
                        self.group_of, cost = joined, found

    def share(self, goal: str) -> None:
        """Join readers of one input, neighbors in text order, where that occupies fewer cores.

        An input costs no cores however many regions it goes to, so only half-empty cores count.
        """
        readers: dict[Value, dict[Op, None]] = {}
        for op in self.populations.ops:
            for edge, source in self.populations.feeding(op):
                if source is None:
                    readers.setdefault(edge.source, {})[op] = None
        for ops in readers.values():
            for first, second in pairwise(ops):
                a, b = sorted((self.group_of[first], self.group_of[second]))
                joined = {op: a if g == b else g for op, g in self.group_of.items()}
                if a != b and self.fits(joined, a):
                    before = self._occupied(self.group_of, (a, b), goal)
                    if self._occupied(joined, (a,), goal) < before:
                        self.group_of = joined

    def _occupied(self, group_of: Mapping[Op, int], groups: Sequence[int], goal: str) -> int:
        """Return the cores that some regions reserve: powers of two where they have no tiles."""
        members, copies = self.members(group_of), self.populations.destinations(group_of)
        plans = {group: self.plan(ops, copies) for group, ops in members.items()}
        wide = {group: plan.extension for group, plan in plans.items()}
        total = 0
        for group in groups:
            if plans[group].tile is None:
                whole = self._whole(members[group])
                (cores,) = self._pack(members[group], copies, wide, group, goal, whole)
                total += 1 << width(len(cores))
            else:
                total += plans[group].occupied
        return total

    def fits(self, group_of: Mapping[Op, int], group: int) -> bool:
        """Whether a region keeps within extension, buffer depth, half a chip and one chip pin.

        What a region receives is addressed one way, so all its cores take spikes, or all values.
        """
        ops = self.members(group_of)[group]
        if len({self._forms[op].wide for op in ops}) > 1:
            return False
        copies = self.populations.destinations(group_of)
        plan = self.plan(ops, copies)
        pins = {self.populations.hint(op).get("chip") for op in ops} - {None}
        if plan.extension > self._deepest(ops) or len(pins) > 1:
            return False
        cores = sum(self._cores(op, plan.extension) * len(copies[op]) for op in ops)
        return plan.tile is not None or cores <= LIMITS.routing_group

    def _deepest(self, ops: Sequence[Op]) -> int:
        """Return the largest axon extension whose buffers hold what waits there."""
        start, waits = self.populations.start, 1
        for op in ops:
            for edge, source in self.populations.feeding(op):
                ahead = start(op) + edge.delay - (0 if source is None else start(source))
                waits = max(waits, ahead + (source is None))
        most = max(LIMITS.slots // waits, 1)
        return min(1 << most.bit_length() - 1, 1 << LIMITS.max_lcn)

    def _cores(self, op: Op, wide: int) -> int:
        most = capacity(self._forms[op].wide, self._bits[op], wide)
        return -(-self.populations.size(op) // most)

    def cost(self, group_of: Mapping[Op, int]) -> int:
        """Return the cores of all regions, or, of a network without tiles, the bits of weight RAM.

        All physical copies count.
        """
        copies = self.populations.destinations(group_of)
        total = 0
        for ops in self.members(group_of).values():
            plan = self.plan(ops, copies)
            wide = plan.extension * axons_of(self._forms[ops[0]].wide)
            total += (
                plan.cost
                if self._tiled
                else sum(
                    self.populations.size(op) * len(copies[op]) * self._bits[op] * wide
                    for op in ops
                )
            )
        return total

    @cached_property
    def _tiled(self) -> bool:
        """Whether any population would have tiles, were each in a region of its own."""
        return any(self.planner.plan([op], [1]).tile for op in self.populations.ops)

    def hints(self, goal: str) -> dict[Op, dict[str, Any]]:
        """Return the `place` entries of every population, regions numbered in text order.

        Raises:
            SnncError: `fan-in-exceeded`, `region-too-large`.
        """
        members = self.members(self.group_of)
        number = {old: new for new, old in enumerate(members)}
        self.group_of = {op: number[g] for op, g in self.group_of.items()}
        copies = self.populations.destinations(self.group_of)
        plans = {number[g]: self.plan(ops, copies) for g, ops in members.items()}
        for group, ops in enumerate(members.values()):
            if plans[group].tile is None:
                checked_extension(self._flat(ops), ops, self._forms[ops[0]].wide)
        wide = {group: plan.extension for group, plan in plans.items()}
        hints: dict[Op, dict[str, Any]] = {}
        for group, ops in enumerate(members.values()):
            tile = plans[group].tile
            parts = self._parts(ops, tile)
            tiles = self._pack(ops, copies, wide, group, goal, parts)
            split = max(width(len(cores)) for cores in tiles)
            if len(tiles) == 1 and len(tiles[0]) > LIMITS.routing_group:
                raise _too_large(ops, len(tiles[0]))
            codes = [part.code << split for part in parts[ops[0]]]
            shape = {} if tile is None else {"tile": tile, "split": split}
            for op, slices in _slices(ops, codes, tiles).items():
                common = {"group": group, "extension": wide[group], "bits": self._bits[op]}
                hints[op] = {**common, **shape, "slices": slices}
        return hints

    def _flat(self, ops: Sequence[Op]) -> int:
        return sum(s.source.type.size for s in self.populations.segments(ops))

    def _whole(self, ops: Sequence[Op]) -> dict[Op, list[Part]]:
        return {op: [Part(0, 0, self.populations.size(op))] for op in ops}

    def _parts(self, ops: Sequence[Op], tile: tuple[int, ...] | None) -> dict[Op, list[Part]]:
        """Return the neurons of each tile, in order, and the code that the tile has."""
        if tile is None:
            return self._whole(ops)
        cut = grid(self.populations, ops, tile, 0)
        return {op: cut.order(tile_shape(self.populations, op, tile))[1] for op in ops}

    def _pack(
        self,
        ops: Sequence[Op],
        copies: Copies,
        wide: Mapping[int, int],
        group: int,
        goal: str,
        parts: Mapping[Op, Sequence[Part]],
    ) -> list[list[Core]]:
        """Return the cores of each tile; neurons that share one agree in what a core has once."""
        classes: dict[tuple[Any, ...], list[tuple[Op, int]]] = {}
        for op in ops:
            form = self._forms[op]
            mode = (form.values, form.keep, form.pool)
            for copy, to in enumerate(copies[op]):
                stride = blocks(self.populations.size(op)) if to.output >= 0 else wide[to.group]
                key = (self.populations.start(op), op["first"], op["ticks"], stride, *mode)
                classes.setdefault(key, []).append((op, copy))
        ordered = sorted(classes.values(), key=lambda items: self._place_of(*items[0]))

        def room(bits: int) -> int:
            return capacity(self._forms[ops[0]].wide, bits, wide[group])

        def packed(tile: int) -> list[Core]:
            cores: list[Core] = []
            for items in ordered:
                cut = [
                    Slice(op, copy, part.first, part.last, self._bits[op], self._spread(op))
                    for op, copy in items
                    if (part := parts[op][tile]).last > part.first
                ]
                cores += PACKERS[goal](cut, room)
            return cores

        return [packed(tile) for tile in range(len(parts[ops[0]]))]

    def _spread(self, op: Op) -> int:
        return int(self.populations.hint(op).get("unroll", 1))

    def _place_of(self, op: Op, copy: int) -> tuple[int, int]:
        return self.populations.ops.index(op), copy


def _slices(
    ops: Sequence[Op], codes: Sequence[int], tiles: Sequence[Sequence[Core]]
) -> dict[Op, tuple[tuple[int, int, int, int], ...]]:
    """Return the slices of each population: core, first, last, copy."""
    found: dict[Op, list[tuple[int, int, int, int]]] = {op: [] for op in ops}
    for code, cores in zip(codes, tiles, strict=True):
        for at, core in enumerate(cores):
            for part in core.slices:
                found[part.op].append((code + at, part.first, part.last, part.copy))
    return {op: tuple(sorted(s, key=lambda one: one[0])) for op, s in found.items()}


def _too_large(ops: Sequence[Op], cores: int) -> Exception:
    names = ", ".join(f"%{op.result.name}" for op in ops)
    return fail(
        "region-too-large",
        f"{names} need {cores} cores in one region; a region has at most "
        f"{LIMITS.routing_group} (half a chip)",
        ops[0].loc,
        exit_status=4,
        help="use fewer weight bits, or split the layer",
    )
