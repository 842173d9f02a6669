"""The native program of a graph gives what the emulator gives: values, states, and errors."""

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given, settings

pytest.importorskip("llvmlite")

from snnc.diagnostics import SnncError
from snnc.ir import Builder
from snnc.machine.paths import available
from snnc.runtime.native.engine import NativeEngine
from snnc.targets.lynxi.artifact.records import (
    Artifact,
    Binding,
    Graph,
    Node,
    Port,
    Scalar,
    TensorType,
    Var,
)
from snnc.targets.lynxi.emulate import Emulator
from snnc.targets.lynxi.native import program as native
from snnc.targets.lynxi.native.program import Native
from tests.golden.test_lynxi import tutorial
from tests.laws.effort import examples
from tests.laws.strategies import modules
from tests.unit.targets.lynxi.networks import artifact, build, small, train
from tests.unit.targets.lynxi.test_laws import REFUSALS, RELAXED


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNNC_CACHE", str(tmp_path_factory.mktemp("native")))
        yield


def assert_same(expected, actual):
    for one, other in ((expected.outputs, actual.outputs), (expected.trace, actual.trace)):
        assert list(one) == list(other)
        for name, array in one.items():
            assert (array.dtype, array.shape) == (other[name].dtype, other[name].shape), name
            assert np.array_equal(array, other[name], equal_nan=array.dtype.kind == "f"), name
    assert (expected.state.tick, expected.state.owner) == (actual.state.tick, actual.state.owner)
    for flag, array in expected.state.held.items():
        assert array.dtype == actual.state.held[flag].dtype
        assert np.array_equal(array, actual.state.held[flag], equal_nan=array.dtype.kind == "f")


def check(records, inputs, cut=None, **options):
    """Compare a run that shows all, one that shows only outputs, and one that changes programs."""
    plain, quick = Emulator.of(records), Native.on(records, NativeEngine(**options))
    expected = plain.run(inputs, probe=("all",))
    assert_same(expected, quick.run(inputs, probe=("all",)))
    assert_same(evolve(expected, trace={}), quick.run(inputs))
    for name in list(expected.trace)[:3]:
        one = evolve(expected, trace={name: expected.trace[name]})
        assert_same(one, quick.run(inputs, probe=(name,)))
    if cut:
        first, rest = ({n: a[:, part] for n, a in inputs.items()} for part in halves(cut))
        for before, after in ((plain, quick), (quick, plain), (quick, quick)):
            state = before.run(first).state
            done = after.run(rest, state=state)
            for name, array in done.outputs.items():
                assert np.array_equal(expected.outputs[name][:, cut:], array), name
            for flag, array in expected.state.held.items():
                assert np.array_equal(array, done.state.held[flag]), flag


def halves(cut):
    return slice(0, cut), slice(cut, None)


@pytest.mark.parametrize("path", available())
@pytest.mark.parametrize("profile", ["f32", "f16"])
def test_every_path_of_this_machine_gives_what_the_emulator_gives(profile, path):
    for options in ({}, {"reset_time": "after", "spike": "count", "reset": "soft"}):
        records = artifact(small(**options), profile=profile)
        check(records, {"x": train((5, 9, 6))}, 4, path=path)


@pytest.mark.parametrize("profile", ["f32", "f16"])
def test_random_networks_run_alike(profile):
    @settings(RELAXED, max_examples=examples(4))
    @given(modules("snn"))
    def law(module):
        try:
            records = artifact(module, profile=profile)
        except SnncError as error:
            if error.code not in REFUSALS:
                raise
            return
        rng = np.random.default_rng(0)
        drawn = {}
        for port in records.inputs:
            shape = build_shape(port)
            drawn[port.name] = rng.integers(0, 2, (3, 7, *shape)).astype(np.uint8)
        check(records, drawn, 3)

    law()


def build_shape(port):
    from snnc.ir.types import parse_type

    return parse_type(port.type).shape


def convolutional():
    rng = np.random.default_rng(4)
    b = Builder("conv", "snn")
    x = b.input("x", "u8[2, 8, 7]~")
    w = [rng.normal(size=s).astype(np.float32) for s in ((5, 1, 3, 3), (4, 5), (4,))]
    how = {"padding": (1, 1), "stride": (1, 2), "groups": 1}
    y = b.op("conv2d", b.op("slice", x, axis=0, start=0, stop=1), b.weight("w", w[0]), **how)
    s = b.op("neuron", y, name="s", threshold=0.5, decay=0.9, reset="hard")
    p = b.op("avg_pool2d", b.op("max_pool2d", s, kernel=(2, 2)), kernel=(4, 2))
    z = b.op("linear", b.op("reshape", p, shape=(5,)), b.weight("v", w[1]), b.weight("c", w[2]))
    return b.finish(b.op("neuron", z, name="t", threshold=0.3), s)


