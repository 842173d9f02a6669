"""`snnc convert`: a ReLU network becomes a spiking one, with the accuracy after each step.

The steps build on each other, so that a loss is seen where it happens: the network itself, neurons
with thresholds of 1, thresholds from activations, one spike a tick, spikes as input, neurons behind
the last layer, integers. Each is read and run as `snnc eval` would.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snnc.cli.parameters import Command, as_json, labelled_data, network, to_file
from snnc.cli.printing import show_json, show_table
from snnc.cli.progress import shown
from snnc.cli.session import Session

if TYPE_CHECKING:
    from snnc.cli.evaluation import Evaluator, Tally, Work
    from snnc.ir.graph import Module

EXAMPLE = """snnc convert relu.py:build --data test.npz --scale 255 --ticks 32
snnc convert relu.py:build --data test.npz --scale 255 --ticks 32 \\
  --normalize-on train.npz --bits 8 -o spiking.snn"""


@click.command(cls=Command, name="convert", example=EXAMPLE)
@network
@labelled_data
@click.option(
    "--normalize-on",
    metavar="X.npz",
    help="Labelled data whose inputs set the thresholds, read like --data.",
)
@click.option(
    "--percentile",
    type=click.FloatRange(0, 100, min_open=True),
    default=99.9,
    show_default=True,
    help="Percentile of a layer's activations that is its threshold.",
)
@click.option(
    "--spike",
    type=click.Choice(["single", "count"]),
    default="single",
    show_default=True,
    help="Spikes of a neuron in one tick: one at most, or several.",
)
@click.option(
    "--encode",
    type=click.Choice(["poisson", "direct"]),
    default="poisson",
    show_default=True,
    help="How the input comes: as random spikes, or as the same numbers at every tick.",
)
@click.option("--spiking-output", is_flag=True, help="Put neurons behind the last layer.")
@click.option("--bits", type=int, metavar="N", help="Quantize to N bits, per channel.")
@click.option(
    "-o", "--output", metavar="OUT.snn", callback=to_file, help="Where to write the last network."
)
@as_json
@click.pass_obj
def command(
    session: Session,
    network: str,
    given: Mapping[str, str],
    data: str,
    limit: int | None,
    scale: float | None,
    read: str | None,
    ticks: int | None,
    jobs: int,
    batch: int,
    normalize_on: str | None,
    percentile: float,
    spike: str,
    encode: str,
    spiking_output: bool,
    bits: int | None,
    output: str | None,
    as_json: bool,
) -> None:
    """Turn a ReLU network into a spiking one, step by step.

    The accuracy after each step shows where it is lost. Rates of spikes stand for
    activations, so that more ticks come closer to the network. The interval is Wilson's, 95 %.
    """
    if ticks is None:
        raise click.UsageError("say for how long the spiking network runs: --ticks 32")
    chosen = {"spike": spike, "encode": encode, "spiking_output": spiking_output}
    steps = Steps(session, network, given, chosen, percentile, bits)
    count = _Count(session, data, limit, scale, read, jobs, batch)
    rows: list[dict[str, Any]] = []
    module = None
    with shown(as_json) as progress:
        for name, module in steps.modules(lambda relu: count.inputs(normalize_on, relu)):
            tally = count.run(module, 1 if not rows else ticks, name, progress)
            rows.append(_row(name, tally))
    if output is not None and module is not None:
        from snnc.ir.write import save

        save(module, output)
    if as_json:
        show_json(rows)
        return
    _show(rows, ticks)


class Steps:
    """The networks of a conversion, one after the other."""

    def __init__(
        self,
        session: Session,
        source: str,
        given: Mapping[str, str],
        chosen: Mapping[str, Any],
        percentile: float,
        bits: int | None,
    ) -> None:
        self.session, self.source, self.given = session, source, dict(given)
        self.chosen, self.percentile, self.bits = chosen, percentile, bits

    def modules(
        self, inputs: Callable[["Module"], Mapping[str, Any] | None]
    ) -> Iterator[tuple[str, "Module"]]:
        """Yield each step's name and network; `inputs` gives what thresholds are set on, or None.

        Raises:
            SnncError: what the front end finds, and `quantize`.
        """
        made = self._read({"encode": "direct"})
        yield "the network as it is", made
        options: dict[str, Any] = {"encode": "direct", "convert": True, "spike": "count"}
        found = inputs(made)
        options |= {"check": False}
        made = self._read(options)
        yield "neurons, thresholds of 1", made
        for name, change in self._changes(found):
            options |= change
            made = self._read(options)
            yield name, made
        if self.bits is not None:
            yield f"{self.bits}-bit integers", self._quantized(made, self.bits)

    def _changes(self, found: Mapping[str, Any] | None) -> Iterator[tuple[str, dict[str, Any]]]:
        if found is not None:
            name = f"thresholds at {self.percentile:g} % of the activations"
            yield name, {"normalize_on": found, "percentile": self.percentile}
        if self.chosen["spike"] == "single":
            yield "one spike a tick", {"spike": "single"}
        if self.chosen["encode"] == "poisson":
            yield "spikes as input", {"encode": "poisson"}
        if self.chosen["spiking_output"]:
            yield "neurons behind the last layer", {"spiking_output": True}

    def _read(self, options: Mapping[str, Any]) -> "Module":
        return self.session.load(self.source, {**self.given, **options})

    def _quantized(self, module: "Module", bits: int) -> "Module":
        from snnc.driver.pipeline import run_pipeline

        text = f"clean,fold-norm,quantize{{bits={bits} per=channel}}"
        return run_pipeline(module, text)


class _Count:
    """Evaluates one network after the other on the same data."""

    def __init__(
        self,
        session: Session,
        data: str,
        limit: int | None,
        scale: float | None,
        read: str | None,
        jobs: int,
        batch: int,
    ) -> None:
        self.session, self.data, self.limit, self.scale = session, data, limit, scale
        self.output, self.jobs, self.batch = read, jobs, batch

    def inputs(self, path: str | None, module: "Module") -> dict[str, Any] | None:
        """Return all inputs of a file by name, as the network takes them; None without a file."""
        import numpy as np

        from snnc.cli.labelled import Labelled

        if path is None:
            return None
        with self._opened(module, 1) as (_, evaluator):
            labelled = Labelled(path, module, evaluator.classes, None, self.scale)
        batches = list(labelled.batches(1000))
        return {n: np.concatenate([b.values[n] for b in batches]) for n in batches[0].values}

    def run(
        self, module: "Module", ticks: int, name: str, progress: Callable[[str, int, int], None]
    ) -> "Tally":
        """Return the tally of a network, which other processes read from a file."""
        from snnc.cli.commands.eval import Counting
        from snnc.cli.evaluation import Tally
        from snnc.cli.labelled import Labelled
        from snnc.cli.resume import Standing

        with self._opened(module, ticks) as (work, evaluator):
            labelled = Labelled(self.data, module, evaluator.classes, self.limit, self.scale)
            counting = Counting(work, evaluator, labelled, self.batch, self.jobs)
            tell = lambda _, done, total: progress(name, done, total)  # noqa: E731
            return counting.run(Standing(None, "eval", {}), Tally(), tell)[0]

    @contextmanager
    def _opened(self, module: "Module", ticks: int) -> Iterator[tuple["Work", "Evaluator"]]:
        from snnc.cli.evaluation import Work
        from snnc.ir.write import save

        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder, "step.snn"))
            save(module, path)
            plugins = self.session.plugins
            work = Work(path, {}, plugins, "auto", ticks, self.output, True, False)
            yield work, work.evaluator(self.session)


def _row(name: str, tally: "Tally") -> dict[str, Any]:
    report = tally.report()
    kept = ("samples", "correct", "accuracy", "interval_95")
    return {
        "step": name,
        **{key: report[key] for key in kept},
        "spikes_per_sample": sum(report["spikes_per_sample"].values()),
    }


def _show(rows: list[dict[str, Any]], ticks: int) -> None:
    first = rows[0]["accuracy"]
    table = []
    for row in rows:
        low, high = row["interval_95"]
        spikes = row["spikes_per_sample"]
        table.append(
            (
                row["step"],
                f"{row['accuracy']:.2%}",
                f"{low:.2%} to {high:.2%}",
                f"{100 * (row['accuracy'] - first):+.2f}" if row is not rows[0] else "",
                f"{spikes:,.0f}" if spikes else "",
            )
        )
    show_table(
        ("step", "accuracy", "95 % interval", "points", "spikes per sample"),
        table,
        title=f"{rows[0]['samples']:,} samples, {ticks} ticks",
        empty="",
    )
