"""Frames that PAIBox exports, of every operator and mode, on our emulator: PAIBox's simulation.

So the emulator is judged by frames that are not ours, for every kind of core. The table's networks
that PAIBox deploys wrongly are named with the reason.
"""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.targets.paicore.chip import frames
from snnc.targets.paicore.chip.image import parse
from snnc.targets.paicore.emulate import Machine
from tests.golden.test_paibox_objects import PYTHON, needs_paibox
from tests.golden.test_paibox_table import ENTRIES, HERE
from tests.unit.targets.paicore.test_vendor_frames import (
    elements,
    expected_frames,
    ports,
    readers,
    senders,
)

NAMES = [f"{entry}.{draw}" for entry, count in ENTRIES.items() for draw in range(min(4, count))]

WRONG = {
    "chain_of_spikes": "cores of spikes without memory are given the rows of cores of values",
    "matmul_joined": "records of the second layer of a core begin too early, or no export at all",
    **dict.fromkeys(
        ("neurons", "late_readers", "logic_of_maps", "one_into_many_widths"),
        "records of the second layer of a core begin too early",
    ),
    "delayed": "a slot is taken modulo 256",
}
"""Entries of which PAIBox deploys something else than it simulates, where it does not fail."""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Return two folders: what PAIBox exports, and what it simulates."""
    made = tmp_path_factory.mktemp("exported"), tmp_path_factory.mktemp("simulated")
    for script, out, names in (
        ("paibox_export.py", made[0], NAMES),
        ("paibox_child.py", made[1], [f"table:{name}" for name in NAMES]),
    ):
        command = [PYTHON, str(HERE / script), str(out), *names]
        subprocess.run(command, check=True, capture_output=True)
    return made


class Board:
    """Frames of PAIBox on the emulator, driven as its JSON files say."""

    def __init__(self, files: Path, records: Path):
        with np.load(files) as archive:
            self.image = parse(archive["frames"])
            self.inputs, self.outputs = (
                json.loads(str(archive[name])) for name in ("input_proj_info", "output_dest_info")
            )
        with np.load(records) as archive:
            self.records = {name: archive[name] for name in archive.files}
        trains = [v for name, v in self.records.items() if name.startswith("in_")]
        self.trains = [train.reshape(len(train), -1) for train in trains]
        self.steps = len(self.trains[0])

    def words(self, done, count):
        """Return the words of some ticks; each core gets its own, late ones miss the first."""
        parts = []
        for table, train in zip(self.inputs.values(), self.trains, strict=True):
            port = ports(table)
            (chip, _), _, ticks, axons = port
            for core in readers(self.image, port):
                missed = core.register.tick_start - 1
                t, e = np.nonzero(train[: done + count])
                sent = (t >= done) & (t >= missed)
                t, e = t[sent], e[sent]
                slots = (ticks[e] + (t - missed) * table["lcn"]) % 256
                words = frames.spike_words(chip, core.at, (0, 0), axons[e], slots, train[t, e])
                parts.append(words)
        return np.concatenate([np.zeros(0, np.uint64), *parts])

    def run(self):
        """Return what is sent, with its step, and the potentials of all cores at every step."""
        machine, sent, potentials = Machine(self.image), [], []
        burst = min(256 // table["lcn"] for table in self.inputs.values())
        for done in range(self.steps):
            if done % burst == 0:
                machine.inject(self.words(done, min(burst, self.steps - done)))
            made = machine.step()
            sent += zip(made.steps.tolist(), made.words.tolist(), strict=True)
            potentials.append(machine.potentials())
        return sent, potentials

    def expected(self, tables, node, potentials):
        """Return what a node of the simulation sends, None where its potentials are others."""
        found = []
        for key, table in tables.items():
            at = tuple(int(part) for part in key.strip("()").split(","))
            for core, mine in senders(self.image, table, at):
                there = elements(core, mine)
                spikes, worth = (self.records[f"out_{k}__{node}"][:, there] for k in ("spike", "v"))
                found += expected_frames(core, mine, ports(table), spikes)
                held = [p[core.chip, core.at][0, mine] for p in potentials]
                if core.register.keep_potential and not np.array_equal(worth, held):
                    return None
        return found

    def outcome(self):
        """Return what is wrong, or nothing; nodes of PAIBox are found by what they do."""
        sent, potentials = self.run()
        names = [k.removeprefix("out_spike__") for k in self.records if "spike__" in k]
        wanted = []
        for node, tables in self.outputs.items():
            size = sum(len(table["addr_axon"]) for table in tables.values())
            fitting = [n for n in names if self.records[f"out_spike__{n}"].shape[1] == size]
            does = [self.expected(tables, name, potentials) for name in fitting]
            right = [d for d in does if d is not None and set(d) <= set(sent)]
            if not right:
                return f"{node} does what nothing of the simulation does"
            wanted += right[-1]
        return "" if sorted(wanted) == sorted(sent) else "more is sent than simulated"


@needs_paibox
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_emulator_does_with_paibox_frames_what_paibox_simulates(exported, name):
    files, records = (folder / f"{name}.npz" for folder in exported)
    if not files.exists():
        pytest.skip("PAIBox does not compile it")
    wrong = name.partition(".")[0] in WRONG
    try:
        found = Board(files, records).outcome()
    except SnncError:
        if not wrong:
            raise
        return
    assert wrong or "" == found


@needs_paibox
@pytest.mark.slow
def test_paibox_compiles_what_it_can(exported):
    made = {path.stem.partition(".")[0] for path in exported[0].glob("*.npz")}
    assert {"looped", "unrolled"} == set(ENTRIES) - made
