"""`snnc run`: outputs, and what is probed, for a batch of inputs."""

from collections.abc import Mapping
from typing import Any

import click

from snnc.cli.parameters import (
    Command,
    as_json,
    engine,
    inputs,
    jobs,
    network,
    semantics,
    tick_length,
    ticks,
    values_out,
)
from snnc.cli.printing import show_json, show_table
from snnc.cli.running import Running, execute
from snnc.cli.session import Session

EXAMPLE = """snnc run net.snnl -i x.npz -o y.npz
snnc run build -i x.npz -o trace.npz --probe all
snnc run build -i x.npz -o y.npz --engine emulator --jobs 2
snnc run build --events in.npy -o out.npy --semantics event"""


@click.command(cls=Command, name="run", example=EXAMPLE)
@network
@inputs(required=False)
@click.option(
    "--events",
    metavar="X.npy",
    help="Events in place of -i, for a build that takes them: .npy, .npz, .aedat4 or .bin.",
)
@tick_length
@values_out("outputs, and what is probed")
@engine
@semantics
@ticks
@click.option(
    "--probe",
    metavar="NAMES",
    default="",
    help="Values to trace: all, or a,b,c; potentials of neurons a are a.v.",
)
@jobs
@as_json
@click.pass_obj
def command(
    session: Session,
    network: str,
    given: Mapping[str, str],
    inputs: str | None,
    events: str | None,
    dt: int,
    output: str,
    engine: str,
    semantics: str | None,
    ticks: int | None,
    probe: str,
    jobs: int,
    as_json: bool,
) -> None:
    """Run a network or a build on inputs.

    Of a build the files run, of a network the network; the result is the same, on any engine and in
    any number of processes. Y.npz holds an array per output, (samples, ticks, *shape), and per
    probe. With --events, a file of outputs that ends in .npy gets the events of monitored cores.
    """
    from pathlib import Path

    from snnc.runtime.values import write_values

    names = tuple(name.strip() for name in probe.split(",") if name.strip())
    if (inputs is None) == (events is None):
        raise click.UsageError("give the inputs with -i X.npz, or events with --events")
    running = Running(network, given, session.plugins, engine, ticks, names, semantics)
    if events is not None:
        from snnc.cli.dynapcnn.events import run_events

        run_events(session, running, events, Path(output), dt, as_json)
        return
    result = execute(session, running, str(inputs), jobs)
    arrays = {**result.outputs, **result.trace}
    write_values(Path(output), arrays)
    show_values(output, arrays, set(result.outputs), as_json)


def show_values(output: str, arrays: Mapping[str, Any], outputs: set[str], as_json: bool) -> None:
    """Print what was written to a file, by name."""
    if as_json:
        show_json(
            {
                "file": output,
                "values": {
                    n: {"shape": list(a.shape), "sum": _sum(a), "output": n in outputs}
                    for n, a in arrays.items()
                },
            }
        )
        return
    rows = [(n, "x".join(map(str, a.shape)), a.dtype.name, _sum(a)) for n, a in arrays.items()]
    show_table(("value", "shape", "dtype", "sum"), rows)
    click.echo(f"wrote {output}")


def _sum(array: Any) -> int | float:
    """Return the sum of an array: of a spike train, how many spikes."""
    total = array.sum(dtype="float64" if array.dtype.kind == "f" else "int64").item()
    return total if isinstance(total, int) else float(f"{total:.9g}")
