"""`snnc bench sim`: the native engine beside other simulators."""

from pathlib import Path
from typing import Any

import click

from snnc.cli.bench.options import runs as runs_option
from snnc.cli.parameters import Command, as_json, keep_rows
from snnc.cli.printing import show_json, show_table
from snnc.cli.resume import Standing
from snnc.cli.session import Session, to_terminal

EXAMPLE = """snnc bench sim --only LeNet --only VGG
snnc bench sim --full --list
snnc bench sim --torch .venv-torch/bin/python --paibox .venv-paibox/bin/python --json
snnc bench sim --full --torch .venv-torch/bin/python --runs 1 --resume sim.json --plot sim.svg"""


@click.command(cls=Command, name="sim", example=EXAMPLE)
@runs_option("Rounds of each case, a process per side.")
@click.option(
    "--only",
    "--case",
    metavar="TEXT",
    multiple=True,
    help="Only cases whose name contains this, or another --only.",
)
@click.option("--full", is_flag=True, help="Also 64 ticks, 256 samples, and rates of 2 and 30 %.")
@click.option("--list", "only_list", is_flag=True, help="List the cases and measure nothing.")
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="N",
    multiple=True,
    default=(1,),
    show_default=True,
    help="Threads of every side; given several times, the best number counts.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.01),
    metavar="S",
    default=0.5,
    show_default=True,
    help="How long each process measures.",
)
@click.option("--torch", metavar="PYTHON", help="Python of an environment with torch frameworks.")
@click.option("--paibox", metavar="PYTHON", help="Python of an environment with paibox 1.3.")
@keep_rows
@click.option("--plot", metavar="FILE", help="Also draw it, .svg or .png; needs matplotlib.")
@as_json
@click.pass_obj
def command(
    session: Session,
    runs: int,
    only: tuple[str, ...],
    full: bool,
    only_list: bool,
    threads: tuple[int, ...],
    seconds: float,
    torch: str | None,
    paibox: str | None,
    resume: str | None,
    plot: str | None,
    as_json: bool,
) -> None:
    """Simulating integer networks with the native engine, beside other simulators.

    Every side runs the same weights and spikes in a process of its own. `share` is the part of the
    products per second that this machine's best dense kernel makes, all products of a network
    counted. `met` is empty where a row has no goal, or the peer of its goal is not there.
    """
    from snnc.cli.bench.sim_goals import best_framework
    from snnc.cli.bench.simulating import Sides, cases, run

    chosen = [case for case in cases(full) if not only or any(t in case.name for t in only)]
    if not chosen:
        known = ", ".join(dict.fromkeys(case.net.name for case in cases(full)))
        asked = " or ".join(map(repr, only))
        hint = "'--only' / '--case'"
        raise click.BadParameter(f"no case has {asked} in its name: {known}", param_hint=hint)
    if only_list:
        names = [case.name for case in chosen]
        if as_json:
            show_json(names)
        else:
            click.echo("\n".join(names))
        return
    if plot:
        from snnc.cli.bench.plotting import check_plot

        check_plot(plot)

    def tell(name: str) -> None:
        if to_terminal():
            click.echo(f"measuring {name} ...", err=True)

    sides = Sides(torch, paibox, tuple(sorted(set(threads))), runs, seconds)
    standing = Standing(Path(resume) if resume else None, "bench sim", sides.question)
    with standing.told(lambda: "the rows that were measured"):
        rows = run(chosen, sides, standing, tell)
    if plot:
        from snnc.cli.bench.plotting import draw

        draw(rows, plot)
    if as_json:
        show_json(rows)
        return
    columns = ("case", "us/step", "share", "peak MB", "best torch", "paibox", "met", "goal")
    show_table(
        columns,
        [
            (
                row["case"],
                _shown(row.get("us_per_step")),
                _shown(row.get("share")),
                _shown(row["peak_bytes"] / 1e6 if "peak_bytes" in row else None),
                _ratio(best_framework(row) if "peers" in row else row["growth"]),
                _ratio(row.get("peers", {}).get("paibox", {}).get("ratio")),
                "-" if row["met"] is None else row["met"],
                row["goal"],
            )
            for row in rows
        ],
    )


def _shown(value: Any) -> str:
    return "-" if value is None else f"{value:.3g}"


def _ratio(value: Any) -> str:
    return f"{value:.3g}x" if value else "-"
