"""`quantize` on networks that are integers already, times a step or not: not one spike differs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.extend.passes import Context
from snnc.ir import Builder
from snnc.runtime.reference import Reference
from tests.unit.passes.quantized import integers, layer, neuron, quantize, same_spikes


def integer_network(seed, unit=1.0):
    """Convolution, average pool, recurrence, skip of spikes, counts: all integers times `unit`."""
    rng = np.random.default_rng(seed)
    b = Builder("net", "snn")
    x = b.input("x", str(rng.choice(["u1[2, 6, 6]~", "u8[2, 6, 6]~"])))

    def w(name, *shape):
        return b.weight(name, (unit * rng.integers(-7, 8, shape)).astype(np.float32))

    def attrs():
        found = {
            "threshold": unit * int(rng.integers(1, 9)),
            "reset": str(rng.choice(["soft", "hard", "none"])),
            "compare": str(rng.choice(["ge", "gt"])),
        }
        if rng.random() < 0.5:
            found["leak"] = unit * int(rng.integers(-3, 4))
        if rng.random() < 0.4:
            found["floor"] = -unit * int(rng.integers(0, 5))
        if found["reset"] == "hard":
            found["reset_to"] = unit * int(rng.integers(-3, 3))
        if rng.random() < 0.3:
            found["initial"] = unit * int(rng.integers(-3, 3))
        if rng.random() < 0.3 and found["compare"] == "ge":
            found["spike"] = "count"
        return found

    options = {"padding": (1, 1), "groups": int(rng.choice([1, 2]))}
    kernel = w("c.w", 4, 2 // options["groups"], 3, 3)
    current = b.op("conv2d", x, kernel, w("c.b", 4), **options)
    s = b.op("neuron", current, name="s", **attrs())
    pooled = b.op("reshape", b.op("avg_pool2d", s, kernel=(2, 2)), shape=(36,))
    later = b.forward("late", "u1[5]~")
    back = b.op("linear", b.op("delay", later, by=2), w("r.w", 5, 5))
    total = b.op("add", b.op("linear", b.op("reshape", s, shape=(144,)), w("f.w", 5, 144)), back)
    second = {k: v for k, v in attrs().items() if k != "spike"}
    o = b.op("neuron", total, name="o", **second)
    b.bind(later, o)
    means = b.op("neuron", pooled, name="m", threshold=0.25 * int(rng.integers(1, 9)))
    skip = b.op("neuron", b.op("add", b.op("linear", o, w("k.w", 5, 5)), o), name="k", **attrs())
    return b.finish(s, o, means, skip)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), per=st.sampled_from(["layer", "channel"]))
def test_integers_stay_as_they_are(seed, per):
    module = integer_network(seed)
    same_spikes(module, quantize(module, bits=4, per=per), seed)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    unit=st.sampled_from([0.5, 0.25, 0.0625]),
    per=st.sampled_from(["layer", "channel"]),
    scale=st.sampled_from(["max", "mse", "percentile"]),
)
def test_integers_times_a_power_of_two_lose_nothing(seed, unit, per, scale):
    module = integer_network(seed, unit)
    same_spikes(module, quantize(module, bits=8, per=per, scale=scale), seed)


def test_integers_may_use_the_lowest_code():
    module = layer([[-8, 7]], threshold=3.0)
    np.testing.assert_array_equal(integers(quantize(module, bits=4)), [[-8, 7]])


def test_integers_times_a_step_lose_nothing():
    rng = np.random.default_rng(3)
    codes = rng.integers(-7, 8, (5, 12))
    codes[:, 0] = 7
    step = np.float32(0.0173)
    module = layer(step * codes, threshold=float(step) * 11, leak=-float(step) * 2)
    lowered = quantize(module, bits=4)
    np.testing.assert_array_equal(integers(lowered), codes)
    assert (neuron(lowered)["threshold"], neuron(lowered)["leak"]) == (11, -2)


@pytest.mark.parametrize(
    ("compare", "threshold", "expected"),
    [("ge", 2.0, 2), ("ge", 2.5, 3), ("gt", 2.0, 3), ("gt", 2.5, 3)],
)
def test_a_compare_of_integers_is_exact(compare, threshold, expected):
    module = layer([[1, 2, -3]], threshold=threshold, compare=compare, reset="hard")
    lowered = quantize(module)
    assert neuron(lowered)["threshold"] == expected
    same_spikes(module, lowered)


def test_a_strict_soft_reset_subtracts_what_it_did():
    module = layer([[1, 2, -3]], threshold=2.0, compare="gt")
    lowered = quantize(module)
    assert (neuron(lowered)["threshold"], neuron(lowered)["initial"]) == (2, -1)
    same_spikes(module, lowered)


def test_a_strict_soft_reset_stays_apart_where_the_potential_is_seen():
    b = Builder("net", "snn")
    x = b.input("x", "u1[2]~")
    w = b.weight("w", np.array([[1, 2]], np.float32))
    b.op("neuron", b.op("linear", x, w), threshold=2.0, compare="gt", potential=True)
    lowered = quantize(b.finish(*b.ops[-1].results))
    assert (neuron(lowered)["threshold"], neuron(lowered)["reset_by"]) == (3, 2)
    same_spikes(b.finish(*b.ops[-1].results), lowered)


def test_rounded_potentials_know_no_ties():
    lowered = quantize(layer([[0.5, 0.30217]], threshold=0.5, compare="gt"), scale="max")
    assert (neuron(lowered)["threshold"], neuron(lowered)["initial"]) == (127, 0)


def test_channels_of_integers_keep_their_ties_beside_rounded_ones():
    module = layer([[0.5, 0.30217], [3, 7]], threshold=2.0, compare="gt")
    lowered = quantize(module, bits=4, scale="max")
    np.testing.assert_array_equal(integers(lowered)[1], [3, 7])
    np.testing.assert_array_equal(lowered.tensor(neuron(lowered)["initial"]), [0, -1])


@pytest.mark.parametrize("kind", ["soft", "none"])
@pytest.mark.parametrize("time", ["before", "after"])
def test_a_late_reset_that_commutes_becomes_an_early_one(kind, time):
    module = layer([[1, 2, -3]], threshold=2.0, reset=kind, reset_time=time)
    same_spikes(module, quantize(module))


def test_a_late_hard_reset_before_the_charge_becomes_an_early_one():
    module = layer([[1, 2, -3]], threshold=2.0, reset="hard", reset_to=-1.0, reset_time="before")
    same_spikes(module, quantize(module))


def test_a_gain_joins_the_unit_of_the_potential():
    module = layer([[1, 2, -3], [2, 2, 2]], threshold=2.0, gain=0.5, leak=-0.5)
    lowered = quantize(module)
    assert (neuron(lowered)["threshold"], neuron(lowered)["leak"]) == (4, -1)
    same_spikes(module, lowered)


def test_the_factor_of_an_average_pool_joins_the_threshold():
    b = Builder("net", "snn")
    x = b.input("x", "u1[2, 4, 4]~")
    module = b.finish(b.op("neuron", b.op("avg_pool2d", x, kernel=(2, 2)), threshold=0.75))
    lowered = quantize(module)
    assert [op.kind for op in lowered.graph.ops] == ["sum_pool2d", "neuron"]
    assert neuron(lowered)["threshold"] == 3
    same_spikes(module, lowered)


def test_an_average_pool_before_weights_joins_their_scale():
    b = Builder("net", "snn")
    x = b.input("x", "u1[2, 4, 4]~")
    w = b.weight("w", np.random.default_rng(0).integers(-3, 4, (3, 2, 1, 1)).astype(np.float32))
    current = b.op("conv2d", b.op("avg_pool2d", x, kernel=(2, 2)), w)
    module = b.finish(b.op("neuron", current, threshold=0.5))
    same_spikes(module, quantize(module))


def test_one_bit_weights_that_are_zeros_and_ones_stay():
    module = layer([[0, 1, 1], [1, 0, 1]], threshold=2.0)
    lowered = quantize(module, bits=1)
    assert str(lowered.weights["w"].type) == "u1[2, 3]"
    same_spikes(module, lowered)


def test_two_layers_without_a_neuron_between_multiply_their_scales():
    rng = np.random.default_rng(1)
    b = Builder("net", "snn")
    x = b.input("x", "u1[6]~")
    a = b.weight("a", (0.125 * rng.integers(-7, 8, (4, 6))).astype(np.float32))
    c = b.weight("c", (0.5 * rng.integers(-7, 8, (3, 4))).astype(np.float32))
    both = b.op("linear", b.op("linear", x, a), c)
    module = b.finish(b.op("neuron", both, threshold=0.3125, reset="hard"))
    same_spikes(module, quantize(module))


@pytest.mark.parametrize(
    ("kind", "shape", "weights", "attrs"),
    [
        ("linear", (6,), (4, 6), {}),
        ("linear", (1, 6), (4, 6), {}),
        ("conv1d", (4, 7), (4, 2, 3), {"groups": 2, "stride": (2,), "padding": (1, 0)}),
        ("conv2d", (4, 5, 5), (4, 1, 3, 3), {"groups": 4, "dilation": (2, 1)}),
        ("conv_transpose1d", (4, 5), (4, 2, 3), {"groups": 2, "stride": (2,)}),
        ("conv_transpose2d", (2, 3, 3), (2, 4, 2, 2), {"stride": (2, 2), "padding": (1, 1)}),
        ("scale", (4, 3, 3), (4,), {}),
        ("scale", (4, 3), (4, 3), {}),
    ],
)
def test_every_kind_of_weights_may_have_a_step_per_channel(kind, shape, weights, attrs):
    rng = np.random.default_rng(7)
    outputs = np.array([1, 0.5, 0.25, 8])
    wide = outputs.reshape(4, *(1,) * (len(weights) - 1))
    if kind.startswith("conv_transpose"):
        inputs, per_group = weights[:2]
        each = outputs.reshape(-1, 1, per_group).repeat(inputs // (4 // per_group), axis=1)
        wide = each.reshape(inputs, per_group, *(1,) * (len(weights) - 2))
    codes = rng.integers(-7, 8, weights) * wide
    b = Builder("net", "snn")
    x = b.input("x", f"u8[{', '.join(map(str, shape))}]~")
    operands = [b.weight("w", codes.astype(np.float32))]
    if kind != "scale":
        operands.append(b.weight("b", (3 * outputs).astype(np.float32)))
    module = b.finish(b.op("neuron", b.op(kind, x, *operands, **attrs), threshold=1000.0))
    context = Context()
    same_spikes(module, quantize(module, context))
    assert context.report["quantize"]["tensors"]["w"]["max_error"] == 0


def test_a_scalar_weight_gets_a_step_per_channel_beside_others():
    b = Builder("net", "snn")
    x = b.input("x", "u1[2, 2, 2]~")
    w = np.array([[0.5, 0.25], [8, 4]], np.float32).reshape(2, 2, 1, 1)
    total = b.op(
        "add", b.op("conv2d", x, b.weight("w", w)), b.op("scale", x, b.weight("k", np.array(0.5)))
    )
    module = b.finish(b.op("neuron", total, threshold=0.75))
    lowered = quantize(module)
    assert str(lowered.weights["k"].type) == "i8[2]"
    same_spikes(module, lowered)


def test_encoders_stay_as_they_are():
    b = Builder("net", "snn")
    image = b.input("image", "f32[3]")
    spikes = b.op("poisson", image, seed=4)
    beat = b.op("periodic", b.weight("beat", np.array([[1, 0, 0], [0, 1, 1]], bool)))
    both = b.op("concat", spikes, beat)
    w = b.weight("w", np.array([[1, 2, -3, 1, 2, -1]], np.float32))
    module = b.finish(b.op("neuron", b.op("linear", both, w), threshold=2.0, name="s"))
    inputs = {"image": np.random.default_rng(0).random((2, 3)).astype(np.float32)}
    results = [
        Reference().prepare(m).run(inputs, ticks=20).outputs["s"]
        for m in (module, quantize(module))
    ]
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("kind", ["before", "after"])
def test_a_filter_that_forgets_at_once_is_none(kind):
    module = layer([[1, 2, -3]], threshold=2.0, filter=kind)
    same_spikes(module, quantize(module))


def test_integers_too_wide_for_the_membrane_are_rounded():
    module = layer([[1, 2]], threshold=40000.0)
    assert neuron(quantize(module, Context(hardware={"membrane_bits": 16})))["threshold"] == 2**14


def test_counts_stay_counts():
    module = layer([[1, 2, 5]], threshold=2.0, spike="count", max_count=3)
    lowered = quantize(module)
    assert (neuron(lowered)["spike"], neuron(lowered)["max_count"]) == ("count", 3)
    same_spikes(module, lowered)
