"""The vendor's exported frames, emulated, against the vendor's own simulation.

The recordings lie in the folder named by SNNC_GOLDEN_PAIBOX, or beside the repository.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from snnc.targets.paicore.chip import frames
from snnc.targets.paicore.chip.image import parse
from snnc.targets.paicore.emulate import Machine, Semantics

FOLDER = Path(
    os.environ.get("SNNC_GOLDEN_PAIBOX")
    or Path(__file__).resolve().parents[5] / "shared" / "golden" / "paibox"
)
AXONS = 1152
VALUES = ("42_ann_linear", "43_ann_neuron_conv_pool", "49_ann_lcn2")
"""Networks of bytes that the vendor simulates rightly."""


def cases():
    """Case, folder of its frames below, and whether the host re-times inputs of late cores.

    Where the vendor's export is wrong, `fixed` holds frames of what its simulator does.
    """
    if not (FOLDER / "INDEX.md").is_file():
        return []
    rows = [line.split("|") for line in (FOLDER / "INDEX.md").read_text().splitlines()]
    found = []
    for row in rows:
        verdict, note = (row[10].strip(), row[11]) if len(row) > 11 else ("", "")
        if verdict == "yes" or any(cell.strip() in VALUES for cell in row[:2]):
            found.append((row[1].strip(), "", False))
        elif "fixed/ frames: equal" in note:
            found.append((row[1].strip(), "fixed", "re-times" in note))
    return found


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


def readers(image, port):
    """The working cores that a port of an input reaches."""
    (chip, at), mask, _, _ = port
    for core in image.cores:
        x, y = core.at[0] ^ at[0], core.at[1] ^ at[1]
        if core.chip == chip and core.register.dendrites and not x & ~mask[0] | y & ~mask[1]:
            yield core


def input_words(case, frames_folder, image, done, steps, retimed):
    """The words of ticks done to done + steps of every input.

    Retimed, each core gets words of its own, so that a late core misses the first ticks.
    """
    net = json.loads((case / "net.json").read_text())
    trains = np.load(case / "arrays.npz")
    keys = {node["id"]: node["data"] for node in net["nodes"] if node["kind"] == "input"}
    parts = [np.zeros(0, dtype=np.uint64)]
    for name, table in json.loads((frames_folder / "input_proj_info.json").read_text()).items():
        port = ports(table)
        (chip, core), mask, ticks, axons = port
        goals = [(core, mask, 0)]
        if retimed:
            late = [(c.at, c.register.tick_start - 1) for c in readers(image, port)]
            goals = [(at, (0, 0), missed) for at, missed in late]
        train = trains[keys[name]]
        train = train.reshape(len(train), -1)[: done + steps]
        for at, region, missed in goals:
            t, e = np.nonzero(train)
            sent = (t >= done) & (t >= missed)
            t, e = t[sent], e[sent]
            slots = (ticks[e] + (t - missed) * table["lcn"]) % 256
            parts.append(frames.spike_words(chip, at, region, axons[e], slots, train[t, e]))
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
@pytest.mark.parametrize(("case", "variant", "retimed"), cases())
def test_the_vendors_frames_do_what_its_simulator_does(case, variant, retimed):
    folder = FOLDER / case
    files = folder / variant
    image = parse(recorded(files))
    steps = json.loads((folder / "net.json").read_text())["T"]
    machine = Machine(image, semantics=Semantics(stochastic="ignore"))
    burst = longest_burst(files)
    sent, potentials = [], []
    for done in range(steps):
        if done % burst == 0:
            count = min(burst, steps - done)
            machine.inject(input_words(folder, files, image, done, count, retimed))
        output = machine.step()
        sent += zip(output.steps.tolist(), output.words.tolist(), strict=True)
        potentials.append(machine.potentials())
    expected = []
    for node, tables in json.loads((files / "output_dest_info.json").read_text()).items():
        arrays = expected_arrays(folder, node)
        for key, table in tables.items():
            at = tuple(int(part) for part in key.strip("()").split(","))
            for core, mine in senders(image, table, at):
                spikes, states = (a.reshape(steps, -1)[:, elements(core, mine)] for a in arrays)
                expected += expected_frames(core, mine, ports(table), spikes)
                states_here = [v[core.chip, core.at][0, mine] for v in potentials]
                np.testing.assert_array_equal(states, states_here)
    assert sorted(expected) == sorted(sent)


def elements(core, mine):
    """The elements of an output node that the chosen neurons of a core are."""
    return core.neurons["tick"][mine] * AXONS + core.neurons["axon"][mine]


def expected_frames(core, mine, port, spikes):
    """(step, word) of each spike of the chosen neurons, (steps, neurons)."""
    t, n = np.nonzero(spikes)
    local = (t + 1 - core.register.tick_start) << core.register.target_lcn
    tick, axon = core.neurons["tick"][mine][n], core.neurons["axon"][mine][n]
    (chip, cell), mask, _, _ = port
    words = frames.spike_words(chip, cell, mask, axon, (tick + local) % 256, spikes[t, n])
    return list(zip((t + 1).tolist(), words.tolist(), strict=True))
