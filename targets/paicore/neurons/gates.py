"""Gates: what a source sends before its reader begins, kept back.

A core's buffer takes spikes from the first step of their source on. A reader that begins at a later
tick of the program, and reads without a delay as long as that, would find in its buffer what it
must never hear. Gates stand between: neurons that pass on, in the tick in which they receive, what
comes from some tick on. They add a clock, which begins at that tick, to each element of the source,
and take as much away: nothing is left of a spike alone, nor of the clock alone.
"""

from typing import Any

import numpy as np
from attrs import define, field

from snnc.ir.clocks import clock
from snnc.ir.graph import Module, Op, Value
from snnc.ir.rewrite import Rebuild, rebuild
from snnc.ir.synapses import Edge, Synapses
from snnc.ir.types import U1, U8
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.neurons.populations import QUIET
from snnc.targets.paicore.neurons.relay import PASS_VALUE, RELAY, over_sources

FULL = U8.high
"""More than any value leaves beside it."""


def gate_late_readers(module: Module) -> Module:
    """Return the module with gates before readers that begin late; itself where none does."""
    if not any(_awake(op) for op in module.ops("neuron")):
        return module
    gates = _Gates(Synapses.of(module, pools=True))
    late = [op for op in module.ops("neuron") if any(gates.opens(op, e) for e in gates.edges(op))]
    if not late:
        return module

    def gated(op: Op, build: Rebuild) -> Any:
        if op not in late:
            return None
        x = over_sources(gates.synapses, op, build, lambda edge: gates.gate(op, edge, build))
        return build.over(op, (x,))

    return rebuild(module, gated)


@define(eq=False)
class _Gates:
    """The gates made so far, by source and the tick at which they open."""

    synapses: Synapses
    _made: dict[tuple[Value, int], Value] = field(factory=dict)
    _clocks: dict[tuple[int, bool], Value] = field(factory=dict)

    def edges(self, op: Op) -> tuple[Edge, ...]:
        return self.synapses.edges(op)

    def opens(self, op: Op, edge: Edge) -> int:
        """Return the tick at which a gate opens between a source and a reader; 0: none stands."""
        tick = _awake(op) - edge.delay
        source = self.synapses.made_by.get(edge.source)
        if source is not None and source.kind == "neuron":
            return tick if tick > _awake(source) else 0
        # The host sends nothing to neurons before they begin, but to those that rest it does.
        return tick if tick > 0 and not op["first"] else 0

    def gate(self, op: Op, edge: Edge, build: Rebuild) -> Value | None:
        """Return what a reader reads in place of a source; None where that is the source."""
        tick = self.opens(op, edge)
        if not tick:
            return None
        if (edge.source, tick) not in self._made:
            self._made[edge.source, tick] = self._gate(edge.source, tick, build)
        return self._made[edge.source, tick]

    def _gate(self, source: Value, tick: int, build: Rebuild) -> Value:
        wide, shape = source.type.element == U8, source.type.shape
        one = build.weight("gate.w", np.ones((), np.uint8), U1)
        value = build.op("scale", build(source), one)
        rows = np.ones((source.type.size, 1), np.uint8)
        opened = build.op(
            "linear", self._clock(tick, wide, build), build.weight("gate.open", rows, U1)
        )
        if len(shape) != 1:
            opened = build.op("reshape", opened, shape=shape)
        attrs: dict[str, Any] = {
            "first": self._first(source),
            "place": {QUIET: tick},
        }
        if wide:
            attrs |= {**PASS_VALUE, "leak": -FULL}
        else:
            attrs |= {**RELAY, "leak": -1, "negative": 0}
        x = build.op("add", value, opened)
        return build.op("neuron", x, name=f"{source.name}.gate", **attrs)

    def _first(self, source: Value) -> int:
        made = self.synapses.made_by.get(source)
        return 0 if made is None or made.kind != "neuron" else int(made["first"])

    def _clock(self, tick: int, wide: bool, build: Rebuild) -> Value:
        """Return a clock that begins at a tick, of spikes or of the largest value."""
        if (tick, wide) not in self._clocks:
            attrs: dict[str, Any] = {"first": tick, "width": LIMITS.potential_bits}
            if wide:
                attrs |= {"leak": FULL, "spike": "value", "memory": "clear"}
            self._clocks[tick, wide] = clock(build, "gate.clock", 1, U8 if wide else U1, **attrs)
        return self._clocks[tick, wide]


def _awake(op: Op) -> int:
    """Return the tick before which a population does nothing."""
    return int((op["place"] or {}).get(QUIET, op["first"]))
