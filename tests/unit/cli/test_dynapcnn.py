"""What the command line does with builds for DYNAP-CNN: semantics, events, tables."""

import shutil

import numpy as np
import pytest

from tests.unit.targets.dynapcnn.networks import compiled, small


@pytest.fixture(scope="session")
def chips(tmp_path_factory):
    """A build that runs in time steps, and one that runs event by event."""
    place = tmp_path_factory.mktemp("chips")
    compiled(small()).save(place / "steps")
    compiled(small(), semantics="event").save(place / "event")
    return place


@pytest.fixture
def chip(chips, folder):
    """Copies of both builds, and inputs for them."""
    shutil.copytree(chips, folder, dirs_exist_ok=True)
    draw = np.random.Generator(np.random.PCG64(5))
    x = (draw.random((2, 6, 2, 10, 10)) < 0.3).astype(np.uint8)
    np.savez(folder / "cx.npz", x=x)
    np.savez(folder / "cdata.npz", x=x, labels=np.array([0, 1]))
    return folder


def outputs(path):
    return np.load(path)["y"].tolist()


def test_the_semantics_of_a_run_are_chosen_when_compiling_or_running(chip, snnc):
    for source, option, out in (
        ("steps", (), "a"),
        ("steps", ("--semantics", "event"), "b"),
        ("event", (), "c"),
        ("event", ("--semantics", "timestep"), "d"),
    ):
        done = snnc("run", source, "-i", "cx.npz", "-o", f"{out}.npz", *option)
        assert 0 == done.exit_code, done.output
    a, b, c, d = (outputs(f"{name}.npz") for name in "abcd")
    assert a == d
    assert b == c
    assert a != b
    assert 0 == snnc("verify", "event").exit_code
    shown = snnc("eval", "event", "--data", "cdata.npz", "--json").json()
    assert "emulator, event" == shown["engine"]


def test_semantics_that_there_are_not_are_refused(chip, build, snnc):
    wrong = snnc("run", "steps", "-i", "cx.npz", "-o", "y.npz", "--semantics", "events")
    assert "error[unknown-semantics]" in wrong.stderr
    assert "event" in wrong.stderr
    other = snnc("run", "build", "-i", "x.npz", "-o", "y.npz", "--semantics", "event")
    assert "error[unknown-semantics]" in other.stderr
    assert (
        2 == snnc("run", "net.snn", "-i", "x.npz", "-o", "y.npz", "--semantics", "event").exit_code
    )
    both = ("--semantics", "event", "--engine", "numpy")
    assert 2 == snnc("eval", "steps", "--data", "cdata.npz", *both).exit_code
