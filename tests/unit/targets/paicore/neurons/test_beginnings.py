"""Potentials before the first tick, also of neurons that begin late: every tick is the same."""

from typing import Any

import numpy as np
import pytest

from snnc.ir import Builder
from snnc.ir.types import I32
from tests.unit.targets.paicore.test_values import emulated

RNG = np.random.default_rng(41)


CASES: list[tuple[int, str, dict[str, Any]]] = [
    (0, "soft", {"leak": 2}),
    (0, "none", {"leak": -1, "leak_order": "after"}),
    (1, "hard", {}),
    (8, "soft", {"ticks": 12}),
    (8, "hard", {"leak": 2, "ticks": 12}),
    (8, "none", {"negative": 6, "leak": -2}),
    (260, "soft", {"leak": -1}),
]


@pytest.mark.parametrize(("first", "reset", "more"), CASES, ids=str)
def test_neurons_begin_late_at_any_potential(
    first: int, reset: str, more: dict[str, Any], tmp_path
) -> None:
    build = Builder("net", "int")
    x = build.input("x", "u1[6]~")

    def sums(source: Any, bias: Any = None) -> Any:
        weights = RNG.integers(-4, 7, (5, source.type.size)).astype(np.int8)
        operands = [source, build.weight("w", weights)]
        if bias is not None:
            operands.append(build.weight("b", np.array(bias), I32))
        return build.op("linear", *operands)

    initial = build.weight("v0", np.array([-6, 0, 3, 8, -1]), I32)
    a = build.op("neuron", sums(x), name="a", threshold=5, negative=9, width=30)
    later = build.forward("n", a.type)
    total = build.op(
        "add", sums(x, [1, -2, 0, 3, 0]), sums(a), sums(build.op("delay", later, by=3))
    )
    attrs = {
        "threshold": 9,
        "reset": reset,
        "initial": initial,
        "first": first,
        "width": 30,
        **more,
    }
    n = build.op("neuron", total, name="n", **attrs)
    build.bind(later, n)
    last = build.op("neuron", sums(n), name="z", threshold=5, width=30)
    again = build.op("neuron", sums(n), name="y", threshold=5, width=30, first=first + 2)
    spikes = RNG.integers(0, 2, (2, first + 30, 6)).astype(np.uint8)
    emulated(build.finish(last, again), {"x": spikes}, tmp_path)


def test_values_reach_neurons_that_begin_late(tmp_path) -> None:
    build = Builder("net", "int")
    x = build.input("x", "u8[6]~")
    weights = build.weight("w", RNG.integers(-4, 7, (5, 6)).astype(np.int8))
    values = {"memory": "clear", "threshold": 300, "width": 30}
    a = build.op("neuron", build.op("linear", x, weights), name="a", **values)
    n = build.op("neuron", a, name="n", threshold=4, initial=-2, first=7, width=30)
    spikes = RNG.integers(0, 256, (2, 40, 6)).astype(np.uint8)
    emulated(build.finish(n), {"x": spikes}, tmp_path)
