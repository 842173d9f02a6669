"""Commands on builds whose last layer the host computes."""

import json

import numpy as np
import pytest

from snnc.cli.app import app

NETWORK = """
module @read level snn version 1 with {readout = {"y.v" = {over_time = "max", factor = 1.0}}} {
  weight @w : f32[3, 4] = [[1.0, 2.0, 0.0, 1.0], [0.0, 1.0, 1.0, -1.0], [2.0, 0.0, 1.0, 1.0]]
  weight @v : f32[2, 3] = [[0.25, -0.5, 1.5], [1.0, 0.75, -0.5]]

  graph @main(%x: u1[4]~) -> (f32[2]~) {
    %a = snn.linear %x, @w : (u1[4]~, f32[3, 4]) -> f32[3]~
    %h = snn.neuron %a {threshold = 3.0} : (f32[3]~) -> u1[3]~
    %b = snn.linear %h, @v : (u1[3]~, f32[2, 3]) -> f32[2]~
    %y, %y.v = snn.neuron %b {decay = 0.75, reset = none, potential = true}
      : (f32[2]~) -> (u1[2]~, f32[2]~)
    return %y.v
  }
}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.snn").write_text(NETWORK, encoding="utf-8")
    rng = np.random.default_rng(2)
    x = (rng.random((6, 9, 4)) < 0.5).astype(np.uint8)
    np.savez("x.npz", x=x)
    np.savez("data.npz", x=x, labels=rng.integers(0, 2, 6))
    return tmp_path


def said(capsys, *args):
    """Return the exit status, stdout and stderr of a command."""
    with pytest.raises(SystemExit) as end:
        app(list(args))
    shown = capsys.readouterr()
    return end.value.code or 0, shown.out, shown.err


def test_commands_of_a_build_give_what_the_network_gives(folder, capsys):
    status, _, told = said(capsys, "compile", "net.snn", "-t", "paicore", "-o", "build")
    assert 0 == status
    assert "host-reads-out" in told
    assert "the chip sends %h; the host computes %y.v" in told
    assert 0 == said(capsys, "verify", "build", "-i", "x.npz")[0]
    assert 0 == said(capsys, "verify", "build", "--against", "net.snn")[0]
    assert 0 == said(capsys, "diff", "net.snn", "build", "-i", "x.npz", "--only", "outputs")[0]
    counts = [
        json.loads(said(capsys, "eval", what, "--data", "data.npz", "--json")[1])["correct"]
        for what in ("net.snn", "build")
    ]
    assert counts[0] == counts[1]
    for way in ([], ["--engine", "numpy"], ["--jobs", "2"]):
        assert 0 == said(capsys, "run", "build", "-i", "x.npz", "-o", "y.npz", *way)[0]
        with np.load("y.npz") as ran:
            assert ["y.v"] == ran.files
            assert (6, 9, 2) == ran["y.v"].shape


def test_check_says_what_the_host_does(folder, capsys):
    status, shown, _ = said(capsys, "check", "net.snn", "-t", "paicore", "--json")
    assert (0, "linear, neuron") == (status, json.loads(shown)[0]["host"])


def test_compare_reads_the_greatest_value(folder, capsys):
    status, shown, _ = said(
        capsys,
        *("compare", "net.snn", "--data", "data.npz", "-t", "paicore", "-t", "lynxi", "--json"),
    )
    rows = json.loads(shown)
    assert 0 == status
    assert 1 == len({row["correct"] for row in rows})
    spikes = [row["spikes_per_sample"] for row in rows]
    assert [spikes[0]] * 3 == spikes
    assert spikes[0] > 0
