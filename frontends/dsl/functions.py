"""The functions of `.snnl` that compute constants: `min`, `exp`, `zeros`, `transpose` and so on."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from snnc.diagnostics import Location, fail
from snnc.frontends.dsl.constants import (
    Array,
    as_array,
    binary,
    checked,
    filled,
    integer,
    integers,
    is_number,
    real,
    spoken,
    too_large,
    whole,
)
from snnc.ir.graph import Value

LIST_LIMIT = 100_000
"""Longest list and largest repeat count."""


def _numbers(name: str, loc: Location, given: tuple[Any, ...]) -> list[Any]:
    """Return the numbers that a folding function was given, as arguments or as one list."""
    found: list[Any]
    if len(given) == 1 and isinstance(given[0], (list, range, Array)):
        found = as_array(given[0], loc, name).data.reshape(-1).tolist()
    else:
        found = list(given)
    if not found or not all(is_number(v) for v in found):
        raise fail("wrong-kind", f"{name} takes numbers, or one list or array of them", loc)
    return found


def _min(loc: Location, *given: Any) -> Any:
    return min(_numbers("min", loc, given))


def _max(loc: Location, *given: Any) -> Any:
    return max(_numbers("max", loc, given))


def _sum(loc: Location, *given: Any) -> Any:
    numbers = _numbers("sum", loc, given)
    exact = all(isinstance(v, int) for v in numbers)
    return checked(sum(numbers) if exact else math.fsum(numbers), loc)


def _prod(loc: Location, *given: Any) -> Any:
    product = 1
    for number in _numbers("prod", loc, given):
        product = binary("*", product, number, loc)
    return product


def _abs(loc: Location, value: Any) -> Any:
    if is_number(value):
        return abs(value)
    data = as_array(value, loc, "abs").data
    return Array(np.abs(data.astype(np.int64 if data.dtype.kind in "biu" else np.float64)))


def _len(loc: Location, value: Any) -> int:
    if isinstance(value, (list, range)):
        return len(value)
    shape = _shape(loc, value)
    if not shape:
        raise fail("wrong-kind", f"{spoken(value)} has no length", loc)
    return shape[0]


def _shape(loc: Location, value: Any) -> list[int]:
    if isinstance(value, Value):
        return list(value.type.shape)
    return list(as_array(value, loc, "shape").data.shape)


def _per_axis(loc: Location, sizes: Any, axes: Any) -> list[int]:
    """Return a list with one size per axis; one number stands for all."""
    found, count = integers(sizes, loc, "per_axis"), integer(axes, loc, "axes")
    if is_number(sizes) and 0 < count <= LIST_LIMIT:
        found *= count
    if len(found) != count:
        raise fail("wrong-arguments", f"{len(found)} sizes for {count} axes", loc)
    return list(found)


def _join(loc: Location, *lists: Any) -> list[Any]:
    joined: list[Any] = []
    for part in lists:
        if isinstance(part, Array):
            part = part.data.tolist()
        joined += list(part) if isinstance(part, (list, range)) else [part]
    if len(joined) > LIST_LIMIT:
        raise too_large("length of a list", len(joined), LIST_LIMIT, loc)
    return joined


def _full(loc: Location, shape: Any, value: Any) -> Array:
    return filled(integers(shape, loc, "shape"), value, loc)


def _zeros(loc: Location, shape: Any) -> Array:
    return _full(loc, shape, 0)


def _ones(loc: Location, shape: Any) -> Array:
    return _full(loc, shape, 1)


def _eye(loc: Location, size: Any) -> Array:
    n = integer(size, loc, "eye")
    filled((n, n), 0, loc)
    return Array(np.eye(n, dtype=np.int64))


def _transpose(loc: Location, value: Any, order: Any = None) -> Array:
    array = as_array(value, loc, "transpose")
    axes = array.data.ndim
    new = tuple(range(axes))[::-1] if order is None else integers(order, loc, "order")
    if sorted(new) != list(range(axes)):
        raise fail("bad-shape", f"order {list(new)} is not a permutation of {axes} axes", loc)
    return Array(array.data.transpose(new), array.name)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "min": _min,
    "max": _max,
    "sum": _sum,
    "prod": _prod,
    "abs": _abs,
    "len": _len,
    "shape": _shape,
    "join": _join,
    "per_axis": _per_axis,
    "exp": real("exp", math.exp),
    "log": real("log", math.log),
    "sqrt": real("sqrt", math.sqrt),
    "round": whole("round", round),
    "floor": whole("floor", math.floor),
    "ceil": whole("ceil", math.ceil),
    "full": _full,
    "zeros": _zeros,
    "ones": _ones,
    "eye": _eye,
    "transpose": _transpose,
}
