"""The files of a build run on an engine, or on the emulator if asked, with equal results."""

import numpy as np
import pytest

import snnc
from snnc.diagnostics import SnncError
from snnc.ir import Builder
from snnc.targets.paicore.emulation.fast import FastProgram
from snnc.targets.paicore.emulation.program import Program


@pytest.fixture(scope="module")
def build():
    rng = np.random.default_rng(0)
    b = Builder("two", "int")
    x = b.input("x", "u1[9]~")
    y = b.op("linear", x, b.weight("w", rng.integers(-8, 8, (7, 9)).astype(np.int8)))
    s = b.op("neuron", y, threshold=9, name="s", width=30)
    y = b.op("linear", s, b.weight("v", rng.integers(-8, 8, (5, 7)).astype(np.int8)))
    return snnc.compile(b.finish(b.op("neuron", y, threshold=5, name="t", width=30)), "paicore")


@pytest.fixture
def spikes():
    return (np.random.default_rng(1).random((3, 20, 9)) < 0.4).astype(np.uint8)


def test_both_ways_to_run_files_give_the_same(build, spikes):
    quick, plain = (
        build.run(spikes, probe=("all",), engine=engine) for engine in ("auto", "emulator")
    )
    assert isinstance(build._program("auto", None), FastProgram)
    assert isinstance(build._program("emulator", None), Program)
    assert plain.outputs["t"].any()
    for name, array in {**plain.outputs, **plain.trace}.items():
        assert np.array_equal(array, {**quick.outputs, **quick.trace}[name]), name


def test_a_run_goes_on_in_the_program_that_began_it(build, spikes):
    for engine, other in (("auto", "emulator"), ("emulator", "auto")):
        whole = build.run(spikes, engine=engine).outputs["t"]
        early = build.run(spikes[:, :8], engine=engine)
        late = build.run(spikes[:, 8:], state=early.state, engine=engine).outputs["t"]
        assert np.array_equal(whole, np.concatenate([early.outputs["t"], late], axis=1))
        with pytest.raises(SnncError) as caught:
            build.run(spikes[:, 8:], state=early.state, engine=other)
        assert "bad-state" == caught.value.code


def test_a_build_is_verified_on_what_is_asked_for(build, monkeypatch):
    ran = []
    for kind in (FastProgram, Program):
        plain = kind.run

        def run(self, *given, kind=kind, plain=plain, **options):
            ran.append(kind)
            return plain(self, *given, **options)

        monkeypatch.setattr(kind, "run", run)
    for engine, kind in (("emulator", Program), ("auto", FastProgram), ("numpy", FastProgram)):
        ran.clear()
        assert build.verify(engine=engine)
        assert {kind} == set(ran)
    ran.clear()
    assert build.verify()
    assert {Program} == set(ran)
    with pytest.raises(SnncError) as caught:
        build.verify(engine="quantum")
    assert "unknown-engine" == caught.value.code
