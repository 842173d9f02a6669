"""The native engine computes what the reference computes: every value, state and error."""

import threading
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.diagnostics import SnncError
from snnc.ir import Builder
from snnc.ir.types import I8
from snnc.runtime import numpy_engine
from snnc.runtime.native import engine as native
from snnc.runtime.native import layers
from snnc.runtime.native.engine import NativeEngine
from snnc.runtime.reference import Reference
from tests.laws.strategies import modules, spikes
from tests.unit.runtime.test_numpy_engine import EXTREMES, NARROW, assert_equal, outcome, relaxed

pytest.importorskip("llvmlite")

from snnc.machine.paths import available

KINDS = ["event", "dense"]


@pytest.fixture(params=KINDS)
def kind(request, monkeypatch):
    """Force one of the two products wherever both would do."""
    monkeypatch.setattr(layers, "dense_is_faster", lambda *_: request.param == "dense")
    return request.param


def check(module, inputs, ticks, cut=None, **options):
    """Compare a run whose values are all seen, and one with fusions that changes engines."""
    engine = NativeEngine(**options)
    word, expected = outcome(Reference(), module, inputs, ticks)
    other, actual = outcome(engine, module, inputs, ticks)
    assert word == other
    if word == "error":
        assert expected == actual
        return
    assert_equal(expected, actual)
    neurons = {f"{op.result.name}.v": op for op in module.ops("neuron")}
    spikes_only = [*neurons, *(op.result.name for op in neurons.values())]
    run = engine.prepare(module).run
    assert_part(expected, run(inputs, ticks=ticks, probe=spikes_only))
    assert_part(expected, run(inputs, ticks=ticks))
    if cut:
        timed = {v.name for v in module.graph.inputs if v.type.timed}
        early = {n: a[:, :cut] if n in timed else a for n, a in inputs.items()}
        late = {n: a[:, cut:] if n in timed else a for n, a in inputs.items()}
        first = Reference().prepare(module).run(early, ticks=cut)
        second = run(late, ticks=ticks - cut, state=first.state, probe=spikes_only)
        for name, array in second.trace.items():
            assert np.array_equal(expected.trace[name][:, cut:], array), name
        for name, arrays in expected.state.held.items():
            for one, other in zip(arrays, second.state.held[name], strict=True):
                assert np.array_equal(one, other), name


def assert_part(expected, actual):
    for name, array in {**actual.outputs, **actual.trace}.items():
        whole = {**expected.outputs, **expected.trace}[name]
        assert whole.dtype == array.dtype
        assert np.array_equal(whole, array), name
    for name, arrays in expected.state.held.items():
        for one, other in zip(arrays, actual.state.held[name], strict=True):
            assert (one.dtype, one.shape) == (other.dtype, other.shape)
            assert np.array_equal(one, other), name


def train(rng, shape, rate=0.3):
    return (rng.random(shape) < rate).astype(np.uint8)


def test_random_modules_run_alike(kind):
    @settings(relaxed, max_examples=6)
    @given(st.data())
    def law(data):
        module = data.draw(modules("int"))
        inputs = data.draw(spikes(module, samples=3, ticks=8))
        check(module, inputs, 8, data.draw(st.integers(1, 7)))

    law()


@settings(relaxed, max_examples=12)
@given(st.fixed_dictionaries(EXTREMES), st.data())
def test_neurons_at_the_ends_of_their_width_run_alike(attrs, data):
    spike = data.draw(st.sampled_from(["single", "count", "value"]))
    threshold = data.draw(NARROW.filter(lambda t: spike != "count" or t > 0))
    seed = data.draw(st.integers(0, 2**32))
    xs = np.random.default_rng(seed).integers(-300, 301, (2, 8, 19)).astype(np.int32)
    b = Builder("extreme", "int")
    x = b.input("x", "i32[19]~")
    s = b.op("neuron", x, name="s", threshold=threshold, spike=spike, width=8, **attrs)
    check(b.finish(s), {"x": xs}, 8, 3)


def layered(rng, path_sizes, element="u1", low=-128, high=127, **neuron):
    b = Builder("layers", "int")
    x = b.input("x", f"{element}[{path_sizes[0]}]~")
    for n, (size, out) in enumerate(pairwise(path_sizes)):
        w = rng.integers(low, high, (out, size), endpoint=True)
        bias = rng.integers(-50, 50, out)
        y = b.op("linear", x, b.weight(f"w{n}", w), b.weight(f"b{n}", bias), name=f"y{n}")
        x = b.op("neuron", y, name=f"s{n}", **({"threshold": 200} | neuron))
    return b.finish(x)


