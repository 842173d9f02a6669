"""Biases that no leak holds come from neurons that always fire; spikes and potentials stay."""

from typing import Any

import numpy as np
import pytest

import snnc
from snnc.diagnostics import SnncError
from snnc.extend.passes import Context
from snnc.ir import Builder, Module, Value
from snnc.targets.paicore.legalise import Legalise
from tests.unit.targets.paicore.test_values import emulated

RNG = np.random.default_rng(11)
LATE = {"leak": -2, "leak_order": "after"}
REVERSAL = {"leak": -1, "leak_reversal": True}


class Net:
    """Layers with biases over one input."""

    def __init__(self, element: str = "u1", size: int = 6) -> None:
        self.build = Builder("net", "int")
        self.x = self.build.input("x", f"{element}[{size}]~")

    def sums(self, source: Value, size: int, bias: Any, low: int = -4, high: int = 7) -> Value:
        weights = RNG.integers(low, high, (size, source.type.size), endpoint=True)
        symbol = self.build.weight("w", weights.astype(np.int8))
        values = np.broadcast_to(np.asarray(bias, np.int32), (size,))
        return self.build.op("linear", source, symbol, self.build.weight("b", values))

    def layer(self, name: str, sums: Value, **attrs: Any) -> Value:
        given = {"threshold": 9, "negative": 30, "width": 30, **attrs}
        return self.build.op("neuron", sums, name=name, **given)


def same(module: Module, folder: Any, ticks: int = 25, high: int = 2, **options: Any) -> Any:
    """Compile, and compare every layer of the files with the reference."""
    (x,) = module.graph.inputs
    spikes = RNG.integers(0, high, (3, ticks, *x.type.shape)).astype(np.uint8)
    return emulated(module, {"x": spikes}, folder, **options)


def clocks(build: Any) -> list[str]:
    return sorted({op["of"] for op in build.placed.ops("layer") if "clock" in op["of"]})


@pytest.mark.parametrize("leak", [LATE, REVERSAL, {**LATE, **REVERSAL}], ids=str)
@pytest.mark.parametrize("reset", ["soft", "hard", "none"])
def test_a_bias_beside_a_late_or_reversal_leak(leak: dict[str, Any], reset: str, tmp_path) -> None:
    net = Net()
    sums = net.sums(net.x, 4, [3, -2, 0, 1])
    build = same(net.build.finish(net.layer("a", sums, reset=reset, **leak)), tmp_path)
    assert ["a.clock"] == clocks(build)


def test_a_reversal_leak_without_memory_is_a_leak_like_any_other(tmp_path) -> None:
    net = Net()
    made = net.layer("a", net.sums(net.x, 4, [9, -2, 0, 5]), memory="clear", **REVERSAL)
    assert [] == clocks(same(net.build.finish(made), tmp_path))


@pytest.mark.parametrize("high", [1, 7, 127])
@pytest.mark.parametrize("bias", [-700, 700])
def test_a_bias_beyond_one_weight_is_a_sum_of_several(bias: int, high: int, tmp_path) -> None:
    net = Net()
    sums = net.sums(net.x, 3, [bias, 0, 5], low=-(high > 1), high=high)
    made = net.layer("a", sums, threshold=900, negative=900, **LATE)
    build = same(net.build.finish(made), tmp_path, ticks=12)
    (clock,) = (op for op in build.placed.ops("layer") if op["of"] == "a.clock" and not op["copy"])
    assert (6,) == clock["shape"]


def test_a_bias_into_layers_that_work_at_other_times(tmp_path) -> None:
    net = Net()
    a = net.layer("a", net.sums(net.x, 5, 2), first=3, **LATE)
    b = net.layer("b", net.sums(a, 5, -1), first=3, ticks=9, **REVERSAL)
    c = net.layer("c", net.sums(a, 5, 4), **LATE)
    build = same(net.build.finish(b, c), tmp_path)
    assert ["a.clock", "c.clock"] == clocks(build)


def test_a_bias_behind_a_delay_begins_when_it_arrives(tmp_path) -> None:
    net = Net()
    late = net.build.op("delay", net.sums(net.x, 5, [4, -3, 0, 1, 2]), by=6)
    both = net.build.op("add", late, net.sums(net.x, 5, 1))
    a = net.layer("a", both)
    b = net.layer("b", net.build.op("delay", net.sums(a, 5, 2), by=2), first=4)
    build = same(net.build.finish(b), tmp_path)
    assert ["a.clock", "gate.clock"] == clocks(build)


def test_biases_of_maps_and_convolutions(tmp_path) -> None:
    build = Builder("net", "int")
    x = build.input("x", "u1[2, 6, 6]~")
    kernel = build.weight("k", RNG.integers(-3, 4, (3, 2, 3, 3)).astype(np.int8))
    bias = build.weight("b", np.array([2, -1, 3], np.int32))
    sums = build.op("conv2d", x, kernel, bias, padding=[1, 1])
    made = build.op("neuron", sums, name="a", threshold=6, negative=8, width=30, **LATE)
    pooled = build.op(
        "sum_pool2d",
        build.op(
            "conv2d",
            made,
            build.weight("k2", np.ones((1, 3, 1, 1), np.int8)),
            build.weight("b2", np.array([-2], np.int32)),
        ),
        kernel=[2, 2],
    )
    last = build.op("neuron", pooled, name="b", threshold=3, negative=4, width=30, **REVERSAL)
    same(build.finish(last), tmp_path)


def test_a_bias_of_neurons_that_read_values(tmp_path) -> None:
    net = Net("u8")
    sums = net.sums(net.x, 7, RNG.integers(-300, 300, 7))
    attrs = {"memory": "clear", "spike": "value", "truncate": 11, "threshold": 1}
    made = net.layer("a", sums, leak=-40, leak_order="after", **attrs)
    same(net.build.finish(made), tmp_path, high=256)


def test_a_bias_before_a_sum_that_wraps(tmp_path) -> None:
    net = Net()
    sums = net.sums(net.x, 4, [3, -2, 0, 1])
    wraps = {"overflow": "wrap-paibox", "leak": 1 << 28, "reset": "none", "threshold": 5}
    made = net.layer("a", sums, **wraps, negative=None)
    assert ["a.clock"] == clocks(same(net.build.finish(made), tmp_path))


def test_a_bias_with_more_inputs_than_one_slot_has_axons(tmp_path) -> None:
    net = Net(size=1152)
    made = net.layer("a", net.sums(net.x, 3, [5, -5, 1]), threshold=400, negative=400, **LATE)
    same(net.build.finish(made), tmp_path, ticks=140)


def test_a_bias_that_takes_too_many_neurons_is_refused_with_the_numbers() -> None:
    net = Net()
    made = net.layer("a", net.sums(net.x, 2, [1 << 28, 0]), **LATE)
    with pytest.raises(SnncError) as error:
        Legalise().run(net.build.finish(made), Context())
    assert ("unsupported-neuron", 4) == (error.value.code, error.value.exit_status)
    assert str(1 << 28) in str(error.value)
    assert error.value.diagnostics[0].help


def test_a_leak_and_a_bias_beyond_a_record_are_refused_with_the_sum() -> None:
    net = Net()
    made = net.layer("a", net.sums(net.x, 2, [1 << 29, 0]), leak=1)
    with pytest.raises(SnncError) as error:
        snnc.compile(net.build.finish(made), "paicore")
    assert str((1 << 29) + 1) in str(error.value)
