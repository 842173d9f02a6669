"""`drop`: as few bits as a budget of changed answers allows, and never more changes than that."""

import json
from itertools import pairwise

import numpy as np
import pytest

from snnc.builtins import open_registry
from snnc.diagnostics import SnncError
from snnc.driver import compile as compile_network
from snnc.driver.pipeline import runner
from snnc.extend.passes import Context
from snnc.ir import Builder
from snnc.ir.write import write
from snnc.passes.calibration import calibration_of
from snnc.passes.mixed_precision import weight_bits
from snnc.passes.quantize import Quantize
from snnc.passes.quantize_choices import chooser
from snnc.passes.quantize_lowering import lower
from snnc.passes.scales import Scales

RUN = runner(open_registry())


def network(*sizes, seed=1):
    rng = np.random.default_rng(seed)
    b = Builder("net", "snn")
    value = b.input("x", f"u1[{sizes[0]}]~")
    for number, (n, m) in enumerate(pairwise(sizes)):
        w = rng.normal(0.05, 0.3, (m, n)).astype(np.float32)
        current = b.op("linear", value, b.weight(f"w{number}", w), name=f"i{number}")
        value = b.op("neuron", current, name=f"s{number}")
    return b.finish(value)


def trains(samples=50, ticks=12, n=20):
    rng = np.random.default_rng(0)
    return (rng.random((samples, ticks, n)) < rng.random((samples, 1, n)) / 2).astype(np.uint8)


def quantize(module, x, cost=None, **options):
    context = Context(calibration={"x": x}, run=RUN, cost=cost)
    return Quantize(**options).run(module, context), context.report["quantize"]


def answers(module, x):
    return RUN(module, {"x": x}).outputs["s1"].sum(axis=1, dtype=np.int64).argmax(axis=1)


@pytest.mark.parametrize("drop", [0.04, 0.1, 0.3])
def test_no_more_answers_change_than_the_budget_allows(drop):
    module, x = network(20, 30, 10), trains()
    lowered, report = quantize(module, x, drop=drop, rounding="second-order")
    changed = int((answers(module, x) != answers(lowered, x)).sum())
    assert changed == report["mixed"]["changed"]
    assert changed <= drop * len(x)
    assert report["mixed"]["after"] == weight_bits(lowered)
    assert json.loads(json.dumps(report)) == report


def test_a_wider_budget_never_costs_more_bits_here():
    module, x = network(20, 30, 10), trains()
    costs = [quantize(module, x, drop=d)[1]["mixed"]["after"] for d in (0.04, 0.1, 0.9)]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] == 2 * (20 * 30 + 30 * 10)


def test_the_weights_have_the_bits_that_the_report_says():
    module, x = network(20, 30, 10), trains()
    lowered, report = quantize(module, x, drop=0.3)
    bits = report["mixed"]["bits"]
    found = {f"i{n}": lowered.weights[f"w{n}"].type.element.bits for n in (0, 1)}
    assert found == bits
    assert report["mixed"]["before"] == 8 * (20 * 30 + 30 * 10)


@pytest.mark.parametrize("mean", [2.0, 3.5, 6.0, 8.0])
def test_the_search_ends_at_the_mean_that_was_asked_for(mean):
    module, x = network(20, 30, 20, 10), trains()
    lowered, report = quantize(module, x, mean=mean, rounding="second-order")
    weights = 20 * 30 + 30 * 20 + 20 * 10
    assert weight_bits(lowered) == report["mixed"]["after"] <= mean * weights
    if mean == 8:
        assert set(report["mixed"]["bits"].values()) == {8}


@pytest.mark.parametrize("options", [{"mean": 1.5}, {"mean": 2.5, "drop": 0.1}])
def test_a_mean_that_no_layer_has_or_beside_drop_is_refused(options):
    with pytest.raises(SnncError, match="mean-range"):
        quantize(network(20, 10), trains(), **options)


def test_bits_are_the_widest():
    _, report = quantize(network(20, 30, 10), trains(), bits=4, drop=0.9)
    assert report["mixed"]["before"] == 4 * (20 * 30 + 30 * 10)


@pytest.mark.parametrize("per", ["layer", "channel"])
def test_what_was_chosen_before_does_not_tell_in_the_end(per):
    module, x = network(20, 30, 20, 10), trains()
    data = calibration_of(module, Context(calibration={"x": x}, run=RUN))

    def scales(**bits):
        return Scales(module, 8, "mse", per, 32, narrower=bits)

    def text(used, **bits):
        own = scales(**bits)
        return write(lower(module, own, used.choose(own)).made)

    def new():
        return chooser(module, scales(), data, moments=True, matched=True)

    used = new()
    for bits in ({}, {"i1": 2}, {"i1": 2, "i2": 4}, {"i0": 4, "i2": 4}, {"i0": 4}, {}):
        assert text(used, **bits) == text(new(), **bits)


def test_cores_are_those_of_the_target():
    module, x = network(20, 30, 10), trains()
    text = "clean,quantize{drop=0.3 for=cores},@paicore"
    build = compile_network(module, pipeline=text, calibrate={"x": x})
    mixed = build.manifest["report"]["quantize"]["mixed"]
    assert mixed["after"] == build.manifest["resources"]["cores"]
    assert mixed["after"] <= mixed["before"]


def test_cores_decide_where_bits_would_not():
    def cost(module):
        return {"cores": module.weights["w1"].type.element.bits}

    _, report = quantize(network(20, 30, 10), trains(), cost, drop=0.9, for_="cores")
    assert report["mixed"]["bits"]["i1"] == 2
    assert (report["mixed"]["before"], report["mixed"]["after"]) == (8, 2)


def refused(code, module=None, **options):
    with pytest.raises(SnncError) as caught:
        quantize(module or network(20, 30, 10), trains(), **options)
    assert caught.value.code == code


def test_cores_need_a_target():
    refused("no-cost", drop=0.3, for_="cores")
    refused("no-cost", drop=0.3, for_="cores", cost=lambda module: {"tiles": 1})


def test_a_budget_out_of_reach_is_refused():
    refused("drop-out-of-reach", drop=0.0, bits=2)


@pytest.mark.parametrize("drop", [-0.1, 1.0])
def test_a_budget_that_is_no_share_is_refused(drop):
    refused("drop-range", drop=drop)


def test_what_is_saved_has_no_use_without_a_budget():
    refused("unused-option", for_="bits")


def test_a_budget_needs_data():
    with pytest.raises(SnncError, match="calibration-missing"):
        Quantize(drop=0.1).run(network(20, 30, 10), Context())


def test_a_network_without_answers_is_refused():
    b = Builder("net", "snn", {"ticks": 4})
    image = b.input("image", "f32[20]")
    w = b.weight("w", np.random.default_rng(0).normal(size=(3, 20)).astype(np.float32))
    b.op("neuron", b.op("linear", b.op("poisson", image, seed=0), w))
    context = Context(calibration={"image": np.eye(20, dtype=np.float32)}, run=RUN)
    with pytest.raises(SnncError, match="no-answer"):
        Quantize(drop=0.1).run(b.finish(image), context)
