"""Recorded runs of an event-driven model: event by event, counts and potentials are the same."""

import json

import numpy as np
import pytest

from snnc.targets.dynapcnn.eventwise import Eventwise
from tests.golden.test_dynapcnn import build, case

CASES = ("02_bias", "04_padding", "11_dvs_pool", "15_batchnorm")


@pytest.mark.parametrize("name", CASES)
def test_events_first_in_first_out(name: str) -> None:
    folder = case(name).folder
    raster = np.load(folder / "input.npz")["raster"]
    recorded = np.load(folder / "chip_ref.bfs.npz")
    ran = Eventwise(build(name)._files).run({"input": raster[None]}, probe=("all",))
    expected = json.loads((folder / "chip_ref.json").read_text())["bfs"]["spikes_per_core"]
    cores = {op["core"]: op.result.name for op in build(name).placed.ops("core")}
    assert expected == {str(c): int(ran.trace[layer].sum()) for c, layer in sorted(cores.items())}
    for core, layer in cores.items():
        final = recorded[f"v_final.core{core}"].swapaxes(1, 2)
        assert np.array_equal(final, ran.trace[f"{layer}.v"][0, -1].reshape(final.shape))
    last = max(cores, key=lambda c: [*cores].index(c))
    events = recorded["events_t_core_f_x_y"]
    counts = np.zeros((len(raster), *recorded[f"v_final.core{last}"].shape), dtype=np.int64)
    mine = events[events[:, 1] == last]
    np.add.at(counts, (mine[:, 0], mine[:, 2], mine[:, 3], mine[:, 4]), 1)
    actual = ran.trace[cores[last]][0].reshape(len(raster), *final.shape)
    assert np.array_equal(counts.swapaxes(2, 3), actual)
