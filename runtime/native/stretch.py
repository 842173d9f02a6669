"""A stretch of a loop: blocks of one length in which the same neurons work, as a table of steps.

Values of a block lie in buffers `(samples, ticks of a block, row)`; trains from outside, records
and what delays hold are whole trains, along which steps move on. Ops that only move elements give
another order of reading and take no time.
"""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from attrs import evolve, frozen

from snnc.ir.graph import Module, Op, Value
from snnc.ir.weights import Array
from snnc.machine.addresses import address
from snnc.machine.compiler import Compiler, Function
from snnc.runtime.native.arrangement import Arrangement
from snnc.runtime.native.elementwise import factors
from snnc.runtime.native.gather import TERMS
from snnc.runtime.native.layers import Gathered, Scanned, arguments_of
from snnc.runtime.native.steps import FOLD_FIELDS, MOVE_FIELDS, Drive, Fold, Move
from snnc.runtime.native.work import Work
from snnc.runtime.numpy_trains import Kernel
from snnc.runtime.semantics import State, Stateless, meaning

ROUNDS = 1024
"""Blocks that run in one call at most; an interrupt is seen between calls."""

ELEMENTS = 1 << 22
"""Elements that a call makes at most, unless one block makes more."""


@frozen(eq=False)
class Slot:
    """Where a value lies during a block: the array, where in it, and in which order.

    `at` is the byte of the first element, `sample` and `tick` are the bytes from one to the next,
    `step` the bytes from block to block (0 in a buffer). `order` has the place in a row of each
    element, None where they are in row-major order.
    """

    array: Array
    at: int
    sample: int
    tick: int
    step: int = 0
    order: Array | None = None


def train_slot(array: Array, first: int, ticks: int) -> Slot:
    """Return the slot of a train `(samples, ticks, *shape)`, read by blocks from a tick on."""
    sample, tick = array.strides[:2] if array.size else (0, 0)
    return Slot(array, first * tick, sample, tick, ticks * tick)


