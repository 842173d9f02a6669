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
from snnc.targets.paicore.populations import Populations, extension

RELAY: Mapping[str, Any] = {"threshold": 1, "reset": "hard", "width": LIMITS.potential_bits}
"""A neuron that fires in every tick in which a spike reaches it, and keeps nothing."""

PASS_VALUE: Mapping[str, Any] = {
    "threshold": 1,
    "spike": "value",
    "memory": "clear",
    "width": LIMITS.potential_bits,
}
"""A neuron that sends in every tick the value that reaches it."""


def pass_on(build: Rebuild, value: Value, name: str, first: int = 0, returned: str = "") -> Value:
    """Return what neurons send that pass a value of one or eight bits on in the same tick.

    They begin at tick `first`; `returned` is the output that they send, where not of their name.
    """
    more: dict[str, Any] = {"place": {"returned": returned}} if returned else {}
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
        self.made: dict[tuple[Value, int], Value] = {}

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
                    ticks = self.depth[op] - 1 if not op["first"] else delay["by"]
                    most[delay] = min(most.get(delay, ticks), ticks)
        return {
            op: ticks
            for op, ticks in most.items()
            if op["by"] > ticks and op.values[0].type.element in (U1, U8)
        }

    def _cut(self, op: Op, build: Rebuild, delays: Mapping[Op, int]) -> Any:
        if op not in delays:
            return None
        value, left, number = build(op.values[0]), op["by"], 0
        while left > delays[op]:
            part = min(self._reach(value) - 1, left)
            late = build.op("delay", value, by=part)
            value = pass_on(build, late, f"{op.result.name}.relay{number}")
            left, number = left - part, number + 1
        if left:
            value = build.op("delay", value, by=left, name=op.result.name)
        return [value]

    def _long_waits(self) -> dict[Op, dict[Value, int]]:
        """Return how many relays must stand between a reader and a source, by both."""
        found: dict[Op, dict[Value, int]] = {}
        for op in self.populations.ops:
            for edge, source in self.populations.feeding(op):
                begin = -1 if source is None else self.starts[source]
                over = self.starts[op] + edge.delay - begin - self.depth[op]
                if over > 0 and edge.delay < self.depth[op] and not op["first"]:
                    stops = found.setdefault(op, {})
                    needed = -(-over // self._reach(edge.source))
                    stops[edge.source] = max(needed, stops.get(edge.source, 0))
        return found

    def _stopped(self, op: Op, build: Rebuild, waits: Mapping[Op, Mapping[Value, int]]) -> Any:
        if op not in waits:
            return None
        stops = waits[op]

        def choose(edge: Edge) -> Value | None:
            found = edge.source in stops
            return self._relayed(edge.source, build, stops[edge.source]) if found else None

        x = over_sources(self.synapses, op, build, choose)
        names = [result.name for result in op.results]
        return build.emit(op.kind, (x,), op.attrs, loc=op.loc, names=names).results

    def _relayed(self, source: Value, build: Rebuild, stops: int) -> Value:
        value = build(source)
        for number in range(stops):
            if (source, number) not in self.made:
                name = f"{source.name}.relay{number}"
                self.made[source, number] = pass_on(build, value, name)
            value = self.made[source, number]
        return value
