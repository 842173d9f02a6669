"""Loops as machine code: every value, potential, state and error is the reference's."""

from threading import Event

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.ir import Builder
from snnc.runtime import numpy_engine
from snnc.runtime.native import stretch
from snnc.runtime.native.engine import NativeEngine
from snnc.runtime.reference import Reference
from snnc.runtime.state import probes
from tests.laws.strategies import modules, spikes
from tests.unit.runtime.native.test_engine import assert_part, check, train
from tests.unit.runtime.test_numpy_engine import outcome, relaxed

pytest.importorskip("llvmlite")

from snnc.machine.paths import available


def looped(module, *seen):
    """The number of loops that run as machine code, and of those there are."""
    plan = NativeEngine().prepare(module).plan(probes(module, seen))
    return len(plan.loops), sum(stage.loop for stage in plan.stages)


def numbers(b, rng, name, *shape):
    whole = rng.integers(-60, 60, shape)
    return b.weight(name, whole if b.level == "int" else (whole / 64).astype(np.float32))


def recurrent(rng, level="int", size=21, by=1, element="u1", **neuron):
    """Neurons that read the input, themselves, and others that read them."""
    b = Builder("recurrent", level)
    x = b.input("x", "u1[13]~")
    threshold = 90 if level == "int" else 1.3
    again, back = b.forward("s", f"{element}[{size}]~"), b.forward("t", "u1[9]~")
    terms = [
        b.op("linear", x, numbers(b, rng, "w", size, 13), name="y"),
        b.op("linear", b.op("delay", again, by=by), numbers(b, rng, "r", size, size)),
    ]
    total = b.op("add", *terms)
    if level == "int":
        far = b.op("linear", b.op("delay", back, by=by + 2), numbers(b, rng, "f", size, 9))
        total = b.op("add", *terms, far)
    s = b.op("neuron", total, name="s", threshold=threshold, **neuron)
    t = b.op("neuron", b.op("linear", s, numbers(b, rng, "v", 9, size)), name="t", threshold=40)
    b.bind(again, s)
    b.bind(back, t)
    return b.finish(t)


@settings(relaxed, max_examples=6)
@given(st.data())
@pytest.mark.parametrize("level", ["int", "snn"])
def test_random_loops_run_alike(level, data):
    module = data.draw(modules(level, layers=3))
    inputs = data.draw(spikes(module, samples=2, ticks=9))
    check(module, inputs, 9, data.draw(st.integers(1, 8)))


