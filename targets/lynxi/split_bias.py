"""Takes biases out of sums: what was rounded once is rounded twice, as this target does it.

APPROXIMATE: `linear` and convolutions round the sum of products, then the sum with the bias; the
difference is at most one unit in the last place of either. The bias stands as a `batch_norm` that
only adds, which is the one op of `snn` that adds a constant.
"""

from collections.abc import Sequence

import numpy as np
from attrs import frozen

from snnc.extend.passes import Context, Exactness, Pass
from snnc.ir.graph import Module, Op, Value
from snnc.ir.opset import Symbol
from snnc.ir.rewrite import Rebuild, rebuild

SUMS = ("linear", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d")


@frozen
class SplitBias(Pass):
    """Add biases after rounding the sums that they belong to."""

    name = "split-bias"
    level = "any"
    exactness = Exactness.APPROXIMATE

    def run(self, module: Module, context: Context) -> Module:
        """Return the network; what has no bias stays as it is."""
        if module.level != "snn" or not any(_bias(op) for op in module.graph.ops):
            return module
        return rebuild(module, _split)


def _bias(op: Op) -> Symbol | None:
    return op.symbols[1] if op.kind in SUMS and len(op.symbols) > 1 else None


def _split(op: Op, build: Rebuild) -> Sequence[Value] | None:
    bias = _bias(op)
    if bias is None:
        return None
    x, name = build(op.values[0]), op.result.name
    total = build.emit(op.kind, (x, op.symbols[0]), op.attrs, names=(f"{name}.sum",)).result
    last = len(total.type.shape) - 1
    turned = op.kind == "linear" and last > 0
    order = (last, *range(1, last), 0)
    if turned:
        total = build.op("permute", total, order=order)
    count, element = total.type.shape[0], total.type.element
    zeros, ones = (
        build.weight(f"{bias.name}.{n}", np.full(count, v), element)
        for n, v in (("zero", 0.0), ("one", 1.0))
    )
    norm = (total, zeros, ones, ones, bias)
    if turned:
        return (build.op("permute", build.op("batch_norm", *norm, epsilon=0.0), order=order),)
    return (build.op("batch_norm", *norm, name=name, epsilon=0.0),)


def is_bias(module: Module, op: Op) -> bool:
    """Return whether a `batch_norm` only adds its last operand."""
    mean, variance, gamma = (module.tensor(s) for s in op.symbols[:3])
    idle = not mean.any() and bool((variance == 1).all() and (gamma == 1).all())
    return idle and op["epsilon"] == 0
