"""Verification: the files of a build, emulated without the program, against the reference.

The emulator gets a copy of the folder from which the program and its weights were deleted. Every
output is compared at every tick; so is every value that the emulator can trace: spikes, sums and
potentials. The first difference in time is reported.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from attrs import evolve, frozen

from snnc.diagnostics import Location, SnncError, fail
from snnc.driver.artifact import WEIGHTS
from snnc.driver.exactness import LONGEST, trial_ticks
from snnc.driver.host import Host
from snnc.driver.progress import Progress, silent
from snnc.driver.sources import MODEL
from snnc.driver.stimuli import stimuli
from snnc.extend.engine import Engine, Program
from snnc.ir.graph import Module
from snnc.ir.html import table
from snnc.ir.weights import Array
from snnc.runtime.compare import Difference, first_difference, graph_order

ELEMENTS = 1 << 24
"""Elements of all values of all samples and ticks that are held at a time."""


@frozen(repr=False)
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

    def __repr__(self) -> str:
        return f"<snnc verification: {self}>"

    def _repr_html_(self) -> str:
        compared = ", ".join(self.compared)
        return table(str(self), {"samples": self.samples, "ticks": self.ticks, "values": compared})


def verify_files(
    folder: Path,
    emulate: Callable[[Path], Program],
    module: Module,
    host: Host,
    engine: Engine,
    inputs: Mapping[str, Array] | None,
    longest: int | None = None,
    progress: Progress = silent,
) -> Verification:
    """Return how the emulated files of a build compare with a program.

    `emulate` makes a program of a folder. `inputs` are those of the program; None: seeded random
    and adversarial ones, of at most `longest` ticks. Real numbers of the program are compared where
    the files have real numbers too. `progress` is told of each batch.

    Raises:
        SnncError: `nothing-to-compare` for inputs without samples or ticks; what the emulator
            refuses.
    """
    with tempfile.TemporaryDirectory(prefix="snnc-") as place:
        copy = Path(place, "build")
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(MODEL, WEIGHTS))
        sides = Sides(host.rest(), engine, _emulated(emulate, copy, folder))
        samples = ticks = 0
        for stimulus, given, length in _tries(module, inputs, longest):
            spikes, _ = host.encode(given, length)
            for start, batch in sides.batches(spikes):
                progress(f"comparing, input '{stimulus}'", start, len(next(iter(spikes.values()))))
                difference = sides.compare(batch)
                shape = next(iter(batch.values())).shape
                samples, ticks = samples + shape[0], ticks + shape[0] * shape[1]
                if difference is not None:
                    first = evolve(difference, sample=start + difference.sample)
                    names = tuple(sides.compared)
                    return Verification(False, first, names, samples, ticks, stimulus)
    if not ticks:
        raise fail(
            "nothing-to-compare",
            f"the inputs hold {samples} samples and no tick: nothing was compared",
            help="give inputs of at least one sample and one tick",
        )
    return Verification(True, None, tuple(sides.compared), samples, ticks)


def _emulated(emulate: Callable[[Path], Program], copy: Path, folder: Path) -> Program:
    """Return the program of a copy; what it refuses points into the folder itself."""

    def outside(loc: Location) -> Location:
        return evolve(loc, file=loc.file.replace(str(copy), str(folder)))

    try:
        return emulate(copy)
    except SnncError as error:
        found = [evolve(d, loc=outside(d.loc)) for d in error.diagnostics]
        raise SnncError(found, error.exit_status) from error


class Sides:
    """The reference and the emulator, side by side on what the chip takes."""

    def __init__(self, module: Module, engine: Engine, emulated: Program) -> None:
        self.module = module
        self.reference = engine.prepare(module)
        self.emulated = emulated
        self.compared: dict[str, None] = {}
        values = [*module.graph.inputs, *(r for op in module.graph.ops for r in op.results)]
        self._constant = [v.name for v in values if not v.type.timed]
        self._elements = sum(v.type.size for v in values)

    def batches(self, spikes: Mapping[str, Array]) -> Iterator[tuple[int, dict[str, Array]]]:
        """Yield (first sample, inputs) so that a trace of every value stays small."""
        samples, ticks = next(iter(spikes.values())).shape[:2]
        step = max(1, ELEMENTS // max(1, ticks * self._elements))
        samples = samples if ticks else 0
        for start in range(0, samples, step):
            yield start, {name: array[start : start + step] for name, array in spikes.items()}

    def compare(self, spikes: Mapping[str, Array]) -> Difference | None:
        """Return the first difference on some samples."""
        expected = self.reference.run(spikes, probe=("all",))
        actual = self.emulated.run(spikes, probe=("all",))
        missing = [v.name for v in self.module.graph.outputs if v.name not in actual.outputs]
        if missing:
            raise fail(
                "output-missing",
                f"the build has no output {', '.join(missing)}",
                help="compare with the network that was compiled",
            )
        a, b = ({**side.trace, **side.outputs} for side in (expected, actual))
        shared = {n: _laned(a[n], b[n]) for n in a if n in b and not _scaled(a[n], b[n])}
        self.compared.update(dict.fromkeys(shared))
        order, names = graph_order(self.module), ("reference", "files")
        return first_difference(shared, b, order=order, untimed=self._constant, names=names)


def _scaled(real: Array, files: Array) -> bool:
    """Whether integers of the files stand for real numbers of the program, in another scale."""
    return real.dtype.kind == "f" and files.dtype.kind != "f"


def _laned(program: Array, files: Array) -> Array:
    """Return a value without its axis of one lane, where a trace of the files leaves that out."""
    lane = program.shape[2:3] == (1,) and program.ndim == files.ndim + 1
    return program[:, :, 0] if lane else program


def _tries(
    module: Module, inputs: Mapping[str, Array] | None, longest: int | None
) -> Iterator[tuple[str, Mapping[str, Array], int | None]]:
    if inputs is not None:
        timed = any(v.type.timed for v in module.graph.inputs)
        yield "given", inputs, None if timed else _stated(module)
        return
    ticks = min(trial_ticks(module), LONGEST if longest is None else longest)
    for name, given in stimuli(module, ticks):
        yield name, given, ticks


def _stated(module: Module) -> int:
    stated = module.attrs.get("ticks")
    return stated if isinstance(stated, int) else trial_ticks(module)
