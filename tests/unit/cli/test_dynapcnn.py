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


def test_events_go_in_and_come_out(chip, snnc):
    wrote = snnc("encode", "steps", "-i", "cx.npz", "--sample", 1, "-o", "in.npy", "--dt", 500)
    assert "ticks of 500 us" in wrote.stdout
    assert int(np.load("cx.npz")["x"][1].sum()) == len(np.load("in.npy"))
    for semantics in ("timestep", "event"):
        chosen = ("--semantics", semantics)
        snnc("run", "steps", "-i", "cx.npz", "-o", "a.npz", *chosen)
        shown = snnc(
            "run", "steps", "--events", "in.npy", "-o", "b.npz", "--dt", 500, "--ticks", 6, *chosen
        )
        assert 0 == shown.exit_code, shown.stderr
        assert "y" in shown.stdout
        assert outputs("a.npz")[1] == outputs("b.npz")[0]
        said = snnc("run", "steps", "--events", "in.npy", "-o", "out.npy", "--json", *chosen).json()
        assert len(np.load("out.npy")) == said["events"] > 0
        # Read with ticks of 1000 us, two ticks of the raster are one.
        back = snnc("decode", "steps", "out.npy", "-o", "c.npz", "--ticks", 3)
        assert 0 == back.exit_code, back.stderr
        assert said["events"] == np.load("c.npz")["y"].sum()


def test_what_is_no_use_of_events_is_refused(chip, build, snnc):
    assert 2 == snnc("run", "steps", "-o", "y.npz").exit_code
    events = ("--events", "in.npy", "-o", "y.npz")
    assert 2 == snnc("run", "net.snn", *events).exit_code
    assert "error[no-events]" in snnc("run", "build", *events).stderr
    assert "error[event-file]" in snnc("run", "steps", *events).stderr
    assert 2 == snnc("encode", "steps", "-i", "cx.npz", "-o", "in.npy", "--bursts").exit_code
    assert 2 == snnc("decode", "steps", "out.npy", "-o", "y.npz", "--read-back").exit_code
    np.savez("bare.npz", x=[1], y=[1], p=[0], t=[0])
    assert "error[event-layer]" in snnc("decode", "steps", "bare.npz", "-o", "y.npz").stderr


def test_verify_says_how_far_events_are_from_time_steps(chip, snnc):
    assert "Event by event" not in snnc("verify", "steps").stdout
    shown = snnc("verify", "steps", "-i", "cx.npz", "--semantics", "event")
    assert 0 == shown.exit_code, shown.stderr
    assert "equal: 2 samples" in shown.stdout
    assert "is the same in" in shown.stdout
    found = snnc("verify", "event", "--json").json()["event"]
    assert {"layer", "core", "steps", "events", "moved"} <= set(found["layers"][0])
    wrong = snnc("verify", "steps", "--semantics", "dense")
    assert "error[unknown-semantics]" in wrong.stderr


def test_inspect_shows_memories_and_activity(chip, snnc):
    found = snnc("inspect", "steps", "-i", "cx.npz", "--dt", 500, "--json").json()
    assert [2, 9] == found["totals"]["cores"]
    assert 9 == len(found["cores"])
    first = found["cores"][0]
    assert ("s", [128, 16384], [256, 65536]) == (first["layer"], first["kernel"], first["neuron"])
    assert [{"core": 1, "pool": 2, "shift": 0}] == first["sends"]
    row = found["activity"]["layers"][0]
    spikes = int(np.load("cx.npz")["x"].sum())
    assert spikes / 2 == row["events_per_sample"]
    assert spikes / 2 / (6 * 500e-6) == pytest.approx(row["events_per_second"])
    shown = snnc("inspect", "event", "-i", "cx.npz", "--draw", "chip.svg").stdout
    assert "estimate" in shown
    assert "128/16,384" in shown
    picture = (chip / "chip.svg").read_text()
    assert picture.startswith("<svg")
    assert "core 0: s" in picture
    assert "pool 2" in picture


def test_what_inspect_has_no_use_for_is_refused(chip, build, snnc):
    assert 2 == snnc("inspect", "build", "--semantics", "event").exit_code
    assert 2 == snnc("inspect", "steps", "--map").exit_code
    assert (
        "error[unknown-semantics]"
        in snnc("inspect", "steps", "-i", "cx.npz", "--semantics", "dense").stderr
    )


def test_where_names_neurons_as_events_do(chip, snnc):
    found = snnc("where", "steps", "s[1,2,3]", "--json").json()["found"]
    assert [(0, 1, 2, 3)] == [
        tuple(row[k] for k in ("layer", "feature", "y", "x")) for row in found
    ]
    assert ["core 1: feature 1, y 1, x 1"] == found[0]["sends"]
    assert found == snnc("where", "steps", f"s[{(1 * 8 + 2) * 8 + 3}]", "--json").json()["found"]
    entry = snnc("where", "steps", "x[1,9,0]", "--json").json()["found"]
    assert [{"layer": 0, "feature": 1, "y": 9, "x": 0}] == entry
    assert "core 1" in snnc("where", "steps", "0").stdout
    assert "features from" in snnc("where", "steps", "x").stdout
    assert "neurons" in snnc("where", "steps", "y").stdout
    assert "error[unknown-place]" in snnc("where", "steps", "9").stderr
    assert "error[index-outside]" in snnc("where", "steps", "s[4,0,0]").stderr
