import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snnc.extend.json_text import Style

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=4)
        | st.dictionaries(st.integers(), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(value=VALUES, indent=st.integers(1, 3), sort_keys=st.booleans())
def test_it_is_what_json_dumps_writes(value, indent, sort_keys):
    expected = json.dumps(value, indent=indent, sort_keys=sort_keys)
    assert expected == Style(indent, sort_keys).text(value)


def test_other_kinds_are_made_plain_wherever_they_stand():
    given = {"a": np.arange(2), "b": [np.float64(0.5), {"c": np.int8(1)}]}
    plain = {"a": [0, 1], "b": [0.5, {"c": 1}]}
    text = Style(plain=lambda value: value.tolist()).text(given)
    assert json.dumps(plain, indent=2) == text


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": {"b": float("nan")}}])
def test_what_json_has_no_number_for_is_refused(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        Style().text(value)


@pytest.mark.parametrize("value", [object(), [b"x"], {"a": [{1, 2}]}])
def test_what_json_has_no_form_for_is_refused(value):
    with pytest.raises(TypeError, match="not JSON serializable"):
        Style().text(value)
