"""Arrays as text: the same as that of nested lists."""

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from snnc.targets.dynapcnn.artifact.json_text import dumps

ARRAYS = arrays.arrays(
    st.sampled_from([np.int8, np.int16, np.int64, np.bool_]),
    arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)


@settings(deadline=None, derandomize=True, database=None)
@given(ARRAYS)
def test_an_array_reads_like_its_lists(array: np.ndarray) -> None:
    assert json.dumps(array.tolist(), separators=(",", ":")) == dumps(array)


def test_keys_are_sorted_and_nothing_is_spaced() -> None:
    value = {"b": [1, True, None, "é"], "a": {"y": 2, "x": np.array([[1], [-2]])}}
    expected = {"b": [1, True, None, "é"], "a": {"y": 2, "x": [[1], [-2]]}}
    assert json.dumps(expected, sort_keys=True, separators=(",", ":")) == dumps(value)