class Stretch:
    """The steps of a stretch, made for some samples and ticks of a block."""

    def __init__(
        self, module: Module, compiler: Compiler, samples: int, tick: int, ticks: int
    ) -> None:
        self.module, self.compiler = module, compiler
        self.samples, self.tick, self.ticks = samples, tick, ticks
        self.slots: dict[Value, Slot] = {}
        self.works: dict[Op, Work] = {}
        self._steps: list[tuple[Function, Array]] = []
        self._kept: list[Array] = []

    def add(
        self, op: Op, kernel: Kernel, reads: Sequence[Value], state: State, traced: bool
    ) -> None:
        """Add the steps of an op that is no delay; `reads` is what its kernel takes."""
        slots = [self.slots[value] for value in reads]
        if isinstance(kernel, Gathered):
            self._product(op, kernel, reads, slots, state, traced)
        elif isinstance(kernel, Scanned):
            work = kernel.neurons.work(self.tick, self.ticks, state, traced)
            x = self._row(slots[0], kernel.neurons.arrangement.order, np.dtype(kernel.kind))
            function = kernel.code(work.form, work.spikes.itemsize)
            self._neurons(op, work, {"inputs": address(x)}, function)
        elif op.kind in ("add", "sub", "scale"):
            self._fold(op, slots)
        elif op.kind == "concat":
            self._concat(op, slots)
        else:
            order = _through(slots[0].order, _moved(self.module, op))
            self.slots[op.result] = evolve(slots[0], order=order)

    def keep(self, slot: Slot, train: Array, first: int) -> None:
        """Add a step that keeps what a slot has in a whole train, from one of its ticks on."""
        self._move(slot, train_slot(train, first, self.ticks), train.dtype)

    def held(self, op: Op) -> Array:
        """Return the potentials of a neuron now, `(samples, 1, *shape)`."""
        work = self.works[op]
        return work.arrangement.outer(work.potentials().copy(), 1)[:, None]

    def potentials(self, op: Op) -> Slot:
        """Return where the potentials of a traced neuron lie."""
        work = self.works[op]
        return self._buffer(work.traces, work.arrangement)

    def run(self, blocks: int, halted: Callable[[], bool]) -> bool:
        """Run some blocks; return whether a number left its range. Gives up where `halted`."""
        drive = self.compiler.function("drive", None, Drive)
        table = np.array(
            [
                word
                for function, block in self._steps
                for word in (_address(function), address(block))
            ],
            dtype=np.int64,
        )
        made = sum(slot.array.size for slot in self.slots.values() if not slot.step)
        bad, rounds = 0, max(1, min(ROUNDS, ELEMENTS // max(1, made)))
        for at in range(0, blocks, rounds):
            if bad or halted():
                break
            bad = drive(address(table), len(self._steps), min(rounds, blocks - at))
        return bool(bad)

    def _step(self, function: Function, block: Array, *kept: Array) -> None:
        self._steps.append((function, block))
        self._kept += kept

    def _new(self, size: int, kind: Any, order: Array | None = None) -> Slot:
        """Return the slot of a new buffer of zeros."""
        array = np.zeros((self.samples, self.ticks, size), dtype=kind)
        return Slot(array, 0, self.ticks * size * array.itemsize, size * array.itemsize, 0, order)

    def _buffer(self, array: Array, arrangement: Arrangement) -> Slot:
        """Return the slot of a buffer of numbers that lie so."""
        tick = arrangement.rows * arrangement.channels * array.itemsize
        return Slot(array, 0, self.ticks * tick, tick, 0, arrangement.places)

    def _row(
        self,
        slot: Slot,
        order: Array | None,
        kind: "np.dtype[Any]",
        to: Array | None = None,
        size: int = 0,
    ) -> Array:
        """Return a buffer of a slot's elements, in another order, as numbers of a kind.

        `to` says where they go in rows of `size`, which have zeros elsewhere.
        """
        source = _through(slot.order, order)
        if source is None and to is None and not slot.step and slot.array.dtype == kind:
            return slot.array
        count = _count(slot) if source is None else len(source)
        found = self._new(size or count, kind)
        self._move(evolve(slot, order=source), evolve(found, order=to), kind)
        return found.array

    def _move(self, slot: Slot, target: Slot, kind: "np.dtype[Any]") -> None:
        """Add a step that moves the elements of a slot, as numbers of a kind."""
        count, given, kept = _count(slot), slot.array.dtype, []
        if slot.order is not None or target.order is not None:
            tables = (np.arange(count) if o is None else o for o in (slot.order, target.order))
            kept = [np.ascontiguousarray(table, dtype=np.int32) for table in tables]
        real = kind.kind == "f" and given.kind != "f"
        bits = 8 * given.itemsize, 8 * kind.itemsize
        move = Move(*bits, given.kind == "i", real, bool(kept))
        fields = {"samples": self.samples, "ticks": self.ticks, "count": count}
        for side, place in (("source", slot), ("target", target)):
            fields[side] = address(place.array) + place.at
            fields |= {f"{side}_{n}": getattr(place, n) for n in ("sample", "tick", "step")}
        fields |= {n: address(t) for n, t in zip(("from", "to"), kept, strict=False)}
        block = np.array([fields.get(name, 0) for name in MOVE_FIELDS], dtype=np.int64)
        function = self.compiler.function("move", move, move.emit)
        self._step(function, block, *kept, slot.array, target.array)

    def _product(
        self,
        op: Op,
        kernel: Gathered,
        reads: Sequence[Value],
        slots: Sequence[Slot],
        state: State,
        traced: bool,
    ) -> None:
        source, element = kernel.source, kernel.looped
        order, places, size = kernel.reading
        kind = np.dtype(np.int16 if element == 2 else np.uint8)
        x = self._row(slots[0], order, kind, places, size)
        work = kernel.neurons.work(self.tick, self.ticks, state, traced) if kernel.neurons else None
        out = work.spikes.itemsize if work else 4
        code, function = kernel.code(element, work.form if work else None, out)
        kept = kernel.kept(code, x, self.ticks, x.size)
        if not code.dense:
            words = [address(x), address(kept["indices"]), address(kept["starts"])]
            block = np.array([self.samples * self.ticks, *words], dtype=np.int64)
            self._step(kernel.listed("called"), block)
        fields = {name: address(array) for name, array in kept.items()} | kernel.lasting(code)
        self._kept += kept.values()
        if work is None:
            made = self._new(op.result.type.size, np.float32 if source.real else np.int32)
            fields |= {"spikes": address(made.array), "end": self.ticks}
            self._finish(fields, function)
            self.slots[op.result] = self._buffer(made.array, source.result)
            return
        wide = np.dtype(np.float32 if source.real else np.int32)
        for name, slot, bits in zip(TERMS, slots[1:], work.form.terms, strict=False):
            term = self._row(slot, source.result.order, np.dtype(np.uint8) if bits == 8 else wide)
            fields[name] = address(term)
        self._neurons(op, work, fields, function)

    def _neurons(self, op: Op, work: Work, fields: dict[str, int], function: Function) -> None:
        """Add the step of neurons, unless they rest."""
        if work.begin < work.end:
            self._finish(fields | work.fields(), function)
        self.works[op] = work
        self.slots[op.result] = self._buffer(work.spikes, work.arrangement)
        if len(op.results) > 1:
            self.slots[op.results[1]] = self.potentials(op)

    def _finish(self, fields: dict[str, int], function: Function) -> None:
        sizes = {"samples": self.samples, "ticks": self.ticks}
        self._step(function, arguments_of(sizes | fields))

    def _fold(self, op: Op, slots: Sequence[Slot]) -> None:
        """Add a sum, difference or scale, in 32 bits."""
        size, real = op.result.type.size, op.result.type.element.is_float
        kind = np.dtype(np.float32 if real else np.int32)
        rows = [self._row(slot, None, kind) for slot in slots]
        made = self._new(size, kind)
        fields = {"rows": self.samples * self.ticks, "count": size}
        if op.kind == "scale":
            by = np.broadcast_to(factors(self.module, op), op.result.type.shape)
            by = np.ascontiguousarray(by, dtype=kind).reshape(-1)
            pairs = [(rows[0], by, "factors")]
        else:
            pairs = [(rows[0], rows[1], "other")] if len(rows) > 1 else []
            pairs += [(made.array, row, "other") for row in rows[2:]]
        fold = Fold(op.kind, real)
        function = self.compiler.function("fold", fold, fold.emit)
        for one, other, name in pairs:
            given = {"out": address(made.array), "one": address(one), name: address(other)}
            block = np.array([(fields | given).get(n, 0) for n in FOLD_FIELDS], dtype=np.int64)
            self._step(function, block, one, other, made.array)
        self.slots[op.result] = made if pairs else evolve(made, array=rows[0])

    def _concat(self, op: Op, slots: Sequence[Slot]) -> None:
        type, sizes = op.result.type, [value.type.size for value in op.values]
        places = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
        parts = zip(places, op.values, strict=True)
        arrays = [place.reshape(value.type.shape) for place, value in parts]
        order = np.concatenate(arrays, axis=op["axis"]).reshape(-1)
        back = np.argsort(order)
        made = self._new(type.size, type.element.storage)
        for place, slot in zip(places, slots, strict=True):
            self._move(slot, evolve(made, order=back[place]), type.element.storage)
        self.slots[op.result] = made


def _count(slot: Slot) -> int:
    """Return the number of elements of a row."""
    return int(np.prod(slot.array.shape[2:])) if slot.order is None else len(slot.order)


def _through(first: Array | None, then: Array | None) -> Array | None:
    """Return the order of an order; None is row-major."""
    return then if first is None else first if then is None else first[then]


def _moved(module: Module, op: Op) -> Array | None:
    """Return which element of its operand each element of an op's result is, None for the same."""
    given, type = meaning(module, op), op.values[0].type
    if op.kind == "reshape" or not isinstance(given, Stateless):
        return None
    return given.function(np.arange(type.size).reshape(1, *type.shape)).reshape(-1)


def _address(function: Function) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0  # type: ignore[arg-type]
