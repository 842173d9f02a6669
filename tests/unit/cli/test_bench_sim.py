"""`snnc bench sim`: rows, goals, peers and the plot. Nothing is timed here."""

import json
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from snnc.cli.bench import networks, plotting, simulating
from snnc.cli.bench.networks import _Drawing as Drawing
from snnc.cli.bench.sim_child import make_module, measure
from snnc.diagnostics import SnncError
from snnc.runtime.native.engine import NativeEngine
from snnc.runtime.reference import Reference

pytest.importorskip("llvmlite")

SAID = {"times": [1000.0], "peak_bytes": 1, "macs_per_second": 1.0, "spikes": []}


def small():
    """A network of every kind of layer and term."""
    drawn = Drawing(4, 6, 6).conv(4, 3, 60).conv(4, 3, 90, skip=1).pool()
    return drawn.fc(7, 90, recurrent=True).net("small")


@pytest.fixture
def cases(monkeypatch):
    """Small networks in place of the measured ones."""
    monkeypatch.setattr(simulating, "networks", lambda: (small(), Drawing(9).fc(5, 40).net("fc")))
    monkeypatch.setattr(
        simulating,
        "large",
        lambda: tuple(Drawing(9).fc(n, 40).net(f"wide, {n}") for n in (20, 40)),
    )
    monkeypatch.setattr(simulating, "dense", lambda: Drawing(16).fc(16, 30).net("dense"))


@pytest.fixture
def here(monkeypatch):
    """Our side runs in this process."""
    monkeypatch.setattr(
        simulating, "_ours", lambda task, environment=None: measure(json.loads(task.read_text()))
    )


@pytest.fixture
def peer(folder):
    """A peer that always says the same."""
    path = folder / "peer"
    path.write_text(f"#!/bin/sh\necho chatter\necho '{json.dumps(SAID)}'\n")
    path.chmod(0o755)
    return path


def task(folder, net, **more):
    networks.write(net, 3, 8, 0.3, folder / "data.npz")
    about = {"layers": net.layers, "shape": net.shape, "data": str(folder / "data.npz")}
    about |= {"threads": 1, "clock": "processor", "samples": 3, "seconds": 1e-6, "rates": True}
    return json.loads(json.dumps(about | more))


def test_a_network_is_described_as_plain_data(folder):
    net = small()
    assert net.convolutional
    assert net.recurrent
    macs = 36 * 4 * (4 * 9 + 4 * 9 + 1) + 7 * (36 + 7)
    assert macs == net.macs
    names = set(np.load(task(folder, net)["data"]).files)
    assert {"x", "w1", "w2", "w3", "w4"} == names


def test_a_child_says_times_memory_spikes_and_rates(folder):
    found = measure(task(folder, small()))
    assert {"times", "first", "peak_bytes", "spikes", "rates"} == set(found)
    assert 7 == len(found["spikes"])
    assert ["s1", "s2", "s4"] == list(found["rates"])
    arrays = dict(np.load(folder / "data.npz"))
    module = make_module(task(folder, small())["layers"], [4, 6, 6], arrays)
    runs = [e.prepare(module).run({"x": arrays["x"]}) for e in (Reference(), NativeEngine())]
    ours, theirs = (next(iter(run.outputs.values())) for run in runs)
    assert np.array_equal(ours, theirs)
    assert found["spikes"] == ours.sum(axis=(0, 1)).tolist()


def test_rows_carry_goals_peers_and_growth(cases, here, peer, snnc):
    rows = snnc(
        "bench", "sim", "--runs", 1, "--seconds", 0.01, "--torch", peer, "--paibox", peer, "--json"
    ).json()
    assert ["small", "small", "fc", "fc", "wide", "wide", "wide"] == [
        row["case"].partition(":")[0].partition(",")[0] for row in rows
    ]
    for row in rows[:4]:
        assert set(simulating.FRAMEWORKS) <= set(row["peers"])
        assert row["share"] > 0
    assert "paibox" not in rows[0]["peers"]
    assert rows[3]["met"] is True
    assert "200 x PAIBox; 8 x the best framework" == rows[3]["goal"]
    assert not rows[3]["peers"]["sinabs"]["same_spikes"]
    assert rows[6]["growth"] > 0
    assert "time per product" in rows[6]["case"]


