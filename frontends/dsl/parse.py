"""Text of `.snnl` to its tree: lark reads by the grammar, `Maker` turns each rule into a node.

A syntax error is the first one only; it says what was found, what could stand there, and names the
keyword that was probably meant. Lark is imported when the first text is parsed, together with
`snnc.frontends.dsl.maker`.
"""

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from snnc.diagnostics import SnncError, at, fail, nearest
from snnc.frontends.dsl import tree

if TYPE_CHECKING:
    from lark import Lark
    from lark.exceptions import UnexpectedInput

MARKS = {
    "LPAR": "(",
    "RPAR": ")",
    "LSQB": "[",
    "RSQB": "]",
    "LBRACE": "{",
    "RBRACE": "}",
    "EQUAL": "=",
    "COMMA": ",",
    "COLON": ":",
    "DOT": ".",
    "TILDE": "~",
    "NAME": "a name",
    "NUMBER": "a number",
    "STRING": "a string",
    "$END": "the end of the file",
}
OPERATORS = {"SIGN", "TIMES", "POWER", "COMPARE", "AND", "OR", "NOT", "__ANON_0", "__ANON_1"}
STATEMENTS = ("input", "state", "let", "for", "repeat", "if", "return")


def parse(text: str, file: str) -> tree.Program:
    """Return the tree of a file's text; `file` is the name that locations carry.

    Raises:
        SnncError: `syntax-error` at the first place that cannot be read, `number-too-large`.
    """
    program: tree.Program = _read(text, file, "start")
    return program


def parse_expression(text: str, file: str) -> tree.Node:
    """Return the tree of a single expression, such as the value of an option.

    Raises:
        SnncError: as `parse`.
    """
    node: tree.Node = _read(text, file, "expr")
    return node


def _read(text: str, file: str, start: str) -> Any:
    from lark.exceptions import UnexpectedInput, VisitError

    from snnc.frontends.dsl.maker import Maker

    try:
        return Maker(file).transform(_lark().parse(text, start=start))
    except VisitError as error:
        if isinstance(error.orig_exc, SnncError):
            raise error.orig_exc from None
        raise
    except UnexpectedInput as error:
        raise _refusal(error, text, file) from None


@lru_cache(maxsize=1)
def _lark() -> "Lark":
    from lark import Lark

    grammar = files("snnc.frontends.dsl").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(
        grammar,
        parser="lalr",
        start=["start", "expr"],
        maybe_placeholders=True,
        propagate_positions=True,
    )


def _refusal(error: "UnexpectedInput", text: str, file: str) -> SnncError:
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    expected: set[str] = set()
    found, help = "", ""
    line, column = error.line, error.column
    if isinstance(error, UnexpectedToken):
        expected = {t for t in error.accepts or error.expected if t != "WORD"}
        found = "" if error.token.type == "$END" else str(error.token)
        if not found:
            line, column = text.count("\n") + 1, len(text.rsplit("\n", 1)[-1]) + 1
    elif isinstance(error, UnexpectedCharacters):
        what = f"{error.char!r} is no sign of the language"
        if error.char == '"':
            what = "this string does not end on its line"
        return fail("syntax-error", what, at(file, line, column))
    keywords = sorted(t.lower() for t in expected if t.isalpha() and t not in MARKS)
    keywords = [k for k in keywords if k.upper() not in OPERATORS]
    if found.isidentifier() and keywords:
        help = _meant(found, keywords)
    elif isinstance(error, UnexpectedToken) and error.token_history:
        last = error.token_history[-1]
        help = _meant(str(last), STATEMENTS) if last and last.type == "NAME" else ""
    what = f"{found!r} cannot stand here" if found else "the file ends too early"
    return fail(
        "syntax-error",
        f"{what}; expected {_spoken(expected, keywords)}",
        at(file, max(line, 1), max(column, 1)),
        help=help,
    )


def _meant(word: str, keywords: Sequence[str]) -> str:
    """Return a did-you-mean phrase, or nothing where no keyword is near."""
    phrase = nearest(word, keywords)
    return phrase if phrase.startswith("did") else ""


def _spoken(expected: set[str], keywords: list[str]) -> str:
    """Return what could stand at a place, as words."""
    parts = [MARKS[t] if MARKS[t][0].isalpha() else f"{MARKS[t]!r}" for t in MARKS if t in expected]
    if {"NAME", "NUMBER", "STRING"} <= expected:
        parts, keywords = ["an expression"] + [p for p in parts if p in ("')'", "']'", "'}'")], []
    elif expected & OPERATORS:
        parts.append("an operator")
    return " or ".join(parts + [repr(k) for k in keywords]) or "something else"
