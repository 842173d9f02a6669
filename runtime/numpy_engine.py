"""The numpy engine: whole trains, layer by layer, exactly what the reference computes.

Samples run in chunks of bounded memory; within a chunk each op runs over all ticks at once, loops
in short blocks. At `int` products use BLAS where its floats are proven exact. What has no kernel of
its own runs the meaning of the reference, over all ticks at once where it has no state.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from threading import Event
from typing import Any, Protocol

import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import ArrayLike

from snnc.diagnostics import Diagnostic, fail
from snnc.extend.engine import Result
from snnc.ir.graph import Module, Op, Value
from snnc.ir.verify import verify
from snnc.ir.weights import Array
from snnc.runtime.inputs import Batch, check_inputs
from snnc.runtime.numpy_neurons import Scan
from snnc.runtime.numpy_products import convolution_kernel, matrix_kernel, pool_kernel
from snnc.runtime.numpy_schedule import Stage, stages
from snnc.runtime.numpy_trains import Delaying, Encoding, Kernel, Rowwise, Stepwise
from snnc.runtime.reference import Reference
from snnc.runtime.semantics import OutOfRange, State, Stateless, meaning
from snnc.runtime.semantics.coding import Encoder
from snnc.runtime.state import Probes, RunState, check_state, owner_of, potential_type, probes

CHUNK_BYTES = 1 << 27
"""Bytes of values that a chunk of samples may hold."""

TICKS_BYTES = 1 << 26
"""Bytes of values that a sample may hold; longer runs go on from the state of a part."""


@frozen
class NumpyEngine:
    """The fast engine that needs nothing but numpy."""

    name: str = "numpy"
    levels: tuple[str, ...] = ("snn", "int")

    def prepare(self, module: Module) -> "NumpyProgram":
        """Return a program; raises what the reference raises."""
        return NumpyProgram(module)


def kernel(module: Module, op: Op) -> Kernel:
    """Return the kernel of an op."""
    if op.name == "int.neuron":
        return Scan(module, op)
    if op.kind == "delay":
        return Delaying(op)
    if op.kind in ("linear", "masked_linear"):
        return matrix_kernel(module, op)
    if op.kind.startswith("conv"):
        return convolution_kernel(module, op)
    if op.name.startswith("int."):
        found = pool_kernel(module, op) if "pool" in op.kind else None
        if found is not None:
            return found
    given = meaning(module, op)
    if isinstance(given, Stateless):
        return Rowwise(op, given.function, _work(module, op))
    if isinstance(given, Encoder) and not any(v.type.timed for v in op.values):
        return Encoding(op, given)
    return Stepwise(op, given)


def _work(module: Module, op: Op) -> int:
    """Return about how many bytes the reference's function makes of a row."""
    taps = op["kernel"] if "pool" in op.kind else ()
    if op.kind.startswith("conv"):
        taps = module.tensor(op.symbols[0]).shape[1:]
    size = op.result.type.size * int(np.prod(taps, initial=1))
    return 32 * (size + sum(v.type.size for v in op.values))


Held = Mapping[str, State]
"""States of stateful ops by the name of their first result."""


@frozen
class Span:
    """What a chunk runs: some ticks, from one on, of some samples."""

    tick: int
    ticks: int
    samples: int


class Looped(Protocol):
    """A loop made ready to run over many ticks at once."""

    def run(
        self,
        span: Span,
        now: Mapping[Value, Array],
        states: Mapping[Op, State],
        traced: set[Op],
        halt: Event,
    ) -> tuple[dict[Value, Array], dict[Op, Array], dict[Op, State]]:
        """Return the values that are seen, potentials of traced neurons, and the states after.

        `now` and `states` are those before; a run is given up soon after `halt` is set.
        """


