"""`snnc eval`: data in pieces, counts that go on where they stopped, interrupts."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

from snnc.cli import failures
from snnc.cli.evaluation import Tally, scores
from snnc.cli.labelled import Rows
from snnc.ir.build import Builder
from snnc.ir.write import write

EVAL = ("eval", "net.snn", "--data", "data.npz", "--json")


@pytest.fixture
def many(folder):
    """data.npz with 40 samples."""
    draw = np.random.default_rng(2)
    x = (draw.random((40, 8, 6)) < 0.5).astype(np.uint8)
    np.savez_compressed(folder / "data.npz", x=x, labels=np.arange(40) % 2)
    return x


def counts(told):
    return {key: told[key] for key in ("samples", "correct", "ties", "spikes_per_sample")}


def state(folder):
    return json.loads((folder / "count.json").read_text())


def test_rows_are_taken_in_order_from_any_kind_of_array(folder):
    whole = np.arange(60, dtype=np.int16).reshape(10, 2, 3)
    np.savez_compressed(folder / "a.npz", rows=whole, columns=np.asfortranarray(whole))
    with zipfile.ZipFile(folder / "a.npz") as archive:
        for name in ("rows", "columns"):
            rows = Rows(archive, name)
            first = rows.take(3)
            rows.skip(2)
            assert np.array_equal(whole[[0, 1, 2, 5, 6, 7, 8, 9]], [*first, *rows.take(99)])


def test_a_count_is_continued_where_it_stopped(folder, many, snnc):
    whole = counts(snnc(*EVAL, "--activity").json())
    args = (*EVAL, "--activity", "--resume", "count.json", "--batch", 7)
    first = snnc(*args, "--limit", 10).json()
    assert (10, 0) == (first["samples"], first["resumed_samples"])
    rest = snnc(*args).json()
    assert (40, 10) == (rest["samples"], rest["resumed_samples"])
    assert whole == counts(rest)
    again = snnc(*args)
    assert whole == counts(again.json())
    assert again.json()["samples_per_second"] is None
    assert "nothing was left" in snnc(*(a for a in args if a != "--json")).stdout


def test_a_count_of_something_else_is_refused(folder, many, build, snnc):
    resume = ("--resume", "count.json")
    assert snnc(*EVAL, *resume).exit_code == 0
    text = (folder / "net.snn").read_text()
    (folder / "other.snn").write_text(text.replace("threshold = 2", "threshold = 1"))
    np.savez(folder / "more.npz", x=many, labels=np.zeros(40, int))
    for args, odd in (
        (("eval", "other.snn", "--data", "data.npz"), "network"),
        (("eval", "net.snn", "--data", "more.npz"), "data"),
        (("eval", "build", "--data", "data.npz", "--engine", "emulator"), "build, engine"),
        ((*EVAL, "--activity"), "activity"),
    ):
        result = snnc(*args, *resume)
        assert result.exit_code == failures.REFUSED
        assert (
            f"error[resume-foreign]: count.json cannot be continued: it was begun with other {odd}"
            in result.stderr
        )
    result = snnc(*EVAL, *resume, "--limit", 5)
    assert "40 samples are counted there, and 5 are asked for" in result.stderr


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"snnc": "eval"}', '{"snnc": "sweep", "schema": 1, "question": {}, "result": 1}'],
)
def test_a_file_that_is_no_count_is_refused(folder, snnc, text):
    (folder / "count.json").write_text(text)
    result = snnc(*EVAL, "--resume", "count.json")
    assert "error[resume-unreadable]" in result.stderr
    assert text == (folder / "count.json").read_text()


@pytest.mark.parametrize(
    "change", [{"samples": -1}, {"spikes": [1]}, {"correct": 1.5}, {"more": 1}]
)
def test_a_damaged_count_is_refused(folder, snnc, change):
    snnc(*EVAL, "--resume", "count.json")
    found = state(folder)
    found["result"] |= change
    (folder / "count.json").write_text(json.dumps(found))
    result = snnc(*EVAL, "--resume", "count.json")
    assert "error[resume-foreign]" in result.stderr
    assert "damaged" in result.stderr


@pytest.mark.parametrize(("over_time", "best"), [("sum", 0), ("last", 1)])
def test_a_network_is_scored_as_it_reads_itself_out(over_time, best):
    b = Builder("net", "int", {"readout": {"y": {"over_time": over_time, "factor": 1.0}}})
    x = b.input("x", "u1[2]~")
    module = b.finish(b.op("neuron", x, threshold=1, name="y"))
    train = np.array([[[1, 0], [1, 0], [0, 1]]], dtype=np.uint8)
    assert best == scores(module, "y", train).argmax()


def test_a_tally_reads_back():
    tally = Tally(3, 2, 1, {"y": 4})
    assert tally == Tally.of(tally.data())


def test_no_samples_are_told_as_such(folder, snnc):
    np.savez(folder / "data.npz", x=np.zeros((0, 8, 6), np.uint8), labels=np.zeros(0, int))
    result = snnc(*EVAL)
    assert "error[data-empty]: data.npz holds no samples" in result.stderr


def test_labels_that_are_none_are_told_as_such(folder, snnc):
    x = np.zeros((3, 8, 6), np.uint8)
    np.savez(folder / "data.npz", x=x, labels=np.zeros((3, 2)))
    assert "labels is float64[3, 2], not a whole number per sample" in snnc(*EVAL).stderr
    np.savez(folder / "data.npz", x=x)
    assert "has no array labels or y; it holds x" in snnc(*EVAL).stderr


@pytest.mark.parametrize("kind", ["missing", "text", "cut", "objects", "shape"])
def test_data_that_cannot_be_read_are_refused(folder, snnc, kind):
    path = folder / "data.npz"
    if kind == "missing":
        path.unlink()
    elif kind == "text":
        path.write_text("no zip")
    elif kind == "objects":
        np.savez(path, x=np.array([{}, {}]), labels=np.zeros(2, int))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            for name, shape in (("x", (3, 8, 6)), ("labels", (3,))):
                with archive.open(f"{name}.npy", "w") as stream:
                    np.lib.format.write_array(stream, np.zeros(shape, np.uint8))
        data = bytearray(path.read_bytes())
        if kind == "shape":
            data = data.replace(b"(3, 8, 6)", b"(3, 9, 9)")
        else:
            del data[len(data) // 2 :]
        path.write_bytes(data)
    result = snnc(*EVAL)
    assert result.exit_code == failures.REFUSED
    assert "error[values-" in result.stderr


def test_what_a_process_refuses_is_told_as_by_one(folder, many, snnc):
    np.savez(folder / "data.npz", x=many * 2, labels=np.zeros(40, int))
    one, two = (snnc(*EVAL, "--jobs", jobs) for jobs in (1, 2))
    assert one.exit_code == two.exit_code == failures.REFUSED
    assert one.stderr == two.stderr
    assert "error[input-range]" in two.stderr


SLOW = """
import time
from snnc.extend.plugin import Plugin
from snnc.runtime.reference import Reference

