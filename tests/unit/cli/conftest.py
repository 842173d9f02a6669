"""A small network, inputs for it, its build, and a way to call the command line."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from snnc.cli.app import app

NET = """\
module @tiny level int version 1 with {ticks = 8} {
  weight @w1 : i8[4, 6] = [[1,2,0,1,0,3], [0,1,1,-2,3,1], [2,0,1,0,1,1], [1,1,1,1,1,1]]
  weight @w2 : i8[2, 4] = [[1, 0, 2, 1], [0, 3, -1, 1]]

  graph @main(%x: u1[6]~) -> (u1[2]~) {
    %a = int.linear %x, @w1 : (u1[6]~, i8[4, 6]) -> i32[4]~
    %hidden = int.neuron %a {threshold = 3} : (i32[4]~) -> u1[4]~
    %b = int.linear %hidden, @w2 : (u1[4]~, i8[2, 4]) -> i32[2]~
    %y = int.neuron %b {threshold = 2} : (i32[2]~) -> u1[2]~
    return %y
  }
}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in a folder of one's own, which holds the network and its inputs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.snn").write_text(NET)
    draw = np.random.default_rng(1)
    x = (draw.random((3, 8, 6)) < 0.5).astype(np.uint8)
    np.savez(tmp_path / "x.npz", x=x)
    labels = np.array([0, 1, 0], dtype=np.uint8)
    np.savez(tmp_path / "data.npz", x=x, labels=labels)
    return tmp_path


@pytest.fixture
def snnc():
    """Call a command; the result has `exit_code`, `stdout`, `stderr` and `json()`."""

    def call(*args, input=None):
        result = CliRunner().invoke(app, [str(arg) for arg in args], input=input)
        result.json = lambda: json.loads(result.stdout)
        return result

    return call


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A build of the network, made once."""
    import os

    place = tmp_path_factory.mktemp("made")
    (place / "net.snn").write_text(NET)
    before = os.getcwd()
    os.chdir(place)
    try:
        result = CliRunner().invoke(app, ["compile", "net.snn", "-o", "build"])
    finally:
        os.chdir(before)
    assert result.exit_code == 0, result.output
    return place / "build"


@pytest.fixture
def build(made, folder):
    """A copy of the build, as the folder `build`."""
    import shutil

    shutil.copytree(made, folder / "build")
    return folder / "build"