def looped():
    rng = np.random.default_rng(5)
    b = Builder("loop", "snn")
    x, later = b.input("x", "u1[6]~"), b.forward("s", "u1[9]~")
    w = [rng.normal(size=s).astype(np.float32) for s in ((9, 6), (9, 9))]
    fed = b.op("linear", b.op("delay", later, by=2), b.weight("r", w[1]))
    y = b.op("add", b.op("linear", b.op("delay", x, by=1), b.weight("w", w[0])), fed)
    s = b.op("neuron", y, name="s", threshold=0.8)
    b.bind(later, s)
    return b.finish(s)


@pytest.mark.parametrize("profile", ["f32", "f16"])
@pytest.mark.parametrize(("make", "shape"), [(convolutional, (2, 8, 7)), (looped, (6,))])
def test_convolutions_pools_delays_and_loops_run_alike(make, shape, profile):
    records = artifact(make(), profile=profile)
    check(records, {"x": train((4, 11, *shape), 0.3)}, 5)


@pytest.mark.parametrize("rows", [1, 3, 1 << 21])
def test_parts_and_threads_change_nothing(monkeypatch, rows):
    monkeypatch.setattr(native, "ROWS_ELEMENTS", rows)
    monkeypatch.setattr(native, "FEW", 1)
    records = artifact(small())
    for jobs in (1, 2, 5):
        check(records, {"x": train((6, 9, 6))}, 2, jobs=jobs)


@pytest.mark.parametrize("profile", ["f32", "f16"])
def test_the_tutorial_with_its_draws_runs_alike(profile):
    records = tutorial(profile)
    image = np.random.default_rng(6).random((3, 1, 28, 28), dtype=np.float32)
    given = {"image": np.repeat(image[:, None], 6, axis=1)}
    plain, quick = Emulator.of(records), Native.on(records, NativeEngine())
    assert_same(plain.run(given, probe=("41", "45")), quick.run(given, probe=("41", "45")))
    later = plain.run({"image": given["image"][1:]}, first_sample=1)
    assert_same(later, quick.run({"image": given["image"][1:]}, first_sample=1))


@pytest.mark.parametrize(("samples", "ticks"), [(0, 4), (2, 0)])
def test_runs_of_nothing_keep_their_shapes(samples, ticks):
    records = artifact(small())
    given = {"x": np.zeros((samples, ticks, 6), np.uint8)}
    plain, quick = Emulator.of(records), Native.on(records, NativeEngine())
    for probe in ((), ("all",)):
        assert_same(plain.run(given, probe=probe), quick.run(given, probe=probe))


def zoo(size, profile):
    """Ops that work element by element, over two inputs whose sums and quotients are not finite."""
    kind = TensorType("float32", (1, size))
    bit = TensorType("bool", (1, size))
    made = [
        Binding("multiply", (Var("x"), Scalar(1.0, "float32")), kind),
        Binding("multiply", (Var("y"), Scalar(1.0, "float32")), kind),
    ]
    x, y = Node(0), Node(1)

    def op(name, *args, type=kind, **attrs):
        made.append(Binding(name, args, type, attrs))
        return Node(len(made) - 1)

    huge = op("multiply", x, Scalar(60000.0, "float32"))
    huge = op("multiply", huge, huge)
    odd = op("subtract", huge, huge)
    for name in ("add", "subtract", "multiply", "divide", "maximum", "minimum"):
        for one, other in ((x, y), (huge, x), (odd, y), (y, odd)):
            op(name, one, other)
    for name in ("sqrt", "nn.relu", "trunc", "negative"):
        for one in (x, huge, odd):
            op(name, one)
    for name in ("greater", "greater_equal", "less", "less_equal"):
        both = [op(name, x, y, type=bit), op(name, odd, y, type=bit)]
    joined = op("logical_and", *both, type=bit)
    op("where", joined, x, huge)
    op("cast", joined, dtype="float32")
    op("cast", odd, type=bit, dtype="bool")
    op("clip", y, a_min=-0.1, a_max=0.3)
    op("clip", odd, a_min=-0.1, a_max=0.3)
    op("cmpandfire", y, theta=0.1)
    op("resetwithdecay", y, theta=0.1, v_0=0.3, alpha=0.7, beta=-0.11)
    result = op("add", x, op("expand_dims", op("reshape", y, newshape=[1, size]), axis=0))
    del result
    params = {"x": kind, "y": kind}
    graph = Graph("zoo", params, tuple(made))
    ports = tuple(Port(n, f"f32[{size}]~", "float32", n) for n in ("x", "y"))
    names = {n: f"v{n}" for n in range(len(made))}
    output = Port("out", f"f32[{size}]~", "float32")
    return Artifact("zoo", graph, {}, ports, (output,), names, 1, 0, profile)


