"""PAICORE 2.0: levels, lowering, placement, configuration frames and their emulator."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from snnc.diagnostics import Diagnostics, fail
from snnc.extend.engine import Engine, Program
from snnc.extend.target import Emitted
from snnc.ir.graph import Module
from snnc.targets.paicore.options import Options

if TYPE_CHECKING:
    from snnc.targets.paicore.chip.frames import Words

_PASSES = ("legalise", "schedule", "group", "place")


@frozen
class Paicore:
    """The target: spiking networks as configuration frames of PAICORE 2.0 chips.

    Exact in the semantics that the vendor's simulator shows, spike for spike and byte for byte; no
    learning cores, nothing random.
    """

    name: str = "paicore"
    level: str = "paicore"
    doc: str = "PAICORE 2.0: 1008 cores a chip, weights of 1 to 8 bits, configuration frames"
    Options: type[Any] = Options
    reads_out: tuple[str, ...] = ()

    def variants(self) -> tuple[str, ...]:
        """Return the one variant, the chip that PAIBox 1.3 targets."""
        return ("paicore2",)

    def hardware(self, variant: str, options: Any) -> Mapping[str, Any]:
        """Return the limits of the chip and the chosen chips as plain data."""
        from snnc.targets.paicore.limits import LIMITS

        if variant not in ("", *self.variants()):
            raise fail(
                "unknown-variant",
                f"paicore has no variant {variant!r}",
                help=f"known: {', '.join(self.variants())}",
            )
        return {
            "axons": LIMITS.axons,
            "dendrites": LIMITS.dendrites,
            "extensions": [1 << code for code in range(LIMITS.max_lcn + 1)],
            "weight_bits": list(LIMITS.weight_bits),
            "slots": LIMITS.slots,
            "membrane_bits": LIMITS.potential_bits,
            "max_tick": LIMITS.max_tick,
            "region": LIMITS.routing_group,
            "grid": [LIMITS.side, LIMITS.side],
            "online": {"x_from": LIMITS.online_from, "y_from": LIMITS.online_from},
            "chips": [list(chip) for chip in options.chips],
            "output_chip": list(options.receiver),
        }

    def passes(self) -> Mapping[str, str]:
        """Return the target's own passes."""
        return {name: f"snnc.targets.paicore.{name}:{name.capitalize()}" for name in _PASSES}

    def pipeline(self, options: Any) -> str:
        """Return the passes from level `int` down to frames."""
        changed = {"multicast": "masks", "partition": "auto"}
        given = {name: getattr(options, name) for name in changed}
        cut = ",".join(f"{n}={given[n]}" for n in changed if given[n] != changed[n])
        schedule = f"schedule{{{cut}}}" if cut else "schedule"
        group = f"group{{{','.join(filter(None, (f'for={options.group}', cut)))}}}"
        return f"initial-pulse,legalise,shrink-weights,{schedule},{group},place"

    def emit(self, module: Module, folder: Path, options: Any) -> Emitted:
        """Write frames, the vendor's JSON and `layout.json`; see `emit.emit`."""
        from snnc.targets.paicore.emit import emit

        return emit(module, folder, options)

    def load(self, folder: Path) -> Module:
        """Return the placed module of a build; see `load.load`."""
        from snnc.targets.paicore.load import load

        return load(folder)

    def check(self, module: Module) -> Diagnostics:
        """Judge a placed module by the rules of the chip; see `check.check`."""
        from snnc.targets.paicore.check import check

        return check(module)

    def emulate(self, folder: Path) -> Program:
        """Return a program that runs the frames of a build; see `program.Program`."""
        from snnc.targets.paicore.emulation.program import Program as Emulated

        return Emulated(folder)

    def emulate_on(self, folder: Path, engine: Engine) -> Program:
        """Return a program that runs what the frames of a build mean; see `fast.emulate_on`."""
        from snnc.targets.paicore.emulation.fast import emulate_on

        return emulate_on(folder, engine)

    def frames(self, folder: Path) -> "Words":
        """Return the configuration words of a build, in the order of its files."""
        from snnc.targets.paicore.artifact.files import read_image

        return read_image(folder).words()

    def encode(self, folder: Path, inputs: Mapping[str, Any], ticks: int | None = None) -> "Words":
        """Return the words to send to a board for one sample; see `board.encode`."""
        from snnc.targets.paicore.emulation.board import encode

        return encode(folder, inputs, ticks)

    def decode(
        self, folder: Path, frames: "Words | Sequence[Words]", ticks: int
    ) -> Mapping[str, Any]:
        """Return the outputs that frames from a board say; see `board.decode`."""
        from snnc.targets.paicore.emulation.board import decode

        return decode(folder, frames, ticks)
