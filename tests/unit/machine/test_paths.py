"""Every path of this machine gives the same numbers, and the plainest compiles for others too."""

import platform

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from llvmlite import binding

from snnc.machine import compiler, paths
from snnc.machine.paths import available, choose
from snnc.runtime.native.engine import NativeEngine
from snnc.runtime.reference import Reference
from snnc.targets.dynapcnn.emulation.eventwise import Eventwise
from snnc.targets.dynapcnn.emulation.timestep import Timestep
from snnc.targets.dynapcnn.native import functions
from snnc.targets.lynxi.native.program import Native
from tests.laws.effort import examples
from tests.laws.strategies import modules, spikes
from tests.unit.runtime.test_numpy_engine import assert_equal, outcome, relaxed
from tests.unit.targets.dynapcnn import networks as dynapcnn
from tests.unit.targets.lynxi import networks as lynxi

BEYOND = ["aarch64-unknown-linux-gnu", "arm64-apple-darwin"]


@pytest.mark.parametrize("level", ["int", "snn"])
def test_random_networks_run_alike_on_every_path(level):
    @settings(relaxed, max_examples=examples(3))
    @given(st.data())
    def law(data):
        module = data.draw(modules(level))
        inputs = data.draw(spikes(module, samples=2, ticks=6))
        word, expected = outcome(Reference(), module, inputs, 6)
        for path in available():
            other, actual = outcome(NativeEngine(path=path), module, inputs, 6)
            assert word == other
            if word == "error":
                assert expected == actual
            else:
                assert_equal(expected, actual)

    law()


@pytest.fixture
def chip(monkeypatch):
    """Let emulators make their functions anew, for the path that the environment says."""

    def prepare(path):
        monkeypatch.setenv("SNNC_CPU", path)
        functions._compiler.cache_clear()

    yield prepare
    functions._compiler.cache_clear()


@pytest.mark.parametrize("path", available())
@pytest.mark.parametrize("kind", [Timestep, Eventwise])
def test_chips_run_alike_on_every_path(tmp_path, chip, kind, path):
    chip(path)
    folder = dynapcnn.saved(dynapcnn.small(), tmp_path)
    x = {"x": np.random.default_rng(2).integers(0, 4, (2, 6, 2, 10, 10))}
    quick, plain = (
        kind(folder, machine_code).run(x, probe=("all",)) for machine_code in (True, False)
    )
    assert plain.trace["s.v"].any()
    for name, array in {**plain.outputs, **plain.trace}.items():
        assert np.array_equal(array, {**quick.outputs, **quick.trace}[name]), name


def test_what_is_said_decides_and_auto_is_the_fastest(monkeypatch):
    assert available()[-1] == choose().name
    monkeypatch.setenv("SNNC_CPU", "baseline")
    assert "baseline" == choose().name
    assert "baseline" == NativeEngine().prepare(lynxi.small()).compiler.path.name
    assert available()[-1] == choose(available()[-1]).name


def test_other_processors_have_plain_vectors(monkeypatch):
    monkeypatch.setattr(paths.platform, "machine", lambda: "aarch64")
    available.cache_clear()
    try:
        path = choose()
        assert ("baseline", "generic", "") == (path.name, path.cpu, path.features)
        assert (False, False, False) == (path.wide, path.vnni, path.halves)
    finally:
        monkeypatch.undo()
        available.cache_clear()


@pytest.fixture
def texts(monkeypatch):
    """All code that is made, as LLVM's text."""
    found = []
    whole = compiler.Compiler._object

    def kept(self, text):
        found.append(text)
        return whole(self, text)

    monkeypatch.setattr(compiler.Compiler, "_object", kept)
    return found


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="made for this machine")
def test_the_plainest_code_compiles_for_other_processors(texts, tmp_path, chip):
    """What it computes there nobody has tried; that it asks nothing of x86 is seen here."""
    chip("baseline")
    rng = np.random.default_rng(0)
    x = {"x": (rng.random((2, 9, 6)) < 0.5).astype(np.uint8)}
    NativeEngine().prepare(lynxi.small()).run(x, probe=("all",))
    for profile in ("f32", "f16"):
        Native.on(lynxi.artifact(lynxi.small(), profile=profile), NativeEngine()).run(x)
    folder = dynapcnn.saved(dynapcnn.small(), tmp_path)
    for kind in (Timestep, Eventwise):
        kind(folder).run({"x": rng.integers(0, 4, (1, 2, 2, 10, 10))})
    integers()
    assert len(texts) > 8
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    for triple in BEYOND:
        machine = binding.Target.from_triple(triple).create_target_machine(cpu="generic")
        for text in texts:
            assert "x86" not in text.replace("x86-64", "")
            assert len(machine.emit_object(binding.parse_assembly(text)))


def integers():
    """Run integer networks of several kinds in both forms of a product."""
    from snnc.ir import Builder

    rng = np.random.default_rng(1)
    for element, top in (("u1", 2), ("u8", 256)):
        b = Builder("images", "int")
        x = b.input("x", f"{element}[3, 9, 8]~")
        w = b.weight("w", rng.integers(-100, 100, (20, 3, 3, 3)))
        s = b.op("neuron", b.op("conv2d", x, w), threshold=300, name="s")
        v = b.weight("v", rng.integers(-100, 100, (5, 20 * 42)))
        y = b.op("linear", b.op("reshape", s, shape=(20 * 42,)), v)
        module = b.finish(b.op("neuron", y, threshold=200, spike="count"))
        for high in (2, top):
            given = {
                "x": rng.integers(0, high, (2, 4, 3, 9, 8)) * (rng.random((2, 4, 3, 9, 8)) < 0.9)
            }
            NativeEngine().prepare(module).run(given)