def test_full_has_every_network_length_batch_and_rate(snnc):
    names = snnc("bench", "sim", "--full", "--list").stdout.splitlines()
    assert 6 * 2 * 3 * 3 + 6 == len(names) == len(set(names))
    assert "VGG: 256 samples, 64 ticks, 30%" in names
    some = snnc(
        "bench", "sim", "--full", "--list", "--only", "LeNet: 1 ", "--only", "deep", "--json"
    )
    assert [6, 2] == [sum(text in name for name in some.json()) for text in ("LeNet", "deep")]


def test_full_runs_all_cases_and_peers_get_no_more_than_a_batch_at_once(
    cases, here, peer, snnc, monkeypatch, folder
):
    monkeypatch.setattr(simulating, "BATCH", 2)
    plot = ("--plot", folder / "full.svg") if find_spec("matplotlib") else ()
    args = ("--runs", 1, "--seconds", 0.01, "--only", "fc", "--torch", peer, "--paibox", peer)
    rows = snnc("bench", "sim", "--full", *args, "--json", *plot).json()
    assert 18 == len(rows)
    for row in rows:
        samples = int(row["case"].partition(": ")[2].partition(" ")[0])
        assert min(samples, 2) == row["peers"]["sinabs"]["samples"]
        assert 1e-3 * samples < row["peers"]["sinabs"]["ratio"] * row["seconds"]
        assert ("paibox" in row["peers"]) == (samples <= 2)
    assert not plot or (folder / "full.svg").stat().st_size > 1000


def test_rows_that_stand_in_a_file_are_not_measured_again(cases, here, snnc, folder, monkeypatch):
    args = ("bench", "sim", "--runs", 1, "--seconds", 0.01, "--resume", folder / "rows.json")
    first = snnc(*args, "--only", "fc: 1", "--json").json()
    seen, one = [], simulating._measure

    def counted(case, *rest):
        seen.append(case.name)
        return one(case, *rest)

    monkeypatch.setattr(simulating, "_measure", counted)
    second = snnc(*args, "--only", "fc", "--json").json()
    assert first == second[:1]
    assert ["fc: 32 samples, 16 ticks, 10%"] == seen
    assert "error[resume-foreign]" in snnc(*args, "--only", "fc", "--threads", 2).stderr


def test_of_several_numbers_of_threads_the_best_counts(cases, snnc, monkeypatch):
    def said(task, environment=None):
        threads = json.loads(task.read_text())["threads"]
        assert "wall" == json.loads(task.read_text())["clock"]
        return SAID | {"times": [2.0 / threads], "rates": {}}

    monkeypatch.setattr(simulating, "_ours", said)
    args = ("--threads", 2, "--threads", 1, "--runs", 1, "--only", "fc: 1", "--json")
    (row,) = snnc("bench", "sim", *args).json()
    assert (2, 1.0) == (row["threads"], row["seconds"])


def test_without_peers_only_the_engine_is_measured(cases, snnc, monkeypatch):
    monkeypatch.setattr(simulating, "BATCH", 2)
    shown = snnc("bench", "sim", "--runs", 1, "--seconds", 0.01, "--case", "fc: 2").stdout
    assert "us/step" in shown
    assert "fc: 2 samples, 16 ticks, 10%" in shown


def test_sides_that_fail_and_cases_that_are_none_are_told(cases, here, folder, snnc):
    args = ("bench", "sim", "--runs", 1, "--case", "fc", "--torch")
    assert "error[bench-failed]" in snnc(*args, folder / "no").stderr
    assert "--torch names" in snnc(*args, sys.executable).stderr
    none = snnc("bench", "sim", "--case", "nothing")
    assert 2 == none.exit_code
    assert "'--only' / '--case': no case has 'nothing' in its name" in none.stderr


def test_a_plot_is_refused_before_anything_is_measured(folder, monkeypatch):
    with pytest.raises(SnncError) as caught:
        plotting.check_plot("picture.jpg")
    assert "plot-format" == caught.value.code
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SnncError) as caught:
        plotting.check_plot("picture.svg")
    assert "missing-package" == caught.value.code


@pytest.mark.skipif(not find_spec("matplotlib"), reason="matplotlib is not installed")
def test_rows_are_drawn(folder):
    peers = {"sinabs": {"ratio": 9.0}, "paibox": {"ratio": 90.0}}
    rows = [
        {"case": "a", "peers": peers, "macs": 10, "seconds": 1.0},
        {"case": "wide, 1", "peers": {}, "macs": 10, "seconds": 1.0},
        {"case": "wide, time per product", "growth": 1.0},
    ]
    for suffix in plotting.SUFFIXES:
        plotting.draw(rows, str(folder / f"plot{suffix}"))
        assert (folder / f"plot{suffix}").stat().st_size > 1000
