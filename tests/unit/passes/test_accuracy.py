"""Accuracy before and after a pass: counted on labels, with an interval; odd labels are refused."""

import json

import numpy as np
import pytest

import snnc
from snnc.builtins import open_registry
from snnc.diagnostics import SnncError
from snnc.driver.pipeline import run_pipeline, runner
from snnc.extend.passes import Context
from snnc.ir import Builder
from snnc.passes.accuracy import wilson

RUN = runner(open_registry())
SAMPLES = 50


def network(outputs=1, **attrs):
    rng = np.random.default_rng(1)
    b = Builder("net", "snn")
    x = b.input("x", "u1[20]~")
    w = b.weight("w", rng.normal(0.1, 0.3, (6, 20)).astype(np.float32))
    s = b.op("neuron", b.op("linear", x, w), name="s", **attrs)
    return b.finish(*[s, b.op("delay", s, name="late")][:outputs])


def spikes():
    rng = np.random.default_rng(0)
    return (rng.random((SAMPLES, 12, 20)) < rng.random((SAMPLES, 1, 20)) / 2).astype(np.uint8)


def report(pipeline, labels, module=None):
    context = Context(calibration={"x": spikes(), "labels": labels}, run=RUN)
    made = run_pipeline(module or network(), pipeline, context=context)
    return context.report, made


def answers(module):
    return RUN(module, {"x": spikes()}).outputs["s"].sum(axis=1).argmax(axis=1)


def test_quantize_tells_accuracy_before_and_after():
    labels = answers(network())
    labels[:5] = (labels[:5] + 1) % 6
    found, made = report("quantize{bits=2}", labels)
    told = found["quantize"]["accuracy"]
    right = int((answers(made) == labels).sum())
    assert told["before"]["right"] == SAMPLES - 5
    assert (told["after"]["right"], told["after"]["samples"]) == (right, SAMPLES)
    assert told["after"]["interval_95"] == list(wilson(right, SAMPLES))
    assert told["changed"] == int((answers(made) != answers(network())).sum()) > 0
    assert json.loads(json.dumps(found)) == found


def test_every_stage_that_approximates_tells_it():
    labels = answers(network(decay=0.9))
    found, _ = report("subtractive-leak,quantize", labels, network(decay=0.9))
    fitted, rounded = (found[name]["accuracy"] for name in ("subtractive-leak", "quantize"))
    assert fitted["before"]["right"] == SAMPLES
    assert fitted["after"] == rounded["before"]


def test_without_labels_nothing_is_said_of_accuracy():
    context = Context(calibration={"x": spikes()}, run=RUN)
    run_pipeline(network(), "quantize", context=context)
    assert "accuracy" not in context.report["quantize"]


@pytest.mark.parametrize(
    "labels",
    [
        np.zeros(SAMPLES - 1, np.int64),
        np.zeros((SAMPLES, 2), np.int64),
        np.zeros(SAMPLES),
        np.full(SAMPLES, 6),
        np.full(SAMPLES, -1),
    ],
)
def test_labels_that_do_not_belong_to_the_data_are_refused(labels):
    with pytest.raises(SnncError) as caught:
        report("quantize", labels)
    assert caught.value.code == "calibration-labels"
    assert caught.value.diagnostics[0].help


def test_labels_of_a_network_with_two_outputs_are_refused():
    with pytest.raises(SnncError, match="calibration-labels"):
        report("quantize", np.zeros(SAMPLES, np.int64), network(outputs=2))


def test_an_input_may_be_called_labels():
    b = Builder("net", "snn")
    x = b.input("labels", "u1[20]~")
    w = b.weight("w", np.random.default_rng(1).normal(size=(6, 20)).astype(np.float32))
    module = b.finish(b.op("neuron", b.op("linear", x, w), name="s"))
    context = Context(calibration={"labels": spikes()}, run=RUN)
    run_pipeline(module, "quantize", context=context)
    assert "accuracy" not in context.report["quantize"]


def test_labels_may_stand_in_the_file_of_the_calibration_data(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, x=spikes(), labels=answers(network()))
    build = snnc.compile(network(), "paicore", calibrate=path)
    assert build.manifest["report"]["quantize"]["accuracy"]["before"]["right"] == SAMPLES
