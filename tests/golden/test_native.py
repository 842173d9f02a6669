"""Recorded cases of all chips, natively: every value is that of the reference or the emulator.

Those of PAIBox are in tests/unit/runtime/native/test_golden.py as networks, and as frames in
tests/unit/targets/paicore/emulation/test_fast.py.
"""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from snnc.diagnostics import SnncError
from snnc.runtime.compare import first_difference, graph_order
from snnc.runtime.native.engine import NativeEngine
from snnc.runtime.reference import Reference
from snnc.targets.dynapcnn.emulation.timestep import Timestep
from snnc.targets.lynxi.artifact.assemble import to_artifact
from snnc.targets.lynxi.emulate import Emulator
from snnc.targets.lynxi.native.program import Native
from tests.golden import test_lynxi_neurons as bidl
from tests.golden.test_dynapcnn import PASSING, build, case
from tests.unit.targets.lynxi.test_native import assert_same

QUICK = ("01", "03", "11")
LAYERS = [(n, c) for n, c in enumerate(bidl.CASES["cases"])]


def some(entries, name, quick):
    """All of them, of which only a few are in the quick step."""
    return [
        pytest.param(entry, id=name(entry), marks=[] if quick(entry) else [pytest.mark.slow])
        for entry in entries
    ]


def raster(name):
    given = np.load(case(name).folder / "input.npz")["raster"]
    if given.shape[1:] != build(name).module.graph.inputs[0].type.shape:
        given = given.sum(axis=1, keepdims=True)
    return {"input": given[None]}


@pytest.mark.parametrize("name", some(PASSING, str, lambda name: name.startswith(QUICK)))
def test_networks_of_sinabs_run_alike(name):
    module, x = build(name).module, raster(name)
    try:
        expected = Reference().prepare(module).run(x, probe=("all",)).trace
    except SnncError as error:
        assert "input-range" == error.code  # noqa: PT017 - counts beyond the program's bits
        return
    actual = NativeEngine().prepare(module).run(x, probe=("all",)).trace
    assert first_difference(expected, actual, order=graph_order(module)) is None


@pytest.mark.parametrize("name", some(PASSING, str, lambda name: name.startswith(QUICK)))
def test_time_steps_of_sinabs_networks_run_alike(name):
    files, x = build(name)._files, raster(name)
    quick, plain = (Timestep(files, code).run(x, probe=("all",)) for code in (True, False))
    for which, array in {**plain.outputs, **plain.trace}.items():
        assert np.array_equal(array, {**quick.outputs, **quick.trace}[which]), which


@pytest.mark.parametrize("layer", some(LAYERS, lambda e: e[1]["tag"], lambda e: e[0] % 40 == 0))
def test_layers_of_bidl_run_alike(layer):
    arrays, one = bidl.recorded(), layer[1]
    x = arrays.get(f"{one['tag']}.x", arrays["lp.x"])
    records = to_artifact(bidl.drawn(one, x.shape[1:])[0])
    given = {"x": np.moveaxis(x, 0, 1)}
    expected = Emulator.of(records).run(given, probe=("all",))
    assert_same(expected, Native.on(records, NativeEngine()).run(given, probe=("all",)))
