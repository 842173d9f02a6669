"""Which engine runs a module: one that knows its level, or the target whose level it is.

A placed module is what the files of a build say. So these are written, and run as the files of any
build are: by the target's fast path on the engine where it has one, else by its emulator.
"""

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import define, evolve

from snnc.diagnostics import SnncError, fail
from snnc.driver.emulation import emulated_on
from snnc.extend.engine import Engine, Program, Result, notes_of
from snnc.extend.options import build
from snnc.extend.registry import Registry
from snnc.extend.target import Target
from snnc.ir.graph import Module
from snnc.ir.verify import verify
from snnc.ir.weights import Array

REFERENCE = "reference"


@define
class Placed:
    """An engine for the level of a target, whose files it runs; it has the engine's name."""

    target: Target
    engine: Engine
    name: str
    levels: tuple[str, ...]

    def prepare(self, module: Module) -> Program:
        """Return a program that runs what the files of a placed module say.

        Raises:
            SnncError: what the target's judge finds; what writing and reading the files refuse.
        """
        verify(module).check()
        self.target.check(module).check(exit_status=4)
        options = build(self.target.Options, {}, owner=f"target {self.target.name}")
        with tempfile.TemporaryDirectory(prefix="snnc-") as folder:
            self.target.emit(module, Path(folder), options)
            made = emulated_on(self.target, Path(folder), self.engine)
        return _Returning(made, [value.name for value in module.graph.outputs])


class _Returning:
    """A program whose outputs have the names of the values that a graph returns.

    Files name them as the network did; placing has added a suffix.
    """

    def __init__(self, program: Program, names: list[str]) -> None:
        self._program, self._names = program, names
        self.notes = notes_of(program)

    def run(
        self,
        inputs: Mapping[str, Array],
        *,
        ticks: int | None = None,
        state: Any = None,
        probe: Iterable[str] = (),
    ) -> Result:
        """Run a batch; see `snnc.extend.engine.Program`."""
        ran = self._program.run(inputs, ticks=ticks, state=state, probe=probe)
        outputs = {
            name: ran.outputs[name if name in ran.outputs else name.rpartition(".")[0]]
            for name in self._names
        }
        return evolve(ran, outputs=outputs)


def pick_engine(registry: Registry, name: str, module: Module) -> Engine:
    """Return an engine by name; `auto` is native, which without llvmlite is numpy and says so.

    For the level of a target it is the target's files that run. The reference runs no files: of
    such levels it runs what it defines itself, placed or not.

    Raises:
        SnncError: `unknown-engine`, `engine-level` where it cannot run the module's level.
    """
    target = _target_of(registry, module.level)
    engine = registry.get_engine(_fastest(registry, module, target) if name == "auto" else name)
    if module.level in engine.levels:
        return engine
    if target is not None and engine.name != REFERENCE:
        return Placed(target, engine, engine.name, (target.level,))
    raise fail(
        "engine-level",
        f"engine {engine.name} runs levels {', '.join(engine.levels)}, "
        f"and this module is at level {module.level}",
        help="run it with --engine auto" if target else "lower it to a level that an engine runs",
    )


def _target_of(registry: Registry, level: str) -> Target | None:
    """Return the target that a level belongs to, None for levels of networks."""
    if level in ("snn", "int"):
        return None
    targets = map(registry.get_target, registry.names("targets"))
    return next((target for target in targets if target.level == level), None)


def _fastest(registry: Registry, module: Module, target: Target | None) -> str:
    defined = module.level in registry.get_engine(REFERENCE).levels
    if target is None:
        return "native" if module.level in ("snn", "int") else REFERENCE
    return REFERENCE if defined and not _is_placed(target, module) else "native"


def _is_placed(target: Target, module: Module) -> bool:
    """Return whether a module of a target's level could be written as files."""
    try:
        return not target.check(module).errors
    except SnncError:
        return False
