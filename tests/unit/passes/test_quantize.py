"""`quantize`: integers stay, the error is bounded and reported, the rest is refused by name."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.diagnostics import SnncError
from snnc.extend.passes import Context
from snnc.ir import Builder, Module
from snnc.passes.quantize import Quantize
from snnc.runtime.reference import Reference


def quantize(module, context=None, **options):
    return Quantize(**options).run(module, context or Context())


def run(module, inputs):
    return Reference().prepare(module).run(inputs).outputs


def noise(module: Module, rng, ticks=10, samples=3):
    made = {}
    for value in module.graph.inputs:
        shape = (samples, ticks, *value.type.shape)
        made[value.name] = rng.integers(0, value.type.element.high + 1, shape).astype(
            value.type.element.storage
        )
    return made


def same_spikes(module, lowered, seed=0):
    inputs = noise(module, np.random.default_rng(seed))
    expected, actual = run(module, inputs), run(lowered, inputs)
    for name in expected:
        np.testing.assert_array_equal(actual[name], expected[name])


def layer(weights, bias=None, element="u1", **attrs):
    w = np.asarray(weights, np.float32)
    b = Builder("net", "snn")
    x = b.input("x", f"{element}[{w.shape[1]}]~")
    operands = [x, b.weight("w", w)]
    if bias is not None:
        operands.append(b.weight("b", np.asarray(bias, np.float32)))
    return b.finish(b.op("neuron", b.op("linear", *operands), name="s", **attrs))


def neuron(module):
    (op,) = module.ops("neuron")
    return op


def integers(module, name="w"):
    return module.weights[name].tensor.array()


# Integers stay integers


def integer_network(seed):
    """Convolution, average pool, recurrence, a skip of spikes, counts: all integers."""
    rng = np.random.default_rng(seed)
    b = Builder("net", "snn")
    x = b.input("x", str(rng.choice(["u1[2, 6, 6]~", "u8[2, 6, 6]~"])))

    def w(name, *shape):
        return b.weight(name, rng.integers(-7, 8, shape).astype(np.float32))

    def attrs(unit=1.0):
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


# Real numbers


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    bits=st.sampled_from([2, 3, 4, 8]),
    per=st.sampled_from(["layer", "channel"]),
)
def test_max_errs_by_half_a_step_at_most(seed, bits, per):
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(4, 9)) * np.array([[1], [0.1], [3], [0.02]])
    context = Context()
    module = layer(weights, bias=rng.normal(size=4), threshold=1.0)
    quantize(module, context, bits=bits, per=per, scale="max")
    report = context.report["quantize"]["tensors"]
    for tensor in (report["w"], report["b"]):
        assert tensor["clipped"] == 0
        assert tensor["max_error"] <= tensor["scale"][1] / 2 * 1.000001


def test_each_channel_has_its_own_threshold():
    lowered = quantize(layer([[0.5, 0.2671], [0.05, 0.02671]], threshold=1.0), scale="max")
    np.testing.assert_array_equal(integers(lowered)[:, 0], [127, 127])
    np.testing.assert_array_equal(lowered.tensor(neuron(lowered)["threshold"]), [254, 2540])


def test_one_scale_per_layer_keeps_one_threshold():
    lowered = quantize(
        layer([[0.5, 0.2671], [0.05, 0.02671]], threshold=1.0), scale="max", per="layer"
    )
    assert neuron(lowered)["threshold"] == 254


def test_a_returned_potential_has_one_scale():
    b = Builder("net", "snn")
    x = b.input("x", "u1[2]~")
    w = b.weight("w", np.array([[0.5, 0.26], [0.05, 0.026]], np.float32))
    b.op("neuron", b.op("linear", x, w), potential=True, name="s")
    lowered = quantize(b.finish(*b.ops[-1].results), scale="max")
    assert neuron(lowered)["threshold"] == 254
    assert [str(v.type) for v in lowered.graph.outputs] == ["u1[2]~", "i32[2]~"]


def test_a_returned_current_has_one_scale_that_is_reported():
    b = Builder("net", "snn")
    x = b.input("x", "u1[2]~")
    w = b.weight("w", np.array([[1.27, 0.26], [0.05, 0.026]], np.float32))
    context = Context()
    lowered = quantize(b.finish(b.op("linear", x, w, name="y")), context, scale="max")
    assert context.report["quantize"]["values"]["y"] == pytest.approx([0.01, 0.01])
    assert str(lowered.graph.outputs[0].type) == "i32[2]~"


def test_branches_into_a_neuron_share_one_scale_per_channel():
    b = Builder("net", "snn")
    x = b.input("x", "u1[2]~")
    later = b.forward("late", "u1[2]~")
    w = b.weight("w", np.array([[0.5, 0.1], [0.03, 0.01]], np.float32))
    r = b.weight("r", np.array([[0.1, 1.27], [0.02, 0.0127]], np.float32))
    back = b.op("linear", b.op("delay", later), r)
    s = b.op("neuron", b.op("add", b.op("linear", x, w), back), name="s")
    b.bind(later, s)
    lowered = quantize(b.finish(s), scale="max")
    np.testing.assert_array_equal(integers(lowered), [[50, 10], [127, 42]])
    np.testing.assert_array_equal(integers(lowered, "r"), [[10, 127], [85, 54]])


def test_spikes_beside_weights_get_the_weight_that_the_scale_asks_for():
    b = Builder("net", "snn")
    x = b.input("x", "u1[2]~")
    w = b.weight("w", np.array([[0.5, 0.3071], [0.3171, 2.0]], np.float32))
    module = b.finish(b.op("neuron", b.op("add", b.op("linear", x, w), x), name="s", threshold=2.0))
    lowered = quantize(module, scale="max")
    (scale,) = lowered.ops("scale")
    np.testing.assert_array_equal(lowered.tensor(scale.symbols[0]), [127, 64])


def test_channels_of_a_convolution_survive_a_reshape():
    rng = np.random.default_rng(0)
    b = Builder("net", "snn")
    x = b.input("x", "u1[1, 4, 4]~")
    w = rng.normal(size=(3, 1, 3, 3)) * np.array([1, 0.1, 0.01]).reshape(3, 1, 1, 1)
    flat = b.op("reshape", b.op("conv2d", x, b.weight("w", w.astype(np.float32))), shape=(12,))
    lowered = quantize(b.finish(b.op("neuron", flat)), scale="max")
    assert (np.abs(integers(lowered)).reshape(3, -1).max(axis=1) == 127).all()
    assert len(np.unique(lowered.tensor(neuron(lowered)["threshold"]))) == 3


def test_transposed_convolutions_are_scaled_per_output_channel():
    rng = np.random.default_rng(0)
    b = Builder("net", "snn")
    x = b.input("x", "u1[4, 3, 3]~")
    w = rng.normal(size=(4, 3, 2, 2)) * np.array([1, 0.1, 0.01]).reshape(1, 3, 1, 1)
    current = b.op("conv_transpose2d", x, b.weight("w", w.astype(np.float32)), groups=2)
    lowered = quantize(b.finish(b.op("neuron", current, threshold=0.5)), scale="max")
    grouped = np.abs(integers(lowered)).reshape(2, 2, 3, -1).max(axis=(1, 3))
    np.testing.assert_array_equal(grouped, np.full((2, 3), 127))


def test_masked_synapses_neither_widen_the_scale_nor_stay():
    b = Builder("net", "snn")
    x = b.input("x", "u1[2]~")
    w = b.weight("w", np.array([[0.127, 5.0]], np.float32))
    mask = b.weight("m", np.array([[1, 0]], bool))
    lowered = quantize(b.finish(b.op("neuron", b.op("masked_linear", x, w, mask))), scale="max")
    np.testing.assert_array_equal(integers(lowered), [[127, 0]])


def test_many_bits_give_nearly_the_same_spikes():
    rng = np.random.default_rng(5)
    module = layer(rng.normal(size=(40, 60)) / 4, threshold=1.0, reset="hard")
    inputs = noise(module, rng, ticks=20)
    expected, actual = run(module, inputs)["s"], run(quantize(module), inputs)["s"]
    assert (expected != actual).mean() < 0.02


def test_the_width_of_the_membrane_is_the_chip_s():
    module = layer([[1, 2]], threshold=1.0)
    assert neuron(quantize(module, Context(hardware={"membrane_bits": 16})))["width"] == 16
    assert neuron(quantize(module))["width"] == 32


def test_steps_are_wide_enough_for_the_threshold():
    module = layer([[1e-6, 3.3e-7]], threshold=1.0)
    lowered = quantize(module, Context(hardware={"membrane_bits": 16}))
    assert neuron(lowered)["threshold"] == 2**14


def test_a_channel_of_zeros_keeps_its_bias():
    lowered = quantize(layer([[0.0, 0.0], [0.7, 0.3]], bias=[0.25, 0.0], threshold=1.0))
    ratio = lowered.tensor(neuron(lowered)["threshold"])[0] / integers(lowered, "b")[0]
    assert ratio == pytest.approx(4, rel=0.01)


def test_a_current_read_before_it_is_made_is_lowered_too():
    b = Builder("net", "snn")
    x = b.input("x", "u1[2]~")
    later = b.forward("y", "f32[2]~")
    s = b.op("neuron", b.op("delay", later), threshold=2.0)
    b.bind(later, b.op("linear", x, b.weight("w", np.array([[1, 2], [3, 4]], np.float32))))
    module = b.finish(s)
    same_spikes(module, quantize(module))


def test_a_sum_over_time_is_exact_in_integers():
    b = Builder("net", "snn")
    x = b.input("x", "u1[2]~")
    later = b.forward("y", "f32[2]~")
    y = b.op("add", b.op("delay", later), b.op("scale", x, b.weight("w", np.float32([3]))))
    b.bind(later, y)
    module = b.finish(b.op("neuron", y, threshold=20.0))
    same_spikes(module, quantize(module))


def test_the_report_is_plain_data():
    context = Context()
    quantize(layer([[0.5, 0.3]], threshold=1.0), context)
    assert json.loads(json.dumps(context.report)) == context.report


# Refused

REFUSED = [
    ({"decay": 0.9}, "decay"),
    ({"filter": "before", "filter_decay": 0.5}, "filter"),
    ({"filter": "whole"}, "filter"),
    ({"gain": -1.0}, "gain"),
    ({"spike": "count", "compare": "gt"}, "compare"),
    ({"reset": "hard", "reset_time": "after"}, "reset_time"),
    ({"reset": "soft", "reset_time": "before", "floor": 0.0}, "reset_time"),
]


@pytest.mark.parametrize(("attrs", "named"), REFUSED)
def test_a_field_without_an_integer_form_is_named(attrs, named):
    with pytest.raises(SnncError) as caught:
        quantize(layer([[1, 2]], **attrs))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "no-integer-form"
    assert f"{named} = " in diagnostic.message
    assert diagnostic.help


def test_a_late_reset_is_refused_where_the_potential_is_seen():
    b = Builder("net", "snn")
    x = b.input("x", "u1[2]~")
    w = b.weight("w", np.array([[1, 2]], np.float32))
    b.op("neuron", b.op("linear", x, w), reset_time="before", potential=True)
    with pytest.raises(SnncError, match="reset_time"):
        quantize(b.finish(*b.ops[-1].results))


def between(make):
    b = Builder("net", "snn")
    x = b.input("x", "u1[2, 4, 4]~")
    w = b.weight("w", np.ones((2, 2, 1, 1), np.float32))
    return b.finish(b.op("neuron", make(b, b.op("conv2d", x, w))))


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (lambda b, x: b.op("relu", x), "relu"),
        (lambda b, x: b.op("max_pool2d", x, kernel=(2, 2)), "max_pool2d"),
        (
            lambda b, x: b.op(
                "batch_norm", x, *(b.weight(n, np.ones(2, np.float32)) for n in "mvgb")
            ),
            "fold-norm",
        ),
        (
            lambda b, x: b.op("avg_pool2d", x, kernel=(3, 3), padding=(1, 1), count_padding=False),
            "count_padding",
        ),
    ],
)
def test_an_op_without_an_integer_form_is_named(make, wanted):
    with pytest.raises(SnncError) as caught:
        quantize(between(make))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "no-integer-form"
    assert wanted in diagnostic.message + diagnostic.help


def test_all_refusals_are_collected():
    with pytest.raises(SnncError) as caught:
        quantize(layer([[1, 2]], decay=0.9, gain=-1.0))
    assert len(caught.value.diagnostics) == 2


def test_real_inputs_are_refused():
    with pytest.raises(SnncError, match="real-source"):
        quantize(layer([[1, 2]], element="f32"))


def test_negative_weights_of_one_bit_are_refused():
    with pytest.raises(SnncError, match="negative-weights"):
        quantize(layer([[0.5, -0.25]]), bits=1)


def test_a_current_that_would_need_two_scales_is_refused():
    def make(b, x):
        return b.op("add", x, b.op("avg_pool2d", x, kernel=(3, 3), stride=(1, 1), padding=(1, 1)))

    with pytest.raises(SnncError, match="scale-conflict"):
        quantize(between(make))


def test_a_loop_of_weights_without_a_neuron_is_refused():
    b = Builder("net", "snn")
    x = b.input("x", "u1[2]~")
    later = b.forward("y", "f32[2]~")
    back = b.op("linear", b.op("delay", later), b.weight("w", np.eye(2, dtype=np.float32) / 2))
    y = b.op("add", back, x)
    b.bind(later, y)
    with pytest.raises(SnncError, match="linear-loop"):
        quantize(b.finish(b.op("neuron", y)))
