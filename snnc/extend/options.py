"""Pipeline text and typed options: `quantize{bits=4 per=channel},shrink-weights,@int`.

The contract: `parse` and `write` are inverse on canonical text; an option's type, choices and help
come from the attrs field that declares it, nothing is declared twice; every error points with a
caret into the text that the user wrote. This file knows nothing of passes or arrays, so that it is
cheap to import.
"""

import re
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from snnc.diagnostics import UNKNOWN, Location, SnncError, fail, nearest

WHERE = "<pipeline>"
"""File name in the locations of errors in a pipeline text."""


@attrs.frozen
class Text:
    """The text that a step was read from, so that later errors can still point into it."""

    text: str = ""

    def error(self, code: str, message: str, start: int, help: str = "") -> SnncError:
        """Return an error whose note shows the text with a caret below character `start`."""
        if not self.text:
            return fail(code, message, help=help)
        shown = self.text.replace("\n", " ")
        note = f"{shown}\n{' ' * (len('  note: ') + start)}^"
        return fail(code, message, Location(WHERE, 1, start + 1), notes=[note], help=help)


@attrs.frozen
class Step:
    """One element of a pipeline: a pass, or a preset (`name` starts with `@`), with its options.

    `starts` holds where in `text` the name (key "") and each option begin; it takes no part in
    comparison.
    """

    name: str
    options: Mapping[str, Any] = attrs.field(factory=dict)
    text: Text = attrs.field(default=Text(), eq=False, repr=False)
    starts: Mapping[str, int] = attrs.field(factory=dict, eq=False, repr=False)

    def error(self, code: str, message: str, option: str = "", help: str = "") -> SnncError:
        """Return an error that points at this step, or at one of its options."""
        return self.text.error(code, message, self.starts.get(option, 0), help)


_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<string>"(?:[^"\\]|\\.)*")
      | (?P<number>[+-]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?(?![\w.]))
      | (?P<name>@?[A-Za-z_][\w.+-]*)
      | (?P<mark>[{}\[\],=])""",
    re.VERBOSE,
)


class _Reader:
    """Recursive descent over the tokens of one pipeline text."""

    def __init__(self, text: str) -> None:
        self.source = Text(text)
        self.tokens: list[tuple[str, str, int]] = []
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise self.refuse(f"unexpected {text[position]!r}", position)
            if match.lastgroup != "space":
                self.tokens.append((match.lastgroup or "", match[0], position))
            position = match.end()
        self.tokens.append(("end", "the end", len(text)))
        self.next = 0

    def refuse(self, message: str, start: int) -> SnncError:
        return self.source.error(
            "pipeline-syntax",
            message,
            start,
            "write pass{option=value option=value},pass,@preset",
        )

    def take(self, kind: str, wanted: str, text: str = "") -> tuple[str, int]:
        found, value, start = self.tokens[self.next]
        if found != kind or (text and value != text):
            raise self.refuse(f"expected {wanted}, found {value!r}", start)
        self.next += 1
        return value, start

    def at(self, mark: str) -> bool:
        return self.tokens[self.next][:2] == ("mark", mark)

    def pipeline(self) -> list[Step]:
        steps: list[Step] = []
        while self.tokens[self.next][0] != "end":
            if steps:
                self.take("mark", "',' or the end", ",")
            steps.append(self.step())
        return steps

    def step(self) -> Step:
        name, start = self.take("name", "the name of a pass")
        options: dict[str, Any] = {}
        starts = {"": start}
        if self.at("{"):
            self.take("mark", "'{'", "{")
            while not self.at("}"):
                self.option(options, starts)
                if self.at(","):
                    self.take("mark", "','", ",")
            self.take("mark", "'}'", "}")
        return Step(name, options, self.source, starts)

    def option(self, options: dict[str, Any], starts: dict[str, int]) -> None:
        written, start = self.take("name", "an option or '}'")
        name = written.replace("-", "_")
        if name in options:
            raise self.refuse(f"option {written!r} is given twice", start)
        self.take("mark", "'='", "=")
        starts[name] = start
        options[name] = self.value()

    def value(self) -> Any:
        kind, text, start = self.tokens[self.next]
        if self.at("["):
            return self.list()
        if kind not in ("string", "number", "name"):
            raise self.refuse(f"expected a value, found {text!r}", start)
        self.next += 1
        if kind == "string":
            return re.sub(r"\\(.)", r"\1", text[1:-1])
        if kind == "name":
            return {"true": True, "false": False}.get(text, text)
        return float(text) if set(text) & set(".eE") else int(text)

    def alone(self) -> Any:
        """Return the value that is the whole text."""
        found = self.value()
        self.take("end", "nothing more")
        return found

    def list(self) -> tuple[Any, ...]:
        self.take("mark", "'['", "[")
        values: list[Any] = []
        while not self.at("]"):
            if values:
                self.take("mark", "',' or ']'", ",")
            values.append(self.value())
        self.take("mark", "']'", "]")
        return tuple(values)


def parse(text: str) -> tuple[Step, ...]:
    """Return the steps of a pipeline text, presets not expanded.

    Raises:
        SnncError: `pipeline-syntax`, with a caret.

    >>> [(s.name, s.options) for s in parse("quantize{bits=4 per=channel},@int")]
    [('quantize', {'bits': 4, 'per': 'channel'}), ('@int', {})]
    """
    return tuple(_Reader(text).pipeline())


def write(steps: Sequence[Step]) -> str:
    """Return the canonical text of steps, the inverse of `parse`.

    >>> write(parse("a{ x_y = 1.50, z=[1, 2] } , b"))
    'a{x-y=1.5 z=[1,2]},b'
    """
    return ",".join(_write_step(step) for step in steps)


def _write_step(step: Step) -> str:
    if not step.options:
        return step.name
    inner = " ".join(f"{k.replace('_', '-')}={write_value(v)}" for k, v in step.options.items())
    return f"{step.name}{{{inner}}}"


def write_value(value: Any) -> str:
    """Return an option's value as pipeline text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "none"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(write_value(v) for v in value) + "]"
    if isinstance(value, (int, float)):
        return repr(value)
    text = str(value)
    plain = re.fullmatch(r"[A-Za-z_][\w.+-]*", text) and text not in ("true", "false", "none")
    return text if plain else '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def expand(steps: Sequence[Step], presets: Mapping[str, str]) -> tuple[Step, ...]:
    """Return steps with every preset replaced by what it stands for.

    Raises:
        SnncError: `unknown-preset` with the nearest name, `preset-cycle`, `preset-options`.
    """
    return tuple(_expanded(steps, presets, ()))