@pytest.mark.parametrize(("by", "ticks"), [(1, 1), (1, 300), (2, 7), (5, 3), (5, 23)])
@pytest.mark.parametrize("level", ["int", "snn"])
def test_loops_of_all_lengths_and_delays_are_exact(level, by, ticks):
    rng = np.random.default_rng(1)
    module = recurrent(rng, level, by=by)
    assert (1, 1) == looped(module)
    check(module, {"x": train(rng, (3, ticks, 13))}, ticks, ticks // 2)


@pytest.mark.parametrize(("path", "size"), list(zip(available(), [16, 21, 70, 64], strict=False)))
def test_every_path_loops_alike(path, size):
    rng = np.random.default_rng(2)
    module = recurrent(rng, "snn" if path in ("avx2", "vnni") else "int", size)
    check(module, {"x": train(rng, (2, 9, 13))}, 9, 4, path=path)


@pytest.mark.parametrize("times", [{"first": 2}, {"ticks": 4}, {"first": 3, "ticks": 2}])
@pytest.mark.parametrize("by", [1, 3])
def test_neurons_that_rest_loop_alike(times, by):
    rng = np.random.default_rng(3)
    module = recurrent(rng, by=by, **times)
    assert (1, 1) == looped(module)
    check(module, {"x": train(rng, (2, 11, 13))}, 11, 5)


@pytest.mark.parametrize(("spike", "element"), [("count", "u16"), ("value", "u8")])
@pytest.mark.parametrize("width", [30, 32])
def test_loops_of_counts_and_bytes_are_exact(spike, element, width):
    rng = np.random.default_rng(4)
    how = {"spike": spike, "width": width, "overflow": "wrap", "reset": "hard", "truncate": 3}
    module = recurrent(rng, element=element, max_count=40, **how)
    assert (1, 1) == looped(module)
    check(module, {"x": train(rng, (2, 9, 13))}, 9, 4)


def test_loops_of_counts_of_real_neurons_are_exact():
    rng = np.random.default_rng(5)
    how = {"spike": "count", "max_count": 9, "filter": "before", "filter_decay": 0.5}
    module = recurrent(rng, "snn", element="u16", **how)
    assert (1, 1) == looped(module)
    check(module, {"x": train(rng, (2, 9, 13))}, 9, 4)


def shapes(rng, level):
    """A loop through windows, moves, sums, differences, factors, and a potential that is read."""
    b = Builder("shapes", level)
    x, later = b.input("x", "u1[4, 6, 5]~"), b.forward("s", "u1[4, 6, 5]~")
    back = b.op("delay", later, by=2)
    how = {"padding": (1, 1)}
    y = b.op("conv2d", back, numbers(b, rng, "w", 4, 2, 3, 3), groups=2, **how)
    plain = b.op("slice", b.op("permute", back, order=(0, 2, 1)), axis=1, start=1, stop=4)
    joined = b.op("concat", plain, b.op("slice", plain, axis=1, start=0, stop=2), axis=1)
    flat = b.op("reshape", b.op("permute", joined, order=(0, 2, 1)), shape=(120,))
    rows = b.op("reshape", flat, shape=(4, 6, 5))
    scaled = b.op("scale", rows, numbers(b, rng, "by", 4), name="by")
    total = b.op("add", b.op("sub", y, x), scaled, name="total")
    threshold = 60 if level == "int" else 0.9
    made = b.emit("neuron", [total], {"threshold": threshold, "potential": True}, names=["s"])
    b.bind(later, b.op("neuron", made.results[1], threshold=threshold))
    return b.finish(*made.results)


@pytest.mark.parametrize("level", ["int", "snn"])
def test_loops_through_windows_and_moves_are_exact(level):
    rng = np.random.default_rng(6)
    module = shapes(rng, level)
    assert (1, 1) == looped(module)
    check(module, {"x": train(rng, (2, 9, 4, 6, 5))}, 9, 4)


def test_what_has_no_step_runs_block_by_block():
    rng = np.random.default_rng(7)
    b = Builder("pooled", "int")
    x, later = b.input("x", "u1[2, 4, 4]~"), b.forward("s", "u1[2, 4, 4]~")
    pooled = b.op(
        "max_pool2d", b.op("delay", later, by=1), kernel=(3, 3), stride=(1, 1), padding=(1, 1)
    )
    s = b.op("neuron", b.op("add", pooled, x), threshold=2, name="s")
    b.bind(later, s)
    module = b.finish(s)
    assert (0, 1) == looped(module)
    check(module, {"x": train(rng, (2, 9, 2, 4, 4))}, 9, 4)


def test_an_overflow_in_a_loop_is_reported_as_the_reference_reports_it():
    rng = np.random.default_rng(8)
    module = recurrent(rng, reset="none", width=9)
    x = {"x": train(rng, (1, 40, 13))}
    assert "error" == outcome(Reference(), module, x, 40)[0]
    check(module, x, 40)


@pytest.mark.parametrize("rounds", [1, 3])
def test_threads_chunks_and_calls_change_nothing(monkeypatch, rounds):
    rng = np.random.default_rng(9)
    module = recurrent(rng)
    x = {"x": train(rng, (5, 17, 13))}
    expected = Reference().prepare(module).run(x, probe=("all",))
    monkeypatch.setattr(stretch, "ROUNDS", rounds)
    for jobs in (1, 3):
        assert_part(expected, NativeEngine(jobs=jobs).prepare(module).run(x, probe=("all",)))
        assert_part(expected, NativeEngine(jobs=jobs).prepare(module).run(x))


def test_a_loop_is_given_up_between_its_blocks(monkeypatch):
    rng = np.random.default_rng(10)
    module = recurrent(rng)
    program = NativeEngine().prepare(module)
    halt, seen = Event(), []

    def halted():
        seen.append(1)
        halt.set()
        return len(seen) > 1

    monkeypatch.setattr(stretch, "ROUNDS", 1)
    monkeypatch.setattr(halt, "is_set", halted)
    monkeypatch.setattr(program, "each", lambda run, starts, _: super_each(run, starts))
    monkeypatch.setattr(numpy_engine, "Event", lambda: halt)

    def super_each(run, starts):
        return [run(at) for at in starts]

    with pytest.raises(numpy_engine.Halted):
        program.run({"x": train(rng, (1, 30, 13))})
