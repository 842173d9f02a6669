"""Second moments of what a maker of currents reads: exact integers, on calibration data.

A sample's firing counts stand for the signal: an integrating neuron sums its input over the ticks,
so an error of a weight shows in proportion to how often its source spikes, and errors of sources
that spike in the same samples add up. A row is what one output channel sees at one place.
"""

from collections.abc import Iterator

import numpy as np

from snnc.diagnostics import fail
from snnc.ir.graph import Op
from snnc.ir.weights import Array

EXACT = 1 << 53
"""Below this, sums of integers in float64 are exact in any order, so a fast product may be used."""

ROWS_BYTES = 1 << 26


def rows(op: Op, shape: tuple[int, ...], counts: Array) -> Iterator[Array]:
    """Yield what the weights of `shape` meet: int64 `(groups, rows, columns)`, by parts.

    Columns are in the order of `buses.per_output`; `counts` is `(samples, *input shape)`.
    """
    if op.kind in ("linear", "masked_linear"):
        yield counts.reshape(1, -1, counts.shape[-1])
        return
    indices = _reads(op, shape[2:], counts.shape[2:])
    size = counts.shape[1] * int(np.prod([index.size for index in indices]))
    step = max(1, ROWS_BYTES // (8 * size))
    for first in range(0, len(counts), step):
        yield _patches(counts[first : first + step], indices, op["groups"])


def _patches(counts: Array, indices: list[Array], groups: int) -> Array:
    for axis, index in enumerate(indices):
        # A zero behind the end stands for everything outside.
        end = [(0, 0)] * counts.ndim
        end[2 + 2 * axis] = (0, 1)
        counts = np.take(np.pad(counts, end), index, axis=2 + 2 * axis)
    places, taps = (range(2 + k, counts.ndim, 2) for k in (0, 1))
    channels = counts.shape[1]
    ordered = counts.transpose(0, *places, 1, *taps)
    grouped = ordered.reshape(-1, groups, channels // groups * _size(counts.shape[3::2]))
    return grouped.swapaxes(0, 1)


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))


def _reads(op: Op, kernel: tuple[int, ...], sizes: tuple[int, ...]) -> list[Array]:
    """Return, per axis, the input index `(places, taps)` that each place of the output reads."""
    axes = len(kernel)
    stride = list(op["stride"]) or [1] * axes
    before = (list(op["padding"]) or [0] * axes)[:axes]
    dilation = list(op["dilation"]) or [1] * axes
    found = []
    for axis in range(axes):
        place = np.arange(op.result.type.shape[1 + axis])[:, None]
        tap, n = np.arange(kernel[axis]) * dilation[axis], sizes[axis]
        if op.kind.startswith("conv_transpose"):
            index, rest = np.divmod(place + before[axis] - tap, stride[axis])
            index = np.where(rest == 0, index, n)
        else:
            index = place * stride[axis] - before[axis] + tap
        found.append(np.where((index < 0) | (index > n), n, index))
    return found


def second_moments(
    op: Op,
    shape: tuple[int, ...],
    counts: Array,
    group: int,
    part: slice,
    real: Array | None = None,
) -> Array:
    """Return the exact sum of x x^T over all rows of a group, int64, of the columns `part`.

    With `real`, counts of the same sources in another network, it is the sum of real x^T.

    Raises:
        SnncError: `moments-too-large` where int64 cannot hold it.
    """
    other = counts if real is None else real
    largest = int(max(np.abs(counts).max(initial=0), np.abs(other).max(initial=0)))
    total, seen = np.zeros((), dtype=np.int64), 0
    for both in zip(rows(op, shape, other), rows(op, shape, counts), strict=True):
        left, right = (grouped[group][:, part] for grouped in both)
        seen += len(left)
        if largest * largest >= EXACT or largest * largest * seen >= 1 << 63:
            raise fail(
                "moments-too-large",
                f"%{op.values[0].name}: sums of up to {largest} over the ticks of a sample, "
                f"squared and added {seen} times, do not fit 64 bits",
                op.loc,
                help="calibrate with fewer samples or ticks, or use rounding=nearest",
            )
        total = total + _product(left, right, largest)
    return total


def _product(left: Array, right: Array, largest: int) -> Array:
    """Return left^T right, exactly: float64 products of as many rows as it can add exactly."""
    step = max(1, (EXACT - 1) // max(1, largest * largest))
    total = np.zeros((left.shape[1], right.shape[1]), dtype=np.int64)
    for first in range(0, len(left), step):
        part = slice(first, first + step)
        total += (left[part].astype(np.float64).T @ right[part].astype(np.float64)).astype(np.int64)
    return total
