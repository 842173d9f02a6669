"""The laws of the PAICORE target over random networks.

Emulating the files equals the reference on every spike and potential of every layer; loading them
gives the placed module back; the checker accepts what the placer gives. The files are all that the
emulator sees.
"""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

from snnc.diagnostics import SnncError
from snnc.extend.passes import Context
from snnc.ir import Module
from snnc.ir.write import write
from snnc.runtime.reference import Reference
from snnc.targets.paicore import Paicore
from snnc.targets.paicore.group import Group
from snnc.targets.paicore.legalise import Legalise
from snnc.targets.paicore.place import Place
from snnc.targets.paicore.schedule import Schedule
from tests.laws.effort import examples
from tests.laws.networks import WANTED, Case, features, networks

TARGET = Paicore()
REFUSALS = {"loop-too-short", "delay-too-long", "input-too-late"}
"""What a random network may be refused for; anything else is a defect."""


def lower(case: Case) -> tuple[Module, Module]:
    """Return the legal int module and the placed one."""
    context = Context(hardware={"chips": case.chips, "output_chip": (9, 9)})
    try:
        legal = Schedule().run(Legalise().run(case.module, context), context)
        return legal, Place().run(Group().run(legal, context), context)
    except SnncError as error:
        assume(error.code not in REFUSALS)
        raise


def obey(case: Case) -> set[str]:
    """Check every law on one case; return the corners that it reached."""
    legal, placed = lower(case)
    assert [] == [str(d) for d in TARGET.check(placed)]
    options = TARGET.Options(chip=sum(case.chips, ()), output_chip=(9, 9))
    with tempfile.TemporaryDirectory() as folder:
        TARGET.emit(placed, Path(folder), options)
        loaded = TARGET.load(Path(folder))
        assert write(placed, locs=False) == write(loaded, locs=False)
        emulated = TARGET.emulate(Path(folder)).run(case.inputs, probe=("all",))
    kept = {op.result.name for op in legal.ops("neuron")}
    names = [op.result.name for op in case.module.ops("neuron") if op.result.name in kept]
    wanted = tuple(n + end for n in names for end in ("", ".v"))
    expected = Reference().prepare(case.module).run(case.inputs, probe=wanted)
    for name in wanted:
        assert np.array_equal(expected.trace[name], emulated.trace[name]), name
    for name, array in expected.outputs.items():
        assert np.array_equal(array, emulated.outputs[name]), name
    return features(case, legal, placed)


RELAXED = settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@settings(RELAXED, max_examples=examples(20))
@given(networks())
def test_emulated_files_equal_the_reference(case: Case) -> None:
    obey(case)


@pytest.mark.slow
def test_emulated_files_equal_the_reference_in_every_corner() -> None:
    reached: set[str] = set()

    @settings(RELAXED, max_examples=400)
    @given(networks())
    def law(case: Case) -> None:
        reached.update(obey(case))

    law()
    assert set() == WANTED - reached