@pytest.mark.parametrize("path", available())
def test_every_path_of_this_machine_gives_the_same(path, kind):
    rng = np.random.default_rng(3)
    for module, shape in ((layered(rng, [83, 301, 70, 10]), (83,)), (images(rng), (3, 9, 8))):
        inputs = {"x": train(rng, (3, 11, *shape))}
        expected = Reference().prepare(module).run(inputs, probe=("all",))
        assert_part(expected, NativeEngine(path=path).prepare(module).run(inputs))


def images(rng):
    b = Builder("images", "int")
    x = b.input("x", "u1[3, 9, 8]~")
    w = b.weight("w", rng.integers(-100, 100, (20, 3, 3, 3)))
    bias = b.weight("b", rng.integers(-10, 10, 20))
    y = b.op("conv2d", x, w, bias, padding=(1, 1), name="y")
    s = b.op("neuron", y, threshold=300, name="s", first=2, ticks=4)
    w = b.weight("v", rng.integers(-100, 100, (40, 10, 3, 3)))
    how = {"padding": (2, 1), "stride": (2, 1), "dilation": (1, 2), "groups": 2}
    y = b.op("conv2d", s, w, name="z", **how)
    s = b.op("neuron", y, threshold=150, name="t")
    pooled = b.op("max_pool2d", s, kernel=(2, 2))
    w = b.weight("u", rng.integers(-100, 100, (6, 40 * 9)))
    last = b.op("linear", b.op("reshape", pooled, shape=(360,)), w)
    return b.finish(b.op("neuron", last, threshold=90, name="out"))


@pytest.mark.parametrize(
    ("shape", "w", "attrs"),
    [
        ((4, 13), (6, 4, 5), {"stride": (2,), "padding": (2,)}),
        ((4, 13), (8, 1, 3), {"groups": 4, "dilation": (3,)}),
        ((1, 7, 7), (33, 1, 5, 5), {}),
        ((16, 5, 6), (48, 16, 3, 3), {"padding": (1, 1)}),
        ((16, 5, 6), (16, 1, 3, 3), {"groups": 16, "padding": (0, 1, 2, 1)}),
        ((6, 4, 4), (6, 3, 2, 2), {"groups": 2, "dilation": (2, 2), "padding": (1, 0)}),
    ],
)
def test_convolutions_of_all_shapes_are_exact(shape, w, attrs, kind):
    rng = np.random.default_rng(5)
    b = Builder("conv", "int")
    x = b.input("x", f"u1[{', '.join(map(str, shape))}]~")
    weights = b.weight("w", rng.integers(-128, 128, w))
    y = b.op(f"conv{len(shape) - 1}d", x, weights, name="y", **attrs)
    module = b.finish(b.op("neuron", y, threshold=200, name="s"))
    check(module, {"x": train(rng, (2, 6, *shape), 0.4)}, 6, 2)


@pytest.mark.parametrize("axes", [1, 2])
def test_transposed_convolutions_are_exact(axes, kind):
    rng = np.random.default_rng(6)
    b = Builder("conv", "int")
    shape = (4, *(5, 6)[:axes])
    x = b.input("x", f"u1[{', '.join(map(str, shape))}]~")
    weights = b.weight("w", rng.integers(-128, 128, (4, 9, *(2, 2)[:axes])))
    how = {"stride": (2, 3)[:axes], "padding": (2, 0)[:axes], "groups": 2}
    y = b.op(f"conv_transpose{axes}d", x, weights, name="y", **how)
    module = b.finish(b.op("neuron", y, threshold=200, name="s"))
    check(module, {"x": train(rng, (2, 6, *shape), 0.4)}, 6, 2)


