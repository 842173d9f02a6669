"""Matrices, convolutions and pools of the numpy engine; of real numbers only the shapes.

A product of integers runs in float32 only where sum |w| max |x| + |bias| < 2^24 is proven for the
layer: then every partial sum is an integer that float32 holds, whatever the order of the sum. Up
to 2^53 it runs in float64, beyond that in the integers of the reference.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from snnc.ir.graph import Module, Op
from snnc.ir.types import Element
from snnc.ir.weights import Array
from snnc.runtime.numpy_reals import RealProduct
from snnc.runtime.numpy_trains import Rowwise
from snnc.runtime.semantics import sums, windows

WIDEST_TYPE = 16
"""Bits up to which the range of an element, rather than of its values, bounds a product."""


class Product:
    """x -> x @ w.T + bias over rows `(rows, in)`, exact; the result may have a float dtype."""

    def __init__(self, op: Op, w: Array, bias: Array | None, element: Element) -> None:
        self.op, self.w, self.bias, self.element = op, w, bias, element
        self.weight = int(np.abs(w.astype(np.int64)).sum(axis=1).max(initial=0))
        self.constant = 0 if bias is None else int(np.abs(bias.astype(np.int64)).max(initial=0))

    @cached_property
    def _single(self) -> Array:
        return np.ascontiguousarray(self.w.T, dtype=np.float32)

    @cached_property
    def _double(self) -> Array:
        return np.ascontiguousarray(self.w.T, dtype=np.float64)

    @cached_property
    def _slow(self) -> Callable[[Array], Array]:
        return sums.product(self.op, self.w.T, self.bias, self.element)

    def bound(self, x: Array) -> int:
        """Return what no partial sum exceeds."""
        if self.element.bits <= WIDEST_TYPE:
            greatest = max(-self.element.low, self.element.high)
        else:
            greatest = max(-int(x.min(initial=0)), int(x.max(initial=0)))
        return self.weight * greatest + self.constant

    def __call__(self, x: Array) -> Array:
        """Return the product of some rows."""
        bound = self.bound(x)
        if bound >= 2**53:
            return self._slow(x.astype(np.int64))
        w = self._single if bound < 2**24 else self._double
        y = x.astype(w.dtype) @ w
        if self.bias is not None:
            y += self.bias.astype(w.dtype)
        return sums.stored(self.op, y) if bound >= 2**31 else y


def product(op: Op, w: Array, bias: Array | None, element: Element) -> Callable[[Array], Array]:
    """Return x -> x @ w.T + bias over rows of an element, as exact as the level asks."""
    make = RealProduct if op.result.type.element.is_float else Product
    return make(op, w, bias, element)


def matrix_kernel(module: Module, op: Op) -> Rowwise:
    """Return the kernel of a linear op."""
    w = module.tensor(op.symbols[0])
    bias = None
    if op.kind == "masked_linear":
        w = w * module.tensor(op.symbols[1]).astype(w.dtype)
    elif len(op.symbols) > 1:
        bias = module.tensor(op.symbols[1])
    multiply = product(op, w, bias, op.values[0].type.element)

    def run(x: Array) -> Array:
        return multiply(x.reshape(-1, w.shape[1])).reshape(*x.shape[:-1], w.shape[0])

    size = op.values[0].type.size + op.result.type.size
    return Rowwise(op, run, 8 * size)


def _seen(x: Array, shape: windows.Geometry, fill: int) -> Array:
    """Return a view `(rows, channels, *out, *kernel)` of what each window reads."""
    axes = len(shape.kernel)
    wide = windows.padded(x, shape.padding, fill)
    extents = tuple(d * (k - 1) + 1 for d, k in zip(shape.dilation, shape.kernel, strict=True))
    view = sliding_window_view(wide, extents, axis=tuple(range(2, 2 + axes)))
    places: list[Any] = [slice(None), slice(None)]
    places += [slice(0, s * (n - 1) + 1, s) for s, n in zip(shape.stride, shape.out, strict=True)]
    places += [slice(None, None, d) for d in shape.dilation]
    return np.asarray(view[tuple(places)])


def _row_bytes(op: Op, kernel: tuple[int, ...], channels: int) -> int:
    places = int(np.prod(op.result.type.shape[1:]))
    return 9 * (places * channels * int(np.prod(kernel)) + op.result.type.size)


def convolution_kernel(module: Module, op: Op) -> Rowwise:
    """Return the kernel of a convolution, plain or transposed: windows laid out as a matrix."""
    w, groups, axes = module.tensor(op.symbols[0]), op["groups"], op.result.type.shape[1:]
    kernel = w.shape[2:]
    transposed = op.kind.startswith("conv_transpose")
    if transposed:
        flipped = np.flip(w, axis=tuple(range(2, w.ndim)))
        w = np.concatenate([np.swapaxes(p, 0, 1) for p in np.split(flipped, groups)])
    per, ins, places = w.shape[0] // groups, w.shape[1], int(np.prod(axes))
    bias = module.tensor(op.symbols[1]) if len(op.symbols) > 1 else None
    products = [
        product(
            op,
            w[g * per : (g + 1) * per].reshape(per, -1),
            None if bias is None else bias[g * per : (g + 1) * per],
            op.values[0].type.element,
        )
        for g in range(groups)
    ]

    def run(x: Array) -> Array:
        shape = windows.geometry(op, kernel) if not transposed else None
        if shape is None:
            x, shape = windows.upsampled(op, kernel, x)
        view = np.moveaxis(_seen(x, shape, 0), 1, 1 + len(axes))
        channels, parts = 1 + len(axes), []
        for g, multiply in enumerate(products):
            mine = np.take(view, range(g * ins, (g + 1) * ins), axis=channels)
            rows = multiply(mine.reshape(len(x) * places, -1))
            parts.append(np.moveaxis(rows.reshape(len(x), places, per), 2, 1))
        return np.concatenate(parts, axis=1).reshape(len(x), *op.result.type.shape)

    return Rowwise(op, run, _row_bytes(op, kernel, op.values[0].type.shape[0]))


def pool_kernel(module: Module, op: Op) -> Rowwise | None:
    """Return the kernel of a sum or maximum over windows; None where a sum might not fit."""
    element, kernel = op.values[0].type.element, tuple(op["kernel"])
    shape = windows.geometry(op, kernel)
    taps = tuple(range(-len(kernel), 0))
    row_bytes = _row_bytes(op, (1,), op.values[0].type.shape[0])
    if op.kind.startswith("max"):
        windows.inside(op, shape)
        return Rowwise(op, lambda x: _seen(x, shape, element.low).max(axis=taps), row_bytes)
    if max(-element.low, element.high) * int(np.prod(kernel)) >= 2**31:
        return None
    return Rowwise(op, lambda x: _seen(x, shape, 0).sum(axis=taps, dtype=np.int64), row_bytes)
