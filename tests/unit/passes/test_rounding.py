"""Steps of scales: lattices are found, clips are the best of the grid, nothing else is touched."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snnc.passes.rounding import CLIPS, choose_steps, round_weights, snapped, top_weight


def rounded(matrix, steps, bits):
    return round_weights(matrix / steps[:, None], bits)[0] * steps[:, None]


@pytest.mark.parametrize(("bits", "expected"), [(1, 1), (2, 1), (4, 7), (8, 127)])
def test_weights_use_a_symmetric_range(bits, expected):
    assert top_weight(bits) == expected


@given(
    seed=st.integers(0, 2**32 - 1),
    bits=st.sampled_from([2, 4, 8]),
    step=st.floats(1e-6, 1e3),
    method=st.sampled_from(["max", "mse"]),
)
def test_float32_multiples_of_a_step_keep_their_integers(seed, bits, step, method):
    rng = np.random.default_rng(seed)
    top = top_weight(bits)
    integers = rng.integers(-top, top + 1, (3, 20))
    integers[:, 0] = 1
    matrix = (np.float32(step) * integers.astype(np.float32)).astype(np.float64)
    steps = choose_steps(matrix, bits, method)
    np.testing.assert_allclose(rounded(matrix, steps, bits), matrix, rtol=1e-6)


def test_a_coarse_lattice_gets_the_finest_part_of_its_step():
    assert choose_steps(np.array([[0.5, -1.0, 1.5]]), 8, "mse") == pytest.approx(1.5 / 126)


def test_max_loses_no_weight_to_clipping():
    matrix = np.random.default_rng(0).normal(size=(4, 100))
    steps = choose_steps(matrix, 4, "max")
    np.testing.assert_allclose(steps * 7, np.abs(matrix).max(axis=1))
    assert round_weights(matrix / steps[:, None], 4)[1] == 0


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_mse_finds_the_clip_of_least_error(bits):
    matrix = np.random.default_rng(1).standard_t(3, size=(6, 200))
    steps = choose_steps(matrix, bits, "mse")
    peak = np.abs(matrix).max(axis=1)

    def error(step):
        return ((rounded(matrix, step, bits) - matrix) ** 2).sum(axis=1)

    best = np.min([error(clip * peak / top_weight(bits)) for clip in CLIPS], axis=0)
    assert (error(steps) <= best * 1.001).all()


def test_rows_of_zeros_have_no_step():
    np.testing.assert_array_equal(choose_steps(np.zeros((2, 3)), 8, "mse"), [0, 0])


def test_a_large_layer_is_looked_at_in_parts_with_the_same_result(monkeypatch):
    matrix = np.random.default_rng(2).normal(size=(3, 50))
    whole = choose_steps(matrix, 4, "mse")
    monkeypatch.setattr("snnc.passes.rounding.CHUNK", 8)
    np.testing.assert_array_equal(choose_steps(matrix, 4, "mse"), whole)


def test_integers_that_are_exact_may_use_the_lowest_code():
    assert round_weights(np.array([-128.0]), 8, exact=True)[0] == -128
    assert round_weights(np.array([-128.0]), 8)[0] == -127


def test_only_float32_noise_is_snapped():
    values = np.array([3.0000005, 3.001, 2.5, 0.0])
    np.testing.assert_array_equal(snapped(values), [3.0, 3.001, 2.5, 0.0])
