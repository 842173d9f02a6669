"""Spikes that would wait longer than a buffer holds them go through relays, and arrive the same."""

import numpy as np
import pytest

from snnc.ir import Builder
from snnc.ir.types import U8
from tests.unit.targets.paicore.test_values import emulated

RNG = np.random.default_rng(8)


class Net:
    """Small layers of spikes or of values, and wide ones, whose buffers are shallow."""

    def __init__(self, element="u1", size=6):
        self.build = Builder("net", "int")
        self.x = self.build.input("x", f"{element}[{size}]~")

    def layer(self, name, *sources, size=6, **attrs):
        sums = []
        for source in sources:
            weights = RNG.integers(-3, 6, (size, source.type.size)).astype(np.int8)
            sums.append(self.build.op("linear", source, self.build.weight("w", weights)))
        current = self.build.op("add", *sums) if len(sums) > 1 else sums[0]
        given = {"threshold": 4, "reset": "hard", "negative": 9, "width": 30}
        if any(s.type.element == U8 for s in sources):
            given = {"threshold": 1, "spike": "value", "memory": "clear", "width": 30}
        return self.build.op("neuron", current, name=name, **{**given, **attrs})

    def chain(self, source, length):
        for number in range(length):
            source = self.layer(f"c{number}", source)
        return source

    def delay(self, value, by):
        return self.build.op("delay", value, by=by)


def compared(net, output, tmp_path, ticks):
    """Compile and compare; return the names of the relays."""
    high = 256 if net.x.type.element == U8 else 2
    x = RNG.integers(0, high, (2, ticks, net.x.type.size)).astype(np.uint8)
    made = emulated(net.build.finish(output), {"x": x}, tmp_path)
    return sorted({op["of"] for op in made.placed.ops("layer") if "relay" in op["of"]})


@pytest.mark.parametrize("element", ["u1", "u8"])
def test_an_input_that_is_read_very_late(element, tmp_path):
    net = Net(element)
    module = net.layer("a", net.delay(net.x, 600))
    assert 2 == len(compared(net, module, tmp_path, 700))


def test_a_layer_that_is_read_at_once_and_very_late(tmp_path):
    net = Net()
    a = net.layer("a", net.x)
    b = net.layer("b", a)
    last = net.layer("c", b, net.delay(a, 300), net.delay(a, 310))
    assert 2 == len(compared(net, last, tmp_path, 400))


def test_a_long_delay_in_a_loop(tmp_path):
    net = Net()
    later = net.build.forward("a", "u1[6]~")
    a = net.layer("a", net.x, net.delay(later, 400))
    net.build.bind(later, a)
    net.layer("b", a)
    assert 1 == len(compared(net, net.layer("c", a, net.layer("d", a)), tmp_path, 900))


@pytest.mark.parametrize(("element", "wide"), [("u1", 10000), ("u8", 2000)])
def test_sources_from_before_more_layers_than_a_wide_buffer_holds(element, wide, tmp_path):
    """The last layer reads so much that its buffer holds 16 ticks; others come from further."""
    net = Net(element)
    first = net.layer("first", net.x)
    far = net.layer("wide", net.chain(first, 17), size=wide)
    last = net.layer("last", far, first, net.x, size=2)
    assert ["first.relay0", "x.relay0"] == compared(net, last, tmp_path, 12)
