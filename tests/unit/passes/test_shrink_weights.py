"""Laws of `shrink-weights`: the same spikes, fewer bits; and what it leaves alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.extend.passes import Context
from snnc.ir import Builder, Module
from snnc.ir.types import I8, I32, U1
from snnc.passes.shrink_weights import ShrinkWeights
from snnc.runtime.reference import Reference

TICKS = 12


def shrink(module, **options):
    return ShrinkWeights(**options).run(module, Context())


def spikes(module: Module, ones: float, seed: int = 0):
    rng = np.random.default_rng(seed)
    inputs = {}
    for value in module.graph.inputs:
        high = value.type.element.high
        full = rng.integers(0, high + 1, (3, TICKS, *value.type.shape))
        kept = rng.random(full.shape) < ones
        inputs[value.name] = np.where(kept, full if ones < 1 else high, 0)
        inputs[value.name] = inputs[value.name].astype(value.type.element.storage)
    return Reference().prepare(module).run(inputs).outputs


def layer(weights, element="u1", **attrs):
    """One linear layer over an input of the weights' fan-in."""
    w = np.asarray(weights)
    b = Builder("net", "int")
    x = b.input("x", f"{element}[{w.shape[1]}]~")
    current = b.op("linear", x, b.weight("w", w, I8))
    return b.finish(b.op("neuron", current, name="s", **attrs))


def multiples(rng, factors, shape, top=6):
    """Weights whose channel c is a multiple of factors[c]."""
    wide = np.asarray(factors).reshape(-1, *(1,) * (len(shape) - 1))
    return rng.integers(-top, top + 1, shape) * wide


def neuron_attrs(rng, g):
    attrs = {"threshold": int(rng.integers(1, 12 * g)), "reset": str(rng.choice(["soft", "hard"]))}
    if attrs["reset"] == "hard":
        attrs["reset_to"] = g * int(rng.integers(-2, 3))
    elif rng.random() < 0.7:
        attrs["threshold"] = g * int(rng.integers(1, 9))
    if rng.random() < 0.5:
        attrs |= {"leak": g * int(rng.integers(-2, 3)), "leak_reversal": bool(rng.random() < 0.3)}
        attrs["leak_order"] = str(rng.choice(["before", "after"]))
    if rng.random() < 0.5:
        attrs["negative"] = int(rng.integers(0, 9 * g))
        attrs["negative_mode"] = str(rng.choice(["floor", "reset"]))
        if rng.random() < 0.5:
            attrs["negative"] -= attrs["negative"] % g
    if rng.random() < 0.3:
        attrs["floor"] = -g * int(rng.integers(0, 5))
    if rng.random() < 0.3:
        attrs["initial"] = g * int(rng.integers(-3, 4))
    if rng.random() < 0.3:
        attrs["spike"] = "count"
    if rng.random() < 0.2:
        attrs["memory"] = "clear"
    return attrs


def network(seed: int) -> Module:
    """Convolution, pool, a linear layer with recurrence and a second branch."""
    rng = np.random.default_rng(seed)
    b = Builder("net", "int")
    x = b.input("x", str(rng.choice(["u1[2, 6, 6]~", "u8[2, 6, 6]~"])))
    g = int(rng.integers(1, 7))
    each = g * rng.integers(1, 3, 4) if rng.random() < 0.5 else np.full(4, g)
    kernel = b.weight("c.w", multiples(rng, each, (4, 1, 3, 3)), I8)
    bias = b.weight("c.b", multiples(rng, each, (4,)), I32)
    current = b.op("conv2d", x, kernel, bias, padding=(1, 1), groups=2)
    attrs = neuron_attrs(rng, g)
    if rng.random() < 0.4:
        attrs["threshold"] = b.weight("thr", each * rng.integers(1, 5, 4), I32)
    s = b.op("neuron", current, name="s", **attrs)
    flat = b.op("reshape", b.op("sum_pool2d", s, kernel=(2, 2)), shape=(36,))
    h = int(rng.integers(1, 7))
    back = b.forward("late", "u1[5]~")
    attrs = {k: v for k, v in neuron_attrs(rng, h).items() if k != "spike"}
    w = b.weight("rec.w", multiples(rng, np.full(5, h * 2), (5, 5)), I8)
    total = b.op(
        "add",
        b.op("linear", flat, b.weight("fc.w", multiples(rng, np.full(5, h), (5, 36)), I8)),
        b.op("linear", b.op("delay", back, by=2), w),
    )
    o = b.op("neuron", total, name="o", **attrs)
    b.bind(back, o)
    return b.finish(o, s)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), per=st.sampled_from(["layer", "channel"]))
