"""Evaluating a network on labelled data: predictions, spikes, the interval of an accuracy.

Every sample has its number in the whole of the data, by which random encoders draw: counts depend
neither on how samples are cut into batches nor on the process that a batch runs in.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import asdict, define, field, frozen

from snnc.cli.labelled import Batch, chosen_output
from snnc.cli.session import Session, refuse_options
from snnc.diagnostics import fail
from snnc.passes.accuracy import wilson

if TYPE_CHECKING:
    from snnc.diagnostics import Diagnostic
    from snnc.driver import Build
    from snnc.ir.graph import Module

EMULATOR = "emulator"

Run = Callable[[Mapping[str, Any], tuple[str, ...], int], Any]
"""Gives the result of (inputs, probes, number of the first sample)."""


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

    def data(self) -> dict[str, Any]:
        """Return the counts as plain data, for a file."""
        return asdict(self)

    @classmethod
    def of(cls, data: Any) -> "Tally | None":
        """Return the counts that `data` gave, None for what is none."""
        names = ("samples", "correct", "ties")
        if not isinstance(data, dict) or set(data) != {*names, "spikes"}:
            return None
        spikes = data["spikes"]
        if not isinstance(spikes, dict):
            return None
        counts = [*(data[name] for name in names), *spikes.values()]
        if not all(type(count) is int and count >= 0 for count in counts):
            return None
        return cls(data["samples"], data["correct"], data["ties"], dict(spikes))

    def report(self) -> dict[str, Any]:
        """Return shares and the interval, of at least one sample."""
        return {
            "samples": self.samples,
            "correct": self.correct,
            "accuracy": self.correct / self.samples,
            "interval_95": list(wilson(self.correct, self.samples)),
            "ties": self.ties,
            "spikes_per_sample": {n: s / self.samples for n, s in self.spikes.items()},
        }


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
    built: bool
    semantics: str | None = None

    def evaluator(self, session: Session) -> "Evaluator":
        """Return the evaluator, its program prepared.

        Raises:
            SnncError: `emulator-needs-build`, `which-output`, and what reading raises.
        """
        if self.built:
            refuse_options(f"{self.source} is a build, which", self.given)
            build = session.open(self.source)
            chosen = self.engine, self.ticks, self.read, self.activity, self.semantics
            return of_build(build, *chosen)
        if self.engine == EMULATOR:
            raise fail(
                "emulator-needs-build",
                f"the emulator runs the files of a build, and {self.source} is none",
                help=f"compile it first: snnc compile {self.source} -o DIR",
            )
        module = session.load(self.source, self.given)
        return of_network(session, module, self.engine, self.ticks, self.read, self.activity)

    def open(self, session: Session) -> Callable[[Batch], Tally]:
        """Return the function that tallies a batch."""
        return self.evaluator(session).run


def of_network(
    session: Session,
    module: "Module",
    engine: str = "auto",
    ticks: int | None = None,
    read: str | None = None,
    activity: bool = False,
) -> "Evaluator":
    """Return the evaluator of a network on an engine."""
    from snnc.driver.engines import pick_engine
    from snnc.driver.host import numbering
    from snnc.extend.engine import notes_of

    chosen = pick_engine(session.registry, engine, module)
    program = chosen.prepare(module)

    def run(values: Mapping[str, Any], probe: tuple[str, ...], first: int) -> Any:
        return program.run(values, ticks=ticks, probe=probe, **numbering(module, first))

    notes = notes_of(program)
    return Evaluator(module, run, _label(chosen.name, notes, "numpy"), read, activity, notes)


def of_build(
    build: "Build",
    engine: str = "auto",
    ticks: int | None = None,
    read: str | None = None,
    activity: bool = False,
    semantics: str | None = None,
) -> "Evaluator":
    """Return the evaluator of a build's files; `engine` is `auto`, or `emulator`."""
    files = engine if engine == EMULATOR else "auto"
    quick = files == "auto" and getattr(build.target, "emulate_on", None) is not None

    def run(values: Mapping[str, Any], probe: tuple[str, ...], first: int) -> Any:
        options: dict[str, Any] = {
            "ticks": ticks,
            "probe": probe,
            "engine": files,
            "first_sample": first,
        }
        return build.run(values, semantics=semantics, **options)

    means = semantics or build.manifest["options"].get("semantics")
    name = f"{EMULATOR}, {means}" if means else "native" if quick else EMULATOR
    notes = build.notes(files, semantics)
    return Evaluator(build.returns, run, _label(name, notes, EMULATOR), read, activity, notes)


def _label(engine: str, notes: "Iterable[Diagnostic]", instead: str) -> str:
    """Return the name of what runs, where there is no machine code too."""
    made = all(note.code != "no-machine-code" for note in notes)
    return engine if made or engine != "native" else instead


class Evaluator:
    """Runs batches and tallies predictions: the output element with the largest score.

    `engine` is the name of what runs, `notes` what there is to say of how.
    """

    def __init__(
        self,
        module: "Module",
        run: Run,
        engine: str,
        read: str | None,
        activity: bool,
        notes: "Sequence[Diagnostic]" = (),
    ) -> None:
        from snnc.ir.analysis import makers

        self.module, self.engine, self.notes, self._run = module, engine, notes, run
        self.output = chosen_output(module, read)
        outputs = {v.name: v for v in module.graph.outputs}
        self.classes = outputs[self.output].type.size
        made = makers(module.graph)
        # Of a layer whose potentials alone are read, no spikes are anywhere to be counted.
        used = {*module.graph.outputs, *(v for op in module.graph.ops for v in op.values)}
        fires = [v for v, op in made.items() if op.kind == "neuron" and v is op.result]
        layers = [v for v in fires if v in used or len(made[v].results) == 1]
        sent = [v.name for v in layers if not v.type.element.is_float] if activity else []
        whole = [] if outputs[self.output].type.element.is_float else [self.output]
        self._counted = tuple(dict.fromkeys((*sent, *whole)))
        # An output is returned under its name, and not every emulator traces it too.
        self._probe = tuple(name for name in sent if name not in outputs)

    def run(self, batch: Batch) -> Tally:
        """Return the tally of a batch."""
        result = self._run(batch.values, self._probe, batch.first)
        scored = scores(self.module, self.output, result.outputs[self.output])
        largest = scored.max(axis=1, keepdims=True)
        values = {**result.trace, **result.outputs}
        return Tally(
            len(scored),
            int((scored.argmax(axis=1) == batch.labels).sum()),
            int(((scored == largest).sum(axis=1) > 1).sum()),
            {name: int(total(values[name]).sum()) for name in self._counted},
        )


def scores(module: "Module", output: str, array: Any) -> Any:
    """Return the score of each element of an output, `(samples, elements)`: its sum over ticks.

    Where the network that the module comes from reads out the last tick, it is that one; where it
    reads out the greatest over time, the greatest.
    """
    ways = module.attrs.get("readout")
    way = ways.get(output) if isinstance(ways, Mapping) else None
    over = way.get("over_time") if isinstance(way, Mapping) else None
    if over == "max" and array.shape[1]:
        return total(array.max(axis=1, keepdims=True))
    return total(array[:, -1:]) if over == "last" else total(array)


def total(array: Any) -> Any:
    """Return sums over ticks, `(samples, elements)`, exact for integers."""
    kind = np.float64 if array.dtype.kind == "f" else np.int64
    return array.sum(axis=1, dtype=kind).reshape(len(array), -1)
