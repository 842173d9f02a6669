"""Sums as the profiles define them: exact, then rounded once to float32 or float16.

Factors are cut into pieces on a grid, so short that BLAS adds their products without rounding in
whatever order; few pieces do for spikes, whose products need one bit each. The sums of the pieces
are then added without error, and rounded to odd before the one rounding that counts.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from snnc.ir.weights import Array

Doubles = NDArray[np.float64]
DIGITS = 53
"""Bits of a double."""

HALF = 21
"""Bits of a piece of a factor that is no small whole number."""


class Product:
    """x @ w for a fixed matrix `(terms, columns)`; pieces of w are made once per width."""

    def __init__(self, w: Array) -> None:
        self.w = w.astype(np.float64)
        self.room = DIGITS - max(len(w) - 1, 0).bit_length()
        self._pieces: dict[int, list[tuple[Array | None, Doubles]]] = {}

    def __call__(self, x: Array, dtype: np.dtype) -> Array:
        """Return `(rows, columns)` rounded to `dtype`; without meaning for infinite factors."""
        wide = x.astype(np.float64)
        if not np.isfinite(wide).all() or not np.isfinite(self.w).all():
            with np.errstate(all="ignore"):
                return np.asarray((wide @ self.w).astype(dtype))
        bits = _whole_bits(wide)
        mine = [wide] if bits is not None else pieces(wide, HALF)
        theirs = self._cut(HALF if bits is None else bits)
        if len(mine) == 1 and len(theirs) == 1:
            return rounded([mine[0] @ theirs[0][1]], dtype)
        return self._joined(mine, theirs, dtype)

    def _joined(
        self, mine: list[Doubles], theirs: list[tuple[Array | None, Doubles]], dtype: np.dtype
    ) -> Array:
        """Return the sum of all products; columns that one piece makes need no more work."""
        if not mine or not theirs:
            rows = len(mine[0]) if mine else 0
            return np.zeros((rows, self.w.shape[1]), dtype=dtype)
        if len(mine) > 1:
            full = [self._spread(a, columns, b) for a in mine for columns, b in theirs]
            return rounded(full, dtype)
        made = rounded([mine[0] @ theirs[0][1]], dtype)
        some = np.unique(np.concatenate([c for c, _ in theirs[1:] if c is not None]))
        first = mine[0] @ theirs[0][1][:, some]
        rest = [self._spread(mine[0], c, b)[:, some] for c, b in theirs[1:]]
        made[:, some] = rounded([first, *rest], dtype)
        return made

    def _spread(self, x: Doubles, columns: Array | None, w: Doubles) -> Doubles:
        if columns is None:
            return np.asarray(x @ w)
        full = np.zeros((len(x), self.w.shape[1]))
        full[:, columns] = x @ w
        return full

    def _cut(self, bits: int) -> list[tuple[Array | None, Doubles]]:
        """Return pieces of w, all but the first as (columns that are not 0, these columns)."""
        if bits not in self._pieces:
            found: list[tuple[Array | None, Doubles]] = []
            for number, piece in enumerate(pieces(self.w, self.room - bits)):
                columns = np.flatnonzero(piece.any(axis=0)) if number else None
                found.append((columns, piece if columns is None else piece[:, columns]))
            self._pieces[bits] = found or [(None, self.w)]
        return self._pieces[bits]


def _whole_bits(x: Doubles) -> int | None:
    """Return how many bits hold each of x's whole numbers; None for fractions or large numbers."""
    top = float(np.abs(x).max(initial=0.0))
    if top > 2.0**HALF or (top not in (0.0, 1.0) and (x != np.rint(x)).any()):
        return None
    if top == 1.0 and ((x != 0) & (x != 1) & (x != -1)).any():
        return None
    return max(1, int(top).bit_length())


def pieces(array: Doubles, bits: int) -> list[Doubles]:
    """Return arrays that add up to `array`, each of multiples of one unit below 2^bits units."""
    rest, found = array, []
    while rest.any():
        top = int(np.frexp(np.abs(rest).max())[1])
        unit = np.ldexp(1.0, top - bits)
        piece = np.trunc(rest / unit) * unit
        found.append(piece)
        rest = rest - piece
    return found


def exact_sum(a: Doubles, b: Doubles) -> tuple[Doubles, Doubles]:
    """Return a + b rounded, and what the rounding left out."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def settled(terms: Sequence[Doubles]) -> tuple[Doubles, Doubles]:
    """Return the rounded sum of terms and a number with the sign of what is left out."""
    held = [np.array(t) for t in terms]
    moved = len(held) > 1
    while moved:
        moved = False
        for i in range(1, len(held)):
            total, error = exact_sum(held[i], held[i - 1])
            moved |= not (np.array_equal(total, held[i]) and np.array_equal(error, held[i - 1]))
            held[i], held[i - 1] = total, error
    left = np.zeros_like(held[-1])
    for term in held[:-1]:
        left = np.where(term != 0, term, left)
    return held[-1], left


def odd(value: Doubles, left: Doubles) -> Doubles:
    """Return value + left with an odd last bit where it is not exact."""
    inexact = (left != 0) & (value.view(np.int64) & 1 == 0)
    if not inexact.any():
        return value
    return np.where(inexact, np.nextafter(value, np.copysign(np.inf, left)), value)


def rounded(terms: Sequence[Doubles], dtype: np.dtype, count: int = 1) -> Array:
    """Return the exact sum of terms over a positive whole number, rounded once."""
    with np.errstate(all="ignore"):
        bad = any(not np.isfinite(t).all() for t in terms)
        if bad:
            return np.asarray((np.sum(terms, axis=0) / count).astype(dtype))
        value, left = settled(terms)
        if count != 1:
            value, left = _divided(value, left, float(count))
        return np.asarray(odd(value, left).astype(dtype))


def _divided(value: Doubles, left: Doubles, count: float) -> tuple[Doubles, Doubles]:
    """Return a quotient and the sign of its error."""
    quotient = value / count
    high, low = _halves(quotient)
    product = [high * count, low * count]
    missing = settled([left, -product[1], -product[0], value])
    return quotient, np.where(missing[0] != 0, missing[0], missing[1])


def _halves(a: Doubles) -> tuple[Doubles, Doubles]:
    """Return two numbers of at most 26 bits that add up to a."""
    scaled = a * float(2**27 + 1)
    high = scaled - (scaled - a)
    return high, a - high
