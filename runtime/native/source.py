"""Products as the native code sees them: linear ops and convolutions, plain or transposed."""

from collections.abc import Callable

import numpy as np
from attrs import evolve, frozen

from snnc.ir.graph import Module, Op
from snnc.ir.types import F32
from snnc.ir.weights import Array
from snnc.runtime.native.arrangement import Arrangement
from snnc.runtime.native.bounds import Range, matrix_rows, parts, sum_range
from snnc.runtime.native.grids import Grid
from snnc.runtime.native.neurons import LIMIT
from snnc.runtime.native.window import (
    Window,
    convolution_weights,
    convolution_window,
    matrix_weights,
    matrix_window,
)
from snnc.runtime.semantics import windows

Layout = Callable[[Array], Array]


@frozen(eq=False)
class Source:
    """A product: its shape, weights `(groups, runs, elements, out)`, bias, and how x is read.

    `layout` brings x `(samples, ticks, *shape)` into `(samples, ticks, *places, channels)` with the
    zeros around it; `result` says how what comes out lies in memory. Weights of a float product
    are counted in units of `unit`, a power of two.
    """

    op: Op
    window: Window
    weights: Array
    bias: Array | None
    x: Range
    total: Range
    layout: Layout
    result: Arrangement
    unit: float = 0.0

    @property
    def real(self) -> bool:
        """Whether weights and bias are numbers of units, each a float32 in truth."""
        return self.unit > 0

    @property
    def binary(self) -> bool:
        """Whether the inputs are 0 or 1."""
        return self.x[0] >= 0 and self.x[1] <= 1

    def element(self, vnni: bool) -> int | None:
        """Return the bytes of an input in dot products, or None where there are none."""
        low, high = int(self.weights.min(initial=0)), int(self.weights.max(initial=0))
        if vnni and self.x[0] >= 0 and self.x[1] <= 255 and low >= -128 and high <= 127:
            return 1
        small = 2**15 - 1
        inside = -small <= min(low, self.x[0]) and max(high, self.x[1]) <= small
        return 2 if inside else None

    def bits(self) -> int:
        """Return the bits that hold each weight."""
        low, high = int(self.weights.min(initial=0)), int(self.weights.max(initial=0))
        return next(b for b in (8, 16, 32) if -(2 ** (b - 1)) <= low and high < 2 ** (b - 1))

    def reach(self) -> int:
        """Return what no sum of the weights of active inputs exceeds."""
        rows = self.weights.transpose(0, 3, 1, 2).reshape(-1, self.window.fan_in)
        up, down = parts(rows)
        return int(max(up.max(initial=0), down.max(initial=0)))


def source(module: Module, op: Op, x: Range) -> Source | None:
    """Return the product of an op whose input has a range; None where the code cannot be exact.

    That is where a sum may leave 32 bits, which the reference refuses, or where neither events nor
    dot products of 16 bits hold the numbers.
    """
    timed = op.values[0].type.timed
    if not timed or not (op.kind.endswith("linear") or op.kind.startswith("conv")):
        return None
    w, bias = matrix_rows(module, op)
    total = sum_range(w, bias, x)
    if max(-total[0], total[1]) > LIMIT or not w.size or not op.values[0].type.size:
        return None
    made = _matrix if op.kind.endswith("linear") else _convolution
    found = made(op, w, bias, x, total)
    return found if found.binary or found.element(False) else None


def real_source(module: Module, op: Op, grid: Grid | None) -> Source | None:
    """Return the product of small whole numbers with float weights, None where it is not exact.

    Inputs are whole numbers of a unit, as `grid` says; weights and bias are counted in the largest
    unit of which all are multiples. Where the sums fit 64 bits, these are exact, and their one
    rounding is that to float32.
    """
    x, y = op.values[0].type, op.result.type
    if not x.timed or y.element != F32 or not x.size or not y.size:
        return None
    if grid is None or grid.most > MOST_GRADED:
        return None
    w, bias = matrix_rows(module, op)
    constant = None if bias is None else bias.astype(np.float64) / grid.unit
    counted = _counted(w.astype(np.float64), constant, grid.most)
    if counted is None:
        return None
    made = _matrix if op.kind.endswith("linear") else _convolution
    whole, start, unit = counted
    found = made(op, whole, start, (0, grid.most), (0, 0))
    inner = found.layout

    def layout(array: Array) -> Array:
        if array.dtype.kind == "f":
            array = (array / np.float32(grid.unit)).astype(np.uint8)
        return inner(array)

    return evolve(found, unit=unit * grid.unit, layout=layout)


