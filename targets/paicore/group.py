"""Pass `group`: which populations share a region of cores, and which neurons share a core.

A region is a power-of-two block of cores that receives the same frames; all populations that read
one physical copy of a source lie in one region. Readers are put together as long as that needs
fewer dendrites than storing the source once per region, and readers of one input where they share
cores then. The result stands in `place`: the region's
number, its axon extension, and slices `[core, first, last, copy]`, cores counted in the region.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from attrs import define, field, frozen

from snnc.diagnostics import fail
from snnc.extend.passes import Context, Exactness, Pass, option
from snnc.ir.graph import Module, Op, Value
from snnc.ir.rewrite import Rebuild, rebuild
from snnc.targets.paicore.geometry import axons_of, capacity
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.populations import (
    Destination,
    Form,
    Populations,
    blocks,
    checked_extension,
    extension,
)


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

    def run(self, module: Module, context: Context) -> Module:
        """Return the module with region, extension, bits and slices on every neuron op."""
        populations = Populations(module)
        regions = Regions(populations)
        regions.merge()
        regions.share(self.for_)
        hints = regions.hints(self.for_)

        def placed(op: Op, build: Rebuild) -> Any:
            if op.kind != "neuron":
                return None
            return build.copy(op, place={**(op["place"] or {}), **hints[op]})

        return rebuild(module, placed)


@frozen
class Slice:
    """Neurons first..last-1 of one physical copy of a population."""

    op: Op
    copy: int
    first: int
    last: int
    bits: int


@define
class Core:
    """A core being filled."""

    room: int
    slices: list[Slice] = field(factory=list)


class Regions:
    """A division of the populations into regions, and what it costs."""

    def __init__(self, populations: Populations) -> None:
        self.populations = populations
        self.group_of = {op: number for number, op in enumerate(populations.ops)}
        self._bits = {op: populations.bits(op) for op in populations.ops}
        self._forms = {op: populations.form(op) for op in populations.ops}

    def members(self, group_of: Mapping[Op, int]) -> dict[int, list[Op]]:
        """Return the populations of each region, in text order."""
        found: dict[int, list[Op]] = {}
        for op in self.populations.ops:
            found.setdefault(group_of[op], []).append(op)
        return found

    def axons(self, ops: Iterable[Op]) -> int:
        """Return how many axons a region of these populations receives."""
        return sum(s.source.type.size for s in self.populations.segments(ops))

    def merge(self) -> None:
        """Join readers of one source, two regions at a time, while dendrites are saved."""
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
        """Return the cores that some regions reserve: powers of two."""
        members, copies = self.members(group_of), self.populations.destinations(group_of)
        wide = {group: self.extension(ops) for group, ops in members.items()}
        packed = [self._pack(members[g], copies, wide, g, goal) for g in groups]
        return sum(1 << (len(cores) - 1).bit_length() for cores in packed)

    def fits(self, group_of: Mapping[Op, int], group: int) -> bool:
        """Whether a region keeps within extension, buffer depth, half a chip and one chip pin.

        What a region receives is addressed one way, so all its cores take spikes, or all values.
        """
        ops = self.members(group_of)[group]
        if len({self._forms[op].wide for op in ops}) > 1:
            return False
        wide = self.extension(ops)
        pins = {self.populations.hint(op).get("chip") for op in ops} - {None}
        if wide > 1 << LIMITS.max_lcn or len(pins) > 1 or not self._deep_enough(ops, wide):
            return False
        copies = self.populations.destinations(group_of)
        return sum(self._cores(op, wide) * len(copies[op]) for op in ops) <= LIMITS.routing_group

    def _deep_enough(self, ops: Sequence[Op], wide: int) -> bool:
        start = self.populations.start
        for op in ops:
            for edge, source in self.populations.feeding(op):
                ahead = start(op) + edge.delay - (0 if source is None else start(source))
                if ahead + (source is None) > LIMITS.slots // wide:
                    return False
        return True

    def extension(self, ops: Sequence[Op]) -> int:
        """Return the axon extension of a region of these populations, checked by nobody."""
        return extension(self.axons(ops), self._forms[ops[0]].wide)

    def _cores(self, op: Op, wide: int) -> int:
        most = capacity(self._forms[op].wide, self._bits[op], wide)
        return -(-self.populations.size(op) // most)

    def cost(self, group_of: Mapping[Op, int]) -> int:
        """Return the bits of weight RAM that all physical copies take together."""
        copies = self.populations.destinations(group_of)
        total = 0
        for ops in self.members(group_of).values():
            wide = self.extension(ops) * axons_of(self._forms[ops[0]].wide)
            total += sum(
                self.populations.size(op) * len(copies[op]) * self._bits[op] * wide for op in ops
            )
        return total

    def hints(self, goal: str) -> dict[Op, dict[str, Any]]:
        """Return the `place` entries of every population, regions numbered in text order.

        Raises:
            SnncError: `fan-in-exceeded`, `region-too-large`.
        """
        members = self.members(self.group_of)
        number = {old: new for new, old in enumerate(members)}
        self.group_of = {op: number[g] for op, g in self.group_of.items()}
        copies = self.populations.destinations(self.group_of)
        wide = {
            number[g]: checked_extension(self.axons(ops), ops, self._forms[ops[0]].wide)
            for g, ops in members.items()
        }
        hints: dict[Op, dict[str, Any]] = {}
        for old, ops in members.items():
            group = number[old]
            cores = self._pack(ops, copies, wide, group, goal)
            if len(cores) > LIMITS.routing_group:
                raise _too_large(ops, len(cores))
            for op in ops:
                slices = tuple(
                    (at, s.first, s.last, s.copy)
                    for at, core in enumerate(cores)
                    for s in core.slices
                    if s.op is op
                )
                hints[op] = {
                    "group": group,
                    "extension": wide[group],
                    "bits": self._bits[op],
                    "slices": slices,
                }
        return hints

    def _pack(
        self,
        ops: Sequence[Op],
        copies: Mapping[Op, Sequence[Destination]],
        wide: Mapping[int, int],
        group: int,
        goal: str,
    ) -> list[Core]:
        """Return the cores of a region; neurons that share one agree in what a core has once."""
        classes: dict[tuple[Any, ...], list[Slice]] = {}
        for op in ops:
            size, bits = self.populations.size(op), self._bits[op]
            for copy, to in enumerate(copies[op]):
                stride = blocks(size) if to.output >= 0 else wide[to.group]
                form = self._forms[op]
                mode = (form.values, form.keep, form.pool)
                key = (self.populations.start(op), op["first"], op["ticks"], stride, *mode)
                classes.setdefault(key, []).append(Slice(op, copy, 0, size, bits))
        cores: list[Core] = []
        room = partial(_room, self._forms[ops[0]], wide[group])
        for key in sorted(classes, key=lambda k: self._place_of(classes[k][0])):
            cores += PACKERS[goal](classes[key], room)
        return cores

    def _place_of(self, item: Slice) -> tuple[int, int]:
        return self.populations.ops.index(item.op), item.copy


Room = Callable[[int], int]
"""How many neurons fit a core of a region, by the bits of their weights."""


def _room(form: Form, wide: int, bits: int) -> int:
    return capacity(form.wide, bits, wide)


def balanced(item: Slice, most: int) -> list[Slice]:
    """Return an item cut into as few slices as fit, their sizes differing by at most one."""
    size = item.last - item.first
    parts = -(-size // most)
    made, start = [], item.first
    for part in range(parts):
        length = size // parts + (part < size % parts)
        made.append(Slice(item.op, item.copy, start, start + length, item.bits))
        start += length
    return made


def for_latency(items: Sequence[Slice], room: Room) -> list[Core]:
    """Each population in cores of its own, evenly loaded."""
    return [Core(0, [part]) for item in items for part in balanced(item, room(item.bits))]


def for_cores(items: Sequence[Slice], room: Room) -> list[Core]:
    """Full cores first; what is left over is packed first-fit, widest and largest first."""
    full, rests = [], []
    for item in items:
        most, start = room(item.bits), item.first
        while item.last - start >= most:
            full.append(Core(0, [Slice(item.op, item.copy, start, start + most, item.bits)]))
            start += most
        if start < item.last:
            rests.append(Slice(item.op, item.copy, start, item.last, item.bits))
    rests.sort(key=lambda s: (-s.bits, s.first - s.last))
    return full + _first_fit([[rest] for rest in rests], room)


def for_both(items: Sequence[Slice], room: Room) -> list[Core]:
    """Even slices as for latency; slices of different populations share cores where they fit."""
    parts = [balanced(item, room(item.bits)) for item in items]
    parts.sort(key=lambda p: (-p[0].bits, -len(p)))
    return _first_fit(parts, room)


def _first_fit(parts: Iterable[Sequence[Slice]], room: Room) -> list[Core]:
    """Put each slice into the first core with room that has no slice of the same copy.

    Wider weights come first, so that the first slice of a core sets its width.
    """
    cores: list[Core] = []
    for slices in parts:
        fresh = len(cores)
        for part in slices:
            size = part.last - part.first
            core = next(
                (
                    c
                    for c in cores[:fresh]
                    if c.room >= size
                    and not any(s.op is part.op and s.copy == part.copy for s in c.slices)
                ),
                None,
            )
            if core is None:
                core = Core(room(part.bits))
                cores.append(core)
            core.slices.append(part)
            core.room -= size
    return cores


PACKERS = {"latency": for_latency, "cores": for_cores, "both": for_both}


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
