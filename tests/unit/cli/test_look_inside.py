"""`snnc opt`, `dump`, `disassemble`, `inspect`, `where`."""

import os
import re

import numpy as np
import pytest

from snnc.cli import failures
from snnc.ir.read import read


def test_opt_is_a_filter(folder, snnc):
    text = (folder / "net.snn").read_text()
    by_name = snnc("opt", "net.snn", "-p", "clean", "--no-locs")
    by_pipe = snnc("opt", "-", "-p", "clean", "--no-locs", input=text)
    assert by_name.exit_code == 0
    assert by_pipe.stdout == by_name.stdout
    assert read(by_pipe.stdout).name == "tiny"


def test_opt_of_a_file_has_its_weights_beside_it(folder, snnc):
    result = snnc("opt", "net.snn", "-t", "paicore", "-p", "@paicore", "-o", "placed.snn")
    assert result.exit_code == 0, result.stderr
    assert (folder / "placed.safetensors").is_file()
    assert "level paicore" in snnc("dump", "placed.snn").stdout


def test_a_network_goes_into_a_pipe_without_a_file_of_weights(folder, snnc):
    os.mkfifo(folder / "pipe")
    reading = os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        words = ("opt", "net.snn", "-t", "paicore", "-p", "@paicore")
        assert snnc(*words, "-o", "pipe").exit_code == 0
        assert os.read(reading, 1 << 16).startswith(b"module @tiny")
    finally:
        os.close(reading)
    assert (folder / "pipe").is_fifo()
    assert not (folder / "pipe.safetensors").exists()


def test_weights_go_through_a_pipe_by_a_file(folder, snnc):
    weights = np.arange(200, dtype=np.int8).reshape(2, 100) % 7
    np.savez(folder / "w.npz", w=weights)
    (folder / "big.snn").write_text(
        "module @big level int version 1 {\n"
        '  weight @w : i8[2, 100] = "w.npz:w"\n'
        "  graph @main(%x: u1[100]~) -> (u1[2]~) {\n"
        "    %a = int.linear %x, @w : (u1[100]~, i8[2, 100]) -> i32[2]~\n"
        "    %y = int.neuron %a {threshold = 3} : (i32[2]~) -> u1[2]~\n"
        "    return %y\n  }\n}\n"
    )
    first = snnc("opt", "big.snn", "-p", "clean", "--weights", "kept.safetensors")
    second = snnc("opt", "-", "--weights", "kept.safetensors", input=first.stdout)
    assert second.exit_code == 0, second.stderr
    assert "sha256:" in second.stdout
    assert "error[weights-missing]" in snnc("opt", "-", input=first.stdout).stderr
    beside = snnc("opt", "big.snn", "-o", "o.snn", "--weights", "w.safetensors")
    assert beside.exit_code == failures.USAGE


def test_dump_stops_after_a_pass_or_at_a_level(snnc):
    assert "level int" in snnc("dump", "net.snn").stdout
    assert "level paicore" in snnc("dump", "net.snn", "--level", "paicore").stdout
    grouped = snnc("dump", "net.snn", "-t", "paicore", "--after", "group").stdout
    assert "level int" in grouped
    assert "slices" in grouped
    assert "loc(" not in snnc("dump", "net.snn", "--no-locs").stdout
    assert "level paicore" in snnc("dump", "net.snn", "-t", "paicore").stdout


def test_dump_says_which_passes_and_levels_there_are(snnc):
    assert "error[no-such-level]" in snnc("dump", "net.snn", "--level", "snn").stderr
    wrong = snnc("dump", "net.snn", "-t", "paicore", "--after", "grop").stderr
    assert "did you mean 'group'?" in wrong


def test_dump_of_a_build_is_its_program(build, snnc):
    assert snnc("dump", "build", "--no-locs").stdout.startswith("module @tiny level int")


def test_a_build_is_disassembled_to_the_program_that_was_placed(build, snnc):
    placed = snnc("dump", "net.snn", "--level", "paicore", "--no-locs").stdout
    assert snnc("disassemble", "build").stdout == placed


def test_a_file_of_frames_is_listed(folder, build, snnc):
    shown = snnc("disassemble", "build/config_all.bin").stdout.splitlines()
    assert [line.split()[2] for line in shown if len(line.split()) > 3][:2] == ["seed", "register"]
    assert any("records of neurons" in line for line in shown)
    full = snnc("disassemble", "build/config_all.bin", "--full").stdout.splitlines()
    assert len(full) > len(shown)
    assert any("threshold=3" in line for line in full)


