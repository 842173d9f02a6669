"""The first difference is that of the earliest tick, then of the first value in graph order."""

import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.extend.engine import Result
from snnc.ir import Builder
from snnc.runtime.compare import first_difference, graph_order


def zeros() -> dict[str, np.ndarray]:
    return {name: np.zeros((2, 4, 3), dtype=np.uint8) for name in ("a", "b")}


def test_equal_results_have_no_difference():
    assert first_difference(zeros(), zeros()) is None


def test_the_earliest_tick_wins_over_graph_order():
    right = zeros()
    right["a"][0, 3, 0] = 1
    right["b"][1, 2, 2] = 5
    found = first_difference(zeros(), right, order=["a", "b"])
    assert found is not None
    assert "%b[2] at tick 2 of sample 1: left 0, right 5" == str(found)


def test_within_a_tick_the_first_value_in_graph_order_wins_then_the_sample():
    right = zeros()
    right["a"][0, 2, 0] = right["b"][1, 2, 1] = right["b"][0, 2, 2] = 1
    found = first_difference(zeros(), right, order=["b", "a"], names=("was", "is"))
    assert found is not None
    assert ("b", 2, 0, (2,)) == (found.name, found.tick, found.sample, found.index)
    assert "%b[2] at tick 2 of sample 0: was 0, is 1" == str(found)


def test_a_constant_differs_before_the_first_tick():
    left, right = zeros(), zeros()
    left["c"], right["c"] = np.zeros((2, 3)), np.ones((2, 3))
    right["a"][0, 0, 0] = 1
    found = first_difference(left, right, untimed=("c",))
    assert found is not None
    assert "%c[0] of sample 0: left 0, right 1" == str(found)


def test_results_compare_by_outputs_and_traces():
    right = zeros()
    right["b"][0, 1, 1] = 1
    found = first_difference(
        Result({"a": zeros()["a"]}, trace={"b": zeros()["b"]}),
        Result({"a": right["a"]}, trace={"b": right["b"]}),
    )
    assert found is not None
    assert "b" == found.name


def test_different_shapes_and_different_names_are_refused():
    with pytest.raises(SnncError, match="compare-shape"):
        first_difference({"a": np.zeros((1, 2))}, {"a": np.zeros((1, 3))})
    with pytest.raises(SnncError, match="nothing-to-compare"):
        first_difference({"a": np.zeros((1, 2))}, {"b": np.zeros((1, 2))})


def test_graph_order_has_a_potential_after_its_spikes():
    b = Builder("n", "int")
    b.emit("neuron", [b.input("x", "u1[2]~")], {"threshold": 1, "potential": True}, names="sp")
    module = b.finish(b.ops[-1].results[1])
    assert ["x", "s", "s.v", "p"] == graph_order(module)
