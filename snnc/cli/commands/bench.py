"""`snnc bench`: measurements, each row with its goal."""

from typing import Any

import click

from snnc.cli.bench.map_command import command as mapping
from snnc.cli.bench.options import runs as runs_option
from snnc.cli.bench.sim_command import command as sim
from snnc.cli.parameters import Command, as_json
from snnc.cli.printing import show_json, show_table
from snnc.cli.session import Session, to_terminal

EXAMPLE = """snnc bench compile --json
snnc bench compile --peer .venv-paibox/bin/python --runs 5"""

DYNAPCNN_EXAMPLE = """snnc bench dynapcnn --json
snnc bench dynapcnn --peer .venv-torch/bin/python --runs 5"""


@click.group(name="bench", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Measure the compiler and the emulators."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@command.command(cls=Command, name="compile", example=EXAMPLE)
@runs_option("Runs of each case.")
@click.option("--case", "only", metavar="TEXT", help="Only cases whose name contains this.")
@click.option("--peer", metavar="PYTHON", help="Python of an environment with paibox 1.3.")
@as_json
@click.pass_obj
def compile(session: Session, runs: int, only: str | None, peer: str | None, as_json: bool) -> None:
    """Time, memory and bytes of compiling networks with random int8 weights.

    Measured is from the network in memory to the files on disk, in a process per run; starting
    Python and importing take no part. With --peer each run is followed by one of the peer, and the
    ratio is the median over neighbors. `met` is empty where a row has no goal.
    """
    from snnc.cli.bench.compiling import cases, run

    chosen = [case for case in cases() if not only or only in case.name]
    if not chosen:
        names = ", ".join(case.name for case in cases())
        raise click.BadParameter(f"no case has {only!r} in its name: {names}", param_hint="--case")

    def tell(name: str) -> None:
        if to_terminal():
            click.echo(f"measuring {name} ...", err=True)

    rows = run(chosen, runs, peer, tell)
    if as_json:
        show_json(rows)
        return
    show_table(
        ("case", "seconds", "peak MB", "MB written", "peer s", "ratio", "met", "goal"),
        [
            (
                row["case"],
                _shown(row, "seconds"),
                _shown(row, "peak_bytes", 1e6),
                _shown(row, "bytes", 1e6),
                _shown(row, "peer_seconds"),
                _shown(row, "ratio" if "ratio" in row else "growth"),
                "-" if row["met"] is None else row["met"],
                row["goal"],
            )
            for row in rows
        ],
    )


@command.command(cls=Command, name="dynapcnn", example=DYNAPCNN_EXAMPLE)
@runs_option("Runs of each measurement.")
@click.option("--peer", metavar="PYTHON", help="Python of an environment with torch and sinabs 3.")
@as_json
@click.pass_obj
def dynapcnn(session: Session, runs: int, peer: str | None, as_json: bool) -> None:
    """Compiling for DYNAP-CNN, and its emulators in time steps and event by event.

    The network is that of sinabs' guide with random weights, on one thread, in a process per run.
    With --peer, sinabs runs the same integers in turn, and `ratio` is the median over neighbors.
    `met` is empty where the peer that a goal needs is not there.
    """
    from snnc.cli.bench.dynapcnn import run

    def tell(name: str) -> None:
        if to_terminal():
            click.echo(f"measuring {name} ...", err=True)

    rows = run(runs, peer, tell)
    if as_json:
        show_json(rows)
        return
    show_table(
        ("case", "seconds", "ms/step", "Mop/s", "peak MB", "peer ms/step", "ratio", "met", "goal"),
        [
            (
                row["case"],
                _shown(row, "seconds"),
                _shown(row, "ms_per_step"),
                _shown(row, "operations_per_second", 1e6),
                _shown(row, "peak_bytes", 1e6),
                _shown(row, "peer_ms_per_step"),
                _shown(row, "ratio"),
                "-" if row["met"] is None else row["met"],
                row["goal"],
            )
            for row in rows
        ],
    )


command.add_command(mapping)
command.add_command(sim)


def _shown(row: dict[str, Any], key: str, unit: float = 1.0) -> str:
    return f"{row[key] / unit:.3g}" if key in row else "-"
