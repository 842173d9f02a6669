"""The bench of mapping: networks times widths, cores and links beside lower bounds and PAIBox.

Each compilation of each side is a process of its own with a time limit; one that fails, or takes
longer, is a row with the reason. What is counted does not depend on the machine; times are medians
over rounds in which the sides take turns, one round where a side takes long. A summary has
geometric means over the cases that both sides map.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from math import exp, log
from pathlib import Path
from statistics import median
from typing import Any

from attrs import frozen

from snnc.cli.bench.compiling import child, scratch
from snnc.cli.bench.map_networks import BITS, Net, networks
from snnc.cli.bench.map_sparse import with_masks
from snnc.diagnostics import SnncError

NEEDS = "--peer names the Python of an environment with paibox 1.3"

OVER_BOUND = {"conv": {8: 1.06, 4: 1.06, 1: 1.2}, "residual": dict.fromkeys(BITS, 1.05)}
"""Cores required, by the lower bound, at most."""

BLOCKS: dict[str, dict[int, float]] = {
    "conv": {8: 1.2, 4: 1.4, 1: 1.5},
    "residual": {8: 1.25, 4: 1.5, 1: 2.0},
}
"""The same where regions are blocks: copies and relays come on top of the bound."""

OVER_REQUIRED = 1.15
"""Cores occupied, by those required, at most."""

OCCUPIED, LINKS = 0.6, 0.55
"""Geometric means over the convolutional suite, by PAIBox's, at most."""

LARGE = "vgg32"
LARGE_CORES, LARGE_SECONDS, LARGE_BYTES = 563, 10.0, 1_000_000_000
"""What the largest network of the suite should take at 8 bits."""

FASTER = {"lenet": 10.0}
"""How many times faster than PAIBox."""

GROWTH = 1.25
"""How much more per byte a network may cost than the smallest."""

GROWN_BYTES = 400_000_000
"""Memory that a network of cost may take, however large."""

CHIPS = 5
"""Chips that the networks of cost should stay within."""

LONG = 5.0
"""Seconds of a side beyond which a case is measured once."""

FARTHEST = 5
"""How many times as many bytes the largest must have, that growth is told of."""


@frozen
class Case:
    """A network with weights of a width."""

    net: Net
    bits: int

    @property
    def name(self) -> str:
        """How tables and options call it."""
        return f"{self.net.name}, {self.bits} bit{'' if self.bits == 1 else 's'}"

    @property
    def chips(self) -> tuple[int, ...]:
        """The chips to map it to, X, Y one after another; the output chip is not among them."""
        return tuple(n for y in range(self.net.chips) for n in (0, y))


@frozen
class Sides:
    """Who maps, how often and for how long at most, whether we verify, and how far we cut."""

    peer: str | None
    limit: float
    verify: bool = False
    multicast: str = "masks"
    runs: int = 1


def cases() -> tuple[Case, ...]:
    """Return all cases; the networks that grow have 8 bits only."""
    return tuple(
        Case(net, bits)
        for net in networks()
        for bits in (BITS[:1] if net.suite == "growth" else BITS)
    )


