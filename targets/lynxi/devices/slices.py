"""Cuts a graph into model slices: each gives one value, which the next one takes as its input.

A slice keeps the states that its ops load and save. A cut goes through one value; anything else
that both sides would need is refused, except parameters, constants and numbers, which each has.
"""

from collections.abc import Sequence
from typing import Any

from snnc.diagnostics import fail, nearest
from snnc.ir.analysis import makers
from snnc.ir.build import Builder
from snnc.ir.graph import Module, Op, Value
from snnc.ir.types import Type
from snnc.targets.lynxi.artifact.records import LOAD, SAVE, TIE
from snnc.targets.lynxi.lowering.elements import NAMES
from snnc.targets.lynxi.place import place

SHARED = ("param", "constant", "scalar")


def cut(module: Module, at: Sequence[str]) -> tuple[Module, ...]:
    """Return the slices of a placed graph, cut at values by name, in order.

    Raises:
        SnncError: `slice-cut` for a name that is no timed value of the graph behind a batch axis,
            or where more than the value would cross.
    """
    values = {r.name: r for op in module.graph.ops for r in op.results}
    ends: list[Value] = []
    for name in at:
        value = values.get(name)
        if value is None or not value.type.timed or value.type.shape[:1] != (1,):
            text = f"%{name} is no value that a graph can be cut at"
            raise fail("slice-cut", text, module.loc, help=_places(module, name))
        ends.append(value)
    taken: set[Op] = set()
    made = []
    for number in range(len(ends) + 1):
        start = ends[number - 1] if number else None
        end = ends[number] if number < len(ends) else None
        one = _Slice(module, start, end)
        if not one.ops:
            text = f"slice {number} would hold nothing"
            raise fail("slice-cut", text, module.loc, help="cut at another value")
        if taken & one.ops:
            twice = next(op for op in module.graph.ops if op in taken & one.ops)
            raise fail(
                "slice-cut",
                f"slices {number - 1} and {number} both need %{twice.result.name}",
                twice.loc,
                help="cut where one value is all that goes on",
            )
        taken |= one.ops
        made.append(one.module(number))
    return tuple(made)


def _places(module: Module, name: str) -> str:
    """Return where a graph can be cut in two, in printed order, or what is called nearly so."""
    found = []
    for op in module.graph.ops:
        value = op.results[0]
        if value.type.timed and value.type.shape[:1] == (1,) and op.kind not in (TIE, "data"):
            first, rest = _Slice(module, None, value).ops, _Slice(module, value, None).ops
            if first and rest and not first & rest:
                found.append(value.name)
    near = nearest(name, found)
    return near if near.startswith("did") else f"it can be cut at {', '.join(found) or 'no value'}"


class _Slice:
    """The ops between two values, with the saves of the states that they load."""

    def __init__(self, module: Module, start: Value | None, end: Value | None) -> None:
        self.old, self.start, self.end = module, start, end
        self.made_by = makers(module.graph)
        roots = [end] if end is not None else [op.values[0] for op in self._results()]
        self.needed: set[Op] = set()
        todo = [self._untied(r) for r in roots]
        while todo:
            value = todo.pop()
            op = self.made_by.get(value)
            if value is start or op is None or op in self.needed:
                continue
            self.needed.add(op)
            todo += op.values
        self.ops = {op for op in self.needed if op.kind not in SHARED}

    def _results(self) -> list[Op]:
        return [self.made_by[v] for v in self.old.graph.outputs]

    def _untied(self, value: Value) -> Value:
        """Return the output itself for one that is tied to saves."""
        op = self.made_by[value]
        return op.values[op.results.index(value)] if op.kind == TIE else value

    def module(self, number: int) -> Module:
        """Return the slice as a placed graph."""
        new = Builder(f"{self.old.name}.{number}", "lynxi", self.old.attrs, self.old.loc)
        now: dict[Value, Value] = {}
        for value in self.old.graph.inputs:
            if any(value in op.values for op in self.ops):
                now[value] = new.input(value.name, value.type, value.loc)
        if self.start is not None:
            type = Type(self.start.type.element, self.start.type.shape[1:], 0)
            given = new.input(_port(self.start), type)
            dtype = NAMES[self.start.type.element]
            now[self.start] = new.op("data", given, name="data_0", dtype=dtype)
        waiting: dict[Value, Value] = {}
        for op in self.old.graph.ops:
            if op not in self.needed:
                continue
            operands: list[Any] = [self._operand(new, o, op, now, waiting) for o in op.operands]
            made = new.emit(op.name, operands, op.attrs, names=[r.name for r in op.results])
            now.update(zip(op.results, made.results, strict=True))
            for old in op.results:
                if old in waiting:
                    new.bind(waiting[old], now[old])
        return place(new.finish(*self._outputs(new, now), graph=self.old.graph.name))

    def _operand(
        self,
        new: Builder,
        operand: Any,
        op: Op,
        now: dict[Value, Value],
        waiting: dict[Value, Value],
    ) -> Any:
        if not isinstance(operand, Value):
            weight = self.old.weights[operand.name]
            return new.weight(operand.name, weight.tensor, loc=weight.loc)
        if operand in now:
            return now[operand]
        if op.kind == LOAD and self.made_by[operand].kind == SAVE:
            waiting[operand] = new.forward(operand.name, operand.type)
            return waiting[operand]
        raise fail("slice-cut", f"%{operand.name} crosses the cut", op.loc, help="cut elsewhere")

    def _outputs(self, new: Builder, now: dict[Value, Value]) -> list[Value]:
        if self.end is not None:
            attrs = {"element": self.end.type.element.name, "shape": self.end.type.shape[1:]}
            return [new.emit("result", [now[self.end]], attrs, names=[f"{_port(self.end)}"]).result]
        return [
            new.emit(
                "result", [now[self._untied(op.values[0])]], op.attrs, names=[op.result.name]
            ).result
            for op in self._results()
        ]


def _port(value: Value) -> str:
    """Return the name by which a cut value leaves one slice and enters the next."""
    return f"cut.{value.name}"
