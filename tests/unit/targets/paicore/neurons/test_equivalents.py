"""Neurons that no record holds, compiled as others that do the same, potentials included."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snnc
from snnc.diagnostics import SnncError
from snnc.ir import Builder, Module
from snnc.ir.types import I32
from tests.unit.targets.paicore.test_values import emulated

RNG = np.random.default_rng(31)


def layer(size: int = 8, low: int = -6, high: int = 9, **attrs: Any) -> Module:
    """Return a module of one layer; lists are parameters per neuron."""
    build = Builder("net", "int")
    x = build.input("x", "u1[6]~")
    weights = RNG.integers(low, high, (size, 6), endpoint=True).astype(np.int8)
    sums = build.op("linear", x, build.weight("w", weights))
    given: dict[str, Any] = {"threshold": 9, "width": 30, **attrs}
    for name, value in given.items():
        if isinstance(value, list):
            given[name] = build.weight(name, np.array(value), I32)
    a = build.op("neuron", sums, name="a", **given)
    more = build.weight("w2", RNG.integers(-3, 6, (4, size)).astype(np.int8))
    return build.finish(build.op("neuron", build.op("linear", a, more), name="b", threshold=7))


def same(module: Module, folder: Path, ticks: int = 40) -> Any:
    share = np.array([0.2, 0.5, 0.95])[:, None, None]
    return emulated(module, {"x": (RNG.random((3, ticks, 6)) < share).astype(np.uint8)}, folder)


SOFT = [
    {"reset_by": 4},
    {"reset_by": 15},
    {"reset_by": 0},
    {"reset_by": [1, 2, 9, 30, 9, 9, 10, 8], "leak": -1},
    {"reset_by": 10, "leak": 2, "leak_order": "after"},
    {"reset_by": 5, "negative": 3},
    {"reset_by": 12, "negative": 30, "initial": 4},
    {"reset_by": 12, "floor": -20},
    {"reset_by": 6, "threshold": -3, "negative": 40},
    {"reset_by": 12, "memory": "clear", "leak": -2},
    {"reset_by": 7, "first": 6},
    {"reset_by": 7, "first": 6, "leak": -1, "ticks": 20},
    {"reset_by": 11, "initial": -2, "first": 6},
]


@pytest.mark.parametrize("attrs", SOFT, ids=str)
def test_a_soft_reset_by_another_amount_than_the_threshold(attrs: dict[str, Any], tmp_path) -> None:
    same(layer(**attrs), tmp_path)


BELOW = [
    {"threshold": -4, "reset": "hard", "reset_to": -20},
    {"threshold": [-4, 3, 0, -30, 5, 6, -1, 2], "reset": "hard", "reset_to": -9, "leak": -1},
    {"threshold": -4, "reset": "none", "leak": -3, "leak_order": "after"},
    {"threshold": -4, "reset": "none", "negative": 2, "negative_mode": "reset"},
    {"threshold": -4, "reset": "hard", "reset_to": -30, "floor": -12},
    {"threshold": -4, "reset": "hard", "memory": "clear"},
    {"threshold": -4, "reset": "hard", "reset_to": -30, "initial": -9, "first": 4},
]


@pytest.mark.parametrize("attrs", BELOW, ids=str)
def test_a_threshold_below_0(attrs: dict[str, Any], tmp_path) -> None:
    same(layer(**attrs), tmp_path)


FLOORS = [
    {"floor": -3, "leak": -2, "leak_order": "after", "reset": "hard"},
    {"floor": -3, "leak": 2, "leak_order": "after", "reset": "none"},
    {"floor": -3, "leak": -2, "leak_order": "after"},
    {"floor": -3, "leak": [-2, 0, 1, -3, 2, -1, 0, 0], "leak_order": "after", "reset_by": 8},
    {"floor": -3, "negative": 7},
    {"floor": -9, "negative": [1, 9, 12, 3, 0, 30, 8, 9]},
    {"floor": -3, "reset": "hard", "reset_to": -8},
    {"floor": -9, "negative": 2, "reset": "hard", "reset_to": -6},
    {"floor": -9, "negative": 2, "reset": "hard", "reset_to": [-12, -9, -6, -1, 0, 2, -3, -2]},
    {"floor": 2, "reset": "hard"},
    {"floor": 2, "reset": "none", "initial": 5},
    {"floor": -3, "leak": -2, "leak_order": "after", "first": 5},
]


@pytest.mark.parametrize("attrs", FLOORS, ids=str)
def test_floors(attrs: dict[str, Any], tmp_path) -> None:
    same(layer(**attrs), tmp_path)


SATURATING = [
    {"width": 6, "reset": "hard"},
    {"width": 6, "reset": "hard", "reset_to": -20, "leak": -2, "initial": 3},
    {"width": 6, "reset": "hard", "negative": 9},
    {"width": 6, "reset": "hard", "negative": 31, "negative_mode": "reset", "reset_to": 2},
    {"width": 6, "reset": "hard", "negative": 32},
    {"width": 6, "reset": "hard", "floor": -20, "leak": -1},
    {"width": 6, "reset": "hard", "threshold": -5, "reset_to": -11},
]


@pytest.mark.parametrize("attrs", SATURATING, ids=str)
def test_potentials_that_saturate_and_are_reset_hard(attrs: dict[str, Any], tmp_path) -> None:
    same(layer(overflow="saturate", low=-30, high=25, **attrs), tmp_path)


def test_a_count_of_at_most_one_is_a_spike(tmp_path) -> None:
    same(layer(spike="count", max_count=1), tmp_path)


COUNTED = [
    {"threshold": 8, "reset": "hard", "reset_to": 3, "leak": -2},
    {"threshold": 1, "reset": "none", "negative": 3, "negative_mode": "reset"},
    {"threshold": 4, "reset": "hard", "memory": "clear", "leak": 5, "leak_order": "after"},
]


@pytest.mark.parametrize("attrs", COUNTED, ids=str)
def test_counts_above_a_power_of_two_are_values(attrs: dict[str, Any], tmp_path) -> None:
    build = Builder("net", "int")
    x = build.input("x", "u1[6]~")
    weights = RNG.integers(-90, 128, (8, 6)).astype(np.int8)
    sums = build.op("linear", x, build.weight("w", weights))
    a = build.op("neuron", sums, name="a", spike="count", max_count=255, width=30, **attrs)
    more = build.weight("w2", RNG.integers(-3, 6, (4, 8)).astype(np.int8))
    last = build.op("linear", a, more)
    b = build.op("neuron", last, name="b", threshold=90, memory="clear", width=30)
    same(build.finish(a, b), tmp_path)


def test_weights_that_shrink_leave_the_zero_where_it_is(tmp_path) -> None:
    build = Builder("net", "int")
    x = build.input("x", "u1[6]~")
    weights = 12 * RNG.integers(-6, 9, (8, 6), endpoint=True)
    sums = build.op("linear", x, build.weight("w", weights.astype(np.int8)))
    a = build.op("neuron", sums, name="a", threshold=60, reset_by=84, width=30)
    made = same(build.finish(a), tmp_path)
    (first,) = (op for op in made.placed.ops("layer") if op["of"] == "a")
    assert ((12,), (-24,)) == (first["unit"], first["zero"])


REFUSED = [
    ({"reset_by": 4, "leak": 1, "leak_reversal": True}, "a reversal leak turns at 0"),
    ({"reset_by": 4, "spike": "value"}, "bits of the potential"),
    ({"reset_by": 4, "overflow": "wrap-paibox"}, "a potential of its own"),
    ({"reset_by": 4, "negative": 3, "negative_mode": "reset"}, "counts from 0"),
    ({"reset_by": 14, "negative": 3}, "above 0"),
    ({"reset_by": -1}, "fire below 0"),
    ({"reset_by": 12, "floor": -2}, "below the floor"),
    ({"floor": -2, "leak": -3, "leak_order": "after"}, "below the floor"),
    ({"threshold": -5, "floor": -2, "reset": "none"}, "lies below the floor"),
    ({"threshold": -2}, "which would add"),
    ({"threshold": 3, "floor": 5, "reset": "hard"}, "fire below 0"),
    ({"floor": -3, "negative": 7, "negative_mode": "reset"}, "that resets"),
    ({"overflow": "saturate"}, "only a hard reset"),
    ({"overflow": "saturate", "reset": "hard", "leak": 1}, "a leak that is positive"),
    (
        {"overflow": "saturate", "reset": "hard", "width": 5, "leak": -10},
        "15, the highest potential",
    ),
    ({"overflow": "saturate", "reset": "hard", "width": 30}, "below what a floor holds"),
    ({"spike": "count"}, "one threshold"),
    ({"spike": "count", "threshold": 8, "reset": "hard"}, "max_count = 255"),
    ({"initial": 9, "first": 2}, "it would fire"),
    ({"initial": 1, "first": 2, "leak": 1, "leak_order": "after"}, "after the compare"),
    ({"initial": -4, "first": 2, "floor": -3}, "below the lowest"),
    ({"initial": -4, "first": 2, "memory": "clear"}, "keeps no potential"),
]


@pytest.mark.parametrize(("attrs", "said"), REFUSED, ids=str)
def test_what_has_no_equivalent_is_refused_with_the_reason(
    attrs: dict[str, Any], said: str
) -> None:
    build = Builder("net", "int")
    x = build.input("x", "u1[3]~")
    made = build.op("neuron", x, name="a", **{"threshold": 9, "width": 30, **attrs})
    sums = build.op("scale", made, build.weight("w", np.ones((), np.int8)))
    made = build.op("neuron", sums, name="b", threshold=1, width=30, memory="clear")
    with pytest.raises(SnncError) as error:
        snnc.compile(build.finish(made), "paicore")
    assert "unsupported-neuron" == error.value.code
    assert said in str(error.value) + error.value.diagnostics[0].help
