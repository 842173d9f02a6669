"""Numbers that a user or a tool gives, taken as exactly what they are or refused.

Integers may come as Python or numpy integers; a float, a bool or a text is refused even where its
value is whole, because a silent conversion is how a reset value once lost its meaning.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
from attrs import evolve

from snnc.diagnostics import UNKNOWN, Location, SnncError, fail
from snnc.ir.weights import Array

FARTHEST = 2**29 - 1
"""Largest potential of a core's 30-bit neurons (PAIBox: no negative threshold)."""

LOWEST = -FARTHEST - 1
"""Smallest number of 30 bits, to which neurons may be reset or leak; no magnitude has it."""

Shape = tuple[int, ...]
R = TypeVar("R")


def integer(
    value: Any, what: str, low: int = -FARTHEST, high: int = FARTHEST, loc: Location = UNKNOWN
) -> int:
    """Return an integer between two bounds.

    Raises:
        SnncError: `paibox-number`.
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))
    if isinstance(value, np.ndarray) and value.shape == () and value.dtype.kind in "iu":
        whole = True
    if not whole:
        raise fail(
            "paibox-number",
            f"{what} = {value!r} is a {type(value).__name__}, not an integer",
            loc,
            help="potentials, thresholds and times are whole numbers: round it yourself",
        )
    if not low <= int(value) <= high:
        raise fail(
            "paibox-number", f"{what} = {value} must be {low} to {high}", loc, help=f"change {what}"
        )
    return int(value)


def array_of(given: Any, what: str, loc: Location = UNKNOWN) -> Array:
    """Return what is given as an array of numbers.

    Raises:
        SnncError: `paibox-number` for ragged lists, texts and other objects.
    """
    try:
        found = np.asarray(given)
    except (ValueError, TypeError):
        found = np.asarray(None)
    if found.dtype.kind not in "biuf":
        raise fail(
            "paibox-number",
            f"{what} is a {type(given).__name__} that is no array of numbers",
            loc,
            help="give a number, or an array with equally long rows",
        )
    return found


def shape_of(given: Any, what: str = "shape", loc: Location = UNKNOWN) -> Shape:
    """Return a shape given as an integer, a tuple or a list; every axis has at least one element.

    Raises:
        SnncError: `paibox-number`.
    """
    many = isinstance(given, Iterable) and not isinstance(given, (str, bytes))
    axes = tuple(given) if many else (given,)
    if not axes:
        raise fail("paibox-number", f"{what} = {given!r} has no axes", loc, help="give a size")
    return tuple(integer(n, f"{what}[{i}]", 1, 2**31 - 1, loc) for i, n in enumerate(axes))


def within(loc: Location, function: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    """Return what a function gives; its errors get a place if they have none."""
    try:
        return function(*args, **kwargs)
    except SnncError as error:
        found = [evolve(d, loc=d.loc if d.loc.known else loc) for d in error.diagnostics]
        raise SnncError(found, error.exit_status) from None


def per_axis(given: Any, axes: int, what: str, loc: Location = UNKNOWN) -> Shape:
    """Return one number per axis from a number for all, or from as many as there are axes."""
    if not isinstance(given, Iterable):
        given = (given,) * axes
    found = tuple(integer(n, what, 0, 2**15, loc) for n in given)
    if len(found) != axes:
        raise fail("paibox-number", f"{what} = {found} needs {axes} numbers", loc)
    return found


def weights_of(given: Any, what: str, loc: Location = UNKNOWN) -> Array:
    """Return weights as int8, or as uint8 zeros and ones where they were boolean.

    Raises:
        SnncError: `paibox-weights` for floats and for values that eight bits do not hold.
    """
    array = array_of(given, f"weights of {what}", loc)
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind not in "iu":
        raise fail(
            "paibox-weights",
            f"{what} has weights of type {array.dtype}, a core multiplies by integers",
            loc,
            help="quantize them to -128..127 first",
        )
    if array.size and not (array.min() >= -128 and array.max() <= 127):
        raise fail(
            "paibox-weights",
            f"{what} has weights {array.min()}..{array.max()}, a core holds -128..127",
            loc,
            help="scale weights and thresholds down together",
        )
    return array.astype(np.int8)


def leaks(given: Any, shape: Shape, what: str, loc: Location = UNKNOWN) -> int | Array:
    """Return a leak: a number, or int32 of the neurons' shape from one per neuron or channel.

    Raises:
        SnncError: `paibox-number`, `paibox-shape`.
    """
    array = array_of(given, what, loc)
    if array.ndim == 0:
        return integer(array[()], what, LOWEST, FARTHEST, loc)
    if array.dtype.kind not in "iu":
        raise fail(
            "paibox-number",
            f"{what} has values of type {array.dtype}, not integers",
            loc,
            help="round them yourself",
        )
    size = int(np.prod(shape))
    if array.size not in (1, shape[0], size):
        raise fail(
            "paibox-shape",
            f"{what} has {array.size} values for neurons of shape {shape}",
            loc,
            help=f"give one, {shape[0]} (one per channel) or {size} of them",
        )
    if not LOWEST <= int(array.min()) <= int(array.max()) <= FARTHEST:
        held = f"{array.min()} to {array.max()}, which must be {LOWEST} to {FARTHEST}"
        raise fail("paibox-number", f"{what} is {held}", loc, help="scale it down")
    flat = np.repeat(array.ravel(), size // array.size)
    return flat.astype(np.int32).reshape(shape)
