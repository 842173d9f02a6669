"""The laws of the target over random networks: the files say the program, and are judged right."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings

from snnc.diagnostics import SnncError
from snnc.ir import Module
from snnc.ir.write import write
from snnc.runtime.reference import Reference
from snnc.targets.dynapcnn import Dynapcnn
from snnc.targets.dynapcnn.assemble import read_module, to_module
from snnc.targets.dynapcnn.records import Placed
from tests.laws.effort import examples
from tests.unit.targets.dynapcnn.networks import compiled, flat, networks, small

TARGET = Dynapcnn()
REFUSALS = {"too-many-destinations", "kernel-not-square", "threshold-vanishes", "kernel-size"}
RELAXED = settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def obey(module: Module) -> None:
    try:
        build = compiled(module)
    except SnncError as error:
        if error.code not in REFUSALS:
            raise
        return
    placed = build.placed
    assert [] == [str(d) for d in TARGET.check(placed).errors]
    with tempfile.TemporaryDirectory() as folder:
        TARGET.emit(placed, Path(folder), TARGET.Options())
        assert write(placed, locs=False) == write(TARGET.load(Path(folder)), locs=False)
    x = module.graph.inputs[0]
    draws = np.random.Generator(np.random.PCG64(7)).integers(0, 2, (2, 6, *x.type.shape))
    expected = Reference().prepare(build.module).run({"x": draws}, probe=("all",))
    actual = build.run({"x": draws}, probe=("all",))
    for name, array in actual.trace.items():
        assert np.array_equal(expected.trace[name], array), name
    for name, array in actual.outputs.items():
        assert np.array_equal(expected.outputs[name], array), name


@settings(RELAXED, max_examples=examples(30))
@given(networks())
def test_emulated_files_equal_the_reference(module: Module) -> None:
    obey(module)


@pytest.mark.slow
def test_emulated_files_equal_the_reference_500_times() -> None:
    settings(RELAXED, max_examples=500)(given(networks())(obey))()


def test_flat_neurons_and_joined_outputs() -> None:
    build = compiled(flat())
    assert build.verify()
    assert [1, 2] == [len(op.values) for op in build.placed.ops("output")]
    obey(flat())


def _core(**changes: object) -> Callable[[Placed], Placed]:
    return lambda p: evolve(p, cores=(evolve(p.cores[0], **changes), *p.cores[1:]))


def _sent(**changes: object) -> Callable[[Placed], Placed]:
    def change(p: Placed) -> Placed:
        to = evolve(p.cores[0].destinations[0], **changes)
        return evolve(p, cores=(evolve(p.cores[0], destinations=(to,)), *p.cores[1:]))

    return change


MUTATIONS = {
    "core-number": _core(core=9),
    "core-memory": _core(
        output=(40, 8, 8), weights=np.ones((40, 513, 3, 3), np.int8), input=(513, 10, 10)
    ),
    "state-range": _core(high=40000),
    "layer-shape": _core(bias=np.ones(3, np.int16)),
    "stride-size": _core(stride=(3, 3), output=(4, 3, 3)),
    "destination-unused": _sent(core=5),
    "destination-shape": _sent(shift=1),
    "pool-size": _sent(pool=3),
    "too-many-destinations": lambda p: evolve(
        p, cores=(evolve(p.cores[0], destinations=p.cores[0].destinations * 3), *p.cores[1:])
    ),
    "output-unseen": lambda p: evolve(
        p, cores=tuple(evolve(core, monitor=False) for core in p.cores)
    ),
}


@pytest.mark.parametrize("code", MUTATIONS)
def test_the_checker_rejects_a_mutation(code: str) -> None:
    changed = MUTATIONS[code](read_module(compiled(small()).placed))
    assert code in [d.code for d in TARGET.check(to_module(changed)).errors]


def test_a_module_of_another_level_is_not_placed() -> None:
    with pytest.raises(SnncError) as refused:
        TARGET.check(small())
    assert refused.value.code == "placed-malformed"


def test_a_lower_bound_of_zero_is_warned_about() -> None:
    found = TARGET.check(compiled(small(floor=0.0)).placed)
    assert ["lower-bound-zero"] == [d.code for d in found]
