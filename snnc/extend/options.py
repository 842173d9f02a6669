"""Typed options of passes and targets, from pipeline text, command line or Python.

The contract: an option's type, choices and help come from the attrs field that declares it,
nothing is declared twice; a value of another type is refused, never converted with loss. The text
itself is `snnc.extend.pipeline_text`, whose functions are named here too.
"""

import types
import typing
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

import attrs

from snnc.diagnostics import UNKNOWN, SnncError, fail, nearest
from snnc.extend.pipeline_text import (
    WHERE,
    Step,
    expand,
    labels,
    parse,
    parse_value,
    write,
    write_value,
)

__all__ = [
    "WHERE",
    "Option",
    "Step",
    "build",
    "convert",
    "declared",
    "expand",
    "from_text",
    "labels",
    "parse",
    "write",
    "write_value",
]


@attrs.frozen
class Option:
    """A declared option of a class: `kind` reads like `int` or `[int]`; choices are the words.

    `field` is the attrs field; where that is a word of Python with an underscore behind it
    (`for_`), texts leave the underscore out.
    """

    field: str
    kind: str
    default: Any
    help: str = ""
    choices: tuple[Any, ...] = ()
    optional: bool = False

    @property
    def name(self) -> str:
        """What texts call it."""
        return self.field.rstrip("_")

    @property
    def wanted(self) -> str:
        """What a value must be, in words."""
        if self.choices:
            return "one of " + ", ".join(str(c) for c in self.choices)
        names = {
            "int": "a whole number",
            "float": "a number",
            "bool": "true or false",
            "str": "a text",
        }
        if self.kind.startswith("["):
            return f"a list of {self.kind[1:-1]} such as [1,2]"
        return names[self.kind] + (" or none" if self.optional else "")


_DECLARED: WeakKeyDictionary[type[Any], tuple[Option, ...]] = WeakKeyDictionary()


def declared(cls: type[Any]) -> tuple[Option, ...]:
    """Return the options of a pass or of a target's `Options`, in declared order."""
    if cls not in _DECLARED:
        hints = typing.get_type_hints(cls)
        fields = [field for field in attrs.fields(cls) if field.init]
        _DECLARED[cls] = tuple(_option(cls, field, hints[field.name]) for field in fields)
    return _DECLARED[cls]


def _option(cls: type[Any], field: Any, hint: Any) -> Option:
    members, optional = _without_none(hint)
    kind = ""
    if len(members) == 1:
        base = members[0]
        if base in (int, float, bool, str):
            kind = base.__name__
        elif typing.get_origin(base) in (tuple, list):
            inner = {a for a in typing.get_args(base) if a is not Ellipsis}
            if len(inner) == 1 and inner <= {int, float, bool, str}:
                kind = f"[{inner.pop().__name__}]"
    if not kind:
        raise fail(
            "option-type",
            f"option {field.name} of {cls.__name__} has type {hint}, which no text can give",
            help="declare it as int, float, bool, str, a tuple of these, or one of them or None",
        )
    metadata = field.metadata
    default = None if field.default is attrs.NOTHING else field.default
    return Option(
        field.name,
        kind,
        default,
        metadata.get("help", ""),
        metadata.get("choices", ()),
        optional,
    )


def _without_none(hint: Any) -> tuple[tuple[Any, ...], bool]:
    if typing.get_origin(hint) not in (types.UnionType, typing.Union):
        return (hint,), False
    members = typing.get_args(hint)
    return tuple(m for m in members if m is not type(None)), type(None) in members


def build(cls: type[Any], options: Mapping[str, Any] | Step, owner: str = "") -> Any:
    """Return an instance of a pass or `Options` class from option values.

    `owner` names whose options these are in errors, such as "target paicore".

    Raises:
        SnncError: `unknown-option` with the nearest name, `bad-option` with what is wanted.
    """
    step = options if isinstance(options, Step) else Step("", options)
    name = owner or f"pass {step.name or cls.__name__}"
    known = {option.name: option for option in declared(cls)}
    values: dict[str, Any] = {}
    for given, value in step.options.items():
        option = known.get(given.replace("-", "_"))
        if option is None:
            spelled = [k.replace("_", "-") for k in known]
            hint = nearest(given.replace("_", "-"), spelled) if known else "it takes no options"
            raise step.error("unknown-option", f"{name} has no option {given!r}", given, hint)
        try:
            values[option.field] = convert(option, value)
        except ValueError as error:
            raise step.error(
                "bad-option",
                f"{name}: {given} = {write_value(value)}: {error}",
                given,
                f"{given}: {option.help}" if option.help else "",
            ) from error
    return cls(**values)


def convert(option: Option, value: Any) -> Any:
    """Return a value in the option's own type; ValueError says what is wanted if it is not."""
    if option.optional and (value is None or value == "none"):
        return None
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    if option.kind.startswith("["):
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"it must be {option.wanted}")
        made: Any = tuple(_scalar(option.kind[1:-1], v, option) for v in value)
        chosen = made
    else:
        made = _scalar(option.kind, value, option)
        chosen = (made,)
    for one in chosen:
        if option.choices and one not in option.choices:
            close = nearest(str(one), [str(c) for c in option.choices])
            raise ValueError(close if close.startswith("did") else f"it must be {option.wanted}")
    return made


def _scalar(kind: str, value: Any, option: Option) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind == "int" and whole:
        return value
    if kind == "float" and (whole or isinstance(value, float)):
        if value - value != 0:
            raise ValueError("it must be finite")
        return float(value)
    if kind == "str" and isinstance(value, str):
        return str(value)
    raise ValueError(f"it must be {option.wanted}")


def from_text(option: Option, text: str) -> Any:
    """Return the data that a command line's `--option TEXT` means; `1,2` stands for a list too.

    Raises:
        SnncError: `bad-option`.
    """
    try:
        if option.kind in ("str", "[str]"):
            many = [t.strip() for t in text.strip("[]").split(",") if t.strip()]
            return convert(option, text if option.kind == "str" else many)
        listed = f"[{text}]" if option.kind.startswith("[") and text[:1] != "[" else text
        return convert(option, parse_value(listed))
    except (ValueError, SnncError) as error:
        reason = error if type(error) is ValueError else f"it must be {option.wanted}"
        raise fail(
            "bad-option",
            f"{option.name.replace('_', '-')} = {text}: {reason}",
            UNKNOWN,
            help=option.help,
        ) from error
