"""`quantize` on weights that nobody trains: it stays valid and in range, or refuses by name."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from snnc.builtins import open_registry
from snnc.diagnostics import SnncError
from snnc.driver.pipeline import runner
from snnc.extend.passes import Context
from snnc.ir import Builder
from snnc.ir.verify import verify
from snnc.passes.rounding import top_weight
from tests.unit.passes.quantized import integers, layer, neuron, noise, quantize, run, same_spikes

RUN = runner(open_registry())
MATRICES = arrays(
    np.float32,
    (3, 5),
    elements=st.one_of(
        st.sampled_from([0.0, 1e-45, -1e-45, 1e-20, 1.0, -1.0, 1e20, 1e30, -1e30]),
        st.floats(-2, 2, width=32),
    ),
)


def calibrated(module, x, **options):
    context = Context(calibration={"x": x}, run=RUN)
    return quantize(module, context, **options), context.report["quantize"]


@settings(max_examples=30, deadline=None)
@given(
    weights=MATRICES,
    bits=st.sampled_from([2, 3, 4, 8]),
    per=st.sampled_from(["layer", "channel"]),
    scale=st.sampled_from(["max", "mse", "percentile"]),
    rounding=st.sampled_from(["nearest", "second-order"]),
    threshold=st.sampled_from([1e-30, 0.1, 1.0, 1e30]),
    compare=st.sampled_from(["ge", "gt"]),
    reset=st.sampled_from(["soft", "hard"]),
)
def test_any_finite_weights_give_a_valid_network(
    weights, bits, per, scale, rounding, threshold, compare, reset
):
    module = layer(weights, threshold=threshold, compare=compare, reset=reset)
    x = noise(module, np.random.default_rng(0), samples=6)["x"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lowered, report = calibrated(module, x, bits=bits, per=per, scale=scale, rounding=rounding)
    verify(lowered).check()
    codes, top = integers(lowered), top_weight(bits)
    assert codes.min() >= -top - 1
    assert codes.max() <= top
    made = neuron(lowered)["threshold"]
    assert (np.asarray(made if isinstance(made, int) else lowered.tensor(made)) >= 1).all()
    assert np.isfinite(report["tensors"]["w"]["rms_error"])


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_weights_that_are_all_the_largest_lose_nothing(bits):
    module = layer(np.full((3, 6), 0.37), threshold=2 * 0.37)
    same_spikes(module, quantize(module, bits=bits))


def test_weights_that_are_all_zero_leave_the_leak():
    module = layer(np.zeros((2, 4)), threshold=1.0, leak=0.25)
    same_spikes(module, quantize(module, bits=2))


@pytest.mark.parametrize("factor", [1e4, 1e12])
def test_a_huge_channel_takes_nothing_from_the_others(factor):
    weights = np.random.default_rng(0).normal(size=(4, 9)).astype(np.float32)
    alone = quantize(layer(weights[1:], threshold=1.0), bits=4)
    weights[0] *= factor
    beside = quantize(layer(weights, threshold=1.0), bits=4)
    np.testing.assert_array_equal(integers(beside)[1:], integers(alone))
    np.testing.assert_array_equal(
        beside.tensor(neuron(beside)["threshold"])[1:], alone.tensor(neuron(alone)["threshold"])
    )


def test_one_step_per_layer_reports_what_a_huge_channel_does_to_the_others():
    weights = np.abs(np.random.default_rng(0).normal(0.2, 0.3, (4, 9))).astype(np.float32)
    weights[0] *= 1e4
    module = layer(weights, threshold=1.0)
    x = noise(module, np.random.default_rng(0), samples=20)["x"]
    _, report = calibrated(module, x, bits=4, per="layer", scale="max")
    assert report["layers"]["s"]["dead"] == report["layers"]["s"]["real_dead"] + 3


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_refused(value):
    with pytest.raises(SnncError, match="weight-not-finite"):
        layer([[1, value], [1, 1]], threshold=1.0)


def test_a_real_network_that_leaves_its_numbers_says_so():
    module = layer(np.full((1, 5), 3e38), threshold=1.0)
    with pytest.raises(SnncError, match="overflow"):
        calibrated(module, noise(module, np.random.default_rng(0))["x"])


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("options", [{}, {"rounding": "second-order", "thresholds": "scaled"}])
def test_integers_of_quantization_aware_training_are_taken_as_they_are(bits, options):
    """Two layers of integers times a step per channel, as fake quantization leaves them."""
    rng, top = np.random.default_rng(bits), top_weight(bits)
    codes = [rng.integers(-top, top + 1, shape) for shape in ((12, 20), (5, 12))]
    for c in codes:
        c[:, 0] = top
    steps = [rng.uniform(0.01, 0.2, (len(c), 1)).astype(np.float32) for c in codes]
    b = Builder("qat", "snn")
    value = b.input("x", "u1[20]~")
    thresholds = [rng.integers(2, 9, len(c)) for c in codes]
    for k in (0, 1):
        weight = b.weight(f"w{k}", (codes[k] * steps[k]).astype(np.float32))
        at = b.weight(f"t{k}", (thresholds[k] * steps[k][:, 0]).astype(np.float32))
        value = b.op("neuron", b.op("linear", value, weight), threshold=at, name=f"s{k}")
    module = b.finish(value)
    x = (rng.random((40, 12, 20)) < 0.4).astype(np.uint8)
    lowered, report = calibrated(module, x, bits=bits, **options)
    for k in (0, 1):
        np.testing.assert_array_equal(integers(lowered, f"w{k}"), codes[k])
        (op,) = (o for o in lowered.ops("neuron") if o.result.name == f"s{k}")
        np.testing.assert_array_equal(lowered.tensor(op["threshold"]), thresholds[k])
        assert report["tensors"][f"w{k}"]["max_error"] < 1e-5


def test_silent_and_ever_spiking_sources_are_calibration_data_too():
    module = layer(np.random.default_rng(0).normal(size=(4, 6)), threshold=1.0)
    x = np.zeros((5, 8, 6), np.uint8)
    x[:, :, 3:] = 1
    lowered, _ = calibrated(module, x, bits=2, rounding="second-order", thresholds="matched")
    assert run(lowered, {"x": x})["s"].shape == (5, 8, 4)