@pytest.mark.parametrize("path", available())
@pytest.mark.parametrize(("element", "top"), [("u1", 1), ("u8", 255), ("i8", -128), ("u16", 65535)])
@pytest.mark.parametrize("fan_in", [515, 9000])
def test_products_of_the_greatest_numbers_are_exact(element, top, fan_in, path, kind):
    w = np.full((18, fan_in), -128, dtype=np.int8)
    w[1] = np.where(np.arange(fan_in) % 2, 127, -127)
    w[2:] = 127
    b = Builder("greatest", "int")
    x = b.input("x", f"{element}[{fan_in}]~")
    y = b.op("linear", x, b.weight("w", w), name="y")
    how = {"threshold": 2**30, "overflow": "saturate", "reset_by": -7, "leak": -3}
    module = b.finish(b.op("neuron", y, name="s", **how))
    x = np.full((1, 5, fan_in), top)
    x[0, 1, 0] = 0
    word, expected = outcome(Reference(), module, {"x": x}, 5)
    if word == "error":
        assert (word, expected) == outcome(NativeEngine(path=path), module, {"x": x}, 5)
        return
    program = NativeEngine(path=path).prepare(module)
    assert_part(expected, program.run({"x": x}, probe=("y",)))
    assert_part(expected, program.run({"x": x}))


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_weights_of_all_widths_are_exact(bits, kind):
    rng = np.random.default_rng(8)
    top = 2 ** (bits - 1) - 1 if bits < 32 else 2**27
    module = layered(rng, [12, 21], low=-top, high=top, threshold=top, width=32)
    check(module, {"x": train(rng, (2, 9, 12))}, 9, 4)


@pytest.mark.parametrize("ticks", [1, 2, 3, 4, 5, 63, 300])
def test_runs_of_all_lengths_are_exact(ticks, kind):
    rng = np.random.default_rng(9)
    module = layered(rng, [40, 33, 5], leak=-1, floor=-50, spike="count")
    check(module, {"x": train(rng, (2, ticks, 40))}, ticks)


def test_matrices_of_rows_are_products_too(kind):
    rng = np.random.default_rng(10)
    b = Builder("rows", "int")
    x = b.input("x", "u1[4, 3, 7]~")
    y = b.op("linear", x, b.weight("w", rng.integers(-9, 9, (18, 7))), name="y")
    t = b.weight("t", rng.integers(1, 20, (4, 3, 18)))
    module = b.finish(b.op("neuron", y, threshold=t, name="s"))
    check(module, {"x": train(rng, (2, 6, 4, 3, 7))}, 6, 2)


def test_an_overflow_is_reported_as_the_reference_reports_it():
    rng = np.random.default_rng(11)
    for attrs in ({"width": 9}, {"leak": 2**30}, {"leak": -(2**30)}, {"reset_by": -(2**31) + 1}):
        module = layered(rng, [30, 20], **attrs)
        x = {"x": train(rng, (5, 9, 30))}
        assert "error" == outcome(Reference(), module, x, 9)[0]
        check(module, x, 9, jobs=2)
        check(module, x, 9, jobs=1)


def test_potentials_beyond_32_bits_run_as_in_the_reference():
    b = Builder("far", "int")
    x = b.input("x", "i32[3]~")
    module = b.finish(b.op("neuron", x, threshold=9, name="s", overflow="wrap-paibox", width=8))
    x = np.full((1, 6, 3), 2**31 - 1)
    x[:, :, 1] *= -1
    given = {"x": x}
    expected = Reference().prepare(module).run(given, ticks=6)
    assert_part(expected, NativeEngine().prepare(module).run(given, ticks=6))


def test_threads_and_chunks_change_nothing(monkeypatch):
    rng = np.random.default_rng(12)
    module = layered(rng, [40, 33, 5])
    x = {"x": train(rng, (7, 9, 40))}
    expected = Reference().prepare(module).run(x, probe=("all",))
    for size in (1, 1 << 22):
        monkeypatch.setattr(native, "CHUNK_BYTES", size)
        for jobs in (1, 2, 3, 16):
            program = NativeEngine(jobs=jobs).prepare(module)
            assert_equal(expected, program.run(x, probe=("all",)))


def test_a_loop_runs_natively(kind):
    rng = np.random.default_rng(13)
    b = Builder("loop", "int")
    x, later = b.input("x", "u1[21]~"), b.forward("s", "u1[21]~")
    back = b.op("delay", later, by=2)
    fed = b.op("linear", back, b.weight("r", rng.integers(-20, 20, (21, 21))))
    y = b.op("add", b.op("linear", x, b.weight("w", rng.integers(-20, 20, (21, 21)))), fed)
    made = b.op("neuron", y, threshold=40, name="s")
    b.bind(later, made)
    alone, again = b.forward("t", "u1[21]~"), b.weight("a", rng.integers(-5, 30, (21, 21)))
    joined = b.op("concat", b.op("delay", alone, by=1), made)
    both = b.weight("c", rng.integers(-20, 20, (21, 42)))
    loop = b.op("neuron", b.op("linear", joined, both, name="y"), threshold=60, name="t")
    b.bind(alone, loop)
    module = b.finish(b.op("neuron", b.op("linear", loop, again), threshold=50, name="out"))
    check(module, {"x": train(rng, (2, 17, 21))}, 17, 4)


