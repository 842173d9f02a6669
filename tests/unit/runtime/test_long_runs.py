"""Runs longer than memory allows go on from the states of their parts; results do not show it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.runtime import numpy_engine
from snnc.runtime.native.engine import NativeEngine
from snnc.runtime.numpy_engine import NumpyEngine
from snnc.runtime.reference import Reference
from tests.laws.strategies import modules, spikes
from tests.unit.runtime.test_numpy_engine import assert_equal, outcome, relaxed

ENGINES = [NumpyEngine(), NativeEngine(jobs=2)]


@pytest.mark.parametrize("level", ["int", "snn"])
@pytest.mark.parametrize("length", [1, 3])
def test_runs_in_parts_are_the_run_in_one(monkeypatch, level, length):
    monkeypatch.setattr(numpy_engine.NumpyProgram, "longest", lambda self: length)

    @settings(relaxed, max_examples=6)
    @given(st.data())
    def law(data):
        module = data.draw(modules(level, encoders=True))
        inputs = data.draw(spikes(module, samples=2, ticks=7))
        word, expected = outcome(Reference(), module, inputs, 7)
        for engine in ENGINES:
            other, actual = outcome(engine, module, inputs, 7)
            assert word == other
            if word == "error":
                assert expected == actual
            else:
                assert_equal(expected, actual)

    law()


def test_a_part_is_as_long_as_memory_allows(monkeypatch):
    program = NumpyEngine().prepare(small())
    each = program.sample_bytes(1)
    assert numpy_engine.TICKS_BYTES // each == program.longest()
    monkeypatch.setattr(numpy_engine, "TICKS_BYTES", each - 1)
    assert 1 == program.longest()


def test_an_overflow_in_a_later_part_is_the_references(monkeypatch):
    monkeypatch.setattr(numpy_engine.NumpyProgram, "longest", lambda self: 4)
    x = {"x": np.ones((2, 40, 3), dtype=np.uint8)}
    word, expected = outcome(Reference(), small(width=8, reset="none"), x, 40)
    assert "error" == word
    for engine in ENGINES:
        assert (word, expected) == outcome(engine, small(width=8, reset="none"), x, 40)


def small(**neuron):
    from snnc.ir import Builder

    b = Builder("small", "int")
    x = b.input("x", "u1[3]~")
    y = b.op("linear", x, b.weight("w", np.array([[1, 2, 3], [-1, 5, 1]])))
    return b.finish(b.op("neuron", y, threshold=99, name="s", **neuron))