def run(chosen: Sequence[Case], sides: Sides, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return a row per case, then the summaries; `tell` hears what is being measured."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="snnc-bench-") as place:
        for case in chosen:
            tell(case.name)
            rows.append(_measure(case, sides, Path(place, "task.json")))
    return [*rows, *_means(rows), *_growth(rows)]


def _measure(case: Case, sides: Sides, task: Path) -> dict[str, Any]:
    row: dict[str, Any] = {"case": case.name, "suite": case.net.suite, "bits": case.bits}
    row |= {"neurons": case.net.neurons, "error": None}
    ours, theirs = _rounds(case, sides, task)
    row |= _timed(ours)
    if theirs:
        row |= {f"peer_{name}": value for name, value in _timed(theirs).items()}
        if "error" not in ours[0] and "error" not in theirs[0]:
            for name in ("required", "occupied", "links", "seconds"):
                rounds = zip(ours, theirs, strict=True)
                row[f"{name}_by_peer"] = median(a[name] / b[name] for a, b in rounds)
    goals = _goals(case, row, sides.multicast)
    row["goal"] = "; ".join(text for text, _ in goals)
    row["met"] = all(met for _, met in goals) if goals else None
    return row


def _rounds(
    case: Case, sides: Sides, task: Path
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what each side found in each round; only the first build is verified."""
    about = {"shape": case.net.shape, "layers": with_masks(case.net.layers), "bits": case.bits}
    about |= {"chip": case.chips, "multicast": sides.multicast}
    own = [sys.executable, "-m", "snnc.cli.bench.map_child", str(task)]
    peer: list[str] = []
    if sides.peer and case.net.suite != "growth":
        peer = [sides.peer, str(Path(__file__).with_name("paibox_map.py")), str(task)]
    ours: list[dict[str, Any]] = []
    theirs: list[dict[str, Any]] = []
    for _ in range(sides.runs):
        asked = about | {"verify": sides.verify and not ours}
        task.write_text(json.dumps(asked), encoding="utf-8")
        ours.append(_tried(own, sides.limit))
        if peer:
            theirs.append(_tried(peer, sides.limit))
        latest = (ours[-1], *theirs[-1:])
        if any("error" in one for one in latest):
            return ours[-1:], theirs[-1:]
        if any(one["seconds"] > LONG for one in latest):
            break
    return ours, theirs


def _timed(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the first round found, with the median of the seconds."""
    if "error" in found[0]:
        return found[0]
    return found[0] | {"seconds": median(one["seconds"] for one in found)}


def _tried(command: list[str], limit: float) -> dict[str, Any]:
    # PAIBox walks over sets, so that its counts change with the seed of hashes.
    variables = scratch() | {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
    try:
        return child(command, NEEDS, variables, limit)
    except SnncError as error:
        if not os.access(command[0], os.X_OK):
            raise
        return {"error": error.diagnostics[0].message}


def _goals(case: Case, row: dict[str, Any], multicast: str = "masks") -> list[tuple[str, bool]]:
    """Return the goals of a case with whether each is met; a case that fails meets none.

    Those of cores and seconds are for masks. In blocks every network of the suite has one chip.
    """
    suite, goals = case.net.suite, []
    if row["error"]:
        return [("it is mapped", False)]
    required, bound = row["required"], row["bound"]
    if "verified" in row:
        goals.append(("equal to the reference", row["verified"]))
    if multicast != "masks":
        if multicast == "contiguous" and suite in BLOCKS:
            most = BLOCKS[suite][case.bits]
            goals.append((f"{most:g} x the bound", required <= most * bound))
            much = row["occupied"] <= OVER_REQUIRED * required
            goals.append((f"{OVER_REQUIRED:g} x required", much))
        return goals
    if suite in OVER_BOUND:
        most = OVER_BOUND[suite][case.bits]
        goals.append((f"{most:g} x the bound", required <= most * bound))
        goals.append((f"{OVER_REQUIRED:g} x required", row["occupied"] <= OVER_REQUIRED * required))
    if suite == "growth":
        goals.append((f"{CHIPS} chips", row["chips"] <= CHIPS))
        goals.append((f"{GROWN_BYTES / 1e6:g} MB", row["peak_bytes"] <= GROWN_BYTES))
    if suite == "sparse":
        goals.append((f"not above {row['whole']}, uncut", required <= row["whole"]))
    if suite == "fc":
        goals.append(("the bound", required == bound))
        if "occupied_by_peer" in row:
            goals.append(("not above the peer", row["occupied_by_peer"] <= 1))
    if case.net.name == LARGE:
        goals.append((f"{LARGE_SECONDS:g} s", row["seconds"] <= LARGE_SECONDS))
        goals.append((f"{LARGE_BYTES / 1e9:g} GB", row["peak_bytes"] <= LARGE_BYTES))
        if case.bits == BITS[0]:
            goals.append((f"{LARGE_CORES} cores", required == LARGE_CORES))
    if case.net.name in FASTER and "seconds_by_peer" in row:
        least = FASTER[case.net.name]
        goals.append((f"{least:g} x as fast", row["seconds_by_peer"] * least <= 1))
    return goals


def mean(values: Sequence[float]) -> float:
    """Return the geometric mean."""
    return exp(sum(map(log, values)) / len(values))


def _means(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row per suite with the means of what we take by what the peer takes."""
    found = []
    for suite in ("conv", "residual", "fc", "sparse"):
        both = [row for row in rows if row["suite"] == suite and "occupied_by_peer" in row]
        if not both:
            continue
        names = [name for name in both[0] if name.endswith("_by_peer")]
        made: dict[str, Any] = {"case": f"{suite}: {len(both)} cases, means", "suite": suite}
        made |= {name: mean([row[name] for row in both]) for name in names}
        goals = []
        if suite == "conv":
            goals.append((f"occupied {OCCUPIED:g} x", made["occupied_by_peer"] <= OCCUPIED))
            goals.append((f"links {LINKS:g} x", made["links_by_peer"] <= LINKS))
        made["goal"] = "; ".join(text for text, _ in goals)
        made["met"] = all(met for _, met in goals) if goals else None
        found.append(made)
    return found


def _growth(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the row that says whether cost grows as the bytes do, if enough was mapped."""
    growing = [row for row in rows if row["suite"] == "growth" and "seconds" in row]
    growing.sort(key=lambda row: row["bytes"])
    if not growing or growing[-1]["bytes"] < FARTHEST * growing[0]["bytes"]:
        return []
    costs = [row["seconds"] / row["bytes"] for row in growing]
    growth = max(costs) / costs[0]
    goal = f"each costs at most {GROWTH:g} times the smallest's time per byte"
    name = "growth, time per byte"
    return [
        {"case": name, "suite": "growth", "growth": growth, "goal": goal}
        | {"met": growth <= GROWTH}
    ]
