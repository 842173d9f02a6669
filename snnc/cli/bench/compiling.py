"""The bench of compiling: what is measured, how, and which goals it has.

Each run of each side is a process of its own, so that memory is its own and nothing is warm; the
two sides take turns, so that whatever else the machine does falls on both. A ratio is the median of
the ratios of neighbors.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from attrs import frozen

from snnc.diagnostics import fail

CHAIN = 120
"""Layers of the long chain."""

CHAIN_WIDTH = 512

RATIO = 5.0
"""How many times faster than the peer a compilation should be."""

CHAIN_BYTES = 400_000_000
"""Memory that the long chain should stay within."""

LINEAR = 1.25
"""How much more per byte the long chain may cost than the half one."""


@frozen
class Case:
    """A network: sizes of its input and layers; `peer` says whether the peer is asked too."""

    name: str
    sizes: tuple[int, ...]
    peer: bool = True


def cases() -> tuple[Case, ...]:
    """Return the networks, small ones first."""
    half = CHAIN // 2
    return (
        Case("784-512-10", (784, 512, 10)),
        Case("784-1024-1024-10", (784, 1024, 1024, 10)),
        Case("784-8192-10", (784, 8192, 10)),
        Case(f"chain {half} x 512", (CHAIN_WIDTH,) * (half + 1), peer=False),
        Case(f"chain {CHAIN} x 512", (CHAIN_WIDTH,) * (CHAIN + 1)),
    )


def run(
    chosen: Sequence[Case], runs: int, peer: str | None, tell: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Return a row per case and goal; `tell` hears what is being measured."""
    rows: list[dict[str, Any]] = []
    for case in chosen:
        tell(case.name)
        rows.append(_measure(case, runs, peer if case.peer else None))
    return rows + _linear(rows)


def _measure(case: Case, runs: int, peer: str | None) -> dict[str, Any]:
    task = json.dumps({"sizes": case.sizes, "seed": 1})
    ours, theirs, place = [], [], scratch()
    for _ in range(runs):
        ours.append(child([sys.executable, "-m", "snnc.cli.bench.child", task], NEEDS, place))
        if peer:
            script = str(Path(__file__).with_name("paibox_peer.py"))
            theirs.append(child([peer, script, task], NEEDS, place))
    row: dict[str, Any] = {"case": case.name, "runs": runs, **_medians(ours)}
    goals = []
    if peer:
        ratio = median(b["seconds"] / a["seconds"] for a, b in zip(ours, theirs, strict=True))
        row |= {f"peer_{k}": v for k, v in _medians(theirs).items()} | {"ratio": ratio}
        goals.append((f"at least {RATIO:g} times as fast as the peer", ratio >= RATIO))
    if case.sizes == (CHAIN_WIDTH,) * (CHAIN + 1):
        fits = row["peak_bytes"] <= CHAIN_BYTES
        goals.append((f"at most {CHAIN_BYTES / 1e6:g} MB of memory", fits))
    row["goal"] = "; ".join(text for text, _ in goals)
    row["met"] = all(met for _, met in goals) if goals else None
    return row


def _medians(found: list[dict[str, Any]]) -> dict[str, Any]:
    return {key: median(one[key] for one in found) for key in ("seconds", "bytes", "peak_bytes")}


def _linear(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the row that says whether cost grows as the bytes do, if both chains were run."""
    chains = [row for row in rows if row["case"].startswith("chain")]
    if len(chains) != 2:
        return []
    costs = [row["seconds"] / row["bytes"] for row in chains]
    growth = costs[1] / costs[0]
    return [
        {
            "case": "chain, time per byte",
            "runs": chains[0]["runs"],
            "growth": growth,
            "goal": f"the long chain costs at most {LINEAR:g} times the half one's time per byte",
            "met": growth <= LINEAR,
        }
    ]


MEMORY = Path("/dev/shm")
"""Where Linux has a file system in memory."""

ROOM = 1_000_000_000
"""Free bytes that it must have."""


def scratch() -> dict[str, str]:
    """Return TMPDIR for both sides: memory where there is room, unless the caller says TMPDIR.

    What a disk does at the moment is neither side's work, and more than the smallest case takes.
    """
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return {}
    return {"TMPDIR": str(MEMORY)} if shutil.disk_usage(MEMORY).free >= ROOM else {}


NEEDS = "--peer names the Python of an environment with paibox 1.3"


def child(
    command: list[str],
    needs: str,
    environment: Mapping[str, str] | None = None,
    limit: float | None = None,
) -> dict[str, Any]:
    """Run a process that prints JSON in its last line; `needs` is the way out if it fails.

    Raises:
        SnncError: `bench-failed`, with the last line that it said, or after `limit` seconds.
    """
    variables = {**os.environ, **(environment or {})}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=variables, timeout=limit
        )
    except subprocess.TimeoutExpired as error:
        raise fail(
            "bench-failed",
            f"{Path(command[0]).name} took longer than {limit:g} s",
            help="give it more time",
        ) from error
    except OSError as error:
        raise fail(
            "bench-failed", f"cannot run {command[0]}: {error.strerror or error}", help=needs
        ) from error
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise fail(
            "bench-failed",
            f"{Path(command[0]).name} ended with status {done.returncode}: {said}",
            help=needs,
        )
    found: dict[str, Any] = json.loads(lines[-1])
    return found
