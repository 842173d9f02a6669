"""The reference: runs a module tick by tick, op by op. It defines what a module means.

Nothing here is fast. Every value is an array `(samples, *shape)` in the storage of its type; ops
run in an order in which each follows the makers of what it reads, and a `delay` shows its past
before anything else runs. The meaning of each op is in `snnc.runtime.semantics`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import ArrayLike

from snnc.diagnostics import SnncError, fail
from snnc.extend.engine import Result
from snnc.ir.analysis import run_order
from snnc.ir.graph import Module, Op, Value
from snnc.ir.types import Type
from snnc.ir.verify import verify
from snnc.ir.weights import Array
from snnc.runtime.inputs import Batch, check_inputs
from snnc.runtime.semantics import Meaning, OutOfRange, meaning
from snnc.runtime.semantics import State as OpState
from snnc.runtime.semantics.movements import Delay
from snnc.runtime.state import Probes, RunState, check_state, owner_of, probes


@frozen
class Reference:
    """The engine that defines the others."""

    name: str = "reference"
    levels: tuple[str, ...] = ("snn", "int", "lynxi")

    def prepare(self, module: Module) -> "ReferenceProgram":
        """Return a program.

        Raises:
            SnncError: what `verify` finds; `no-semantics`, `empty-window`.
        """
        return ReferenceProgram(module)


class ReferenceProgram:
    """A module with the meaning of each of its ops, and `spent`, the values that it reads last.

    These are dropped once it has run, so that a large tick needs no memory for all its values.
    """

    def __init__(self, module: Module) -> None:
        verify(module).check()
        self.module = module
        self.order = run_order(module.graph)
        self.meanings: dict[Op, Meaning] = {op: meaning(module, op) for op in self.order}
        last = {value: op for op in self.order for value in (*op.results, *op.values)}
        self.spent: dict[Op, list[Value]] = {op: [] for op in self.order}
        for value, op in last.items():
            self.spent[op].append(value)

    def run(
        self,
        inputs: Mapping[str, ArrayLike],
        *,
        ticks: int | None = None,
        state: Any = None,
        probe: Iterable[str] = (),
        first_sample: int = 0,
    ) -> Result:
        """Run a batch; see `snnc.extend.engine.Program`.

        `first_sample` is the index of the first sample in a larger batch; random encoders draw by
        index, so a batch may be split. A state keeps the indices it began with.

        Raises:
            SnncError: `overflow` naming the value, tick, sample and number; those of
                `check_inputs`, `check_state` and `probes`.
        """
        before = check_state(self.module, state)
        wanted = probes(self.module, probe)
        batch = check_inputs(self.module, inputs, ticks, before.samples if before else None)
        run = _Run(self, batch, before, first_sample, wanted)
        for tick in range(batch.ticks):
            run.step(tick)
        return run.result()


class _Run:
    """One run: the values of the current tick, the states, and the records being filled."""

    def __init__(
        self,
        program: ReferenceProgram,
        batch: Batch,
        before: RunState | None,
        first_sample: int,
        wanted: Probes,
    ) -> None:
        self.program, self.batch, self.wanted = program, batch, wanted
        self.graph = program.module.graph
        self.first_tick = before.tick if before else 0
        self.first_sample = before.first_sample if before else first_sample
        self.now: dict[Value, Array] = {}
        self.states: dict[Op, OpState] = {
            op: before.held[op.result.name]
            if before and op.spec.stateful
            else m.start(batch.samples, self.first_sample)
            for op, m in program.meanings.items()
        }
        shown = {v.name: v for v in self.graph.outputs} | dict(wanted.values)
        self.shown = [(name, value) for name, value in shown.items() if value.type.timed]
        self.records = {name: self._record(value.type) for name, value in self.shown}
        self.kept = {value for _, value in self.shown}
        # A delay reads its source at the end of the tick.
        self.kept |= {
            v for op, m in program.meanings.items() if isinstance(m, Delay) for v in op.values
        }
        self.records |= {name: self._record(wanted.types[name]) for name in wanted.potentials}
        self._constants()

    def _record(self, type: Type) -> Array:
        shape = (self.batch.samples, self.batch.ticks, *type.shape)
        return np.empty(shape, dtype=type.element.storage)

    def _constants(self) -> None:
        for value in self.graph.inputs:
            if not value.type.timed:
                self.now[value] = self.batch.arrays[value.name]
        for op in self.program.order:
            if not op.result.type.timed:
                self._run_op(op, self.first_tick)

    def step(self, row: int) -> None:
        """Run the tick that stands in row `row` of the inputs."""
        tick = self.first_tick + row
        for value in self.graph.inputs:
            if value.type.timed:
                self.now[value] = self.batch.arrays[value.name][:, row]
        delays = [(op, m) for op, m in self.program.meanings.items() if isinstance(m, Delay)]
        for op, m in delays:
            self.now[op.result] = m.past(tick, self.states[op])[0]
        for op in self.program.order:
            if op.result.type.timed and not isinstance(self.program.meanings[op], Delay):
                self._run_op(op, tick)
                for value in self.program.spent[op]:
                    if value.type.timed and value not in self.kept:
                        del self.now[value]
        for op, m in delays:
            self.states[op] = m.step(tick, [self.now[op.values[-1]]], self.states[op])[1]
        for name, value in self.shown:
            self.records[name][:, row] = self.now[value]
        for name, op in self.wanted.potentials.items():
            self.records[name][:, row] = self.states[op][0]

    def _run_op(self, op: Op, tick: int) -> None:
        operands = [self.now[v] for v in op.values]
        try:
            results, self.states[op] = self.program.meanings[op].step(
                tick, operands, self.states[op]
            )
        except OutOfRange as found:
            raise self._overflow(op, tick, found) from None
        self.now.update(zip(op.results, results, strict=True))

    def _overflow(self, op: Op, tick: int, found: OutOfRange) -> SnncError:
        sample, *index = found.index
        return fail(
            "overflow",
            f"%{found.name}[{', '.join(map(str, index))}] is {found.value} at tick {tick} of "
            f"sample {self.first_sample + sample}; {found.holds}",
            op.loc,
            help="scale the weights down, widen the potential (width), or say what overflow does",
        )

    def result(self) -> Result:
        """Return outputs, trace and the state after the last tick."""

        def taken(name: str, value: Value) -> Array:
            return self.records[name] if value.type.timed else self.now[value]

        trace = {name: taken(name, value) for name, value in self.wanted.values.items()}
        trace |= {name: self.records[name] for name in self.wanted.potentials}
        outputs = {value.name: taken(value.name, value) for value in self.graph.outputs}
        held = {op.result.name: s for op, s in self.states.items() if op.spec.stateful}
        tick = self.first_tick + self.batch.ticks
        after = RunState(
            owner_of(self.program.module), tick, self.batch.samples, self.first_sample, held
        )
        return Result(outputs, after, trace)
