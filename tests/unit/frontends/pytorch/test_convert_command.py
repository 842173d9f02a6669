"""`snnc convert` shows what each step of a conversion costs."""

import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra `torch`)")
from click.testing import CliRunner

import snnc
from snnc.cli.app import app

MODEL = """
import torch
from torch import nn

def build():
    net = nn.Sequential(nn.Linear(6, 6, bias=False), nn.ReLU(), nn.Linear(6, 3, bias=False))
    net[0].weight.data = torch.eye(6)
    net[2].weight.data = torch.eye(3).repeat(1, 2)
    return net.eval(), torch.rand(2, 6)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A network whose answer is the largest of three sums, and data that it tells right."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(MODEL)
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 3, 40)
    x = draw.random((40, 6)).astype(np.float32) * 0.5
    x[np.arange(40), labels] += 0.5
    x[np.arange(40), labels + 3] += 0.5
    np.savez(tmp_path / "data.npz", x=x, labels=labels)
    return tmp_path


def call(*options):
    words = ["convert", "model.py:build", "--data", "data.npz", "--ticks", "64", *options]
    return CliRunner().invoke(app, words)


def test_every_step_is_counted(folder):
    options = ["--normalize-on", "data.npz", "--spiking-output", "--bits", "8", "--json"]
    done = call(*options, "-o", "out.snn")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert [
        "the network as it is",
        "neurons, thresholds of 1",
        "thresholds at 99.9 % of the activations",
        "one spike a tick",
        "spikes as input",
        "neurons behind the last layer",
        "8-bit integers",
    ] == [row["step"] for row in rows]
    assert [40] * 7 == [row["samples"] for row in rows]
    assert 1.0 == rows[0]["accuracy"]
    assert all(row["accuracy"] >= 0.8 for row in rows)
    module = snnc.load("out.snn")
    assert ("int", "poisson") == (module.level, module.graph.ops[0].kind)


def test_steps_that_were_not_asked_for_are_left_out(folder):
    done = call("--spike", "count", "--encode", "direct")
    assert done.exit_code == 0, done.output
    assert "neurons, thresholds of 1" in done.stdout
    assert "one spike a tick" not in done.stdout
    assert "spikes as input" not in done.stdout


def test_a_network_without_relu_and_ticks_not_said_are_refused(folder):
    (folder / "model.py").write_text(MODEL.replace("nn.ReLU()", "nn.Identity()"))
    assert "conversion-network" in call().output
    words = ["convert", "model.py:build", "--data", "data.npz"]
    assert 2 == CliRunner().invoke(app, words).exit_code
