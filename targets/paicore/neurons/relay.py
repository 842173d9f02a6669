"""Relays: neurons that pass spikes on where they would wait longer than a buffer holds them.

A reader's input buffer holds 256 / L ticks, L being its axon extension. Spikes that are read later,
by a long delay or because their reader lies far down the network, go through relays, which send in
the tick in which they receive, so that what the program says does not change. `schedule` asks for
relays where it finds no starts; edges that none helps stay as they are.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from snnc.ir.graph import Module, Op, Value
from snnc.ir.rewrite import Rebuild, rebuild
from snnc.ir.synapses import Edge, Synapses
from snnc.ir.types import U1, U8
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.neurons.populations import QUIET, Populations, extension

Waits = dict[Op, dict[Edge, tuple[int, int]]]
"""How many relays must stand between a reader and a source, and the tick at which they begin."""

RELAY: Mapping[str, Any] = {"threshold": 1, "reset": "hard", "width": LIMITS.potential_bits}
"""A neuron that fires in every tick in which a spike reaches it, and keeps nothing."""

PASS_VALUE: Mapping[str, Any] = {
    "threshold": 1,
    "spike": "value",
    "memory": "clear",
    "width": LIMITS.potential_bits,
}
"""A neuron that sends in every tick the value that reaches it."""


def pass_on(
    build: Rebuild, value: Value, name: str, first: int = 0, place: Mapping[str, Any] | None = None
) -> Value:
    """Return what neurons send that pass a value of one or eight bits on in the same tick.

    They begin at tick `first`; `place` says what passes note of them.
    """
    more: dict[str, Any] = {"place": dict(place)} if place else {}
    if value.type.element == U8:
        return build.op("neuron", value, name=name, first=first, **PASS_VALUE, **more)
    weight = build.weight("relay.w", np.ones((), np.uint8), U1)
    x = build.op("scale", value, weight)
    return build.op("neuron", x, name=name, first=first, **RELAY, **more)


def over_sources(
    synapses: Synapses, op: Op, build: Rebuild, choose: Callable[[Edge], Value | None]
) -> Value:
    """Return the input of a neuron with other values for some of its sources.

    `choose` is asked for each way from a source, in order, and gives None where it stays.
    """

    def part(value: Value, delay: int) -> Value:
        through = synapses.linear_op(value)
        if through is None:
            chosen = choose(Edge(value, delay))
            return build(value) if chosen is None else chosen
        late = delay + (through["by"] if through.kind == "delay" else 0)
        operands = [part(o, late) if isinstance(o, Value) else o for o in through.operands]
        plain = [build(o) if isinstance(o, Value) else o for o in through.operands]
        if all(new is old for new, old in zip(operands, plain, strict=True)):
            return build(value)
        return build.emit(through.kind, operands, through.attrs, loc=through.loc).result

    return part(op.values[0], 0)


class Relays:
    """One round: long delays are cut into several, or long waits given a stop on the way.

    Args:
        populations: of the module.
        starts: the earliest starts that causality allows.
        depth: the ticks that the buffer of each population's cores holds.
    """

    def __init__(
        self, populations: Populations, starts: Mapping[Op, int], depth: Mapping[Op, int]
    ) -> None:
        self.populations, self.synapses = populations, populations.synapses
        self.starts, self.depth = starts, depth
        self.made: dict[tuple[Value, int, int], Value] = {}

    def module(self) -> Module | None:
        """Return the module with more relays; None where none would help."""
        delays = self._long_delays()
        if delays:
            return rebuild(self.populations.module, lambda op, b: self._cut(op, b, delays))
        waits = self._long_waits()
        if waits:
            return rebuild(self.populations.module, lambda op, b: self._stopped(op, b, waits))
        return None

    def _reach(self, value: Value) -> int:
        """Return the ticks that the buffer of relays of a value holds."""
        return LIMITS.slots // extension(value.type.size, value.type.element == U8)

    def _long_delays(self) -> dict[Op, int]:
        """Return the delays of spikes that no buffer holds, each with the ticks that one does."""
        most: dict[Op, int] = {}
        for op in self.populations.ops:
            for found in self.synapses.between(op).values():
                for delay in (o for o in found if o.kind == "delay"):
                    if not self._cuts_off(op, delay):
                        most[delay] = min(most.get(delay, LIMITS.slots), self.depth[op] - 1)
        return {
            op: ticks
            for op, ticks in most.items()
            if op["by"] > ticks and op.values[0].type.element in (U1, U8)
        }

    def _cut(self, op: Op, build: Rebuild, delays: Mapping[Op, int]) -> Any:
        if op not in delays:
            return None
        value, left, number = build(op.values[0]), op["by"], 0
        makers = [self.populations.by_value.get(v) for v in self._sources(op)]
        begins = min((0 if m is None else m["first"] for m in makers), default=0)
        quiet = min((0 if m is None else self.populations.quiet(m) for m in makers), default=0)
        while left > delays[op]:
            part = min(self._reach(value) - 1, left)
            late = build.op("delay", value, by=part)
            quiet += part
            name = f"{op.result.name}.relay{number}"
            value = pass_on(build, late, name, begins, noted(begins, quiet))
            left, number = left - part, number + 1
        if left:
            value = build.op("delay", value, by=left, name=op.result.name)
        return [value]

    def _sources(self, op: Op) -> list[Value]:
        """Return the sources that a linear op reads."""
        found, todo = [], list(op.values)
        while todo:
            value = todo.pop()
            through = self.synapses.linear_op(value)
            if through is None:
                found.append(value)
            else:
                todo += through.values
        return found

    def _cuts_off(self, op: Op, delay: Op) -> bool:
        """Whether neurons read an input through a delay, and never its first ticks."""
        if not op["first"]:
            return False
        inputs = {e.source for e in self.synapses.edges(op) if self._late_input(op, e)}
        return not inputs.isdisjoint(self._sources(delay))

    def _long_waits(self) -> Waits:
        """Return the sources of each reader that wait too long, and which relays they need."""
        found: Waits = {}
        for op in self.populations.ops:
            for edge, source in self.populations.feeding(op):
                begin = -1 if source is None else self.starts[source]
                over = self.starts[op] + edge.delay - begin - self.depth[op]
                waits = edge.delay < self.depth[op] or self._late_input(op, edge)
                if over > 0 and waits:
                    stops = found.setdefault(op, {})
                    count = -(-over // self._reach(edge.source))
                    first = max(0, op["first"] - edge.delay) if source is None else source["first"]
                    stops[edge] = (count, first)
        return found

    def _late_input(self, op: Op, edge: Edge) -> bool:
        """Whether a reader begins so late that it never sees the first ticks of an input."""
        return edge.source not in self.populations.by_value and edge.delay < op["first"]

    def _stopped(self, op: Op, build: Rebuild, waits: Waits) -> Any:
        if op not in waits:
            return None
        stops = waits[op]

        def choose(edge: Edge) -> Value | None:
            return self._relayed(edge.source, build, *stops[edge]) if edge in stops else None

        x = over_sources(self.synapses, op, build, choose)
        return build.over(op, (x,))

    def _relayed(self, source: Value, build: Rebuild, stops: int, first: int) -> Value:
        value, maker = build(source), self.populations.by_value.get(source)
        quiet = first if maker is None else self.populations.quiet(maker)
        for number in range(stops):
            if (source, number, first) not in self.made:
                name = f"{source.name}.relay{number}"
                self.made[source, number, first] = pass_on(
                    build, value, name, first, noted(first, quiet)
                )
            value = self.made[source, number, first]
        return value


def noted(first: int, quiet: int) -> dict[str, int]:
    """Return what `place` says of neurons that begin at one tick and send from another on."""
    return {QUIET: quiet} if quiet > first else {}