def plain_source(op: Op, w: Array, bias: Array | None) -> Source:
    """Return a product of any numbers with float64 weights, of which no range is known."""
    made = _matrix if op.kind.endswith("linear") else _convolution
    return made(op, w, bias, (0, 0), (0, 0))


MOST_GRADED = 255
"""Largest input of a product with float weights, in units: it is a byte in memory."""


def _counted(w: Array, bias: Array | None, top: int) -> tuple[Array, Array | None, float] | None:
    """Return float64 weights and bias as int64 numbers of a unit; None if their sums need more.

    Inputs are whole numbers up to `top`.
    """
    constant = np.zeros(len(w)) if bias is None else bias
    used = np.concatenate([w.reshape(-1), constant])
    used = used[used != 0]
    if not np.isfinite(used).all():
        return None
    power = common_power(used)
    most = top * np.abs(w).sum(axis=tuple(range(1, w.ndim))) + np.abs(constant)
    if power < _LEAST_POWER or most.max() >= 2.0 ** min(62 + power, _MOST_POWER):
        return None
    counts = (np.ldexp(array, -power).astype(np.int64) for array in (w, constant))
    whole, start = counts
    return whole, None if bias is None else start, 2.0**power


def common_power(numbers: Array) -> int:
    """Return the exponent, at most 0, of a power of two of which all float64 are multiples.

    None of the numbers is 0.
    """
    fractions, exponents = np.frexp(numbers)
    digits = np.ldexp(fractions, DIGITS).astype(np.int64)
    places = np.frexp((digits & -digits).astype(np.float64))[1] - 1
    return int((exponents - DIGITS + places).min(initial=0))


DIGITS = 53
"""Binary digits of a float64."""

_LEAST_POWER, _MOST_POWER = -120, 120
"""Powers of two between which a sum is neither too small for a normal float32 nor too large."""


def _matrix(op: Op, w: Array, bias: Array | None, x: Range, total: Range) -> Source:
    shape = op.result.type.shape
    rows = int(np.prod(shape[:-1]))
    window = matrix_window(rows, w.shape[1], w.shape[0])
    result = Arrangement(shape, rows, w.shape[0], last=True)
    return Source(op, window, matrix_weights(w), bias, x, total, lambda a: a, result)


def _convolution(op: Op, w: Array, bias: Array | None, x: Range, total: Range) -> Source:
    channels, *size = op.values[0].type.shape
    kernel = w.shape[2:]
    transposed = op.kind.startswith("conv_transpose")
    shape = (
        windows.upsampled(op, kernel, np.zeros((1, channels, *size), np.uint8))[1]
        if transposed
        else windows.geometry(op, kernel)
    )

    def layout(array: Array) -> Array:
        if transposed:
            array = windows.upsampled(op, kernel, array)[0]
        return surrounded(np.moveaxis(array, 2, -1), shape.padding)

    probe = layout(np.broadcast_to(np.zeros((), np.uint8), (1, 1, channels, *size)))
    window = convolution_window(
        op["groups"], channels, probe.shape[2:-1], shape, op.result.type.shape[0]
    )
    result = Arrangement(
        op.result.type.shape, window.places * window.groups, window.channels, last=False
    )
    return Source(op, window, convolution_weights(w, window), bias, x, total, layout, result)


def surrounded(x: Array, padding: tuple[tuple[int, int], ...]) -> Array:
    """Return `(samples, ticks, *places, channels)` with zeros around the places, or parts cut."""
    if not any(n for pair in padding for n in pair):
        return x
    inner = [
        slice(max(-b, 0), n - max(-a, 0)) for (b, a), n in zip(padding, x.shape[2:-1], strict=True)
    ]
    x = x[(slice(None), slice(None), *inner)]
    around = [(max(b, 0), max(a, 0)) for b, a in padding]
    wide = [n + b + a for n, (b, a) in zip(x.shape[2:-1], around, strict=True)]
    found = np.zeros((*x.shape[:2], *wide, x.shape[-1]), dtype=x.dtype)
    places = [slice(b, b + n) for n, (b, _) in zip(x.shape[2:-1], around, strict=True)]
    found[(slice(None), slice(None), *places)] = x
    return found
