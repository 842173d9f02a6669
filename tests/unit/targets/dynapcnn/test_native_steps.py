"""Time steps by machine code are those of numpy: spikes, potentials, activity, kept state."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

pytest.importorskip("llvmlite")

from snnc.diagnostics import SnncError
from snnc.extend.engine import Result
from snnc.ir import Module
from snnc.targets.dynapcnn.emulation.eventwise import Eventwise
from snnc.targets.dynapcnn.emulation.timestep import Timestep
from tests.laws.effort import examples
from tests.unit.targets.dynapcnn.networks import compiled, networks, one_layer, saved, small
from tests.unit.targets.dynapcnn.test_laws import REFUSALS, RELAXED


def same(first: Result, second: Result) -> None:
    for one, other in ((first.outputs, second.outputs), (first.trace, second.trace)):
        assert set(one) == set(other)
        for name, array in one.items():
            assert array.dtype == other[name].dtype
            assert np.array_equal(array, other[name]), name
    assert first.state.activity == second.state.activity


@settings(RELAXED, max_examples=examples(25))
@given(networks())
def test_machine_code_gives_what_numpy_gives(module: Module) -> None:
    try:
        build = compiled(module, scale="fine")
    except SnncError as error:
        if error.code not in REFUSALS:
            raise
        return
    with tempfile.TemporaryDirectory() as folder:
        files = build.save(Path(folder) / "build")
        programs = [Timestep(files, machine_code) for machine_code in (True, False)]
        high = 2 if module.graph.inputs[0].type.element.bits == 1 else 40
        shape = (2, 7, *module.graph.inputs[0].type.shape)
        x = np.random.Generator(np.random.PCG64(3)).integers(0, high, shape)
        first = [program.run({"x": x[:, :3]}, probe=("all",)) for program in programs]
        same(*first)
        rest = [
            program.run({"x": x[:, 3:]}, probe=("all",), state=before.state)
            for program, before in zip(programs, first, strict=True)
        ]
        same(*rest)


def test_sums_that_may_leave_32_bits_run_in_numpy(tmp_path: Path) -> None:
    folder = saved(one_layer("u8[1, 3, 3]~", 2, 3), tmp_path)
    layout = folder / "layout.json"
    layout.write_text(layout.read_text().replace("u8[1, 3, 3]", "i32[1, 3, 3]"))
    x = np.full((1, 2, 1, 3, 3), 1 << 27)
    x[:, 1] = 3
    same(*(Timestep(folder, code).run({"x": x}, probe=("all",)) for code in (True, False)))


def test_no_samples_and_no_ticks_are_empty_results(tmp_path: Path) -> None:
    folder = saved(small(), tmp_path)
    for shape in ((0, 3, 2, 10, 10), (2, 0, 2, 10, 10)):
        x = np.zeros(shape, np.uint8)
        same(*(Timestep(folder, code).run({"x": x}, probe=("all",)) for code in (True, False)))


@pytest.mark.parametrize("kind", [Timestep, Eventwise])
def test_threads_change_nothing(
    tmp_path: Path, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = kind(saved(small(), tmp_path))
    x = np.random.default_rng(5).integers(0, 5, (9, 8, 2, 10, 10))
    runs = []
    for threads in ("1", "3"):
        monkeypatch.setenv("SNNC_THREADS", threads)
        first = program.run({"x": x[:, :3]}, probe=("all",))
        rest = program.run({"x": x[:, 3:]}, probe=("all",), state=first.state)
        runs += [first, rest]
    same(runs[0], runs[2])
    same(runs[1], runs[3])
    monkeypatch.setenv("SNNC_THREADS", "none")
    with pytest.raises(SnncError) as caught:
        program.run({"x": x})
    assert "bad-threads" == caught.value.code


@pytest.mark.parametrize("kind", [Timestep, Eventwise])
def test_an_interrupt_ends_the_other_samples(
    tmp_path: Path, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNNC_THREADS", "2")
    program = kind(saved(small(), tmp_path))
    played = []

    def interrupted(*given: object) -> None:
        played.append(given)
        raise KeyboardInterrupt

    monkeypatch.setattr(program, "_play", interrupted)
    with pytest.raises(KeyboardInterrupt):
        program.run({"x": np.ones((64, 8, 2, 10, 10), np.uint8)})
    assert len(played) < 64
