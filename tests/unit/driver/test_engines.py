"""Modules run on the engine that was asked for; placed ones by the files of their target."""

import numpy as np
import pytest

import snnc
from snnc.builtins import open_registry
from snnc.diagnostics import Diagnostics, SnncError
from snnc.driver.engines import Placed, pick_engine
from snnc.ir import Builder
from snnc.runtime.native import engine as native

REAL = {"threshold": 1.0, "spike": "count", "reset": "soft", "floor": -1.0}


def network(level):
    rng = np.random.default_rng(2)
    b = Builder("two", level)
    x = b.input("x", "u1[2, 6, 6]~")
    if level == "int":
        w = b.weight("w", rng.integers(-8, 8, (5, 72)).astype(np.int8))
        y = b.op("linear", b.op("reshape", x, shape=(72,)), w)
        return b.finish(b.op("neuron", y, name="s", threshold=9, width=30))
    w = b.weight("w", rng.normal(0.1, 0.3, (3, 2, 3, 3)).astype(np.float32))
    s = b.op("neuron", b.op("conv2d", x, w), name="s", **REAL)
    v = b.weight("v", rng.normal(0.1, 0.3, (5, 48)).astype(np.float32))
    y = b.op("linear", b.op("reshape", s, shape=(48,)), v)
    return b.finish(b.op("neuron", y, name="t", **REAL))


def spikes():
    return (np.random.default_rng(1).random((3, 12, 2, 6, 6)) < 0.4).astype(np.uint8)


TARGETS = {"paicore": "int", "dynapcnn": "snn", "lynxi": "snn"}


@pytest.mark.parametrize("target", TARGETS)
def test_a_placed_module_runs_as_its_build_does(target):
    build = snnc.compile(network(TARGETS[target]), target)
    plain = build.run({"x": spikes()}, engine="emulator", probe=("all",))
    (name,) = plain.outputs
    assert plain.outputs[name].any()
    for engine in ("auto", "native", "numpy"):
        found = snnc.run(build.placed, {"x": spikes()}, engine=engine, probe=("all",))
        assert [v.name for v in build.placed.graph.outputs] == list(found.outputs)
        for one, other in zip(plain.outputs.values(), found.outputs.values(), strict=True):
            assert np.array_equal(one, other)
        for which, array in plain.trace.items():
            assert np.array_equal(array, found.trace[which]), which


@pytest.mark.parametrize("target", TARGETS)
def test_the_level_of_a_target_is_run_by_its_target(target):
    class Wrong:
        level = target

    assert isinstance(pick_engine(open_registry(), "native", Wrong()), Placed)


def two_outputs(level):
    """Two layers, the second returned first."""
    rng = np.random.default_rng(3)
    b = Builder("both", level)
    x = b.input("x", "u1[1, 6, 6]~")
    if level == "int":
        draw, how = lambda *n: rng.integers(-8, 9, n).astype(np.int8), {"threshold": 9, "width": 30}
    else:
        draw, how = lambda *n: rng.normal(0.1, 0.3, n).astype(np.float32), REAL
    y = b.op("linear", b.op("reshape", x, shape=(36,)), b.weight("w", draw(7, 36)))
    s = b.op("neuron", y, name="s", **how)
    t = b.op("neuron", b.op("linear", s, b.weight("v", draw(5, 7))), name="t", **how)
    return b.finish(t, s)


@pytest.mark.parametrize("target", TARGETS)
def test_outputs_of_placed_modules_are_those_that_are_returned(target):
    build = snnc.compile(two_outputs(TARGETS[target]), target)
    x = {"x": spikes()[:, :, :1]}
    plain = build.run(x, engine="emulator").outputs
    found = snnc.run(build.placed, x).outputs
    assert ["t", "s"] == list(plain)
    for name, value in zip(plain, build.placed.graph.outputs, strict=True):
        assert value.name.startswith(name)
        assert np.array_equal(plain[name], found[value.name])
    assert plain["t"].any()


def test_levels_that_are_nobodys_are_the_references():
    class Strange:
        level = "strange"

    with pytest.raises(SnncError) as caught:
        pick_engine(open_registry(), "auto", Strange())
    assert "engine-level" == caught.value.code


def test_an_engine_says_that_it_makes_no_machine_code(monkeypatch):
    monkeypatch.setattr(native, "installed", lambda: False)
    for source in (network("int"), snnc.compile(network("int"), "paicore")):
        told = Diagnostics()
        snnc.run(source, {"x": spikes()}, diagnostics=told)
        assert ["no-machine-code"] == [d.code for d in told.items]


def test_a_graph_that_is_not_placed_runs_on_the_reference_alone():
    module = network("snn")
    legal = snnc.run_pipeline(module, "split-bias,legalise", target="lynxi")
    registry = open_registry()
    assert "reference" == pick_engine(registry, "auto", legal).name
    expected = snnc.run(legal, {"x": spikes()}).outputs
    placed = snnc.run_pipeline(legal, "place", target="lynxi")
    assert "native" == pick_engine(registry, "auto", placed).name
    for name, array in snnc.run(placed, {"x": spikes()}).outputs.items():
        assert np.array_equal(expected[name], array)
    with pytest.raises(SnncError) as caught:
        snnc.run(legal, {"x": spikes()}, engine="native")
    assert "lynxi-malformed" == caught.value.code
    assert "place" in caught.value.diagnostics[0].help
