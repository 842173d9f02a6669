"""Statements of `.snnl`, carried out one after the other in the frame of their network."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from snnc.diagnostics import fail, nearest
from snnc.frontends.dsl import tree
from snnc.frontends.dsl.arguments import Later, value_of
from snnc.frontends.dsl.constants import integer, integers, spoken, too_large
from snnc.frontends.dsl.evaluate import Evaluator
from snnc.frontends.dsl.functions import LIST_LIMIT
from snnc.frontends.dsl.report import Report
from snnc.frontends.dsl.scope import Frame
from snnc.frontends.dsl.sketch import VALUE_LIMIT
from snnc.ir.graph import Value
from snnc.ir.types import ELEMENTS, Type

STATEMENT_LIMIT = 200_000

Returned = tuple[Value, ...] | None
"""The values of a `return`, or None where none was met."""


class Statements:
    """Carries out statements with an evaluator."""

    def __init__(self, evaluator: Evaluator, report: Report) -> None:
        self.evaluator, self.sketch, self.report = evaluator, evaluator.sketch, report
        self.count = 0

    def block(self, block: tree.Block, frame: Frame) -> Returned:
        """Carry out a block and return what it returns, or None; errors are collected."""
        with self.evaluator.deeper(block.loc):
            for statement in block.statements:
                self.count += 1
                if self.count > STATEMENT_LIMIT:
                    raise too_large("statements", self.count, STATEMENT_LIMIT, statement.loc)
                made: Returned = self.report.guarded(
                    partial(self.statement, statement, frame),
                    made_by(statement),
                    frame,
                )
                if made is not None:
                    self._last(block, statement)
                    return made
        return None

    def _last(self, block: tree.Block, statement: tree.Node) -> None:
        after = block.statements[block.statements.index(statement) + 1 :]
        if isinstance(statement, tree.Return) and after:
            self.report.add(fail("never-reached", "this stands behind a return", after[0].loc))

    def statement(self, node: tree.Node, frame: Frame) -> Returned:
        """Carry out one statement; raises its first error."""
        match node:
            case tree.Let():
                self.let(node, frame)
            case tree.Assign():
                self._assign(node, frame)
            case tree.Input():
                self._input(node, frame)
            case tree.State():
                self._state(node, frame)
            case tree.For():
                return self._for(node, frame)
            case tree.Branch():
                chosen = node.yes if self.evaluator.flag(node.condition, frame) else node.no
                return None if chosen is None else self.block(chosen, frame)
            case tree.Return():
                return self._return(node, frame)
        return None

    def let(self, node: tree.Let, frame: Frame) -> None:
        """Name a constant."""
        if isinstance(frame.names.get(node.name), (Value, Later)):
            raise fail("duplicate-name", f"{node.name!r} is a value of the network", node.loc)
        self.sketch.target = frame.prefix
        frame.names[node.name] = self.evaluator.constant(node.value, frame, f"let {node.name}")

    def _input(self, node: tree.Input, frame: Frame) -> None:
        if not frame.main:
            raise fail(
                "inner-input",
                "only the main network has inputs",
                node.loc,
                help=f"make {node.names[0].name} a parameter: network "
                f"{frame.network}({node.names[0].name}, ...)",
            )
        type = self._type(node.type, frame)
        for name in node.names:
            if name.name in frame.names:
                raise fail("duplicate-name", f"{name.name!r} is there already", name.loc)
            frame.names[name.name] = self.sketch.builder.input(name.name, type, name.loc)

    def _state(self, node: tree.State, frame: Frame) -> None:
        type = self._type(node.type, frame)
        if not type.timed:
            raise fail("bad-type", f"a state has one value per tick: {type}~", node.type.loc)
        for name in node.names:
            stand_in = self.sketch.builder.forward(frame.label(name.name), type, name.loc)
            later = Later(name.name, stand_in)
            frame.names[name.name] = later
            frame.states[name.name] = (later, name.loc)

    def _type(self, node: tree.TypeNode, frame: Frame) -> Type:
        if node.element not in ELEMENTS:
            raise fail(
                "bad-type",
                f"{node.element!r} is not an element",
                node.loc,
                help=nearest(node.element, list(ELEMENTS)),
            )
        sizes: list[int] = []
        for size in node.sizes:
            sizes += integers(self.evaluator.value(size, frame), size.loc, "a size")
        type = Type(ELEMENTS[node.element], tuple(sizes), 0 if node.timed else None)
        if any(n < 1 for n in sizes):
            raise fail("bad-type", f"{type} has a size below 1", node.loc)
        if math.prod(sizes) > VALUE_LIMIT:
            raise too_large("elements of a value", math.prod(sizes), VALUE_LIMIT, node.loc)
        return type

    def _assign(self, node: tree.Assign, frame: Frame) -> None:
        self.sketch.target = frame.label(node.names[0].name)
        self.evaluator.outermost = _outermost(node.value)
        first = len(self.sketch.builder.ops)
        found = self.evaluator.value(node.value, frame)
        values = found if isinstance(found, tuple) else (found,)
        if len(values) != len(node.names):
            raise fail(
                "wrong-count",
                f"{len(values)} values for {len(node.names)} names",
                node.loc,
                help="name all of them: a, b = ...",
            )
        made = {r for op in self.sketch.builder.ops[first:] for r in op.results}
        for name, value in zip(node.names, values, strict=True):
            self._bind(name, value, frame)
            if value in made:
                self.sketch.wanted[value] = frame.label(name.name)

    def _bind(self, name: tree.Name, found: Any, frame: Frame) -> None:
        if not isinstance(found, (Value, Later)):
            raise fail(
                "wrong-kind",
                f"{name.name} = {spoken(found)} is a constant",
                name.loc,
                help=f"write let {name.name} = ...",
            )
        value = value_of(found, name.loc, name.name)
        later = frame.names.get(name.name)
        if isinstance(later, Later):
            if later.value.type != value.type:
                raise fail(
                    "type-mismatch",
                    f"state {name.name} is declared {later.value.type}, but is {value.type}",
                    name.loc,
                    help="make the declaration and the value agree",
                )
            self.sketch.builder.bind(later.value, value)
        frame.names[name.name] = value

    def _for(self, node: tree.For, frame: Frame) -> Returned:
        if node.name:
            items: Sequence[Any] = self.evaluator.items(node.over, frame)
        else:
            count = integer(self.evaluator.value(node.over, frame), node.loc, "repeat")
            if count < 0:
                raise fail("too-small", f"repeat {count} must not be below 0", node.loc)
            if count > LIST_LIMIT:
                raise too_large("repeat", count, LIST_LIMIT, node.loc)
            items = range(count)
        plain = isinstance(items, range) or (
            all(type(item) is int for item in items) and len(set(items)) == len(items)
        )
        for place, item in enumerate(items):
            frame.indices.append(item if plain else place)
            if node.name:
                frame.names[node.name] = item
            try:
                made = self.block(node.body, frame)
            finally:
                frame.indices.pop()
            if made is not None:
                raise fail("return-in-loop", "a return cannot stand in a loop", node.loc)
        return None

    def _return(self, node: tree.Return, frame: Frame) -> Returned:
        self.sketch.target = frame.prefix
        self.evaluator.outermost = None
        values: list[Value] = []
        for item in node.values:
            found = self.evaluator.value(item, frame)
            for raw in found if isinstance(found, (list, tuple)) else [found]:
                values.append(value_of(raw, item.loc, "return"))
        if len(set(values)) != len(values) and frame.main:
            raise fail("duplicate-name", "the same value is returned twice", node.loc)
        return tuple(values)


def _outermost(node: tree.Node) -> tree.Node:
    return node.calls[-1] if isinstance(node, tree.Pipe) else node


def made_by(node: tree.Node) -> list[str]:
    """Return the names that a statement assigns."""
    match node:
        case tree.Let() | tree.WeightsLine():
            return [node.name]
        case tree.Assign() | tree.Input() | tree.State():
            return [n.name for n in node.names]
        case tree.For():
            return [node.name] * bool(node.name) + made_by(node.body)
        case tree.Branch():
            blocks = [b for b in (node.yes, node.no) if b]
            return [n for b in blocks for n in made_by(b)]
        case tree.Block():
            return [n for s in node.statements for n in made_by(s)]
    return []
