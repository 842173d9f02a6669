"""`snnc sweep`: a product of options, compiled and evaluated, in one table."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from snnc.cli.failures import REFUSED
from snnc.cli.parameters import (
    DEFAULT_TARGET,
    Command,
    Named,
    as_json,
    hold,
    holding,
    keep_rows,
    labelled_data,
    network,
    quantizing,
)
from snnc.cli.printing import show_json, show_table
from snnc.cli.progress import shown
from snnc.cli.session import Session

if TYPE_CHECKING:
    from snnc.cli.sweeping import Sweep

EXAMPLE = """snnc sweep net.snnl --data test.npz --grid bits=8,4,2 --grid per=layer,channel
snnc sweep net.snnl --data test.npz --grid target=paicore,dynapcnn --limit 500 --csv
snnc sweep net.snnl --data test.npz --grid bits=4,2 --grid quantize.scale=max,mse --resume s.json"""

SHOWN = ("chips", "cores", "neurons")
"""Resources that stand in the table; JSON and CSV have all."""


@click.command(cls=Command, name="sweep", example=EXAMPLE)
@network
@click.option(
    "--grid",
    multiple=True,
    required=True,
    metavar="NAME=A,B,C",
    help="An option and its values; may be repeated.",
)
@click.option(
    "-t",
    "--target",
    type=Named("targets"),
    metavar="NAME[:VARIANT]",
    default=DEFAULT_TARGET,
    show_default=True,
    help="What to compile for.",
)
@click.option("-p", "--pipeline", metavar="TEXT", help="Passes in place of the target's.")
@quantizing
@labelled_data
@hold
@click.option(
    "--engine",
    type=click.Choice(["auto", "emulator"]),
    default="auto",
    help="auto runs the files of a build on the fastest engine, emulator on the target's own.",
)
@keep_rows
@as_json
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.pass_obj
def command(
    session: Session,
    /,
    network: str,
    given: Mapping[str, str],
    grid: tuple[str, ...],
    target: str,
    resume: str | None,
    jobs: int,
    as_json: bool,
    as_csv: bool,
    **rest: Any,
) -> int:
    """Compile and evaluate a product of options, into one table.

    NAME is bits, per, shrink, pipeline, calibrate or target; an option of the target (group);
    PASS.OPTION (quantize.scale); set.NAME for the front end; ticks. Values with commas stand in
    brackets, braces or quotes. A point that is refused is a row with the reason. The files of each
    build are evaluated, as by eval. Exit status 1: every point was refused.
    """
    from snnc.cli.gathering import Gathered
    from snnc.cli.sweeping import check_names, points, read_axis

    if as_json and as_csv:
        raise click.UsageError("--json or --csv, not both")
    axes = [read_axis(text) for text in grid]
    wanted = points(axes)
    names = [name for name, _ in axes]
    targets = dict(axes).get("target", (target,))
    check_names(session, names, [str(name).partition(":")[0] for name in targets])
    _check_once(names)
    if "ticks" not in names:
        holding(rest["hold"], rest["ticks"])
    sweep = _sweep(session, network, dict(given), target, rest)
    with shown(as_json or as_csv) as progress:
        rows = Gathered(session, sweep, "sweep", resume, progress).rows(wanted, jobs)
    if as_json:
        show_json(rows)
    elif as_csv:
        click.echo(_csv(rows, names), nl=False)
    else:
        _show(rows, names)
    return REFUSED if all(row["error"] for row in rows) else 0


def _check_once(names: Sequence[str]) -> None:
    """Refuse an axis of what is given by an option of its own too."""
    from snnc.cli.sweeping import DIRECT, MEASURING

    ctx = click.get_current_context()
    for name in (n for n in names if n in DIRECT + MEASURING):
        option = "no_shrink" if name == "shrink" else name
        if ctx.get_parameter_source(option) is ParameterSource.COMMANDLINE:
            flag = option.replace("_", "-")
            raise click.UsageError(f"{name} is given by --grid and by --{flag}; leave one out")


def _sweep(
    session: Session, network: str, given: dict[str, str], target: str, rest: dict[str, Any]
) -> "Sweep":
    """Return what is the same at all points."""
    from snnc.cli.sweeping import Sweep

    fixed = {name: rest.pop(name) for name in ("pipeline", "bits", "per", "calibrate")}
    fixed = {name: value for name, value in fixed.items() if value is not None}
    if rest.pop("no_shrink"):
        fixed["shrink"] = False
    return Sweep(network, given, session.plugins, target, fixed, **rest)


def _csv(rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> str:
    from snnc.cli.sweeping import flat

    cells = [dict(flat(row, names)) for row in rows]
    longest = max(cells, key=len)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(longest), lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(cells)
    return stream.getvalue()


def _show(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    from snnc.cli.sweeping import flat

    taken = [key for key in SHOWN if any(key in row.get("resources", {}) for row in rows)]
    failed = any(row["error"] for row in rows)
    body = []
    for row in rows:
        cells = dict(flat(row, names))
        if row["error"]:
            figures = ["-"] * (4 + len(taken))
        else:
            figures = [
                f"{row['accuracy']:.2%}",
                f"{cells['interval_low']:.2%} to {cells['interval_high']:.2%}",
                *(_count(row["resources"].get(key)) for key in taken),
                f"{row['spikes_per_sample']:,.1f}",
                f"{row['compile_seconds']:.2f}",
            ]
        reason = f"{cells['error']}: {cells['message']}" if row["error"] else ""
        body.append([*(cells[n] for n in names), *figures, *([reason] if failed else [])])
    columns = [n.replace("_", "-") for n in names]
    columns += ["accuracy", "95 % interval", *taken, "spikes per sample", "compile s"]
    show_table([*columns, *(["why not"] if failed else [])], body)


def _count(value: int | None) -> str:
    """Return a number of something that not every target has."""
    return "-" if value is None else f"{value:,}"
