"""Events in and out of a chip, in both semantics, and files of them."""

import struct
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.ir.build import Builder
from snnc.machine import installed
from snnc.targets.dynapcnn.emulation import stream
from snnc.targets.dynapcnn.emulation.eventwise import Eventwise
from snnc.targets.dynapcnn.emulation.timestep import Timestep
from snnc.targets.dynapcnn.recordings import aedat4
from snnc.targets.dynapcnn.recordings.event_files import PIXEL, made, read_events, write_events
from snnc.targets.dynapcnn.recordings.events import EVENT
from tests.unit.targets.dynapcnn.networks import compiled, neuron, saved, small, weights

CODES = [False, True] if installed() else [False]


def raster(seed: int = 3, ticks: int = 6) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).integers(0, 3, (ticks, 2, 10, 10))


@pytest.mark.parametrize("kind", [Timestep, Eventwise])
@pytest.mark.parametrize("machine_code", CODES)
def test_events_of_a_raster_give_what_the_raster_gives(
    kind: Any, machine_code: bool, tmp_path: Path
) -> None:
    program = kind(saved(small(), tmp_path), machine_code)
    x = raster()
    events = stream.encode(program.placed, program.inputs, {"x": x}, 250)
    assert int(x.sum()) == len(events)
    expected = program.run({"x": x[None]}, probe=("s.v",))
    actual = stream.run(program, events, 250, len(x), ("s.v",))
    assert np.array_equal(expected.outputs["y"], actual.outputs["y"])
    assert np.array_equal(expected.trace["s.v"], actual.trace["s.v"])
    back = stream.decode(program.placed, actual.events, len(x), 250)
    assert np.array_equal(expected.outputs["y"], back["y"])


def test_a_build_encodes_and_decodes() -> None:
    build, x = compiled(small()), raster()
    events = build.encode({"x": x[None].astype(np.uint8)})
    assert int(x.sum()) == len(events)
    found = stream.run(Timestep(build._files), events, 1000, len(x))
    back = build.decode(found.events, len(x))
    assert np.array_equal(found.outputs["y"], back["y"])
    with pytest.raises(SnncError) as error:
        build.encode({"x": np.stack([x, x]).astype(np.uint8)})
    assert "one-sample" == error.value.code


def test_answers_have_the_time_of_their_cause(tmp_path: Path) -> None:
    program = Eventwise(saved(small(), tmp_path))
    place = {"x": 4, "y": 4, "feature": 1, "layer": program.placed.cores[0].core}
    events = made(
        **{name: np.full(40, value) for name, value in place.items()},
        timestamp=np.arange(40) * 7,
    )
    found = stream.run(program, events, 100)
    assert 3 == found.outputs["y"].shape[1]
    assert len(found.events)
    assert set(found.events["timestamp"].tolist()) <= set((np.arange(40) * 7).tolist())
    assert {program.placed.cores[1].core} == set(found.events["layer"].tolist())


def camera(monitor: bool) -> Any:
    b = Builder("camera", "snn")
    x = b.input("x", "u8[1, 12, 12]~")
    pooled = b.op("sum_pool2d", x, kernel=(2, 2))
    made = neuron(b, b.op("conv2d", pooled, b.weight("w", weights(4, 3, 1, 3, 3))), "y")
    options = {"monitor": ("-1", "dvs")} if monitor else {}
    return compiled(b.finish(made), sensor=True, **options)


@pytest.mark.parametrize("kind", [Timestep, Eventwise])
def test_the_pixel_block_takes_both_polarities_and_is_heard(kind: Any, tmp_path: Path) -> None:
    program = kind(camera(True).save(tmp_path / "build"))
    events = made(
        x=np.array([0, 3, 11]),
        y=np.array([0, 5, 11]),
        feature=np.array([0, 1, 1]),
        timestamp=np.array([5, 10, 2500]),
    )
    found = stream.run(program, events, 1000)
    seen = found.events[found.events["layer"] == 13]
    assert [(0, 0), (1, 2), (5, 5)] == list(zip(seen["x"], seen["y"], strict=True))
    assert [0, 0, 0] == seen["feature"].tolist()
    expected = [5, 10, 2500] if kind is Eventwise else [0, 0, 2000]
    assert expected == seen["timestamp"].tolist()


def refused(program: Any, dt: int = 1000, ticks: int | None = None, **columns: list[int]) -> str:
    with pytest.raises(SnncError) as error:
        stream.run(program, made(**{n: np.array(c) for n, c in columns.items()}), dt, ticks)
    return error.value.code


def test_events_that_no_chip_takes_are_refused(tmp_path: Path) -> None:
    program = Timestep(saved(small(), tmp_path))
    one = {"x": [0, 0], "y": [0, 0], "feature": [0, 0]}
    assert "event-order" == refused(program, **one, timestamp=[5, 4])
    assert "event-time" == refused(program, **one, timestamp=[-1, 4])
    assert "event-time" == refused(program, ticks=2, **one, timestamp=[0, 2000])
    assert "event-place" == refused(program, **{**one, "x": [0, 10]}, timestamp=[0, 1])
    assert "event-place" == refused(program, **{**one, "y": [-1, 0]}, timestamp=[0, 1])
    assert "event-place" == refused(program, **{**one, "feature": [0, 2]}, timestamp=[0, 1])
    assert "event-layer" == refused(program, **one, timestamp=[0, 1], layer=[0, 8])


