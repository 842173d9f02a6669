"""`snnc eval`: accuracy with its interval, speed and spikes on labelled data."""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import evolve

from snnc.cli.parameters import (
    Command,
    as_json,
    engine,
    hold,
    holding,
    labelled_data,
    network,
    semantics,
    to_file,
)
from snnc.cli.printing import counted, show_json, show_pairs, show_table
from snnc.cli.progress import shown
from snnc.cli.session import Session, is_build

if TYPE_CHECKING:
    from snnc.cli.evaluation import Evaluator, Tally, Work
    from snnc.cli.labelled import Labelled
    from snnc.cli.resume import Standing

EXAMPLE = """snnc eval net.snnl --data test.npz --scale 255
snnc eval build --data test.npz --scale 255 --limit 200 --jobs 2 --json
snnc eval graph --data test.npz --scale 255 --ticks 20 --hold
snnc eval net.snnl --data test.npz --scale 255 --resume count.json"""


@click.command(cls=Command, name="eval", example=EXAMPLE)
@network
@labelled_data
@hold
@engine
@semantics
@click.option(
    "--resume",
    metavar="FILE.json",
    callback=to_file,
    help="Keep the count in a file, and go on with the one that stands there.",
)
@click.option("--activity", is_flag=True, help="Count the spikes of every layer too.")
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
    engine: str,
    semantics: str | None,
    ticks: int | None,
    hold: bool,
    jobs: int,
    batch: int,
    resume: str | None,
    activity: bool,
    as_json: bool,
) -> None:
    """Measure accuracy, speed and spikes on labelled data.

    The prediction is the output element with the largest sum over all ticks, the first of equals;
    where a network of PyTorch reads out the last tick, or the greatest value, the largest of these.
    The interval is Wilson's, 95 %. Results depend on neither --jobs nor --batch. With --resume the
    count stands in a file after each batch, and goes on from there when the command is repeated,
    also with a larger --limit.
    """
    from snnc.cli.evaluation import Work
    from snnc.cli.labelled import Labelled

    held = holding(hold, ticks)
    built = is_build(network) and engine in ("auto", "emulator")
    if semantics is not None and (engine != "auto" or not built):
        raise click.UsageError("--semantics chooses the emulator of a build; leave --engine out")
    work = Work(
        network, dict(given), session.plugins, engine, ticks, read, activity, built, semantics
    )
    evaluator = work.evaluator(session)
    session.tell(evaluator.notes)
    labelled = Labelled(data, evaluator.module, evaluator.classes, limit, scale, held)
    standing = _standing(resume, work, evaluator, labelled)
    begun = _begun(standing, len(labelled))
    counting = Counting(work, evaluator, labelled, batch, jobs)
    with shown(as_json) as progress:
        tally, seconds, ran = counting.run(standing, begun, progress)
    report = tally.report() | {
        "engine": evaluator.engine,
        "seconds": seconds,
        "samples_per_second": ran / seconds if ran else None,
        "resumed_samples": tally.samples - ran,
    }
    if as_json:
        show_json(report)
        return
    _show(report)


def _standing(
    resume: str | None, work: "Work", evaluator: "Evaluator", labelled: "Labelled"
) -> "Standing":
    """Return the file of the count; digests are taken only where there is one."""
    from snnc.cli.resume import Standing
    from snnc.driver.artifact import digest, module_digest
    from snnc.driver.sources import MANIFEST

    if resume is None:
        return Standing(None, "eval", {})
    question = {
        "network": module_digest(evaluator.module),
        "build": digest(Path(work.source, MANIFEST)) if work.built else None,
        "data": digest(Path(labelled.path)),
        "engine": evaluator.engine,
        "ticks": work.ticks,
        "read": evaluator.output,
        "scale": labelled.scale,
        "hold": labelled.hold,
        "activity": work.activity,
    }
    return Standing(Path(resume), "eval", question)


def _begun(standing: "Standing", samples: int) -> "Tally":
    """Return the count so far.

    Raises:
        SnncError: `resume-foreign`, `resume-unreadable`.
    """
    from snnc.cli.evaluation import Tally

    found = standing.read()
    if found is None:
        return Tally()
    begun = Tally.of(found)
    if begun is None or begun.samples > samples:
        raise standing.refuse(
            "its count is damaged"
            if begun is None
            else f"{begun.samples} samples are counted there, and {samples} are asked for"
        )
    return begun


class Counting:
    """A count over samples that are left, in this process or in several."""

    def __init__(
        self, work: "Work", evaluator: "Evaluator", labelled: "Labelled", batch: int, jobs: int
    ) -> None:
        self.work, self.evaluator, self.labelled = work, evaluator, labelled
        self.batch, self.jobs = batch, jobs

    def run(
        self, standing: "Standing", tally: "Tally", progress: Callable[[str, int, int], None]
    ) -> tuple["Tally", float, int]:
        """Return the whole count, and seconds and samples of what was left of it."""
        first, begun = tally.samples, time.perf_counter()
        progress("evaluating", first, len(self.labelled))
        of = f"{len(self.labelled):,} samples"
        with (
            standing.told(lambda: f"{tally.samples:,} of {of}"),
            closing(self._done(first)) as done,
        ):
            for one in done:
                tally.add(one)
                standing.save(tally.data())
                progress("evaluating", tally.samples, len(self.labelled))
        return tally, time.perf_counter() - begun, tally.samples - first

    def _done(self, first: int) -> "Generator[Tally, None, None]":
        from snnc.cli.pool import spread, written

        parts = self.labelled.batches(self.batch, first)
        if self.jobs == 1:
            yield from map(self.evaluator.run, parts)
        elif self.work.built:
            yield from spread(self.work, parts, self.jobs)
        else:
            with written(self.evaluator.module) as source:
                yield from spread(evolve(self.work, source=source, given={}), parts, self.jobs)


def _show(report: Mapping[str, Any]) -> None:
    low, high = report["interval_95"]
    rate = report["samples_per_second"]
    before = report["resumed_samples"]
    show_pairs(
        {
            "accuracy": f"{report['accuracy']:.2%}  ({report['correct']} of {report['samples']}; "
            f"95 % interval {low:.2%} to {high:.2%})",
            "ties": f"{counted(report['ties'], 'sample')} with several largest outputs; the first "
            "counts",
            "speed": f"{rate:,.1f} samples/s on {report['engine']}" if rate else "nothing was left",
        }
        | ({"resumed": f"{counted(before, 'sample')} had been counted before"} if before else {})
    )
    rows = [(name, f"{n:,.2f}") for name, n in report["spikes_per_sample"].items()]
    show_table(("layer", "spikes per sample"), rows, empty="")
