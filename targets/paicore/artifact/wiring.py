"""What the host knows of a build: its ports and where its layers lie, from the files alone.

Inputs and outputs are those of the vendor's JSON, which `load` has compared with the frames; start
ticks come from the core registers, names and shapes from `layout.json`. A build that breaks a rule
of the chip is refused, because what an emulator shows of it would mean nothing.
"""

from pathlib import Path

from attrs import frozen

from snnc.ir.types import Type
from snnc.targets.paicore.check import check
from snnc.targets.paicore.chip.core import Coordinate
from snnc.targets.paicore.chip.image import ChipImage
from snnc.targets.paicore.emulation.host import InputPort, OutputPort, Wiring
from snnc.targets.paicore.load import load_build
from snnc.targets.paicore.placed import (
    Core,
    Input,
    Layer,
    Output,
    Placed,
    read_placed,
    weighs,
)


@frozen(eq=False)
class System:
    """A build as the host sees it.

    `inputs` and `outputs` are the types of their values by name, `layers` the physical copies of
    each layer, `begin` the latest start of a core in ticks after the inputs, `ticks` the length of
    a run that the program states, `placed` the tables that the frames say.
    """

    image: ChipImage
    wiring: Wiring
    inputs: dict[str, Type]
    outputs: dict[str, Type]
    layers: dict[str, list[Layer]]
    begin: int
    ticks: int | None
    placed: Placed

    @property
    def chips(self) -> tuple[Coordinate, ...]:
        """Configured chips, which all need a sync."""
        return self.image.chips


def read_system(folder: Path) -> System:
    """Return the system of a build's folder.

    Raises:
        SnncError: what `load` raises, and all violations that `check` finds.
    """
    module, image = load_build(folder)
    check(module).check()
    placed = read_placed(module)
    stated = module.attrs.get("ticks")
    return System(
        image,
        Wiring(
            tuple(_input_port(placed, item) for item in placed.inputs),
            tuple(_output_port(placed, item) for item in placed.outputs),
        ),
        {value.name: value.type for value in module.graph.inputs},
        {item.name: item.op.result.type for item in placed.outputs},
        placed.copies,
        max((core.begin for core in placed.cores if core["start"]), default=0),
        stated if isinstance(stated, int) else None,
        placed,
    )


def reaches(chip: Coordinate, base: Coordinate, mask: Coordinate, core: Core) -> bool:
    """Whether a multicast region contains a core (paicore.md, section 5.3)."""
    away = [(n ^ b) & ~m for n, b, m in zip(core.at, base, mask, strict=True)]
    return core.chip == chip and not any(away)


def _input_port(placed: Placed, item: Input) -> InputPort:
    inside = [
        (core, mine)
        for base, mask, mine in item.destinations
        for core in placed.cores
        if reaches(item.chip, base, mask, core)
    ]
    # What a core does not weigh may come to it at any time, so it sets no limit to a burst.
    later_first = sorted(inside, key=lambda at: -at[0]["start"])
    heard = (
        core["start"]
        for core, mine in later_first
        if weighs(placed, core, core.columns(item.slot[mine], item.axon[mine]))
    )
    return InputPort(
        name=item.source.name,
        chip=item.chip,
        core=item.core,
        mask=item.mask,
        extension=item.extension,
        ticks=item.slot,
        axons=item.axon,
        start=max(next(heard, 1), 1) - 1 - item.first,
        first=item.first,
        wide=any(core.wide for core, _ in inside),
    )


def _output_port(placed: Placed, item: Output) -> OutputPort:
    rows = item.layer.rows()
    core = item.layer.pieces[0][0]
    return OutputPort(
        name=item.name,
        chip=item.chip,
        core=item.core,
        extension=item.blocks,
        ticks=placed.tables["slot"][rows],
        axons=placed.tables["axon"][rows],
        start=core.begin,
        first=core["first"],
    )
