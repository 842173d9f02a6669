"""Which numbers each value of an integer network can take, from weights and element types."""

import numpy as np

from snnc.ir.analysis import makers, run_order
from snnc.ir.graph import Module, Op, Value
from snnc.ir.weights import Array

Range = tuple[int, int]

UNKNOWN = -(1 << 63), 1 << 63
"""The range of what is not known: beyond every limit."""


def ranges(module: Module) -> dict[Value, Range]:
    """Return (lowest, highest) of every value; sums may lie beyond what their element holds.

    Nothing is known of real numbers.
    """
    found = {v: _element(v) for v in module.graph.inputs}
    made_by = makers(module.graph)
    for op in run_order(module.graph):
        given = [found.get(v) or _before(made_by[v], v) for v in op.values]
        for number, result in enumerate(op.results):
            found[result] = _element(result) if number else _result(module, op, given)
    return found


def _element(value: Value) -> Range:
    element = value.type.element
    return UNKNOWN if element.is_float else (element.low, element.high)


def _before(op: Op, value: Value) -> Range:
    """Return the range of a value that is read through a delay before it is made."""
    return _fired(op) if op.kind == "neuron" and value is op.result else _element(value)


def _fired(op: Op) -> Range:
    most = {"single": 1, "count": op["max_count"], "value": 255}[op["spike"]]
    return 0, most


def _result(module: Module, op: Op, given: list[Range]) -> Range:
    low, high = min((r[0] for r in given), default=0), max((r[1] for r in given), default=0)
    kind = op.kind
    if op.result.type.element.is_float:
        return UNKNOWN
    if kind == "neuron":
        return _fired(op)
    if kind in ("reshape", "permute", "slice", "concat") or kind.startswith("max_pool"):
        return low, high
    if kind == "delay":
        return min(low, 0), max(high, 0)
    if kind == "add":
        return sum(r[0] for r in given), sum(r[1] for r in given)
    if kind == "sub":
        return given[0][0] - given[1][1], given[0][1] - given[1][0]
    if kind.startswith("sum_pool"):
        taps = int(np.prod(op["kernel"]))
        return taps * min(low, 0), taps * max(high, 0)
    if kind == "scale":
        w = module.tensor(op.symbols[0]).astype(object)
        corners = [x * f for x in (low, high) for f in (w.min(initial=0), w.max(initial=0))]
        return min(corners), max(corners)
    if kind in ("linear", "masked_linear") or kind.startswith("conv"):
        rows, bias = matrix_rows(module, op)
        return sum_range(rows, bias, (low, high))
    return _element(op.result)


def matrix_rows(module: Module, op: Op) -> tuple[Array, Array | None]:
    """Return the weights `(out, ...)` of a linear op or convolution, and its bias.

    Masks are applied; those of a transposed convolution are flipped, as its windows read them.
    """
    w = module.tensor(op.symbols[0])
    if op.kind == "masked_linear":
        return w * module.tensor(op.symbols[1]).astype(w.dtype), None
    if op.kind.startswith("conv_transpose"):
        groups = np.split(np.flip(w, axis=tuple(range(2, w.ndim))), op["groups"])
        w = np.concatenate([np.swapaxes(part, 0, 1) for part in groups])
    return w, module.tensor(op.symbols[1]) if len(op.symbols) > 1 else None


def sum_range(w: Array, bias: Array | None, x: Range) -> Range:
    """Return the range of all sums of products with some weights, zeros around x included."""
    low, high = min(x[0], 0), max(x[1], 0)
    up, down = parts(w)
    constant = np.zeros(len(w), dtype=object) if bias is None else bias.astype(object)
    most = up.astype(object) * high - down.astype(object) * low + constant
    least = up.astype(object) * low - down.astype(object) * high + constant
    return int(least.min(initial=0)), int(most.max(initial=0))


def parts(w: Array) -> tuple[Array, Array]:
    """Return per output the sum of its positive weights, and of its negative ones' magnitudes."""
    axes = tuple(range(1, w.ndim))
    up = np.maximum(w, 0).sum(axis=axes, dtype=np.int64)
    return up, up - w.sum(axis=axes, dtype=np.int64)