class Program:
    def __init__(self, inner):
        self.inner = inner

    def run(self, inputs, **options):
        time.sleep(0.2)
        return self.inner.run(inputs, **options)

class Slow(Reference):
    def prepare(self, module):
        return Program(super().prepare(module))

plugin = Plugin(engines={"slow": "slow:Slow"})
"""


def test_a_process_that_dies_is_told(folder, many, snnc):
    (folder / "slow.py").write_text(SLOW.replace("time.sleep(0.2)", "import os; os._exit(9)"))
    args = ("--plugin", "slow.py", *EVAL, "--engine", "slow", "--jobs", 2)
    result = snnc(*args)
    assert result.exit_code == failures.REFUSED
    assert "error[process-died]" in result.stderr


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupt_leaves_a_count_that_can_be_continued(folder, many, snnc, jobs):
    (folder / "slow.py").write_text(SLOW)
    args = ("--plugin", "slow.py", *EVAL, "--engine", "slow", "--resume", "count.json", "--batch")
    command = [sys.executable, "-m", "snnc", *args, "1", "--jobs", str(jobs)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while not (folder / "count.json").exists() and process.poll() is None:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (failures.INTERRUPTED, "") == (process.returncode, out)
    assert f"snnc: count.json has {state(folder)['result']['samples']} of 40 samples; " in err
    assert "Traceback" not in err
    assert ["count.json"] == [p.name for p in folder.iterdir() if "count" in p.name]
    done = state(folder)["result"]["samples"]
    assert 0 < done < 40
    rest = snnc(*args, 40).json()
    assert (40, done) == (rest["samples"], rest["resumed_samples"])
    assert counts(snnc(*EVAL).json()) == counts(rest)


def test_still_inputs_are_held_for_the_ticks_that_are_run(folder, many, build, snnc):
    still = many[:, 0]
    held = np.repeat(still[:, None], 8, axis=1)
    labels = np.arange(40) % 2
    np.savez(folder / "still.npz", x=still, labels=labels)
    np.savez(folder / "flat.npz", x=still.reshape(40, 3, 2), labels=labels)
    np.savez(folder / "held.npz", x=held, labels=labels)
    args = ("--json", "--activity", "--batch", 7)
    for what in ("net.snn", "build"):
        whole = counts(snnc("eval", what, "--data", "held.npz", *args).json())
        for data in ("still.npz", "flat.npz"):
            told = snnc("eval", what, "--data", data, "--ticks", 8, "--hold", *args)
            assert whole == counts(told.json())
    swept = snnc("sweep", "net.snn", "--data", "still.npz", "--grid", "ticks=8", "--hold", "--json")
    assert whole["correct"] == swept.json()[0]["correct"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("data.npz", "x is [40, 8, 6], and a tick of it has 6 elements"),
        ("none.npz", "no input of the network has ticks"),
    ],
)
def test_what_cannot_be_held_is_refused(folder, many, snnc, data, reason):
    network = "net.snn"
    if data == "none.npz":
        b = Builder("still", "snn", {"ticks": 4})
        x = b.op("direct", b.input("x", "f32[2]"))
        (folder / "still.snn").write_text(write(b.finish(b.op("neuron", x, threshold=0.5))))
        np.savez(folder / data, x=np.zeros((3, 2)), labels=np.zeros(3, int))
        network = "still.snn"
    result = snnc("eval", network, "--data", data, "--hold", "--ticks", 4)
    assert result.exit_code == failures.REFUSED
    assert "error[data-hold]" in result.stderr
    assert reason in result.stderr


def test_holding_needs_a_number_of_ticks(many, snnc):
    for args in (EVAL, ("sweep", "net.snn", "--data", "data.npz", "--grid", "bits=8")):
        result = snnc(*args, "--hold")
        assert result.exit_code == failures.USAGE
        assert "--hold needs --ticks N" in result.stderr
