"""`snnc encode` and `snnc decode`, with the emulator in place of a board."""

import json

import numpy as np
import pytest

from snnc.cli import failures
from snnc.cli.session import check_length
from snnc.diagnostics import SnncError
from snnc.targets.paicore.artifact.files import read_image, read_words, write_words
from snnc.targets.paicore.chip import frames
from snnc.targets.paicore.chip.frames import Kind
from snnc.targets.paicore.emulate import Machine


def play(folder, words):
    """Run the frames of a file as a board does; return what comes back."""
    machine = Machine(read_image(folder / "build"))
    kinds = words >> np.uint64(60)
    sync = np.flatnonzero(kinds == Kind.SYNC)[0]
    spikes = words[:sync]
    spikes = spikes[(spikes >> np.uint64(60) == Kind.SPIKE) & (spikes & np.uint64(255) > 0)]
    machine.inject(spikes)
    steps = int(words[sync] & frames.PAYLOAD_MASK)
    return machine.step(steps).words, machine


def test_what_is_encoded_played_and_decoded_is_what_run_gives(folder, build, snnc):
    snnc("run", "build", "-i", "x.npz", "-o", "expected.npz")
    expected = np.load(folder / "expected.npz")["y"]
    for sample in range(3):
        told = snnc("encode", "build", "-i", "x.npz", "--sample", sample, "-o", "in.bin", "--json")
        assert told.json()["bursts"] == 1
        back, _ = play(folder, read_words(folder / "in.bin"))
        write_words(folder / "out.bin", back)
        result = snnc("decode", "build", "out.bin", "-o", "y.npz")
        assert result.exit_code == 0, result.stderr
        assert np.array_equal(np.load(folder / "y.npz")["y"], expected[sample : sample + 1])


def test_potentials_are_read_back(folder, build, snnc):
    snnc("run", "build", "-i", "x.npz", "-o", "t.npz", "--probe", "all")
    trace = np.load(folder / "t.npz")
    snnc("encode", "build", "-i", "x.npz", "--sample", 0, "-o", "in.bin")
    assert snnc("encode", "build", "--read-back", "-o", "ask.bin").exit_code == 0
    _, machine = play(folder, read_words(folder / "in.bin"))
    asked = read_words(folder / "ask.bin")
    answers = []
    for (chip, at), potentials in machine.potentials().items():
        core = machine.image.core(chip, at)
        fields = frames.decode_records(core.records)
        records = frames.encode_records({**fields, "potential": potentials[0]})
        heads = frames.decode(frames.PACKAGE, asked[:, None])
        mine = (heads["core_x"] == at[0]) & (heads["core_y"] == at[1])
        for record, start in zip(records, heads["start"][mine], strict=True):
            head = frames.package_word(Kind.TEST_NEURONS, core.register.test_chip, at, start, 4)
            answers += [head, record]
    write_words(folder / "answers.bin", np.concatenate(answers))
    result = snnc("decode", "build", "answers.bin", "-o", "v.npz", "--read-back")
    assert result.exit_code == 0, result.stderr
    read = np.load(folder / "v.npz")
    assert np.array_equal(read["y.v"][0], trace["y.v"][0, -1])
    write_words(folder / "few.bin", np.concatenate(answers)[:-1])
    few = snnc("decode", "build", "few.bin", "-o", "v.npz", "--read-back")
    assert "error[read-answer]" in few.stderr


def test_long_runs_are_several_bursts_in_several_files(folder, build, snnc):
    np.savez(folder / "long.npz", x=np.ones((1, 600, 6), np.uint8))
    told = snnc("encode", "build", "-i", "long.npz", "-o", "in.npy", "--bursts", "--json").json()
    assert told["bursts"] > 1
    assert [row["file"] for row in told["files"]] == [f"in-{n}.npy" for n in range(told["bursts"])]
    whole = snnc("encode", "build", "-i", "long.npz", "-o", "in.npy", "--json").json()
    assert whole["files"][0]["words"] == sum(row["words"] for row in told["files"])
    wrong = snnc("decode", "build", "in-0.npy", "-o", "y.npz", "--ticks", 600)
    assert "error[burst-count]" in wrong.stderr


def test_a_board_runs_one_sample(build, snnc):
    result = snnc("encode", "build", "-i", "x.npz", "-o", "in.bin")
    assert "error[one-sample]" in result.stderr
    assert "--sample 2" in result.stderr
    far = snnc("encode", "build", "-i", "x.npz", "-o", "in.bin", "--sample", 3)
    assert "there is no sample 3" in far.stderr


def test_what_contradicts_itself_is_usage(build, snnc):
    assert snnc("encode", "build", "-o", "in.bin").exit_code == failures.USAGE
    both = snnc("encode", "build", "-o", "in.bin", "-i", "x.npz", "--read-back")
    assert both.exit_code == failures.USAGE


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("inspect", "build"), "no-cores"),
        (("encode", "build", "--read-back", "-o", "x.bin"), "no-frames"),
    ],
)
def test_builds_of_other_targets_are_refused(build, snnc, monkeypatch, args, code):
    from snnc.targets.paicore import Paicore

    class Other:
        level = "other"

    monkeypatch.setattr("snnc.driver.Build.open", lambda *a: fake(build, Other, Paicore))
    assert f"error[{code}]" in snnc(*args).stderr


def fake(build, target, _):
    class Opened:
        manifest = json.loads((build / "manifest.json").read_text())

    Opened.target = target
    return Opened()


def test_a_file_without_samples_has_nothing_to_send(folder, build, snnc):
    np.savez(folder / "none.npz", x=np.zeros((0, 8, 6), np.uint8))
    result = snnc("encode", "build", "-i", "none.npz", "-o", "e.bin")
    assert "error[one-sample]: none.npz holds no samples" in result.stderr


def test_a_run_longer_than_a_build_is_exact_for_is_refused():
    trains = {"x": np.zeros((1, 9, 6), np.uint8)}
    check_length({"max_ticks": None}, trains)
    check_length({"max_ticks": 9}, trains)
    with pytest.raises(SnncError) as caught:
        check_length({"max_ticks": 8}, trains)
    assert caught.value.code == "run-too-long"
