"""Compiled code is kept on disk, and what lies there wrongly is as if it were not there."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from snnc.diagnostics import SnncError
from snnc.ir import Builder
from snnc.machine import store
from snnc.machine.paths import available, choose
from snnc.runtime.native.engine import NativeEngine


def spikes():
    b = Builder("small", "int")
    x = b.input("x", "u1[3]~")
    y = b.op("linear", x, b.weight("w", np.array([[1, 2, 3], [-1, 5, 1]])))
    module = b.finish(b.op("neuron", y, threshold=3, name="s"))
    x = np.array([[[1, 0, 1], [0, 1, 1], [1, 1, 0]]])
    return NativeEngine().prepare(module).run({"x": x}).outputs["s"].tolist()


EXPECTED = [[[1, 0], [1, 1], [1, 1]]]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SNNC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_code_is_compiled_once(folder, monkeypatch):
    assert EXPECTED == spikes()
    kept = {path: path.read_bytes() for path in folder.iterdir()}
    assert kept
    monkeypatch.setattr(store, "write", lambda *_: pytest.fail("compiled again"))
    assert EXPECTED == spikes()
    assert kept == {path: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("damage", ["garbage", "cut", "other", "empty", "folder"])
def test_damaged_entries_are_made_again(folder, damage):
    assert EXPECTED == spikes()
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        store.write(folder, "other", data[store.SIZE :])
        other = (folder / "other.o").read_bytes()
        contents = {"garbage": b"\x7fELF" * 99, "cut": data[:-20], "other": other, "empty": b""}
        if damage == "folder":
            path.unlink()
            path.mkdir()
        else:
            path.write_bytes(contents[damage])
    assert EXPECTED == spikes()
    assert EXPECTED == spikes()


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("SNNC_CACHE", str(tmp_path / "file" / "cache"))
    assert EXPECTED == spikes()
    monkeypatch.setattr(store.os, "replace", lambda *_: (_ for _ in ()).throw(PermissionError()))
    monkeypatch.setenv("SNNC_CACHE", str(tmp_path / "cache"))
    assert EXPECTED == spikes()
    assert [] == list((tmp_path / "cache").iterdir())


def aged(folder, name, hours):
    """A file of 100 bytes that was used some hours ago."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(bytes(100))
    used = store.time.time() - 3600 * hours
    store.os.utime(folder / name, (used, used))


def entry(number):
    return f"{number:064x}"


def test_what_was_not_read_for_the_longest_time_goes(folder, monkeypatch):
    monkeypatch.setattr(store, "LIMIT", 1000)
    for number in range(1, 12):
        aged(folder, f"{entry(number)}.o", number)
    store.write(folder, entry(255), bytes(100 - store.SIZE))
    left = {f"{entry(number)}.o" for number in (255, 1, 2, 3, 4, 5, 6)}
    assert left == {path.name for path in folder.iterdir()}
    assert (7, 700) == store.held(folder)


def test_reading_an_entry_keeps_it(folder, monkeypatch):
    monkeypatch.setattr(store, "LIMIT", 1000)
    store.write(folder, entry(0), b"code")
    store.os.utime(folder / f"{entry(0)}.o", (0, 0))
    assert b"code" == store.read(folder, entry(0))
    for number in range(1, 12):
        aged(folder, f"{entry(number)}.o", number)
    store.tidy(folder)
    assert b"code" == store.read(folder, entry(0))
    assert 0 < store.held(folder)[1] <= 750


def test_a_folder_within_its_limit_keeps_all_and_loses_leftovers_alone(folder):
    aged(folder, f"{entry(1)}.o", 1000)
    for name in ("notes.txt", "other.o", "snnc-young.part", "snnc-old.part"):
        aged(folder, name, 1 if name == "snnc-young.part" else 30)
    store.tidy(folder)
    kept = {f"{entry(1)}.o", "notes.txt", "other.o", "snnc-young.part"}
    assert kept == {path.name for path in folder.iterdir()}
    assert (1, 100) == store.held(folder)


def test_another_process_may_tidy_at_the_same_time(folder, monkeypatch):
    monkeypatch.setattr(store, "LIMIT", 0)
    aged(folder, f"{entry(1)}.o", 1)
    unlink = store.os.unlink

    def gone(path):
        unlink(path)
        unlink(path)

    monkeypatch.setattr(store.os, "unlink", gone)
    store.tidy(folder)
    store.tidy(folder / "none")
    assert (0, 0) == store.held(folder)


def test_the_folder_is_that_of_the_platform(monkeypatch, tmp_path):
    monkeypatch.delenv("SNNC_CACHE", raising=False)
    monkeypatch.setattr(store.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert tmp_path / "snnc" / "native" == store.cache_folder()


def test_a_path_that_the_machine_does_not_have_is_refused():
    with pytest.raises(SnncError) as caught:
        choose("mmx")
    assert "unknown-path" == caught.value.diagnostics[0].code
    assert available()[-1] == choose("auto").name
    assert "baseline" in available()
