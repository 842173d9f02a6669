"""Matrices and convolutions of real numbers in the numpy engine: sums rounded once, by BLAS.

A sum in float64, in whatever order it is made, lies within a known distance of the true one. Where
everything within that distance rounds to one number of the result's element, that is the result.
The few others are summed exactly.
"""

import numpy as np

from snnc.ir.graph import Op
from snnc.ir.types import Element
from snnc.ir.weights import Array
from snnc.runtime.semantics import exact, sums

UNIT = 2.0**-53
"""What a float64 operation rounds by at most, of its result."""

BLOCK = 1 << 20
"""Products that are made one by one at a time."""

WIDENED = 1.001
"""Factor that covers what is rounded while a bound is computed."""


class RealProduct:
    """x -> x @ w.T + bias over rows `(rows, in)`, each sum rounded once to the result's element."""

    def __init__(self, op: Op, w: Array, bias: Array | None, element: Element) -> None:
        self.op, self.element, self.target = op, element, op.result.type.element
        self.w = np.ascontiguousarray(w.T, dtype=np.float64)
        self.bias = np.zeros(len(w)) if bias is None else bias.astype(np.float64)
        self.each, self.start = doubt(np.abs(self.w).sum(axis=0), self.bias, len(self.w))

    def __call__(self, x: Array) -> Array:
        """Return the product of some rows.

        Raises:
            OutOfRange: a sum is beyond the largest number of the result's element.
        """
        x = x.astype(np.float64)
        y = x @ self.w
        y += self.bias
        greatest = np.maximum(x.max(axis=1, initial=0), -x.min(axis=1, initial=0))
        reach = np.multiply.outer(greatest, self.each)
        reach += self.start
        return sums.stored(self.op, self.rounded(x, y, reach))

    def rounded(self, x: Array, y: Array, reach: Array) -> Array:
        """Return sums, each known up to what `reach` says, as the exact ones round."""
        kind = self.target.storage
        with np.errstate(over="ignore", invalid="ignore"):
            found = (y + reach).astype(kind)
            least = np.subtract(y, reach, out=reach).astype(kind)
        rows, outs = np.nonzero(least != found)
        step = max(1, BLOCK // x.shape[1]) if x.size else 1
        for at in range(0, len(rows), step):
            place = rows[at : at + step], outs[at : at + step]
            w, bias = self.w.T[place[1]], self.bias[place[1]]
            found[place] = exactly(x[place[0]], w, bias, self.element, self.target)
        return found


def doubt(weight: Array, bias: Array, terms: int) -> tuple[Array, Array]:
    """Return how far a float64 sum may lie from the true one: per greatest input, and at least.

    `weight` has the sum of the weights' magnitudes of each output, `terms` is their number. Each of
    the products and sums rounds by `UNIT` at most, and so does what is done with the bound itself.
    """
    rounding = UNIT * WIDENED * (2 * terms + 4)
    return rounding * weight, rounding * np.abs(bias)


def exactly(x: Array, w: Array, bias: Array | float, given: Element, made: Element) -> Array:
    """Return x w + bias of each row of inputs and weights, without rounding until the end."""
    bits = exact.significant_bits(given, x.shape[1])
    parts = exact.slices(w, bits[1])
    terms = [(a * b).sum(axis=1) for a in exact.slices(x, bits[0]) for b in parts]
    return exact.rounded([*terms, np.broadcast_to(bias, len(x))], made)
