"""Parallel ways from one source: exact, whatever their weights add up to."""

import numpy as np
import pytest

import snnc
from snnc.diagnostics import SnncError
from snnc.extend.passes import Context
from snnc.ir import Builder, Module, Value
from snnc.runtime.reference import Reference
from snnc.targets.paicore.legalise import Legalise
from snnc.targets.paicore.neurons.parallel import split_parallel


def full(b: Builder, value: Value, by: int = 0, top: int = 127) -> Value:
    """Return a product with the largest weights; of what was there `by` ticks ago."""
    late = b.op("delay", value, by=by) if by else value
    return b.op("linear", late, b.weight("w", np.full((5, value.type.size), top, np.int8)))


def joined(element: str = "u1", delays: tuple[int, ...] = (0, 0), **attrs: object) -> Module:
    b = Builder("net", "int")
    x = b.input("x", f"{element}[5]~")
    given = {"memory": "clear", "spike": "value"} if element == "u8" else {}
    first = attrs.get("first", 0)
    a = b.op("neuron", full(b, x), name="a", threshold=1, width=30, first=first, **given)
    total = b.op("add", *(full(b, a, n) for n in delays), *(full(b, x, n) for n in delays))
    clear = {"memory": "clear", "spike": "value", "truncate": 18} if element == "u8" else {}
    return b.finish(b.op("neuron", total, name="y", threshold=700, width=30, **clear, **attrs))


def check(module: Module) -> Module:
    """Check that the files do what the network says; return the legal network."""
    (given,) = module.graph.inputs
    rng = np.random.default_rng(2)
    high = 256 if str(given.type.element) == "u8" else 2
    x = {"x": rng.integers(0, high, (2, 30, *given.type.shape)).astype(np.uint8)}
    legal = Legalise().run(module, Context())
    before, after = (Reference().prepare(m).run(x).outputs for m in (module, legal))
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert snnc.compile(module, "paicore").verify(x).equal
    return legal


@pytest.mark.parametrize("element", ["u1", "u8"])
def test_the_second_way_reads_a_relay(element):
    names = {op.result.name for op in check(joined(element)).ops("neuron")}
    assert {"a", "y", "a.way1", "x.way1"} == names


def test_three_ways_have_two_relays():
    names = {op.result.name for op in check(joined(delays=(0, 0, 0))).ops("neuron")}
    assert {"a", "y", "a.way1", "a.way2", "x.way1", "x.way2"} == names


def test_ways_of_different_delays_have_synapses_of_their_own():
    module = joined(delays=(0, 1))
    assert split_parallel(module) is module
    check(module)


@pytest.mark.parametrize("delays", [(0, 0), (2, 2), (5, 5)])
def test_layers_that_begin_late_miss_nothing(delays):
    check(joined(delays=delays, first=3))


def test_ways_whose_sum_fits_stay_together():
    b = Builder("net", "int")
    x = b.input("x", "u1[5]~")
    total = b.op("add", full(b, x, top=60), full(b, x, top=60))
    module = b.finish(b.op("neuron", total, threshold=9, width=30))
    assert split_parallel(module) is module


def test_a_convolution_beside_a_skip():
    """The middle of the kernel and the skip add up to 128."""
    b = Builder("net", "int")
    x = b.input("x", "u1[2, 6, 6]~")
    kernel = b.weight("k", np.full((2, 2, 3, 3), 127, np.int8))
    a = b.op("neuron", b.op("conv2d", x, kernel, padding=[1, 1]), name="a", threshold=400, width=30)
    again = b.op("conv2d", a, kernel, padding=[1, 1])
    module = b.finish(b.op("neuron", b.op("add", again, a), name="y", threshold=900, width=30))
    assert 3 == len([*check(module).ops("neuron")])


def test_a_sum_taken_twice():
    b = Builder("net", "int")
    x = b.input("x", "u1[5]~")
    once = full(b, x)
    module = b.finish(b.op("neuron", b.op("add", once, once), name="y", threshold=500, width=30))
    check(module)


@pytest.mark.parametrize("kind", ["linear", "conv2d", "scale"])
def test_weights_of_more_than_eight_bits_are_sums_of_several(kind):
    rng = np.random.default_rng(6)
    b = Builder("net", "int")
    x = b.input("x", "u1[2, 5, 5]~")
    size = {"linear": (4, 50), "conv2d": (3, 2, 3, 3), "scale": (2, 5, 5)}[kind]
    weights = b.weight("w", rng.integers(-700, 800, size).astype(np.int16))
    source = b.op("reshape", x, shape=[50]) if kind == "linear" else x
    sums = b.op(kind, source, weights)
    y = b.op("neuron", sums, name="y", threshold=900, negative=900, width=30)
    legal = check(b.finish(y))
    assert {"y", *(f"x.way{n}" for n in range(1, 7))} == {
        o.result.name for o in legal.ops("neuron")
    }


def test_weights_that_shrink_are_no_sums():
    b = Builder("net", "int")
    x = b.input("x", "u1[5]~")
    sums = b.op("linear", x, b.weight("w", np.full((3, 5), 500, np.int16)))
    legal = check(b.finish(b.op("neuron", sums, name="y", threshold=1500, width=30)))
    assert ["y"] == [op.result.name for op in legal.ops("neuron")]


def test_weights_of_too_many_parts_are_refused():
    b = Builder("net", "int")
    x = b.input("x", "u1[2]~")
    sums = b.op("linear", x, b.weight("w", np.array([[9001, 4]], np.int16)))
    with pytest.raises(SnncError) as error:
        snnc.compile(b.finish(b.op("neuron", sums, threshold=9, width=30)), "paicore")
    assert "weight-range" == error.value.code
