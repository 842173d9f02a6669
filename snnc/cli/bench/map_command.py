"""`snnc bench map`: cores and links of mappings, beside lower bounds and PAIBox."""

from typing import Any

import click

from snnc.cli.bench.options import runs as runs_option
from snnc.cli.parameters import Command, as_json
from snnc.cli.printing import show_json, show_table
from snnc.cli.session import Session, to_terminal

EXAMPLE = """snnc bench map --case lenet
snnc bench map --suite conv --peer .venv-paibox/bin/python --json
snnc bench map --suite residual --multicast contiguous
snnc bench map --suite growth --plot map.svg"""

SUITES = ("conv", "residual", "fc", "sparse", "growth")


@click.command(cls=Command, name="map", example=EXAMPLE)
@click.option("--case", "only", metavar="TEXT", help="Only cases whose name contains this.")
@click.option("--suite", type=click.Choice(SUITES), multiple=True, help="Only cases of this suite.")
@click.option("--peer", metavar="PYTHON", help="Python of an environment with paibox 1.3.")
@click.option(
    "--limit",
    type=click.FloatRange(min=1),
    metavar="S",
    default=600,
    show_default=True,
    help="Seconds that one compilation may take.",
)
@click.option(
    "--multicast",
    type=click.Choice(("masks", "contiguous", "none")),
    default="masks",
    show_default=True,
    help="As for the target paicore: how far layers are cut.",
)
@runs_option("Rounds of each case that no side needs 5 seconds for.")
@click.option("--verify", is_flag=True, help="Also emulate each build, as snnc verify does.")
@click.option("--plot", metavar="FILE", help="Also draw it, .svg or .png; needs matplotlib.")
@as_json
@click.pass_obj
def command(
    session: Session,
    only: str | None,
    suite: tuple[str, ...],
    peer: str | None,
    limit: float,
    multicast: str,
    runs: int,
    verify: bool,
    plot: str | None,
    as_json: bool,
) -> None:
    """Mapping networks to paicore: cores required and occupied, links, time and memory.

    `bound` is the fewest cores that any mapping needs; `links` are those of the quad tree for one
    spike of every neuron and input element; seconds are the processor's, medians of the runs. With
    --peer, PAIBox maps the same networks, and the columns by the peer are ours divided by its. A
    network that a side cannot map is a row with the reason. `met` is empty where a row has no goal.
    """
    from snnc.cli.bench.mapping import Sides, cases, run

    chosen = [
        case
        for case in cases()
        if (not only or only in case.name) and (not suite or case.net.suite in suite)
    ]
    if not chosen:
        names = ", ".join(dict.fromkeys(case.net.name for case in cases()))
        raise click.BadParameter(f"no case has {only!r} in its name: {names}", param_hint="--case")
    if plot:
        from snnc.cli.bench.plotting import check_plot

        check_plot(plot)

    def tell(name: str) -> None:
        if to_terminal():
            click.echo(f"measuring {name} ...", err=True)

    rows = run(chosen, Sides(peer, limit, verify, multicast, runs), tell)
    if plot:
        from snnc.cli.bench.map_plot import draw

        draw(rows, plot)
    if as_json:
        show_json(rows)
        return
    _show(rows)


def _show(rows: list[dict[str, Any]]) -> None:
    counts = ("bound", "required", "occupied", "links")
    ratios = ("required", "occupied", "links", "seconds")
    shown = []
    for row in rows:
        cells = [row["case"], *(_count(row.get(name)) for name in counts)]
        cells += [_number(row.get("seconds")), _number(row.get("peak_bytes"), 1e6)]
        cells += [_number(row.get("bytes"), 1e6)]
        cells += [_number(row.get(f"{name}_by_peer")) for name in ratios]
        why = row.get("error") or row.get("peer_error") or row["goal"]
        shown.append((*cells, "-" if row["met"] is None else row["met"], why))
    columns = ("case", *counts, "seconds", "peak MB", "MB")
    by_peer = (f"{name} by peer" for name in ratios)
    show_table((*columns, *by_peer, "met", "goal, or what failed"), shown)


def _count(value: Any) -> str:
    return "-" if value is None else f"{value:,}"


def _number(value: Any, unit: float = 1.0) -> str:
    return "-" if value is None else f"{value / unit:.3g}"
