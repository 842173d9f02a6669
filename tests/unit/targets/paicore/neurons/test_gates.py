"""Readers that begin later than their sources hear what comes from then on, and nothing before."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.extend.passes import Context
from snnc.ir import Builder, Module, Value
from snnc.ir.types import U8
from snnc.targets.paicore.legalise import Legalise
from snnc.targets.paicore.schedule import Schedule
from tests.unit.targets.paicore.test_values import emulated

RNG = np.random.default_rng(23)
VALUES = {"threshold": 1, "spike": "value", "memory": "clear", "width": 30, "truncate": 12}


class Net:
    """Small layers of spikes or of values over one input."""

    def __init__(self, element: str = "u1", shape: tuple[int, ...] = (6,)) -> None:
        self.build = Builder("net", "int")
        self.x = self.build.input("x", f"{element}{list(shape)}~")

    def layer(self, name: str, *sources: Value, size: int = 6, **attrs: Any) -> Value:
        sums = []
        for source in sources:
            flat = self.build.op("reshape", source, shape=[source.type.size])
            weights = RNG.integers(-3, 6, (size, source.type.size)).astype(np.int8)
            sums.append(self.build.op("linear", flat, self.build.weight("w", weights)))
        current = self.build.op("add", *sums) if len(sums) > 1 else sums[0]
        given = {"threshold": 4, "reset": "hard", "negative": 9, "width": 30}
        if any(s.type.element == U8 for s in sources):
            given = VALUES
        return self.build.op("neuron", current, name=name, **{**given, **attrs})

    def delay(self, value: Value, by: int) -> Value:
        return self.build.op("delay", value, by=by)


def same(module: Module, folder: Path, ticks: int = 60) -> list[str]:
    """Compare every layer of the files with the reference; return the layers that were added."""
    (x,) = module.graph.inputs
    high = 256 if x.type.element == U8 else 2
    given = RNG.integers(0, high, (2, ticks, *x.type.shape)).astype(np.uint8)
    build = emulated(module, {"x": given}, folder)
    known = {op.result.name for op in module.ops("neuron")}
    return sorted({op["of"] for op in build.placed.ops("layer")} - known)


@pytest.mark.parametrize("first", [1, 256, 300])
@pytest.mark.parametrize("element", ["u1", "u8"])
def test_a_reader_that_begins_later_than_its_source(element: str, first: int, tmp_path) -> None:
    net = Net(element)
    a = net.layer("a", net.x)
    last = net.layer("b", a, first=first)
    assert ["a.gate", "gate.clock"] == same(net.build.finish(last), tmp_path, first + 30)


def test_readers_of_one_source_that_begin_at_several_ticks(tmp_path) -> None:
    net = Net()
    a = net.layer("a", net.x)
    made = [net.layer(f"r{n}", a, first=n) for n in (0, 2, 2, 5)]
    late = net.layer("d", net.delay(a, 3), a, first=4)
    added = same(net.build.finish(*made, late), tmp_path)
    assert ["a.gate", "a.gate_1", "a.gate_2", "a.gate_3"] == [n for n in added if "clock" not in n]


def test_a_delay_as_long_as_the_reader_is_late_needs_no_gate(tmp_path) -> None:
    net = Net()
    a = net.layer("a", net.x, first=2)
    made = net.layer("b", net.delay(a, 3), first=5)
    assert [] == same(net.build.finish(made), tmp_path)


def test_maps_and_parallel_ways_reach_a_late_reader(tmp_path) -> None:
    net = Net(shape=(2, 4, 4))
    kernel = net.build.weight("k", RNG.integers(-90, 100, (2, 2, 3, 3)).astype(np.int8))
    sums = net.build.op("conv2d", net.x, kernel, padding=[1, 1])
    a = net.build.op("neuron", sums, name="a", threshold=60, negative=90, width=30)
    again = net.build.op("conv2d", a, kernel, padding=[1, 1])
    both = net.build.op("add", again, net.build.op("conv2d", a, kernel, padding=[1, 1]))
    b = net.build.op("neuron", both, name="b", threshold=80, negative=90, width=30, first=6)
    assert "a.gate" in same(net.build.finish(b), tmp_path)


def test_a_late_reader_in_a_loop(tmp_path) -> None:
    net = Net()
    later = net.build.forward("b", "u1[6]~")
    a = net.layer("a", net.x, net.delay(later, 3))
    b = net.layer("b", a, first=5)
    net.build.bind(later, b)
    assert "a.gate" in same(net.build.finish(b), tmp_path)


def test_a_gate_takes_a_tick_of_a_loop() -> None:
    net = Net()
    later = net.build.forward("b", "u1[6]~")
    a = net.layer("a", net.x, net.delay(later, 2))
    b = net.layer("b", a, first=5)
    net.build.bind(later, b)
    with pytest.raises(SnncError) as error:
        Schedule().run(Legalise().run(net.build.finish(b), Context()), Context())
    assert "loop-too-short" == error.value.code
    assert "%a.gate" in str(error.value)


@pytest.mark.parametrize(("by", "first"), [(3, 2), (3, 300), (260, 2), (260, 50), (260, 300)])
def test_late_readers_with_long_delays(by: int, first: int, tmp_path) -> None:
    net = Net()
    a = net.layer("a", net.x, first=1)
    b = net.layer("b", net.delay(a, by), a, net.delay(net.x, by + 1), first=first)
    same(net.build.finish(b), tmp_path, max(by, first) + 120)


@pytest.mark.slow
def test_a_late_reader_far_down_a_network_with_a_shallow_buffer(tmp_path) -> None:
    """The last layer reads so much that its buffer holds 32 ticks."""
    net = Net()
    first = source = net.layer("first", net.x)
    for number in range(33):
        source = net.layer(f"c{number}", source, size=3)
    wide = net.layer("wide", source, size=4700)
    joined = net.build.op("concat", first, net.x)
    last = net.layer("last", wide, net.delay(joined, 2), net.x, size=2, first=9)
    added = same(net.build.finish(last), tmp_path, 30)
    assert {"first.gate", "wide.gate"} <= set(added)
    assert any(".relay" in name for name in added)
