"""`snnc eval`: accuracy with its interval, speed and spikes on labelled data."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import click

from snnc.cli.evaluation import Batch, Tally, Work, batches, read_data, wilson
from snnc.cli.parameters import Command, as_json, engine, network
from snnc.cli.printing import show_json, show_pairs, show_table
from snnc.cli.session import STDIN, Session, is_build, to_terminal

EXAMPLE = """snnc eval net.snnl --data test.npz --scale 255
snnc eval build --data test.npz --scale 255 --limit 200 --jobs 2 --json"""


@click.command(cls=Command, name="eval", example=EXAMPLE)
@network
@click.option(
    "--data",
    required=True,
    metavar="X.npz",
    help="Inputs by name (images or x for the only one) and labels.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Use the first N samples.")
@click.option(
    "--scale", type=float, metavar="S", help="Divide the inputs by S: 255 makes pixels 0..1."
)
@click.option("--ticks", type=click.IntRange(min=1), metavar="N", help="Ticks to run.")
@click.option("--read", metavar="NAME", help="Output to read.  [default: the only one]")
@engine
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    default=1,
    show_default=True,
    help="Processes to use.",
)
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    metavar="N",
    default=100,
    show_default=True,
    help="Samples at a time.",
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
    ticks: int | None,
    jobs: int,
    batch: int,
    activity: bool,
    as_json: bool,
) -> None:
    """Measure accuracy, speed and spikes on labelled data.

    The prediction is the output element with the largest sum over all ticks, the first of equals.
    The interval is Wilson's, 95 %. Results depend on neither --jobs nor --batch.
    """
    if network == STDIN and jobs > 1:
        raise click.UsageError("stdin can be read by one process only: write the text to a file")
    emulated = is_build(network) and engine in ("auto", "emulator")
    work = Work(network, dict(given), session.plugins, engine, ticks, read, activity, emulated)
    evaluator = work.open(session)
    values, labels = read_data(data, evaluator.module, limit, scale, read)
    parts = list(batches(values, labels, batch))
    tally = Tally()
    begun = time.perf_counter()
    for done in _progress(_run(work, evaluator, parts, jobs), len(labels), as_json):
        tally.add(done)
    seconds = time.perf_counter() - begun
    low, high = wilson(tally.correct, tally.samples)
    report = {
        "samples": tally.samples,
        "correct": tally.correct,
        "accuracy": tally.correct / tally.samples,
        "interval_95": [low, high],
        "ties": tally.ties,
        "engine": evaluator.engine,
        "seconds": seconds,
        "samples_per_second": tally.samples / seconds,
        "spikes_per_sample": {n: s / tally.samples for n, s in tally.spikes.items()},
    }
    if as_json:
        show_json(report)
        return
    _show(report)


def _show(report: Mapping[str, Any]) -> None:
    low, high = report["interval_95"]
    show_pairs(
        {
            "accuracy": f"{report['accuracy']:.2%}  ({report['correct']} of {report['samples']}; "
            f"95 % interval {low:.2%} to {high:.2%})",
            "ties": f"{report['ties']} samples with several largest outputs; the first counts",
            "speed": f"{report['samples_per_second']:,.1f} samples/s on {report['engine']}",
        }
    )
    rows = [(name, f"{n:,.2f}") for name, n in report["spikes_per_sample"].items()]
    show_table(("layer", "spikes per sample"), rows, empty="")


def _run(work: Work, evaluator: Any, parts: list[Batch], jobs: int) -> Iterator[Tally]:
    """Yield a tally per batch, in order, from this process or from several."""
    if jobs == 1:
        yield from map(evaluator.run, parts)
        return
    import os
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from snnc.cli.evaluation import begin_process, run_in_process

    # Threads of the linear algebra library beside processes cost more than they give.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with ProcessPoolExecutor(
        jobs, get_context("spawn"), initializer=begin_process, initargs=(work,)
    ) as pool:
        yield from pool.map(run_in_process, parts)


def _progress(done: Iterator[Tally], total: int, quiet: bool) -> Iterator[Tally]:
    """Yield what comes, with a bar on stderr if a person is there to see it."""
    if quiet or not to_terminal():
        yield from done
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("evaluating", total=total)
        for tally in done:
            bar.advance(task, tally.samples)
            yield tally
