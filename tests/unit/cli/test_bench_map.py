"""`snnc bench map`: networks, rows, goals, and what happens where a side fails."""

import base64
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from snnc.cli.bench import (
    map_child,
    map_networks,
    map_plot,
    map_sparse,
    mapping,
    paibox_map,
    plotting,
)
from snnc.targets.paicore.reports.traffic import links
from snnc.targets.paicore.rules.routes import Region


@pytest.fixture
def small(monkeypatch):
    """Small networks in place of the measured ones."""
    chain = map_networks.chain
    nets = (
        map_networks.Net("lenet", "conv", (1, 6, 6), chain((1, 6, 6), "c2k3p1 m2 f3")),
        map_networks.Net("tiny", "fc", (8,), chain((8,), "f5 f2")),
    )
    monkeypatch.setattr(mapping, "networks", lambda: nets)
    monkeypatch.setattr(mapping, "BITS", (8,))


@pytest.fixture
def peer(folder):
    """A peer that always says the same."""
    path = folder / "peer"
    said = {"seconds": 1e4, "bytes": 1, "peak_bytes": 1}
    said |= {"required": 400, "occupied": 800, "links": 10**6}
    path.write_text(f"#!/bin/sh\necho '{json.dumps(said)}'\n")
    path.chmod(0o755)
    return path


