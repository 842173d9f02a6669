"""The text of pipelines: `quantize{bits=4 per=channel},shrink-weights,@int`, to data and back.

The contract: `parse` and `write` are inverse on canonical text; every error points with a caret
into the text that the user wrote. This file knows nothing of passes or arrays, so it is cheap to
import.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from snnc.diagnostics import Location, SnncError, fail, nearest

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


def parse_value(text: str) -> Any:
    """Return the value that a whole text is, such as `4`, `word` or `[1,2]`.

    Raises:
        SnncError: `pipeline-syntax`.
    """
    return _Reader(text).alone()


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