def _expanded(
    steps: Sequence[Step], presets: Mapping[str, str], within: tuple[str, ...]
) -> list[Step]:
    found: list[Step] = []
    for step in steps:
        if not step.name.startswith("@"):
            found.append(step)
            continue
        name = step.name[1:]
        if name not in presets:
            raise step.error(
                "unknown-preset", f"there is no preset {step.name}", "", nearest(name, [*presets])
            )
        if step.options:
            raise step.error(
                "preset-options",
                f"preset {step.name} takes no options",
                next(iter(step.options)),
                f"write its passes instead: {presets[name]}",
            )
        if name in within:
            raise step.error(
                "preset-cycle",
                "presets contain each other: " + " -> ".join(f"@{n}" for n in (*within, name)),
            )
        found += _expanded(parse(presets[name]), presets, (*within, name))
    return found


def labels(steps: Sequence[Step]) -> tuple[str, ...]:
    """Return a unique name per step: `clean`, `quantize`, `clean#2`."""
    count: dict[str, int] = {}
    found = []
    for step in steps:
        count[step.name] = count.get(step.name, 0) + 1
        found.append(step.name if count[step.name] == 1 else f"{step.name}#{count[step.name]}")
    return tuple(found)


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


def declared(cls: type[Any]) -> tuple[Option, ...]:
    """Return the options of a pass or of a target's `Options`, in declared order."""
    hints = typing.get_type_hints(cls)
    return tuple(
        _option(cls, field, hints[field.name]) for field in attrs.fields(cls) if field.init
    )


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
        return convert(option, _Reader(listed).alone())
    except (ValueError, SnncError) as error:
        reason = error if type(error) is ValueError else f"it must be {option.wanted}"
        raise fail(
            "bad-option",
            f"{option.name.replace('_', '-')} = {text}: {reason}",
            UNKNOWN,
            help=option.help,
        ) from error
