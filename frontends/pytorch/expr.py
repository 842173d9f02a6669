"""Expressions: what a captured network computes in any one tick, with equal ones made once.

A loop over time that was unrolled by the capture gives the same expression for each turn, which is
the proof that the turns are equal. Two expressions are equal exactly if they are the same object.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from attrs import field, frozen
from numpy.typing import ArrayLike, NDArray

from snnc.diagnostics import Location

Array = NDArray[Any]
Shape = tuple[int, ...]


@frozen
class Weight:
    """A constant, known by a digest of its contents."""

    digest: str


@frozen(eq=False)
class Expr:
    """One op over others; `shape` is that of one sample at one tick, `timed` if it has ticks.

    Kinds are those of `snn` ops, and `input`, `zero`, `leaf` (a result of a neuron layer) and
    `delay`. `attrs` are pairs of a name and a hashable value.
    """

    kind: str
    args: tuple["Expr", ...]
    attrs: tuple[tuple[str, Any], ...]
    shape: Shape
    timed: bool
    loc: Location = field(repr=False)

    def __getitem__(self, name: str) -> Any:
        """Return an attribute, or None."""
        return dict(self.attrs).get(name)


_MOVES = ("scale", "reshape", "permute", "slice", "sum_pool1d", "sum_pool2d", "relu")
_POOLS = ("avg_pool1d", "avg_pool2d", "max_pool1d", "max_pool2d")
_LINEAR = ("linear", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d")


class Expressions:
    """The table of all expressions and constants of one network."""

    def __init__(self) -> None:
        self._made: dict[Any, Expr] = {}
        self.arrays: dict[Weight, Array] = {}
        self.names: dict[Weight, str] = {}

    def weight(self, name: str, array: ArrayLike) -> Weight:
        """Return the constant with these values; the first name given to it stays."""
        data = np.array(array, dtype=np.float32, order="C")
        key = hashlib.sha256(f"{data.shape}".encode() + data.tobytes()).hexdigest()
        found = Weight(key)
        self.arrays.setdefault(found, data)
        self.names.setdefault(found, name)
        return found

    def make(
        self, kind: str, args: Iterable[Expr], shape: Iterable[int], loc: Location, **attrs: Any
    ) -> Expr:
        """Return the expression, simplified where zeros or delays of sums are among the args."""
        given, size = tuple(args), tuple(shape)
        if kind == "zero":
            return self._node(kind, (), (), size, False, loc)
        if kind == "add":
            given = _sum_terms(given)
            if len(given) == 1:
                return given[0]
        if given and all(a.kind == "zero" for a in given) and _keeps_zero(kind, attrs):
            return self._node("zero", (), (), size, False, loc)
        if kind == "delay":
            return self._delayed(given[0], attrs["by"], loc)
        timed = kind in ("leaf",) or any(a.timed for a in given) or attrs.get("timed", False)
        return self._node(kind, given, tuple(sorted(attrs.items())), size, timed, loc)

    def _delayed(self, x: Expr, by: int, loc: Location) -> Expr:
        if by == 0:
            return x
        if x.kind == "delay":
            return self._delayed(x.args[0], by + x["by"], loc)
        if x.kind == "add":
            return self.make("add", [self._delayed(a, by, loc) for a in x.args], x.shape, loc)
        return self._node("delay", (x,), (("by", by),), x.shape, True, loc)

    def _node(
        self,
        kind: str,
        args: tuple[Expr, ...],
        attrs: tuple[tuple[str, Any], ...],
        shape: Shape,
        timed: bool,
        loc: Location,
    ) -> Expr:
        key = (kind, tuple(id(a) for a in args), attrs, shape)
        if key not in self._made:
            self._made[key] = Expr(kind, args, attrs, shape, timed, loc)
        return self._made[key]

    def at(self, expr: Expr, tick: int) -> Expr:
        """Return what an expression is at a tick where delays may still show their zeros."""

        def shown(e: Expr) -> Expr:
            return self.make("zero", (), e.shape, e.loc) if e["by"] > tick else e

        return self._rebuilt(expr, shown)

    def pushed(self, expr: Expr) -> Expr:
        """Return an expression with delays on results of layers and inputs alone.

        It is the same but for the first ticks: a bias behind a delay is there from the start.
        """

        def inward(e: Expr) -> Expr:
            x = e.args[0]
            if not x.args:
                return e
            late = [self.make("delay", (a,), a.shape, e.loc, by=e["by"]) for a in x.args]
            made = self.make(x.kind, late, x.shape, x.loc, **dict(x.attrs))
            return self._rebuilt(made, inward)

        return self._rebuilt(expr, inward)

    def _rebuilt(self, expr: Expr, delay: Callable[[Expr], Expr]) -> Expr:
        """Return an expression with each of its outermost delays replaced."""
        done: dict[Expr, Expr] = {}

        def walk(e: Expr) -> Expr:
            if e not in done:
                if e.kind == "delay":
                    done[e] = delay(e)
                elif not e.args:
                    done[e] = e
                else:
                    args = [walk(a) for a in e.args]
                    done[e] = self.make(e.kind, args, e.shape, e.loc, **dict(e.attrs))
            return done[e]

        return walk(expr)


def _sum_terms(args: tuple[Expr, ...]) -> tuple[Expr, ...]:
    """Return the terms of a sum without zeros; all zeros are one zero."""
    terms: list[Expr] = []
    for a in args:
        terms += a.args if a.kind == "add" else (a,)
    kept = tuple(t for t in terms if t.kind != "zero")
    return kept or tuple(terms[:1])


def _keeps_zero(kind: str, attrs: dict[str, Any]) -> bool:
    if kind in _LINEAR:
        return attrs.get("bias") is None
    return kind in (*_MOVES, *_POOLS, "concat", "sub", "delay")
