"""The numpy engine computes what the reference computes: every value, state and error."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snnc.diagnostics import SnncError
from snnc.ir import Builder, Module
from snnc.ir.types import I8
from snnc.runtime import numpy_engine, numpy_trains
from snnc.runtime.numpy_engine import NumpyEngine
from snnc.runtime.numpy_products import Product
from snnc.runtime.numpy_schedule import stages
from snnc.runtime.reference import Reference
from tests.laws.strategies import modules, spikes

relaxed = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def outcome(engine, module, inputs, ticks, state=None, **options):
    """Return ("ok", result) or ("error", its diagnostics)."""
    try:
        program = engine.prepare(module)
        return "ok", program.run(inputs, ticks=ticks, state=state, probe=("all",), **options)
    except SnncError as error:
        return "error", error.diagnostics


def assert_equal(expected, actual):
    assert list(expected.outputs) == list(actual.outputs)
    for name, array in {**expected.outputs, **expected.trace}.items():
        other = {**actual.outputs, **actual.trace}[name]
        assert (name, array.dtype, array.shape) == (name, other.dtype, other.shape)
        assert np.array_equal(array, other), name
    assert (expected.state.tick, expected.state.samples) == (
        actual.state.tick,
        actual.state.samples,
    )
    for name, arrays in expected.state.held.items():
        for one, other in zip(arrays, actual.state.held[name], strict=True):
            assert np.array_equal(one, other), name


def check(module, inputs, ticks, cut):
    """Compare one run, then a run that changes engines at tick `cut`."""
    word, expected = outcome(Reference(), module, inputs, ticks)
    other, actual = outcome(NumpyEngine(), module, inputs, ticks)
    assert (word, expected if word == "error" else "") == (
        other,
        actual if other == "error" else "",
    )
    if word == "error":
        return
    assert_equal(expected, actual)
    timed = {v.name for v in module.graph.inputs if v.type.timed}
    early = {n: a[:, :cut] if n in timed else a for n, a in inputs.items()}
    late = {n: a[:, cut:] if n in timed else a for n, a in inputs.items()}
    first = outcome(Reference(), module, early, cut)[1]
    second = outcome(NumpyEngine(), module, late, ticks - cut, state=first.state)[1]
    whole = {
        n: a[:, cut:] if a.ndim > 1 and n in _timed(module) else a
        for n, a in expected.trace.items()
    }
    for name, array in whole.items():
        assert np.array_equal(array, second.trace[name]), name


def _timed(module):
    values = [*module.graph.inputs, *(r for op in module.graph.ops for r in op.results)]
    neurons = {f"{op.result.name}.v" for op in module.ops("neuron")}
    return {v.name for v in values if v.type.timed} | neurons


@pytest.mark.parametrize("level", ["int", "snn"])
def test_random_modules_run_alike(level):
    @relaxed
    @given(st.data())
    def law(data):
        module = data.draw(modules(level))
        inputs = data.draw(spikes(module, samples=3, ticks=8))
        check(module, inputs, 8, data.draw(st.integers(1, 7)))

    law()


def test_small_chunks_and_blocks_change_nothing(monkeypatch):
    monkeypatch.setattr(numpy_engine, "CHUNK_BYTES", 1)
    monkeypatch.setattr(numpy_trains, "BLOCK_BYTES", 1)

    @settings(relaxed, max_examples=30)
    @given(st.data())
    def law(data):
        module = data.draw(modules("int"))
        inputs = data.draw(spikes(module, samples=3, ticks=5))
        word, expected = outcome(Reference(), module, inputs, 5)
        other, actual = outcome(NumpyEngine(), module, inputs, 5)
        assert word == other
        if word == "ok":
            assert_equal(expected, actual)

    law()


def dense(w: np.ndarray, element: str, **neuron: object) -> Module:
    b = Builder("dense", "int")
    x = b.input("x", f"{element}[{w.shape[1]}]~")
    y = b.op("linear", x, b.weight("w", w), name="y")
    return b.finish(b.op("neuron", y, name="s", **neuron))


@pytest.mark.parametrize(("element", "top"), [("u1", 1), ("u8", 255), ("u16", 65535)])
@pytest.mark.parametrize("inputs", [500, 1100, 70000])
def test_products_of_the_greatest_numbers_are_exact(element, top, inputs):
    w = np.full((2, inputs), -128, dtype=np.int8)
    w[1] = np.where(np.arange(inputs) % 2, 127, -127)
    module = dense(w, element, threshold=2**30, overflow="saturate")
    x = np.full((1, 2, inputs), top)
    x[0, 1, 0] = 0
    word, expected = outcome(Reference(), module, {"x": x}, 2)
    other, actual = outcome(NumpyEngine(), module, {"x": x}, 2)
    assert word == other
    if word == "ok":
        assert_equal(expected, actual)
    else:
        assert expected == actual


@pytest.mark.parametrize(
    ("fan_in", "weight", "kind"),
    [(2**17 - 1, 127, "float32"), (2**17, 128, "float64"), (2**17 - 1, 128, "float32")],
)
def test_single_precision_is_used_only_under_its_bound(fan_in, weight, kind):
    module = dense(np.full((1, fan_in), -weight, dtype=np.int8), "u1", threshold=1)
    (op,) = module.ops("linear")
    multiply = Product(op, module.tensor(op.symbols[0]), None, op.values[0].type.element)
    assert kind == multiply(np.ones((1, fan_in), dtype=np.uint8)).dtype


def test_an_overflow_is_reported_as_the_reference_reports_it():
    module = dense(np.array([[100, 27]], dtype=np.int8), "u1", threshold=1000, width=9)
    x = np.zeros((3, 4, 2), dtype=np.uint8)
    x[1, 1:] = 1
    expected = outcome(Reference(), module, {"x": x}, 4)
    assert "error" == expected[0]
    assert expected == outcome(NumpyEngine(), module, {"x": x}, 4)


def test_a_loop_runs_in_blocks_of_its_shortest_delay():
    b = Builder("loop", "int")
    x, later = b.input("x", "u1[3]~"), b.forward("s", "u1[3]~")
    total = b.op("add", x, b.op("delay", later, by=3), b.op("delay", later, by=5))
    made = b.op("neuron", total, threshold=2, name="s")
    b.bind(later, made)
    module = b.finish(b.op("neuron", made, threshold=1, name="out"))
    assert [3, 0] == [stage.block for stage in stages(module.graph)]
    x = np.random.default_rng(0).integers(0, 2, (2, 17, 3)).astype(np.uint8)
    check(module, {"x": x}, 17, 4)


def test_a_batch_split_with_the_index_of_its_first_sample_draws_the_same_spikes(monkeypatch):
    b = Builder("random", "int")
    s = b.op("poisson", b.input("x", "f32[5]"), seed=3, name="s")
    module = b.finish(b.op("neuron", s, threshold=2, name="n"))
    x = {"x": np.random.default_rng(0).random((6, 5)).astype(np.float32)}
    whole = NumpyEngine().prepare(module).run(x, ticks=9, probe=("all",))
    assert_equal(Reference().prepare(module).run(x, ticks=9, probe=("all",)), whole)
    monkeypatch.setattr(numpy_engine, "CHUNK_BYTES", 1)
    assert_equal(whole, NumpyEngine().prepare(module).run(x, ticks=9, probe=("all",)))
    part = NumpyEngine().prepare(module).run({"x": x["x"][4:]}, ticks=9, first_sample=4)
    assert np.array_equal(whole.outputs["n"][4:], part.outputs["n"])


@pytest.mark.parametrize("samples", [0, 1])
@pytest.mark.parametrize("ticks", [0, 1])
def test_empty_batches_and_empty_runs_keep_their_shapes(samples, ticks):
    b = Builder("conv", "int")
    x = b.input("x", "u1[2, 4, 4]~")
    y = b.op("conv2d", x, b.weight("w", np.ones((3, 2, 3, 3), np.int8), I8), name="y")
    module = b.finish(b.op("neuron", b.op("delay", y, by=2), threshold=3, name="s"))
    given = {"x": np.ones((samples, ticks, 2, 4, 4), dtype=np.uint8)}
    expected = outcome(Reference(), module, given, ticks)[1]
    assert_equal(expected, outcome(NumpyEngine(), module, given, ticks)[1])


def test_networks_in_half_precision_run_alike():
    rng = np.random.default_rng(2)
    b = Builder("half", "snn")
    x = b.input("x", "f16[2, 6, 6]~")
    w = rng.normal(0, 0.3, (3, 2, 3, 3)).astype(np.float16)
    y = b.op("conv2d", x, b.weight("w", w), padding=(1, 1), name="y")
    s = b.op("neuron", y, decay=0.9, spike="count", reset_time="after", potential=True, name="s")
    flat = b.op("reshape", b.op("avg_pool2d", s, kernel=(2, 2)), shape=(27,))
    v = rng.normal(0, 0.3, (4, 27)).astype(np.float16)
    module = b.finish(b.op("neuron", b.op("linear", flat, b.weight("v", v)), name="out"))
    given = {"x": rng.random((3, 7, 2, 6, 6)).astype(np.float16)}
    check(module, given, 7, 3)
    trace = Reference().prepare(module).run(given, probe=("y", "s.v")).trace
    assert {np.dtype(np.float16)} == {array.dtype for array in trace.values()}


NARROW = st.one_of(st.sampled_from([-128, -127, -1, 0, 1, 126, 127]), st.integers(-128, 127))
EXTREMES = {
    "reset": st.sampled_from(["soft", "hard", "none"]),
    "reset_to": NARROW,
    "reset_by": st.one_of(st.none(), NARROW),
    "leak": NARROW,
    "leak_order": st.sampled_from(["before", "after"]),
    "leak_reversal": st.booleans(),
    "negative": st.one_of(st.none(), st.integers(0, 128)),
    "negative_mode": st.sampled_from(["floor", "reset"]),
    "floor": st.one_of(st.none(), NARROW),
    "truncate": st.integers(0, 29),
    "memory": st.sampled_from(["keep", "clear"]),
    "initial": NARROW,
    "overflow": st.sampled_from(["error", "wrap", "saturate", "wrap-paibox"]),
    "first": st.integers(0, 3),
    "ticks": st.integers(0, 6),
}


@settings(relaxed, max_examples=100)
@given(st.fixed_dictionaries(EXTREMES), st.data())
def test_neurons_at_the_ends_of_their_width_run_alike(attrs, data):
    spike = data.draw(st.sampled_from(["single", "count", "value"]))
    threshold = data.draw(NARROW.filter(lambda t: spike != "count" or t > 0))
    xs = data.draw(
        st.lists(st.lists(st.integers(-300, 300), min_size=3, max_size=3), min_size=8, max_size=8)
    )
    b = Builder("extreme", "int")
    x = b.input("x", "i32[3]~")
    s = b.op("neuron", x, name="s", threshold=threshold, spike=spike, width=8, **attrs)
    given = {"x": np.array([xs, np.negative(xs)], dtype=np.int32)}
    check(b.finish(s), given, 8, 3)
