"""Evaluating a network on labelled data: data files, batches, predictions, the interval.

A batch knows the index of its first sample, so that random encoders give each sample the same
spikes whatever the batches are and in whichever process they run.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define, field, frozen

from snnc.cli.session import Session, check_length, refuse_options
from snnc.diagnostics import fail, nearest

if TYPE_CHECKING:
    from snnc.ir.graph import Module

LABELS = ("labels", "y")
ONLY = ("images", "x")
"""Names under which a file may hold the only input, if not under its own."""

Arrays = Mapping[str, Any]


@frozen(eq=False)
class Batch:
    """Consecutive samples and their labels."""

    first: int
    values: Arrays
    labels: Any


@define
class Tally:
    """Counts over samples; `spikes` by value, `ties` where several outputs are largest."""

    samples: int = 0
    correct: int = 0
    ties: int = 0
    spikes: dict[str, int] = field(factory=dict)

    def add(self, other: "Tally") -> None:
        """Add the counts of a batch."""
        self.samples += other.samples
        self.correct += other.correct
        self.ties += other.ties
        for name, count in other.spikes.items():
            self.spikes[name] = self.spikes.get(name, 0) + count


@frozen
class Work:
    """What is evaluated and how, as plain data that another process can be given."""

    source: str
    given: dict[str, str]
    plugins: tuple[str, ...]
    engine: str
    ticks: int | None
    read: str | None
    activity: bool
    emulated: bool

    def open(self, session: Session) -> "Evaluator":
        """Return the evaluator, its program prepared."""
        return Evaluator(self, session)


class Evaluator:
    """Runs batches and tallies predictions."""

    def __init__(self, work: Work, session: Session) -> None:
        from snnc.driver.emulation import emulation
        from snnc.driver.pipeline import pick_engine
        from snnc.ir.analysis import makers

        self.work = work
        if work.emulated:
            refuse_options(f"{work.source} is a build, which", work.given)
            build = session.open(work.source)
            self.manifest: Mapping[str, Any] = build.manifest
            self.module: Module = build.module
            numpy = session.registry.get_engine("numpy")
            taken = list(build.manifest["takes"])
            self._host: Any = numpy.prepare(before_chip(self.module, taken))
            chip = emulation(session.registry, build.target, Path(work.source), work.engine)
            self._program: Any = chip
            self.engine = getattr(chip, "engine", "emulator")
        else:
            if work.engine == "emulator":
                raise fail(
                    "emulator-needs-build",
                    f"the emulator runs the files of a build, and {work.source} is none",
                    help=f"compile it first: snnc compile {work.source} -o DIR",
                )
            self.module = session.load(work.source, work.given)
            engine = pick_engine(session.registry, work.engine, self.module)
            self._host, self._program = None, engine.prepare(self.module)
            self.engine = engine.name
        made = makers(self.module.graph)
        self.draws = any(True for _ in self.module.ops("poisson"))
        self.output = chosen_output(self.module, work.read)
        names = [v.name for v, op in made.items() if op.kind == "neuron" and v is op.result]
        self.probe = tuple(names) if work.activity else ()

    def run(self, batch: Batch) -> Tally:
        """Return the tally of a batch."""
        ticks = self.work.ticks
        if self._host is None:
            # Not every engine numbers samples, and only what draws at random needs it.
            number = {"first_sample": batch.first} if self.draws else {}
            result = self._program.run(batch.values, ticks=ticks, probe=self.probe, **number)
        else:
            spikes = self._host.run(batch.values, ticks=ticks, first_sample=batch.first).outputs
            check_length(self.manifest, spikes)
            result = self._program.run(spikes, probe=self.probe)
        sums = total(result.outputs[self.output])
        largest = sums.max(axis=1, keepdims=True)
        counted = dict(result.trace)
        counted.setdefault(self.output, result.outputs[self.output])
        return Tally(
            len(sums),
            int((sums.argmax(axis=1) == batch.labels).sum()),
            int(((sums == largest).sum(axis=1) > 1).sum()),
            {n: int(a.sum(dtype=np.int64)) for n, a in counted.items() if a.dtype.kind in "iu"},
        )


def before_chip(module: "Module", taken: list[str]) -> "Module":
    """Return the part of a program that makes what a chip takes: its encoders."""
    from attrs import evolve

    from snnc.ir.analysis import live_ops
    from snnc.ir.rewrite import with_ops

    results = (r for op in module.graph.ops for r in op.results)
    known = {v.name: v for v in (*module.graph.inputs, *results)}
    outputs = tuple(known[name] for name in taken)
    return with_ops(module, live_ops(evolve(module.graph, outputs=outputs)), outputs)


def total(array: Any) -> Any:
    """Return sums over ticks, `(samples, elements)`, exact for integers."""
    kind = np.float64 if array.dtype.kind == "f" else np.int64
    return array.sum(axis=1, dtype=kind).reshape(len(array), -1)


def chosen_output(module: "Module", name: str | None) -> str:
    """Return the name of the output that holds the prediction.

    Raises:
        SnncError: `which-output` where there are several and none is named, or the name is wrong.
    """
    names = [value.name for value in module.graph.outputs]
    if name is None and len(names) == 1:
        return names[0]
    if name in names:
        return str(name)
    raise fail(
        "which-output",
        f"there is no output {name!r}" if name else f"the network has {len(names)} outputs",
        help=nearest(name, names) if name else f"choose one with --read: {', '.join(names)}",
    )


def read_data(
    path: str, module: "Module", limit: int | None, scale: float | None, read: str | None
) -> tuple[dict[str, Any], Any]:
    """Return the inputs by name, and the labels as int64.

    Raises:
        SnncError: `data-names`, `data-labels`, `data-scale`, and what reading raises.
    """
    from snnc.runtime.values import read_arrays

    arrays = read_arrays(Path(path))
    inputs = {value.name for value in module.graph.inputs}
    labels = next((arrays.pop(n) for n in LABELS if n in arrays and n not in inputs), None)
    if labels is None or labels.ndim != 1 or labels.dtype.kind not in "iu" or not len(labels):
        raise fail(
            "data-labels",
            f"{path} holds no whole numbers of one axis under {' or '.join(LABELS)}",
            help="save it with numpy.savez(path, images=..., labels=...)",
        )
    values = _inputs(path, arrays, module)
    odd = [name for name, array in values.items() if array.shape[:1] != labels.shape]
    if odd:
        raise fail(
            "data-labels",
            f"{path}: {odd[0]} has {len(values[odd[0]])} samples, there are {len(labels)} labels",
            help="give a label per sample",
        )
    classes = next(v for v in module.graph.outputs if v.name == chosen_output(module, read))
    if labels.min() < 0 or labels.max() >= classes.type.size:
        raise fail(
            "data-labels",
            f"{path}: labels are {labels.min()} to {labels.max()}, but output %{classes.name} has "
            f"{classes.type.size} elements",
            help="labels count the elements of the output from 0",
        )
    kept = slice(0, limit)
    types = {v.name: v.type for v in module.graph.inputs}
    scaled = {n: _scaled(path, n, a[kept], types[n], scale) for n, a in values.items()}
    return scaled, labels[kept].astype(np.int64)


def _inputs(path: str, arrays: dict[str, Any], module: "Module") -> dict[str, Any]:
    names = [value.name for value in module.graph.inputs]
    if len(names) == 1 and names[0] not in arrays:
        found = next((name for name in ONLY if name in arrays), None)
        if found:
            return {names[0]: arrays[found]}
    missing = [name for name in names if name not in arrays]
    if missing:
        raise fail(
            "data-names",
            f"{path} has no array {missing[0]!r} for the input of that name",
            help=f"it holds {', '.join(arrays) or 'labels only'}",
        )
    return {name: arrays[name] for name in names}


def _scaled(path: str, name: str, array: Any, type: Any, scale: float | None) -> Any:
    """Return an input divided by the scale, shaped like the input if its elements are as many."""
    wanted = (len(array), *type.shape)
    if not type.timed and array.shape != wanted and array[:1].size == type.size:
        array = array.reshape(wanted)
    if not type.element.is_float:
        if scale is not None:
            raise fail(
                "data-scale",
                f"--scale {scale:g} would make fractions of {name}, which is {type}",
                help="leave --scale out",
            )
        return array
    if array.dtype.kind in "iu" and scale is None and array.max(initial=0) > 1:
        raise fail(
            "data-scale",
            f"{path}: {name} holds whole numbers up to {array.max()}, the network takes {type}",
            help="say by what to divide: --scale 255 for pixels, --scale 1 to keep them",
        )
    divided = array.astype(np.float32) / np.float32(scale or 1.0)
    return divided.astype(type.element.storage)


def batches(values: Arrays, labels: Any, size: int) -> Iterator[Batch]:
    """Yield consecutive batches of at most `size` samples."""
    for first in range(0, len(labels), size):
        part = slice(first, first + size)
        yield Batch(first, {n: a[part] for n, a in values.items()}, labels[part])


def wilson(correct: int, samples: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Return Wilson's interval of a proportion; `z` is the quantile, by default for 95 %.

    >>> [round(end, 3) for end in wilson(95, 100)]
    [0.888, 0.978]
    """
    rate = correct / samples
    middle = rate + z * z / (2 * samples)
    half = z * float(np.sqrt(rate * (1 - rate) / samples + z * z / (4 * samples * samples)))
    whole = 1 + z * z / samples
    # At the ends of the scale the formula gives 0 and 1, and floating point almost.
    low = 0.0 if correct == 0 else (middle - half) / whole
    return low, 1.0 if correct == samples else (middle + half) / whole


_EVALUATOR: Evaluator | None = None


def begin_process(work: Work) -> None:
    """Prepare a process of a pool for a work; an interrupt is for the process that began it."""
    import signal

    from snnc.cli.settings import Settings

    signal.signal(signal.SIGINT, signal.SIG_IGN)

    global _EVALUATOR
    _EVALUATOR = work.open(Session(work.plugins, False, Settings()))


def run_in_process(batch: Batch) -> Tally:
    """Return the tally of a batch, in a process that was begun."""
    assert _EVALUATOR is not None
    return _EVALUATOR.run(batch)
