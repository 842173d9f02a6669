"""The byte-exact vectors A, B and C of PAIBox 1.3, from a network in the IR down to files."""

import hashlib
from pathlib import Path

import numpy as np

import snnc
from snnc.ir import Builder
from snnc.targets.paicore import Paicore

A = "9482cede1d80c9054441520f7f459191820cf4f3dcd3426fe1fd76cc938bbeae"
B = "75f7aa41724beef4626dbe168bbbf4da40f93169ba42b4deba566c0360899b3d"
C = "e563fa055f5efa90691ba12cae00e4a8190e35a2e149e7c7d4bdac16df9c23c3"
C_INPUT = "804896ab6d5cda4d568187f4c28068eda9620d4e675a4cf60c9c325eea98c22f"
B_INPUT = "6a6268d2c7c2c8fd3c4ffa4d945a7fc7f4b05eb26aac18fe3b6d8edd7ce1b4bd"


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_vector_a(tmp_path: Path) -> None:
    build = Builder("tiny", "int")
    x = build.input("i", "u1[3]~")
    w1 = np.array([[1, -2], [0, 1], [1, 1]], np.int8)
    w2 = np.array([[1, 0], [1, 1]], np.int8)
    one = build.op(
        "neuron",
        build.op("linear", x, build.weight("w1", w1.T)),
        threshold=2,
        reset="hard",
        name="n1",
    )
    two = build.op(
        "neuron", build.op("linear", one, build.weight("w2", w2.T)), threshold=3, leak=-1, name="n2"
    )
    snnc.compile(build.finish(two), target="paicore").save(tmp_path / "a")
    assert sha(tmp_path / "a" / "config_all.bin") == A


def test_vector_b(tmp_path: Path) -> None:
    build = Builder("wide", "int")
    x = build.input("i", "u1[1200]~")
    i, j = np.meshgrid(np.arange(1200), np.arange(180), indexing="ij")
    weights = ((7 * i + 3 * j * j + i * j) % 15 - 7).astype(np.int8)
    spikes = build.op(
        "neuron", build.op("linear", x, build.weight("w", weights.T)), threshold=20, name="n"
    )
    made = snnc.compile(build.finish(spikes), target="paicore")
    made.save(tmp_path / "b")
    assert sha(tmp_path / "b" / "config_all.bin") == B
    element, tick = np.meshgrid(np.arange(1200), np.arange(4))
    stimulus = ((element**2 + tick) % 3 == 0).astype(np.uint8)[None]
    words = np.sort(np.asarray(Paicore().encode(tmp_path / "b", {"i": stimulus})).astype("<u8"))
    # The reset before the run sends words without data, which are no spikes.
    spikes_only = words[(words >> np.uint64(60) == 8) & (words & np.uint64(255) > 0)]
    assert hashlib.sha256(spikes_only.tobytes()).hexdigest() == B_INPUT
    emulated = made.run({"i": stimulus}).outputs["n"]
    assert [36, 36, 12, 36] == emulated.sum(axis=(0, 2)).tolist()


def test_vector_c(tmp_path: Path) -> None:
    build = Builder("values", "int")
    x = build.input("i", "u8[20]~")
    i, j = np.meshgrid(np.arange(20), np.arange(600), indexing="ij")
    weights = ((5 * i + 3 * j) % 16 - 8).astype(np.int8)
    values = build.op(
        "neuron",
        build.op("linear", x, build.weight("w", weights.T)),
        threshold=1,
        leak=build.weight("bias", np.arange(600, dtype=np.int32) - 300),
        spike="value",
        memory="clear",
        truncate=11,
        name="n",
    )
    made = snnc.compile(build.finish(values), target="paicore")
    made.save(tmp_path / "c")
    assert sha(tmp_path / "c" / "config_all.bin") == C
    element, tick = np.meshgrid(np.arange(20), np.arange(4))
    stimulus = ((37 * element + 11 * tick) % 256).astype(np.uint8)[None]
    words = np.asarray(Paicore().encode(tmp_path / "c", {"i": stimulus})).astype("<u8")
    sent = np.sort(words[(words >> np.uint64(60) == 8) & (words & np.uint64(255) > 0)])
    assert (79, C_INPUT) == (len(sent), hashlib.sha256(sent.tobytes()).hexdigest())
    emulated = made.run({"i": stimulus}).outputs["n"]
    assert [22175, 21297, 20463, 19536] == emulated.sum(axis=(0, 2), dtype=int).tolist()
