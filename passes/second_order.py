"""Rounding that lets later weights of a row make up for the errors of earlier ones.

The error of a row of weights, d, costs d^T H d, with H the second moments of what it reads. With
H = L D L^T (L unit lower triangular) that is the sum of D_j (d_j + sum over k > j of L_kj d_k)^2,
so weights are fixed from the last to the first, each at the grid point nearest to its own value
less what the fixed ones pull: the method of OBQ and GPTQ, and of Babai's nearest plane before them.
Columns with the largest moments are fixed first. Numbers only, no IR; each float operation is a
single IEEE one in a fixed order, so results are the same on any machine.
"""

import numpy as np

from snnc.ir.weights import Array
from snnc.passes.rounding import Reals

PART = 1024
"""Columns that make up for each other: time grows with the cube, memory with the square."""

DAMPING = 100
"""The mean of the diagonal over this is added to it, for sources too rare to be known well."""


def round_rows(wanted: Reals, moments: Array, low: int, high: int) -> Array:
    """Return integers in low..high for `wanted` (rows, n), given the moments (n, n) of the columns.

    A weight of 0 stays 0: a synapse that is not there does not appear.
    """
    diagonal = np.diagonal(moments)
    trace = int(diagonal.sum(dtype=object))
    if trace == 0:
        return np.clip(np.rint(wanted), low, high).astype(np.int64)
    order = np.argsort(diagonal, kind="stable")
    lower = _unit_lower(moments[np.ix_(order, order)], trace)
    given = wanted[:, order]
    pull, chosen = np.zeros(given.shape), np.zeros(given.shape)
    for j in range(given.shape[1] - 1, -1, -1):
        code = np.clip(np.rint(given[:, j] - pull[:, j]), low, high)
        chosen[:, j] = np.where(given[:, j] == 0, 0, code)
        pull[:, :j] += np.multiply.outer(chosen[:, j] - given[:, j], lower[j, :j])
    codes = np.empty(given.shape, dtype=np.int64)
    codes[:, order] = chosen
    return codes


def _unit_lower(moments: Array, trace: int) -> Reals:
    """Return L of H = L D L^T, H being the damped moments over their mean diagonal."""
    n = len(moments)
    rest = moments.astype(np.float64) / (trace / n)
    rest[np.diag_indices(n)] += 1 / DAMPING
    lower = np.eye(n)
    for j in range(n - 1):
        below = rest[j + 1 :, j]
        lower[j + 1 :, j] = below / rest[j, j]
        rest[j + 1 :, j + 1 :] -= np.multiply.outer(lower[j + 1 :, j], below)
    return lower
