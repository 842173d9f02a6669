"""Recorded runs of an event-driven model: the same spikes, in the same order, and potentials."""

import json
from typing import Any

import numpy as np
import pytest

from snnc.machine import installed
from snnc.targets.dynapcnn.emulation.commands import STEP, from_rasters
from snnc.targets.dynapcnn.emulation.eventwise import Eventwise
from snnc.targets.dynapcnn.emulation.played import Wanted
from tests.golden.test_dynapcnn import PASSING, build, case

SMALL = ("02_bias", "04_padding", "15_batchnorm")
"""What Python runs within a second or so."""

RUNS = [(name, False) for name in SMALL]
RUNS += [(name, True) for name in PASSING if installed()]


def played(name: str, machine_code: bool) -> tuple[Any, Any, Any]:
    """Return the recorded file, final potentials by core, and (step, core, f, x, y) in order."""
    recorded = np.load(case(name).folder / "chip_ref.bfs.npz")
    raster = np.load(case(name).folder / "input.npz")["raster"]
    program = Eventwise(build(name)._files, machine_code)
    words = from_rasters(program.placed, program.inputs, {"input": raster})
    cores = frozenset(core.core for core in program.placed.cores)
    listen = frozenset(np.unique(recorded["events_t_core_f_x_y"][:, 1]).tolist())
    ran, heard = program.chip().play(words, len(raster), Wanted(cores, cores), listen)
    step = np.cumsum(words >> np.uint64(56) == STEP)[heard.causes]
    core, f, y, x = heard.places.T
    return recorded, ran, np.column_stack([step, core, f, x, y])


@pytest.mark.parametrize(("name", "machine_code"), RUNS)
def test_events_first_in_first_out(name: str, machine_code: bool) -> None:
    recorded, ran, events = played(name, machine_code)
    assert np.array_equal(recorded["events_t_core_f_x_y"], events)
    about = json.loads((case(name).folder / "chip_ref.json").read_text())
    spikes = {str(core): row["spikes"] for core, row in sorted(ran.activity.items())}
    assert about["bfs"]["spikes_per_core"] == spikes
    for core, trace in ran.potentials.items():
        assert np.array_equal(recorded[f"v_final.core{core}"].swapaxes(1, 2), trace[0, -1])
        assert ran.activity[core]["spikes"] == ran.counts[core].sum()
