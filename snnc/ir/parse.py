"""From `.snn` text to raw records: lexing, grammar, and syntax errors in plain words.

Nothing here knows ops or levels. The grammar is `text.lark`; its reductions build the records
below while it parses, so no tree is ever made. Any text at all gives records or one located
`SnncError`: never an exception of the parser.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from snnc.diagnostics import Location, SnncError, at, fail
from snnc.ir import terminals
from snnc.ir.opset import Symbol
from snnc.ir.terminals import Name, Refused
from snnc.ir.types import Type
from snnc.ir.version import VERSION

if TYPE_CHECKING:
    from lark import Lark, Token, UnexpectedInput

DEEPEST = 32
"""Lists and mappings may be nested this deep; so no reader of attributes runs out of stack."""


class RawUse(NamedTuple):
    """A symbol as an operand, and where it stands."""

    symbol: Symbol
    line: int
    column: int


class RawWeight(NamedTuple):
    """`weight @name : type = value loc`."""

    name: Name
    type: Type
    value: Any
    loc: Location | None


class RawParam(NamedTuple):
    """`%name: type loc`."""

    name: Name
    type: Type
    loc: Location | None


class RawOp(NamedTuple):
    """One op; `takes` and `gives` are the types of its signature."""

    results: tuple[Name, ...]
    name: Name
    operands: tuple[Name | RawUse, ...]
    attrs: Mapping[str, Any]
    takes: tuple[Type, ...]
    gives: tuple[Type, ...]
    loc: Location | None


class RawGraph(NamedTuple):
    """The graph; `gives` are the declared types of what it returns."""

    name: Name
    params: tuple[RawParam, ...]
    gives: tuple[Type, ...]
    loc: Location | None
    ops: tuple[RawOp, ...]
    outputs: tuple[Name, ...]


class RawModule(NamedTuple):
    """The whole text."""

    name: Name
    level: Name
    attrs: Mapping[str, Any]
    loc: Location | None
    weights: tuple[RawWeight, ...]
    graph: RawGraph


def parse(text: str, file: str) -> RawModule:
    """Return the records of a text.

    Raises:
        SnncError: `newer-version`, `syntax-error`, `bad-type`, `bad-cut`, `bad-location`,
            `bad-number`, `bad-string`, `duplicate-attribute` or `nested-too-deep`, each with its
            place in `file`.
    """
    from lark import UnexpectedInput

    _check_version(text, file)
    try:
        raw: Any = _parser().parse(text)
    except UnexpectedInput as error:
        raise _syntax_error(error, text, file) from None
    except Refused as error:
        place = at(file, error.token.line or 0, error.token.column or 0)
        raise fail(error.code, error.message, place, help=error.help) from None
    assert isinstance(raw, RawModule)
    return raw


_VERSION = re.compile(
    r'(?:[ \t\r\n]|//[^\n]*)*+module\s+@(?:[\w.]+|"(?:[^"\\\n]|\\.)*+")\s+level\s+\w+'
    r"\s+version\s+(\d+)"
)


def _check_version(text: str, file: str) -> None:
    """Refuse a newer version before its unknown syntax is met."""
    match = _VERSION.match(text)
    if match and (len(match[1]) > 9 or not 1 <= int(match[1]) <= VERSION):
        before = text[: match.start(1)]
        raise fail(
            "newer-version",
            f"the text has version {match[1]}; this snnc reads versions 1 to {VERSION}",
            at(file, before.count("\n") + 1, match.start(1) - before.rfind("\n")),
            help="update snnc, or write the file again with this version",
        )


@lru_cache(maxsize=1)
def _parser() -> "Lark":
    from importlib.resources import files

    from lark import Lark, Transformer, v_args

    grammar = files("snnc.ir").joinpath("text.lark").read_text(encoding="utf-8")
    reductions: dict[str, Any] = {n: staticmethod(f) for n, f in _REDUCTIONS.items()}
    transformer = v_args(inline=True)(type("Records", (Transformer,), reductions))()
    return Lark(grammar, parser="lalr", lexer="contextual", transformer=transformer)


def _use(token: "Token") -> Name | RawUse:
    if token.type == "VALUE":
        return terminals.name(token)
    return RawUse(terminals.symbol(token), token.line or 0, token.column or 0)


def _items(*items: Any) -> tuple[Any, ...]:
    return () if items == (None,) else items


def _names(*tokens: "Token | None") -> tuple[Name, ...]:
    return tuple(terminals.name(t) for t in tokens if t is not None)


def _types(*tokens: "Token | None") -> tuple[Type, ...]:
    return tuple(terminals.type_of(t) for t in tokens if t is not None)


def _operands(*tokens: "Token | None") -> tuple[Name | RawUse, ...]:
    return tuple(_use(t) for t in tokens if t is not None)


def _nested(value: Any) -> bool:
    return type(value) in (tuple, dict)


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max((_depth(v) for v in inner if _nested(v)), default=0)


def _list(bracket: "Token", *items: Any) -> tuple[Any, ...]:
    found = _items(*items)
    if any(_nested(item) for item in found):
        _check_depth(found, bracket)
    return found


def _check_depth(value: Any, bracket: "Token") -> None:
    if _depth(value) > DEEPEST:
        raise Refused("nested-too-deep", f"more than {DEEPEST} levels of nesting", bracket)


def _entry(key: "Token", value: Any) -> tuple["Token", Any]:
    return key, value


def _attrs(brace: "Token", *entries: tuple["Token", Any] | None) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for entry in entries:
        if entry is not None:
            token, value = entry
            key = terminals.string(token) if token.type == "STRING" else str(token)
            if key in made:
                raise Refused("duplicate-attribute", f"{key!r} is given twice", token)
            made[key] = value
    if any(_nested(value) for value in made.values()):
        _check_depth(made, brace)
    return made


def _weight(name: "Token", type: "Token", value: Any, loc: "Token | None") -> RawWeight:
    return RawWeight(terminals.name(name), terminals.type_of(type), value, terminals.location(loc))


def _param(name: "Token", type: "Token", loc: "Token | None") -> RawParam:
    return RawParam(terminals.name(name), terminals.type_of(type), terminals.location(loc))


def _op(
    results: tuple[Name, ...] | None,
    name: "Token",
    operands: tuple[Name | RawUse, ...],
    attrs: dict[str, Any] | None,
    takes: tuple[Type, ...],
    gives: tuple[Type, ...],
    loc: "Token | None",
) -> RawOp:
    place = terminals.location(loc)
    return RawOp(results or (), terminals.name(name), operands, attrs or {}, takes, gives, place)


def _graph(
    name: "Token",
    params: tuple[RawParam, ...],
    gives: tuple[Type, ...],
    loc: "Token | None",
    *body: Any,
) -> RawGraph:
    place = terminals.location(loc)
    return RawGraph(terminals.name(name), params, gives, place, body[:-1], body[-1])


def _module(
    name: "Token",
    level: "Token",
    _version: "Token | None",
    attrs: dict[str, Any] | None,
    loc: "Token | None",
    *body: Any,
) -> RawModule:
    return RawModule(
        terminals.name(name),
        terminals.name(level),
        attrs or {},
        terminals.location(loc),
        body[:-1],
        body[-1],
    )


_REDUCTIONS: Mapping[str, Callable[..., Any]] = {
    "start": _module,
    "weight": _weight,
    "graph": _graph,
    "params": _items,
    "param": _param,
    "return": _names,
    "op": _op,
    "results": _names,
    "operands": _operands,
    "types": _types,
    "attrs": _attrs,
    "entry": _entry,
    "number": terminals.number,
    "string": terminals.string,
    "word": terminals.word,
    "symbol": terminals.symbol,
    "type": terminals.type_of,
    "list": _list,
    "mapping": lambda attrs: attrs,
}

_WORDS = {
    "VALUE": "a value such as %x",
    "SYMBOL": "a name such as @w",
    "OPNAME": "an op such as int.neuron",
    "TYPE": "a type such as u1[10]~",
    "LOC": "a location",
    "FLOAT": "a number",
    "INT": "a number",
    "NAME": "a word",
    "STRING": "a quoted string",
    "$END": "the end of the text",
}


def _syntax_error(error: "UnexpectedInput", text: str, file: str) -> SnncError:
    """Return the one located error for a text that the grammar refuses."""
    from lark import UnexpectedToken

    line, column = error.line, error.column
    if isinstance(error, UnexpectedToken):
        found = "the end of the text" if error.token.type == "$END" else repr(str(error.token))
        expected = error.accepts or error.expected
    else:
        found = repr(text[error.pos_in_stream]) if error.pos_in_stream is not None else "nothing"
        expected = getattr(error, "allowed", None) or set()
    if found == "the end of the text":
        lines = text.rstrip().split("\n")
        line, column = len(lines), len(lines[-1]) + 1
    if len(found) > 40:
        found = f"{found[:36]}...'"
    words = sorted({_in_words(name) for name in expected})
    wanted = " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
    message = f"expected {wanted}, found {found}" if wanted else f"{found} has no meaning here"
    return fail("syntax-error", message, at(file, max(line, 1), max(column, 1)), help=_hint(found))


def _in_words(terminal: str) -> str:
    if terminal in _WORDS:
        return _WORDS[terminal]
    for known in _parser().terminals:
        if known.name == terminal:
            return f"'{known.pattern.value}'"
    return terminal


def _hint(found: str) -> str:
    if found == "'graph'":
        return "a module has one graph"
    return ""
