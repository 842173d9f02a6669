"""Constants of `.snnl` and their arithmetic: numbers, words, lists and arrays.

Integers stay integers (within 64 bits) and real numbers are float64; an array keeps the dtype of
its file until it is computed with. Every result is checked: no overflow, infinity or NaN goes on.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from attrs import frozen

from snnc.diagnostics import Location, SnncError, fail
from snnc.ir.weights import Array as Numbers

LARGEST = 2**63 - 1
ELEMENT_LIMIT = 2**26
"""Elements of a constant that is written or computed here; larger ones belong into a file."""


@frozen(eq=False)
class Array:
    """Numbers of a file, a list or a computation; `name` is what a weight made of it is called."""

    data: Numbers
    name: str = ""

    @property
    def whole(self) -> bool:
        """Whether these are integers by dtype."""
        return self.data.dtype.kind in "biu"

    def __str__(self) -> str:
        return f"array {list(self.data.shape)}"


def spoken(value: Any) -> str:
    """Return what a value is, for messages."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value!r}"
    if isinstance(value, str):
        return f'the word "{value}"'
    if isinstance(value, (list, range)):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "a mapping"
    return str(value)


def is_number(value: Any) -> bool:
    """Whether a value is an int or a float (no bool)."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def as_array(value: Any, loc: Location, what: str = "this") -> Array:
    """Return a number, list or array as an array.

    Raises:
        SnncError: `wrong-kind` for anything else, `ragged-list` for rows of unequal length.
    """
    if isinstance(value, Array):
        return value
    if is_number(value) or isinstance(value, (list, range)):
        plain = _plain(value)
        try:
            data = np.array(plain)
        except (ValueError, OverflowError):
            raise fail(
                "ragged-list",
                f"{what}: the rows of this list differ in length or kind",
                loc,
                help="write rows of equal length, of numbers only",
            ) from None
        if not data.size:
            raise fail("wrong-kind", f"{what} is an empty list", loc)
        if data.dtype.kind in "biuf":
            return Array(data)
    raise fail("wrong-kind", f"{what} must be numbers, not {spoken(value)}", loc)


def _plain(value: Any) -> Any:
    if isinstance(value, Array):
        return value.data.tolist()
    return [_plain(v) for v in value] if isinstance(value, (list, range)) else value


def _scalar(data: Any) -> Any:
    return data.item() if data.shape == () else Array(data)


def checked(value: Any, loc: Location) -> Any:
    """Return a number or array after refusing what is too large or not finite."""
    data = value.data if isinstance(value, Array) else value
    if isinstance(data, int):
        if abs(data) > LARGEST:
            raise fail("number-too-large", f"the result needs {data.bit_length()} bits of 63", loc)
    elif isinstance(data, complex) or not np.isfinite(data).all():
        raise fail("bad-arithmetic", "the result is not a finite real number", loc)
    return value


_SCALARS: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "**": lambda a, b: a**b,
}
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def binary(sign: str, left: Any, right: Any, loc: Location) -> Any:
    """Return `left sign right`; lists and arrays element by element, numbers broadcast.

    Raises:
        SnncError: `wrong-kind`, `bad-arithmetic`, `number-too-large`, `type-mismatch`.
    """
    if sign in _COMPARISONS:
        return _compared(sign, left, right, loc)
    if is_number(left) and is_number(right):
        if sign == "**" and isinstance(left, int) and abs(left) > 1 and abs(right) > 63:
            right = float(right) if right < 0 else right
            if right > 0:
                raise fail("number-too-large", f"{left}**{right} is beyond 63 bits", loc)
        try:
            return checked(_SCALARS[sign](left, right), loc)
        except ZeroDivisionError:
            raise fail("bad-arithmetic", f"{left} {sign} {right} divides by zero", loc) from None
        except OverflowError:
            raise fail("number-too-large", f"{left} {sign} {right} is too large", loc) from None
    a, b = as_array(left, loc, f"left of {sign}"), as_array(right, loc, f"right of {sign}")
    return _elementwise(sign, a, b, loc)


def _elementwise(sign: str, a: Array, b: Array, loc: Location) -> Any:
    if a.data.shape and b.data.shape and a.data.shape != b.data.shape:
        raise fail(
            "type-mismatch",
            f"shapes {list(a.data.shape)} and {list(b.data.shape)} differ",
            loc,
            help="arrays are computed element by element; join(a, b) puts lists one after another",
        )
    with np.errstate(all="ignore"):
        real = _SCALARS[sign](a.data.astype(np.float64), b.data.astype(np.float64))
        if not (a.whole and b.whole) or sign == "/" or (sign == "**" and (b.data < 0).any()):
            return checked(Array(real), loc)
        checked(Array(real), loc)
        if np.abs(real).max(initial=0) > 2**62:
            raise fail("number-too-large", "a result is beyond 62 bits", loc)
        return Array(_SCALARS[sign](a.data.astype(np.int64), b.data.astype(np.int64)))


def _compared(sign: str, left: Any, right: Any, loc: Location) -> bool:
    simple = (str, bool, type(None), int, float)
    equality = sign in ("==", "!=")
    if equality and (left is None or right is None):
        return (left is right) == (sign == "==")
    both = simple if equality else (int, float)
    if not (isinstance(left, both) and isinstance(right, both)):
        raise fail("wrong-kind", f"{spoken(left)} {sign} {spoken(right)} compares no numbers", loc)
    return bool(_COMPARISONS[sign](left, right))


def negated(value: Any, loc: Location) -> Any:
    """Return `-value`."""
    if is_number(value):
        return -value
    return binary("*", -1, value, loc)


def real(name: str, function: Callable[[float], float]) -> Callable[..., Any]:
    """Return a function of one number or array, computed in float64."""

    def apply(loc: Location, *given: Any) -> Any:
        array = as_array(_one(name, given, loc), loc, name)
        with np.errstate(all="ignore"):
            try:
                flat = [function(float(v)) for v in array.data.reshape(-1).tolist()]
            except (ValueError, OverflowError):
                raise fail("bad-arithmetic", f"{name} of {spoken(given[0])}", loc) from None
        return checked(_scalar(np.array(flat).reshape(array.data.shape)), loc)

    return apply


def whole(name: str, function: Callable[[float], int]) -> Callable[..., Any]:
    """Return a function of one number or array that gives integers."""

    def apply(loc: Location, *given: Any) -> Any:
        array = as_array(_one(name, given, loc), loc, name)
        if array.whole:
            return _scalar(array.data)
        checked(array, loc)
        flat = [checked(function(v), loc) for v in array.data.reshape(-1).tolist()]
        return _scalar(np.array(flat, dtype=np.int64).reshape(array.data.shape))

    return apply


def _one(name: str, given: tuple[Any, ...], loc: Location) -> Any:
    if len(given) != 1:
        raise fail("wrong-arguments", f"{name} takes one number, list or array", loc)
    return given[0]


def index(value: Any, cuts: list[Any], loc: Location) -> Any:
    """Return `value[cuts]` of a list or array; a cut is an int or a slice.

    Raises:
        SnncError: `bad-index`, `wrong-kind`.
    """
    if isinstance(value, (list, range)) and len(cuts) == 1:
        value = list(value)
    elif isinstance(value, (list, Array)):
        value = as_array(value, loc)
    else:
        raise fail("wrong-kind", f"{spoken(value)} has no elements to index", loc)
    sizes = [len(value)] if isinstance(value, list) else list(value.data.shape)
    if len(cuts) > len(sizes):
        raise fail("bad-index", f"{len(cuts)} indices for {len(sizes)} axes", loc)
    for cut, size in zip(cuts, sizes, strict=False):
        check_cut(cut, size, loc)
    if isinstance(value, list):
        return value[cuts[0]]
    found = value.data[tuple(cuts)]
    return found.item() if found.shape == () else Array(found, value.name)


def check_cut(cut: Any, size: int, loc: Location) -> None:
    """Refuse an index or a slice that does not lie inside an axis."""
    if isinstance(cut, slice):
        low, high = cut.start or 0, size if cut.stop is None else cut.stop
        good = 0 <= low < high <= size
    else:
        good = -size <= cut < size
    if not good:
        shown = f"{cut.start}:{cut.stop}" if isinstance(cut, slice) else cut
        raise fail("bad-index", f"index {shown} is outside an axis of {size}", loc)


def integer(value: Any, loc: Location, what: str) -> int:
    """Return an int, or raise `wrong-kind`."""
    if isinstance(value, bool) or not isinstance(value, int):
        hint = "divide with // to stay with integers" if isinstance(value, float) else ""
        raise fail("wrong-kind", f"{what} must be an integer, not {spoken(value)}", loc, help=hint)
    return value


def integers(value: Any, loc: Location, what: str) -> tuple[int, ...]:
    """Return a list of ints, or raise `wrong-kind`; a single integer is a list of one."""
    items = value.data.tolist() if isinstance(value, Array) else value
    found = list(items) if isinstance(items, (list, range)) else [items]
    return tuple(integer(v, loc, what) for v in found)


def too_large(what: str, count: int, limit: int, loc: Location) -> SnncError:
    """Return the error for a size beyond what this language makes."""
    return fail(
        "too-large",
        f"{what}: {count} is more than the limit of {limit}",
        loc,
        help="check the size for a slip of the pen; large constants belong into a weights file",
    )


def filled(shape: tuple[int, ...], value: Any, loc: Location) -> Array:
    """Return an array of one value."""
    if any(n < 1 for n in shape):
        raise fail("bad-shape", f"{list(shape)} has a size below 1", loc)
    if math.prod(shape) > ELEMENT_LIMIT:
        raise too_large("elements", math.prod(shape), ELEMENT_LIMIT, loc)
    if not is_number(value):
        raise fail("wrong-kind", f"an array is filled with a number, not {spoken(value)}", loc)
    return Array(np.full(shape, value))
