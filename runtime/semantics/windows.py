"""Windows over the axes behind the channels: which elements each window reads, in plain index form.

All geometry is read from an op's attributes here, once for convolutions, transposed convolutions
and pools of one or two axes.
"""

from itertools import product
from typing import Any

import numpy as np
from attrs import frozen

from snnc.diagnostics import fail
from snnc.ir.graph import Op
from snnc.ir.weights import Array


@frozen
class Geometry:
    """Numbers per axis: window size, step, zeros before and after, distance of taps."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    out: tuple[int, ...]


def paddings(op: Op, axes: int) -> tuple[tuple[int, int], ...]:
    """Return (before, after) per axis: none, one number per axis, or befores then afters."""
    given = tuple(op["padding"]) or (0,) * axes
    both = given * 2 if len(given) == axes else given
    return tuple(zip(both[:axes], both[axes:], strict=True))


def geometry(op: Op, kernel: tuple[int, ...]) -> Geometry:
    """Return the windows of a convolution or pool; a pool's stride is its kernel by default."""
    axes = len(kernel)
    default = kernel if "pool" in op.kind else (1,) * axes
    return Geometry(
        kernel,
        tuple(op["stride"]) or default,
        paddings(op, axes),
        tuple(op["dilation"]) or (1,) * axes,
        op.result.type.shape[1:],
    )


def padded(x: Array, padding: tuple[tuple[int, int], ...], fill: object) -> Array:
    """Return x with `fill` around its last axes; a negative number cuts elements off."""
    around = [(max(b, 0), max(a, 0)) for b, a in padding]
    wide = np.pad(x, [(0, 0)] * (x.ndim - len(padding)) + around, constant_values=fill)  # type: ignore[call-overload]
    cut = tuple(
        slice(max(-b, 0), n - max(-a, 0))
        for (b, a), n in zip(padding, wide.shape[wide.ndim - len(padding) :], strict=True)
    )
    return np.asarray(wide[(..., *cut)])


def taps(x: Array, shape: Geometry, fill: object = 0) -> Array:
    """Return `(..., taps, *out)`: for each tap of the window, the element it reads, or `fill`."""
    wide = padded(x, shape.padding, fill)
    found = []
    for tap in product(*(range(k) for k in shape.kernel)):
        start = [t * d for t, d in zip(tap, shape.dilation, strict=True)]
        index: list[Any] = [...]
        index += (
            slice(a, a + s * (n - 1) + 1, s)
            for a, s, n in zip(start, shape.stride, shape.out, strict=True)
        )
        found.append(wide[tuple(index)])
    return np.stack(found, axis=x.ndim - len(shape.kernel))


def inside(op: Op, shape: Geometry) -> Array:
    """Return how many elements of x each window holds, refusing windows that hold none."""
    ones = np.ones(op.values[0].type.shape[1:], dtype=np.int64)
    counts = taps(ones, shape).sum(axis=0)
    if (counts == 0).any():
        raise fail(
            "empty-window",
            f"{op.name}: {int((counts == 0).sum())} windows lie wholly in the padding",
            op.loc,
            help="use less padding or dilation",
        )
    return np.asarray(counts)


def upsampled(op: Op, kernel: tuple[int, ...], x: Array) -> tuple[Array, Geometry]:
    """Return x with zeros between its elements and the windows that make a transposed convolution.

    It is an ordinary convolution with the flipped kernel over the spread input.
    """
    axes = len(kernel)
    stride = tuple(op["stride"]) or (1,) * axes
    dilation = tuple(op["dilation"]) or (1,) * axes
    extra = tuple(op["output_padding"]) or (0,) * axes
    sizes = x.shape[-axes:]
    wide = tuple((n - 1) * s + 1 for n, s in zip(sizes, stride, strict=True))
    spread = np.zeros((*x.shape[:-axes], *wide), dtype=x.dtype)
    places: list[Any] = [..., *(slice(None, None, s) for s in stride)]
    spread[tuple(places)] = x
    padding = tuple(
        (d * (k - 1) - b, d * (k - 1) - a + e)
        for d, k, (b, a), e in zip(dilation, kernel, paddings(op, axes), extra, strict=True)
    )
    return spread, Geometry(kernel, (1,) * axes, padding, dilation, op.result.type.shape[1:])
