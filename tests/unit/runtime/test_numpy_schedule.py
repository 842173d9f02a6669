"""Stages follow what they read, through delays too; loops are found."""

import numpy as np

from snnc.ir import Builder
from snnc.runtime import numpy_schedule
from snnc.runtime.numpy_engine import NumpyEngine
from snnc.runtime.numpy_schedule import stages
from snnc.runtime.reference import Reference


def late(loop):
    """The first layer reads the second one late; with `loop` the second reads the first."""
    b = Builder("late", "int")
    x, later = b.input("x", "u1[3]~"), b.forward("s", "u1[3]~")
    w = b.weight("w", np.array([[1, 2, 3], [-1, 5, 1], [2, 2, -3]]))
    early = b.op("neuron", b.op("linear", b.op("delay", later, by=2), w), threshold=2, name="e")
    made = b.op("neuron", b.op("linear", early if loop else x, w), threshold=3, name="s")
    b.bind(later, made)
    return b.finish(early, made)


def test_ops_that_read_what_is_made_later_come_later(monkeypatch):
    monkeypatch.setattr(numpy_schedule, "_with_loops", lambda *_: 1 / 0)
    module = late(loop=False)
    found = [stage.ops[0] for stage in stages(module.graph)]
    places = {r: n for n, op in enumerate(found) for r in op.results}
    assert len(found) == len(module.graph.ops)
    assert all(places[v] < n for n, op in enumerate(found) for v in op.values if v in places)


def test_both_kinds_of_graphs_run_as_the_reference_runs_them():
    x = {"x": (np.random.default_rng(0).random((2, 30, 3)) < 0.5).astype(np.uint8)}
    for loop in (False, True):
        module = late(loop)
        if loop:
            x = {"x": x["x"][:, :9]}
        expected, actual = (
            engine.prepare(module).run(x, ticks=9).outputs
            for engine in (Reference(), NumpyEngine())
        )
        for name, array in expected.items():
            assert np.array_equal(array, actual[name])
        assert [stage.loop for stage in stages(module.graph)].count(True) == int(loop)
