"""Events of a DYNAP-CNN build on the command line: run, encode, decode."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snnc.cli.printing import counted, show_json
from snnc.cli.running import Running
from snnc.cli.session import Session, is_build
from snnc.diagnostics import fail

if TYPE_CHECKING:
    from snnc.driver import Build
    from snnc.targets.dynapcnn.artifact.records import Placed

LEVEL = "dynapcnn"


def run_events(
    session: Session, running: Running, path: str, output: Path, dt: int, as_json: bool
) -> None:
    """Run a build on a file of events; write and show what comes out.

    An output `.npy` gets the events of monitored cores, `.npz` the counts of each tick.

    Raises:
        SnncError: `no-events` for targets without events, and what reading and running raise.
    """
    from snnc.cli.commands.run import show_values
    from snnc.runtime.values import write_values
    from snnc.targets.dynapcnn.emulation import stream
    from snnc.targets.dynapcnn.recordings.event_files import read_events, write_events

    if not is_build(running.source) or running.engine != "auto":
        raise click.UsageError("--events runs the emulator of a build; leave --engine out")
    build = session.open(running.source)
    if build.target.level != LEVEL:
        raise fail(
            "no-events",
            f"{running.source} is for {build.manifest['target']}, which takes no events",
            help="give arrays with -i X.npz",
        )
    program: Any = build.program(running.semantics)
    session.tell(build.notes(semantics=running.semantics))
    found = stream.run(program, read_events(Path(path)), dt, running.ticks, running.probe)
    if output.suffix == ".npy":
        write_events(output, found.events)
        _told(output, len(found.events), dt, as_json)
        return
    arrays = {**found.outputs, **found.trace}
    write_values(output, arrays)
    show_values(str(output), arrays, set(found.outputs), as_json)


def _told(output: Path, events: int, dt: int, as_json: bool) -> None:
    if as_json:
        show_json({"file": str(output), "events": events, "dt": dt})
    else:
        click.echo(f"wrote {output}: {counted(events, 'event')}, ticks of {dt} us")


def encode(build: "Build", trains: dict[str, Any], output: Path, dt: int, as_json: bool) -> None:
    """Write the events of one sample (1, ticks, *shape), and say how many."""
    from snnc.targets.dynapcnn.emulation.stream import encode_sample
    from snnc.targets.dynapcnn.recordings.event_files import write_events

    events = encode_sample(_records(build), trains, None, dt)
    write_events(output, events)
    _told(output, len(events), dt, as_json)


def decode(build: "Build", files: tuple[str, ...], dt: int, ticks: int | None) -> dict[str, Any]:
    """Return outputs (1, ticks, *shape) by name from the events of a board, in order.

    Raises:
        SnncError: `event-layer` where a file names no layers, and what reading refuses.
    """
    import numpy as np

    from snnc.targets.dynapcnn.emulation.stream import decode as to_outputs
    from snnc.targets.dynapcnn.recordings.event_files import read_events

    parts = [read_events(Path(name)) for name in files]
    for name, part in zip(files, parts, strict=True):
        if "layer" not in (part.dtype.names or ()):
            raise fail(
                "event-layer",
                f"the events of {name} name no layer, so it is not known which core said them",
                help="keep the field `layer` of what the board sends",
            )
    events = np.concatenate(parts)
    last = int(events["timestamp"].max(initial=0))
    return to_outputs(_records(build), events, ticks or last // dt + 1, dt)


def _records(build: "Build") -> "Placed":
    """Return what the files of a build say."""
    from snnc.targets.dynapcnn.artifact.assemble import read_module

    return read_module(build.placed)
