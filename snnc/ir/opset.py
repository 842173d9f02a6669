"""How ops are declared: operands, attributes with defaults, a rule for the result types.

An op is declared once, as data; reader, writer, verifier, builder and the reference page of ops
follow from the declaration. Its meaning stands beside the engines. A level is a named set of ops;
targets and plugins register theirs without changing a file of this folder.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from snnc.diagnostics import UNKNOWN, Location, fail, nearest
from snnc.ir.types import Type


class Word(str):
    """A bare word in the text, such as `soft`; compares equal to the string."""

    __slots__ = ()


@frozen
class Symbol:
    """A reference to a weight: `@fc1.w[0:64, :]`; `cut` has (start, stop) or None per axis."""

    name: str
    cut: tuple[tuple[int, int] | None, ...] = ()

    def shape(self, full: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape after the cut of a tensor of shape `full`."""
        cuts = self.cut + (None,) * (len(full) - len(self.cut))
        return tuple(n if c is None else c[1] - c[0] for n, c in zip(full, cuts, strict=True))

    def slices(self, full: tuple[int, ...]) -> tuple[slice, ...]:
        """Return the numpy index of the cut."""
        cuts = self.cut + (None,) * (len(full) - len(self.cut))
        return tuple(slice(None) if c is None else slice(*c) for c in cuts)

    def __str__(self) -> str:
        if not self.cut:
            return f"@{self.name}"
        parts = [":" if c is None else f"{c[0]}:{c[1]}" for c in self.cut]
        return f"@{self.name}[{', '.join(parts)}]"


Attr = bool | int | float | str | Symbol | Type | tuple[Any, ...] | Mapping[str, Any]
"""What an attribute may hold; a tuple prints as a list. `Word` is a bare word, `str` is quoted."""

REQUIRED = Word("required")
"""Default of an attribute that must be given."""

ABSENT = None
"""Default of an attribute that may be left out and then has no value."""


@frozen
class AttrSpec:
    """An attribute: `kind` is one of bool, int, float, str, word, ints, list, symbol, param, dict.

    `param` is a number, or a symbol with one value for all, per channel (axis 0) or per neuron.
    """

    name: str
    kind: str
    default: Any = REQUIRED
    doc: str = ""
    choices: tuple[str, ...] = ()


@frozen
class OperandSpec:
    """An operand: a value or a constant (symbol); the last may repeat (`many`)."""

    name: str
    constant: bool = False
    optional: bool = False
    many: bool = False


@frozen
class Call:
    """What a type rule sees: operand types by name (a tuple for `many`), attributes, the place."""

    op: str
    types: Mapping[str, Any]
    attrs: Mapping[str, Any]
    loc: Location

    def __getitem__(self, attr: str) -> Any:
        """Return an attribute, defaults filled in."""
        return self.attrs[attr]

    def refuse(self, message: str, help: str = "", code: str = "type-mismatch") -> Exception:
        """Return the error to raise for operands that do not fit together."""
        return fail(code, f"{self.op}: {message}", self.loc, help=help)


@frozen
class OpSpec:
    """The declaration of one op.

    `doc` states the equation; `stateful` ops carry a state; the result of a `late` op does not
    depend on this tick's operands, so it may close a loop.
    """

    name: str
    doc: str
    operands: tuple[OperandSpec, ...]
    attrs: tuple[AttrSpec, ...]
    infer: Callable[[Call], tuple[Type, ...]]
    stateful: bool = False
    late: bool = False
    by_name: Mapping[str, AttrSpec] = field(init=False, repr=False, eq=False)
    _defaults: Mapping[str, Any] = field(init=False, repr=False, eq=False)

    @by_name.default
    def _index(self) -> Mapping[str, AttrSpec]:
        return {a.name: a for a in self.attrs}

    @_defaults.default
    def _default_values(self) -> Mapping[str, Any]:
        return {a.name: a.default for a in self.attrs}

    def attr(self, name: str) -> AttrSpec | None:
        """Return the declaration of an attribute, or None."""
        return self.by_name.get(name)

    def default(self, name: str) -> Any:
        """Return the default of an attribute; KeyError for a name not declared."""
        return self._defaults[name]

    def filled(self, attrs: Mapping[str, Any]) -> dict[str, Any]:
        """Return all attributes, defaults filled in, in declared order, unknown names last."""
        return {**self._defaults, **attrs}

    def stripped(self, attrs: Mapping[str, Any]) -> dict[str, Any]:
        """Return only what differs from the defaults, in declared order, unknown names last."""
        known = {}
        for name, default in self._defaults.items():
            if name in attrs and attrs[name] is not None:
                value = attrs[name]
                if default is REQUIRED or not _same(value, default):
                    known[name] = value
        return known | {k: v for k, v in attrs.items() if k not in self._defaults}


def _same(value: Any, default: Any) -> bool:
    return (
        (type(value) is type(default) and bool(value == default))
        or (
            isinstance(value, (int, float))
            and isinstance(default, (int, float))
            and not isinstance(value, bool)
            and not isinstance(default, bool)
            and value == default
        )
        or (isinstance(value, str) and isinstance(default, str) and value == default)
    )


@frozen
class Level:
    """A named set of ops; `ops` maps a full op name to its declaration."""

    name: str
    doc: str
    ops: Mapping[str, OpSpec]


_LEVELS: dict[str, Level] = {}
_OPS: dict[str, OpSpec] = {}
_FINDERS: list[Callable[[str], None]] = []


def register_level(name: str, doc: str, ops: Sequence[OpSpec]) -> Level:
    """Register a level; every op's name must start with `name.`; a second level of a name fails."""
    if name in _LEVELS:
        raise fail("duplicate-level", f"level {name!r} is registered twice")
    for op in ops:
        if not op.name.startswith(f"{name}."):
            raise fail("bad-level", f"op {op.name!r} does not belong to level {name!r}")
    _LEVELS[name] = Level(name, doc, {op.name: op for op in ops})
    _OPS.update(_LEVELS[name].ops)
    return _LEVELS[name]


def add_finder(finder: Callable[[str], None]) -> None:
    """Add a function that may register a level when it is asked for by name (lazy targets)."""
    if finder not in _FINDERS:
        _FINDERS.append(finder)


def level(name: str, loc: Location = UNKNOWN) -> Level:
    """Return a level by name.

    Raises:
        SnncError: `unknown-level`.
    """
    for finder in () if name in _LEVELS else tuple(_FINDERS):
        finder(name)
    if name not in _LEVELS:
        raise fail(
            "unknown-level", f"there is no level {name!r}", loc, help=nearest(name, list(_LEVELS))
        )
    return _LEVELS[name]


def levels() -> tuple[Level, ...]:
    """Return the levels registered so far, in order of registration."""
    return tuple(_LEVELS.values())


def lookup(op: str, loc: Location = UNKNOWN) -> OpSpec:
    """Return the declaration of an op by its full name.

    Raises:
        SnncError: `unknown-op` (with the nearest name), `unknown-level`.
    """
    if op not in _OPS:
        names = list(level(op.partition(".")[0], loc).ops)  # This may register them only now.
        if op not in _OPS:
            raise fail("unknown-op", f"there is no op {op!r}", loc, help=nearest(op, names))
    return _OPS[op]
