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
from attrs import frozen

from snnc.extend.passes import Context, Exactness, Pass
from snnc.ir.graph import Module, Op, Value
from snnc.ir.rewrite import Rebuild, rebuild
from snnc.ir.synapses import WEIGHTED, Synapses
from snnc.ir.types import I2, I4, I8, U1, Element, Type, smallest_weight
from snnc.ir.weights import Array
from snnc.passes.parameters import param_array

SIZES = (U1, I2, I4, I8)


@frozen
class InitialPulse(Pass):
    """Give neurons their initial potential by a spike at the first tick; exact."""

    name = "initial-pulse"
    level = "int"
    exactness = Exactness.EXACT

    def run(self, module: Module, context: Context) -> Module:
        """Return the module with potentials that begin at 0.

        A neuron stays as it is where its memory is cleared at every tick, or where its potential is
        seen before it begins to work.
        """
        elements = {op: _element(module, op) for op in module.ops("neuron") if _begins(module, op)}
        if not elements:
            return module

        def one(op: Op, build: Rebuild) -> Sequence[Value] | None:
            return _pulsed(op, build, elements[op]) if op in elements else None

        return rebuild(module, one)


def _begins(module: Module, op: Op) -> bool:
    initial = param_array(module, op, "initial")
    seen_early = op["potential"] and op["first"]
    return initial is not None and bool(initial.any()) and op["memory"] == "keep" and not seen_early


def _element(module: Module, op: Op) -> Element:
    """Return the element of the pulse's weights: at least as wide as the signs need."""
    weights = [
        module.symbol_type(made.symbols[0]).element
        for found in Synapses(module).between(op).values()
        for made in found
        if made.kind in WEIGHTED
    ]
    initial = param_array(module, op, "initial")
    assert initial is not None
    least = smallest_weight(min(0, int(initial.min())) and -1, 1)
    held = [w for w in (*weights, least) if w in SIZES]
    return max(held, key=SIZES.index)


def _pulsed(op: Op, build: Rebuild, element: Element) -> Sequence[Value]:
    initial = param_array(build.module, op, "initial")
    assert initial is not None
    name, shape = op.result.name, op.values[0].type.shape
    weights = _spread(initial.ravel(), element)
    pulse = _pulse(build, f"{name}.begin", weights.shape[1], op["first"])
    symbol = build.weight(f"{name}.begin.w", weights, element)
    current = build.op("linear", pulse, symbol, name=f"{name}.begin.x")
    if len(shape) != 1:
        current = build.op("reshape", current, shape=shape)
    x = build.op("add", build(op.values[0]), current, name=f"{name}.begin.sum")
    names = [r.name for r in op.results]
    attrs = {key: value for key, value in op.attrs.items() if key != "initial"}
    return build.emit("neuron", [x], attrs, loc=op.loc, names=names).results


def _spread(initial: Array, element: Element) -> Array:
    """Return `(neurons, n)` weights of an element whose rows sum to `initial`."""
    low, high = min(element.low, -1), element.high
    above = -(-int(initial.max(initial=0)) // high)
    below = -(-int(initial.min(initial=0)) // low)
    rest, columns = initial.astype(np.int64), []
    for _ in range(max(above, below)):
        columns.append(np.clip(rest, element.low, high))
        rest = rest - columns[-1]
    return np.stack(columns, axis=1)


def _pulse(build: Rebuild, name: str, count: int, first: int) -> Value:
    """Return neurons that fire once, at tick `first`; they hear themselves, by nothing at all."""
    train = Type(U1, (count,), 0)
    later = build.forward(name, train, build.loc)
    nothing = build.weight(f"{name}.none", np.zeros((), np.uint8), U1)
    x = build.op("scale", build.op("delay", later, by=1), nothing)
    attrs: dict[str, Any] = {"threshold": 1, "leak": 1, "reset": "none", "ticks": 1}
    attrs |= {"first": first} if first else {}
    fired = build.op("neuron", x, name=name, **attrs)
    build.bind(later, fired)
    return fired
