"""`snnc inspect` of a PAICORE build: tables, cores by layer, traffic, operations, a picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen

from snnc.cli.paicore import tables
from snnc.cli.paicore.asking import Wanted
from snnc.cli.paicore.energy import estimate, read_profile
from snnc.cli.parameters import holding
from snnc.cli.printing import counted, show_json, show_pairs, show_table
from snnc.cli.session import Session
from snnc.targets.paicore.placed import Placed, read_placed

if TYPE_CHECKING:
    from snnc.driver import Build

COUNTS = (
    "spikes",
    "synaptic_operations",
    "neuron_updates",
    "dendrite_updates",
    "core_ticks",
    "frames_in",
    "frames_out",
)
"""Counts that the traffic does not show."""


@frozen
class Given:
    """What is asked for, the file of inputs, the file of the picture."""

    wanted: Wanted
    inputs: str | None = None
    draw: str | None = None

    @property
    def runs(self) -> bool:
        """Whether there are inputs to run."""
        return self.inputs is not None or self.wanted.data is not None

    def trains(self, build: "Build") -> dict[str, Any]:
        """Return what the chips take on the inputs."""
        from snnc.cli.labelled import Samples
        from snnc.driver.build import named

        wanted = self.wanted
        if wanted.data is None:
            assert self.inputs is not None
            return build.trains(named(build.module, self.inputs))
        held = holding(wanted.hold, wanted.ticks)
        samples = Samples(wanted.data, build.module, wanted.scale, held)
        return build.trains(samples.read(wanted.limit), wanted.ticks)


def inspect(session: Session, build: "Build", given: Given, json: bool) -> None:
    """Print what a build holds; write its picture where one is wanted."""
    placed = read_placed(build.placed)
    found: dict[str, Any] = {
        "totals": tables.totals(placed),
        "layers": list(tables.layers(placed)),
        "cores": list(tables.cores(placed)),
        "ports": list(tables.ports(placed)),
    }
    if given.wanted.map:
        from snnc.cli.paicore.mapping import mapping

        found["map"] = mapping(session, build, placed)
    if given.wanted.map or given.runs:
        found |= _activity(build, placed, given)
    if given.draw is not None:
        from snnc.cli.paicore.drawing import drawing
        from snnc.ir.files import write_atomically

        write_atomically(Path(given.draw), drawing(placed).encode())
        found["drawing"] = given.draw
    if json:
        show_json(found)
    else:
        _show(placed, found)


def _activity(build: "Build", placed: Placed, given: Given) -> dict[str, Any]:
    from snnc.cli.paicore import activity
    from snnc.targets.paicore.reports.traffic import traffic

    profile = given.wanted.energy
    constants = None if profile is None else read_profile(Path(profile))
    rates = activity.uniform(placed)
    if given.runs:
        rates = activity.measured(build, placed, given.trains(build))
    flows = activity.flows(placed, traffic(placed), rates)
    total = activity.summed(flows)
    kind = "measured" if given.runs else "uniform"
    found: dict[str, Any] = {"traffic": {"rates": kind, "senders": flows, "total": total}}
    if given.runs:
        found["activity"] = activity.operations(build, placed, rates, total)
    if constants is not None:
        found["energy"] = estimate(constants, found["activity"])
    return found


def _show(placed: Placed, found: Mapping[str, Any]) -> None:
    total = found["totals"]
    click.secho(f"@{placed.module.name}", bold=True)
    show_pairs(
        {
            "cores": f"{counted(total['cores'], 'core')} in use, {total['cores_idle']} idle, "
            f"on {counted(total['chips'], 'chip')}",
            "dendrites": f"{total['dendrites']:,} of {total['dendrites_available']:,} "
            f"({total['use']:.1%})",
            "wasted": f"{total['wasted']:,} bits of weight memory in the cores in use",
        },
        "  ",
    )
    if "traffic" not in found:
        _layers(found["layers"])
        _cores(found["cores"])
        rows = [(p["value"], p["way"], p["type"], p["at"], p["mask"]) for p in found["ports"]]
        show_table(("value", "way", "type", "chip:core", "mask"), rows, "\nInputs and outputs")
    if "map" in found:
        from snnc.cli.paicore.mapping import show_mapping

        show_mapping(found["map"])
    if "traffic" in found:
        _traffic(found["traffic"], found.get("activity"))
    if "activity" in found:
        _operations(found["activity"])
    if "energy" in found:
        _energy(found["energy"])
    if "drawing" in found:
        click.echo(f"wrote {found['drawing']}")


def _layers(found: list[dict[str, Any]]) -> None:
    columns = ("layer", "shape", "neurons", "copies", "cores", "bits", "extension", "start")
    rows = [{**row, "shape": "x".join(map(str, row["shape"]))} for row in found]
    show_table(columns, [[row[c] for c in columns] for row in rows], "\nLayers")


def _cores(found: list[dict[str, Any]]) -> None:
    show_table(
        ("chip:core", "holds", "neurons", "axons", "bits", "dendrites", "use", "wasted", "start"),
        [
            (
                row["core"],
                row["holds"],
                row["neurons"],
                f"{row['axons']}/{row['axons_available']}",
                row["bits"],
                f"{row['dendrites']}/{row['dendrites_available']}",
                f"{row['use']:.0%}",
                row["wasted"],
                row["start"],
            )
            for row in found
        ],
        "\nCores",
    )


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def _traffic(found: Mapping[str, Any], activity: Mapping[str, Any] | None) -> None:
    title = "one spike of each neuron and input element"
    if activity:
        samples, ticks = counted(activity["samples"], "sample"), counted(activity["ticks"], "tick")
        title = f"a mean of {samples}, {ticks} each"
    rows = [*found["senders"], found["total"]]
    shown = ("frames", "links", "between_chips", "to_host", "deliveries", "spurious", "operations")
    levels = [f"level {n}" for n in range(1, len(found["total"]["links_by_level"]) + 1)]
    show_table(
        ("sender", *(name.replace("_", " ") for name in shown)),
        [(row["sender"], *(_number(row[name]) for name in shown)) for row in rows],
        f"\nTraffic: {title}",
    )
    show_table(
        ("sender", *levels),
        [(row["sender"], *map(_number, row["links_by_level"])) for row in rows],
        "\nLinks by level of the quad tree, from a core up to the root",
    )


def _operations(found: Mapping[str, Any]) -> None:
    click.secho("\nOperations of a mean sample", bold=True)
    shown = {name.replace("_", " "): _number(found[name]) for name in COUNTS}
    shown["configuration"] = f"{found['configuration_words']:,} words, once"
    late = [f"{name} {counted(n, 'tick')}" for name, n in found["latency"].items()]
    shown["latency"] = (
        f"{', '.join(late)}; a sample of {found['ticks']} ticks takes "
        f"{found['ticks_to_last_output']}"
    )
    show_pairs(shown, "  ")


def _energy(found: Mapping[str, Any]) -> None:
    included = [row for row in found["terms"] if row["picojoules"] is not None]
    show_table(
        ("term", "count", "pJ each", "pJ", "status", "source"),
        [
            (
                row["term"].replace("_", " "),
                _number(row["count"]),
                row["picojoules_each"],
                f"{row['picojoules']:,.1f}",
                row["status"],
                row["source"],
            )
            for row in included
        ],
        f"\nEnergy of a mean sample by the profile {found['profile']!r}: an estimate from below",
    )
    left = [name.replace("_", " ") for name in found["not_included"]]
    click.echo(
        f"  at least {found['lower_bound_picojoules']:,.1f} pJ; not included: "
        f"{', '.join(left) or 'nothing'}"
    )
