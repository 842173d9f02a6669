"""`snnc run`: outputs, and what is probed, for a batch of inputs."""

from collections.abc import Mapping
from typing import Any

import click

from snnc.cli.parameters import (
    Command,
    as_json,
    engine,
    inputs,
    network,
    semantics,
    ticks,
    values_out,
)
from snnc.cli.printing import show_json, show_table
from snnc.cli.session import Session, is_build, refuse_options
from snnc.diagnostics import fail

EXAMPLE = """snnc run net.snnl -i x.npz -o y.npz
snnc run build -i x.npz -o trace.npz --probe all"""


@click.command(cls=Command, name="run", example=EXAMPLE)
@network
@inputs()
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
@as_json
@click.pass_obj
def command(
    session: Session,
    network: str,
    given: Mapping[str, str],
    inputs: str,
    output: str,
    engine: str,
    semantics: str | None,
    ticks: int | None,
    probe: str,
    as_json: bool,
) -> None:
    """Run a network or a build on inputs.

    A build folder runs on the emulator of its files, a network on the fastest exact engine; the
    result is the same. Y.npz holds an array per output, (samples, ticks, *shape), and per probe.
    """
    from pathlib import Path

    from snnc.runtime.values import write_values

    names = tuple(name.strip() for name in probe.split(",") if name.strip())
    result = execute(session, network, inputs, engine, ticks, names, given, semantics)
    arrays = {**result.outputs, **result.trace}
    write_values(Path(output), arrays)
    if as_json:
        show_json(
            {
                "file": output,
                "values": {
                    n: {"shape": list(a.shape), "sum": _sum(a), "output": n in result.outputs}
                    for n, a in arrays.items()
                },
            }
        )
        return
    rows = [(n, "x".join(map(str, a.shape)), a.dtype.name, _sum(a)) for n, a in arrays.items()]
    show_table(("value", "shape", "dtype", "sum"), rows)
    click.echo(f"wrote {output}")


def execute(
    session: Session,
    source: str,
    inputs: str,
    engine: str,
    ticks: int | None,
    probe: tuple[str, ...],
    given: Mapping[str, str] | None = None,
    semantics: str | None = None,
) -> Any:
    """Return the result of a network or build on a file of inputs.

    Raises:
        SnncError: `emulator-needs-build`, and what reading and running raise.
    """
    from snnc.driver import run

    if semantics is not None and (engine != "auto" or not is_build(source)):
        raise click.UsageError("--semantics chooses the emulator of a build; leave --engine out")
    if is_build(source):
        refuse_options(f"{source} is a build, which", given)
        what: Any = session.open(source)
    elif engine == "emulator":
        raise fail(
            "emulator-needs-build",
            f"the emulator runs the files of a build, and {source} is no build folder",
            help=f"compile it first: snnc compile {source} -o DIR",
        )
    else:
        what = session.load(source, given)
    options: dict[str, Any] = {
        "ticks": ticks,
        "probe": probe,
        "engine": engine,
        "plugin": session.plugins,
    }
    return run(what, inputs, semantics=semantics, **options)


def _sum(array: Any) -> int | float:
    """Return the sum of an array: of a spike train, how many spikes."""
    total = array.sum(dtype="float64" if array.dtype.kind == "f" else "int64").item()
    return total if isinstance(total, int) else float(f"{total:.9g}")
