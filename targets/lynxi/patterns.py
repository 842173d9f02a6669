"""Finds neurons in a graph: which ops between a load and its save are one `snn.neuron`.

Looked through: casts, reshapes to the same shape, products with 1. Three forms are known, each with
its roundings: the state is kept before its reset (`before`), after it (`now`), or after reset and
decay, as BIDL keeps it; resets multiply with bits, or subtract.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from attrs import frozen

from snnc.ir.analysis import makers
from snnc.ir.graph import Module, Op, Value
from snnc.ir.weights import Array
from snnc.targets.lynxi.artifact.records import SAVE

COMPARES = {"greater": "gt", "greater_equal": "ge"}


@frozen(eq=False)
class Number:
    """A parameter or a number: its name, if it has one, and its values."""

    name: str
    array: Array

    def same(self, value: float) -> bool:
        """Whether every element is this value."""
        return bool((self.array == value).all())


@frozen(eq=False)
class Found:
    """A neuron: its load, input, potential after the charge, attributes, and compared potential.

    `numbers` are parameters by the names of `snn.neuron`; `attrs` its words. `kept` says what the
    state is: the charged potential, the reset one, or the decayed one.
    """

    load: Op
    x: Value
    v: Value
    threshold: Number
    compare: str
    numbers: dict[str, Number]
    attrs: dict[str, str]
    kept: str


class Patterns:
    """Questions about one graph; values are looked at through what changes nothing."""

    def __init__(self, module: Module) -> None:
        self.module, self.made_by = module, makers(module.graph)
        self.spikes = list(self._compares())

    def core(self, value: Value) -> Value:
        """Return the value that this one repeats."""
        op = self.made_by.get(value)
        while op is not None:
            inner = self._repeated(op)
            if inner is None:
                break
            value, op = inner, self.made_by.get(inner)
        return value

    def _repeated(self, op: Op) -> Value | None:
        first = op.values[0] if op.values else None
        if first is None:
            return None
        kept = op.kind in ("cast", SAVE) or (
            op.kind in ("reshape", "squeeze", "expand_dims")
            and first.type.shape == op.result.type.shape
        )
        if kept and op.result.type.element.name in ("f32", first.type.element.name):
            return first
        if op.kind == "multiply":
            for a, b in ((0, 1), (1, 0)):
                number = self.number(op.values[b])
                if number is not None and number.same(1.0) and number.array.size == 1:
                    return op.values[a]
        return None

    def op(self, value: Value, kind: str) -> Op | None:
        """Return the op of a kind that makes a value, or None."""
        found = self.made_by.get(self.core(value))
        return found if found is not None and found.kind == kind else None

    def number(self, value: Value) -> Number | None:
        """Return a parameter, or a number that stands in the text; None for anything else."""
        op = self.made_by.get(value)
        while op is not None and op.kind == "cast":
            value = op.values[0]
            op = self.made_by.get(value)
        if op is None or op.kind not in ("param", "scalar", "constant"):
            return None
        if op.kind == "scalar":
            return Number("", np.asarray(np.float32(op["value"])))
        return Number(op.symbols[0].name, self.module.tensor(op.symbols[0]))

    def pairs(self, value: Value, kind: str) -> Iterator[tuple[Value, Value]]:
        """Yield the operands of a commutative op in both orders."""
        op = self.op(value, kind)
        if op is not None:
            yield op.values[0], op.values[1]
            yield op.values[1], op.values[0]

    def inverted(self, value: Value) -> Value | None:
        """Return f where a value is 1 - f."""
        op = self.op(value, "subtract")
        one = None if op is None else self.number(op.values[0])
        return (
            self.core(op.values[1]) if op is not None and one is not None and one.same(1) else None
        )

    def fired(self, value: Value) -> tuple[Value, Number, str] | None:
        """Return (potential, threshold, compare) of a value that says whether neurons fired."""
        op = self.made_by.get(self.core(value))
        if op is None or op.kind not in COMPARES:
            return None
        threshold = self.number(op.values[1])
        if threshold is None:
            return None
        less = self.op(op.values[0], "subtract")
        theta = None if less is None else self.number(less.values[1])
        if less is not None and theta is not None and threshold.same(0.0):
            return self.core(less.values[0]), theta, COMPARES[op.kind]
        return self.core(op.values[0]), threshold, COMPARES[op.kind]

    def _compares(self) -> Iterator[tuple[Value, tuple[Value, Number, str]]]:
        for op in self.module.graph.ops:
            if op.kind in COMPARES:
                said = self.fired(op.result)
                if said is not None:
                    yield op.result, said

    def reset(self, value: Value) -> Iterator[tuple[Value, Value, dict[str, Number], str]]:
        """Yield (potential before, bits, numbers, kind) where a value is a reset potential."""
        for v, kept in self.pairs(value, "multiply"):
            bits = self.inverted(kept)
            if bits is not None:
                yield self.core(v), bits, {}, "hard"
        for a, b in self.pairs(value, "add"):
            for bits, to in self.pairs(a, "multiply"):
                number = self.number(to)
                for v, kept in self.pairs(b, "multiply"):
                    if number is not None and self.inverted(kept) is self.core(bits):
                        yield self.core(v), self.core(bits), {"reset_to": number}, "hard"
        op = self.op(value, "subtract")
        for bits, by in self.pairs(op.values[1], "multiply") if op is not None else ():
            number = self.number(by)
            if op is not None and number is not None:
                yield self.core(op.values[0]), self.core(bits), {"reset_by": number}, "soft"

    def decayed(self, value: Value) -> Iterator[tuple[Value, dict[str, Number]]]:
        """Yield a value as it is, and without its decay where it has one."""
        yield self.core(value), {}
        for v, by in self.pairs(value, "multiply"):
            number = self.number(by)
            if number is not None:
                yield self.core(v), {"decay": number}

    def neuron(self, load: Op) -> Found | None:
        """Return the neuron whose state a load begins, or None."""
        if len(load.values) < 2:
            return None
        state, saved = load.result, load.values[1]
        for made in (*self._before(load, state, saved), *self._now(load, state, saved)):
            return made
        return next(self._after_decay(load, state, saved), None)

    def _before(self, load: Op, state: Value, saved: Value) -> Iterator[Found]:
        """The state is the potential after the charge; its reset comes at the next tick."""
        v = self.core(saved)
        for carried, x in self.pairs(v, "add"):
            for inner, decay in self.decayed(carried):
                for before, bits, numbers, kind in self.reset(inner):
                    said = self.fired(bits)
                    if before is state and said is not None and said[0] is state:
                        words = {"reset": kind, "reset_time": "before"}
                        yield Found(
                            load, x, v, said[1], said[2], {**decay, **numbers}, words, "charged"
                        )

    def _now(self, load: Op, state: Value, saved: Value) -> Iterator[Found]:
        """The state is the potential after its reset, or without one."""
        floors: list[tuple[Value, dict[str, Number]]] = [(saved, {})]
        for w, low in self.pairs(saved, "maximum"):
            number = self.number(low)
            floors += [(w, {"floor": number})] if number is not None else []
        for w, floor in floors:
            for v, bits, numbers, kind in self.reset(w):
                said = self.fired(bits)
                if said is not None and said[0] is v:
                    for x, decay in self._charged(v, state):
                        found = {**decay, **numbers, **floor}
                        yield Found(load, x, v, said[1], said[2], found, {"reset": kind}, "reset")
            v = self.core(w)
            for x, decay in self._charged(v, state):
                for _, (potential, threshold, compare) in self.spikes:
                    if potential is v:
                        words = {"reset": "none"}
                        yield Found(
                            load, x, v, threshold, compare, {**decay, **floor}, words, "reset"
                        )

    def _charged(self, v: Value, state: Value) -> Iterator[tuple[Value, dict[str, Number]]]:
        for carried, x in self.pairs(v, "add"):
            for inner, decay in self.decayed(carried):
                if inner is state:
                    yield x, decay

    def _after_decay(self, load: Op, state: Value, saved: Value) -> Iterator[Found]:
        """The state is kept after reset and decay, as BIDL does."""
        ends = [saved]
        for w, beta in self.pairs(saved, "add"):
            number = self.number(beta)
            ends += [w] if number is not None and number.same(0.0) else []
        for end in ends:
            for rest, decay in self.decayed(end):
                for u, bits, numbers, kind in self.reset(rest):
                    said = self.fired(bits)
                    if said is None or said[0] is not u:
                        continue
                    for x, carried in self.pairs(u, "add"):
                        if self.core(carried) is state:
                            words: dict[str, Any] = {"reset": kind, "reset_time": "before"}
                            yield Found(
                                load, x, u, said[1], said[2], {**decay, **numbers}, words, "decayed"
                            )
