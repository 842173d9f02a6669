"""Matching the arguments of a call with the parameters of what is called, and their kinds.

A call is bound by position and name as in Python. A keyword that is not known, given twice or
missing is an error that names the nearest one.
"""

from collections.abc import Sequence
from typing import Any

from attrs import frozen

from snnc.diagnostics import Location, fail, nearest
from snnc.frontends.dsl import tree
from snnc.frontends.dsl.constants import Array, as_array, integer, integers, is_number, spoken
from snnc.frontends.dsl.sketch import Sketch
from snnc.ir.graph import Value
from snnc.ir.opset import REQUIRED, Symbol
from snnc.ir.types import Element, Type


@frozen(eq=False)
class Given(tree.Node):
    """A value that is known already: what a pipe hands on, or an option."""

    value: Any


@frozen(eq=False)
class Later:
    """A `state` that is not assigned yet: its stand-in may only be delayed."""

    name: str
    value: Value


@frozen
class Parameter:
    """A parameter: `kind` is value, constant, any, or the kind of an attribute (see AttrSpec).

    `axes` is how often one number stands for all; `keyword` ones are given by name only.
    """

    name: str
    kind: str = "any"
    default: Any = REQUIRED
    choices: tuple[str, ...] = ()
    element: Element | None = None
    axes: int = 0
    keyword: bool = False


def bind(
    name: str,
    parameters: Sequence[Parameter],
    arguments: Sequence[tree.Argument],
    loc: Location,
) -> dict[str, tree.Argument]:
    """Return the argument of each parameter that was given.

    Raises:
        SnncError: `unknown-keyword`, `duplicate-argument`, `wrong-arguments`, `missing-argument`.
    """
    known = [p.name for p in parameters]
    places = [p.name for p in parameters if not p.keyword]
    usage = f"{name}({', '.join(places)})"
    bound: dict[str, tree.Argument] = {}
    free = list(places)
    for argument in arguments:
        if not argument.name and not free:
            message = f"{name} takes at most {len(places)} arguments by position"
            raise fail("wrong-arguments", message, argument.loc, help=usage)
        key = argument.name or free.pop(0)
        if key not in known:
            message = f"{name} has no parameter {key!r}"
            raise fail("unknown-keyword", message, argument.loc, help=nearest(key, known))
        if key in bound:
            raise fail("duplicate-argument", f"{name}: {key} is given twice", argument.loc)
        bound[key] = argument
    missing = [p.name for p in parameters if p.default is REQUIRED and p.name not in bound]
    if missing:
        raise fail("missing-argument", f"{name} needs {', '.join(missing)}", loc, help=usage)
    return bound


def is_word(node: tree.Node, parameter: Parameter) -> str:
    """Return the bare word that an argument is, or an empty string."""
    if parameter.choices and isinstance(node, tree.Name):
        word = node.name.replace("_", "-")
        return word if word in parameter.choices else ""
    return ""


def convert(sketch: Sketch, call: str, parameter: Parameter, raw: Any, loc: Location) -> Any:
    """Return an evaluated argument as its parameter wants it; `none` stands for the default.

    Raises:
        SnncError: `wrong-kind`, `bad-word`, `not-an-integer` and what a weight can raise.
    """
    what = f"{call}: {parameter.name}"
    if raw is None and "none" in parameter.choices:
        raw = "none"
    if raw is None and parameter.default is not REQUIRED:
        return parameter.default
    match parameter.kind:
        case "value":
            return value_of(raw, loc, what, late=call == "delay")
        case "constant":
            array = as_array(raw, loc, what)
            return sketch.symbol(array, sketch.below(parameter.name), loc, parameter.element)
        case "param":
            return _param(sketch, what, parameter.name, raw, loc)
        case "number" | "float":
            if not is_number(raw):
                raise fail("wrong-kind", f"{what} must be a number, not {spoken(raw)}", loc)
            return sketch.number(raw, loc, what)
        case "int":
            return integer(raw, loc, what)
        case "ints":
            single = is_number(raw)
            found = integers(raw, loc, what)
            return found * parameter.axes if single and parameter.axes else found
        case "word":
            return _word(what, parameter, raw, loc)
        case "any":
            return raw
    wanted = {"bool": bool, "str": str, "dict": dict}[parameter.kind]
    if not isinstance(raw, wanted):
        raise fail("wrong-kind", f"{what} must be a {parameter.kind}, not {spoken(raw)}", loc)
    return raw


def value_of(raw: Any, loc: Location, what: str, late: bool = False) -> Value:
    """Return a value of the network, or raise `wrong-kind`."""
    if isinstance(raw, Value):
        return raw
    if isinstance(raw, Later):
        if late:
            return raw.value
        raise fail(
            "not-yet-made",
            f"{what}: {raw.name} is a state that is not assigned yet",
            loc,
            help=f"read it through delay({raw.name}), or assign it before",
        )
    if isinstance(raw, tuple):
        raise fail(
            "wrong-kind",
            f"{what}: {len(raw)} values stand where one is wanted",
            loc,
            help="name them first: a, b = ...",
        )
    hint = "a constant is not a value of the network; layers work on inputs and their results"
    raise fail("wrong-kind", f"{what} must be a value, not {spoken(raw)}", loc, help=hint)


def _param(sketch: Sketch, what: str, name: str, raw: Any, loc: Location) -> Any:
    if is_number(raw):
        return sketch.number(raw, loc, what)
    if isinstance(raw, (list, range, Array)):
        return sketch.symbol(as_array(raw, loc, what), sketch.below(name), loc)
    if isinstance(raw, Symbol):
        return raw
    raise fail("wrong-kind", f"{what} must be a number or numbers, not {spoken(raw)}", loc)


def _word(what: str, parameter: Parameter, raw: Any, loc: Location) -> str:
    word = raw.replace("_", "-") if isinstance(raw, str) else raw
    if word not in parameter.choices:
        raise fail(
            "bad-word",
            f"{what} = {raw if isinstance(raw, str) else spoken(raw)} is not a choice",
            loc,
            help=nearest(str(raw), list(parameter.choices)),
        )
    return str(word)


def real_values(value: Value) -> bool:
    """Whether a value carries real numbers, which level `int` computes nothing with."""
    type: Type = value.type
    return type.element.is_float
