"""Events by machine code are those of Python: spikes, potentials, activity, what is heard."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given, settings

pytest.importorskip("llvmlite")

from snnc.diagnostics import SnncError
from snnc.ir import Module
from snnc.ir.types import parse_type
from snnc.machine.compiler import Compiler
from snnc.machine.paths import available, choose
from snnc.targets.dynapcnn.artifact.records import Destination, Placed
from snnc.targets.dynapcnn.emulation import python_chip, storm
from snnc.targets.dynapcnn.emulation.commands import from_rasters
from snnc.targets.dynapcnn.emulation.eventwise import Eventwise
from snnc.targets.dynapcnn.emulation.played import Wanted
from snnc.targets.dynapcnn.emulation.python_chip import PythonChip
from snnc.targets.dynapcnn.emulation.timestep import Timestep
from snnc.targets.dynapcnn.native import event_chip, functions
from snnc.targets.dynapcnn.native.event_chip import EventChip
from tests.laws.effort import examples
from tests.unit.targets.dynapcnn.networks import compiled, networks, one_layer, saved, small
from tests.unit.targets.dynapcnn.test_laws import REFUSALS, RELAXED
from tests.unit.targets.dynapcnn.test_native_steps import same


@settings(RELAXED, max_examples=examples(20))
@given(networks())
def test_machine_code_gives_what_python_gives(module: Module) -> None:
    try:
        build = compiled(module, scale="fine")
    except SnncError as error:
        if error.code not in REFUSALS:
            raise
        return
    with tempfile.TemporaryDirectory() as folder:
        files = build.save(Path(folder) / "build")
        programs = [Eventwise(files, machine_code) for machine_code in (True, False)]
        x = module.graph.inputs[0]
        draws = np.random.Generator(np.random.PCG64(3)).integers(0, 2, (2, 4, *x.type.shape))
        first = [program.run({"x": draws[:, :2]}, probe=("all",)) for program in programs]
        same(*first)
        rest = [
            program.run({"x": draws[:, 2:]}, probe=("all",), state=before.state)
            for program, before in zip(programs, first, strict=True)
        ]
        same(*rest)


def heard(chip: Any, placed: Placed, x: np.ndarray) -> tuple[list[int], list[list[int]]]:
    types = {i.name: parse_type(i.type) for i in placed.inputs}
    words = from_rasters(placed, types, {"x": x})
    listen = frozenset(core.core for core in placed.cores)
    _, said = chip.play(words, len(x), Wanted(frozenset(), frozenset()), listen)
    return said.causes.tolist(), said.places.tolist()


def test_what_is_heard_is_the_same_also_where_room_runs_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = Eventwise(saved(small(), tmp_path)).placed
    x = np.random.Generator(np.random.PCG64(3)).integers(0, 4, (6, 2, 10, 10))
    expected = heard(PythonChip(placed), placed, x)
    assert len(expected[0]) > 1000
    assert expected == heard(EventChip(placed), placed, x)
    monkeypatch.setattr(event_chip, "_ROOM", 1)
    monkeypatch.setattr(EventChip, "_reserve", lambda self: 160)
    assert expected == heard(EventChip(placed), placed, x)


def loop(tmp_path: Path) -> Placed:
    """A neuron per place that sends to its own core: every event makes another."""
    module = one_layer("u8[1, 2, 2]~", 1, 1)
    placed = Eventwise(saved(module, tmp_path)).placed
    core = placed.cores[0]
    to = (Destination(core.core), Destination(core.core))
    return evolve(
        placed, cores=(evolve(core, high=1, weights=core.weights * 0 + 1, destinations=to),)
    )


@pytest.mark.parametrize("kind", [PythonChip, EventChip])
@pytest.mark.parametrize("bound", ["LONGEST", "QUEUE"])
def test_a_loop_that_feeds_on_itself_is_refused(
    kind: Any, bound: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (python_chip, event_chip, storm):
        monkeypatch.setattr(place, bound, 500)
    placed = loop(tmp_path)
    with pytest.raises(SnncError) as refused:
        heard(kind(placed), placed, np.ones((1, 1, 2, 2), np.uint8))
    assert "event-storm" == refused.value.code


@pytest.mark.parametrize("kind", [Timestep, Eventwise])
def test_threads_may_run_one_program(kind: Any, tmp_path: Path) -> None:
    program = kind(saved(small(), tmp_path))
    draws = np.random.Generator(np.random.PCG64(8)).integers(0, 3, (24, 1, 30, 2, 10, 10))
    expected = [program.run({"x": x}).outputs["y"].tolist() for x in draws]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda x: program.run({"x": x}).outputs["y"].tolist(), draws))
    assert expected == found


@pytest.mark.parametrize("kind", [Timestep, Eventwise])
def test_every_path_of_the_machine_gives_the_same(
    kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = kind(saved(small(), tmp_path), machine_code=False)
    x = np.random.Generator(np.random.PCG64(9)).integers(0, 3, (1, 8, 2, 10, 10))
    expected = program.run({"x": x}, probe=("all",))
    for path in available():
        compiler = Compiler(choose(path), None)
        monkeypatch.setattr(functions, "_compiler", lambda made=compiler: made)
        same(expected, kind(tmp_path / "build").run({"x": x}, probe=("all",)))
