"""Folds sums and means over windows into the convolution before them.

A pool of the currents that a convolution makes is one convolution: its kernel is the sum of the
kernels at the window's places, its stride the product of both. Quantized before the pool, weights
would be added up to numbers of more bits than they were rounded to; quantized behind this pass they
have the bits that were asked for. Convolutions that others read too, that are dilated, and pools
that pad stay as they are.

APPROXIMATE, because of rounding only: kernels are added up in float64 and rounded once to the
weights' element, while the network before the pass rounded after the convolution and after the
pool.
"""

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
from attrs import frozen

from snnc.diagnostics import fuse
from snnc.extend.passes import Context, Exactness, Pass
from snnc.ir.analysis import live_ops, makers, readers
from snnc.ir.graph import Module, Op, Operand, Value
from snnc.ir.rewrite import Rebuild, Replace, rebuild, with_ops
from snnc.passes.fold_norm import Doubles, rounded
from snnc.passes.weight_names import hand_over

POOLS = ("sum_pool1d", "avg_pool1d", "sum_pool2d", "avg_pool2d")


@frozen
class FoldPool(Pass):
    """Fold sums and means over windows of a convolution's results into its weights."""

    name = "fold-pool"
    level = "snn"
    exactness = Exactness.APPROXIMATE

    def run(self, module: Module, context: Context) -> Module:
        """Return the module without pools right behind a convolution of their own.

        Raises:
            SnncError: `weight-not-finite` where a folded weight leaves float32.
        """
        # A chain of pools folds from its head on, one link per round.
        while layers := _layers(module):
            folded = rebuild(module, _folder(module, layers))
            module = with_ops(folded, live_ops(folded.graph))
        return module


def _layers(module: Module) -> dict[Op, Op]:
    """Return for each pool that does not stay the convolution that it goes into."""
    made_by, read_by = makers(module.graph), readers(module.graph)
    found: dict[Op, Op] = {}
    for pool in module.ops(*POOLS):
        layer = made_by.get(pool.values[0])
        if layer is None or layer.kind != f"conv{pool.kind[-2:]}" or any(_each(pool, "padding", 0)):
            continue
        alone = read_by[layer.result] == [pool] and layer.result not in module.graph.outputs
        if alone and set(_each(layer, "dilation", 1)) == {1}:
            found[pool] = layer
    return found


def _each(op: Op, name: str, default: int) -> tuple[int, ...]:
    """Return an attribute of a convolution or pool, one number per axis of the map."""
    value: Any = op.attrs.get(name)
    axes = len(op.values[0].type.shape) - 1
    if value is None:
        return (default,) * axes
    return tuple(value) * axes if len(value) == 1 else tuple(value)


def _folder(module: Module, layers: Mapping[Op, Op]) -> Replace:
    def one(op: Op, build: Rebuild) -> list[Value] | None:
        layer = layers.get(op)
        return None if layer is None else [_into(module, layer, op, build)]

    return one


def _into(module: Module, layer: Op, pool: Op, build: Rebuild) -> Value:
    window = tuple(pool["kernel"])
    steps = _each(layer, "stride", 1)
    given: Any = pool.attrs.get("stride")
    jumps = tuple(given or window)
    factor = 1 / np.prod(window) if pool.kind.startswith("avg") else 1.0
    kernel = _summed(module.tensor(layer.symbols[0]).astype(np.float64), window, steps) * factor
    element = module.symbol_type(layer.symbols[0]).element
    name = hand_over(layer.symbols[0], build)
    operands: list[Operand] = [build(layer.values[0]), rounded(kernel, element, name, layer, build)]
    if len(layer.symbols) > 1:
        bias = module.tensor(layer.symbols[1]).astype(np.float64) * np.prod(window) * factor
        name = hand_over(layer.symbols[1], build)
        operands.append(rounded(bias, element, name, layer, build))
    attrs = {**layer.attrs, "stride": tuple(a * b for a, b in zip(steps, jumps, strict=True))}
    loc = fuse(layer.loc, pool.loc)
    return build.emit(layer.kind, operands, attrs, loc=loc, names=[pool.result.name]).result


def _summed(kernel: Doubles, window: tuple[int, ...], steps: tuple[int, ...]) -> Doubles:
    """Return the sum of a kernel's copies at all places of a window."""
    sizes = kernel.shape[2:]
    reach = [(n - 1) * s for n, s in zip(window, steps, strict=True)]
    whole = np.zeros((*kernel.shape[:2], *(n + r for n, r in zip(sizes, reach, strict=True))))
    for place in product(*map(range, window)):
        begins = [p * s for p, s in zip(place, steps, strict=True)]
        at = tuple(slice(b, b + n) for b, n in zip(begins, sizes, strict=True))
        whole[(slice(None), slice(None), *at)] += kernel
    return whole
