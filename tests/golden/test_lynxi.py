"""Recorded runs of the tutorial's network, from the graph that the vendor printed.

SNNC_GOLDEN_LYNXI names a folder with `weights_f32.npz` and `golden64.npz`; without it the folder
beside the repository is read, or else the first samples of it, which are committed here. The graph
text has no metadata section, so the pairing of its states is stated here: (2, 3) (1, 4) (0, 5).
"""

import os
from pathlib import Path

import numpy as np
import pytest
from attrs import evolve

from snnc.diagnostics import SnncError
from snnc.targets.lynxi.artifact.assemble import to_artifact, to_module
from snnc.targets.lynxi.artifact.layout import write_files
from snnc.targets.lynxi.artifact.parse import read
from snnc.targets.lynxi.artifact.records import DICT_KEY, STATE_KEY, Artifact, Port
from snnc.targets.lynxi.check import check_states
from snnc.targets.lynxi.devices.pipeline import run_matrix
from snnc.targets.lynxi.devices.slices import cut
from snnc.targets.lynxi.emulate import Emulator

HERE = Path(__file__).parent / "lynxi"
BESIDE = Path(__file__).parents[3] / "shared/golden/lynxi"
STATED = os.environ.get("SNNC_GOLDEN_LYNXI")
FOLDER = Path(STATED) if STATED else BESIDE if (BESIDE / "golden64.npz").is_file() else HERE
RANDOM, SPIKES, POTENTIALS = 37, ("41", "47", "53"), ("45", "51", "57")
FLAGS = ("v3", "v2", "v1", "v1", "v2", "v3")


def tutorial(profile):
    """The printed graph with the recorded weights and the pairing of its states."""
    graph = read((HERE / "tutorial.relay").read_text())
    plain = dict.fromkeys(("offset", "step", "uselookup", "mode", "group_id"), 0)
    states = tuple({**plain, "flag": flag} for flag in FLAGS)
    draws = {"shape": [1, 1, 28, 28], "dtype": "float16", "uInitValue": 16384, "mode": 0, "seed": 0}
    graph = evolve(graph, metas={STATE_KEY: states, DICT_KEY: (draws,)})
    with np.load(FOLDER / "weights_f32.npz", allow_pickle=False) as weights:
        params = {name: weights[name] for name in graph.params if name != "data_0"}
    image = Port("image", "f32[1, 28, 28]~", "float32", "data_0")
    digit = Port("digit", "u1[10]~", "float32")
    return Artifact("tutorial", graph, params, (image,), (digit,), {}, 28, 1, profile)


def bits(packed, size):
    return np.unpackbits(packed, axis=-1)[..., :size]


def test_draws_that_fit_no_random_op_are_refused():
    image = np.zeros((2, 3, 1, 28, 28), np.float32)
    for draws in ({36: np.zeros((2, 3, 1))}, {RANDOM: np.zeros((2, 3, 1, 28, 28))}):
        with pytest.raises(SnncError) as found:
            Emulator.of(tutorial("f32")).run({"image": image}, draws=draws)
        assert "bad-draws" == found.value.code


def test_draws_depend_on_sample_and_tick_alone():
    emulator = Emulator.of(tutorial("f32"))
    image = np.full((3, 4, 1, 28, 28), 0.5, np.float32)
    whole = emulator.run({"image": image}, probe=("37",)).trace["37"]
    first = emulator.run({"image": image[:1, :2]}, probe=("37",))
    late = emulator.run({"image": image[1:]}, probe=("37",), first_sample=1).trace["37"]
    rest = emulator.run({"image": image[:1, 2:]}, state=first.state, probe=("37",)).trace["37"]
    np.testing.assert_array_equal(whole[1:], late)
    np.testing.assert_array_equal(whole[:1], np.concatenate([first.trace["37"], rest], axis=1))
    assert 0 <= whole.min() <= whole.max() < 1
    np.testing.assert_array_equal(0, whole.astype(np.float64) * 2048 % 1)


def test_a_random_op_of_another_type_than_its_entry_is_refused():
    graph = tutorial("f32").graph
    rows = ({**graph.metas[DICT_KEY][0], "shape": [1, 28, 28]},)
    odd = evolve(graph, metas={**graph.metas, DICT_KEY: rows})
    assert ["random-type"] == [d.code for d in check_states(odd).errors]


@pytest.mark.parametrize("times", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("at", [(), ("47",)])
def test_every_matrix_of_devices_gives_what_one_device_gives(times, at):
    placed = to_module(tutorial("f32"))
    slices = [Emulator.of(to_artifact(module)) for module in cut(placed, at)]
    image = np.random.default_rng(2).random((2, 10, 1, 28, 28), dtype=np.float32)
    whole = Emulator.of(to_artifact(placed)).run({"image": image}).outputs["digit"]
    np.testing.assert_array_equal(whole, run_matrix(slices, times, {"image": image}, 10)["digit"])


@pytest.mark.parametrize("profile", ["f32", "f16"])
def test_every_spike_and_potential_of_the_recorded_run_is_equal(profile, tmp_path):
    write_files(tutorial(profile), tmp_path)
    with np.load(FOLDER / "golden64.npz", allow_pickle=False) as golden:
        found = {key: golden[key] for key in golden.files}
    ticks, samples = found["rand_u11"].shape[:2]
    images = found["images_u8"].astype(np.float32) / np.float32(255)
    still = np.broadcast_to(images.reshape(-1, 1, 1, 28, 28), (samples, ticks, 1, 28, 28))
    draws = np.moveaxis(found["rand_u11"], 0, 1).reshape(samples, ticks, 1, 1, 28, 28) / 2048
    ran = Emulator(tmp_path).run(
        {"image": still}, draws={RANDOM: draws}, probe=(*SPIKES, *POTENTIALS)
    )
    own = "" if profile == "f32" else "f16_"
    counts = np.moveaxis(ran.outputs["digit"], 1, 0)
    np.testing.assert_array_equal(found[f"{own}s3"], counts)
    for name, key, size in zip(
        SPIKES, ("s0", f"{own}s1", f"{own}s2"), (784, 512, 512), strict=True
    ):
        spikes = np.moveaxis(ran.trace[name].reshape(samples, ticks, size), 1, 0)
        np.testing.assert_array_equal(bits(found[key], size), spikes)
    for name, key in zip(POTENTIALS, ("v1", "v2", "v3"), strict=True):
        v = np.moveaxis(ran.trace[name][:, :, 0], 1, 0)
        np.testing.assert_array_equal(found[own + key], v)
    if profile == "f32":
        np.testing.assert_array_equal(found["counts"], counts.sum(axis=0))
        np.testing.assert_array_equal(found["pred"], counts.sum(axis=0).argmax(axis=1))
