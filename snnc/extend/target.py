"""What a target is: hardware limits as data, passes down to its level, files out and in.

The driver chooses a variant and builds `Options`, runs `pipeline` (preceded by `@int` if it starts
at level `int` and the network is at `snn`), hands the placed module to `emit`, and keeps what that
reports as `manifest.json` in the same folder before `load` or `emulate` see it.

An emulator speaks in ticks of the IR: the host side of `emulate` removes the latency, so tick k of
an output or of a trace is tick k of the value with that name in the module that the build must
equal. `probe=("all",)` traces each value whose neurons it can find in the files; names follow the
IR.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from attrs import field, frozen

from snnc.diagnostics import Diagnostics
from snnc.extend.engine import Engine, Program
from snnc.ir.graph import Module


@frozen
class Emitted:
    """What `emit` reports: file names in order, and what the manifest says of the build.

    `digests` has the SHA-256 of files by name where `write_composed` told it; the driver makes the
    others.
    `resources` (cores, axons, bits ...), `latency` in ticks per output, `relies_on` (unproven
    properties of the silicon) and `layout` (what the target's own loader needs) are plain JSON
    data. Of the resources, `memory_bytes` is what weights, parameters of neurons and states take of
    the chip's memory. `max_ticks` is the longest run for which the build is exact, None for any
    length.
    """

    files: tuple[str, ...]
    digests: Mapping[str, str] = field(factory=dict, kw_only=True)
    resources: Mapping[str, Any] = field(factory=dict)
    latency: Mapping[str, int] = field(factory=dict)
    relies_on: tuple[str, ...] = ()
    layout: Mapping[str, Any] = field(factory=dict)
    max_ticks: int | None = None


class Target(Protocol):
    """A family of chips. `Options` is a frozen attrs class whose fields are made by `option`."""

    name: str
    level: str
    doc: str
    Options: type[Any]

    def variants(self) -> tuple[str, ...]:
        """Return the names of the variants, the default first."""

    def hardware(self, variant: str, options: Any) -> Mapping[str, Any]:
        """Return the limits as plain data, for passes and for `snnc targets --json`."""

    def passes(self) -> Mapping[str, str]:
        """Return the target's own passes: name -> `module:Class`."""

    def pipeline(self, options: Any) -> str:
        """Return the passes that lower an `int` (or `snn`) module to this target, as text."""

    def emit(self, module: Module, folder: Path, options: Any) -> Emitted:
        """Write the placed module's files into an empty folder.

        The driver made it and renames it when all is written, so files need no temporary names.
        """

    def load(self, folder: Path) -> Module:
        """Return the placed module that the files of a build say (disassembly)."""

    def check(self, module: Module) -> Diagnostics:
        """Judge a placed module by the rules of the chip, independently of the placer."""

    def emulate(self, folder: Path) -> Program:
        """Return a program that runs the files of a build; it never reads the IR they came from."""


class Board(Protocol):
    """What a target may have beside: `Build` passes these on, and refuses where there is none.

    A target may also have `config(folder)`, which returns a configuration object of its vendor,
    `describe(folder)`, which returns what `snnc inspect` prints of a build, as plain JSON data, and
    `code(options)`, which names the code outside of snnc that options bring in, empty for none: a
    build with any is never taken for up to date.
    """

    def frames(self, folder: Path) -> Any:
        """Return the configuration words of a build."""

    def encode(self, folder: Path, inputs: Mapping[str, Any], ticks: int | None = None) -> Any:
        """Return what to send for one sample; `inputs` are those that the chip takes."""

    def decode(self, folder: Path, frames: Any, ticks: int) -> Mapping[str, Any]:
        """Return outputs `(1, ticks, *shape)` by name from what a board sent back."""


class Several(Protocol):
    """What a target may have beside: several emulators of the same files, which may differ.

    The option `semantics` of the target, if it has one, says which of them runs a build.
    """

    def emulators(self) -> Mapping[str, Callable[[Path], Program]]:
        """Return them by name; the first gives what `emulate` gives."""


class Fast(Protocol):
    """What a target may have beside: the files of a build on an engine, for whole data sets."""

    def emulate_on(self, folder: Path, engine: Engine) -> Program:
        """Return a program equal to the emulator's on every output, trace and in every error.

        The engine runs the levels of the IR; a build that it could not run exactly is given the
        emulator. States go on in the program that made them.
        """


class Spikes(Protocol):
    """What a target may have beside, whose chips send spikes and no real numbers.

    A network that computes real numbers of its last spikes is then cut there: the target gets the
    part up to the spikes, and the host runs the rest. `reads_out` are the kinds of ops behind
    spikes that the target takes itself; a network with no other ones is left whole.
    """

    reads_out: tuple[str, ...]
