"""Choosing the step of a scale, and rounding to it: numbers only, no IR.

Weights of `bits` bits that are rounded to nearest use the symmetric range -m..m, m = 2^(bits-1) - 1
(0..1 for one bit), so that w and -w are equally exact. Every decision is made with exact integers
or with single IEEE operations in a fixed order, so it is the same on any machine.
"""

import numpy as np
from numpy.typing import NDArray

from snnc.ir.weights import Array

Reals = NDArray[np.float64]

FIXED = 18
"""Fractional bits of weights while clips are compared: squares of 2^26 weights sum in int64."""

CLIPS = np.arange(40, 7, -1) / 40
"""Clipping points tried by `mse`, as parts of the largest magnitude: 1.0 down to 0.2."""

CHUNK = 1 << 21
"""Weights looked at in one go, which bounds the memory of a search."""

RELATIVE = 2.5e-7
"""Relative error of a float32 weight that was written as integer times step, with some room."""


def top_weight(bits: int) -> int:
    """Return the greatest weight of `bits` bits that is used."""
    return 1 if bits == 1 else (1 << bits - 1) - 1


def snapped(values: Reals) -> Reals:
    """Return values with those that are integers but for float32 noise made integers."""
    near = np.rint(values)
    return np.where(np.abs(values - near) <= 1e-9 + np.abs(near) * 2 * RELATIVE, near, values)


def choose_steps(matrix: Reals, bits: int, method: str, percentile: float = 100.0) -> Reals:
    """Return the step of each row of `matrix`, 0 for a row of zeros.

    A row that is integers times a step keeps that step, or the finest whole part of it that
    `bits` allows: nothing is lost. Any other row gets max / m (`max`), or as much of it as the clip
    of the largest magnitude with the least squared error says, the largest of equals (`mse`), or
    the magnitude that `percentile` of 100 weights of the row, without its zeros, do not exceed.
    """
    pieces = np.array_split(matrix, max(1, min(len(matrix), matrix.size // CHUNK)))
    return np.concatenate([_choose_steps(rows, bits, method, percentile) for rows in pieces])


def _choose_steps(matrix: Reals, bits: int, method: str, percentile: float) -> Reals:
    top = top_weight(bits)
    peak = np.abs(matrix).max(axis=1, initial=0.0)
    used = np.where(peak > 0, peak, 1.0)
    counts = _lattice(matrix, used, top)
    clips = np.ones(len(peak))
    rest = counts == 0
    if method == "mse" and rest.any():
        clips[rest] = _best_clips(matrix[rest], used[rest], top)
    elif method == "percentile" and rest.any():
        clips[rest] = _percentiles(matrix[rest], percentile) / used[rest]
    whole = np.maximum(counts, 1) * np.where(rest, top, top // np.maximum(counts, 1))
    return np.where(peak > 0, clips * used / whole, 0.0)


def _lattice(matrix: Reals, peak: Reals, top: int) -> NDArray[np.int64]:
    """Return the least k per row such that row / peak * k are integers, 0 where there is none."""
    found = np.zeros(len(matrix), dtype=np.int64)
    width = min(16, matrix.shape[1])
    if not width:
        return found
    # The largest weights alone reject nearly every k, so whole rows are rarely looked at.
    order = np.argpartition(np.abs(matrix), matrix.shape[1] - width, axis=1)[:, -width:]
    sample = np.take_along_axis(matrix, order, axis=1) / peak[:, None]
    for k in range(1, top + 1):
        fits = np.flatnonzero((found == 0) & _whole(sample * k, k).all(axis=1))
        for row in np.array_split(fits, max(1, fits.size * matrix.shape[1] // CHUNK)):
            sure = _whole(matrix[row] / peak[row, None] * k, k).all(axis=1)
            found[row[sure]] = k
    return found


def _whole(values: Reals, k: int) -> NDArray[np.bool_]:
    return np.abs(values - np.rint(values)) <= RELATIVE * k


def _percentiles(matrix: Reals, percentile: float) -> Reals:
    sizes = np.sort(np.abs(matrix), axis=1)
    zeros = np.count_nonzero(sizes == 0, axis=1)
    rank = np.ceil((sizes.shape[1] - zeros) * percentile / 100).astype(np.int64)
    at = zeros + np.maximum(rank, 1) - 1
    return np.asarray(np.take_along_axis(sizes, at[:, None], axis=1)[:, 0])


def _best_clips(matrix: Reals, peak: Reals, top: int) -> Reals:
    columns = max(1, CHUNK // len(matrix))
    errors = np.zeros((len(CLIPS), len(matrix)), dtype=np.int64)
    for start in range(0, matrix.shape[1], columns):
        part = np.abs(matrix[:, start : start + columns]) / peak[:, None]
        fixed = np.rint(part * (1 << FIXED)).astype(np.int64)
        for number, clip in enumerate(CLIPS):
            step = round(clip * (1 << FIXED) / top)
            rounded = np.minimum((fixed + step // 2) // step, top) * step
            errors[number] += ((fixed - rounded) ** 2).sum(axis=1)
    return np.asarray(CLIPS[errors.argmin(axis=0)])


def round_weights(wanted: Reals, bits: int, exact: bool = False) -> tuple[Array, int]:
    """Return weights in steps rounded half to even and clipped, and how many were clipped.

    Weights that are integers already (`exact`) may use the whole range of two's complement.
    """
    low, top = weight_range(bits, exact)
    codes = np.clip(np.rint(wanted), low, top).astype(np.int64)
    return codes, count_clipped(wanted, bits, exact)


def weight_range(bits: int, lowest: bool) -> tuple[int, int]:
    """Return the least and the greatest weight; `lowest`: with the one that has no opposite."""
    top = top_weight(bits)
    return (0 if bits == 1 else -top - lowest), top


def count_clipped(wanted: Reals, bits: int, lowest: bool) -> int:
    """Return how many weights in steps round to integers out of range."""
    (low, top), rounded = weight_range(bits, lowest), np.rint(wanted)
    return int(np.count_nonzero((rounded < low) | (rounded > top)))
