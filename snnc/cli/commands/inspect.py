"""`snnc inspect` and `snnc where`: what lies where in a build."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snnc.cli.paicore.asking import Wanted, asked
from snnc.cli.parameters import Command, as_json, inputs, semantics, tick_length, to_file
from snnc.cli.printing import show_json, show_pairs, show_table
from snnc.cli.session import Session
from snnc.diagnostics import fail

if TYPE_CHECKING:
    from snnc.driver import Build
    from snnc.targets.paicore.placed import Placed

EXAMPLE = """snnc inspect build
snnc inspect build --map --draw build.svg
snnc inspect build -i x.npz --json | python -m json.tool"""

WHERE_EXAMPLE = """snnc where build hidden
snnc where build 'hidden[17]'
snnc where build 0,3"""

WORDS = {"reset": ("hard", "soft", "none"), "negative_mode": ("reset", "floor")}
"""What codes of a neuron record mean; JSON has the codes."""


def check_cores(build: "Build", folder: str) -> None:
    """Refuse a build of another target than PAICORE.

    Raises:
        SnncError: `no-cores`.
    """
    if build.target.level != "paicore":
        raise fail(
            "no-cores",
            f"{folder} is for {build.manifest['target']}, which has no cores to look into",
            help=f"print its program instead: snnc disassemble {folder}",
        )


def placed_of(session: Session, folder: str) -> "Placed":
    """Return the placed program of a PAICORE build.

    Raises:
        SnncError: `no-cores` for a build of another target.
    """
    build = session.open(folder)
    check_cores(build, folder)
    from snnc.targets.paicore.placed import read_placed

    return read_placed(build.placed)


@click.command(cls=Command, name="inspect", example=EXAMPLE)
@click.argument("folder", metavar="DIR")
@inputs(required=False)
@semantics
@tick_length
@click.option("--draw", metavar="FILE.svg", callback=to_file, help="Draw the cores.")
@asked
@as_json
@click.pass_obj
def inspect(
    session: Session,
    folder: str,
    inputs: str | None,
    semantics: str | None,
    dt: int,
    draw: str | None,
    wanted: Wanted,
    as_json: bool,
) -> None:
    """Tables of a build: cores, layers, use of the chip.

    Read from the target's files. For dynapcnn: the words of each core's memories; with -i also the
    events, added weights and spikes that inputs cause, and estimated rates for ticks of --dt.

    For paicore: a core that takes spikes has 512 dendrites, one that takes values up to 4096; a
    neuron takes weight bits times axon extension of them. `use` is the share of dendrites taken,
    `wasted` the weight bits left over. --map shows instead, by layer, the cores required and
    occupied beside the fewest that any mapping needs, and links of the quad tree, deliveries and
    operations for one spike of every neuron; with -i or --data, for the spikes that inputs cause.
    For a build for lynxi: the model informations that the vendor's runtime prints, and the states.
    """
    if (build := session.open(folder)).target.level == "dynapcnn":
        from snnc.cli.dynapcnn.inspecting import inspect as inspect_chip

        if wanted.anything:
            raise click.UsageError("--map, --data and --energy are for builds for paicore")
        inspect_chip(build, inputs, semantics, dt, draw, as_json)
        return
    if semantics is not None:
        raise click.UsageError("--semantics is for builds for dynapcnn")
    describe = getattr(build.target, "describe", None)
    if describe is not None:
        if wanted.anything or inputs is not None or draw is not None:
            raise click.UsageError("--map, -i, --data, --energy and --draw show chips of cores")
        _informations(describe(Path(folder)), as_json)
        return
    check_cores(build, folder)
    wanted.check(inputs)
    from snnc.cli.paicore.inspecting import Given
    from snnc.cli.paicore.inspecting import inspect as inspect_cores

    inspect_cores(session, build, Given(wanted, inputs, draw), as_json)


def _informations(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(found)
        return
    states = found.pop("states")
    title = "######## model informations ########"
    click.secho(title, bold=True)
    for name, value in found.items():
        # The vendor prints the element of the first tensor; where others differ, all are told.
        kinds = list(dict.fromkeys(value)) if name.endswith("datatype") else []
        click.echo(f"{name}: {kinds[0] if len(kinds) == 1 else value}")
    click.echo("#" * len(title))
    rows = [(s["flag"], "x".join(map(str, s["shape"])), s["addr"], s["size"]) for s in states]
    show_table(("state", "shape", "address", "bytes"), rows, "\nStates of one lane")


@click.command(cls=Command, name="where", example=WHERE_EXAMPLE)
@click.argument("folder", metavar="DIR")
@click.argument("what", metavar="LAYER|LAYER[INDEX]|CORE")
@as_json
@click.pass_obj
def where(session: Session, folder: str, what: str, as_json: bool) -> None:
    """Where a layer or neuron lies; what a core holds.

    LAYER is a layer or an input of the network; INDEX one flat number or one per axis. CORE is X,Y
    or CHIPX,CHIPY:X,Y. For a neuron: its core, its number there, its address in the neuron memory,
    and the region, axon and slot that it sends to. For dynapcnn CORE is a number, and a neuron has
    the layer, feature, y and x of its events.
    """
    title, rows = _found(session, folder, what)
    if as_json:
        show_json({"what": what, "found": rows})
    elif len(rows) == 1:
        click.secho(title, bold=True)
        show_pairs({k.replace("_", " "): _word(k, v) for k, v in rows[0].items()}, "  ")
    else:
        columns = list(rows[0]) if rows else []
        cells = [[row[c] for c in columns] for row in rows]
        show_table([c.replace("_", " ") for c in columns], cells, title)


def _found(session: Session, folder: str, what: str) -> tuple[str, list[dict[str, Any]]]:
    if (build := session.open(folder)).target.level == "dynapcnn":
        from snnc.cli.dynapcnn.places import find as find_on_chip
        from snnc.targets.dynapcnn.artifact.assemble import read_module

        return find_on_chip(read_module(build.placed), what)
    from snnc.cli.paicore.places import find

    return find(placed_of(session, folder), what)


def _word(name: str, value: Any) -> Any:
    """Return what the code of a neuron record means, other values as they are."""
    words = WORDS.get(name, ())
    return words[value] if isinstance(value, int) and value < len(words) else value
