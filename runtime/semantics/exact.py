"""Exact sums of floats, rounded once: what `snn` means by a sum.

Every factor is cut into slices of few bits on a common grid, so that each product of slices and
each partial sum of them is a float64 without rounding, in whatever order they are added (BLAS
included). The few slice sums of a result are then added without error and rounded once, through a
rounding to odd, which makes the second rounding harmless. So a sum does not depend on its order.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from snnc.ir.types import Element
from snnc.ir.weights import Array

Floats = NDArray[np.float64]

MANTISSA = 53


def significant_bits(element: Element, terms: int) -> tuple[int, int]:
    """Return the slice widths (of x, of w) for sums of `terms` products; x holds `element`."""
    room = MANTISSA - max(terms - 1, 0).bit_length()
    mine = min(room // 2, room // 2 if element.is_float else element.bits)
    return mine, room - mine


def slices(array: Array, bits: int) -> list[Floats]:
    """Return float64 arrays that add up to `array`, each of multiples of one unit below 2^bits."""
    rest = array.astype(np.float64)
    found: list[Floats] = []
    while rest.any():
        top = int(np.frexp(np.abs(rest).max())[1])
        part = np.ldexp(np.trunc(np.ldexp(rest, bits - top)), top - bits)
        found.append(part)
        rest = rest - part
    return found


def dot(x: list[Floats], w: list[Floats], shape: tuple[int, ...]) -> list[Floats]:
    """Return terms whose sum is the matrix product exactly; `shape` is that of the product."""
    return [a @ b for a in x for b in w] or [np.zeros(shape)]


def two_sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Return the rounded sum and its error; together they are a + b exactly."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def two_product(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Return the rounded product and its error, by splitting both factors into halves."""
    p = a * b
    ah, al = _halves(a)
    bh, bl = _halves(b)
    return p, ((ah * bh - p) + ah * bl + al * bh) + al * bl


def _halves(a: Floats) -> tuple[Floats, Floats]:
    scaled = a * 134217729.0
    high = scaled - (scaled - a)
    return high, a - high


def distilled(terms: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Return the sum rounded to float64 and a number with the sign of what that left out."""
    parts = [np.array(t, dtype=np.float64) for t in np.broadcast_arrays(*terms)]
    settled = len(parts) < 2
    while not settled:
        settled = True
        for i in range(len(parts) - 1):
            s, e = two_sum(parts[i + 1], parts[i])
            settled &= np.array_equal(s, parts[i + 1]) and np.array_equal(e, parts[i])
            parts[i + 1], parts[i] = s, e
    rest = np.zeros_like(parts[-1])
    for part in parts[:-1]:
        rest = np.where(part != 0, part, rest)
    return parts[-1], rest


def to_odd(value: Floats, rest: Floats) -> Floats:
    """Return `value + rest` rounded to odd: an inexact result gets an odd last bit."""
    even = (value.view(np.int64) & 1) == 0
    return np.where((rest != 0) & even, np.nextafter(value, np.copysign(np.inf, rest)), value)


def rounded(terms: Sequence[Floats], element: Element) -> Array:
    """Return the exact sum of `terms`, rounded once to a float element."""
    with np.errstate(over="ignore"):
        odd = terms[0] if len(terms) == 1 else to_odd(*distilled(terms))
        return odd.astype(element.storage)


def divided(terms: Sequence[Floats], divisor: Array, element: Element) -> Array:
    """Return the exact sum of `terms` over a positive divisor, rounded once."""
    value, rest = distilled(terms)
    by = np.broadcast_to(divisor, value.shape).astype(np.float64)
    quotient = value / by
    product, error = two_product(quotient, by)
    _, missing = _last(distilled([value, rest, -product, -error]))
    with np.errstate(over="ignore"):
        return to_odd(quotient, missing).astype(element.storage)


def _last(pair: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    value, rest = pair
    return value, np.where(value != 0, value, rest)
