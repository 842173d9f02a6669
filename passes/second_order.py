"""Rounding that lets later weights of a row make up for the errors of earlier ones.

The error of a row of weights, d, costs d^T H d, with H the second moments of what it reads. With
H = L D L^T (L unit lower triangular) that is the sum of D_j (d_j + sum over k > j of L_kj d_k)^2,
so weights are fixed from the last to the first, each at the grid point nearest to its own value
less what the fixed ones pull: the method of OBQ and GPTQ, and of Babai's nearest plane before them.
Columns with the largest moments are fixed first. Numbers only, no IR; each float operation is a
single IEEE one in a fixed order, so results are the same on any machine.
"""

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.ir.weights import Array
from snnc.passes.rounding import Reals

PART = 1024
"""Columns that make up for each other: time grows with the cube, memory with the square."""

DAMPING = 100
"""The mean of the diagonal over this is added to it, for sources too rare to be known well."""

PANEL = 64
"""Columns that are fixed while what pulls at them stays in a cache."""


@frozen(eq=False)
class Factors:
    """L and D of the damped moments, of columns in `order`, in units of the mean moment."""

    order: NDArray[np.int64]
    lower: Reals
    diagonal: Reals
    unit: float


def factor(moments: Array) -> Factors | None:
    """Return the factors of moments (n, n), int64; None where nothing was seen to spike."""
    diagonal = np.diagonal(moments)
    n, trace = len(moments), int(diagonal.sum(dtype=object))
    if trace == 0:
        return None
    order = np.argsort(diagonal, kind="stable")
    unit = trace / n
    rest = moments[np.ix_(order, order)].astype(np.float64) / unit
    rest[np.diag_indices(n)] += 1 / DAMPING
    lower, pivots = np.eye(n), np.empty(n)
    for j in range(n):
        pivots[j] = rest[j, j]
        below = rest[j + 1 :, j]
        lower[j + 1 :, j] = below / pivots[j]
        rest[j + 1 :, j + 1 :] -= np.multiply.outer(lower[j + 1 :, j], below)
    return Factors(order, lower, pivots, unit)


def made_up_for(real: Reals, factors: Factors, moments: Array, cross: Array) -> Reals:
    """Return weights (rows, n) whose sums over what they read come closest to those wanted.

    Wanted are the sums of `real` over other counts of the same sources; `cross` (n, n) are the
    moments of those counts with what is read, `moments` of what is read with itself. Weights of 0
    stay 0.
    """
    order, lower, n = factors.order, factors.lower, len(factors.order)
    gap = (cross - moments)[np.ix_(order, order)] / factors.unit
    given = np.ascontiguousarray(real.T[order])
    moved = np.zeros(given.shape)
    for k in range(n):
        moved += np.multiply.outer(gap[k], given[k])
    for k in range(n):
        moved[k + 1 :] -= np.multiply.outer(lower[k + 1 :, k], moved[k])
    moved /= factors.diagonal[:, None]
    for k in range(n - 1, -1, -1):
        moved[:k] -= np.multiply.outer(lower[k, :k], moved[k])
    found = np.empty(real.shape)
    found[:, order] = np.where(given == 0, 0, given + moved).T
    return found


def round_rows(wanted: Reals, factors: Factors | None, low: int, high: int) -> tuple[Array, Reals]:
    """Return integers in low..high for `wanted` (rows, n), and what the error of each row costs.

    A weight of 0 stays 0: a synapse that is not there does not appear.
    """
    if factors is None:
        return np.clip(np.rint(wanted), low, high).astype(np.int64), np.zeros(len(wanted))
    given = np.ascontiguousarray(wanted.T[factors.order])
    chosen, off = np.empty(given.shape), np.empty(given.shape)
    cost, n = np.zeros(given.shape[1]), len(given)
    for first in range((n - 1) // PANEL * PANEL, -1, -PANEL):
        last = min(first + PANEL, n)
        pull = _pull(factors.lower, off, first, last)
        for j in range(last - 1, first - 1, -1):
            code = np.clip(np.rint(given[j] - pull[j - first]), low, high)
            chosen[j] = np.where(given[j] == 0, 0, code)
            off[j] = chosen[j] - given[j]
            pull[: j - first] += np.multiply.outer(factors.lower[j, first:j], off[j])
            cost += factors.diagonal[j] * np.square(off[j] + pull[j - first])
    codes = np.empty(wanted.shape, dtype=np.int64)
    codes[:, factors.order] = chosen.T
    return codes, cost * factors.unit


def _pull(lower: Reals, off: Reals, first: int, last: int) -> Reals:
    """Return how the errors of all columns from `last` on pull at those from `first` to there."""
    pull = np.zeros((last - first, off.shape[1]))
    each = np.empty_like(pull)
    for k in range(len(off) - 1, last - 1, -1):
        np.multiply.outer(lower[k, first:last], off[k], out=each)
        pull += each
    return pull
