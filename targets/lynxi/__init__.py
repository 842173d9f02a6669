"""Lynxi KA200: one time step as a load/save graph of Relay ops, and an emulator of its files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from snnc.diagnostics import Diagnostics
from snnc.extend.engine import Engine, Program
from snnc.extend.target import Emitted
from snnc.ir.graph import Module
from snnc.targets.lynxi.options import Options


@frozen
class Lynxi:
    """The target: a graph of one time step with explicit states, for the KA200 tool chain.

    Only the vendor's compiler makes chip binaries; the build holds what it is given.
    """

    name: str = "lynxi"
    level: str = "lynxi"
    doc: str = "Lynxi KA200: load/save graphs of one time step, float32 or float16"
    Options: type[Any] = Options

    def variants(self) -> tuple[str, ...]:
        """Return no variants: the tool chain takes one kind of graph."""
        return ()

    def hardware(self, variant: str, options: Any) -> Mapping[str, Any]:
        """Return what the tool chain takes, and what the user chose, as plain data."""
        from snnc.targets.lynxi.limits import LIMITS

        return {
            "batches": list(LIMITS.batches),
            "versions": list(LIMITS.versions),
            "batch": options.batch,
            "version": options.version,
            "input": options.input,
            "mode": LIMITS.modes.index(options.mode),
        }

    def passes(self) -> Mapping[str, str]:
        """Return the target's own passes."""
        return {
            "halve": "snnc.targets.lynxi.halve:Halve",
            "split-bias": "snnc.targets.lynxi.split_bias:SplitBias",
            "legalise": "snnc.targets.lynxi.legalise:Legalise",
            "place": "snnc.targets.lynxi.place:Place",
            "raise": "snnc.targets.lynxi.raising:Raise",
        }

    def pipeline(self, options: Any) -> str:
        """Return the passes from level `snn` down to a graph in printed order."""
        half = "halve," if options.profile == "f16" else ""
        return f"{half}split-bias,legalise,place"

    def emit(self, module: Module, folder: Path, options: Any) -> Emitted:
        """Write the graph, its parameters and tables; see `emit.emit`."""
        from snnc.targets.lynxi.emit import emit

        return emit(module, folder, options)

    def load(self, folder: Path) -> Module:
        """Return the placed module of a build; see `load.load`."""
        from snnc.targets.lynxi.load import load

        return load(folder)

    def check(self, module: Module) -> Diagnostics:
        """Judge a placed module by the rules of the tool chain; see `check.check`."""
        from snnc.targets.lynxi.check import check

        return check(module)

    def describe(self, folder: Path) -> Mapping[str, Any]:
        """Return the model informations of a build; see `describe.describe`."""
        from snnc.targets.lynxi.artifact.describe import describe

        return describe(folder)

    def emulate(self, folder: Path) -> Program:
        """Return a program that runs the files step by step; see `emulate.Emulator`."""
        from snnc.targets.lynxi.emulate import Emulator

        return Emulator(folder)

    def emulate_on(self, folder: Path, engine: Engine) -> Program:
        """Return a program equal to the emulator, natively on that engine; see `native.program`."""
        from snnc.machine import installed, missing
        from snnc.targets.lynxi.emulate import Emulator

        if engine.name != "native":
            return Emulator(folder)
        if not installed():
            return Emulator(folder, (missing("the emulator runs instead, some times slower"),))
        from snnc.targets.lynxi.native.program import Native

        return Native(folder, engine)
