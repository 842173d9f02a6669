"""The emulator's program, layer by layer over all ticks; numbers, states and errors are its own.

Stages run one after the other, each over all ticks of some samples: regions as machine code, loops
through anything else tick by tick, and every other binding by its kernel, with ticks as samples.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
from attrs import evolve

from snnc.extend.engine import Engine
from snnc.ir.weights import Array
from snnc.machine import store
from snnc.machine.compiler import Compiler
from snnc.machine.paths import choose
from snnc.machine.threads import check as check_halted
from snnc.machine.threads import spread, threads
from snnc.targets.lynxi.artifact.records import LOAD, SAVE, Arg, Artifact, Node, Var
from snnc.targets.lynxi.emulate import Emulator, Lanes, Ran, State
from snnc.targets.lynxi.emulation import kernels
from snnc.targets.lynxi.native.layers import Layer, shape_of
from snnc.targets.lynxi.native.region_code import NAME
from snnc.targets.lynxi.native.region_code import Region as Code
from snnc.targets.lynxi.native.regions import (
    SHAPES,
    Assembling,
    Region,
    kind_of,
    shape_seen,
    size_of,
    tensor,
)
from snnc.targets.lynxi.native.stages import Stage, stages

FLOATS = ("float16", "float32")

Step = tuple[Sequence[Arg], kernels.Function]

ROWS_ELEMENTS = 1 << 21
"""Elements of all values of the steps that are held at a time."""

FEW, FEW_ELEMENTS = 8, 1 << 25
"""Steps that are held of a larger graph, and most elements of theirs."""


class Native(Emulator):
    """A program of records that runs as machine code where it can.

    Raises:
        SnncError: what the emulator raises; `unknown-path`, `bad-threads`.
    """

    def __init__(self, folder: Path, engine: Engine) -> None:
        self._take(engine)
        super().__init__(folder)

    @classmethod
    def on(cls, artifact: Artifact, engine: Engine) -> "Native":
        """Return the program of records."""
        made = cls.__new__(cls)
        made._take(engine)
        made.artifact = artifact
        made._start(artifact)
        return made

    def _take(self, engine: Engine) -> None:
        options: Any = engine
        self._path = choose(getattr(options, "path", "auto"))
        self._jobs = getattr(options, "jobs", 0) or threads()
        kept = store.cache_folder() if getattr(options, "cache", True) else None
        self._compiler = Compiler(self._path, kept)
        # Samples are spread over threads here, so layers need none of their own.
        self._layers_on: Engine = evolve(options, jobs=1) if hasattr(options, "jobs") else engine

    def _start(self, artifact: Artifact) -> None:
        super()._start(artifact)
        self.calls: dict[int, Step] = {index: (args, run) for index, _, args, run in self.steps}
        graph = self.graph
        saves = {self.flags[i]: i for i, _ in graph.of(SAVE)}
        self.pairs = {i: saves[self.flags[i]] for i, _ in graph.of(LOAD) if self.flags[i] in saves}
        self.layers = {index: made for index in self.calls if (made := self._layer(index))}
        timed = sorted({*self.calls, *(i for i, _ in graph.of(LOAD, SAVE))})
        self.reads = {i: [n for n in self._read(i) if n in set(timed)] for i in timed}
        sizes = {
            i: size_of(self, graph.bindings[i], self.expanded(graph.bindings[i])) for i in timed
        }
        self.stages = stages(self.reads, sizes, self.pairs)
        found = {s: Assembling(self, s.members, s.size) for s in self.stages if s.size}
        self.assembled = {stage: made for stage, made in found.items() if made.computes}
        self._regions: dict[tuple[Stage, tuple[int, ...]], Region] = {}
        self._shown = {a.index for a in self.outputs if isinstance(a, Node)}

    def _layer(self, index: int) -> tuple[Layer, Arg, str | None] | None:
        """Return what an engine may run, what it reads, and the parameter that this comes from."""
        binding = self.graph.bindings[index]
        x, *rest = self.expanded(binding)
        weights = [self.constant(arg) for arg in rest]
        if not binding.op.startswith("nn.") or self.constant(x) is not None or len(rest) > 1:
            return None
        if any(w is None or not np.isfinite(w).all() for w in weights):
            return None
        given = shape_of(binding, shape_seen(self, x))
        if given is None:
            return None
        run, kind = self.calls[index][1], kind_of(self, x)

        def plain(array: Array) -> Array:
            held = [w for w in weights if w is not None]
            return run(array.astype(kind, copy=False), *held)

        result = tensor(binding)
        stored = kernels.storage(result.dtype, self.artifact.profile)
        w = None if not weights or weights[0] is None else weights[0][0]
        return Layer(self._layers_on, given, w, stored, plain), self._origin(x), self._sent_by(x)

    def _sent_by(self, arg: Arg) -> str | None:
        """Return the parameter of the host that a value has the elements of, rounded or not."""
        while isinstance(arg, Node):
            binding = self.graph.bindings[arg.index]
            if binding.op not in (*SHAPES, "cast") or kind_of(self, arg) not in FLOATS:
                return None
            arg = self.expanded(binding)[0]
        return arg.name if isinstance(arg, Var) and arg.name in self.ports else None

    def _origin(self, arg: Arg) -> Arg:
        """Return the bits or bytes that a value is made of, else the first with its elements."""
        found = arg
        while isinstance(found, Node):
            binding = self.graph.bindings[found.index]
            if binding.op not in (*SHAPES, "cast"):
                break
            before = self.expanded(binding)[0]
            if self.constant(before) is not None:
                break
            kind = kind_of(self, before)
            if binding.op == "cast" and kind in ("bool", "uint8"):
                return before
            if kind != kind_of(self, found):
                break
            found = before
        return found

    def _read(self, index: int) -> list[int]:
        binding = self.graph.bindings[index]
        if index in self.layers:
            origin = self.layers[index][1]
            return [origin.index] if isinstance(origin, Node) else []
        if binding.op == LOAD:
            return []
        return [arg.index for arg in self.expanded(binding) if isinstance(arg, Node)]

    def lanes(
        self,
        sent: Mapping[str, Array],
        before: State,
        draws: Mapping[int, Array],
        wanted: Mapping[str, int],
    ) -> "Trains":
        """Return samples that run through all ticks of a stage before the next one."""
        return Trains(self, sent, before, draws, wanted)

    def reshapes(self, stage: Stage) -> bool:
        """Return whether a stage gives its operand another shape, which is done when it is read."""
        return self.graph.bindings[stage.members[0]].op in SHAPES

    def together(self, ticks: int) -> int:
        """Return how many samples run at a time: as many as go through all ticks in a part."""
        return max(1, self.rows // max(1, ticks))

    def each(self, some: Callable[[int], Ran], starts: range, halt: Event) -> list[Ran]:
        """Run samples in threads of their own, which end with the run."""
        return spread(some, starts, self._jobs, halt)

    @property
    def rows(self) -> int:
        """Steps of samples that are held at a time: their values stay in the caches of a core.

        Of a large graph a few steps are, as far as memory allows, for products make them together.
        """
        few = min(FEW, FEW_ELEMENTS // self.size)
        return max(1, few, ROWS_ELEMENTS // self.size)

    def region(self, stage: Stage, wanted: Mapping[str, int]) -> Region:
        """Return what runs a stage and writes what others read, or what is wanted."""
        members = set(stage.members)
        seen = {*self._shown, *wanted.values()}
        for index, sources in self.reads.items():
            if index not in members:
                seen.update(sources)
        for load, save in self.pairs.items():
            if load not in members:
                seen.add(save)
        stored = tuple(sorted(seen & members))
        if (stage, stored) not in self._regions:
            made = self.assembled[stage].region(stored, self._path.wide, self._path.halves)
            self._regions[stage, stored] = made
        return self._regions[stage, stored]

    def call(self, region: Region, table: Array, ticks: int, samples: int) -> None:
        """Run the code of a region."""
        code = self._compiler.function(NAME, region.form, lambda m: Code(m, region.form))
        code(table.ctypes.data, region.size, ticks, samples)


class Trains(Lanes):
    """Some samples that go through all ticks of a stage before the next one; see `Lanes`."""

    program: Native

    def longest(self) -> int:
        """Return how many steps run together."""
        return max(1, self.program.rows // max(1, self.samples))

    def step(self) -> None:
        """Run the part, stage by stage."""
        program = self.program
        self.after: dict[str, Array] = {}
        for stage in program.stages:
            check_halted(self.halt)
            if stage in program.assembled:
                self._region(program.region(stage, self.wanted))
            elif stage.loop:
                self._loop(stage)
            elif not stage.size and not program.reshapes(stage):
                self._single(stage.members[0])
        for index, binding in program.graph.of(SAVE):
            flag = program.flags[index]
            if flag not in self.after:
                self.after[flag] = self.train(self.value(binding.args[0]))[:, -1]
        self.states = {
            flag: np.broadcast_to(self.after[flag], old.shape) for flag, old in self.states.items()
        }

    def _single(self, index: int) -> None:
        program = self.program
        if program.graph.bindings[index].op == LOAD:
            self.now[index] = self._shifted(index)
            return
        read = self.value
        sent = program.layers[index][2] if index in program.layers else None
        if sent is not None and self.data[sent].itemsize == 1:
            given = self.data[sent]  # Bytes are themselves in every profile.

            def read(arg: Arg) -> Array:
                return given

        self.now[index] = self._made(index, self.value, read)

    def value(self, arg: Arg) -> Array:
        """Return the value of an argument, made now if it is only of another shape."""
        if isinstance(arg, Node) and arg.index not in self.now:
            self._single(arg.index)
        return super().value(arg)

    def _made(
        self, index: int, value: Callable[[Arg], Array], read: Callable[[Arg], Array]
    ) -> Array:
        """Return the value of a binding; `read` gives a layer what it is made of."""
        program = self.program
        binding = program.graph.bindings[index]
        if binding.op == SAVE:
            return value(binding.args[0])
        if index in program.layers:
            layer, origin, _ = program.layers[index]
            rows = read(origin).reshape(-1, 1, *layer.shape.given)
            return program.checked(index, binding, layer.run(rows, self.samples))
        args, run = program.calls[index]
        return program.checked(index, binding, run(*(value(arg) for arg in args)))

    def _shifted(self, index: int) -> Array:
        """Return what a load reads that is on no loop: its save's train, one step late."""
        state = self.states[self.program.flags[index]]
        found = np.empty((self.samples, self.ticks, *state.shape[1:]), state.dtype)
        found[:, 0] = state
        found[:, 1:] = self.train(self.value(Node(self.program.pairs[index])))[:, :-1]
        return found.reshape(-1, *state.shape[1:])

    def _region(self, region: Region) -> None:
        program, bindings = self.program, self.program.graph.bindings
        given = [
            np.ascontiguousarray(self.value(Var(s) if isinstance(s, str) else Node(s)))
            for s in region.trains
        ]
        held = {flag: np.array(self.states[flag], order="C") for flag in region.flags}
        sent = {
            index: np.empty(
                (self.samples * self.ticks, *tensor(bindings[index]).shape),
                kernels.storage(tensor(bindings[index]).dtype, program.artifact.profile),
            )
            for index in region.stored
        }
        entries = [a.ctypes.data for a in (*given, *region.arrays)]
        entries += [*region.scalars, *(a.ctypes.data for a in (*held.values(), *sent.values()))]
        program.call(region, np.array(entries, np.int64), self.ticks, self.samples)
        self.now |= sent
        self.after |= held

    def _loop(self, stage: Stage) -> None:
        """Run bindings that read their own past, step by step."""
        program = self.program
        flags = {index: program.flags.get(index, "") for index in stage.members}
        states = {flag: self.states[flag] for flag in flags.values() if flag}
        made: dict[int, list[Array]] = {index: [] for index in stage.members}
        for tick in range(self.ticks):
            check_halted(self.halt)
            now: dict[int, Array] = {}
            value = partial(self._at, tick, now)
            for index in stage.members:
                if program.graph.bindings[index].op == LOAD:
                    now[index] = states[flags[index]]
                else:
                    now[index] = self._made(index, value, value)
            for index in stage.members:
                made[index].append(
                    np.broadcast_to(now[index], (self.samples, *now[index].shape[1:]))
                )
                if program.graph.bindings[index].op == SAVE:
                    states[flags[index]] = now[index]
        for index, arrays in made.items():
            train = np.stack(arrays, axis=1)
            self.now[index] = train.reshape(-1, *train.shape[2:])

    def _at(self, tick: int, now: Mapping[int, Array], arg: Arg) -> Array:
        """Return the value of an argument in a step, from `now` what the loop itself made."""
        if isinstance(arg, Node) and arg.index in now:
            return now[arg.index]
        array = self.value(arg)
        return array if self.program.constant(arg) is not None else self.train(array)[:, tick]
