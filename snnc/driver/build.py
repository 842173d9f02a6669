"""A build: a network compiled for a target, as files that can be run, checked and saved."""

import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import ArrayLike

from snnc.builtins import open_registry
from snnc.diagnostics import Diagnostic, fail
from snnc.driver.artifact import check_files, check_seal, publish, read_manifest
from snnc.driver.emulation import EMULATOR, emulation
from snnc.driver.engines import pick_engine
from snnc.driver.host import Host, numbering
from snnc.driver.pipeline import Chosen, choose
from snnc.driver.progress import Progress, silent
from snnc.driver.readout import FILE, Readout, parted, seen
from snnc.driver.sources import MODEL
from snnc.driver.verification import Verification, verify_files
from snnc.extend.engine import Program, Result, notes_of
from snnc.extend.registry import Registry
from snnc.ir.graph import Module
from snnc.ir.html import table
from snnc.ir.read import load as load_text
from snnc.ir.weights import Array
from snnc.runtime.values import read_values, types_of


@frozen
class State:
    """Where a run of a build stopped: encoders, chip, what reads it out, after how many ticks."""

    host: Any = None
    chip: Any = None
    ticks: int = 0
    readout: Any = None


class Build:
    """Files for a target and the program that they equal.

    `folder` is where it is saved, None until then; `manifest` is what manifest.json says.
    """

    def __init__(
        self,
        registry: Registry,
        chosen: Chosen,
        manifest: dict[str, Any],
        files: Path,
        keep: "tempfile.TemporaryDirectory[str] | None" = None,
    ) -> None:
        self.folder = None if keep else files
        self.manifest = manifest
        self.target = chosen.target
        self._registry = registry
        self._place = files
        self._keep = keep
        self._programs: dict[str, Program] = {}
        self._shared = False

    @property
    def _files(self) -> Path:
        """Where the files are; those that a saved folder shares must be what was built.

        Raises:
            SnncError: `build-corrupt` where someone has written into them.
        """
        if self._shared:
            check_files(self._place, self.manifest)
        return self._place

    @classmethod
    def open(cls, folder: str | Path, plugin: Iterable[str | Path] = ()) -> "Build":
        """Return the build in a folder.

        Raises:
            SnncError: `not-a-build`, `build-corrupt`, `build-too-new`.
        """
        path, registry = Path(folder), open_registry(plugin)
        manifest = read_manifest(path)
        check_seal(path, manifest)
        check_files(path, manifest)
        name = manifest["target"] + (f":{manifest['variant']}" if manifest["variant"] else "")
        return cls(registry, choose(registry, name, manifest["options"]), manifest, path)

    @cached_property
    def module(self) -> Module:
        """The program that the files equal: the module after the last approximate pass.

        Raises:
            SnncError: `build-without-program` where the folder was passed on without it.
        """
        if not (self._files / MODEL).is_file():
            raise fail(
                "build-without-program",
                f"{self._files} holds no {MODEL}",
                help="give the network to compare with, or compile again",
            )
        return load_text(self._files / MODEL)

    @cached_property
    def _readout(self) -> Readout | None:
        """What the host computes of what the chip sends, None for nothing."""
        if not self.reads_out:
            return None
        tail = load_text(self._files / FILE)
        engine = pick_engine(self._registry, "numpy", tail)
        return Readout(tail, tuple(self.manifest["host"]["returns"]), engine.prepare(tail))

    @property
    def reads_out(self) -> bool:
        """Whether the host computes outputs of what the chip sends."""
        return "host" in self.manifest

    @cached_property
    def returns(self) -> Module:
        """The program, with the outputs of `run` where the host computes some of them."""
        behind = self._readout
        return self.module if behind is None else seen(self.module, behind.outputs, behind.module)

    def read_out(
        self, sent: Mapping[str, Array], state: Any = None
    ) -> tuple[dict[str, Array], Any]:
        """Return all outputs, from the trains that the chip sends, and the state behind them."""
        return (dict(sent), None) if self._readout is None else self._readout.run(sent, state)

    @cached_property
    def placed(self) -> Module:
        """The placed module that the files say."""
        return self.target.load(self._files)

    def program(self, semantics: str | None = None) -> Program:
        """Return the program that runs the files, in one of the target's semantics."""
        return self._program("auto", semantics)

    def notes(self, engine: str = "auto", semantics: str | None = None) -> tuple[Diagnostic, ...]:
        """Return what there is to say of how the files run; see `snnc.extend.engine.Program`."""
        return notes_of(self._program(engine, semantics))

    def _program(self, engine: str, semantics: str | None) -> Program:
        """Return the program that runs the files, `auto` or `emulator`, made once."""
        if semantics is None and engine == "auto":
            semantics = self.manifest["options"].get("semantics")
        name = engine if semantics is None else f"{engine} {semantics}"
        if name not in self._programs:
            made = emulation(self._registry, self.target, self._files, engine, semantics)
            self._programs[name] = made
        return self._programs[name]

    def trains(
        self, inputs: Mapping[str, ArrayLike] | ArrayLike, ticks: int | None = None
    ) -> dict[str, Array]:
        """Return what the chip takes (samples, ticks, *shape) by name; encoders run before it."""
        return self._host.encode(named(self.module, inputs), ticks)[0]

    @cached_property
    def _host(self) -> Host:
        # A program at the target's own level has no encoders, and no engine but the reference.
        name = "numpy" if self.module.level in ("snn", "int") else "reference"
        engine = pick_engine(self._registry, name, self.module)
        return Host(self.module, self.manifest["takes"], engine)

    def save(self, folder: str | Path) -> Path:
        """Write the build into a folder, whole or not at all, and return its path.

        Raises:
            SnncError: `output-not-ours` where the folder holds anything else, `output-unwritable`.
        """
        own = self._keep is not None and not self._shared
        self._shared |= publish(self._files, Path(folder), link=own)
        self.folder = Path(folder)
        return self.folder

    def run(
        self,
        inputs: Mapping[str, ArrayLike] | ArrayLike,
        *,
        ticks: int | None = None,
        state: Any = None,
        probe: Iterable[str] = (),
        engine: str = "auto",
        first_sample: int = 0,
        semantics: str | None = None,
    ) -> Result:
        """Run the files; encoders run on the host before them.

        Encoders draw by the number of a sample: a part of a larger batch says in `first_sample`
        which number its first one has, and gets what the whole would give.

        `engine` is `auto`, or `emulator` for the target's emulator itself, which gives the same.
        `semantics` names one of a target's several emulators; `auto` runs the one that the build
        was compiled with.

        Raises:
            SnncError: `run-too-long` beyond the ticks for which the build is exact; what the
                emulator refuses.
        """
        before = state or State()
        probe = (probe,) if isinstance(probe, str) else tuple(probe)
        spikes, host = self._host.encode(
            named(self.module, inputs), ticks, before.host, first_sample
        )
        done = before.ticks + next(iter(spikes.values())).shape[1]
        longest = self.manifest["max_ticks"]
        if longest is not None and done > longest:
            raise fail(
                "run-too-long",
                f"the run has {done} ticks, and the build is exact for {longest}",
                help="run fewer ticks, or compile with a wider potential",
            )
        program = self._program(engine, semantics)
        # A target may leave encoders to the chip, whose emulator then draws.
        numbers = numbering(self._host.rest(), first_sample) if first_sample else {}
        ran = program.run(spikes, ticks=ticks, state=before.chip, probe=probe, **numbers)
        if not self.reads_out:
            return Result(ran.outputs, State(host, ran.state, done), ran.trace)
        outputs, kept = self.read_out(ran.outputs, before.readout)
        asked = set(probe)
        trace = {n: a for n, a in ran.outputs.items() if asked & {n, "all"} and n not in outputs}
        return Result(outputs, State(host, ran.state, done, kept), {**trace, **ran.trace})

    def verify(
        self,
        inputs: Mapping[str, ArrayLike] | ArrayLike | None = None,
        against: Module | None = None,
        progress: Progress = silent,
        engine: str = EMULATOR,
    ) -> Verification:
        """Run the files without the program and compare with the reference; see `verify`.

        `engine` is what runs them: the emulator of the target, `auto`, or an engine by name.
        """
        module = self.module if against is None else parted(against, self.target)[0]
        given = None if inputs is None else named(module, inputs)
        reference = pick_engine(self._registry, "reference", module)
        host = Host(module, self.manifest["takes"], reference)
        longest = self.manifest["max_ticks"]

        def emulate(folder: Path) -> Program:
            return emulation(self._registry, self.target, folder, engine)

        return verify_files(self._files, emulate, module, host, reference, given, longest, progress)

    @property
    def frames(self) -> Any:
        """The configuration words, for targets that have them."""
        return self._board("frames")(self._files)

    @property
    def config(self) -> Any:
        """The configuration object, for targets that have one."""
        return self._board("config")(self._files)

    def encode(
        self, inputs: Mapping[str, ArrayLike] | ArrayLike | str | Path, ticks: int | None = None
    ) -> Any:
        """Return what to send to a board for one sample; encoders run on the host before it."""
        send = self._board("encode")
        spikes, _ = self._host.encode(named(self.module, inputs), ticks)
        return send(self._files, spikes, ticks)

    def decode(self, frames: Any, ticks: int) -> dict[str, Array]:
        """Return the outputs `(1, ticks, *shape)` that the words of a board say."""
        return self.read_out(self._board("decode")(self._files, frames, ticks))[0]

    def _board(self, kind: str) -> Callable[..., Any]:
        found: Callable[..., Any] | None = getattr(self.target, kind, None)
        if found is None:
            raise fail(
                f"no-{kind}",
                f"target {self.target.name} has no {kind}",
                help="its files are: " + ", ".join(self.manifest["files"]),
            )
        return found

    def __repr__(self) -> str:
        found = self.manifest["resources"]
        used = ", ".join(f"{k} {v}" for k, v in found.items() if isinstance(v, (int, float)))
        name, target = self.manifest["name"], self.manifest["target"]
        return f"<snnc build @{name} for {target}{': ' + used if used else ''}>"

    def _repr_html_(self) -> str:
        shown = {k: self.manifest[k] for k in ("target", "variant", "pipeline", "latency")}
        shown |= self.manifest["resources"]
        return table(self.manifest["name"], shown)


def named(
    module: Module,
    inputs: Mapping[str, ArrayLike] | ArrayLike | str | Path,
    beside: Collection[str] = (),
) -> dict[str, Array]:
    """Return inputs by name; a single array is the only input, a path is a `.npz` file.

    A file may also hold arrays of the names `beside`, which come with the inputs.

    Raises:
        SnncError: `input-names` where one array is given to several inputs.
    """
    if isinstance(inputs, Mapping):
        return {name: np.asarray(array) for name, array in inputs.items()}
    if isinstance(inputs, (str, Path)):
        return read_values(Path(inputs), types_of(module.graph.inputs), beside)
    names = [v.name for v in module.graph.inputs]
    if len(names) != 1:
        raise fail(
            "input-names",
            f"one array was given, but the network has {len(names)} inputs: {', '.join(names)}",
            help="give a mapping of names to arrays",
        )
    return {names[0]: np.asarray(inputs)}
