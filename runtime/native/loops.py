"""Loops as machine code: all blocks of a loop in one call, or few, whatever their length.

A delay of a loop reads a train that begins with what the delay held; whatever the loop makes is
appended block by block. What the code has no step for makes the whole loop run as in the numpy
engine, block by block.
"""

from collections.abc import Iterator, Mapping
from threading import Event

import numpy as np
from attrs import frozen

from snnc.ir.graph import Module, Op, Value
from snnc.ir.types import F16, Type
from snnc.ir.weights import Array
from snnc.machine.compiler import Compiler
from snnc.runtime.native.elementwise import Elementwise
from snnc.runtime.native.layers import Gathered, Scanned
from snnc.runtime.native.stretch import Stretch, train_slot
from snnc.runtime.native.work import window
from snnc.runtime.numpy_engine import Plan, Span
from snnc.runtime.numpy_schedule import Stage
from snnc.runtime.semantics import OutOfRange, State
from snnc.runtime.state import potential_type

MOVES = ("reshape", "permute", "slice", "concat")


@frozen(eq=False)
class Loop:
    """A stage that is a loop, all of whose ops have steps; `needed` values are to be seen."""

    module: Module
    compiler: Compiler
    stage: Stage
    plan: Plan
    needed: tuple[Value, ...]

    def run(
        self,
        span: Span,
        now: Mapping[Value, Array],
        states: Mapping[Op, State],
        traced: set[Op],
        halt: Event,
    ) -> tuple[dict[Value, Array], dict[Op, Array], dict[Op, State]]:
        """Return trains of the needed values, potentials of traced neurons, and states.

        Raises:
            OutOfRange: a number left its range.
        """
        run = _Run(self, span, now, dict(states), traced)
        for first, blocks, ticks in self._stretches(span):
            run.stretch(first, blocks, ticks, halt)
        run.keep_delays()
        return run.trains, run.potentials, run.states

    def _stretches(self, span: Span) -> Iterator[tuple[int, int, int]]:
        """Yield first tick, blocks and ticks of a block, so that neurons work alike throughout."""
        block = self.stage.block
        rest = [op for op in self.stage.ops if op.kind == "neuron" and (op["first"] or op["ticks"])]
        starts = range(0, span.ticks, block)
        begun = 0
        before: tuple[int, list[tuple[int, int]]] | None = None
        for number, start in enumerate(starts):
            ticks = min(block, span.ticks - start)
            here = ticks, [window(op, span.tick + start, ticks) for op in rest]
            if before is not None and (rest or ticks < block) and here != before:
                yield begun * block, number - begun, before[0]
                begun = number
            before = here
        if before is not None:
            yield begun * block, len(starts) - begun, before[0]


class _Run:
    """One run: whole trains, potentials and states."""

    def __init__(
        self,
        loop: Loop,
        span: Span,
        now: Mapping[Value, Array],
        states: dict[Op, State],
        traced: set[Op],
    ) -> None:
        self.loop, self.span, self.states, self.traced = loop, span, states, traced
        ops, delays = loop.stage.ops, loop.stage.delays
        self.delayed = {op: self._begun(op) for op in delays}
        made = {result for op in (*ops, *delays) for result in op.results}
        read = {v for op in ops for v in loop.plan.operands(op)} - made
        self.given = {v: np.ascontiguousarray(now[v], v.type.element.storage) for v in read}
        late = {op.result: train[:, : span.ticks] for op, train in self.delayed.items()}
        self.records = {v: self._train(v.type) for v in loop.needed if v not in late}
        self.trains = {v: late[v] if v in late else self.records[v] for v in loop.needed}
        self.potentials = {op: self._train(potential_type(op)) for op in traced}

    def _train(self, type: Type) -> Array:
        shape = (self.span.samples, self.span.ticks, *type.shape)
        return np.empty(shape, dtype=type.element.storage)

    def _begun(self, op: Op) -> Array:
        """Return a train with what a delay holds, the earliest first, and room for what follows."""
        ring, by = self.states[op][0], op["by"]
        shape = (self.span.samples, by + self.span.ticks, *op.result.type.shape)
        train = np.empty(shape, dtype=ring.dtype)
        train[:, :by] = ring[:, np.arange(self.span.tick, self.span.tick + by) % by]
        return train

    def stretch(self, first: int, blocks: int, ticks: int, halt: Event) -> None:
        """Run blocks from a tick on."""
        loop, span = self.loop, self.span
        stretch = Stretch(loop.module, loop.compiler, span.samples, span.tick + first, ticks)
        for value, array in self.given.items():
            stretch.slots[value] = train_slot(array, first, ticks)
        for op, train in self.delayed.items():
            stretch.slots[op.result] = train_slot(train, first, ticks)
        for op in loop.stage.ops:
            kernel, reads = loop.plan.kernels[op], loop.plan.operands(op)
            stretch.add(op, kernel, reads, self.states[op], op in self.traced)
        for value, train in self.records.items():
            stretch.keep(stretch.slots[value], train, first)
        for op, train in self.delayed.items():
            stretch.keep(stretch.slots[op.values[0]], train, first + op["by"])
        for op, train in self.potentials.items():
            stretch.keep(stretch.potentials(op), train, first)
        before = {op: stretch.held(op) for op in self.traced}
        if stretch.run(blocks, halt.is_set):
            raise OutOfRange(loop.stage.ops[0].result.name, (), None, "")
        for op, work in stretch.works.items():
            self.states[op] = work.state()
        for op, train in self.potentials.items():
            # Code writes potentials only in ticks in which neurons work.
            work, end = stretch.works[op], first + blocks * ticks
            if work.begin == work.end:
                train[:, first:end] = before[op]
            else:
                train[:, first : first + work.begin] = before[op]
                train[:, end - ticks + work.end : end] = stretch.held(op)

    def keep_delays(self) -> None:
        """Note what delays hold after the last tick, in the places where the reference has it."""
        end = self.span.tick + self.span.ticks
        for op, train in self.delayed.items():
            by = op["by"]
            ring = np.empty_like(train[:, :by])
            ring[:, np.arange(end - by, end) % by] = train[:, train.shape[1] - by :]
            self.states[op] = (ring,)


def loop(
    module: Module, compiler: Compiler, stage: Stage, plan: Plan, seen: set[Value]
) -> Loop | None:
    """Return a loop as machine code; None where an op of it has no step.

    `seen` are the values that a run must make besides those that other stages read.
    """
    ops = (*stage.ops, *stage.delays)
    if not all(_has_steps(op, plan) for op in stage.ops):
        return None
    mine = {result for op in ops for result in op.results}
    if not all(v.type.timed for op in stage.ops for v in (*op.results, *plan.operands(op))):
        return None
    others = (op for other in plan.stages if other is not stage for op in other.ops)
    read = seen.union(*(plan.operands(op) for op in others))
    needed = tuple(result for op in ops for result in op.results if result in mine & read)
    return Loop(module, compiler, stage, plan, needed)


def _has_steps(op: Op, plan: Plan) -> bool:
    kernel, reads = plan.kernels[op], plan.operands(op)
    if any(value.type.element == F16 for value in (*op.results, *reads)):
        return False
    if op.kind == "neuron" and len(op.results) > 1 and (op["first"] or op["ticks"]):
        return False
    if isinstance(kernel, Gathered):
        return not reads[0].type.element.is_float
    return isinstance(kernel, Scanned | Elementwise) or op.kind in MOVES
