"""Folds batch normalization into the layer before it.

A normalization is y = k x + c per channel with k = gamma / sqrt(variance + epsilon) and
c = beta - mean k. After a linear op or a convolution, k goes into its weights and c into its
bias; anywhere else the op becomes a depthwise convolution with a window of one, which is the op of
the level with one weight and one bias per channel.

APPROXIMATE, because of rounding only: k, c and the products are computed in float64 and rounded
once to the weights' element, while the network before the pass rounded after the layer and after
the normalization. The error per value is a few units in the last place of float32.
"""

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.diagnostics import fail, fuse
from snnc.extend.passes import Context, Exactness, Pass
from snnc.ir.analysis import live_ops, makers, readers
from snnc.ir.graph import Module, Op, Operand, Value
from snnc.ir.opset import Symbol
from snnc.ir.rewrite import Rebuild, Replace, rebuild, with_ops
from snnc.ir.types import Element
from snnc.ir.weights import tensor
from snnc.passes.weight_names import hand_over

FOLDABLE = ("linear", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d")

Doubles = NDArray[np.float64]


@frozen
class FoldNorm(Pass):
    """Fold batch normalization into the weights and the bias of the layer before it."""

    name = "fold-norm"
    level = "snn"
    exactness = Exactness.APPROXIMATE

    def run(self, module: Module, context: Context) -> Module:
        """Return the module without batch_norm.

        Raises:
            SnncError: `norm-variance` where variance + epsilon is not positive,
                `weight-not-finite` where a folded weight leaves float32.
        """
        # A chain of normalizations folds from its head on, one link per round.
        while any(True for _ in module.ops("batch_norm")):
            folded = rebuild(module, _folder(module))
            module = with_ops(folded, live_ops(folded.graph))
        return module


def _folder(module: Module) -> Replace:
    made_by = makers(module.graph)

    def one(op: Op, build: Rebuild) -> list[Value] | None:
        if op.kind != "batch_norm":
            return None
        layer = made_by.get(op.values[0])
        if layer is not None and layer.kind == "batch_norm":
            return None
        factor, offset = coefficients(module, op)
        if layer is not None and _per_channel(layer):
            return [_into(module, layer, op, factor, offset, build)]
        return [_depthwise(op, factor, offset, build)]

    return one


def _per_channel(layer: Op) -> bool:
    """Whether axis 0 of a layer's result is the axis of its weights' outputs."""
    return layer.kind in FOLDABLE and (layer.kind != "linear" or len(layer.result.type.shape) == 1)


def coefficients(module: Module, op: Op) -> tuple[Doubles, Doubles]:
    """Return k and c of a normalization, one float64 per channel."""
    mean, variance, gamma, beta = (module.tensor(s).astype(np.float64) for s in op.symbols)
    spread = variance + op["epsilon"]
    if (spread <= 0).any():
        channel = int(np.argmax(spread <= 0))
        raise fail(
            "norm-variance",
            f"variance + epsilon of %{op.result.name} is {spread[channel]} in channel {channel}",
            op.loc,
            help="a variance is never negative; repair the checkpoint, or raise epsilon",
        )
    factor: Doubles = gamma / np.sqrt(spread)
    return factor, beta - mean * factor


def _into(
    module: Module, layer: Op, norm: Op, factor: Doubles, offset: Doubles, build: Rebuild
) -> Value:
    w = layer.symbols[0]
    old = module.tensor(w).astype(np.float64)
    element = module.symbol_type(w).element
    if layer.kind.startswith("conv_transpose"):
        groups = layer["groups"]
        split = old.reshape(groups, old.shape[0] // groups, *old.shape[1:])
        scaled = split * factor.reshape(groups, 1, old.shape[1], *[1] * (old.ndim - 2))
        scaled = scaled.reshape(old.shape)
    else:
        scaled = old * factor.reshape(-1, *[1] * (old.ndim - 1))
    given = len(layer.symbols) > 1
    bias = (module.tensor(layer.symbols[1]).astype(np.float64) if given else 0.0) * factor + offset
    others = readers(module.graph)[layer.result] != [norm] or layer.result in module.graph.outputs
    names = [w.name, layer.symbols[1].name if given else f"{w.name.removesuffix('.w')}.b"]
    if not others:
        names[: len(layer.symbols)] = [hand_over(symbol, build) for symbol in layer.symbols]
    operands: list[Operand] = [
        build(layer.values[0]),
        rounded(scaled, element, names[0], layer, build),
        rounded(bias, element, names[1], layer, build),
    ]
    loc = fuse(layer.loc, norm.loc)
    made = build.emit(layer.kind, operands, layer.attrs, loc=loc, names=[norm.result.name])
    return made.result


def _depthwise(op: Op, factor: Doubles, offset: Doubles, build: Rebuild) -> Value:
    x, shape = build(op.values[0]), op.result.type.shape
    element, name = op.result.type.element, op.result.name
    w = rounded(factor.reshape(-1, 1, 1), element, f"{name}.w", op, build)
    bias = rounded(offset, element, f"{name}.b", op, build)
    if len(shape) == 2:
        return build.emit("conv1d", [x, w, bias], {"groups": shape[0]}, names=[name]).result
    flat = build.op("reshape", x, shape=(shape[0], op.result.type.size // shape[0]))
    normed = build.op("conv1d", flat, w, bias, groups=shape[0])
    return build.op("reshape", normed, name=name, shape=shape)


def rounded(values: Doubles, element: Element, name: str, op: Op, build: Rebuild) -> Symbol:
    """Return a new weight: doubles, rounded once to an element."""
    with np.errstate(over="ignore"):
        narrow = values.astype(element.storage)
    return build.weight(name, tensor(narrow, element, op.loc, f"@{name}"))
