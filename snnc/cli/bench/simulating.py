"""The bench of simulating: networks, peers, goals, and rows of results.

Every side runs in a process of its own with as many threads, warm, and tells the seconds of each of
its runs, those of the processor where there is one thread; the fastest run counts, for what else
the machine does makes runs longer and never shorter. Sides take turns; a ratio is the median over
the rounds of the ratios of neighbors.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from attrs import frozen

from snnc.cli.bench.compiling import child
from snnc.cli.bench.networks import Net, dense, large, networks, write

FRAMEWORKS = ("sinabs", "spikingjelly", "snntorch", "norse")
"""Peers on PyTorch. The first two mean what our networks mean; the others reset otherwise."""

TORCH_HELP = "--torch names the Python of an environment with torch, sinabs, spikingjelly, ..."
PAIBOX_HELP = "--paibox names the Python of an environment with paibox 1.3"

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

BATCH = 32


@frozen
class Case:
    """A network with inputs: `large` ones are run alone, to see how cost grows."""

    net: Net
    ticks: int
    batch: int
    rate: float
    large: bool = False

    @property
    def name(self) -> str:
        """How tables and options call it."""
        samples = "1 sample" if self.batch == 1 else f"{self.batch} samples"
        how = f"{samples}, {self.ticks} ticks, {self.rate:.0%}"
        return f"{self.net.name}: {how}"


@frozen
class Sides:
    """Who is measured, and how long."""

    torch: str | None
    paibox: str | None
    threads: int
    rounds: int
    seconds: float


def cases(full: bool) -> tuple[Case, ...]:
    """Return the cases; `full` adds other lengths, batches and rates."""
    found = [
        Case(net, ticks, batch, rate)
        for net in networks()
        for ticks in ((16, 64) if full else (16,))
        for batch in ((1, BATCH, 256) if full else (1, BATCH))
        for rate in ((0.02, 0.1, 0.3) if full else (0.1,))
    ]
    return (*found, *(Case(net, 16, 1, 0.1, large=True) for net in large()))


def run(chosen: Sequence[Case], sides: Sides, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return a row per case, and one per pair of large networks of a kind."""
    with tempfile.TemporaryDirectory(prefix="snnc-bench-") as place:
        bound = _bound(sides, Path(place), tell)
        rows = []
        for case in chosen:
            tell(case.name)
            rows.append(_measure(case, sides, Path(place), bound))
    return rows + _growth(chosen, rows)


def _bound(sides: Sides, place: Path, tell: Callable[[str], None]) -> float:
    """Return the products of bytes per second that the machine can do, as far as is known."""
    tell("the machine's bound")
    case = Case(dense(), 16, 64, 0.5)
    task = _write(case, sides, place)
    ours = min(_ours(task)["times"])
    found = case.net.macs * case.ticks * case.batch / ours
    if sides.torch:
        found = max(found, _peer(sides.torch, "sim_torch.py", task, "int8")["macs_per_second"])
    return float(found)


def _write(case: Case, sides: Sides, place: Path) -> Path:
    data, task = place / "data.npz", place / "task.json"
    write(case.net, case.batch, case.ticks, case.rate, data)
    about = {
        "layers": case.net.layers,
        "shape": case.net.shape,
        "data": str(data),
        "threads": sides.threads,
        "seconds": sides.seconds,
        "rates": True,
    }
    task.write_text(json.dumps(about), encoding="utf-8")
    return task


def _ours(task: Path, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    command = [sys.executable, "-m", "snnc.cli.bench.sim_child", str(task)]
    variables = _variables(task) | dict(environment or {})
    return child(command, "the native engine needs llvmlite", variables)


def _variables(task: Path) -> dict[str, str]:
    """Return what keeps libraries of linear algebra to the threads of a task."""
    threads = str(json.loads(task.read_text(encoding="utf-8"))["threads"])
    return dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), threads)


def _peer(python: str, script: str, task: Path, *words: str) -> dict[str, Any]:
    needs = TORCH_HELP if script == "sim_torch.py" else PAIBOX_HELP
    command = [python, str(Path(__file__).with_name(script)), str(task), *words]
    return child(command, needs, _variables(task))


