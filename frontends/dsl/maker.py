"""Rules of the grammar to nodes of the tree, one method per rule and of its name. Imports lark.

The walk is not recursive, so that no depth of nesting exhausts Python's stack.
"""

# ruff: noqa: D102  the grammar says what each rule is

from typing import Any

from lark import Token, v_args
from lark.visitors import Transformer_NonRecursive

from snnc.diagnostics import Location, at, fail
from snnc.frontends.dsl import tree

WORDS = {"true": True, "false": False, "none": None}
LARGEST = 2**63 - 1
DIGITS = 40

Meta = Any
Name = tree.Name


@v_args(inline=True, meta=True)
class Maker(Transformer_NonRecursive[Token, Any]):
    """Builds the tree of one file."""

    def __init__(self, file: str) -> None:
        super().__init__(visit_tokens=False)
        self.file = file

    def _at(self, token: Token) -> Location:
        return at(self.file, token.line or 0, token.column or 0)

    def _here(self, meta: Meta) -> Location:
        line = getattr(meta, "container_line", None) or getattr(meta, "line", 0)
        column = getattr(meta, "container_column", None) or getattr(meta, "column", 0)
        return at(self.file, line, column)

    def _name(self, token: Token) -> Name:
        return Name(self._at(token), str(token))

    # Items.

    def start(self, meta: Meta, *items: tree.Node) -> tree.Program:
        return tree.Program(at(self.file, 1, 1), items)

    def level(self, meta: Meta, name: Token) -> tree.LevelLine:
        return tree.LevelLine(self._at(name), str(name))

    def ticks(self, meta: Meta, count: tree.Node) -> tree.TicksLine:
        return tree.TicksLine(count.loc, count)

    def weights(self, meta: Meta, path: Token, name: Token) -> tree.WeightsLine:
        return tree.WeightsLine(self._at(path), path[1:-1], str(name))

    def network(self, meta: Meta, name: Token, params: Any, body: tree.Block) -> tree.Network:
        return tree.Network(self._at(name), str(name), params or (), body)

    def params(self, meta: Meta, *found: tree.Parameter | None) -> tuple[tree.Parameter, ...]:
        return tuple(p for p in found if p is not None)

    def param(self, meta: Meta, name: Token, default: tree.Node | None) -> tree.Parameter:
        return tree.Parameter(self._at(name), str(name), default)

    # Statements.

    def block(self, meta: Meta, *statements: tree.Node) -> tree.Block:
        return tree.Block(self._here(meta), statements)

    def input(self, meta: Meta, names: tuple[Name, ...], type: tree.TypeNode) -> tree.Input:
        return tree.Input(names[0].loc, names, type)

    def state(self, meta: Meta, names: tuple[Name, ...], type: tree.TypeNode) -> tree.State:
        return tree.State(names[0].loc, names, type)

    def let(self, meta: Meta, name: Token, value: tree.Node) -> tree.Let:
        return tree.Let(self._at(name), str(name), value)

    def assign(self, meta: Meta, names: tuple[Name, ...], value: tree.Node) -> tree.Assign:
        return tree.Assign(names[0].loc, names, value)

    def for_each(self, meta: Meta, name: Token, over: tree.Node, body: tree.Block) -> tree.For:
        return tree.For(over.loc, str(name), over, body)

    def repeat(self, meta: Meta, count: tree.Node, body: tree.Block) -> tree.For:
        return tree.For(count.loc, "", count, body)

    def branch(self, meta: Meta, condition: tree.Node, yes: tree.Block, no: Any) -> tree.Branch:
        if isinstance(no, tree.Branch):
            no = tree.Block(no.loc, (no,))
        return tree.Branch(condition.loc, condition, yes, no)

    def give(self, meta: Meta, values: tuple[tree.Node, ...]) -> tree.Return:
        return tree.Return(self._here(meta), values)

    def names(self, meta: Meta, *tokens: Token) -> tuple[Name, ...]:
        return tuple(self._name(t) for t in tokens)

    def type(self, meta: Meta, name: Token, sizes: Any, tilde: Token | None) -> tree.TypeNode:
        return tree.TypeNode(self._at(name), str(name), sizes or (), tilde is not None)

    # Expressions.

    def exprs(self, meta: Meta, *found: tree.Node) -> tuple[tree.Node, ...]:
        return found

    def items(self, meta: Meta, *found: tree.Node | None) -> tuple[tree.Node, ...]:
        return tuple(f for f in found if f is not None)

    def pipe(self, meta: Meta, source: tree.Node, call: tree.Call) -> tree.Pipe:
        if isinstance(source, tree.Pipe):
            return tree.Pipe(source.loc, source.source, (*source.calls, call))
        return tree.Pipe(source.loc, source, (call,))

    def target(self, meta: Meta, name: Token, arguments: Any) -> tree.Call:
        return tree.Call(self._at(name), str(name), arguments or ())

    call = target

    def arguments(self, meta: Meta, *found: tree.Argument | None) -> tuple[tree.Argument, ...]:
        return tuple(a for a in found if a is not None)

    def argument(self, meta: Meta, name: Token | None, value: tree.Node) -> tree.Argument:
        if name is None:
            return tree.Argument(value.loc, "", value)
        return tree.Argument(self._at(name), str(name), value)

    def choose(self, meta: Meta, condition: Any, yes: Any, no: Any) -> tree.Choose:
        return tree.Choose(condition.loc, condition, yes, no)

    def span(self, meta: Meta, start: tree.Node, stop: tree.Node) -> tree.Span:
        return tree.Span(start.loc, start, stop)

    def binary(self, meta: Meta, left: tree.Node, sign: Token, right: tree.Node) -> tree.Binary:
        return tree.Binary(self._at(sign), str(sign), left, right)

    def unary(self, meta: Meta, sign: Token, operand: tree.Node) -> tree.Unary:
        return tree.Unary(self._at(sign), str(sign), operand)

    def member(self, meta: Meta, base: tree.Node, name: Token) -> tree.Member:
        return tree.Member(self._at(name), base, str(name))

    def index(self, meta: Meta, base: tree.Node, cuts: tuple[tree.Node, ...]) -> tree.Index:
        return tree.Index(base.loc, base, cuts)

    def cuts(self, meta: Meta, *found: tree.Node) -> tuple[tree.Node, ...]:
        return found

    def between(self, meta: Meta, low: Any, colon: Token, high: Any) -> tree.Between:
        return tree.Between(self._at(colon), low, high)

    def number(self, meta: Meta, token: Token) -> tree.Number:
        whole = token.isdigit()
        value = int(token) if whole and len(token) < DIGITS else float(token)
        if abs(value) > LARGEST and (whole or value == float("inf")):
            raise fail(
                "number-too-large",
                f"{str(token)[:DIGITS]} is beyond what this language computes with",
                self._at(token),
                help="integers reach 2**63 - 1, real numbers about 1.8e308",
            )
        return tree.Number(self._at(token), value)

    def string(self, meta: Meta, token: Token) -> tree.Literal:
        return tree.Literal(self._at(token), token[1:-1])

    def word(self, meta: Meta, token: Token) -> tree.Literal:
        return tree.Literal(self._at(token), WORDS[token])

    def name(self, meta: Meta, token: Token) -> Name:
        return self._name(token)

    def sequence(self, meta: Meta, items: Any) -> tree.Sequence:
        return tree.Sequence(self._here(meta), items or ())

    def comprehension(self, meta: Meta, body: Any, name: Token, over: Any) -> tree.Comprehension:
        return tree.Comprehension(body.loc, body, str(name), over)

    def mapping(self, meta: Meta, *entries: Any) -> tree.Mapping:
        return tree.Mapping(self._here(meta), tuple(e for e in entries if e is not None))

    def entry(self, meta: Meta, name: Token, value: tree.Node) -> tuple[str, tree.Node]:
        return str(name), value
