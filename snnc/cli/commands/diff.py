"""`snnc diff`: where two networks, builds or traces part."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from snnc.cli.commands.verify import difference_data, show_difference
from snnc.cli.failures import DIFFERENT
from snnc.cli.parameters import Command, as_json, front_end, inputs, ticks
from snnc.cli.printing import counted, show_json
from snnc.cli.running import Running, execute
from snnc.cli.session import STDIN, Session, is_build, refuse_options
from snnc.diagnostics import fail

EXAMPLE = """snnc diff net.snn build -i x.npz
snnc diff y1.npz y2.npz"""


@click.command(cls=Command, name="diff", example=EXAMPLE)
@click.argument("left", metavar="A")
@click.argument("right", metavar="B")
@inputs(required=False)
@front_end
@ticks
@click.option(
    "--only",
    metavar="NAMES",
    default="",
    help="Values to compare: a,b,c, or outputs, or all.  [default: outputs and common spikes]",
)
@as_json
@click.pass_obj
def command(
    session: Session,
    left: str,
    right: str,
    inputs: str | None,
    given: Mapping[str, str],
    ticks: int | None,
    only: str,
    as_json: bool,
) -> int:
    """Find where two networks or builds part.

    A and B are networks, build folders, or files of values (.npz). Values are compared by name. By
    default these are outputs and spikes: potentials and currents may differ where weights were
    rescaled. --sample and --set go to both networks, except to .snn files. Exit status 3: they
    differ; the earliest tick, layer, sample and neuron are shown.
    """
    from snnc.runtime.compare import first_difference

    taking = [source for source in (left, right) if _takes_options(source)]
    if not taking:
        refuse_options(f"neither {left} nor {right}", given)
    sides = [
        _values(session, source, inputs, ticks, only, given if source in taking else {})
        for source in (left, right)
    ]
    names = _chosen(only, *sides)
    compared = [n for n in names if n in sides[0].arrays and n in sides[1].arrays]
    if not compared:
        has = [", ".join(s.outputs if only == "outputs" else s.arrays) or "nothing" for s in sides]
        raise fail(
            "nothing-to-compare",
            f"{left} has {has[0]}; {right} has {has[1]}",
            help="name the same values on both sides",
        )
    found = first_difference(
        {n: sides[0].arrays[n] for n in names if n in sides[0].arrays},
        {n: sides[1].arrays[n] for n in names if n in sides[1].arrays},
        order=sides[0].order,
        names=(left, right),
    )
    if not any(sides[0].arrays[name].size for name in compared):
        raise fail(
            "nothing-to-compare",
            f"{', '.join(compared)} of {left} and {right} are empty: no sample, or no tick",
            help="give inputs of at least one sample and one tick",
        )
    if as_json:
        show_json(
            {
                "equal": found is None,
                "compared": compared,
                "difference": difference_data(found),
            }
        )
    elif found is None:
        click.echo(f"equal: {counted(len(compared), 'value')} at every tick: {', '.join(compared)}")
    else:
        click.secho("different", fg="red", bold=True)
        show_difference(found, (left, right))
    return DIFFERENT if found else 0


class Side:
    """One side of a comparison: arrays by name, which are outputs, and the order of names."""

    def __init__(
        self, arrays: Mapping[str, Any], outputs: list[str], spikes: list[str], order: list[str]
    ) -> None:
        self.arrays, self.outputs, self.spikes, self.order = arrays, outputs, spikes, order


def _takes_options(source: str) -> bool:
    """Whether a side has a front end with options: a build, a file of values or IR has none."""
    return not (is_build(source) or source.endswith((".npz", ".snn")))


def _values(
    session: Session,
    source: str,
    inputs: str | None,
    ticks: int | None,
    only: str,
    given: Mapping[str, str],
) -> Side:
    from snnc.runtime.compare import graph_order
    from snnc.runtime.values import read_arrays

    if source.endswith(".npz"):
        arrays = read_arrays(Path(source))
        for name, array in arrays.items():
            if array.dtype.kind not in "biuf":
                raise fail(
                    "values-unreadable",
                    f"{source}: {name!r} holds {array.dtype}, which no value of a network is",
                    help="leave it out of the file: values are whole or real numbers",
                )
        return Side(arrays, list(arrays), list(arrays), list(arrays))
    if inputs is None:
        raise fail(
            "inputs-wanted",
            f"{source} has to be run, and no inputs are given",
            help="give them with -i X.npz",
        )
    if source == STDIN:
        raise fail(
            "stdin-once",
            "diff reads each side more than once, so - cannot be one",
            help="write the text to a file first",
        )
    probe = () if only == "outputs" else ("all",)
    running = Running(source, given, session.plugins, ticks=ticks, probe=probe)
    result = execute(session, running, inputs)
    module = session.open(source).returns if is_build(source) else session.load(source, given)
    values = [v for op in module.graph.ops for v in op.results]
    spikes = [v.name for v in values if v.type.timed and v.type.element.name == "u1"]
    arrays = {**result.trace, **result.outputs}
    order = dict.fromkeys((*graph_order(module), *result.outputs))
    return Side(arrays, list(result.outputs), spikes, list(order))


def _chosen(only: str, left: Side, right: Side) -> list[str]:
    """Return the names to compare, in the order of the left side."""
    if only == "all":
        return list(left.arrays)
    if only == "outputs":
        return left.outputs
    if only:
        names = [name.strip() for name in only.split(",")]
        for name in names:
            for side in (left, right):
                if name not in side.arrays:
                    raise _missing(name, side)
        return names
    common = [n for n in left.spikes if n in right.spikes and n in right.arrays]
    return list(dict.fromkeys([*(n for n in common if n in left.arrays), *left.outputs]))


def _missing(name: str, side: Side) -> Exception:
    from snnc.diagnostics import nearest

    return fail(
        "unknown-value",
        f"there is no value {name!r} to compare",
        help=nearest(name, list(side.arrays)),
    )
