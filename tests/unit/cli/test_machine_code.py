"""What befalls machine code on a user's machine: it is never an error, and never another result."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from snnc import machine
from snnc.cli import failures
from snnc.machine import store
from snnc.machine.paths import available
from snnc.runtime.native import engine as native

RUN = ("run", "net.snn", "-i", "x.npz", "-o", "y.npz", "--engine", "native")

WIDE = """\
module @wide level int version 1 {
  weight @w : i32[1, 2] = [[1000000, 3]]

  graph @main(%x: i32[2]~) -> (u1[1]~) {
    %a = int.linear %x, @w : (i32[2]~, i32[1, 2]) -> i32[1]~
    %y = int.neuron %a {threshold = 3, overflow = wrap} : (i32[1]~) -> u1[1]~
    return %y
  }
}
"""


@pytest.fixture
def expected(snnc, folder):
    assert 0 == snnc(*RUN[:-1], "reference").exit_code
    return outputs(folder)


@pytest.fixture
def cache(folder, monkeypatch):
    monkeypatch.setenv("SNNC_CACHE", str(folder / "cache"))
    return folder / "cache"


def outputs(folder):
    with np.load(folder / "y.npz") as arrays:
        return arrays["y"].tolist()


def same(snnc, folder, expected, *command):
    result = snnc(*(command or RUN))
    assert (0, "") == (result.exit_code, result.stderr)
    assert expected == outputs(folder)


@pytest.mark.parametrize("engine", ["native", "auto"])
def test_without_llvmlite_numpy_runs_and_that_is_said(snnc, expected, folder, engine, monkeypatch):
    monkeypatch.setattr(native, "installed", lambda: False)
    result = snnc(*RUN[:-1], engine)
    assert 0 == result.exit_code
    assert 1 == result.stderr.count("warning[no-machine-code]: llvmlite is not installed")
    assert "pip install snnc[native]" in result.stderr
    assert expected == outputs(folder)


def without_llvmlite(folder):
    """Return a folder of modules in which llvmlite does not load."""
    place = folder / "broken"
    (place / "llvmlite").mkdir(parents=True)
    (place / "llvmlite" / "__init__.py").write_text("raise OSError('no shared object')\n")
    return place


def test_an_accuracy_without_llvmlite_names_what_ran(snnc, monkeypatch):
    monkeypatch.setattr(native, "installed", lambda: False)
    result = snnc("eval", "net.snn", "--data", "data.npz", "--json")
    assert "numpy" == result.json()["engine"]
    assert "warning[no-machine-code]" in result.stderr
    result = snnc("eval", "net.snn", "--data", "data.npz", "--json", "--engine", "numpy")
    assert ("numpy", "") == (result.json()["engine"], result.stderr)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_llvmlite_that_does_not_load_is_as_if_it_were_missing(expected, folder, jobs):
    environment = {**os.environ, "PYTHONPATH": str(without_llvmlite(folder))}
    command = [sys.executable, "-m", "snnc", *RUN, "--jobs", jobs]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (0, 1) == (done.returncode, done.stderr.count("warning[no-machine-code]"))
    assert expected == outputs(folder)


def test_llvmlite_is_looked_for_once(monkeypatch):
    machine.installed.cache_clear()
    monkeypatch.setattr(machine, "find_spec", lambda name: None)
    assert not machine.installed()
    monkeypatch.undo()
    assert not machine.installed()
    machine.installed.cache_clear()
    assert machine.installed()


@pytest.mark.parametrize("place", ["file/cache", "/proc/cache"])
def test_a_cache_that_cannot_be_written_is_no_error(snnc, folder, expected, place, monkeypatch):
    (folder / "file").write_text("no folder")
    monkeypatch.setenv("SNNC_CACHE", place)
    same(snnc, folder, expected)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_read_only_cache_is_no_error(snnc, folder, expected, cache):
    cache.mkdir(mode=0o555)
    same(snnc, folder, expected)
    assert [] == list(cache.iterdir())


@pytest.mark.parametrize("damage", ["garbage", "cut", "empty", "other", "folder", "pipe", "loop"])
def test_a_damaged_cache_is_made_again(snnc, folder, expected, cache, damage):
    same(snnc, folder, expected)
    entries = sorted(cache.iterdir())
    assert entries
    first = entries[0].read_bytes()
    for path in entries:
        data = path.read_bytes()
        path.unlink()
        if damage == "folder":
            path.mkdir()
        elif damage == "pipe":
            os.mkfifo(path)
        elif damage == "loop":
            path.symlink_to(path)
        else:
            text = {"garbage": os.urandom(5000), "cut": data[:-9], "empty": b"", "other": first}
            path.write_bytes(text[damage])
    same(snnc, folder, expected)
    same(snnc, folder, expected)


def test_a_cache_full_of_other_things_is_no_error(snnc, folder, expected, cache):
    cache.mkdir()
    for number in range(20):
        (cache / f"{number:064x}.o").write_bytes(os.urandom(100))
        (cache / f"tmp{number}").write_bytes(b"left over")
    same(snnc, folder, expected)


def test_objects_of_another_processor_are_not_used(snnc, folder, expected, cache, monkeypatch):
    """Each path has entries of its own, and an entry under another's name is none."""
    for path in available():
        monkeypatch.setenv("SNNC_CPU", path)
        before = set(cache.iterdir()) if cache.is_dir() else set()
        same(snnc, folder, expected)
        assert set(cache.iterdir()) - before
    entries = sorted(cache.iterdir())
    contents = [entry.read_bytes() for entry in entries]
    for entry, data in zip(entries, contents[1:] + contents[:1], strict=True):
        entry.write_bytes(data)
    for path in available():
        monkeypatch.setenv("SNNC_CPU", path)
        same(snnc, folder, expected)
    assert contents == [entry.read_bytes() for entry in entries]