def test_events_without_a_layer_need_a_single_input(tmp_path: Path) -> None:
    b = Builder("two", "snn")
    sums = [
        b.op("conv2d", b.input(name, "u1[1, 4, 4]~"), b.weight(f"w{name}", weights(1, 2, 1, 3, 3)))
        for name in "ab"
    ]
    first, second = (neuron(b, s, f"n{i}") for i, s in enumerate(sums))
    program = Timestep(saved(b.finish(first, second), tmp_path))
    assert "event-layer" == refused(program, x=[0], y=[0], feature=[0], timestamp=[0])


def test_files_of_arrays_come_back(tmp_path: Path) -> None:
    events = np.zeros(3, EVENT)
    events["timestamp"], events["x"] = [1, 2, 3], [4, 5, 6]
    for name in ("a.npy", "a.npz"):
        write_events(tmp_path / name, events)
        back = read_events(tmp_path / name)
        assert events.tolist() == [tuple(int(back[n][k]) for n in EVENT.names) for k in range(3)]
    np.savez(tmp_path / "b.npz", x=[1], y=[2], p=[True], t=np.array([9], np.uint64))
    assert (1, 2, 1, 9) == tuple(read_events(tmp_path / "b.npz")[0])


def test_recordings_of_forty_bits(tmp_path: Path) -> None:
    (tmp_path / "n.bin").write_bytes(bytes([7, 9, 0x80 | 1, 2, 3, 1, 2, 0, 0, 5]))
    back = read_events(tmp_path / "n.bin")
    assert [(7, 9, 1, 0x010203), (1, 2, 0, 5)] == back.tolist()


def table(slots: list[bytes], identifier: bytes = b"") -> bytes:
    """A FlatBuffer with a root table of inline slots (empty: left out)."""
    layout, fields, at = [], b"", 4
    for slot in slots:
        layout.append(at if slot else 0)
        fields, at = fields + slot, at + len(slot)
    head = struct.pack(f"<HH{len(slots)}H", 4 + 2 * len(slots), at, *layout)
    start = 4 + len(identifier)
    root = start + len(head)
    return struct.pack("<I", root) + identifier + head + struct.pack("<i", len(head)) + fields


def recording(events: np.ndarray, compression: int, pack: Any = bytes) -> bytes:
    vector = struct.pack("<I", len(events)) + events.tobytes()
    body = table([struct.pack("<I", 4)], b"EVTS") + vector
    other = table([], b"FRME")
    header = table([struct.pack("<i", compression) if compression else b""], b"IOHE")
    made = aedat4.MAGIC + struct.pack("<I", len(header)) + header
    for packet in (body, other, body):
        packed = pack(struct.pack("<I", len(packet)) + packet)
        made += struct.pack("<ii", 0, len(packed)) + packed
    return made


def test_recordings_of_inivation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = np.zeros(2, PIXEL)
    events["t"], events["x"], events["y"], events["on"] = [10, 11], [1, 2], [3, 4], [1, 0]
    path = tmp_path / "r.aedat4"
    path.write_bytes(recording(events, 0))
    expected = [(1, 3, 1, 10), (2, 4, 0, 11)] * 2
    assert expected == read_events(path).tolist()
    frame = types.ModuleType("lz4.frame")
    frame.decompress = lambda body: body[::-1]  # type: ignore[attr-defined]
    monkeypatch.setattr(aedat4, "find_spec", lambda name: True if name == "lz4" else None)
    monkeypatch.setitem(sys.modules, "lz4.frame", frame)
    monkeypatch.setitem(sys.modules, "lz4", types.ModuleType("lz4"))
    path.write_bytes(recording(events, 1, lambda body: body[::-1]))
    assert expected == read_events(path).tolist()
    path.write_bytes(recording(events, 3))
    with pytest.raises(SnncError) as error:
        read_events(path)
    assert "missing-package" == error.value.code


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", b""),
        ("a.npy", b"no array"),
        ("a.bin", b"123"),
        ("a.aedat4", b"#!AER-DAT2.0"),
        ("b.aedat4", aedat4.MAGIC + b"\x10\0\0\0"),
        ("c.aedat4", recording(np.zeros(1, PIXEL), 0)[:-3]),
        ("d.aedat4", recording(np.zeros(1, PIXEL), 9)),
    ],
)
def test_files_without_events_are_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SnncError) as error:
        read_events(tmp_path / name)
    assert "event-file" == error.value.code


def test_arrays_without_events_are_refused(tmp_path: Path) -> None:
    whole = {"x": [1], "y": [1], "p": [1], "t": [1]}
    for odd in ({"p": [0.5]}, {"x": [1, 2]}, {"t": [[1]]}, {"t": np.array([1 << 63], np.uint64)}):
        np.savez(tmp_path / "e.npz", **{**whole, **odd})
        with pytest.raises(SnncError):
            read_events(tmp_path / "e.npz")
    np.savez(tmp_path / "e.npz", x=[1])
    with pytest.raises(SnncError):
        read_events(tmp_path / "e.npz")
    for path in (tmp_path / "e.txt", tmp_path / "none.npy"):
        with pytest.raises(SnncError):
            write_events(path, np.zeros(0, EVENT)) if path.suffix == ".txt" else read_events(path)
