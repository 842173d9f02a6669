"""The weight RAM against recorded rows, and packing and unpacking as inverses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snnc.diagnostics import SnncError
from snnc.targets.paicore.chip import ram
from snnc.targets.paicore.limits import LIMITS


def hexes(words):
    return [f"{int(w):016X}" for w in np.ravel(words)]


@given(
    st.sampled_from([1, 2, 4, 8]),
    st.sampled_from([1, 2, 4]),
    st.integers(0, 2**32 - 1),
    st.sampled_from([1152, 144]),
)
def test_unpacking_weights_inverts_packing(bits, extension, seed, axons):
    low, high = LIMITS.weight_range(bits)
    shape = (3, extension * axons)
    weights = np.random.default_rng(seed).integers(low, high, shape, np.int8, endpoint=True)
    rows = ram.pack_weights(weights, bits, extension, axons)
    assert rows.shape == (512, 18)
    np.testing.assert_array_equal(weights, ram.unpack_weights(rows, 3, bits, extension, axons))


def test_packed_weights_match_the_recorded_rows():
    i, j = np.arange(1200), np.arange(60)[:, None]
    weights = np.zeros((60, 2304), dtype=np.int8)
    weights[:, :1200] = (7 * i + 3 * j * j + i * j) % 15 - 7
    rows = ram.pack_weights(weights, 4, 2)
    assert hexes(rows[0, :3]) == ["D999B3336666CCCD", "CD999B3336666CCC", "CCD999B3336666CC"]
    assert hexes(rows[9, :2]) == ["0F1E1E3C3C7878F0", "F0F1E1E3C3C7878F"]


def test_weights_out_of_range_or_too_many_are_refused():
    with pytest.raises(SnncError) as caught:
        ram.pack_weights(np.full((1, 1152), -1, np.int8), 1, 1)
    assert caught.value.code == "weight-range"
    with pytest.raises(SnncError) as caught:
        ram.pack_weights(np.zeros((65, 1152), np.int8), 8, 1)
    assert caught.value.code == "weight-capacity"