def test_the_suites_are_those_of_the_goals():
    nets = {net.name: net for net in map_networks.networks()}
    assert {"conv": 7, "fc": 4, "residual": 2, "sparse": 7, "growth": 5} == {
        suite: sum(net.suite == suite for net in nets.values())
        for suite in ("conv", "fc", "residual", "sparse", "growth")
    }
    neurons = {name: nets[name].neurons for name in ("lenet", "vgg32", "res16", "fc_1200")}
    assert {"lenet": 8094, "vgg32": 35978, "res16": 12554, "fc_1200": 2410} == neurons
    assert len(mapping.cases()) == 20 * 3 + 5
    largest = mapping.cases()[-2:]
    names = ["vgg 64/128, 8 bits", "deep vgg 32/64, 8 bits"]
    assert (names, [5, 5]) == ([c.name for c in largest], [len(c.chips) // 2 for c in largest])


def test_both_sides_draw_the_same_weights():
    net = next(net for net in map_networks.networks() if net.name == "res32c")
    module = map_networks.make_network("n", net.shape, net.layers, 4)
    drawn = map_networks.draw_weights(1, net.layers, 4)
    made = [weight.tensor.array() for weight in module.weights.values()]
    assert all(np.array_equal(a, b) for a, b in zip(drawn, made, strict=True))
    assert (-8, 7) == (min(int(w.min()) for w in drawn), max(int(w.max()) for w in drawn))
    assert {0, 1} == set(np.unique(map_networks.draw_weights(1, net.layers, 1)[0]).tolist())


@pytest.mark.parametrize("name", ["band", "blocks", "sheet", "inputs", "pruned"])
def test_masks_leave_what_the_network_says(name):
    net = next(net for net in map_networks.networks() if net.name == name)
    drawn = map_networks.draw_weights(1, net.layers[:1], 8)[0]
    parts = {"band": 41 / 2048, "blocks": 1 / 16, "sheet": 25 / 2304}
    part = parts | {"inputs": 20 / 3072, "pruned": 0.1}
    assert np.isclose(part[name], np.count_nonzero(drawn) / drawn.size, rtol=0.08)


def test_a_peer_gets_masks_bit_by_bit():
    net = next(net for net in map_networks.networks() if net.name == "blocks")
    term = map_sparse.with_masks(net.layers)[0]["terms"][0]
    packed = np.frombuffer(base64.b64decode(term["bits"]), dtype=np.uint8)
    mask = map_sparse.mask_of(net.layers[0]["terms"][0])
    assert np.array_equal(mask, np.unpackbits(packed, count=mask.size).reshape(mask.shape) > 0)


def test_a_sparse_network_tells_what_it_takes_uncut():
    layers = map_sparse._chain((1300, 1300), {"form": "band", "reach": 5})
    task = {"shape": [1300], "layers": layers, "bits": 8, "chip": [0, 0], "verify": False}
    task["multicast"] = "masks"
    found = map_child.measure(task)
    assert (21, 21, 41) == (found["bound"], found["required"], found["whole"])


def test_a_reservoir_reads_itself_a_tick_later():
    layers = map_sparse._reservoir(8, 40, {"form": "random", "each": 5})
    module = map_networks.make_network("n", (8,), layers, 8)
    assert ["n1", "n2"] == [op.result.name for op in module.ops("neuron")]
    assert [1] == [op["by"] for op in module.ops("delay")]


def test_a_child_counts_cores_and_links():
    layers = map_networks.chain((40,), "f300 f10")
    task = {"shape": [40], "layers": layers, "bits": 8, "chip": [0, 0], "verify": True}
    task["multicast"] = "contiguous"
    found = map_child.measure(task)
    assert found["verified"] is True
    assert (6, 6) == (found["required"], found["bound"])
    assert 6 <= found["occupied"] <= 9
    # From the root to 5 of the 8 cores that are reached, and up from there at least.
    assert found["links"] > 40 * 13
    assert found["peak_bytes"] > found["bytes"] > 0


def test_both_sides_count_links_alike():
    draw = np.random.default_rng(3)
    for _ in range(200):
        base, mask, at = (tuple(draw.integers(0, 32, 2).tolist()) for _ in range(3))
        base = tuple(b & ~m for b, m in zip(base, mask, strict=True))
        to = Region((0, 0), base, mask, (), ())
        for source in (None, at):
            ours = links(None if source is None else ((0, 0), source), to)
            assert sum(ours) == paibox_map.links(source, base, mask)


def test_each_row_carries_counts_ratios_and_goals(small, peer, snnc):
    rows = snnc("bench", "map", "--peer", peer, "--json").json()
    names = ["lenet, 8 bits", "tiny, 8 bits", "conv: 1 cases, means", "fc: 1 cases, means"]
    assert names == [row["case"] for row in rows]
    lenet, tiny, means, _ = rows
    assert (lenet["required"] / 400, lenet["links"] / 10**6) == (
        lenet["required_by_peer"],
        lenet["links_by_peer"],
    )
    assert "10 x as fast" in lenet["goal"]
    assert (True, tiny["bound"]) == (tiny["met"], tiny["required"])
    assert means["occupied_by_peer"] == pytest.approx(lenet["occupied_by_peer"])
    assert "occupied 0.6 x; links 0.55 x" == means["goal"]


def test_a_build_that_is_not_the_network_meets_no_goal():
    case = mapping.cases()[0]
    row = {"error": None, "required": 1, "occupied": 1, "bound": 1, "verified": False}
    assert ("equal to the reference", False) in mapping._goals(case, row)
    growing = mapping.cases()[-1]
    row |= {"chips": 5, "verified": True, "peak_bytes": 10**9}
    assert [("5 chips", True), ("400 MB", False)] == mapping._goals(growing, row)[1:]


def test_blocks_have_goals_of_their_own(small, snnc):
    (row, *_) = snnc(
        "bench", "map", "--case", "lenet", "--multicast", "contiguous", "--json"
    ).json()
    assert "1.2 x the bound; 1.15 x required" == row["goal"]
    (row, *_) = snnc("bench", "map", "--case", "tiny", "--multicast", "none", "--json").json()
    assert ("", None) == (row["goal"], row["met"])


def test_the_table_without_a_peer(small, snnc):
    shown = snnc("bench", "map", "--case", "tiny").stdout
    assert "occupied by peer" in shown
    assert "tiny, 8 bits" in shown
    assert "lenet" not in shown


def test_a_side_that_fails_is_a_row_with_the_reason(small, folder, snnc, monkeypatch):
    path = folder / "peer"
    path.write_text("#!/bin/sh\necho oh no >&2\nexit 1\n")
    path.chmod(0o755)
    (row, *_) = snnc("bench", "map", "--case", "tiny", "--peer", path, "--json").json()
    assert "oh no" in row["peer_error"]
    assert "occupied_by_peer" not in row
    monkeypatch.setattr(mapping, "child", _slow)
    (slow,) = mapping.run([mapping.cases()[1]], mapping.Sides(None, 60.0), lambda name: None)
    assert "took longer than" in slow["error"]
    assert slow["met"] is False
    assert "error[bench-failed]" in snnc("bench", "map", "--peer", folder / "none").stderr


def _slow(command, needs, environment, limit):
    from snnc.cli.bench.compiling import child

    return child(["/bin/sleep", "60"], needs, environment, 0.1)


def test_times_are_medians_of_rounds_while_no_side_takes_long(monkeypatch):
    ours = iter([2.0, 1.0, 3.0, 1.0, 9.0, 1.0])
    asked = []

    def found(command, needs, environment, limit):
        asked.append(json.loads(Path(command[-1]).read_text())["verify"])
        counts = dict.fromkeys(("required", "occupied", "links", "bound", "bytes"), 4)
        seconds = next(ours) if "snnc.cli.bench.map_child" in command else 10.0
        return {**counts, "seconds": 0.1 * seconds, "peak_bytes": 1, "chips": 1}

    monkeypatch.setattr(mapping, "child", found)
    sides = mapping.Sides(None, 60.0, verify=True, runs=3)
    (row, *_) = mapping.run([mapping.cases()[1]], sides, lambda name: None)
    assert (0.2, [True, False, False]) == (pytest.approx(row["seconds"]), asked)
    monkeypatch.setattr(mapping, "LONG", 0.5)
    (row, *_) = mapping.run([mapping.cases()[1]], sides, lambda name: None)
    assert pytest.approx(0.5) == row["seconds"]


def test_cases_that_are_none_are_told(snnc):
    assert 2 == snnc("bench", "map", "--case", "nothing").exit_code


def test_growth_is_the_highest_time_per_byte_by_the_smallest_network_s():
    rows = [
        {"suite": "growth", "seconds": n * 1.2 ** (n > 1), "bytes": n * 100} for n in (1, 2, 4, 8)
    ]
    (row,) = mapping._growth(rows)
    assert (pytest.approx(1.2), True) == (row["growth"], row["met"])
    assert [] == mapping._growth(rows[:2])


@pytest.mark.skipif(not find_spec("matplotlib"), reason="matplotlib is not installed")
def test_rows_are_drawn(folder):
    counts = {f"{name}_by_peer": 0.5 for name in ("required", "occupied", "links")}
    rows = [
        {"case": "a", "suite": "conv", "bits": 8, **counts},
        {"case": "b", "suite": "growth", "bits": 8, "bytes": 10, "seconds": 1.0, "required": 3},
        {"case": "conv: means", "suite": "conv", **counts},
    ]
    for suffix in plotting.SUFFIXES:
        map_plot.draw(rows, str(folder / f"plot{suffix}"))
        assert (folder / f"plot{suffix}").stat().st_size > 1000


def test_a_plot_is_refused_before_anything_is_measured(snnc):
    assert "error[plot-format]" in snnc("bench", "map", "--plot", "a.pdf").stderr
