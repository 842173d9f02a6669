"""The native engine computes networks of real numbers as the reference does, bit by bit."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.ir import Builder
from snnc.runtime.native.engine import NativeEngine
from snnc.runtime.native.grids import Grid, grids
from snnc.runtime.native.source import real_source
from snnc.runtime.reference import Reference
from tests.laws.strategies import modules, spikes
from tests.unit.runtime.native.test_engine import assert_part, check, train
from tests.unit.runtime.test_numpy_engine import outcome, relaxed

pytest.importorskip("llvmlite")

from snnc.machine.paths import available

OPTIONS = {
    "filter": st.sampled_from(["none", "before", "after", "whole"]),
    "compare": st.sampled_from(["ge", "gt"]),
    "spike": st.sampled_from(["single", "count"]),
    "reset": st.sampled_from(["soft", "hard", "none"]),
    "reset_time": st.sampled_from(["now", "before", "after"]),
    "max_count": st.sampled_from([1, 3, 65535, 65536]),
    "first": st.sampled_from([0, 0, 2]),
    "ticks": st.sampled_from([0, 0, 4]),
    "potential": st.booleans(),
}
NUMBERS = ("decay", "leak_to", "gain", "leak", "filter_decay", "reset_to", "reset_by", "floor")
AWKWARD = [0.0, -0.0, 1.0, 0.1, -0.3, 1 / 3, 1e-30, 0.99, 2.5]


@settings(relaxed, max_examples=12)
@given(st.data())
def test_random_modules_run_alike(data):
    module = data.draw(modules("snn"))
    check(module, data.draw(spikes(module, samples=3, ticks=8)), 8, data.draw(st.integers(1, 7)))


@settings(relaxed, max_examples=25)
@given(st.fixed_dictionaries(OPTIONS), st.data())
@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_neurons_of_all_options_run_alike(kind, options, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    b = Builder("options", "snn")
    x = b.input("x", "f32[19]~" if kind == np.float32 else "f16[19]~")
    attrs = {}
    for name in data.draw(st.lists(st.sampled_from(NUMBERS), unique=True)):
        if data.draw(st.booleans()):
            attrs[name] = b.weight(name, rng.choice(AWKWARD, 19).astype(np.float32))
        else:
            attrs[name] = data.draw(st.sampled_from(AWKWARD))
    threshold = b.weight("t", rng.choice([0.1, 1.0, 1e-3, 7.0], 19).astype(np.float32))
    s = b.op("neuron", x, name="s", threshold=threshold, **options, **attrs)
    xs = rng.normal(0.3, 1, (1, 9, 19)) * rng.choice([0, 1, 1, 100, 3e4], (1, 9, 19))
    check(b.finish(s), {"x": xs.clip(-65504, 65504).astype(kind)}, 9, 4)


def layers(rng, sizes, scale=0.2, bias=True, **neuron):
    b = Builder("layers", "snn")
    x = b.input("x", f"u1[{sizes[0]}]~")
    for n, (size, out) in enumerate(pairwise(sizes)):
        w = b.weight(f"w{n}", rng.normal(0, scale, (out, size)).astype(np.float32))
        extra = [b.weight(f"b{n}", rng.normal(0, 0.1, out).astype(np.float32))] if bias else []
        y = b.op("linear", x, w, *extra, name=f"y{n}")
        x = b.op("neuron", y, name=f"s{n}", **({"threshold": 0.7, "decay": 0.9} | neuron))
    return b.finish(x)


@pytest.mark.parametrize("path", available())
@pytest.mark.parametrize("spike", ["single", "count"])
def test_every_path_of_this_machine_gives_the_same(path, spike):
    rng = np.random.default_rng(3)
    module = layers(rng, [83, 150, 70, 10], spike=spike, max_count=20)
    assert () == NativeEngine(path=path).prepare(module).notes
    check(module, {"x": train(rng, (3, 11, 83))}, 11, 4, path=path)


def test_convolutions_and_means_of_spikes_are_exact():
    rng = np.random.default_rng(4)
    b = Builder("images", "snn")
    x = b.input("x", "u1[3, 9, 8]~")
    w = b.weight("w", rng.normal(0, 0.3, (20, 3, 3, 3)).astype(np.float32))
    bias = b.weight("b", rng.normal(0, 0.1, 20).astype(np.float32))
    s = b.op("neuron", b.op("conv2d", x, w, bias, padding=(1, 1), name="y"), threshold=0.6)
    mean = b.op("avg_pool2d", s, kernel=(2, 2), name="mean")
    w = b.weight("v", rng.normal(0, 0.3, (40, 10, 3, 3)).astype(np.float32))
    y = b.op("conv2d", mean, w, padding=(2, 1), stride=(2, 1), groups=2, name="z")
    s = b.op("neuron", y, threshold=0.3, spike="count", max_count=7, name="t")
    total = b.op("sum_pool2d", s, kernel=(2, 2), stride=(1, 1), name="total")
    size = total.type.size
    w = b.weight("u", rng.normal(0, 0.1, (6, size)).astype(np.float32))
    last = b.op("linear", b.op("reshape", total, shape=(size,)), w)
    module = b.finish(b.op("neuron", last, threshold=0.9, name="out"))
    assert () == NativeEngine().prepare(module).notes
    check(module, {"x": train(rng, (3, 7, 3, 9, 8))}, 7, 3)


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("kernel", [(2, 2), (3, 3)])
def test_means_are_rounded_once(counted, kernel):
    rng = np.random.default_rng(5)
    b = Builder("means", "snn")
    x = b.input("x", "u8[2, 7, 6]~")
    y = b.op("avg_pool2d", x, kernel=kernel, padding=(1, 0), count_padding=counted, stride=(2, 1))
    module = b.finish(b.op("neuron", y, threshold=99.5, name="s"))
    check(module, {"x": rng.integers(0, 256, (2, 5, 2, 7, 6))}, 5, 2)


def test_sums_whose_terms_cancel_are_exact():
    """Floats lose 2^-40 beside 1, and the sum of all is 2^-40; ties are rounded to even."""
    w = np.zeros((40, 4), dtype=np.float32)
    w[:, 0], w[:, 1], w[:, 2] = 1.0, 2.0**-40, -1.0
    w[20:, 0], w[20:, 1], w[20:, 2], w[20:, 3] = 1.0, 2.0**-24, 0.0, 2.0**-23
    b = Builder("cancel", "snn")
    x = b.input("x", "u1[4]~")
    y = b.op("linear", x, b.weight("w", w), b.weight("b", np.full(40, 2.0**-45, np.float32)))
    module = b.finish(b.op("neuron", y, name="s", potential=True))
    x = np.array(np.meshgrid(*[[0, 1]] * 4)).reshape(4, -1).T[None]
    assert () == NativeEngine().prepare(module).notes
    check(module, {"x": x}, 16, 5)


@pytest.mark.parametrize("small", [1e-30, 2.0**-140])
def test_weights_of_too_many_sizes_are_no_whole_numbers_and_exact(small):
    w = np.array([[1e20, small, -1e20, 3.0]], dtype=np.float32)
    b = Builder("far", "snn")
    x = b.input("x", "u1[4]~")
    module = b.finish(b.op("neuron", b.op("linear", x, b.weight("w", w), name="y"), name="s"))
    assert () == NativeEngine().prepare(module).notes
    x = np.array(np.meshgrid(*[[0, 1]] * 4)).reshape(4, -1).T[None]
    check(module, {"x": x}, 16, 5)


def test_potentials_beyond_all_floats_are_reported_as_the_reference_does():
    b = Builder("far", "snn")
    x = b.input("x", "u1[3]~")
    y = b.op("linear", x, b.weight("w", np.full((18, 3), 1e30, np.float32)))
    module = b.finish(b.op("neuron", y, name="s", gain=1e10, threshold=3e38, reset="none"))
    x = {"x": np.ones((2, 4, 3), dtype=np.uint8)}
    assert "error" == outcome(Reference(), module, x, 4)[0]
    check(module, x, 4)


@pytest.mark.parametrize("level", ["int", "snn"])
def test_lanes_behind_the_last_neuron_cannot_fail(level):
    """Inhibition holds the neurons in place; without it a potential would leave its range."""
    b = Builder("held", level)
    x = b.input("x", "u1[1]~")
    if level == "int":
        w, how = np.full((3, 1), -(2**24), np.int32), {"leak": 2**24, "threshold": 2**30}
    else:
        w, how = np.full((3, 1), -1e37, np.float32), {"leak": 1e37, "threshold": 3e38}
    y = b.op("linear", x, b.weight("w", w))
    module = b.finish(b.op("neuron", y, name="s", reset="none", **how))
    assert "ok" == outcome(NativeEngine(), module, {"x": np.ones((1, 300, 1))}, 300)[0]
    check(module, {"x": np.ones((1, 300, 1), dtype=np.uint8)}, 300)


def test_grids_follow_what_moves_and_adds_up_spikes():
    b = Builder("grids", "snn")
    x = b.input("x", "u1[2, 4, 4]~")
    analog = b.input("a", "f32[2, 4, 4]~")
    total = b.op("sum_pool2d", x, kernel=(2, 2), name="total")
    mean = b.op("avg_pool2d", total, kernel=(2, 1), name="mean")
    third = b.op("avg_pool2d", x, kernel=(3, 1), name="third")
    late = b.op("delay", b.op("reshape", mean, shape=(4,)), name="late")
    mixed = b.op("concat", x, b.op("max_pool2d", x, kernel=(1, 1)), name="mixed")
    module = b.finish(late, third, mixed, b.op("relu", analog, name="r"))
    found = {value.name: grid for value, grid in grids(module).items()}
    assert Grid(1.0, 4) == found["total"]
    assert Grid(0.5, 8) == found["mean"] == found["late"]
    assert Grid(1.0, 1) == found["mixed"]
    assert not {"third", "a", "r"} & set(found)


def test_products_of_unknown_or_large_inputs_are_left_alone():
    b = Builder("left", "snn")
    x = b.input("x", "f32[2]~")
    y = b.op("linear", x, b.weight("w", np.ones((2, 2), np.float32)))
    module = b.finish(y)
    (op,) = module.graph.ops
    assert real_source(module, op, None) is None
    assert real_source(module, op, Grid(1.0, 256)) is None
    assert real_source(module, op, Grid(0.25, 255)) is not None


@pytest.mark.parametrize("ticks", [1, 2, 300])
def test_runs_of_all_lengths_and_threads_are_exact(ticks):
    rng = np.random.default_rng(9)
    module = layers(rng, [40, 33, 5], filter="before", filter_decay=0.8, reset_time="before")
    x = {"x": train(rng, (5, ticks, 40))}
    expected = Reference().prepare(module).run(x, probe=("all",))
    for jobs in (1, 2):
        assert_part(expected, NativeEngine(jobs=jobs).prepare(module).run(x))
    assert_part(expected, NativeEngine().prepare(module).run(x, probe=("all",)))


def test_half_floats_are_exact():
    b = Builder("half", "snn")
    x = b.input("x", "f16[20]~")
    y = b.op("linear", x, b.weight("w", np.eye(20).astype(np.float16)))
    module = b.finish(b.op("neuron", y, name="s", decay=0.9))
    assert () == NativeEngine().prepare(module).notes
    xs = np.random.default_rng(1).normal(0, 1, (2, 9, 20)).astype(np.float16)
    check(module, {"x": xs}, 9, 3)
