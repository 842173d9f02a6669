"""`initial-pulse`: potentials that begin at 0, and not one spike different.

A chip may start every potential at 0. What a neuron should begin with is then added by its first
tick's input: a neuron that works for that tick alone, and fires in it, reaches each of them through
a weight. It sums with the rest of the input before anything is compared, so every potential is the
same at the end of every tick.

A weight no wider than those that the neurons have already keeps their memory as it is; a value that
it cannot hold is spread over several such neurons.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import define, frozen

from snnc.diagnostics import fail
from snnc.extend.passes import Context, Exactness, Pass
from snnc.ir.graph import Module, Op, Value
from snnc.ir.rewrite import Rebuild, rebuild
from snnc.ir.synapses import WEIGHTED, Synapses
from snnc.ir.types import I2, I4, I8, U1, Element, Type, smallest_weight
from snnc.ir.weights import Array
from snnc.passes.parameters import param_array

SIZES = (U1, I2, I4, I8)

MOST_WEIGHTS = 1 << 24
"""Weights that pulses may have into one layer: one for each neuron and pulse."""

Weights = tuple[Array, Element]


@frozen
class InitialPulse(Pass):
    """Give neurons their initial potential by a spike at the first tick; exact."""

    name = "initial-pulse"
    level = "int"
    exactness = Exactness.EXACT

    def run(self, module: Module, context: Context) -> Module:
        """Return the module with potentials that begin at 0.

        A neuron stays as it is where its memory is cleared at every tick, or where it begins to
        work later than at tick 0: until then its potential would be seen to be 0.
        """
        found = {op: _weights(module, op) for op in module.ops("neuron") if _begins(module, op)}
        return rebuild(module, _Pulses(found)) if found else module


@define(eq=False)
class _Pulses:
    """Rewrites neurons; all share a population of pulses, one op, so that it takes one core."""

    weights: dict[Op, Weights]
    _made: Value | None = None
    _taken: int = 0

    def __call__(self, op: Op, build: Rebuild) -> Sequence[Value] | None:
        if op not in self.weights:
            return None
        weights, element = self.weights[op]
        name, shape = op.result.name, op.values[0].type.shape
        symbol = build.weight(f"{name}.begin.w", weights, element)
        pulse = self._pulse(build, op, weights.shape[1])
        current = build.op("linear", pulse, symbol, name=f"{name}.begin.x")
        if len(shape) != 1:
            current = build.op("reshape", current, shape=shape, name=f"{name}.begin.map")
        x = build.op("add", build(op.values[0]), current, name=f"{name}.begin.sum")
        names = [r.name for r in op.results]
        attrs = {key: value for key, value in op.attrs.items() if key != "initial"}
        return build.emit("neuron", [x], attrs, loc=op.loc, names=names).results

    def _pulse(self, build: Rebuild, op: Op, count: int) -> Value:
        """Return `count` pulses of the first tick that nobody else has."""
        name = f"{op.result.name}.begin"
        if self._made is None:
            sizes = [w.shape[1] for w, _ in self.weights.values()]
            self._made = _pulses(build, name, sum(sizes))
        start, self._taken = self._taken, self._taken + count
        if self._made.type.size == count:
            return self._made
        cut: dict[str, Any] = {"axis": 0, "start": start, "stop": start + count}
        return build.op("slice", self._made, name=f"{name}.part", **cut)


def _begins(module: Module, op: Op) -> bool:
    initial = param_array(module, op, "initial")
    given = initial is not None and bool(initial.any())
    return given and op["memory"] == "keep" and not op["first"]


def _weights(module: Module, op: Op) -> Weights:
    """Return weights `(neurons, n)` of n pulses whose rows sum to the initial potentials."""
    initial = param_array(module, op, "initial")
    assert initial is not None
    weights = [
        module.symbol_type(made.symbols[0]).element
        for found in Synapses(module).between(op).values()
        for made in found
        if made.kind in WEIGHTED
    ]
    # At least as wide as the signs need.
    least = smallest_weight(min(0, int(initial.min())) and -1, 1)
    element = max((w for w in (*weights, least) if w in SIZES), key=SIZES.index)
    count = _count(initial, element)
    if count * initial.size > MOST_WEIGHTS:
        raise fail(
            "initial-too-large",
            f"%{op.result.name} begins at {initial.min()}..{initial.max()}, which takes {count} "
            f"pulses with weights of {element} into each of {initial.size} neurons; "
            f"{MOST_WEIGHTS} weights are the most",
            op.loc,
            help="begin nearer to 0, or use wider weights",
        )
    return _spread(initial.ravel(), element, count), element


def _count(initial: Array, element: Element) -> int:
    """Return how many weights of an element the farthest potential is the sum of."""
    above = -(-int(initial.max()) // element.high)
    return max(above, -(-int(initial.min()) // min(element.low, -1)))


def _spread(initial: Array, element: Element, count: int) -> Array:
    """Return `(neurons, count)` weights of an element whose rows sum to `initial`."""
    whole = initial.astype(np.int64)[:, None]
    low, high = np.where(whole < 0, element.low, 0), np.where(whole > 0, element.high, 0)
    return np.asarray(np.clip(whole - np.arange(count) * (low + high), low, high))


def _pulses(build: Rebuild, name: str, count: int) -> Value:
    """Return neurons that fire once, at tick 0; they hear themselves, by nothing at all."""
    train = Type(U1, (count,), 0)
    later = build.forward(name, train, build.loc)
    nothing = build.weight(f"{name}.none", np.zeros((), np.uint8), U1)
    before = build.op("delay", later, by=1, name=f"{name}.before")
    x = build.op("scale", before, nothing, name=f"{name}.nothing")
    attrs: dict[str, Any] = {"threshold": 1, "leak": 1, "reset": "none", "ticks": 1}
    fired = build.op("neuron", x, name=name, **attrs)
    build.bind(later, fired)
    return fired
