"""The bench of the DYNAP-CNN target: compiling, and both emulators, beside sinabs.

The network is that of sinabs' guide with random weights. Each run is a process of its own on one
thread; sinabs runs the integers that snnc wrote, in turn with it, and must count the same spikes.
Running is measured in processor time, compiling by the clock.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from snnc.cli.bench.compiling import child
from snnc.cli.bench.dynapcnn_child import RATE
from snnc.diagnostics import fail

SECONDS = 0.3
"""What compiling may take."""

RATIO = 5.0
"""How many times faster than sinabs a time step should be."""

OPERATIONS = 100e6
"""Weights added to neurons per second, event by event."""

BYTES = 500_000_000
"""Memory that the events should stay within."""

SAMPLES, TICKS = 1000, 20
"""What runs event by event, and less of it in time steps."""

STEPPED, STEPPED_TICKS = 3, 100

NEEDS = "--peer names the Python of an environment with torch and sinabs 3"


def run(runs: int, peer: str | None, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return a row per measurement, each with its goal; `tell` hears what is being measured."""
    with tempfile.TemporaryDirectory(prefix="snnc-bench-") as place:
        folder = str(Path(place, "build"))
        tell("compiling")
        made = [_ours({"what": "compile", "folder": folder, "seed": 1}) for _ in range(runs)]
        rows = [_compiled(made)]
        tell("time steps")
        rows.append(_steps(folder, runs, peer))
        tell("events")
        task = {"what": "events", "folder": folder, "samples": SAMPLES, "ticks": TICKS, "seed": 2}
        return [*rows, _events([_ours(task) for _ in range(runs)])]


def _ours(task: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-m", "snnc.cli.bench.dynapcnn_child", json.dumps(task)]
    return child(command, "this is a measurement by snnc itself", ONE_THREAD)


ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "SNNC_THREADS"), "1"
)


def _medians(found: list[dict[str, Any]], *keys: str) -> dict[str, Any]:
    return {key: median(one[key] for one in found) for key in keys}


def _compiled(found: list[dict[str, Any]]) -> dict[str, Any]:
    row = _medians(found, "seconds", "peak_bytes")
    goal = f"at most {SECONDS:g} s"
    return {
        "case": "compile",
        "runs": len(found),
        **row,
        "goal": goal,
        "met": row["seconds"] <= SECONDS,
    }


def _steps(folder: str, runs: int, peer: str | None) -> dict[str, Any]:
    task = {"what": "steps", "folder": folder, "samples": STEPPED, "ticks": STEPPED_TICKS}
    task |= {"seed": 2, "rate": RATE, "order": _order(folder)}
    script = str(Path(__file__).with_name("sinabs_peer.py"))
    ours, theirs = [], []
    for _ in range(runs):
        ours.append(_ours(task))
        if peer:
            theirs.append(child([peer, script, json.dumps(task)], NEEDS, ONE_THREAD))
    row: dict[str, Any] = {"case": "time steps", "runs": runs}
    row |= _medians(ours, "seconds", "ms_per_step", "peak_bytes", "spikes")
    if not theirs:
        return {**row, "goal": f"at least {RATIO:g} times as fast as the peer", "met": None}
    odd = {one["spikes"] for one in (*ours, *theirs)}
    if len(odd) > 1:
        raise fail(
            "bench-failed",
            f"the two sides count different spikes: {', '.join(map(str, sorted(odd)))}",
            help="compare the versions; what differs is not to be timed",
        )
    pairs = zip(ours, theirs, strict=True)
    row |= {f"peer_{k}": v for k, v in _medians(theirs, "seconds", "ms_per_step").items()}
    row["ratio"] = median(b["seconds"] / a["seconds"] for a, b in pairs)
    goal = f"at least {RATIO:g} times as fast as the peer"
    return {**row, "goal": goal, "met": row["ratio"] >= RATIO}


def _order(folder: str) -> list[int]:
    """Return the cores of a build, each behind its source."""
    layout = json.loads(Path(folder, "layout.json").read_text(encoding="utf-8"))
    return [core["core"] for core in layout["cores"]]


def _events(found: list[dict[str, Any]]) -> dict[str, Any]:
    row = _medians(found, "seconds", "ms_per_step", "operations_per_second", "peak_bytes", "spikes")
    met = row["operations_per_second"] >= OPERATIONS and row["peak_bytes"] <= BYTES
    goal = (
        f"at least {OPERATIONS / 1e6:g} million weights added per second, "
        f"at most {BYTES / 1e6:g} MB"
    )
    return {
        "case": f"events, {SAMPLES:,} samples",
        "runs": len(found),
        **row,
        "goal": goal,
        "met": met,
    }
