"""`snnc matrix`: time and model slices of a Lynxi build, run for real and timed.

A build of a BIDL configuration knows its devices, and the values between its model slices.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snnc.cli.parameters import Command, as_json, ticks
from snnc.cli.printing import show_json, show_pairs, show_table
from snnc.cli.session import Session
from snnc.diagnostics import fail

if TYPE_CHECKING:
    from snnc.driver import Build
    from snnc.ir.weights import Array

EXAMPLE = """snnc matrix build --times 2 --cut hidden -i x.npz
snnc matrix build --times 5 --cut hidden --step 0.5,0.5 --copies 0.1,0.1,0.2,0.05 -o gantt.svg"""


@click.command(cls=Command, name="matrix", example=EXAMPLE)
@click.argument("folder", metavar="DIR")
@click.option(
    "--times",
    type=click.IntRange(min=1),
    help="Time slices; the rows of lynxi_devices, or 1, if not given.",
)
@click.option(
    "--cut",
    multiple=True,
    metavar="NAME",
    help="Value behind which a model slice ends; those of lynxi_devices if not given.",
)
@click.option("-i", "--inputs", metavar="X.npz", help="Inputs; seeded random ones if not given.")
@ticks
@click.option(
    "--step", metavar="T,...", help="Duration of a step, per model slice; 1 over their number."
)
@click.option(
    "--copies",
    metavar="IN,OUT,MEM,SYNC",
    default="0,0,0,0",
    help="Duration of copying inputs, outputs and states of a slice, and of what ends a sample.",
)
@click.option("-o", "--output", metavar="FILE.svg", help="Write a picture of the timeline.")
@as_json
@click.pass_obj
def command(
    session: Session,
    folder: str,
    times: int | None,
    cut: tuple[str, ...],
    inputs: str | None,
    ticks: int | None,
    step: str | None,
    copies: str,
    output: str | None,
    as_json: bool,
) -> None:
    """Slice a Lynxi build over devices; run and time them.

    A build of a configuration of BIDL that states lynxi_devices is sliced for
    these. Every device is an emulator of its own; states go to the next time
    slice as bytes. The outputs are compared with those of the whole build, and a
    difference is exit status 3.
    """
    build = session.open(folder)
    if build.target.level != "lynxi":
        raise fail(
            "no-matrix",
            f"{folder} is for {build.manifest['target']}; only graphs of one step are sliced",
            help="compile the network with -t lynxi",
        )
    from snnc.targets.lynxi.devices.gantt import picture
    from snnc.targets.lynxi.devices.timing import Costs, timeline

    told: Mapping[str, Any] = build.module.attrs
    devices = told.get("devices", ())
    if devices and not cut:
        cut = _stated(folder, devices, told.get("cuts", ()))
    times = times or len(devices) or 1
    count, equal = _run(build, times, cut, inputs, ticks)
    steps = _numbers("step", step, len(cut) + 1) or [1 / (len(cut) + 1)] * (len(cut) + 1)
    given = _numbers("copies", copies, 4) or [0.0] * 4
    line = timeline(count, times, Costs(tuple(steps), *given))
    found: dict[str, Any] = {
        "devices": f"{times} x {len(cut) + 1}",
        "ticks": count,
        "equal": equal,
        "latency": line.latency,
        "period": line.period,
    }
    if output:
        from snnc.ir.files import write_atomically

        title = f"{build.manifest['name']}: {times} time x {len(cut) + 1} model slices"
        write_atomically(Path(output), picture(line, title).encode())
    if as_json:
        show_json(found)
    else:
        show_pairs(found)
        rows = [
            (_device(devices, w.time, w.model), w.start, w.inference, w.end) for w in line.works
        ]
        heads = ("device", "begins", "steps done", "free again")
        show_table(heads, rows[: times * (len(cut) + 1)], "\nFirst sample")
        if output:
            click.echo(f"wrote {output}")
    if not equal:
        raise click.exceptions.Exit(3)


def _stated(
    folder: str, devices: tuple[tuple[int, ...], ...], cuts: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the values at which the columns of lynxi_devices ask for a cut."""
    columns = len(devices[0])
    if columns == 1:
        return ()
    if len(cuts) + 1 != columns:
        raise fail(
            "device-matrix",
            f"lynxi_devices has {columns} columns, {folder} {len(cuts) + 1} model slices",
            help="say with --cut where a model slice ends, once for each but the last",
        )
    return cuts


def _device(devices: tuple[tuple[int, ...], ...], time: int, model: int) -> str:
    """Return a place of the matrix, with the device that the configuration puts there."""
    stated = time < len(devices) and model < len(devices[time])
    return f"({time}, {model})" + (f" device {devices[time][model]}" if stated else "")


def _run(
    build: "Build", times: int, names: tuple[str, ...], inputs: str | None, ticks: int | None
) -> tuple[int, bool]:
    """Return how many ticks ran, and whether the matrix gave what the build gives."""
    import numpy as np

    from snnc.driver.stimuli import stimuli
    from snnc.targets.lynxi.artifact.assemble import to_artifact
    from snnc.targets.lynxi.devices.pipeline import run_matrix
    from snnc.targets.lynxi.devices.slices import cut
    from snnc.targets.lynxi.emulate import Emulator

    whole = Emulator.of(to_artifact(build.placed))
    slices = [Emulator.of(to_artifact(module)) for module in cut(build.placed, names)]
    given: dict[str, Array]
    if inputs is None:
        given = dict(list(stimuli(build.placed, ticks or max(10, times)))[-1][1])
    else:
        from snnc.runtime.values import read_values, types_of

        values = read_values(Path(inputs), types_of(build.module.graph.inputs))
        given = build.trains(values, ticks)
    samples, count = next(iter(given.values())).shape[:2]
    if not samples or not count:
        raise fail(
            "nothing-to-compare",
            f"the inputs hold {samples} samples of {count} ticks: nothing can be sliced",
            help="give inputs of at least one sample and one tick",
        )
    expected = whole.run(given).outputs
    actual = run_matrix(slices, times, given, count)
    return count, all(np.array_equal(expected[n], actual[n], equal_nan=True) for n in expected)


def _numbers(name: str, text: str | None, count: int) -> list[float] | None:
    """Return numbers of the command line, as many as are needed."""
    if text is None:
        return None
    try:
        made = [float(part) for part in text.split(",")]
    except ValueError:
        made = []
    if len(made) != count or not all(0 <= n < float("inf") for n in made):
        raise click.UsageError(f"--{name} {text}: give {count} numbers, separated by commas")
    return made