@pytest.mark.parametrize("path", available())
@pytest.mark.parametrize("profile", ["f32", "f16"])
@pytest.mark.parametrize("size", [16, 83])
def test_every_op_rounds_as_the_emulator_says(profile, size, path):
    rng = np.random.default_rng(7)
    scale = 2.0 ** rng.integers(-30, 12, (2, 2, 3, size))
    x, y = (rng.normal(size=scale.shape) * scale).astype(np.float32)
    x[0, 0, :4] = 0.0, -0.0, 1.0, 65504.0
    with np.errstate(all="ignore"):
        records = zoo(size, profile)
        plain, quick = Emulator.of(records), Native.on(records, NativeEngine(path=path))
        found = plain.run({"x": x, "y": y}, probe=("all",))
        assert_same(found, quick.run({"x": x, "y": y}, probe=("all",)))
    assert any(np.isnan(a).any() for a in found.trace.values() if a.dtype.kind == "f")
    coded = sum(len(stage.members) for stage in quick.assembled)
    assert len(records.graph.bindings) - 2 * (profile == "f16") == coded


@pytest.mark.parametrize("profile", ["f32", "f16"])
def test_layers_run_on_the_engine_with_machine_code(profile):
    quick = Native.on(artifact(small(), profile=profile), NativeEngine())
    quick.run({"x": train((2, 5, 6))})
    for layer, *_ in quick.layers.values():
        assert [True] == [program is not None for program in layer._programs.values()]


@pytest.mark.parametrize(("profile", "most"), [("f32", 3e38), ("f16", 60000.0)])
def test_infinite_sums_are_no_errors(profile, most):
    b = Builder("inf", "snn")
    w = np.full((2, 3), most, np.float32)
    x = b.input("x", "u1[3]~")
    y = b.op("linear", x, b.weight("w", w), name="y")
    module = b.finish(b.op("neuron", y, name="s", threshold=1.0, reset="hard"))
    check(artifact(module, profile=profile), {"x": np.ones((1, 4, 3), np.uint8)})


@pytest.mark.parametrize("element", ["u1", "u8"])
def test_sums_of_float16_weights_of_all_sizes_are_rounded_once(element):
    """Many of them lie midway between two numbers of float16."""
    rng = np.random.default_rng(8)
    w = (rng.integers(-2047, 2048, (37, 53)) / 2.0 ** rng.integers(6, 24, (37, 53))).astype("f4")
    b = Builder("ties", "snn")
    y = b.op("linear", b.input("x", f"{element}[53]~"), b.weight("w", w), name="y")
    records = artifact(b.finish(b.op("neuron", y, name="s", threshold=0.7)), profile="f16")
    top = 2 if element == "u1" else 256
    check(records, {"x": rng.integers(0, top, (4, 20, 53)).astype(np.uint8)}, 9)
    check(records, {"x": rng.integers(0, 2, (4, 20, 53)).astype(np.float32)}, 9)


def test_builds_run_natively_unless_the_emulator_is_asked_for(monkeypatch):
    made = build(small())
    given = {"x": train((3, 8, 6))}
    for engine, kind in (("auto", Native), ("emulator", Emulator)):
        assert type(made._program(engine, None)) is kind
    assert_same(
        made._program("auto", None).run(given, probe=("all",)),
        made._program("emulator", None).run(given, probe=("all",)),
    )
    monkeypatch.setattr("snnc.machine.installed", lambda: False)
    made = build(small())
    assert ["no-machine-code"] == [d.code for d in made.notes()]
    assert () == made.notes("emulator")