@frozen(eq=False)
class Plan:
    """What a run does: stages, the kernel of each of their ops, and what an op reads instead.

    An op of which the kernel does the work of another one too reads what that one reads. A stage
    in `loops` needs no kernels.
    """

    stages: tuple[Stage, ...]
    kernels: Mapping[Op, Kernel]
    reads: Mapping[Op, tuple[Value, ...]] = field(factory=dict)
    loops: Mapping[Stage, Looped] = field(factory=dict)

    def operands(self, op: Op) -> tuple[Value, ...]:
        """Return the values that the kernel of an op takes."""
        return self.reads.get(op, op.values)


class NumpyProgram:
    """A module with the kernel of each of its ops and the order of its stages."""

    notes: tuple[Diagnostic, ...] = ()
    """What the user may like to know of how it runs."""

    def __init__(self, module: Module) -> None:
        verify(module).check()
        self.module = module
        self.kernels = {op: self.kernel(op) for op in module.graph.ops}
        self.whole = Plan(stages(module.graph), self.kernels)

    def kernel(self, op: Op) -> Kernel:
        """Return the kernel of an op."""
        return kernel(self.module, op)

    def plan(self, wanted: Probes) -> Plan:
        """Return the plan of a run that must make what is wanted, and the outputs."""
        return self.whole

    def each(self, run: Callable[[int], Held], starts: range, halt: Event) -> list[Held]:
        """Return what a function gives for the chunks that begin at some samples, in order.

        Chunks that run elsewhere give up soon after `halt` is set.
        """
        return [run(at) for at in starts]

    def run(
        self,
        inputs: Mapping[str, ArrayLike],
        *,
        ticks: int | None = None,
        state: Any = None,
        probe: Iterable[str] = (),
        first_sample: int = 0,
    ) -> Result:
        """Run a batch; see `ReferenceProgram.run`, whose results, states and errors these are.

        Of several overflows, the earliest of the first chunk of samples that has one is reported.
        """
        before = check_state(self.module, state)
        wanted = probes(self.module, probe)
        batch = check_inputs(self.module, inputs, ticks, before.samples if before else None)
        if not batch.samples * batch.ticks:
            return (
                Reference()
                .prepare(self.module)
                .run(
                    inputs,
                    ticks=ticks,
                    state=state,
                    probe=[*wanted.values, *wanted.potentials],
                    first_sample=first_sample,
                )
            )
        first = before.first_sample if before else first_sample
        records = _Records(self.module, batch, wanted)
        step = self.chunk(batch)

        owner, longest, halt = owner_of(self.module), self.longest(), Event()

        def run(at: int) -> Held:
            piece = _cut(batch, at, min(step, batch.samples - at))
            now, held = _cut_state(before, at, piece.samples), None
            for tick in range(0, batch.ticks, longest):
                part = _cut_ticks(self.module, piece, tick, longest)
                chunk = self.begun(part, now, first + at, wanted)
                chunk.run(halt)
                chunk.finish()
                records.store(at, tick, chunk)
                held = chunk.held()
                now = RunState(owner, chunk.tick + part.ticks, piece.samples, first + at, held)
            assert held is not None
            return held

        held = self.each(run, range(0, batch.samples, step), halt)
        joined = {
            name: tuple(_joined(parts) for parts in zip(*(h[name] for h in held), strict=True))
            for name in held[0]
        }
        tick = (before.tick if before else 0) + batch.ticks
        after = RunState(owner, tick, batch.samples, first, joined)
        return Result(records.outputs(), after, records.trace())

    def begun(
        self, batch: Batch, before: RunState | None, first_sample: int, wanted: Probes
    ) -> "Chunk":
        """Return the chunk that runs some samples."""
        return Chunk(self, batch, before, first_sample, wanted)

    def given(self, batch: Batch) -> dict[Value, Array]:
        """Return the graph's inputs in the order in memory that the kernels like."""
        return {v: batch.arrays[v.name] for v in self.module.graph.inputs}

    def chunk(self, batch: Batch) -> int:
        """Return how many samples run at a time."""
        return max(1, CHUNK_BYTES // self.sample_bytes(min(batch.ticks, self.longest())))

    def longest(self) -> int:
        """Return how many ticks of a sample run at a time: its values stay within memory."""
        return max(1, TICKS_BYTES // self.sample_bytes(1))

    def made(self) -> list[Value]:
        """Return the values that a run makes or is given."""
        graph = self.module.graph
        return [*graph.inputs, *(r for op in graph.ops for r in op.results)]

    def sample_bytes(self, ticks: int) -> int:
        """Return the bytes of all values of a sample, at least 1."""
        return max(1, self._tick_bytes * ticks)

    @cached_property
    def _tick_bytes(self) -> int:
        return sum(v.type.size * v.type.element.storage.itemsize for v in self.made())


def _cut(batch: Batch, at: int, samples: int) -> Batch:
    arrays = {name: array[at : at + samples] for name, array in batch.arrays.items()}
    return evolve(batch, arrays=arrays, samples=samples)


def _cut_ticks(module: Module, batch: Batch, tick: int, most: int) -> Batch:
    ticks = min(most, batch.ticks - tick)
    if ticks == batch.ticks:
        return batch
    timed = {v.name for v in module.graph.inputs if v.type.timed}
    arrays = {n: a[:, tick : tick + ticks] if n in timed else a for n, a in batch.arrays.items()}
    return evolve(batch, arrays=arrays, ticks=ticks)


def _cut_state(state: RunState | None, at: int, samples: int) -> RunState | None:
    if state is None:
        return None
    held = {n: tuple(a[at : at + samples] for a in arrays) for n, arrays in state.held.items()}
    return evolve(state, samples=samples, first_sample=state.first_sample + at, held=held)


def _joined(parts: Sequence[Array]) -> Array:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


class Halted(Exception):
    """A run that was given up; it is never seen outside of the threads of that run."""


class Chunk:
    """Some samples: the trains of all values and the states."""

    def __init__(
        self,
        program: NumpyProgram,
        batch: Batch,
        before: RunState | None,
        first_sample: int,
        wanted: Probes,
    ) -> None:
        self.program, self.batch, self.before = program, batch, before
        self.plan = program.plan(wanted)
        self.first_sample, self.tick = first_sample, before.tick if before else 0
        self.watched = set(wanted.potentials.values())
        self.now: dict[Value, Array] = program.given(batch)
        self.potentials: dict[Op, Array] = {}
        self.states: dict[Op, State] = {
            op: before.held[op.result.name]
            if before and op.spec.stateful
            else k.start(batch.samples, first_sample)
            for op, k in self.plan.kernels.items()
        }

    def run(self, halt: Event) -> None:
        """Run all stages; an overflow is found again by the reference, which says where it is.

        Raises:
            Halted: nobody waits for it any more.
        """
        try:
            for stage in self.plan.stages:
                if halt.is_set():
                    raise Halted
                if stage in self.plan.loops:
                    self._at_once(stage, halt)
                elif stage.loop:
                    self._loop(stage, halt)
                else:
                    self._whole(stage.ops[0])
        except OutOfRange as found:
            Reference().prepare(self.program.module).run(
                self.batch.arrays,
                ticks=self.batch.ticks,
                state=self.before,
                first_sample=self.first_sample,
            )
            raise fail(
                "engine-disagrees",
                f"the numpy engine found an overflow of %{found.name}, the reference none",
                help="please report this network",
            ) from None

    def finish(self) -> None:
        """Make arrays of what is seen, if it is something else."""

    def call(self, op: Op, tick: int, ticks: int, operands: list[Array]) -> list[Array]:
        """Return the results of an op over some ticks, its state being noted."""
        results, self.states[op] = self.plan.kernels[op].run(
            tick, ticks, operands, self.states[op], self._traced(op)
        )
        return results

    def _traced(self, op: Op) -> bool:
        return op.kind == "neuron" and (op in self.watched or len(op.results) > 1)

    def _whole(self, op: Op) -> None:
        results = self.call(
            op, self.tick, self.batch.ticks, [self.now[v] for v in self.plan.operands(op)]
        )
        self.now.update(zip(op.results, results, strict=False))
        if self._traced(op):
            self.potentials[op] = results[1]

    def _at_once(self, stage: Stage, halt: Event) -> None:
        span = Span(self.tick, self.batch.ticks, self.batch.samples)
        traced = {op for op in stage.ops if self._traced(op)}
        loop = self.plan.loops[stage]
        now, potentials, states = loop.run(span, self.now, self.states, traced, halt)
        if halt.is_set():
            raise Halted
        self.now |= now
        self.potentials |= potentials
        self.states |= states

    def _loop(self, stage: Stage, halt: Event) -> None:
        for op in (*stage.delays, *stage.ops):
            for value in op.results:
                shape = (self.batch.samples, self.batch.ticks, *value.type.shape)
                self.now[value] = self.room(shape, value.type.element.storage)
            if self._traced(op):
                shape = self.now[op.result].shape
                self.potentials[op] = self.room(shape, potential_type(op).element.storage)
        for at in range(0, self.batch.ticks, stage.block):
            if halt.is_set():
                raise Halted
            self._block(stage, slice(at, min(at + stage.block, self.batch.ticks)))

    def room(self, shape: tuple[int, ...], kind: "np.dtype[Any]") -> Array:
        """Return an array to be filled."""
        return np.empty(shape, dtype=kind)

    def _block(self, stage: Stage, part: slice) -> None:
        tick, ticks = self.tick + part.start, part.stop - part.start
        delays = [(op, self.plan.kernels[op]) for op in stage.delays]
        for op, delay in delays:
            assert isinstance(delay, Delaying)
            self.now[op.result][:, part] = delay.past(tick, ticks, self.states[op])
        for op in stage.ops:
            operands = [
                self.now[v][:, part] if v.type.timed else self.now[v]
                for v in self.plan.operands(op)
            ]
            results = self.call(op, tick, ticks, operands)
            for value, result in zip(op.results, results, strict=False):
                self.now[value][:, part] = result
            if self._traced(op):
                self.potentials[op][:, part] = results[1]
        for op, delay in delays:
            assert isinstance(delay, Delaying)
            values = self.now[op.values[0]][:, part]
            self.states[op] = delay.pushed(tick, values, self.states[op])

    def held(self) -> Held:
        """Return the states of the stateful ops."""
        return {op.result.name: s for op, s in self.states.items() if op.spec.stateful}


class _Records:
    """What a run returns, filled chunk by chunk."""

    def __init__(self, module: Module, batch: Batch, wanted: Probes) -> None:
        self.wanted, self.returned = wanted, module.graph.outputs
        self.shown = {v.name: v for v in self.returned} | dict(wanted.values)
        types = {name: value.type for name, value in self.shown.items()} | wanted.types
        self.arrays: dict[str, Array] = {}
        for name, type in types.items():
            axes = (batch.samples, batch.ticks) if type.timed else (batch.samples,)
            self.arrays[name] = np.empty((*axes, *type.shape), dtype=type.element.storage)

    def store(self, at: int, tick: int, chunk: Chunk) -> None:
        """Take the values of a chunk that starts at a sample and a tick of the run."""
        part = slice(at, at + chunk.batch.samples)
        when = slice(tick, tick + chunk.batch.ticks)
        for name, value in self.shown.items():
            place = (part, when) if value.type.timed else part
            self.arrays[name][place] = chunk.now[value]
        for name, op in self.wanted.potentials.items():
            self.arrays[name][part, when] = chunk.potentials[op]

    def outputs(self) -> dict[str, Array]:
        """Return the values that the graph returns."""
        return {value.name: self.arrays[value.name] for value in self.returned}

    def trace(self) -> dict[str, Array]:
        """Return the values and potentials asked for."""
        names = [*self.wanted.values, *self.wanted.potentials]
        return {name: self.arrays[name] for name in names}