def test_a_user_without_a_home_has_no_cache(snnc, folder, expected, monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    for name in ("SNNC_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(store.Path, "home", homeless)
    assert store.cache_folder() is None
    same(snnc, folder, expected)


def test_processes_share_an_empty_cache(folder, expected, cache):
    commands = [[sys.executable, "-m", "snnc", *RUN[:5], f"y{n}.npz", *RUN[6:]] for n in range(4)]
    running = [
        subprocess.Popen(c, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for c in commands
    ]
    assert [b""] * 4 == [process.communicate(timeout=120)[1] for process in running]
    for number in range(4):
        with np.load(folder / f"y{number}.npz") as arrays:
            assert expected == arrays["y"].tolist()
    entries = sorted(cache.iterdir())
    assert entries
    assert all(store.read(cache, path.stem) for path in entries)


def test_unknown_processors_are_refused(snnc, monkeypatch):
    monkeypatch.setenv("SNNC_CPU", "mmx")
    result = snnc(*RUN)
    assert 1 == result.exit_code
    assert "error[unknown-path]" in result.stderr
    assert "SNNC_CPU" in result.stderr


def test_an_op_without_machine_code_is_told_of_on_request(snnc, folder):
    (folder / "wide.snn").write_text(WIDE)
    np.savez(folder / "x.npz", x=np.arange(12, dtype=np.int32).reshape(1, 6, 2) - 5)
    command = ("wide.snn", *RUN[2:])
    assert 0 == snnc("run", *command[:-1], "reference").exit_code
    found = outputs(folder)
    same(snnc, folder, found, "run", *command)
    result = snnc("-v", "run", *command)
    assert "note[op-not-native]: %a: int.linear runs in the numpy engine" in result.stderr
    assert found == outputs(folder)


def test_doctor_says_what_code_is_made_for_and_where_it_is_kept(snnc, cache, monkeypatch):
    found = snnc("doctor", "--json").json()["machine_code"]
    assert (available()[-1], list(available())) == (found["path"], found["available"])
    assert (str(cache), True) == (found["cache"], found["cache_writable"])
    assert f"kept in {cache}" in "".join(snnc("doctor").stdout.split("\n"))
    monkeypatch.setenv("SNNC_CACHE", "/proc/cache/folder")
    monkeypatch.setenv("SNNC_CPU", "mmx")
    assert "SNNC_CPU names none" in snnc("doctor").stdout
    monkeypatch.setattr(machine, "installed", lambda: False)
    assert {} == snnc("doctor", "--json").json()["machine_code"]
    assert "llvmlite is missing" in snnc("doctor").stdout


MARKED = """
from pathlib import Path
from snnc.extend.plugin import Plugin
from snnc.runtime.native.engine import NativeEngine

class Marked(NativeEngine):
    def prepare(self, module):
        program = super().prepare(module)
        each = program.each
        def told(*arguments):
            Path("started").touch()
            while True:
                each(*arguments)
        program.each = told
        return program

plugin = Plugin(engines={"marked": "marked:Marked"})
"""


@pytest.mark.parametrize("threads", ["1", "2"])
def test_an_interrupt_ends_a_long_native_run(folder, threads):
    """This one has no end."""
    (folder / "marked.py").write_text(MARKED)
    np.savez(folder / "x.npz", x=np.zeros((8, 100_000, 6), dtype=np.uint8))
    started = folder / "started"
    process = subprocess.Popen(
        [sys.executable, "-m", "snnc", "--plugin", "marked.py", *RUN[:-1], "marked"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SNNC_THREADS": threads, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    while not started.exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (failures.INTERRUPTED, "", "") == (process.returncode, out, err.strip())
    assert not (folder / "y.npz").exists()


def test_doctor_says_how_full_the_cache_is(snnc, cache):
    cache.mkdir()
    (cache / f"{1:064x}.o").write_bytes(bytes(3 << 20))
    found = snnc("doctor", "--json").json()["machine_code"]
    assert (1, 3 << 20, 256 << 20) == tuple(
        found[f"cache_{key}"] for key in ("entries", "bytes", "limit")
    )
    assert "(3.0 of 256 MB in 1 object)" in snnc("doctor").stdout.replace("\n", " ")
