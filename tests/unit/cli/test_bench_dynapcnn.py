"""`snnc bench dynapcnn`: rows, goals, a peer that must count the same. Nothing is timed."""

import json

import pytest

pytest.importorskip("llvmlite")

from snnc.cli.bench import dynapcnn


@pytest.fixture
def small(monkeypatch):
    """Little to run."""
    for name, value in (("SAMPLES", 2), ("TICKS", 3), ("STEPPED", 1), ("STEPPED_TICKS", 4)):
        monkeypatch.setattr(dynapcnn, name, value)


def peer(folder, spikes):
    path = folder / "peer"
    said = json.dumps({"seconds": 1000.0, "ms_per_step": 9.0, "spikes": spikes})
    path.write_text(f"#!/bin/sh\necho '{said}'\n")
    path.chmod(0o755)
    return path


def test_each_row_carries_its_goal(small, folder, snnc):
    rows = snnc("bench", "dynapcnn", "--runs", 1, "--json").json()
    assert ["compile", "time steps", "events, 2 samples"] == [row["case"] for row in rows]
    assert all({"goal", "met", "runs"} <= set(row) for row in rows)
    assert rows[1]["met"] is None
    assert rows[2]["operations_per_second"] > 0
    spikes = rows[1]["spikes"]
    beside = snnc("bench", "dynapcnn", "--runs", 1, "--peer", peer(folder, spikes)).stdout
    assert "time steps" in beside
    differs = snnc("bench", "dynapcnn", "--runs", 1, "--peer", peer(folder, spikes + 1))
    assert "error[bench-failed]" in differs.stderr
    assert "different spikes" in differs.stderr
