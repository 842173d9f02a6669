from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.targets.lynxi.emulation.exact import Product, rounded


def once(exact: Fraction, dtype: str) -> float:
    """The number of `dtype` nearest to a fraction, ties to even, found by trying neighbors."""
    kind = np.dtype(dtype).type
    near = kind(float(exact))
    if not np.isfinite(near):
        return float(near)
    tries = [near, np.nextafter(near, kind(np.inf)), np.nextafter(near, kind(-np.inf))]
    tries = [t for t in tries if np.isfinite(t)]
    bits = {t: int(np.array(t).view(f"u{t.itemsize}")) for t in tries}
    return float(min(tries, key=lambda t: (abs(Fraction(float(t)) - exact), bits[t] & 1)))


@st.composite
def factors(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, terms, columns = (
        draw(st.integers(1, 3)),
        draw(st.integers(1, 40)),
        draw(st.integers(1, 4)),
    )
    spread = draw(st.sampled_from([0, 4, 25]))
    w = rng.normal(size=(terms, columns)) * 2.0 ** rng.integers(-spread, 1, (terms, columns))
    kind = draw(st.sampled_from(["bits", "counts", "reals"]))
    x = rng.normal(size=(rows, terms)) * 2.0 ** rng.integers(-spread, 1, (rows, terms))
    if kind != "reals":
        x = np.rint(rng.random((rows, terms)) * (1 if kind == "bits" else 9))
    return x.astype(np.float32), w.astype(np.float32)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(given=factors())
def test_products_are_exact_and_rounded_once(given, dtype):
    x, w = given
    made = Product(w)(x, np.dtype(dtype))
    for r in range(len(x)):
        for c in range(w.shape[1]):
            total = sum(
                Fraction(float(a)) * Fraction(float(b)) for a, b in zip(x[r], w[:, c], strict=True)
            )
            assert once(total, dtype) == float(made[r, c])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 9))
def test_means_are_rounded_once(seed, count):
    rng = np.random.default_rng(seed)
    terms = (rng.normal(size=(count, 5)) * 2.0 ** rng.integers(-30, 1, (count, 5))).astype("f4")
    made = rounded(list(terms.astype(np.float64)), np.dtype("float32"), count)
    for c in range(5):
        exact = sum(Fraction(float(t)) for t in terms[:, c]) / count
        assert once(exact, "float32") == float(made[c])


def test_infinite_factors_give_infinity_and_no_endless_loop():
    x = np.array([[np.inf, 1.0]], np.float32)
    assert np.isinf(Product(np.ones((2, 1)))(x, np.dtype("float32"))).all()
