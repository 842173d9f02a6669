"""The terminals of the `.snn` text: names, symbols, types, locations, numbers and strings.

Each function decodes one token of the grammar. Symbols and types repeat on thousands of lines, so
those are remembered. What a terminal's pattern lets through but its meaning refuses is `Refused`,
to which `parse` adds the file.
"""

import json
import math
import re
from typing import TYPE_CHECKING, NamedTuple

from snnc.diagnostics import UNKNOWN, Location, SnncError, at, fuse, named
from snnc.ir.opset import Symbol, Word
from snnc.ir.types import Type, parse_type

if TYPE_CHECKING:
    from lark import Token


class Name(NamedTuple):
    """A name and where it stands."""

    text: str
    line: int
    column: int


class Refused(Exception):
    """A terminal that the grammar accepts but its decoder does not; `parse` adds the file."""

    def __init__(self, code: str, message: str, token: "Token", help: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.token, self.help = code, message, token, help


def name(token: "Token") -> Name:
    """Decode `%x`, `@"odd name"` or a bare word."""
    text = token[1:] if token[0] in "%@" else str(token)
    if text[0] == '"':
        text = string(token, text)
    elif "[" in text:
        raise Refused("bad-cut", f"a cut has no meaning in {str(token)!r}", token)
    return Name(text, token.line or 0, token.column or 0)


def string(token: "Token", quoted: str = "") -> str:
    """Decode a quoted string (JSON's escapes); `quoted` where it is only a part of the token."""
    try:
        decoded = json.loads(quoted or str(token), strict=False)
    except ValueError:
        message = f"{quoted or str(token)} has an escape that is not of JSON"
        raise Refused(
            "bad-string", message, token, help='write \\\\ for a backslash, \\" for a quote'
        ) from None
    return str(decoded)


_SYMBOLS: dict[str, Symbol] = {}


def symbol(token: "Token") -> Symbol:
    """Decode `@name` or `@name[0:4, :]`."""
    text = str(token)
    found = _SYMBOLS.get(text)
    if found is None:
        if len(_SYMBOLS) > 65536:
            _SYMBOLS.clear()
        found = _SYMBOLS[text] = _decode_symbol(token)
    return found


_SYMBOL = re.compile(r'@([A-Za-z0-9_.]+|"(?:[^"\\\n]|\\.)*")(?:\[([^\]\n]*)\])?')
_AXIS = re.compile(r" *(?:(\d{1,18}):(\d{1,18})|:) *")


def _decode_symbol(token: "Token") -> Symbol:
    match = _SYMBOL.fullmatch(token)
    assert match is not None
    name = string(token, match[1]) if match[1][0] == '"' else match[1]
    if match[2] is None:
        return Symbol(name)
    cut: list[tuple[int, int] | None] = []
    for part in match[2].split(","):
        axis = _AXIS.fullmatch(part)
        if axis is None:
            raise Refused(
                "bad-cut",
                f"{part.strip()!r} is not a cut of one axis",
                token,
                help="write start:stop, or : for the whole axis",
            )
        cut.append(None if axis[1] is None else (int(axis[1]), int(axis[2])))
    return Symbol(name, tuple(cut))


_TYPES: dict[str, Type] = {}


def type_of(token: "Token") -> Type:
    """Decode a type."""
    found = _TYPES.get(token)
    if found is None:
        try:
            found = parse_type(str(token))
        except SnncError as error:
            bad = error.diagnostics[0]
            raise Refused(bad.code, bad.message, token, bad.help) from None
        if len(_TYPES) > 4096:
            _TYPES.clear()
        _TYPES[str(token)] = found
    return found


_PART = r'("(?:[^"\\\n]|\\.)*")((?::\d{1,9}){1,2})|("(?:[^"\\\n]|\\.)*")|([A-Za-z0-9_.]+)'
_PLACE = re.compile(rf" *(?:{_PART}) *")


def location(token: "Token | None") -> Location | None:
    """Decode `loc(...)`: a place, a name, `fused` and several, or nothing for an unknown place."""
    if token is None:
        return None
    inside = token[4:-1].strip()
    if not inside:
        return UNKNOWN
    if not inside.startswith("fused "):
        place, end = _place(token, inside, 0)
        if end == len(inside):
            return place
        raise _bad_location(token)
    parts, end = [], len("fused ")
    while True:
        part, end = _place(token, inside, end)
        parts.append(part)
        if end == len(inside):
            return fuse(*parts)
        if inside[end] != ",":
            raise _bad_location(token)
        end += 1


def _place(token: "Token", inside: str, start: int) -> tuple[Location, int]:
    match = _PLACE.match(inside, start)
    if match is None:
        raise _bad_location(token)
    if match[1]:
        line, *column = (int(n) for n in match[2][1:].split(":"))
        return at(string(token, match[1]), line, *column), match.end()
    return named(string(token, match[3]) if match[3] else match[4]), match.end()


def _bad_location(token: "Token") -> Refused:
    return Refused(
        "bad-location",
        f"{token!s} is not a location",
        token,
        help='write loc("file":line:column), loc(name) or loc(fused "a.py":1:2, name)',
    )


def number(token: "Token") -> int | float:
    """Decode an integer or a float."""
    if token.type == "INT":
        if len(token) <= 20:
            return int(token)
    elif math.isfinite(value := float(token)):
        return value
    raise Refused("bad-number", f"the number {token[:24]}... is too large", token)


def word(token: "Token") -> bool | Word:
    """Decode a bare word, `true` and `false` among them."""
    text = str(token)
    return text == "true" if text in ("true", "false") else Word(text)
