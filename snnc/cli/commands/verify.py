"""`snnc verify`: the files of a build, emulated alone, against the reference."""

from typing import TYPE_CHECKING, Any

import click

from snnc.cli.failures import DIFFERENT
from snnc.cli.parameters import Command, Named, as_json, front_end, inputs
from snnc.cli.printing import counted, show_json, show_pairs
from snnc.cli.progress import shown
from snnc.cli.session import Session, refuse_options

if TYPE_CHECKING:
    from snnc.driver import Build
    from snnc.ir.graph import Module
    from snnc.runtime.compare import Difference

EXAMPLE = """snnc verify build
snnc verify build -i x.npz --against net.snnl
snnc verify build --engine auto
snnc verify speck -i x.npz --semantics event"""


@click.command(cls=Command, name="verify", example=EXAMPLE)
@click.argument("folder", metavar="DIR")
@inputs(required=False)
@click.option("--against", metavar="NET", help="Network to compare with.  [default: model.snn]")
@click.option(
    "--semantics",
    metavar="event",
    help="Say how far dynapcnn's event by event emulation is from what was verified.",
)
@click.option(
    "--engine",
    type=Named("engines", "auto", "emulator"),
    default="emulator",
    metavar="NAME",
    help="What runs the files: emulator, or auto as run does, or an engine.  [default: emulator]",
)
@front_end
@as_json
@click.pass_obj
def command(
    session: Session,
    folder: str,
    inputs: str | None,
    against: str | None,
    semantics: str | None,
    engine: str,
    given: dict[str, str],
    as_json: bool,
) -> int:
    """Emulate a build and compare it with the reference.

    The emulator gets a copy of the folder without the program, so it can only know what the files
    say; with --engine auto it is what run takes. Without -i, seeded random and adversarial inputs
    are tried. Compared are all outputs, and spikes and potentials of every layer, at every tick;
    real numbers where the files have real numbers.
    Exit status 3: they differ; the first difference is shown.

    Builds for dynapcnn are verified in time steps. One that runs event by event, as the chip does,
    is then compared with that: how many spikes each layer makes, and whether outputs agree.
    """
    from snnc.driver.build import named

    if not against:
        refuse_options("model.snn", given)
    build = session.open(folder)
    module = session.load(against, given) if against else None
    values = None if inputs is None else named(module or build.module, inputs)
    with shown(as_json) as progress:
        found = build.verify(values, module, progress, engine)
    apart = _apart(session, build, folder, semantics, values) if found.equal else None
    if as_json:
        show_json(
            {
                "equal": found.equal,
                "samples": found.samples,
                "sample_ticks": found.ticks,
                "compared": list(found.compared),
                "stimulus": found.stimulus,
                "difference": difference_data(found.difference),
                **({} if apart is None else {"event": apart}),
            }
        )
    elif found.difference is None:
        click.echo(
            f"equal: {counted(found.samples, 'sample')}, {counted(found.ticks, 'tick')} in all, "
            + _compared(found.compared, module or build.module)
        )
    else:
        click.secho(f"different, on input '{found.stimulus}'", fg="red", bold=True)
        show_difference(found.difference, ("program", "build"))
    if apart is not None and not as_json:
        from snnc.cli.dynapcnn.inspecting import show_divergence

        show_divergence(apart)
    return 0 if found.equal else DIFFERENT


def _compared(names: tuple[str, ...], module: "Module") -> str:
    """Return how many values of each kind were compared."""
    from snnc.ir.analysis import makers

    potentials = {name for name in names if name.endswith(".v")}
    reals = {v.name for v in makers(module.graph) if v.type.element.is_float}
    others = [name for name in names if name not in potentials]
    sums = sum(name in reals for name in others)
    text = f"{counted(len(others) - sums, 'spike train')} and potentials of "
    text += counted(len(potentials), "layer")
    return text + (f", {counted(sums, 'real value')}" if sums else "")


def _apart(
    session: Session, build: "Build", folder: str, semantics: str | None, inputs: Any
) -> dict[str, Any] | None:
    """Return how far the other semantics of a build are from what was verified, if it has some."""
    from pathlib import Path

    if semantics is not None:
        build.program(semantics)
    if (semantics or build.manifest["options"].get("semantics")) != "event":
        return None
    session.tell(build.notes(semantics="event"))
    from snnc.cli.dynapcnn.inspecting import divergence
    from snnc.driver.exactness import trial_ticks
    from snnc.driver.stimuli import stimuli

    ticks = trial_ticks(build.module)
    tried = dict(stimuli(build.module, ticks))["sparse random"] if inputs is None else inputs
    return divergence(Path(folder), build.trains(tried, ticks if inputs is None else None))


def difference_data(found: "Difference | None") -> dict[str, Any] | None:
    """Return a difference as plain data, None where there is none."""
    if found is None:
        return None
    return {
        "tick": found.tick,
        "value": found.name,
        "sample": found.sample,
        "neuron": list(found.index),
        "left": found.left,
        "right": found.right,
    }


def show_difference(found: "Difference", sides: tuple[str, str]) -> None:
    """Print where two sides first part, and both numbers."""
    show_pairs(
        {
            "first tick": found.tick,
            "layer": f"%{found.name}",
            "sample": found.sample,
            "neuron": f"[{', '.join(map(str, found.index))}]",
            sides[0]: f"{found.left:g}",
            sides[1]: f"{found.right:g}",
        },
        "  ",
    )
