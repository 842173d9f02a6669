"""Sums, differences and products element by element, in the numbers that values are held in."""

from collections.abc import Callable

import numpy as np

from snnc.ir.graph import Module, Op
from snnc.ir.types import F32
from snnc.ir.weights import Array
from snnc.runtime.native.bounds import Range
from snnc.runtime.native.neurons import LIMIT
from snnc.runtime.semantics import State, sums

_REALS = ("add", "sub", "scale")


class Elementwise:
    """A function of arrays of equal shapes, over all ticks at once."""

    def __init__(self, function: Callable[..., Array]) -> None:
        self.function = function

    def start(self, samples: int, first_sample: int) -> State:
        """Return no state."""
        return ()

    def run(
        self, tick: int, ticks: int, operands: list[Array], state: State, potentials: bool
    ) -> tuple[list[Array], State]:
        """Return the one result; see `snnc.runtime.numpy_trains.Kernel`."""
        return [self.function(*(_channels_last(x) for x in operands))], state


def _channels_last(x: Array) -> Array:
    """Return small numbers in the order of products' results; mixed orders are slow to add."""
    if x.itemsize > 1 or x.ndim < 4 or not x.flags.c_contiguous:
        return x
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 2, -1)), -1, 2)


def elementwise(module: Module, op: Op, ranges: list[Range]) -> Elementwise | None:
    """Return the kernel of a sum, difference or scale whose operands have some ranges.

    None where 32 bits might not hold what is added on the way, where a value has no ticks, and,
    for floats, where more than one number would be rounded.
    """
    if op.kind not in _REALS or not all(v.type.timed for v in op.values):
        return None
    if module.level == "snn":
        return _real(module, op)
    most = [max(-low, high) for low, high in ranges]
    if op.kind == "scale":
        w = factors(module, op).astype(np.int64)
        reach = int(np.abs(w).max(initial=0)) * most[0]
        by = w.astype(np.int32) if reach <= LIMIT else w
        scaled = Elementwise(lambda x: np.multiply(x, by, dtype=np.int32))
        return scaled if max(reach, *most) <= LIMIT else None
    return Elementwise(_folded(op, np.dtype(np.int32))) if sum(most) <= LIMIT else None


def _real(module: Module, op: Op) -> Elementwise | None:
    """Return the kernel of one float operation on numbers that float32 holds."""
    kinds = [v.type.element for v in op.values]
    if op.result.type.element != F32 or len(kinds) > 2:
        return None
    if any(kind != F32 and (kind.is_float or kind.bits > 16) for kind in kinds):
        return None
    if op.kind == "scale":
        w = factors(module, op)
        by = w.astype(np.float32)
        if not np.array_equal(by, w):
            return None

        def multiply(x: Array) -> Array:
            return np.multiply(x, by, dtype=np.float32)

        return Elementwise(lambda x: _finite(op, _quiet(multiply, x)))
    fold = _folded(op, np.dtype(np.float32))
    return Elementwise(lambda *values: _finite(op, _quiet(fold, *values)))


def factors(module: Module, op: Op) -> Array:
    """Return the factors of a scale in a shape that broadcasts."""
    w, shape = module.tensor(op.symbols[0]), op.result.type.shape
    if w.shape == shape[:1] and len(shape) > 1:
        return w.reshape(-1, *[1] * (len(shape) - 1))
    return w.reshape(()) if w.shape == (1,) else w


def _folded(op: Op, kind: "np.dtype[np.generic]") -> Callable[..., Array]:
    """Return the sum or difference of operands, from the left."""
    fold = np.subtract if op.kind == "sub" else np.add

    def run(first: Array, *others: Array) -> Array:
        total = first.astype(kind, copy=not others)
        for n, other in enumerate(others):
            total = fold(total, other, out=total if n else None, dtype=kind, casting="unsafe")
        return total

    return run


def _finite(op: Op, array: Array) -> Array:
    """Return an array, refusing what is infinite as the reference does."""
    return array if np.isfinite(array).all() else sums.stored(op, array)


def _quiet(function: Callable[..., Array], *values: Array) -> Array:
    """Return what a function gives, without numpy's warnings: what is infinite is refused later."""
    with np.errstate(all="ignore"):
        return function(*values)
