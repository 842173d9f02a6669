"""Where two results part: the earliest tick, then the first value in graph order."""

from collections.abc import Iterable, Mapping

import numpy as np
from attrs import frozen

from snnc.diagnostics import fail
from snnc.extend.engine import Result
from snnc.ir.graph import Module
from snnc.ir.weights import Array


@frozen
class Difference:
    """The first difference; `tick` is None for a value without ticks, `where` names both sides."""

    name: str
    tick: int | None
    sample: int
    index: tuple[int, ...]
    left: float
    right: float
    names: tuple[str, str] = ("left", "right")

    def __str__(self) -> str:
        place = f"%{self.name}[{', '.join(map(str, self.index))}]"
        when = "" if self.tick is None else f" at tick {self.tick}"
        numbers = f"{self.names[0]} {self.left:g}, {self.names[1]} {self.right:g}"
        return f"{place}{when} of sample {self.sample}: {numbers}"


def graph_order(module: Module) -> list[str]:
    """Return the names of all values of a module, a neuron's potential after its spikes."""
    names = [value.name for value in module.graph.inputs]
    for op in module.graph.ops:
        names.append(op.result.name)
        if op.kind == "neuron":
            names.append(f"{op.result.name}.v")
        names += [value.name for value in op.results[1:]]
    return names


Side = Result | Mapping[str, Array]


def _values(side: Side) -> Mapping[str, Array]:
    return {**side.trace, **side.outputs} if isinstance(side, Result) else side


def first_difference(
    left: Side,
    right: Side,
    *,
    order: Iterable[str] = (),
    untimed: Iterable[str] = (),
    names: tuple[str, str] = ("left", "right"),
) -> Difference | None:
    """Return the first difference of two results (outputs and traces) or of arrays by name.

    It is None where all values are equal.

    Arrays are `(samples, ticks, *shape)`, those of `untimed` names `(samples, *shape)`, which
    differ before tick 0. Values are compared where both sides have them; ties of ticks go by
    `order` (see `graph_order`; names that it lacks follow in their own order), then sample, then
    index. -0.0 equals 0.0.

    Raises:
        SnncError: `nothing-to-compare` without a common name, `compare-shape` for arrays of
            different shapes.
    """
    mine, theirs = _values(left), _values(right)
    common = [name for name in mine if name in theirs]
    if not common:
        raise fail(
            "nothing-to-compare",
            f"{names[0]} has {', '.join(mine) or 'nothing'}; "
            f"{names[1]} has {', '.join(theirs) or 'nothing'}",
            help="name the same values on both sides",
        )
    ranks = {name: rank for rank, name in enumerate(order)}
    common.sort(key=lambda name: ranks.get(name, len(ranks)))
    constants, first = set(untimed), None
    for name in common:
        found = _first(name, mine[name], theirs[name], name not in constants, names)
        if found and (first is None or _tick(found) < _tick(first)):
            first = found
    return first


def _tick(difference: Difference) -> int:
    return -1 if difference.tick is None else difference.tick


def _first(
    name: str, left: Array, right: Array, timed: bool, names: tuple[str, str]
) -> Difference | None:
    if left.shape != right.shape:
        raise fail(
            "compare-shape",
            f"%{name} is {list(left.shape)} in {names[0]}, {list(right.shape)} in {names[1]}",
            help="run both sides on the same inputs, for the same number of ticks",
        )
    differs = left != right
    if not differs.any():
        return None
    by_tick = np.moveaxis(differs, 1, 0) if timed else differs[None]
    tick = int(by_tick.reshape(len(by_tick), -1).any(axis=1).argmax())
    sample, *index = (int(i) for i in np.argwhere(by_tick[tick])[0])
    at = (sample, tick, *index) if timed else (sample, *index)
    return Difference(
        name,
        tick if timed else None,
        sample,
        tuple(index),
        left[at].item(),
        right[at].item(),
        names,
    )
