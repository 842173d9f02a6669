"""`snnc compare`: one network on several targets, side by side."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import click

from snnc.cli.failures import UNFIT
from snnc.cli.parameters import (
    Command,
    Named,
    as_json,
    calibrating,
    each_variant,
    hold,
    holding,
    keep_rows,
    labelled_data,
    network,
)
from snnc.cli.printing import show_json, show_table
from snnc.cli.progress import shown
from snnc.cli.session import Session

EXAMPLE = """snnc compare net.snnl --data test.npz --scale 255
snnc compare net.snnl -t paicore -t 'paicore{bits=4}' -t lynxi --data test.npz --scale 255 --json
snnc compare net.snnl -t dynapcnn:all --data test.npz --scale 255 --resume rows.json"""

COLUMNS = ("accuracy", "95 % interval", "spikes per sample", "latency", "cores", "memory kB")

_NAMED = re.compile(r"(?P<name>[^{]*)(?P<options>\{.*\})?", re.DOTALL)


@click.command(cls=Command, name="compare", example=EXAMPLE)
@network
@click.option(
    "-t",
    "--target",
    multiple=True,
    metavar="NAME[:VARIANT|:all][{...}]",
    help="A target, with options in braces: 'paicore{bits=4}', or all its variants: dynapcnn:all; "
    "may be repeated.  [default: all targets]",
)
@calibrating
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
@click.pass_context
def command(
    ctx: click.Context,
    /,
    network: str,
    given: Mapping[str, str],
    target: tuple[str, ...],
    calibrate: str | None,
    jobs: int,
    resume: str | None,
    as_json: bool,
    **rest: Any,
) -> int:
    """Compile and evaluate for several targets, side by side.

    A row has accuracy, spikes of all layers, latency in ticks, cores, and bytes of the chip's
    memory that weights, neurons and states take; or the reason why the target does not take the
    network. The first row is the network itself. Options in braces are those of `snnc compile`
    with the target: bits, per, shrink, pipeline, its own, and PASS.OPTION. The files of each build
    are evaluated, as by eval. Exit status 4: it does not fit one of the targets named, or, where
    none is named, it fits none.
    """
    from snnc.cli.gathering import Gathered
    from snnc.cli.sweeping import ITSELF, Sweep

    session = ctx.find_object(Session)
    assert session is not None
    holding(rest["hold"], rest["ticks"])
    names = each_variant(session, target or session.registry.names("targets"))
    points = [_point(session, text) for text in names]
    fixed = {} if calibrate is None else {"calibrate": calibrate}
    sweep = Sweep(network, dict(given), session.plugins, "", fixed, **rest)
    with shown(as_json) as progress:
        gathered = Gathered(session, sweep, "compare", resume, progress)
        # What is wrong with the network or the data is told before any target is asked.
        found = [*gathered.rows([{}], 1), *gathered.rows(points, jobs)]
    for row in found:
        _refuse_call(row["error"])
    rows = [_row(n, f) for n, f in zip([ITSELF, *names], found, strict=True)]
    if as_json:
        show_json(rows)
    else:
        _show(rows)
    unfit = [not row["fits"] for row in rows[1:]]
    return UNFIT if (any(unfit) if target else all(unfit)) else 0


def _point(session: Session, text: str) -> dict[str, Any]:
    """Return target and options of `NAME[:VARIANT]{option=value ...}`, all of them known.

    It is plain data, as a file of rows gives it back.

    Raises:
        SnncError: what the target's options refuse.
    """
    from snnc.cli.sweeping import MEASURING, SET, TARGET, check_names
    from snnc.diagnostics import SnncError
    from snnc.driver.pipeline import choose
    from snnc.extend.options import declared
    from snnc.extend.pipeline_text import parse

    match = _NAMED.fullmatch(text)
    try:
        (step,) = parse("target" + ((match and match["options"]) or ""))
    except (SnncError, ValueError):
        step = None
    if match is None or step is None:
        raise click.UsageError(f"-t {text}: write NAME[:VARIANT]{{option=value option=value}}")
    target = Named("targets").convert(match["name"].strip(), None, click.get_current_context())
    options = {name.replace("-", "_"): value for name, value in step.options.items()}
    for odd in (TARGET, SET, *MEASURING):
        if any(option.partition(".")[0] == odd for option in options):
            raise click.UsageError(f"-t {text}: {odd} is no option of compiling for a target")
    name = target.partition(":")[0]
    try:
        check_names(session, list(options), [name])
    except SnncError as error:
        raise click.UsageError(f"-t {text}: {error.diagnostics[0].message}") from None
    theirs = {o.name.replace("-", "_") for o in declared(session.registry.get_target(name).Options)}
    choose(session.registry, target, {k: v for k, v in options.items() if k in theirs})
    plain: dict[str, Any] = json.loads(json.dumps({TARGET: target, **options}))
    return plain


def _refuse_call(error: Mapping[str, Any] | None) -> None:
    """Refuse a call with an option that a target has no use for; that says nothing about it."""
    from snnc.cli.commands.check import OURS

    if error is not None and error["code"] in OURS and error["code"] != "plugin-failed":
        raise click.UsageError(f"{error['message']}; {error['help']}")


def _row(name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of JSON, the target's name first."""
    left = {k: v for k, v in found.items() if k not in ("options", "digests")}
    return {"target": name, "fits": not found.get("error"), **left}


def _show(rows: Sequence[Mapping[str, Any]]) -> None:
    failed = any(row["error"] for row in rows)
    body = []
    for row in rows:
        error = row["error"]
        figures = ["-"] * len(COLUMNS) if error else _figures(row)
        reason = f"{error['code']}: {error['message']}" if error else ""
        body.append([row["target"], row["fits"], *figures, *([reason] if failed else [])])
    show_table(["target", "fits", *COLUMNS, *(["why not"] if failed else [])], body)


def _figures(row: Mapping[str, Any]) -> list[str]:
    low, high = row["interval_95"]
    used = row.get("resources", {})
    memory = used.get("memory_bytes")
    return [
        f"{row['accuracy']:.2%}",
        f"{low:.2%} to {high:.2%}",
        f"{row['spikes_per_sample']:,.1f}",
        str(row.get("latency", "-")),
        f"{used['cores']:,}" if "cores" in used else "-",
        "-" if memory is None else f"{memory / 1000:,.1f}",
    ]
