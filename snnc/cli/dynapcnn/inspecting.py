"""`snnc inspect` of a DYNAP-CNN build: tables, a picture, and what inputs make the chip do."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snnc.cli.printing import counted, show_json, show_pairs, show_table

if TYPE_CHECKING:
    from snnc.driver import Build

BAR = 20
"""Characters of a full bar."""


def inspect(
    build: "Build", inputs: str | None, semantics: str | None, dt: int, draw: str | None, json: bool
) -> None:
    """Print the tables of a build; write its picture where one is wanted."""
    from snnc.cli.dynapcnn import tables
    from snnc.targets.dynapcnn.artifact.assemble import read_module

    placed = read_module(build.placed)
    found: dict[str, Any] = {
        "totals": tables.totals(placed),
        "cores": list(tables.cores(placed)),
        "ports": list(tables.ports(placed)),
        "semantics": build.manifest["options"]["semantics"],
    }
    if inputs is not None:
        found["activity"] = _activity(build, placed, inputs, semantics, dt)
    if draw is not None:
        from snnc.cli.dynapcnn.drawing import drawing
        from snnc.ir.files import write_atomically

        write_atomically(Path(draw), drawing(placed).encode())
        found["drawing"] = draw
    if json:
        show_json(found)
        return
    _show(build, found)
    if draw is not None:
        click.echo(f"wrote {draw}")


def _activity(
    build: "Build", placed: Any, inputs: str, semantics: str | None, dt: int
) -> dict[str, Any]:
    from snnc.cli.dynapcnn import tables
    from snnc.driver.build import named

    trains = build.trains(named(build.module, inputs))
    ran = build.program(semantics).run(trains)
    samples, ticks = next(iter(trains.values())).shape[:2]
    rows = list(tables.activity(placed, ran.state.activity, samples, ticks, dt))
    means = semantics or build.manifest["options"]["semantics"]
    return {"semantics": means, "samples": samples, "ticks": ticks, "dt": dt, "layers": rows}


def _show(build: "Build", found: dict[str, Any]) -> None:
    total = found["totals"]
    click.secho(f"@{build.manifest['name']} on {total['device']}", bold=True)
    shown = {"cores": f"{total['cores'][0]} of {total['cores'][1]}"}
    for name in ("kernel", "neuron", "bias"):
        used, room = total[name]
        share = used / room if room else 0.0
        shown[name] = f"{used:,} of {room:,} words ({share:.1%})"
    shown["runs"] = f"by {found['semantics']} where nothing else is said"
    show_pairs(shown, "  ")
    _cores(found["cores"])
    rows = [(p["value"], p["way"], p["type"], p["layers"]) for p in found["ports"]]
    show_table(("value", "way", "type", "layer of events"), rows, "\nInputs and outputs")
    if "activity" in found:
        _show_activity(found["activity"])


def _cores(rows: list[dict[str, Any]]) -> None:
    def memory(pair: list[int]) -> str:
        used, room = pair
        full = round(BAR * used / room) if room else 0
        return f"{'█' * full}{'·' * (BAR - full)} {used:,}/{room:,}"

    def sends(row: dict[str, Any]) -> str:
        found = []
        for to in row["sends"]:
            pool = f" pool {to['pool']}" if to["pool"] > 1 else ""
            found.append(f"{to['core']}{pool}" + (f" +{to['shift']}" if to["shift"] else ""))
        return ", ".join(found) or ("monitor" if row["monitor"] else "-")

    cells = []
    for row in rows:
        memories = [memory(row[name]) for name in ("kernel", "neuron", "bias")]
        if row["layer"] is None:
            cells.append((str(row["core"]), "-", "", *memories, "", ""))
            continue
        shape = "x".join(map(str, row["neurons"]))
        low_high = f"{row['threshold'][0]}..{row['threshold'][1]}"
        cells.append((str(row["core"]), row["layer"], shape, *memories, low_high, sends(row)))
    columns = ("core", "layer", "neurons", "kernel", "neuron", "bias", "low..high", "sends to")
    show_table(columns, cells, "\nCores, memories in words")


def _show_activity(found: dict[str, Any]) -> None:
    title = (
        f"\nActivity by {found['semantics']}: {counted(found['samples'], 'sample')} of "
        f"{counted(found['ticks'], 'tick')}"
    )
    show_table(
        ("layer", "core", "events in", "weights added", "spikes", "events/s", "weights/s"),
        [
            (
                row["layer"],
                row["core"],
                f"{row['events_per_sample']:,.1f}",
                f"{row['operations_per_sample']:,.1f}",
                f"{row['spikes_per_sample']:,.1f}",
                f"{row['events_per_second']:,.0f}",
                f"{row['operations_per_second']:,.0f}",
            )
            for row in found["layers"]
        ],
        title,
    )
    click.echo(
        f"  Per sample; per second is an estimate for ticks of {found['dt']} us. The vendor "
        "publishes no\n  throughput of a core: cores 0 and 1 compute in parallel and suit the "
        "busiest layers."
    )


def divergence(folder: Path, trains: dict[str, Any]) -> dict[str, Any]:
    """Return how far the semantics are apart on trains of a build's inputs, as plain data."""
    from attrs import asdict

    from snnc.targets.dynapcnn.emulation.divergence import compare

    found = compare(folder, trains)
    return {
        "samples": found.samples,
        "ticks": found.ticks,
        "layers": [asdict(row) for row in found.rows],
        "same_largest_output": dict(found.same),
    }


def show_divergence(found: dict[str, Any]) -> None:
    """Print what `divergence` returned."""
    title = (
        f"Event by event against time steps: {counted(found['samples'], 'sample')} of "
        f"{counted(found['ticks'], 'tick')}"
    )
    show_table(
        ("layer", "core", "spikes in steps", "by events", "ratio", "moved"),
        [
            (
                row["layer"],
                row["core"],
                f"{row['steps']:,}",
                f"{row['events']:,}",
                f"{row['events'] / row['steps']:.3f}" if row["steps"] else "-",
                f"{row['moved']:.1%}",
            )
            for row in found["layers"]
        ],
        title,
    )
    for name, same in found["same_largest_output"].items():
        click.echo(f"  the largest element of %{name} is the same in {same} of {found['samples']}")
