"""`quantize` on calibration data: closer spikes, the same on every run, reported by layer."""

import json
from itertools import pairwise

import numpy as np
import pytest

from snnc.builtins import open_registry
from snnc.diagnostics import SnncError
from snnc.driver.pipeline import runner
from snnc.extend.passes import Context
from snnc.ir import Builder
from snnc.ir.write import write
from snnc.passes import calibration
from snnc.passes.quantize import Quantize

RUN = runner(open_registry())
BEST = {"rounding": "second-order", "thresholds": "matched"}


def spikes(samples=60, ticks=12, n=20, seed=0):
    """Trains whose sources tend to spike in the same samples."""
    rng = np.random.default_rng(seed)
    rates = np.clip(rng.random((samples, 3)) @ rng.random((3, n)) / 2, 0, 1)
    return (rng.random((samples, ticks, n)) < rates[:, None]).astype(np.uint8)


def layers(*sizes, seed=1, **attrs):
    rng = np.random.default_rng(seed)
    b = Builder("net", "snn")
    value = b.input("x", f"u1[{sizes[0]}]~")
    for number, (n, m) in enumerate(pairwise(sizes)):
        w = rng.normal(0.05, 0.3, (m, n)).astype(np.float32)
        current = b.op("linear", value, b.weight(f"w{number}", w))
        value = b.op("neuron", current, name=f"s{number}", **attrs)
    return b.finish(value)


def convolutions():
    rng = np.random.default_rng(1)
    b = Builder("net", "snn")
    x = b.input("x", "u1[2, 6, 6]~")

    def w(name, *shape):
        return b.weight(name, rng.normal(0.05, 0.3, shape).astype(np.float32))

    s = b.op("neuron", b.op("conv2d", x, w("a", 4, 1, 3, 3), groups=2, padding=(1, 1)), name="s0")
    t = b.op("conv_transpose2d", b.op("sum_pool2d", s, kernel=(2, 2)), w("b", 4, 3, 2, 2))
    flat = b.op("reshape", b.op("neuron", t, name="s1"), shape=(48,))
    return b.finish(b.op("neuron", b.op("linear", flat, w("c", 5, 48)), name="s2"))


def quantize(module, x, **options):
    context = Context(calibration=None if x is None else {"x": x}, run=RUN)
    return Quantize(**options).run(module, context), context.report["quantize"]


def off(report):
    return [layer["count_error"] for layer in report["layers"].values()]


@pytest.mark.parametrize("per", ["layer", "channel"])
def test_second_moments_bring_the_spikes_of_every_layer_closer(per):
    module, x = layers(20, 30, 10), spikes()
    _, nearest = quantize(module, x, bits=2, per=per)
    _, second = quantize(module, x, bits=2, per=per, rounding="second-order")
    assert all(s < n for s, n in zip(off(second), off(nearest), strict=True))


@pytest.mark.parametrize("per", ["layer", "channel"])
def test_no_threshold_is_rounded_where_the_step_may_be_chosen(per):
    module, x = layers(20, 30, 10, threshold=0.7), spikes()
    _, nearest = quantize(module, x, bits=2, per=per)
    _, second = quantize(module, x, bits=2, per=per, rounding="second-order")
    assert all(n["threshold_error"] > 0 for n in nearest["neurons"].values())
    assert [0.0, 0.0] == [n["threshold_error"] for n in second["neurons"].values()]


def test_neurons_with_thresholds_of_their_own_are_rounded():
    rng = np.random.default_rng(0)
    b = Builder("net", "snn")
    x = b.input("x", "u1[2, 4, 4]~")
    w = b.weight("w", rng.normal(size=(3, 2, 3, 3)).astype(np.float32))
    at = b.weight("t", rng.uniform(0.5, 2, (3, 2, 2)).astype(np.float32))
    module = b.finish(b.op("neuron", b.op("conv2d", x, w), threshold=at, name="s"))
    data = (rng.random((30, 8, 2, 4, 4)) < 0.4).astype(np.uint8)
    _, report = quantize(module, data, bits=2, rounding="second-order")
    assert report["neurons"]["s"]["threshold_error"] > 0