def test_a_listing_shows_every_kind_of_word(folder, snnc):
    from snnc.targets.paicore.artifact.files import write_words
    from snnc.targets.paicore.chip import frames

    words = [
        frames.spike_words((0, 0), (1, 2), (0, 3), 5, 6),
        frames.sync_word((0, 0), 7),
        frames.clear_word((0, 0)),
        frames.init_word((0, 0)),
        np.array([0xF << 60], dtype=np.uint64),
        frames.package_word(frames.Kind.WEIGHTS, (0, 0), (0, 0), 0, 2),
        np.array([1, 2], dtype=np.uint64),
        frames.seed_words((0, 0), (0, 0), 9)[:1],
    ]
    write_words(folder / "w.bin", np.concatenate(words))
    shown = snnc("disassemble", "w.bin").stdout
    for part in (
        "spike         chip 0,0 core 1,2 mask 0,3  slot=6 axon=5 data=1",
        "sync          chip 0,0 core 0,0  steps=7",
        "clear",
        "init",
        "unknown 15",
        "... 2 words of weights",
        "payload=",
    ):
        assert part in shown
    assert "0000000000000002" in snnc("disassemble", "w.bin", "--full").stdout


def test_a_configuration_that_is_cut_short_is_listed_and_refused(folder, build, snnc):
    data = (build / "config_all.bin").read_bytes()
    for words in (1, 5, len(data) // 8 - 1):
        (folder / "cut.bin").write_bytes(data[: 8 * words])
        result = snnc("disassemble", "cut.bin")
        assert result.exit_code == failures.REFUSED
        assert "seed" in result.stdout
        assert "cut.bin: error[config-truncated]: word" in result.stderr
    (folder / "whole.bin").write_bytes(data)
    whole = snnc("disassemble", "whole.bin")
    assert (0, "") == (whole.exit_code, whole.stderr)


def test_a_file_of_frames_without_words_is_refused(folder, snnc):
    (folder / "none.bin").write_bytes(b"")
    result = snnc("disassemble", "none.bin")
    assert result.exit_code == failures.REFUSED
    assert "error[frames-empty]: the file holds no words" in result.stderr


def test_a_package_without_all_its_data_is_told(folder, snnc):
    from snnc.targets.paicore.artifact.files import write_words
    from snnc.targets.paicore.chip import frames

    test = frames.package_word(frames.Kind.TEST_NEURONS, (0, 0), (0, 0), 0, 8)
    write_words(folder / "t.bin", np.concatenate([test, np.arange(5, dtype=np.uint64)]))
    result = snnc("disassemble", "t.bin")
    assert result.exit_code == failures.REFUSED
    assert "error[frames-truncated]: word 0: 8 words of data are announced, 5 follow" in (
        result.stderr
    )


def test_what_is_no_build_and_no_frames_is_refused(snnc):
    assert "error[not-frames]" in snnc("disassemble", "net.snn").stderr
    assert "error[not-a-build]" in snnc("inspect", ".").stderr


def test_inspect_tells_of_cores_layers_and_ports(build, snnc):
    shown = snnc("inspect", "build").stdout
    for part in ("Layers", "Cores", "Inputs and outputs", "hidden[0:4]", "6/1152"):
        assert part in shown
    told = snnc("inspect", "build", "--json").json()
    assert told["totals"]["cores"] == 2
    assert [layer["layer"] for layer in told["layers"]] == ["hidden", "y"]
    assert [core["holds"] for core in told["cores"]] == [["hidden[0:4]"], ["y[0:2]"]]
    assert told["cores"][0]["dendrites"] == 4 * told["cores"][0]["bits"]


def test_where_finds_neurons_and_cores_both_ways(build, snnc):
    (neuron,) = snnc("where", "build", "hidden[2]", "--json").json()["found"]
    assert neuron["neuron"] == 2
    assert neuron["axon"] == 2
    assert neuron["threshold"] == 3
    chip, _, core = neuron["core"].partition(":")
    for name in (core, f"{chip}:{core}", f"({core})"):
        held = snnc("where", "build", name, "--json").json()["found"]
        assert held[0]["value"] == "hidden[0:4]"
    (piece,) = snnc("where", "build", "hidden", "--json").json()["found"]
    assert piece["neurons"] == "0:4"
    (element,) = snnc("where", "build", "x[5]", "--json").json()["found"]
    assert element["axon"] == 5
    assert snnc("where", "build", "x").exit_code == 0
    shown = snnc("where", "build", "hidden[2]").stdout
    assert neuron["reset"] == 1
    assert re.search(r"reset +soft\n", shown)


@pytest.mark.parametrize(
    ("what", "code"),
    [("hiden", "unknown-place"), ("9,9", "unknown-place"), ("hidden[4]", "index-outside")],
)
def test_where_says_what_there_is_not(build, snnc, what, code):
    result = snnc("where", "build", what)
    assert result.exit_code == failures.REFUSED
    assert f"error[{code}]" in result.stderr
