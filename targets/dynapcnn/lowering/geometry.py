"""Weights as a square kernel without groups and dilation, and the stride and padding that go on.

Zeros stand where a group has no weight, between dilated taps, and beside a kernel that is not
square. Position o of the result reads x with o stride + k = x + padding, so `a` zeros before a
kernel are made good by `a` more of padding.
"""

import numpy as np
from attrs import frozen

from snnc.diagnostics import fail
from snnc.ir.graph import Op
from snnc.ir.weights import Array
from snnc.targets.dynapcnn.artifact.records import Shape
from snnc.targets.dynapcnn.limits import LIMITS


@frozen(eq=False)
class Kernel:
    """A square kernel [out, in, k, k] with stride and padding (y, x), and the result's size."""

    weights: Array
    stride: Shape
    padding: Shape
    size: Shape


def expand(op: Op, weights: Array, shape: Shape) -> Kernel:
    """Return what a linear op or a convolution is on a map of `shape` (features, y, x).

    Raises:
        SnncError: `uneven-padding`, `kernel-not-square` where zeros can't make it square.
    """
    if op.kind == "linear":
        return _square(op, weights.reshape(-1, *shape), (1, 1), (0, 0), shape)
    padding = tuple(op["padding"]) or (0, 0)
    if len(padding) == 4 and padding[:2] != padding[2:]:
        raise fail(
            "uneven-padding",
            f"%{op.result.name} has padding {list(padding)}: before and after differ",
            op.loc,
            help="a core has one padding for both sides of an axis",
        )
    dense = _spread(_ungrouped(weights, op["groups"]), tuple(op["dilation"]) or (1, 1))
    return _square(op, dense, tuple(op["stride"]) or (1, 1), padding[:2], shape)


def _ungrouped(weights: Array, groups: int) -> Array:
    """Return weights over all input features, 0 outside a feature's own group."""
    if groups == 1:
        return weights
    out, per, *taps = weights.shape
    dense = np.zeros((groups, out // groups, groups, per, *taps), dtype=weights.dtype)
    own = np.arange(groups)
    dense[own, :, own] = weights.reshape(groups, out // groups, per, *taps)
    return dense.reshape(out, groups * per, *taps)


def _spread(weights: Array, dilation: Shape) -> Array:
    if dilation == (1, 1):
        return weights
    sizes = [d * (k - 1) + 1 for d, k in zip(dilation, weights.shape[2:], strict=True)]
    spread = np.zeros((*weights.shape[:2], *sizes), dtype=weights.dtype)
    spread[:, :, :: dilation[0], :: dilation[1]] = weights
    return spread


def _square(op: Op, weights: Array, stride: Shape, padding: Shape, shape: Shape) -> Kernel:
    length = max(weights.shape[2:])
    found = []
    for n, k, s, p in zip(shape[1:], weights.shape[2:], stride, padding, strict=True):
        axis = _axis(n, k, s, p, length)
        if axis is None:
            raise fail(
                "kernel-not-square",
                f"%{op.result.name} has a kernel of {list(weights.shape[2:])} on a map "
                f"{list(shape[1:])}, which zeros can't make square",
                op.loc,
                help="use a square kernel, or a map as high as it is wide before a linear op",
            )
        found.append(axis)
    before, strides, paddings, sizes = zip(*found, strict=True)
    square = np.zeros((*weights.shape[:2], length, length), dtype=weights.dtype)
    rows, columns = (slice(a, a + k) for a, k in zip(before, weights.shape[2:], strict=True))
    square[:, :, rows, columns] = weights
    return Kernel(square, strides, paddings, sizes)


def _axis(n: int, k: int, s: int, p: int, length: int) -> tuple[int, int, int, int] | None:
    """Return zeros before the kernel, stride, padding and size of one axis; None: impossible.

    One position needs no particular stride, so any legal one that leaves one position will do.
    """
    size = (n + 2 * p - k) // s + 1
    if k == length:
        return 0, s, p, size
    for step in (s, *(t for t in LIMITS.strides if size == 1 and t != s)):
        for a in range(min(length - k, LIMITS.max_padding - p) + 1):
            room = n + 2 * (p + a) - length
            if room >= 0 and room // step + 1 == size:
                return a, step, p + a, size
    return None
