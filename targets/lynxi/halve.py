"""Rounds a network's real numbers to float16, in which profile f16 works.

APPROXIMATE: weights are rounded once, here; potentials and sums are rounded at every op from then
on. A real input keeps its type, and is rounded by a factor of 1 where it is read; so are spikes
that neurons or sums read without a weight, as the element of their result follows from operands.
"""

from collections.abc import Sequence

import numpy as np
from attrs import evolve, frozen

from snnc.diagnostics import Location, fail
from snnc.extend.passes import Context, Exactness, Pass
from snnc.ir.graph import Module, Op, Value, Weight
from snnc.ir.opset import Symbol
from snnc.ir.rewrite import Rebuild, rebuild
from snnc.ir.types import F16, F32
from snnc.ir.weights import tensor


@frozen
class Halve(Pass):
    """Hold all real numbers in float16."""

    name = "halve"
    level = "any"
    exactness = Exactness.APPROXIMATE

    def run(self, module: Module, context: Context) -> Module:
        """Return the network in float16; integers and graphs keep their text.

        Raises:
            SnncError: `weight-range` for a weight or a number of an op beyond 65504.
        """
        if module.level not in ("snn", "lynxi"):
            return module
        for op in module.ops("neuron", "scalar"):
            for name, value in op.attrs.items():
                _check_range(value, f"{name} = {value} of %{op.result.name}", op.loc)
        if module.level == "lynxi":
            for weight in module.weights.values():
                if weight.type.element == F32:
                    _check_range(weight.tensor.array(), f"@{weight.name}", weight.loc)
            return evolve(module, attrs={**module.attrs, "profile": "f16"})
        weights = {name: _half(weight) for name, weight in module.weights.items()}
        return rebuild(evolve(module, weights=weights), _Rounding())


def _check_range(value: object, name: str, loc: Location) -> None:
    """Refuse real numbers that float16 would make infinite."""
    reals = isinstance(value, float) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")
    if reals and (np.abs(np.asarray(value)) > np.finfo(np.float16).max).any():
        raise fail(
            "weight-range",
            f"{name} is beyond 65504, the largest number of float16",
            loc,
            help="use --profile f32, or scale the network down",
        )


def _half(weight: Weight) -> Weight:
    if weight.type.element != F32:
        return weight
    return evolve(weight, tensor=tensor(weight.tensor.array(), F16, weight.loc, f"@{weight.name}"))


class _Rounding:
    """Adds an op again over operands in float16; each value is rounded once."""

    def __init__(self) -> None:
        self.made: dict[Value, Value] = {}

    def __call__(self, op: Op, build: Rebuild) -> Sequence[Value] | None:
        """Return the op's new values, or None where its operands are right as they are."""
        if not op.result.type.timed or op.kind in ("poisson", "latency", "periodic", "direct"):
            return None
        operands = [build(v) for v in op.values]
        given = [self._rounded(v, build) if v.type.element == F32 else v for v in operands]
        real = op.kind == "neuron" or op.result.type.element == F32
        symbols = [build.weights[s.name].type for s in op.operands if isinstance(s, Symbol)]
        if real and F16 not in {t.element for t in (*symbols, *(v.type for v in given))}:
            given = [self._rounded(v, build) for v in given]
        rest = [o for o in op.operands if isinstance(o, Symbol)]
        return build.over(op, [*given, *rest])

    def _rounded(self, value: Value, build: Rebuild) -> Value:
        if value not in self.made:
            one = build.weight("one", np.ones(1), F16)
            self.made[value] = build.op("scale", value, one, name=f"{value.name}.half")
        return self.made[value]
