"""The native engine equals the reference on every value of the golden networks of PAIBox."""

from pathlib import Path

import pytest

from snnc.runtime.compare import first_difference, graph_order
from snnc.runtime.native.engine import NativeEngine
from snnc.runtime.reference import Reference
from tests.golden.paibox_translate import translate
from tests.golden.run import case_folders

pytest.importorskip("llvmlite")

FOLDERS = {
    path.name: path for path in case_folders(Path(__file__).parents[3] / "golden" / "paibox")
}
REFUSED = ("57_", "58_", "69_")
QUICK = ("06_", "26_", "35_", "40_")


def cases():
    for name in FOLDERS:
        if not name.startswith(REFUSED):
            marks = [] if name.startswith(QUICK) else [pytest.mark.slow]
            yield pytest.param(name, marks=marks)


@pytest.mark.parametrize("name", list(cases()))
def test_golden_networks_run_alike(name):
    case = translate(FOLDERS[name])
    expected = Reference().prepare(case.module).run(case.inputs, probe=("all",)).trace
    program = NativeEngine().prepare(case.module)
    order = graph_order(case.module)
    actual = program.run(case.inputs, probe=("all",)).trace
    assert first_difference(expected, actual, order=order) is None
    neurons = [op.result.name for op in case.module.ops("neuron")]
    names = [*neurons, *(f"{neuron}.v" for neuron in neurons)]
    actual = program.run(case.inputs, probe=names).trace
    expected = {name: expected[name] for name in actual}
    assert first_difference(expected, actual, order=order) is None