def _measure(case: Case, sides: Sides, place: Path, bound: float) -> dict[str, Any]:
    task = _write(case, sides, place)
    peers = _peers(case, sides)
    ours: list[dict[str, Any]] = []
    theirs: dict[str, list[dict[str, Any]]] = {name: [] for name in peers}
    for _ in range(1 if case.large else sides.rounds):
        ours.append(_ours(task))
        for name, (python, script, words) in peers.items():
            theirs[name].append(_peer(python, script, task, *words))
    seconds = median(min(one["times"]) for one in ours)
    macs = case.net.macs * case.ticks * case.batch
    row: dict[str, Any] = {
        "case": case.name,
        "threads": sides.threads,
        "seconds": seconds,
        "us_per_step": 1e6 * seconds / case.ticks / case.batch,
        "macs": macs,
        "share": macs / seconds / bound,
        "bound": bound,
        "peak_bytes": max(one["peak_bytes"] for one in ours),
        "rates": ours[0]["rates"],
        "peers": {
            name: _compared(ours, found, case.batch if name == "paibox" else 1)
            for name, found in theirs.items()
        },
    }
    if case.net.name == "LeNet" and case.batch == 1:
        row |= _first_result(case, sides, place)
    goals = _goals(case, row)
    row["goal"] = "; ".join(text for text, _ in goals)
    row["met"] = all(met for _, met in goals) if goals else None
    return row


def _peers(case: Case, sides: Sides) -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """Return what each peer of a case is run with: Python, script and arguments."""
    found: dict[str, tuple[str, str, tuple[str, ...]]] = {}
    if case.large:
        return found
    if sides.torch:
        found = {name: (sides.torch, "sim_torch.py", (name,)) for name in FRAMEWORKS}
    # PAIBox has neither our pools of spikes nor a scaled skip.
    plain = all(len(layer.get("terms", ())) == 1 for layer in case.net.layers)
    if sides.paibox and plain and case.batch <= BATCH:
        found["paibox"] = sides.paibox, "sim_paibox.py", ()
    return found


def _compared(
    ours: list[dict[str, Any]], theirs: list[dict[str, Any]], times: int
) -> dict[str, Any]:
    """Return what a peer took, `times` over, against us, and whether it counted the same spikes."""
    pairs = zip(ours, theirs, strict=True)
    ratio = median(times * min(b["times"]) / min(a["times"]) for a, b in pairs)
    found = {
        "seconds": median(min(one["times"]) for one in theirs),
        "ratio": ratio,
        "peak_bytes": max(one["peak_bytes"] for one in theirs),
    }
    if times == 1:
        found["same_spikes"] = ours[0]["spikes"] == theirs[0]["spikes"]
    return found


def _first_result(case: Case, sides: Sides, place: Path) -> dict[str, Any]:
    """Return the seconds of a process from its start to its end after one run, twice.

    They are the processor's, as everywhere with one thread.
    """
    task = _write(case, sides, place)
    about = json.loads(task.read_text(encoding="utf-8")) | {"seconds": 0, "rates": False}
    task.write_text(json.dumps(about), encoding="utf-8")
    found = {}
    with tempfile.TemporaryDirectory(prefix="snnc-bench-") as cache:
        for name in ("cold", "warm"):
            begun = _spent(sides.threads)
            _ours(task, {"SNNC_CACHE": cache})
            found[name] = _spent(sides.threads) - begun
    return found


def _spent(threads: int) -> float:
    """Return the seconds that child processes have had, or those of the clock."""
    if threads > 1:
        return time.perf_counter()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _goals(case: Case, row: dict[str, Any]) -> list[tuple[str, bool]]:
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


def _growth(chosen: Sequence[Case], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
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
            growth = costs[1] / costs[0]
            goal = f"the large one takes at most {GROWTH:g} times the small one's time per product"
            name = f"{kind}, time per product"
            found.append({"case": name, "growth": growth, "goal": goal, "met": growth <= GROWTH})
    return found