def test_a_scale_that_was_asked_for_stays():
    module, x = layers(20, 30), spikes()
    _, nearest = quantize(module, x, bits=4, scale="max")
    _, second = quantize(module, x, bits=4, scale="max", rounding="second-order")
    assert second["tensors"]["w0"]["scale"] == nearest["tensors"]["w0"]["scale"]


def test_second_moments_work_on_convolutions_of_every_kind():
    rng = np.random.default_rng(0)
    x = (rng.random((40, 8, 2, 6, 6)) < rng.random((40, 1, 2, 1, 6))).astype(np.uint8)
    _, nearest = quantize(convolutions(), x, bits=2)
    _, second = quantize(convolutions(), x, bits=2, rounding="second-order")
    assert sum(off(second)) < sum(off(nearest))
    assert {t["rounding"] for t in second["tensors"].values()} == {"second-order"}


@pytest.mark.parametrize("attrs", [{}, {"reset": "hard"}, {"compare": "gt"}, {"leak": -0.1}])
def test_matched_thresholds_never_make_the_first_layer_s_counts_worse(attrs):
    module, x = layers(20, 30, threshold=0.7, **attrs), spikes()
    scaled, _ = quantize(module, x, bits=2)
    matched, report = quantize(module, x, bits=2, thresholds="matched")
    real = RUN(module, {"x": x}).outputs["s0"].sum(axis=1, dtype=np.int64)
    before, after = (
        np.square(RUN(m, {"x": x}).outputs["s0"].sum(axis=1, dtype=np.int64) - real).sum(axis=0)
        for m in (scaled, matched)
    )
    assert (after <= before).all()
    assert after.sum() < before.sum()
    assert report["neurons"]["s0"]["threshold_shift"] != [0, 0]


def test_a_soft_reset_of_its_own_stays_when_the_threshold_moves():
    module = layers(20, 30, threshold=0.7, reset_by=0.9)
    scaled, _ = quantize(module, None, bits=2)
    matched, report = quantize(module, spikes(), bits=2, thresholds="matched")
    assert report["neurons"]["s0"]["threshold_shift"] != [0, 0]
    (a,), (b,) = scaled.ops("neuron"), matched.ops("neuron")
    # The amount stands in the threshold; what moves is how far below it the potential begins.
    np.testing.assert_array_equal(scaled.tensor(a["threshold"]), matched.tensor(b["threshold"]))
    assert (scaled.tensor(a["initial"]) != matched.tensor(b["initial"])).any()


def test_integers_stay_as_they_are_on_calibration_data():
    b = Builder("net", "snn")
    w = np.random.default_rng(0).integers(-7, 8, (5, 20)).astype(np.float32)
    x = b.input("x", "u1[20]~")
    module = b.finish(b.op("neuron", b.op("linear", x, b.weight("w", w)), threshold=3.0, name="s"))
    lowered, report = quantize(module, spikes(), bits=4, **BEST)
    np.testing.assert_array_equal(w, lowered.weights["w"].tensor.array())
    assert report["tensors"]["w"]["rounding"] == "exact"
    assert report["layers"]["s"]["first_difference"] is None


def test_a_network_that_hears_itself_is_rounded_too():
    rng = np.random.default_rng(0)
    b = Builder("net", "snn")
    x = b.input("x", "u1[20]~")
    later = b.forward("late", "u1[8]~")
    into = b.weight("w", rng.normal(size=(8, 20)).astype(np.float32))
    back = b.weight("r", rng.normal(size=(8, 8)).astype(np.float32))
    total = b.op("add", b.op("linear", x, into), b.op("linear", b.op("delay", later), back))
    s = b.op("neuron", total, name="s")
    b.bind(later, s)
    _, report = quantize(b.finish(s), spikes(), bits=2, **BEST)
    assert {t["rounding"] for t in report["tensors"].values()} == {"second-order"}


def test_masked_synapses_stay_masked():
    rng = np.random.default_rng(0)
    b = Builder("net", "snn")
    x = b.input("x", "u1[20]~")
    w = b.weight("w", rng.normal(size=(8, 20)).astype(np.float32))
    mask = rng.random((8, 20)) < 0.5
    current = b.op("masked_linear", x, w, b.weight("m", mask))
    lowered, _ = quantize(b.finish(b.op("neuron", current)), spikes(), bits=2, **BEST)
    assert not lowered.weights["w"].tensor.array()[~mask].any()