@pytest.mark.parametrize("kind", ["sum", "max"])
@pytest.mark.parametrize("element", ["u1", "u8", "i16"])
def test_pools_are_exact(kind, element):
    rng = np.random.default_rng(14)
    b = Builder("pools", "int")
    x = b.input("x", f"{element}[3, 7, 8]~")
    how = {"kernel": (3, 2), "stride": (2, 2), "padding": (1, 1, 0, 1), "dilation": (1, 2)}
    y = b.op(f"{kind}_pool2d", x, name="y", **how)
    flat = b.op("reshape", y, shape=(3, y.type.size // 3))
    z = b.op(f"{kind}_pool1d", flat, kernel=(4,), name="z")
    module = b.finish(b.op("neuron", z, threshold=9, name="s", overflow="saturate"))
    low, high = {"u1": (0, 1), "u8": (0, 255), "i16": (-999, 999)}[element]
    check(module, {"x": rng.integers(low, high, (2, 5, 3, 7, 8), endpoint=True)}, 5, 2)


@pytest.mark.parametrize("samples", [0, 1])
@pytest.mark.parametrize("ticks", [0, 1])
def test_empty_batches_and_empty_runs_keep_their_shapes(samples, ticks):
    b = Builder("conv", "int")
    x = b.input("x", "u1[2, 4, 4]~")
    y = b.op("conv2d", x, b.weight("w", np.ones((3, 2, 3, 3), np.int8), I8), name="y")
    module = b.finish(b.op("neuron", b.op("delay", y, by=2), threshold=3, name="s"))
    given = {"x": np.ones((samples, ticks, 2, 4, 4), dtype=np.uint8)}
    expected = outcome(Reference(), module, given, ticks)[1]
    assert_equal(expected, outcome(NativeEngine(), module, given, ticks)[1])


def test_what_has_no_native_kernel_is_noted():
    b = Builder("wide", "int")
    x = b.input("x", "i32[3]~")
    y = b.op("linear", x, b.weight("w", np.array([[1, 1, 1]])), name="y")
    module = b.finish(b.op("neuron", y, threshold=3, name="s", overflow="wrap"))
    (note,) = NativeEngine().prepare(module).notes
    assert note.message.startswith("%y: int.linear runs in the numpy engine")
    check(module, {"x": np.arange(12).reshape(1, 4, 3)}, 4)
    assert () == NativeEngine().prepare(layered(np.random.default_rng(0), [3, 2])).notes


def test_without_llvmlite_the_numpy_engine_runs_with_a_note(monkeypatch):
    monkeypatch.setattr(native, "installed", lambda: False)
    program = NativeEngine().prepare(layered(np.random.default_rng(0), [3, 2]))
    assert (native.MISSING,) == program.notes


def test_an_interrupt_ends_the_other_chunks(monkeypatch):
    """One chunk is interrupted; the other stops at its next stage and not at its end."""
    started, stages = threading.Barrier(2), []
    module = layered(np.random.default_rng(0), [4, *[3] * 50])
    program = NativeEngine(jobs=2).prepare(module)
    whole = numpy_engine.Chunk._whole

    def stage(chunk, op):
        if not any(chunk is other for other in stages):
            stages.append(chunk)
            started.wait()
        if chunk.first_sample == 0:
            raise KeyboardInterrupt
        halts[0].wait()
        stages.append(op)
        return whole(chunk, op)

    halts = []
    each = type(program).each
    monkeypatch.setattr(
        type(program), "each", lambda self, run, at, halt: each(self, run, at, *keep(halts, halt))
    )
    monkeypatch.setattr(numpy_engine.Chunk, "_whole", stage)
    with pytest.raises(KeyboardInterrupt):
        program.run({"x": np.zeros((2, 5, 4), dtype=np.uint8)})
    assert 1 == sum(not isinstance(entry, numpy_engine.Chunk) for entry in stages)


def keep(kept, value):
    kept.append(value)
    return [value]


def test_the_environment_says_how_many_threads_there_are(monkeypatch):
    module = layered(np.random.default_rng(0), [3, 2])
    monkeypatch.setenv("SNNC_THREADS", "3")
    assert 3 == NativeEngine().prepare(module).jobs
    assert 2 == NativeEngine(jobs=2).prepare(module).jobs
    for wrong in ("0", "-1", "two", "\N{SUPERSCRIPT TWO}"):
        monkeypatch.setenv("SNNC_THREADS", wrong)
        with pytest.raises(SnncError) as caught:
            NativeEngine().prepare(module)
        assert "bad-threads" == caught.value.code
