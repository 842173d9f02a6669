"""Locations, diagnostics and the one error type of the project.

Every problem a user can cause is a `Diagnostic`: where, what (with numbers), and what to do.
A phase collects diagnostics in `Diagnostics` and raises one `SnncError` that carries them all.
This module imports nothing of ours; `render` is what the command line prints.
"""

from collections.abc import Iterator, Sequence
from enum import Enum
from functools import lru_cache
from pathlib import Path

from attrs import frozen


class Severity(Enum):
    """How bad a diagnostic is; only `ERROR` stops a compilation."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@frozen
class Location:
    """Where an op or a diagnostic comes from.

    Either a place in a text (`file`, `line`, `column`, counted from 1; 0 = unknown), or a name
    (a NIR node, a layer), or a join of several places made by a fusion.
    """

    file: str = ""
    line: int = 0
    column: int = 0
    name: str = ""
    fused: tuple["Location", ...] = ()

    @property
    def known(self) -> bool:
        """Whether this says anything at all."""
        return bool(self.file or self.name or self.fused)

    def __str__(self) -> str:
        if self.fused:
            return ", ".join(str(part) for part in self.fused)
        if self.file:
            return ":".join([self.file] + [str(n) for n in (self.line, self.column) if n])
        return self.name or "unknown place"


UNKNOWN = Location()
SHOWN = 160
"""Most characters of a source line that are shown."""


@lru_cache(maxsize=65536)
def at(file: str, line: int, column: int = 0) -> Location:
    """Return the (interned) location of a place in a file."""
    return Location(file=file, line=line, column=column)


@lru_cache(maxsize=65536)
def named(name: str) -> Location:
    """Return the (interned) location that is only a name."""
    return Location(name=name)


def fuse(*locations: Location) -> Location:
    """Join locations in order, flattened and without repeats."""
    parts: dict[Location, None] = {}
    for location in locations:
        for part in location.fused or (location,):
            if part.known:
                parts[part] = None
    if len(parts) == 1:
        return next(iter(parts))
    return Location(fused=tuple(parts)) if parts else UNKNOWN


@frozen
class Diagnostic:
    """One finding: severity, kebab-case code, message, place, further notes and a way out."""

    severity: Severity
    code: str
    message: str
    loc: Location = UNKNOWN
    notes: tuple[str, ...] = ()
    help: str = ""

    def __str__(self) -> str:
        place = f"{self.loc}: " if self.loc.known else ""
        return f"{place}{self.severity.value}[{self.code}]: {self.message}"


class SnncError(Exception):
    """The only exception a user meets: one or more diagnostics, errors first met first."""

    def __init__(self, diagnostics: Sequence[Diagnostic], exit_status: int = 1) -> None:
        super().__init__("\n".join(str(d) for d in diagnostics))
        self.diagnostics = tuple(diagnostics)
        self.exit_status = exit_status

    def __reduce__(self) -> tuple[type["SnncError"], tuple[tuple[Diagnostic, ...], int]]:
        """Return what another process makes the same error from."""
        return type(self), (self.diagnostics, self.exit_status)

    @property
    def code(self) -> str:
        """Code of the first diagnostic."""
        return self.diagnostics[0].code


def fail(
    code: str,
    message: str,
    loc: Location = UNKNOWN,
    *,
    notes: Sequence[str] = (),
    help: str = "",
    exit_status: int = 1,
) -> SnncError:
    """Return an error with a single diagnostic, to be raised by the caller."""
    diagnostic = Diagnostic(Severity.ERROR, code, message, loc, tuple(notes), help)
    return SnncError([diagnostic], exit_status)


class Diagnostics:
    """Collects what a phase finds; `check` raises once, at its end."""

    def __init__(self) -> None:
        self.items: list[Diagnostic] = []

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.items)

    @property
    def errors(self) -> list[Diagnostic]:
        """The errors so far."""
        return [d for d in self.items if d.severity is Severity.ERROR]

    def error(
        self,
        code: str,
        message: str,
        loc: Location = UNKNOWN,
        *,
        notes: Sequence[str] = (),
        help: str = "",
    ) -> None:
        """Record an error."""
        self.items.append(Diagnostic(Severity.ERROR, code, message, loc, tuple(notes), help))

    def warn(self, code: str, message: str, loc: Location = UNKNOWN, *, help: str = "") -> None:
        """Record a warning."""
        self.items.append(Diagnostic(Severity.WARNING, code, message, loc, (), help))

    def note(self, code: str, message: str, loc: Location = UNKNOWN) -> None:
        """Record something that is neither."""
        self.items.append(Diagnostic(Severity.NOTE, code, message, loc))

    def check(self, exit_status: int = 1) -> None:
        """Raise a `SnncError` with all errors, if there are any."""
        if self.errors:
            raise SnncError(self.errors, exit_status)


def nearest(word: str, choices: Sequence[str]) -> str:
    """Return a did-you-mean phrase for an unknown word, or the list of what there is.

    >>> nearest("quantise", ["quantize", "place"])
    "did you mean 'quantize'?"
    >>> nearest("zzz", ["b", "a"])
    'known: a, b'
    """
    from difflib import get_close_matches

    close = get_close_matches(word, choices, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return "known: " + ", ".join(sorted(choices)) if choices else "there are none"


def render(diagnostic: Diagnostic) -> str:
    """Return the text a user reads: message, source line with a caret, notes and help."""
    lines = [str(diagnostic)]
    loc = diagnostic.loc.fused[0] if diagnostic.loc.fused else diagnostic.loc
    source, column = _excerpt(_source_line(loc), loc.column)
    if source:
        lines.append(f"  {source}")
        if column:
            pad = "".join("\t" if c == "\t" else " " for c in source[: column - 1])
            lines.append(f"  {pad}^")
    lines += [f"  note: {note}" for note in diagnostic.notes]
    if diagnostic.help:
        lines.append(f"  help: {diagnostic.help}")
    return "\n".join(lines)


def _excerpt(source: str, column: int) -> tuple[str, int]:
    """Return what is shown of a line, at most `SHOWN` of its characters, and the column in that."""
    if len(source) <= SHOWN:
        return source, column
    start = max(0, min(column - SHOWN // 2, len(source) - SHOWN))
    before, after = "..." if start else "", "..." if start + SHOWN < len(source) else ""
    shown = before + source[start : start + SHOWN] + after
    return shown, column and column - start + len(before)


def _source_line(loc: Location) -> str:
    if not (loc.file and loc.line):
        return ""
    try:
        with Path(loc.file).open(encoding="utf-8", errors="replace") as stream:
            for number, text in enumerate(stream, 1):
                if number == loc.line:
                    return text.rstrip("\n")
    except OSError:
        pass
    return ""
