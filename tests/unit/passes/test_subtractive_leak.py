"""`subtractive-leak`: no factor is left, spikes count nearly alike, the rest is refused by name."""

import json

import numpy as np
import pytest

from snnc.builtins import open_registry
from snnc.diagnostics import SnncError
from snnc.driver.pipeline import runner
from snnc.extend.passes import Context
from snnc.ir import Builder
from snnc.ir.verify import verify
from snnc.ir.write import write
from snnc.passes import calibration
from snnc.passes.quantize import Quantize
from snnc.passes.subtractive_leak import SubtractiveLeak

RUN = runner(open_registry())


def trains(samples=60, ticks=16, n=20, seed=0):
    rng = np.random.default_rng(seed)
    rates = rng.random((samples, n)) * rng.random((samples, 1))
    return (rng.random((samples, ticks, n)) < rates[:, None]).astype(np.uint8)


def network(*attrs, seed=1):
    """A layer of 20 neurons for each set of attributes."""
    rng = np.random.default_rng(seed)
    b = Builder("net", "snn")
    value = b.input("x", "u1[20]~")
    for number, given in enumerate(attrs):
        w = rng.normal(0.08, 0.25, (20, 20)).astype(np.float32)
        current = b.op("linear", value, b.weight(f"w{number}", w))
        value = b.op("neuron", current, name=f"s{number}", **given)
    return b.finish(value)


def convert(module, x=None):
    context = Context(calibration=None if x is None else {"x": x}, run=RUN)
    return SubtractiveLeak().run(module, context), context.report.get("subtractive-leak")


MODELS = [
    {"decay": 0.9},
    {"decay": 0.9, "reset_time": "after", "compare": "gt"},
    {"decay": 0.5, "gain": 0.5, "reset": "hard", "threshold": 0.5},
    {"decay": 0.8, "leak_to": 0.2, "leak": 0.05, "floor": -1.0},
    {"decay": 0.9, "threshold": 0.8, "reset_by": 1.1},
    {"decay": 0.9, "spike": "count", "max_count": 3},
]


@pytest.mark.parametrize("attrs", MODELS)
def test_the_counts_are_nearer_than_without_any_leak(attrs):
    module, x = network(attrs), trains()
    fitted, report = convert(module, x)
    verify(fitted).check()
    (op,) = fitted.ops("neuron")
    assert (op["decay"], op["reset_time"]) == (1.0, "now")
    without = network({**attrs, "decay": 1.0, "reset_time": "now"})
    real, plain, made = (
        RUN(m, {"x": x}).outputs["s0"].sum(axis=1, dtype=np.int64)
        for m in (module, without, fitted)
    )
    assert np.square(made - real).sum() < np.square(plain - real).sum()
    assert report["layers"]["s0"]["count_error"] == pytest.approx(np.abs(made - real).mean())


def test_what_is_left_quantizes():
    module, x = network(*MODELS[:2]), trains()
    lowered = Quantize(bits=8).run(convert(module, x)[0], Context())
    expected = RUN(module, {"x": x}).outputs["s1"].sum(axis=1, dtype=np.int64)
    actual = RUN(lowered, {"x": x}).outputs["s1"].sum(axis=1, dtype=np.int64)
    assert np.abs(actual - expected).mean() < 0.7


def test_each_channel_of_a_convolution_has_one_leak():
    rng = np.random.default_rng(0)
    b = Builder("net", "snn")
    x = b.input("x", "u1[1, 5, 5]~")
    w = b.weight("w", rng.normal(0.1, 0.4, (3, 1, 3, 3)).astype(np.float32))
    module = b.finish(b.op("neuron", b.op("conv2d", x, w), decay=0.9, name="s"))
    fitted, _ = convert(module, trains(n=25).reshape(60, 16, 1, 5, 5))
    shapes = [fitted.tensor(s).shape for op in fitted.ops("neuron") for s in op.symbols]
    assert shapes
    assert set(shapes) == {(3,)}


def test_neurons_without_a_leak_by_a_factor_stay():
    module = network({"leak": -0.1}, {})
    assert convert(module)[0] is module
    mixed = network({"threshold": 0.5}, {"decay": 0.9})
    first, second = convert(mixed, trains())[0].ops("neuron")
    assert (first["threshold"], first["floor"]) == (0.5, None)
    assert second["decay"] == 1.0


def test_the_result_does_not_depend_on_the_chunks(monkeypatch):
    module, x = network(MODELS[0]), trains()
    expected = convert(module, x)
    monkeypatch.setattr(calibration, "CHUNK_BYTES", 120_000)
    actual = convert(module, x)
    assert write(expected[0]) == write(actual[0])
    assert expected[1] == actual[1]
    assert json.loads(json.dumps(actual[1])) == actual[1]


def test_calibration_data_is_needed():
    with pytest.raises(SnncError, match="calibration-missing"):
        convert(network({"decay": 0.9}))


@pytest.mark.parametrize(
    ("attrs", "named"),
    [({"decay": 1.5}, "decay"), ({"decay": -0.5}, "decay"), ({"threshold": 0.0}, "threshold")],
)
def test_neurons_without_such_a_leak_are_named(attrs, named):
    with pytest.raises(SnncError) as caught:
        convert(network({"decay": 0.9, **attrs}), trains())
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "no-subtractive-leak"
    assert named in diagnostic.message


def test_a_potential_that_is_returned_is_refused():
    b = Builder("net", "snn")
    x = b.input("x", "u1[2]~")
    b.op("neuron", x, decay=0.9, potential=True)
    with pytest.raises(SnncError, match="no-subtractive-leak"):
        convert(b.finish(*b.ops[-1].results), trains(n=2))


def test_quantize_points_to_this_pass():
    with pytest.raises(SnncError) as caught:
        Quantize().run(network({"decay": 0.9}), Context())
    assert "subtractive-leak" in caught.value.diagnostics[0].help
