"""The bench of simulating: networks, peers, goals, and rows of results.

Every side runs in a process of its own, warm, and tells the seconds of each of its runs, those of
the processor where there is one thread; the fastest run counts, for what else the machine does
makes runs longer and never shorter. Of several numbers of threads the best counts, on every side.
Sides take turns; a ratio is the median over the rounds of the ratios of neighbors.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from attrs import frozen

from snnc.cli.bench.compiling import child
from snnc.cli.bench.networks import Net, dense, large, networks, write
from snnc.cli.bench.sim_goals import BATCH, FRAMEWORKS, goals_of, growth
from snnc.cli.resume import Standing

TORCH_HELP = "--torch names the Python of an environment with torch, sinabs, spikingjelly, ..."
PAIBOX_HELP = "--paibox names the Python of an environment with paibox 1.3"


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
    """Who is measured, with how many threads (the best of several numbers counts), how long."""

    torch: str | None
    paibox: str | None
    threads: tuple[int, ...]
    rounds: int
    seconds: float

    @property
    def clock(self) -> str:
        """What is read: the processor's time where one thread is all that runs."""
        return "processor" if self.threads == (1,) else "wall"

    @property
    def question(self) -> dict[str, Any]:
        """What must be the same for rows to stand beside each other."""
        names = ("torch", "paibox", "threads", "rounds", "seconds")
        return {name: getattr(self, name) for name in names}


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


def run(
    chosen: Sequence[Case], sides: Sides, standing: Standing, tell: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Return a row per case, and one per pair of large networks of a kind.

    Rows that stand already are not measured again; each new one is kept at once.
    """
    found: dict[str, Any] = standing.read() or {}
    begun, wanted = time.perf_counter(), [case for case in chosen if case.name not in found]
    with tempfile.TemporaryDirectory(prefix="snnc-bench-") as place:
        bound = _bound(sides, Path(place), tell) if wanted else 0.0
        for done, case in enumerate(wanted):
            left = (time.perf_counter() - begun) / max(1, done) * (len(wanted) - done) / 60
            ahead = f", about {left:.0f} min left" if done else ""
            tell(f"{case.name} ({done + 1} of {len(wanted)}{ahead})")
            found[case.name] = _measure(case, sides, Path(place), bound)
            standing.save(found)
    rows = [found[case.name] for case in chosen]
    return rows + growth(chosen, rows)


def _bound(sides: Sides, place: Path, tell: Callable[[str], None]) -> float:
    """Return the products of bytes per second that the machine can do, as far as is known."""
    tell("the machine's bound")
    case = Case(dense(), 16, 64, 0.5)
    task = _write(case, sides, place)
    ours = min(_best(task, sides, lambda: _ours(task))["times"])
    found = case.net.macs * case.ticks * case.batch / ours
    if sides.torch:
        _set(task, threads=max(sides.threads))
        found = max(found, _peer(sides.torch, "sim_torch.py", task, "int8")["macs_per_second"])
    return float(found)


def _write(case: Case, sides: Sides, place: Path) -> Path:
    data, task = place / "data.npz", place / "task.json"
    write(case.net, case.batch, case.ticks, case.rate, data)
    about = {
        "layers": case.net.layers,
        "shape": case.net.shape,
        "data": str(data),
        "samples": min(case.batch, BATCH),
        "threads": sides.threads[0],
        "clock": sides.clock,
        "seconds": sides.seconds,
        "rates": True,
    }
    task.write_text(json.dumps(about), encoding="utf-8")
    return task


def _set(task: Path, **values: Any) -> None:
    """Change what a task says."""
    about = json.loads(task.read_text(encoding="utf-8")) | values
    task.write_text(json.dumps(about), encoding="utf-8")


def _best(task: Path, sides: Sides, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what a side says with the number of threads with which it is fastest."""
    said = []
    for threads in sides.threads:
        _set(task, threads=threads)
        said.append(measure() | {"threads": threads})
    return min(said, key=lambda one: float(min(one["times"])))


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
        ours.append(_best(task, sides, partial(_ours, task)))
        for name, (python, script, words) in peers.items():
            peer = partial(_peer, python, script, task, *words)
            theirs[name].append(_best(task, sides, peer))
    seconds = median(min(one["times"]) for one in ours)
    macs = case.net.macs * case.ticks * case.batch
    row: dict[str, Any] = {
        "case": case.name,
        "threads": ours[0]["threads"],
        "seconds": seconds,
        "us_per_step": 1e6 * seconds / case.ticks / case.batch,
        "macs": macs,
        "share": macs / seconds / bound,
        "bound": bound,
        "peak_bytes": max(one["peak_bytes"] for one in ours),
        "rates": ours[0]["rates"],
        "peers": {
            name: _compared(ours, found, case.batch, 1 if name == "paibox" else BATCH)
            for name, found in theirs.items()
        },
    }
    if case.net.name == "LeNet" and case.batch == 1:
        row |= _first_result(case, sides, place)
    goals = goals_of(case, row)
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
    ours: list[dict[str, Any]], theirs: list[dict[str, Any]], batch: int, most: int
) -> dict[str, Any]:
    """Return what a peer took for a batch against us, and whether it counted the same spikes.

    It is given `most` samples at a time, and what these took counts as often as needed.
    """
    pairs, times = zip(ours, theirs, strict=True), batch / min(batch, most)
    ratio = median(times * min(b["times"]) / min(a["times"]) for a, b in pairs)
    found = {
        "seconds": median(min(one["times"]) for one in theirs),
        "samples": min(batch, most),
        "threads": theirs[0]["threads"],
        "ratio": ratio,
        "peak_bytes": max(one["peak_bytes"] for one in theirs),
    }
    if min(batch, most) == min(batch, BATCH):
        found["same_spikes"] = ours[0]["spikes"] == theirs[0]["spikes"]
    return found


def _first_result(case: Case, sides: Sides, place: Path) -> dict[str, Any]:
    """Return the seconds of a process from its start to its end after one run, twice.

    They are the processor's, as everywhere with one thread.
    """
    task = _write(case, sides, place)
    _set(task, seconds=0, rates=False)
    found = {}
    with tempfile.TemporaryDirectory(prefix="snnc-bench-") as cache:
        for name in ("cold", "warm"):
            begun = _spent(sides.clock)
            _ours(task, {"SNNC_CACHE": cache})
            found[name] = _spent(sides.clock) - begun
    return found


def _spent(clock: str) -> float:
    """Return the seconds that child processes have had, or those of the clock."""
    if clock == "wall":
        return time.perf_counter()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
