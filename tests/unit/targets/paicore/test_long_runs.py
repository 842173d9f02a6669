"""Runs longer than the input buffer, as frames in bursts: T = 300 at extensions 1, 4 and 32."""

from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.ir import Builder
from snnc.targets.paicore import Paicore
from snnc.targets.paicore.artifact.files import read_image
from snnc.targets.paicore.chip.frames import Words
from snnc.targets.paicore.emulate import Machine
from snnc.targets.paicore.emulation import board

TICKS = 300
SPIKE, SYNC = 8, 9


def play(folder: Path, bursts: list[Words]) -> list[Words]:
    """Do what a board does: take spikes, run at each sync; return the frames of each burst."""
    machine, received = Machine(read_image(folder), 1), []
    for words in bursts:
        kind = words >> np.uint64(60)
        machine.inject(words[(kind == SPIKE) & (words & np.uint64(255) > 0)])
        (sync,) = words[kind == SYNC]
        received.append(machine.step(int(sync) & 0x3FFFFFFF).words)
    return received


@pytest.mark.parametrize(("size", "extension"), [(1000, 1), (4000, 4), (36000, 32)])
def test_bursts_of_frames_give_the_spikes_of_one_long_run(
    size: int, extension: int, tmp_path: Path
) -> None:
    rng = np.random.default_rng(size)
    build = Builder("net", "int")
    x = build.input("x", f"u1[{size}]~")
    weights = rng.integers(-7, 8, (5, size)).astype(np.int8)
    current = build.op("linear", x, build.weight("w", weights))
    hidden = build.op("neuron", current, threshold=20, reset="hard", leak=1, name="hidden")
    last = build.weight("v", rng.integers(0, 4, (3, 5)).astype(np.int8))
    out = build.op("neuron", build.op("linear", hidden, last), threshold=5, name="out")
    made = snnc.compile(build.finish(out), target="paicore")
    made.save(tmp_path / "build")
    assert extension == max(op["extension"] for op in made.placed.ops("core"))
    spikes = (rng.random((1, TICKS, size)) < 0.01).astype(np.uint8)
    expected = snnc.run(made.module, {"x": spikes}, engine="reference").outputs["out"]
    assert 0 < expected.mean() < 1
    assert np.array_equal(expected, made.run({"x": spikes}).outputs["out"])
    bursts = board.encode_bursts(tmp_path / "build", {"x": spikes})
    assert len(bursts) > TICKS * extension // 256
    frames = play(tmp_path / "build", bursts)
    assert np.array_equal(expected, Paicore().decode(tmp_path / "build", frames, TICKS)["out"])
