"""`quantize` on real numbers: the error is bounded and reported, steps are where they belong."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.extend.passes import Context
from snnc.ir import Builder
from tests.unit.passes.quantized import (
    integers,
    layer,
    neuron,
    noise,
    quantize,
    run,
    same_spikes,
)


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
