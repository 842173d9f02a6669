"""Second-order rounding: better than nearest where sources spike together, same if they don't."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.passes.second_order import PANEL, factor, made_up_for
from snnc.passes.second_order import round_rows as round_and_cost


def round_rows(wanted, moments, low, high):
    return round_and_cost(wanted, factor(moments), low, high)[0]


def cost(wanted, codes, moments):
    off = codes - wanted
    return (off @ moments * off).sum()


def spikes(rng, n, samples=200):
    causes = rng.poisson(2.0, (samples, 4))
    return causes @ rng.integers(0, 3, (4, n)) + rng.poisson(0.3, (samples, n))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_error_of_the_sums_is_smaller_than_that_of_rounding_to_nearest(seed):
    rng = np.random.default_rng(seed)
    x = spikes(rng, 24)
    moments = x.T @ x
    wanted = rng.normal(size=(6, 24))
    codes = round_rows(wanted, moments, -7, 7)
    assert cost(wanted, codes, moments) < cost(wanted, np.rint(wanted), moments)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_sources_that_never_meet_are_rounded_to_nearest(seed):
    rng = np.random.default_rng(seed)
    wanted = rng.normal(size=(3, 8)) * 3
    codes = round_rows(wanted, np.diag(rng.integers(0, 9, 8)), -7, 7)
    np.testing.assert_array_equal(np.clip(np.rint(wanted), -7, 7), codes)


def test_two_sources_that_always_spike_together_share_their_error():
    codes = round_rows(np.array([[0.4, 0.4]]), np.full((2, 2), 1000), -1, 1)
    np.testing.assert_array_equal([[0, 1]], np.sort(codes))


def test_a_synapse_that_is_not_there_does_not_appear():
    x = spikes(np.random.default_rng(0), 8)
    wanted = np.random.default_rng(1).normal(size=(5, 8))
    wanted[:, ::2] = 0
    codes = round_rows(wanted, x.T @ x, -1, 1)
    np.testing.assert_array_equal(np.zeros((5, 4)), codes[:, ::2])


def test_codes_stay_in_range():
    x = spikes(np.random.default_rng(0), 8)
    codes = round_rows(np.random.default_rng(1).normal(size=(5, 8)) * 9, x.T @ x, 0, 1)
    assert (codes.min(), codes.max()) == (0, 1)


def test_silent_sources_say_nothing():
    codes = round_rows(np.array([[0.6, -2.4]]), np.zeros((2, 2), np.int64), -1, 1)
    np.testing.assert_array_equal([[1, -1]], codes)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_cost_is_that_of_the_error(seed):
    rng = np.random.default_rng(seed)
    x = spikes(rng, 2 * PANEL + 5, samples=400)
    moments, wanted = x.T @ x, rng.normal(size=(3, x.shape[1]))
    codes, costs = round_and_cost(wanted, factor(moments), -3, 3)
    off, damped = (
        codes - wanted,
        moments + np.eye(len(moments)) * np.trace(moments) / len(moments) / 100,
    )
    np.testing.assert_allclose(costs, (off @ damped * off).sum(axis=1), rtol=1e-9)


def test_weights_make_up_for_sources_that_count_otherwise():
    rng = np.random.default_rng(0)
    meant = spikes(rng, 12, samples=500)
    seen = np.maximum(meant - (meant > 4), 0)
    real = rng.normal(size=(5, 12))
    moments = seen.T @ seen
    found = made_up_for(real, factor(moments), moments, meant.T @ seen)
    before, after = (np.square(w @ seen.T - real @ meant.T).sum() for w in (real, found))
    assert after < before / 2


def test_sources_that_count_the_same_need_no_making_up():
    x = spikes(np.random.default_rng(0), 8)
    real = np.random.default_rng(1).normal(size=(5, 8))
    np.testing.assert_array_equal(real, made_up_for(real, factor(x.T @ x), x.T @ x, x.T @ x))