def test_random_networks_spike_alike(seed, per):
    module = network(seed)
    small = shrink(module, per=per)
    for ones in (0.3, 1.0):
        expected, actual = spikes(module, ones), spikes(small, ones)
        for name in expected:
            np.testing.assert_array_equal(actual[name], expected[name])


@pytest.mark.parametrize(
    ("kind", "shape", "weights", "attrs", "expected"),
    [
        ("linear", (6,), (4, 6), {}, "i4"),
        ("linear", (1, 6), (4, 6), {}, "i4"),
        ("linear", (2, 6), (4, 6), {}, "i8"),  # rows share the weights, channels are rows
        ("conv1d", (4, 7), (4, 2, 3), {"groups": 2}, "i4"),
        ("conv_transpose1d", (4, 5), (4, 2, 3), {"groups": 2, "stride": (2,)}, "i4"),
        ("conv_transpose2d", (2, 3, 3), (2, 4, 2, 2), {"padding": (1, 1)}, "i4"),
        ("scale", (4, 3, 3), (4,), {}, "u1"),
        ("scale", (4, 3), (4, 3), {}, "i4"),
    ],
)
def test_every_kind_of_weights_may_have_a_factor_per_channel(kind, shape, weights, attrs, expected):
    rng = np.random.default_rng(7)
    outputs = np.array([14, 12, 8, 5])
    wide = outputs.reshape(4, *(1,) * (len(weights) - 1))
    if kind.startswith("conv_transpose"):
        inputs, per_group = weights[:2]
        each = outputs.reshape(-1, 1, per_group).repeat(inputs // (4 // per_group), axis=1)
        wide = each.reshape(inputs, per_group, *(1,) * (len(weights) - 2))
    b = Builder("net", "int")
    x = b.input("x", f"u8[{', '.join(map(str, shape))}]~")
    operands = [b.weight("w", rng.integers(-7, 8, weights) * wide, I8)]
    if kind != "scale":
        operands.append(b.weight("b", 3 * outputs, I32))
    s = b.op("neuron", b.op(kind, x, *operands, **attrs), threshold=99, reset="hard", name="s")
    module = b.finish(s)
    small = shrink(module)
    assert element(small) == expected
    np.testing.assert_array_equal(spikes(small, 0.4)["s"], spikes(module, 0.4)["s"])


def element(module, name="w"):
    return str(module.weights[name].type.element)


def test_multiples_of_a_step_become_narrow_with_the_threshold_rounded_up():
    small = shrink(layer([[0, 5, 5], [5, 0, 5]], threshold=12, reset="hard"))
    assert element(small) == "u1"
    (neuron,) = small.ops("neuron")
    assert neuron["threshold"] == 3


def test_a_soft_reset_that_is_no_multiple_keeps_the_scale():
    small = shrink(layer([[0, 5, 5]], threshold=12))
    assert element(small) == "i4"
    (neuron,) = small.ops("neuron")
    assert neuron["threshold"] == 12


def test_channels_get_factors_of_their_own_where_that_saves_bits():
    module = layer([[64, -64], [50, 0]], threshold=120, reset="hard")
    small = shrink(module)
    assert element(small) == "i2"
    (neuron,) = small.ops("neuron")
    np.testing.assert_array_equal(small.tensor(neuron["threshold"]), [2, 3])


def test_one_factor_is_kept_where_channels_would_save_nothing():
    small = shrink(layer([[4, -4], [6, 2]], threshold=6, reset="hard"), per="channel")
    (neuron,) = small.ops("neuron")
    assert (element(small), neuron["threshold"]) == ("i4", 3)


def test_a_returned_potential_keeps_its_scale():
    b = Builder("net", "int")
    x = b.input("x", "u1[2]~")
    current = b.op("linear", x, b.weight("w", np.array([[4, 8]]), I8))
    b.op("neuron", current, threshold=4, reset="hard", potential=True)
    module = b.finish(*b.ops[-1].results)
    assert element(shrink(module)) == "i8"


def test_a_returned_current_keeps_its_scale():
    b = Builder("net", "int")
    x = b.input("x", "u1[2]~")
    current = b.op("linear", x, b.weight("w", np.array([[2, 4]]), I8))
    module = b.finish(current, b.op("neuron", current, threshold=4, reset="hard"))
    np.testing.assert_array_equal(shrink(module).weights["w"].tensor.array(), [[2, 4]])


def test_bits_of_the_potential_keep_its_scale():
    small = shrink(layer([[4, 6]], threshold=4, reset="hard", spike="value"))
    np.testing.assert_array_equal(small.weights["w"].tensor.array(), [[4, 6]])


@pytest.mark.parametrize(("width", "expected"), [(4, [[2, 6]]), (16, [[1, 3]])])
def test_a_potential_that_may_wrap_keeps_its_scale(width, expected):
    small = shrink(layer([[2, 6]], threshold=4, reset="hard", width=width, overflow="wrap"))
    np.testing.assert_array_equal(small.weights["w"].tensor.array(), expected)


def test_spikes_without_weights_keep_the_scale_of_their_sum():
    b = Builder("net", "int")
    x = b.input("x", "u1[2]~")
    current = b.op("linear", x, b.weight("w", np.array([[2, 0], [0, 2]]), I8))
    small = shrink(b.finish(b.op("neuron", b.op("add", current, x), threshold=4, reset="hard")))
    np.testing.assert_array_equal(small.weights["w"].tensor.array(), [[2, 0], [0, 2]])


def test_a_weight_of_two_layers_is_divided_for_each_by_its_own_factor():
    b = Builder("net", "int")
    x = b.input("x", "u1[2]~")
    w = b.weight("w", np.array([[2, 4], [6, 0]]), I8)
    first = b.op("neuron", b.op("linear", x, w), threshold=3, reset="hard")
    second = b.op("neuron", b.op("linear", first, w), threshold=5, name="o")
    module = b.finish(second, first)
    small = shrink(module)
    for name, expected in spikes(module, 0.5).items():
        np.testing.assert_array_equal(spikes(small, 0.5)[name], expected)
    assert [small.tensor(op.symbols[0]).max() for op in small.ops("linear")] == [3, 6]


def test_a_weight_of_two_like_layers_stays_one_weight():
    b = Builder("net", "int")
    x = b.input("x", "u1[2]~")
    w = b.weight("w", np.array([[2, 4], [6, 0]]), I8)
    outs = [b.op("neuron", b.op("linear", x, w), threshold=t, reset="hard") for t in (3, 4)]
    assert len(shrink(b.finish(*outs)).weights) == 1


def test_masked_synapses_do_not_count():
    b = Builder("net", "int")
    x = b.input("x", "u1[2]~")
    w = b.weight("w", np.array([[3, 100]]), I8)
    mask = b.weight("mask", np.array([[1, 0]]), U1)
    module = b.finish(b.op("neuron", b.op("masked_linear", x, w, mask), threshold=3))
    small = shrink(module)
    assert element(small) == "u1"


def test_all_weights_zero_is_no_factor():
    small = shrink(layer([[0, 0]], threshold=6, reset="hard"))
    (neuron,) = small.ops("neuron")
    assert neuron["threshold"] == 6


def test_a_loop_of_weighted_currents_stays_as_it_is():
    b = Builder("net", "int")
    x = b.input("x", "u1[1]~")
    later = b.forward("y", "i32[1]~")
    back = b.op("scale", b.op("delay", later), b.weight("w", np.array([2]), I8))
    y = b.op("add", back, b.op("scale", x, b.weight("k", np.array([4]), I8)))
    b.bind(later, y)
    small = shrink(b.finish(b.op("neuron", y, threshold=4, reset="hard")))
    assert [int(w.tensor.array()[0]) for w in small.weights.values()] == [2, 4]
