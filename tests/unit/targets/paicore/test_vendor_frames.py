"""The vendor's exported frames, emulated, against the vendor's own simulation.

The recordings lie in the folder named by SNNC_GOLDEN_PAIBOX, or beside the repository.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from snnc.targets.paicore import frames
from snnc.targets.paicore.emulate import Machine, Semantics
from snnc.targets.paicore.image import parse

FOLDER = Path(
    os.environ.get("SNNC_GOLDEN_PAIBOX")
    or Path(__file__).resolve().parents[5] / "shared" / "golden" / "paibox"
)
AXONS = 1152


def cases():
    """Names of the cases whose frames mean what the vendor's simulator does."""
    if not (FOLDER / "INDEX.md").is_file():
        return []
    rows = [line.split("|") for line in (FOLDER / "INDEX.md").read_text().splitlines()]
    return [row[1].strip() for row in rows if len(row) > 10 and row[10].strip() == "yes"]


def recorded(folder):
    for name in ("frames.npy", "frames.npz"):
        if (folder / name).exists():
            found = np.load(folder / name)
            return found if isinstance(found, np.ndarray) else found[found.files[0]]
    raise AssertionError(f"no frames in {folder}")


def ports(table):
    place = [(table[f"addr_{p}_x"], table[f"addr_{p}_y"]) for p in ("chip", "core")]
    mask = table["addr_core_x_ex"], table["addr_core_y_ex"]
    return place, mask, np.array(table["tick_relative"]), np.array(table["addr_axon"])


def input_words(folder, done, steps):
    """The words of ticks done to done + steps of every input."""
    net = json.loads((folder / "net.json").read_text())
    trains = np.load(folder / "arrays.npz")
    keys = {node["id"]: node["data"] for node in net["nodes"] if node["kind"] == "input"}
    parts = [np.zeros(0, dtype=np.uint64)]
    for name, table in json.loads((folder / "input_proj_info.json").read_text()).items():
        (chip, core), mask, ticks, axons = ports(table)
        train = trains[keys[name]]
        t, e = np.nonzero(train.reshape(len(train), -1)[done : done + steps])
        slots = (ticks[e] + (done + t) * table["lcn"]) % 256
        parts.append(frames.spike_words(chip, core, mask, axons[e], slots))
    return np.concatenate(parts)


def longest_burst(folder):
    tables = json.loads((folder / "input_proj_info.json").read_text()).values()
    return min(256 // table["lcn"] for table in tables)


def senders(image, table, at):
    """Cores at a coordinate, with the neurons that send to the place that the table names."""
    (chip, core), _, _, _ = ports(table)
    for one in image.cores:
        if one.at == at and one.register.dendrites:
            to = one.neurons
            mine = (to["chip_x"] == chip[0]) & (to["chip_y"] == chip[1])
            mine &= (to["core_x"] == core[0]) & (to["core_y"] == core[1])
            if mine.any():
                yield one, mine


def expected_arrays(folder, node):
    for name in ("expected.npz", "expected_lowered.npz"):
        if (folder / name).exists():
            arrays = np.load(folder / name)
            if f"spike__{node}" in arrays.files:
                return arrays[f"spike__{node}"], arrays[f"v__{node}"]
    raise AssertionError(f"no expectation of {node}")


@pytest.mark.skipif(not cases(), reason="the vendor's recordings are not here")
@pytest.mark.parametrize("case", cases())
def test_the_vendors_frames_do_what_its_simulator_does(case):
    folder = FOLDER / case
    image = parse(recorded(folder))
    outputs = json.loads((folder / "output_dest_info.json").read_text())
    steps = json.loads((folder / "net.json").read_text())["T"]
    machine = Machine(image, semantics=Semantics(stochastic="ignore"))
    burst = longest_burst(folder)
    sent, potentials = [], []
    for done in range(steps):
        if done % burst == 0:
            machine.inject(input_words(folder, done, min(burst, steps - done)))
        output = machine.step()
        sent += [(int(s), int(w)) for s, w in zip(output.steps, output.words, strict=True)]
        potentials.append(machine.potentials())
    expected = []
    for node, tables in outputs.items():
        spikes, states = expected_arrays(folder, node)
        spikes, states = spikes.reshape(steps, -1), states.reshape(steps, -1)
        for key, table in tables.items():
            at = tuple(int(part) for part in key.strip("()").split(","))
            for core, mine in senders(image, table, at):
                to = core.neurons
                tick, axon = to["tick"][mine], to["axon"][mine]
                elements = tick * AXONS + axon
                t, e = np.nonzero(spikes[:, elements])
                local = (t + 1 - core.register.tick_start) << core.register.target_lcn
                (chip, cell), mask, _, _ = ports(table)
                words = frames.spike_words(chip, cell, mask, axon[e], (tick[e] + local) % 256)
                expected += zip((t + 1).tolist(), words.tolist(), strict=True)
                states_here = [v[core.chip, core.at][0, mine] for v in potentials]
                np.testing.assert_array_equal(states[:, elements], states_here)
    assert sorted(expected) == sorted(sent)
