"""Runs of every length, in any number of parts and samples, are the reference's."""

import numpy as np
import pytest

from snnc.ir import Builder
from snnc.runtime.native.engine import NativeEngine
from snnc.runtime.reference import Reference

pytest.importorskip("llvmlite")

from snnc.machine.paths import available

LONGEST = 300


def looped(level):
    """A layer that reads itself and a delayed one, late neurons that stop, a skip."""
    rng = np.random.default_rng(3)
    b = Builder("loop", level)

    def weight(name, *shape):
        whole = rng.integers(-40, 60, shape).astype(np.int8)
        return b.weight(name, whole if level == "int" else whole / np.float32(64))

    unit = 64 if level == "int" else 1.0
    x, later = b.input("x", "u1[9]~"), b.forward("s", "u1[21]~")
    fed = b.op("linear", b.op("delay", later, by=3), weight("r", 21, 21))
    y = b.op("add", b.op("linear", x, weight("w", 21, 9)), fed)
    s = b.op("neuron", y, threshold=unit, name="s")
    b.bind(later, s)
    how = {"threshold": unit, "first": 7, "ticks": 260, "spike": "count"}
    t = b.op("neuron", b.op("linear", b.op("delay", s, by=5), weight("v", 17, 21)), name="t", **how)
    both = b.op("linear", b.op("concat", s, b.op("delay", x, by=1)), weight("u", 5, 30))
    total = b.op("add", both, b.op("linear", t, weight("q", 5, 17)))
    return b.finish(b.op("neuron", total, name="out", threshold=unit))


def train(*shape):
    return (np.random.default_rng(4).random(shape) < 0.3).astype(np.uint8)


@pytest.fixture(scope="module", params=["int", "snn"])
def case(request):
    """A network, its inputs, and what the reference makes of them."""
    module, x = looped(request.param), {"x": train(2, LONGEST, 9)}
    return module, x, Reference().prepare(module).run(x, probe=("all",))


def assert_prefix(whole, part, begin, end):
    for name, array in {**part.outputs, **part.trace}.items():
        expected = {**whole.outputs, **whole.trace}[name]
        assert np.array_equal(expected[:, begin:end], array), (name, begin, end)


def test_every_length_is_the_beginning_of_the_longest(case):
    module, x, whole = case
    program = NativeEngine(jobs=1).prepare(module)
    for ticks in range(1, LONGEST + 1):
        some = ("all",) if ticks % 50 == 0 else ()
        assert_prefix(whole, program.run({"x": x["x"][:, :ticks]}, probe=some), 0, ticks)


@pytest.mark.parametrize("step", [1, 2, 7, 64, 299])
def test_a_run_in_parts_is_the_run_in_one(case, step):
    module, x, whole = case
    program, state = NativeEngine(jobs=1).prepare(module), None
    for at in range(0, LONGEST, step):
        part = {"x": x["x"][:, at : at + step]}
        ran = program.run(part, state=state, probe=("all",) if step > 2 else ("s.v",))
        assert_prefix(whole, ran, at, min(at + step, LONGEST))
        state = ran.state
    for name, arrays in whole.state.held.items():
        for one, other in zip(arrays, state.held[name], strict=True):
            assert np.array_equal(one, other), name


def test_states_go_between_engines_and_paths(case):
    module, x, whole = case
    engines = [Reference(), *(NativeEngine(path=path, jobs=1) for path in available())]
    programs, state = [engine.prepare(module) for engine in engines], None
    for number, at in enumerate(range(0, LONGEST, 30)):
        part = {"x": x["x"][:, at : at + 30]}
        ran = programs[number % len(programs)].run(part, state=state, probe=("all",))
        assert_prefix(whole, ran, at, at + 30)
        state = ran.state


@pytest.mark.parametrize("level", ["int", "snn"])
@pytest.mark.parametrize("samples", [1, 2, 3, 7, 16, 33])
def test_batches_of_every_size_are_their_samples(level, samples):
    module, x = looped(level), train(33, 12, 9)
    expected = Reference().prepare(module).run({"x": x}, probe=("all",))
    for jobs in (1, 2):
        program = NativeEngine(jobs=jobs).prepare(module)
        for first in range(0, 33, samples):
            ran = program.run({"x": x[first : first + samples]}, probe=("all",))
            for name, array in ran.trace.items():
                assert np.array_equal(expected.trace[name][first : first + samples], array), name


HEAVY = {"u1": 1, "u8": 255, "i8": -128}


@pytest.mark.parametrize("path", available())
@pytest.mark.parametrize("element", HEAVY)
@pytest.mark.parametrize("sign", [-128, 127])
def test_convolutions_and_loops_of_the_greatest_weights_are_exact(sign, element, path):
    b = Builder("heavy", "int")
    x = b.input("x", f"{element}[70, 6, 5]~")
    w = b.weight("w", np.full((33, 70, 3, 3), sign, np.int8))
    how = {"width": 32, "overflow": "saturate"}
    s = b.op("neuron", b.op("conv2d", x, w, padding=(1, 1)), name="s", threshold=99, **how)
    later = b.forward("t", "u1[40]~")
    flat = b.op("reshape", s, shape=(33 * 30,))
    fed = b.op(
        "linear", b.op("delay", later, by=1), b.weight("r", np.full((40, 40), sign, np.int8))
    )
    y = b.op("add", b.op("linear", flat, b.weight("v", np.full((40, 990), sign, np.int8))), fed)
    t = b.op("neuron", y, name="t", threshold=-5, spike="single", reset_by=7, **how)
    b.bind(later, t)
    module = b.finish(t)
    x = np.full((2, 5, 70, 6, 5), HEAVY[element])
    x[1, 2:] = 0
    expected = Reference().prepare(module).run({"x": x}, probe=("all",))
    program = NativeEngine(path=path).prepare(module)
    for probe in (("all",), ("t.v", "s.v"), ()):
        ran = program.run({"x": x}, probe=probe)
        for name, array in {**ran.outputs, **ran.trace}.items():
            assert np.array_equal({**expected.outputs, **expected.trace}[name], array), name
