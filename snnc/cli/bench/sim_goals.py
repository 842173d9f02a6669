"""What the bench of simulating asks of the native engine, and how its rows fare."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snnc.cli.bench.simulating import Case

FRAMEWORKS = ("sinabs", "spikingjelly", "snntorch", "norse")
"""Peers on PyTorch. The first two mean what our networks mean; the others reset otherwise."""

BATCH = 32
"""Samples of the batches that have goals, and the most that a peer is given at once."""

ONE_SAMPLE, PER_SAMPLE = 80.0, 200.0
"""How many times faster than PAIBox a single sample should be, and each of a batch."""

CONNECTED, CONVOLUTIONAL = 8.0, 5.0
"""How many times faster than the best framework a batch should be."""

SHARES = {"VGG": 0.6, "LeNet": 0.45}
"""Share of the products per second of the machine's dense bound, all products counted."""

COLD, WARM = 1.0, 0.4
"""Seconds from the start of a process to its first result, without and with compiled code."""

MOST_BYTES = 400_000_000
GROWTH = 1.5
"""How much more per product a large network may take than the smaller one of its kind."""


def goals_of(case: "Case", row: dict[str, Any]) -> list[tuple[str, bool]]:
    """Return the goals of a row, each with whether it is met; only what was measured has one."""
    goals: list[tuple[str, bool]] = []
    peers = row["peers"]
    if "paibox" in peers:
        least = ONE_SAMPLE if case.batch == 1 else PER_SAMPLE
        goals.append((f"{least:g} x PAIBox", peers["paibox"]["ratio"] >= least))
    best = best_framework(row)
    if best and case.batch == BATCH and not case.net.recurrent:
        least = CONVOLUTIONAL if case.net.convolutional else CONNECTED
        goals.append((f"{least:g} x the best framework", best >= least))
    if case.batch == BATCH and case.net.name in SHARES:
        share = SHARES[case.net.name]
        goals.append((f"{share:.0%} of the dense bound", row["share"] >= share))
    if case.batch == BATCH and case.net.name == "VGG":
        goals.append((f"{MOST_BYTES / 1e6:g} MB", row["peak_bytes"] <= MOST_BYTES))
    if "cold" in row:
        goals.append((f"first result in {COLD:g} s, {WARM:g} s warm", row["cold"] <= COLD))
        goals[-1] = goals[-1][0], goals[-1][1] and row["warm"] <= WARM
    return goals


def best_framework(row: dict[str, Any]) -> float:
    """Return the ratio of the fastest framework of a row, 0 without any."""
    ratios = [row["peers"][name]["ratio"] for name in FRAMEWORKS if name in row["peers"]]
    return float(min(ratios, default=0.0))


def growth(chosen: Sequence["Case"], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each pair of large networks of a kind: their times per product."""
    found: list[dict[str, Any]] = []
    pairs = [
        (case.net.name.partition(",")[0], row)
        for case, row in zip(chosen, rows, strict=True)
        if case.large
    ]
    for kind in dict.fromkeys(kind for kind, _ in pairs):
        costs = [row["seconds"] / row["macs"] for name, row in pairs if name == kind]
        if len(costs) == 2:
            grown = costs[1] / costs[0]
            goal = f"the large one takes at most {GROWTH:g} times the small one's time per product"
            name = f"{kind}, time per product"
            found.append({"case": name, "growth": grown, "goal": goal, "met": grown <= GROWTH})
    return found
