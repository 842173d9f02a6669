"""`snnc bench`: rows, goals, and what happens where a side fails. Nothing is timed here."""

import json
import sys

import pytest

from snnc.cli.bench import compiling
from snnc.cli.bench.child import make_network, measure


@pytest.fixture
def small(monkeypatch):
    """Small networks in place of the measured ones."""
    monkeypatch.setattr(compiling, "CHAIN", 4)
    monkeypatch.setattr(compiling, "CHAIN_WIDTH", 8)
    cases = (
        compiling.Case("8-4", (8, 4)),
        compiling.Case("chain 2", (8,) * 3, peer=False),
        compiling.Case("chain 4", (8,) * 5),
    )
    monkeypatch.setattr(compiling, "cases", lambda: cases)


@pytest.fixture
def peer(folder):
    """A peer that always says the same."""
    path = folder / "peer"
    said = json.dumps({"seconds": 1000.0, "bytes": 1, "peak_bytes": 1})
    path.write_text(f"#!/bin/sh\necho chatter\necho '{said}'\n")
    path.chmod(0o755)
    return path


def test_networks_are_the_same_for_the_same_seed():
    first, second = (make_network([6, 5, 4], 3) for _ in range(2))
    digests = [[w.tensor.digest for w in m.weights.values()] for m in (first, second)]
    assert digests[0] == digests[1]
    assert [op.kind for op in first.graph.ops] == ["linear", "neuron"] * 2


def test_a_child_says_seconds_bytes_and_memory():
    found = measure({"sizes": [8, 4], "seed": 1})
    assert set(found) == {"seconds", "bytes", "peak_bytes"}
    assert found["bytes"] > 0


def test_both_sides_write_to_memory_unless_told_where(tmp_path, monkeypatch):
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr(compiling, "MEMORY", tmp_path)
    monkeypatch.setattr(compiling, "ROOM", 0)
    assert {"TMPDIR": str(tmp_path)} == compiling.scratch()
    monkeypatch.setattr(compiling, "ROOM", 1 << 62)
    assert {} == compiling.scratch()
    monkeypatch.setattr(compiling, "MEMORY", tmp_path / "none")
    assert {} == compiling.scratch()
    monkeypatch.setenv("TMPDIR", "/elsewhere")
    assert {} == compiling.scratch()


def test_each_row_of_a_bench_carries_its_goal(small, peer, snnc):
    rows = snnc("bench", "compile", "--runs", 1, "--peer", peer, "--json").json()
    assert [row["case"] for row in rows] == ["8-4", "chain 2", "chain 4", "chain, time per byte"]
    assert all({"goal", "met"} <= set(row) for row in rows)
    assert rows[0]["met"] is True
    assert rows[0]["ratio"] > compiling.RATIO
    assert rows[1]["met"] is None
    assert "memory" in rows[2]["goal"]


def test_the_table_without_a_peer(small, snnc):
    shown = snnc("bench", "compile", "--runs", 1, "--case", "8-4").stdout
    assert "seconds" in shown
    assert "8-4" in shown


def test_a_side_that_fails_is_told(small, folder, snnc):
    missing = snnc("bench", "compile", "--runs", 1, "--case", "8-4", "--peer", folder / "no")
    assert "error[bench-failed]" in missing.stderr
    without = snnc("bench", "compile", "--runs", 1, "--case", "8-4", "--peer", sys.executable)
    assert "paibox" in without.stderr


def test_a_case_that_is_none_is_usage(snnc):
    assert snnc("bench", "compile", "--case", "nothing").exit_code == 2
    assert "compile" in snnc("bench").stdout
