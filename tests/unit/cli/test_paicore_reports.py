"""`snnc inspect` of a PAICORE build with --map, -i, --energy and --draw."""

import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from snnc.cli import failures
from snnc.cli.paicore.energy import TERMS, read_profile

PROFILE = """name = "mine"
[constants.synaptic_operations]
picojoules = 2.0
source = "a meter"
status = "measured"
[constants.links]
source = "nobody knows"
status = "unknown"
"""


@pytest.fixture
def profile(folder):
    (folder / "p.toml").write_text(PROFILE)
    return folder / "p.toml"


def test_the_map_has_each_layer_beside_its_bound(build, snnc):
    shown = snnc("inspect", "build", "--map").stdout
    for part in ("Mapping", "Traffic: one spike of each", "n_core_required 2", "level 5"):
        assert part in shown
    assert "Inputs and outputs" not in shown
    found = snnc("inspect", "build", "--map", "--json").json()
    totals = found["map"]["totals"]
    assert {"n_core_required": 2, "n_core_occupied": 2, "bound": 2} == {
        name: totals[name] for name in ("n_core_required", "n_core_occupied", "bound")
    }
    assert [("hidden", 4, 6), ("y", 2, 4)] == [
        (row["layer"], row["neurons"], row["fan_in"]) for row in found["map"]["layers"]
    ]
    info = json.loads((build / "graph_info.json").read_text())
    for name in ("n_core_required", "n_core_occupied", "inherent_timestep"):
        assert info[name] == totals[name]


def test_the_map_of_a_build_without_its_program_has_no_bounds(build, snnc):
    (build / "model.snn").unlink()
    result = snnc("inspect", "build", "--map")
    assert result.exit_code == 0, result.stderr
    assert "bounds need the network" in result.stdout
    assert snnc("inspect", "build", "--map", "--json").json()["map"]["layers"][0]["bound"] is None


def test_uniform_traffic_counts_every_weight_once(build, snnc):
    found = snnc("inspect", "build", "--map", "--json").json()["traffic"]
    by_name = {row["sender"]: row for row in found["senders"]}
    assert "uniform" == found["rates"]
    # Weights other than 0: 19 into hidden, 6 into y.
    assert (19, 6, 0) == tuple(by_name[n]["operations"] for n in ("x", "hidden", "y"))
    assert (2, 12) == (by_name["y"]["to_host"], found["total"]["frames"])


def test_measured_traffic_is_what_the_reference_sends(folder, build, snnc):
    found = snnc("inspect", "build", "-i", "x.npz", "--json").json()
    x = np.load("x.npz")["x"]
    assert snnc("run", "build", "-i", "x.npz", "-o", "o.npz", "--probe", "all").exit_code == 0
    ran = np.load("o.npz")
    w1 = np.array([[1, 2, 0, 1, 0, 3], [0, 1, 1, -2, 3, 1], [2, 0, 1, 0, 1, 1], [1] * 6])
    w2 = np.array([[1, 0, 2, 1], [0, 3, -1, 1]])
    added = (x @ (w1 != 0).sum(axis=0)).sum() + (ran["hidden"] @ (w2 != 0).sum(axis=0)).sum()
    counts = found["activity"]
    assert added / 3 == pytest.approx(counts["synaptic_operations"])
    assert (x.sum() / 3, ran["y"].sum() / 3) == pytest.approx(
        (counts["frames_in"], counts["frames_out"])
    )
    assert (ran["hidden"].sum() + ran["y"].sum()) / 3 == pytest.approx(counts["spikes"])
    assert (3, 8, 6 * 8, 2 * 8) == (
        counts["samples"],
        counts["ticks"],
        counts["neuron_updates"],
        counts["core_ticks"],
    )
    assert 8 + counts["latency"]["y"] == counts["ticks_to_last_output"]
    assert (build / "config_all.bin").stat().st_size == 8 * counts["configuration_words"]
    shown = snnc("inspect", "build", "-i", "x.npz").stdout
    assert "Traffic: a mean of 3 samples, 8 ticks each" in shown
    assert "Operations of a mean sample" in shown


def test_multicasts_add_up_to_the_traffic(build, snnc):
    found = snnc("inspect", "build", "--map", "--json").json()
    links = sum(m["senders"] * sum(m["links_by_level"]) for m in found["map"]["multicasts"])
    assert found["traffic"]["total"]["links"] == links
    assert ["x", 6, 1] == [found["map"]["multicasts"][0][k] for k in ("from", "senders", "cores")]


