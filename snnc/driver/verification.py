"""Verification: the files of a build, emulated without the program, against the reference.

The emulator gets a copy of the folder from which the program and its weights were deleted. Every
output is compared at every tick; so is every layer that the emulator can trace, spikes and
potentials. The first difference in time is reported.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from snnc.diagnostics import fail
from snnc.driver.artifact import WEIGHTS
from snnc.driver.exactness import trial_ticks
from snnc.driver.host import encode
from snnc.driver.sources import MODEL
from snnc.driver.stimuli import stimuli
from snnc.extend.engine import Engine, Program, Result
from snnc.extend.target import Target
from snnc.ir.graph import Module, Value
from snnc.runtime.compare import Difference, first_difference, graph_order


@frozen
class Verification:
    """What a verification found; true where all compared values are equal.

    `compared` names the values; `samples` and `ticks` count what ran, over all inputs tried.
    `stimulus` describes the input of the first difference.
    """

    equal: bool
    difference: Difference | None
    compared: tuple[str, ...]
    samples: int
    ticks: int
    stimulus: str = ""

    def __bool__(self) -> bool:
        return self.equal

    def __str__(self) -> str:
        tried = f"{self.samples} samples, {self.ticks} ticks, {len(self.compared)} values"
        if self.equal:
            return f"equal at every tick: {tried}"
        return f"different on input '{self.stimulus}': {self.difference}"


def verify_files(
    folder: Path,
    target: Target,
    taken: Sequence[Value],
    module: Module,
    engine: Engine,
    inputs: Mapping[str, Any] | None,
) -> Verification:
    """Return how the emulated files of a build compare with a program.

    `inputs` are those of the program; None: seeded random and adversarial ones.
    """
    with tempfile.TemporaryDirectory(prefix="snnc-") as place:
        copy = Path(place, "build")
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(MODEL, WEIGHTS))
        program = target.emulate(copy)
        return _compare(program, taken, module, engine, inputs)


def _compare(
    program: Program,
    taken: Sequence[Value],
    module: Module,
    engine: Engine,
    inputs: Mapping[str, Any] | None,
) -> Verification:
    reference = engine.prepare(module)
    values = [*module.graph.inputs, *(r for op in module.graph.ops for r in op.results)]
    constant = [v.name for v in values if not v.type.timed]
    compared: dict[str, None] = {}
    samples = ticks = 0
    for stimulus, given, length in _tries(module, inputs):
        emulated = program.run(
            encode(module, taken, given, length, engine), ticks=length, probe=("all",)
        )
        expected = reference.run(given, ticks=length, probe=("all",))
        a, b = _pairs(module, expected, emulated)
        compared.update(dict.fromkeys(a))
        lengths = [array.shape[:2] for name, array in a.items() if name not in constant]
        samples += len(next(iter(a.values())))
        ticks += lengths[0][0] * lengths[0][1] if lengths else 0
        difference = first_difference(
            a, b, order=graph_order(module), untimed=constant, names=("reference", "files")
        )
        if difference is not None:
            return Verification(False, difference, tuple(compared), samples, ticks, stimulus)
    return Verification(True, None, tuple(compared), samples, ticks)


def _tries(
    module: Module, inputs: Mapping[str, Any] | None
) -> Iterator[tuple[str, Mapping[str, Any], int | None]]:
    if inputs is not None:
        timed = any(v.type.timed for v in module.graph.inputs)
        yield "given", inputs, None if timed else _stated(module)
        return
    ticks = trial_ticks(module)
    for name, given in stimuli(module, ticks):
        yield name, given, ticks


def _stated(module: Module) -> int:
    stated = module.attrs.get("ticks")
    return stated if isinstance(stated, int) else trial_ticks(module)


def _pairs(
    module: Module, expected: Result, emulated: Result
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what both sides have, by name: all outputs, and each value that both traced."""
    missing = [v.name for v in module.graph.outputs if v.name not in emulated.outputs]
    if missing:
        raise fail(
            "output-missing",
            f"the build has no output {', '.join(missing)}",
            help="compare with the network that was compiled",
        )
    shared = [n for n in expected.trace if n in emulated.trace and n not in expected.outputs]
    a = {**expected.outputs, **{n: expected.trace[n] for n in shared}}
    b = {n: emulated.outputs[n] if n in emulated.outputs else emulated.trace[n] for n in a}
    return a, b