def test_the_result_depends_on_neither_chunks_nor_runs(monkeypatch):
    module, x = layers(20, 30, 10), spikes()
    expected = quantize(module, x, bits=2, **BEST)
    monkeypatch.setattr(calibration, "CHUNK_BYTES", 50_000)
    actual = quantize(module, x, bits=2, **BEST)
    assert write(expected[0]) == write(actual[0])
    assert expected[1] == actual[1]


def test_the_report_of_a_layer_says_what_changed():
    module, x = layers(20, 30, 10), spikes()
    lowered, report = quantize(module, x, bits=2)
    both = [RUN(m, {"x": x}, probe=["s0"]).trace["s0"] for m in (module, lowered)]
    counts = [train.sum(axis=1, dtype=np.int64) for train in both]
    layer = report["layers"]["s0"]
    assert (layer["real_spikes"], layer["spikes"]) == tuple(int(c.sum()) for c in counts)
    assert layer["count_error"] == pytest.approx(np.abs(counts[0] - counts[1]).mean())
    assert layer["dead"] == int((both[1] == 0).all(axis=(0, 1)).sum())
    assert layer["saturated"] == int((both[1] == 1).all(axis=(0, 1)).sum())
    tick, sample, neuron = (layer["first_difference"][k] for k in ("tick", "sample", "neuron"))
    different = both[0] != both[1]
    assert not different[:, :tick].any()
    assert different[sample, tick, neuron]
    assert not different[:sample, tick].any()
    assert json.loads(json.dumps(report)) == report


def test_dead_and_saturated_neurons_are_counted():
    b = Builder("net", "snn")
    x = b.input("x", "u1[2]~")
    w = b.weight("w", np.array([[9, 9], [0, 0], [1, 2]], np.float32))
    leak = b.weight("leak", np.array([9, 0, 0], np.float32))
    module = b.finish(b.op("neuron", b.op("linear", x, w), name="s", threshold=9.0, leak=leak))
    _, report = quantize(module, spikes(n=2), bits=8)
    assert (report["layers"]["s"]["dead"], report["layers"]["s"]["saturated"]) == (1, 1)


@pytest.mark.parametrize("option", [{"rounding": "second-order"}, {"thresholds": "matched"}])
def test_an_option_without_its_data_is_refused(option):
    with pytest.raises(SnncError, match="calibration-missing"):
        quantize(layers(20, 3), None, **option)


def test_a_percentile_clips_that_many_weights():
    rng = np.random.default_rng(0)
    b = Builder("net", "snn")
    x = b.input("x", "u1[100]~")
    w = rng.normal(size=(1, 100)).astype(np.float32)
    module = b.finish(b.op("neuron", b.op("linear", x, b.weight("w", w))))
    _, report = quantize(module, None, bits=8, scale="percentile", percentile=90.0)
    top = np.sort(np.abs(w[0]))[89]
    assert report["tensors"]["w"]["scale"] == pytest.approx([top / 127] * 2)
    _, report = quantize(module, None, bits=8, scale="percentile")
    assert report["tensors"]["w"]["scale"] == pytest.approx([np.abs(w).max() / 127] * 2)


def test_zeros_do_not_count_for_the_percentile():
    b = Builder("net", "snn")
    x = b.input("x", "u1[100]~")
    w = np.zeros((1, 100), np.float32)
    w[0, :4] = [0.1, 0.2003, 0.3007, 4]
    module = b.finish(b.op("neuron", b.op("linear", x, b.weight("w", w))))
    _, report = quantize(module, None, bits=8, scale="percentile", percentile=75.0)
    assert report["tensors"]["w"]["scale"][0] == pytest.approx(0.3007 / 127)


@pytest.mark.parametrize("percentile", [0.0, -1.0, 100.5])
def test_a_percentile_out_of_range_is_refused(percentile):
    with pytest.raises(SnncError, match="percentile-range"):
        quantize(layers(20, 3), None, scale="percentile", percentile=percentile)


def test_a_percentile_without_use_is_refused():
    with pytest.raises(SnncError, match="unused-option"):
        quantize(layers(20, 3), None, scale="mse", percentile=99.0)
