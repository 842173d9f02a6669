"""`initial-pulse`: potentials that begin at 0, and not one spike different.

A chip may start every potential at 0. What a neuron should begin with is then added by its first
tick's input: a neuron that works for that tick alone, and fires in it, reaches each of them through
a weight. It sums with the rest of the input before anything is compared, so every potential is the
same at the end of every tick.

A weight no wider than those that the neurons have already keeps their memory as it is; a value that
it cannot hold is spread over several such neurons.
"""

from collections.abc import Sequence

from attrs import define, frozen

from snnc.diagnostics import fail
from snnc.extend.passes import Context, Exactness, Pass
from snnc.ir.clocks import MOST_WEIGHTS, clock, count_clocks, driven, weights_of_clocks
from snnc.ir.graph import Module, Op, Value
from snnc.ir.rewrite import Rebuild, rebuild
from snnc.ir.synapses import WEIGHTED, Synapses
from snnc.ir.types import I2, I4, I8, U1, Element, smallest_weight
from snnc.ir.weights import Array
from snnc.passes.parameters import param_array

SIZES = (U1, I2, I4, I8)

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

    def __call__(self, op: Op, build: Rebuild) -> Sequence[Value] | None:
        if op not in self.weights:
            return None
        name = f"{op.result.name}.begin"
        if self._made is None:
            most = max(array.shape[1] for array, _ in self.weights.values())
            self._made = clock(build, name, most, ticks=1)
        x = driven(build, build(op.values[0]), self._made, self.weights[op], name)
        return build.over(op, (x,), initial=None)


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
        for found in Synapses.of(module).between(op).values()
        for made in found
        if made.kind in WEIGHTED
    ]
    # At least as wide as the signs need.
    least = smallest_weight(min(0, int(initial.min())) and -1, 1)
    element = max((w for w in (*weights, least) if w in SIZES), key=SIZES.index)
    count = count_clocks(initial, element)
    if count * initial.size > MOST_WEIGHTS:
        raise fail(
            "initial-too-large",
            f"%{op.result.name} begins at {initial.min()}..{initial.max()}, which takes {count} "
            f"pulses with weights of {element} into each of {initial.size} neurons; "
            f"{MOST_WEIGHTS} weights are the most",
            op.loc,
            help="begin nearer to 0, or use wider weights",
        )
    return weights_of_clocks(initial, element), element
