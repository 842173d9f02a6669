"""The registry of meanings, and what engines say about modules that they cannot run."""

import numpy as np
import pytest
from attrs import evolve

from snnc.diagnostics import SnncError
from snnc.ir import Builder, Module
from snnc.ir.rewrite import with_ops
from snnc.runtime.numpy_engine import NumpyEngine
from snnc.runtime.numpy_neurons import Scan
from snnc.runtime.reference import Reference
from snnc.runtime.semantics import OutOfRange, meaning, semantics


def one_neuron() -> Module:
    b = Builder("one", "int")
    return b.finish(b.op("neuron", b.input("x", "u1[1]~"), threshold=1, name="s"))


def test_an_op_has_one_meaning():
    meaning(one_neuron(), one_neuron().graph.ops[0])
    with pytest.raises(SnncError, match="duplicate-semantics"):
        semantics("int.neuron")(lambda module, op: None)


def test_an_op_without_a_meaning_is_refused_with_the_nearest_name():
    module = one_neuron()
    op = evolve(module.graph.ops[0], name="int.neurom")
    with pytest.raises(SnncError, match="no-semantics") as caught:
        meaning(with_ops(module, [op], op.results), op)
    assert "did you mean 'int.neuron'?" == caught.value.diagnostics[0].help


@pytest.mark.parametrize("engine", [Reference(), NumpyEngine()])
def test_a_module_that_is_not_valid_is_refused(engine):
    b = Builder("floats", "int")
    y = b.op("linear", b.input("x", "f32[1]~"), b.weight("w", np.ones((1, 1), np.int8)))
    with pytest.raises(SnncError, match="float-at-int"):
        engine.prepare(b.finish(b.op("neuron", y, threshold=1)))


def test_an_overflow_that_only_one_engine_finds_is_not_hidden(monkeypatch):
    def run(self, *arguments):
        raise OutOfRange("s", (0, 0), 0, "")

    monkeypatch.setattr(Scan, "run", run)
    with pytest.raises(SnncError, match="engine-disagrees"):
        NumpyEngine().prepare(one_neuron()).run({"x": np.ones((1, 1, 1))})