def test_labelled_data_give_what_their_inputs_give(build, snnc):
    by_inputs = snnc("inspect", "build", "-i", "x.npz", "--json").json()
    assert by_inputs == snnc("inspect", "build", "--data", "data.npz", "--json").json()
    one = snnc("inspect", "build", "--data", "data.npz", "--limit", 1, "--json").json()
    assert 1 == one["activity"]["samples"]


def test_still_inputs_are_held(folder, build, snnc):
    np.savez(folder / "still.npz", x=np.ones((2, 6), np.uint8))
    args = ("inspect", "build", "--data", "still.npz", "--hold")
    found = snnc(*args, "--ticks", 5, "--json").json()["activity"]
    assert (5, 30) == (found["ticks"], found["frames_in"])
    assert failures.USAGE == snnc(*args).exit_code


def test_energy_is_counts_times_constants_and_says_what_is_left_out(build, profile, snnc):
    found = snnc("inspect", "build", "-i", "x.npz", "--energy", profile, "--json").json()
    counts, energy = found["activity"], found["energy"]
    assert 2.0 * counts["synaptic_operations"] == energy["lower_bound_picojoules"]
    assert {"links", "deliveries", "core_ticks"} <= set(energy["not_included"])
    shown = snnc("inspect", "build", "-i", "x.npz", "--energy", profile).stdout
    assert "an estimate from below" in shown
    assert "not included: neuron updates" in shown
    assert "a meter" in shown


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name = 1\n[constants]\n", "needs a name"),
        ("x = [", "no TOML"),
        ("name = 'a'\nextra = 1\n[constants]\n", "extra"),
        (PROFILE.replace("links", "hops"), "no count 'hops'"),
        (PROFILE.replace("measured", "guessed"), "status of synaptic_operations"),
        (PROFILE.replace('source = "a meter"', 'source = ""'), "no source"),
        (PROFILE.replace("2.0", '"2"'), "no picojoules from 0 on"),
        (PROFILE + "picojoules = 3\n", "links is unknown"),
        (PROFILE.replace("picojoules = 2.0", "joules = 2.0"), "is not a table of"),
    ],
)
def test_a_profile_that_says_anything_else_is_refused(folder, build, snnc, text, told):
    (folder / "p.toml").write_text(text)
    result = snnc("inspect", "build", "-i", "x.npz", "--energy", "p.toml")
    assert failures.REFUSED == result.exit_code
    assert "error[bad-profile]" in result.stderr
    assert told in result.stderr


def test_the_profile_of_the_page_is_one(folder, request):
    page = (request.config.rootpath / "docs" / "paicore.md").read_text(encoding="utf-8")
    (folder / "p.toml").write_text(re.findall(r"```toml\n(.*?)```", page, re.DOTALL)[0])
    found = read_profile(folder / "p.toml")
    assert ["synaptic_operations", "links"] == list(found["constants"])
    assert all(f"`{term}`" in page for term in TERMS)


def test_a_profile_that_is_not_there_is_refused(build, snnc):
    result = snnc("inspect", "build", "-i", "x.npz", "--energy", "none.toml")
    assert "error[file-unreadable]" in result.stderr


def test_energy_without_inputs_is_a_wrong_call(build, profile, snnc):
    assert failures.USAGE == snnc("inspect", "build", "--energy", profile).exit_code
    assert failures.USAGE == snnc("inspect", "build", "--semantics", "event").exit_code
    assert failures.USAGE == snnc("inspect", "build", "--map", "--limit", 3).exit_code
    both = ("-i", "x.npz", "--data", "data.npz")
    assert failures.USAGE == snnc("inspect", "build", *both).exit_code


def test_the_picture_has_a_cell_per_core_and_the_same_bytes_each_time(folder, build, snnc):
    assert "wrote a.svg" in snnc("inspect", "build", "--map", "--draw", "a.svg").stdout
    snnc("inspect", "build", "--draw", "b.svg")
    assert (folder / "a.svg").read_bytes() == (folder / "b.svg").read_bytes()
    titles = [e.text or "" for e in ElementTree.parse("a.svg").iter() if e.tag.endswith("title")]
    assert 16 == sum("learning core" in title for title in titles)
    assert 1 == sum("hidden[0:4]: 4 neurons, 4 bits" in title for title in titles)
    assert 2 + 16 == len(titles)
