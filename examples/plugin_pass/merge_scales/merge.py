"""Pass `merge-scales`: `scale` of a `scale` becomes one scale by the product.

EXACT at level `int`, where products of integers are exact: a pair is left as it is if a product
needs more than 32 bits. `limit` bounds the product further, say to the widest weight of a chip.
"""

from collections.abc import Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.diagnostics import fuse
from snnc.extend.passes import Context, Exactness, Pass, option
from snnc.ir.analysis import makers
from snnc.ir.graph import Module, Op, Value
from snnc.ir.rewrite import Rebuild, rebuild


@frozen
class MergeScales(Pass):
    """Merge scales that follow each other."""

    name = "merge-scales"
    level = "int"
    exactness = Exactness.EXACT

    limit: int = option(2**31 - 1, help="largest magnitude of a merged weight")

    def run(self, module: Module, context: Context) -> Module:
        """Return the module with each pair merged; `clean` then drops the first of them."""
        made_by = makers(module.graph)
        merged: list[str] = []

        def one(op: Op, build: Rebuild) -> Sequence[Value] | None:
            first = made_by.get(op.values[0]) if op.kind == "scale" else None
            if first is None or first.kind != "scale":
                return None
            product = _weights(module, first) * _weights(module, op)
            if abs(product).max(initial=0) > min(self.limit, 2**31 - 1):
                return None
            merged.append(op.result.name)
            symbol = build.weight(f"{op.result.name}.w", product.astype(np.int32))
            x, loc = build(first.values[0]), fuse(first.loc, op.loc)
            return [build.op("scale", x, symbol, name=op.result.name, loc=loc)]

        after = rebuild(module, one)
        context.report["merged-scales"] = merged
        return after


def _weights(module: Module, op: Op) -> NDArray[np.int64]:
    """Return one weight per element: weights of a scale are for all, per channel or per element."""
    shape, weights = op.result.type.shape, module.tensor(op.symbols[0]).astype(np.int64)
    if weights.shape == shape[:1]:
        weights = weights.reshape(-1, *[1] * (len(shape) - 1))
    return np.broadcast_to(weights, shape)
