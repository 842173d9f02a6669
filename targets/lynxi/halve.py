"""Rounds a network's real numbers to float16, in which profile f16 works.

APPROXIMATE: weights are rounded once, here; potentials and sums are rounded at every op from then
on. Inputs of real numbers become f16 too.
"""

from attrs import evolve, frozen

from snnc.extend.passes import Context, Exactness, Pass
from snnc.ir.graph import Module, Value, Weight
from snnc.ir.rewrite import rebuild
from snnc.ir.types import F16, F32
from snnc.ir.weights import tensor


@frozen
class Halve(Pass):
    """Hold all real numbers in float16."""

    name = "halve"
    level = "any"
    exactness = Exactness.APPROXIMATE

    def run(self, module: Module, context: Context) -> Module:
        """Return the network in float16.

        Raises:
            SnncError: `weight-range` for a weight beyond 65504.
        """
        if module.level == "lynxi":
            return evolve(module, attrs={**module.attrs, "profile": "f16"})
        weights = {name: _half(weight) for name, weight in module.weights.items()}
        return rebuild(evolve(module, weights=weights), lambda op, build: None, inputs=_input)


def _half(weight: Weight) -> Weight:
    if weight.type.element != F32:
        return weight
    return evolve(weight, tensor=tensor(weight.tensor.array(), F16, weight.loc, f"@{weight.name}"))


def _input(value: Value) -> Value:
    wide = value.type.element == F32
    return evolve(value, type=value.type.with_element(F16)) if wide else value
