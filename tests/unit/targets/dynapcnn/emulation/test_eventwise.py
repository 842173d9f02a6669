"""Event by event: one spike per event, saturation, equal to time steps where they must be."""

from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.diagnostics import SnncError
from snnc.ir.build import Builder
from snnc.targets.dynapcnn import Dynapcnn
from snnc.targets.dynapcnn.emulation import eventwise
from snnc.targets.dynapcnn.emulation.eventwise import Eventwise
from tests.unit.targets.dynapcnn.networks import neuron, one_layer, saved, small


def single(weight: float, threshold: float, floor: float, folder: Path) -> Eventwise:
    b = Builder("single", "snn")
    x = b.input("x", "u8[1, 1, 1]~")
    w = b.weight("w", np.full((1, 1, 1, 1), weight, np.float32))
    made = neuron(b, b.op("conv2d", x, w), "y", threshold=threshold, floor=floor)
    return Eventwise(saved(b.finish(made), folder))


def counts(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint8).reshape(1, -1, 1, 1, 1)


def test_an_event_fires_at_most_once(tmp_path: Path) -> None:
    # A weight of twice the threshold: time steps would count two spikes per event.
    ran = single(1.0, 0.5, -0.5, tmp_path).run({"x": counts(1, 3)}, probe=("all",))
    assert [1, 3] == ran.outputs["y"].ravel().tolist()
    assert [63, 252] == ran.trace["y.v"].ravel().tolist()


def test_potentials_saturate_at_16_bits(tmp_path: Path) -> None:
    ran = single(1.0, 0.5, -0.5, tmp_path).run({"x": np.full((1, 9, 1, 1, 1), 200)}, probe=("y.v",))
    assert 32767 - 64 == ran.trace["y.v"].max()


def test_one_event_per_step_equals_time_steps(tmp_path: Path) -> None:
    folder = saved(one_layer("u1[2, 9, 7]~", 3, 3, stride=(2, 1), padding=(1, 2)), tmp_path)
    x = np.zeros((1, 126, 2, 9, 7), dtype=np.uint8)
    x.reshape(126, 126)[
        np.arange(126), np.random.Generator(np.random.PCG64(1)).permutation(126)
    ] = 1
    by_event = Eventwise(folder).run({"x": x}, probe=("y.v",))
    by_step = Dynapcnn().emulate(folder).run({"x": x}, probe=("y.v",))
    assert np.array_equal(by_step.outputs["y"], by_event.outputs["y"])
    assert np.array_equal(by_step.trace["y.v"], by_event.trace["y.v"])


def test_runs_go_on_where_they_stopped(tmp_path: Path) -> None:
    program = Eventwise(saved(small(), tmp_path))
    x = np.random.Generator(np.random.PCG64(3)).integers(0, 2, (2, 6, 2, 10, 10))
    whole = program.run({"x": x}).outputs["y"]
    first = program.run({"x": x[:, :4]})
    rest = program.run({"x": x[:, 4:]}, state=first.state)
    assert np.array_equal(whole, np.concatenate([first.outputs["y"], rest.outputs["y"]], axis=1))
    with pytest.raises(SnncError) as refused:
        program.run({"x": x[:1]}, state=first.state)
    assert "bad-state" == refused.value.code


def test_an_unknown_probe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SnncError) as refused:
        Eventwise(saved(small(), tmp_path)).run({"x": np.zeros((1, 1, 2, 10, 10))}, probe=("t",))
    assert "unknown-probe" == refused.value.code


def test_events_in_python_are_slow_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = saved(small(), tmp_path)
    (note,) = Eventwise(folder, machine_code=False).notes
    assert ("no-machine-code", "pip install snnc[native]") == (note.code, note.help)
    assert "about a hundred times slower" in note.message
    monkeypatch.setattr(eventwise, "installed", lambda: False)
    build = snnc.Build.open(folder)
    assert [note] == list(build.notes(semantics="event"))
    assert () == build.notes(semantics="timestep")
