"""Adjoints of the linear ops: from weights on an op's result to weights on its operands.

Weights stand as entries (row, flat index, weight), or, after a matrix, as dense rows. Each adjoint
expands the entries of the result into entries of every operand; nothing is ever of a layer's size
but the rows asked for.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from snnc.ir.graph import Module, Op, Value
from snnc.ir.weights import Array

Index = NDArray[np.int64]


class Entries:
    """Sparse rows: `weight[k]` on element `index[k]` for row `row[k]`; or one dense block."""

    def __init__(
        self, rows: int, row: Index, index: Index, weight: Array, block: Array | None = None
    ) -> None:
        self.rows = rows
        self._row, self._index, self._weight, self._block = row, index, weight, block

    @classmethod
    def of_block(cls, block: Array) -> "Entries":
        """Return entries that are a dense block `(rows, size)`."""
        none = np.zeros(0, dtype=np.int64)
        return cls(len(block), none, none, none, block)

    def coordinates(self) -> tuple[Index, Index, Array]:
        """Return (row, index, weight); the zeros of a dense block are left out."""
        if self._block is None:
            return self._row, self._index, self._weight
        row, index = np.nonzero(self._block)
        kind = np.float64 if self._block.dtype.kind == "f" else np.int64
        return row, index, self._block[row, index].astype(kind)

    def dense(self, size: int) -> Array:
        """Return the dense block `(rows, size)`, weights on the same element added."""
        if self._block is not None:
            return self._block
        block = np.zeros((self.rows, size), dtype=self._weight.dtype)
        np.add.at(block, (self._row, self._index), self._weight)
        return block

    def joined(self, other: "Entries") -> "Entries":
        """Return the entries of both."""
        parts = zip(self.coordinates(), other.coordinates(), strict=True)
        row, index, weight = (np.concatenate(pair) for pair in parts)
        return Entries(self.rows, row, index, weight)

    def moved(self, index: Index) -> "Entries":
        """Return the same weights on other elements."""
        row, _, weight = self.coordinates()
        return Entries(self.rows, row, index, weight)

    def scaled(self, factors: Array) -> "Entries":
        """Return the same entries with weights multiplied."""
        row, index, weight = self.coordinates()
        return Entries(self.rows, row, index, weight * factors)

    def times(self, matrix: Array) -> Array:
        """Return the dense rows of entries times `matrix[size, in]`: a view where one row each."""
        row, index, weight = self.coordinates()
        if np.array_equal(row, np.arange(self.rows)):
            picked = _picked(matrix, index)
            return picked if (weight == 1).all() else picked.astype(weight.dtype) * weight[:, None]
        block = np.zeros((self.rows, matrix.shape[1]), dtype=weight.dtype)
        np.add.at(block, row, matrix[index].astype(weight.dtype) * weight[:, None])
        return block


def _picked(matrix: Array, index: Index) -> Array:
    """Return rows of a matrix, as a view where they are consecutive."""
    first = int(index[0]) if len(index) else 0
    if np.array_equal(index, np.arange(first, first + len(index))):
        return matrix[first : first + len(index)]
    picked: Array = matrix[index]
    return picked


def _linear(module: Module, op: Op, entries: Entries) -> list[tuple[Value, Entries]]:
    x = op.values[0]
    w = module.tensor(op.symbols[0])
    if op.kind == "masked_linear":
        w = w * module.tensor(op.symbols[1]).astype(w.dtype)
    if len(x.type.shape) == 1:
        return [(x, Entries.of_block(entries.times(w)))]
    _, index, weight = entries.coordinates()
    lead, out = np.divmod(index, w.shape[0])
    fan_in = w.shape[1]
    at = lead[:, None] * fan_in + np.arange(fan_in)
    return [(x, _spread(entries, at, weight[:, None] * w[out].astype(weight.dtype)))]


def _spread(
    entries: Entries, at: Index, weight: Array, keep: NDArray[np.bool_] | None = None
) -> Entries:
    """Return entries from arrays whose first axis is the old entry, further axes its taps."""
    row = entries.coordinates()[0].reshape(-1, *[1] * (at.ndim - 1))
    rows, weights = np.broadcast_to(row, at.shape), np.broadcast_to(weight, at.shape)
    if keep is None or keep.all():
        return Entries(entries.rows, rows.ravel(), at.ravel(), weights.ravel())
    keep = np.broadcast_to(keep, at.shape)
    return Entries(entries.rows, rows[keep], at[keep], weights[keep])


def _scale(module: Module, op: Op, entries: Entries) -> list[tuple[Value, Entries]]:
    _, index, weight = entries.coordinates()
    w, shape = module.tensor(op.symbols[0]), op.values[0].type.shape
    if w.shape == shape[:1] and w.shape != shape:
        w = w.reshape(-1, *[1] * (len(shape) - 1))
    factors = np.broadcast_to(w, shape).ravel()[index]
    return [(op.values[0], entries.scaled(factors.astype(weight.dtype)))]


def window(op: Op, axes: int, kernel: tuple[int, ...]) -> tuple[list[int], list[int], list[int]]:
    """Return stride, padding before and dilation per axis."""
    stride = list(op["stride"]) or (list(kernel) if "pool" in op.kind else [1] * axes)
    return stride, (list(op["padding"]) or [0] * axes)[:axes], list(op["dilation"]) or [1] * axes


def taps(op: Op, kernel: tuple[int, ...], index: Index) -> tuple[Index, Index, NDArray[np.bool_]]:
    """Return, for result elements, (channel, flat place in a channel of x per tap, inside x)."""
    sizes, out = op.values[0].type.shape[1:], op.result.type.shape
    axes = len(kernel)
    stride, before, dilation = window(op, axes, kernel)
    channel, *position = np.unravel_index(index, out)
    place = np.zeros((len(index), *[1] * axes), dtype=np.int64)
    inside = np.ones((len(index), *[1] * axes), dtype=bool)
    for axis, size in enumerate(sizes):
        tap = np.arange(kernel[axis]) * dilation[axis] - before[axis]
        at = position[axis][:, None] * stride[axis] + tap
        at = at.reshape(len(index), *[kernel[axis] if a == axis else 1 for a in range(axes)])
        place, inside = place * size + at, inside & (at >= 0) & (at < size)
    return channel, place, inside


def _conv(module: Module, op: Op, entries: Entries) -> list[tuple[Value, Entries]]:
    _, index, weight = entries.coordinates()
    w = module.tensor(op.symbols[0])
    kernel = w.shape[2:]
    channel, place, inside = taps(op, kernel, index)
    per_group, area = w.shape[1], int(np.prod(op.values[0].type.shape[1:]))
    group = channel // (w.shape[0] // op["groups"])
    source = group[:, None] * per_group + np.arange(per_group)
    ones = [1] * len(kernel)
    at = source.reshape(*source.shape, *ones) * area + place[:, None]
    values = weight.reshape(-1, 1, *ones) * w[channel].astype(weight.dtype)
    return [(op.values[0], _spread(entries, at, values, inside[:, None]))]


def _conv_transpose(module: Module, op: Op, entries: Entries) -> list[tuple[Value, Entries]]:
    _, index, weight = entries.coordinates()
    w = module.tensor(op.symbols[0])
    kernel, axes = w.shape[2:], w.ndim - 2
    sizes = op.values[0].type.shape[1:]
    stride, before, dilation = window(op, axes, kernel)
    channel, *position = np.unravel_index(index, op.result.type.shape)
    place = np.zeros((len(index), *[1] * axes), dtype=np.int64)
    inside = np.ones((len(index), *[1] * axes), dtype=bool)
    for axis, size in enumerate(sizes):
        tap = np.arange(kernel[axis]) * dilation[axis]
        reach = position[axis][:, None] + before[axis] - tap
        reach = reach.reshape(len(index), *[kernel[axis] if a == axis else 1 for a in range(axes)])
        at, rest = np.divmod(reach, stride[axis])
        place, inside = place * size + at, inside & (rest == 0) & (at >= 0) & (at < size)
    per_group = w.shape[1]
    group, within = np.divmod(channel, per_group)
    members = w.shape[0] // op["groups"]
    source = group[:, None] * members + np.arange(members)
    ones = [1] * axes
    at = source.reshape(*source.shape, *ones) * int(np.prod(sizes)) + place[:, None]
    taken = w[source, within[:, None]].astype(weight.dtype)
    values = weight.reshape(-1, 1, *ones) * taken
    return [(op.values[0], _spread(entries, at, values, inside[:, None]))]


def _sum_pool(module: Module, op: Op, entries: Entries) -> list[tuple[Value, Entries]]:
    _, index, weight = entries.coordinates()
    channel, place, inside = taps(op, tuple(op["kernel"]), index)
    area = int(np.prod(op.values[0].type.shape[1:]))
    ones = [1] * (place.ndim - 1)
    at = channel.reshape(-1, *ones) * area + place
    return [(op.values[0], _spread(entries, at, weight.reshape(-1, *ones), inside))]


def _add(module: Module, op: Op, entries: Entries) -> list[tuple[Value, Entries]]:
    return [(value, entries) for value in op.values]


def _sub(module: Module, op: Op, entries: Entries) -> list[tuple[Value, Entries]]:
    minus = entries.coordinates()[2].dtype.type(-1)
    return [(op.values[0], entries), (op.values[1], entries.scaled(minus))]


def _same_place(module: Module, op: Op, entries: Entries) -> list[tuple[Value, Entries]]:
    return [(op.values[0], entries)]


def _concat(module: Module, op: Op, entries: Entries) -> list[tuple[Value, Entries]]:
    row, index, weight = entries.coordinates()
    place = list(np.unravel_index(index, op.result.type.shape))
    found, start = [], 0
    for value in op.values:
        stop = start + value.type.shape[op["axis"]]
        mine = (place[op["axis"]] >= start) & (place[op["axis"]] < stop)
        local = [p[mine] - (start if a == op["axis"] else 0) for a, p in enumerate(place)]
        at = np.ravel_multi_index(tuple(local), value.type.shape)
        found.append((value, Entries(entries.rows, row[mine], at, weight[mine])))
        start = stop
    return found


def _permute(module: Module, op: Op, entries: Entries) -> list[tuple[Value, Entries]]:
    x = op.values[0]
    place = np.unravel_index(entries.coordinates()[1], op.result.type.shape)
    old = [place[op["order"].index(axis)] for axis in range(len(place))]
    return [(x, entries.moved(np.ravel_multi_index(tuple(old), x.type.shape)))]


def _slice(module: Module, op: Op, entries: Entries) -> list[tuple[Value, Entries]]:
    x = op.values[0]
    place = list(np.unravel_index(entries.coordinates()[1], op.result.type.shape))
    place[op["axis"]] = place[op["axis"]] + op["start"]
    return [(x, entries.moved(np.ravel_multi_index(tuple(place), x.type.shape)))]


ADJOINTS: dict[str, Callable[[Module, Op, Entries], list[tuple[Value, Entries]]]] = {
    "linear": _linear,
    "masked_linear": _linear,
    "scale": _scale,
    "conv1d": _conv,
    "conv2d": _conv,
    "conv_transpose1d": _conv_transpose,
    "conv_transpose2d": _conv_transpose,
    "sum_pool1d": _sum_pool,
    "sum_pool2d": _sum_pool,
    "add": _add,
    "sub": _sub,
    "concat": _concat,
    "reshape": _same_place,
    "permute": _permute,
    "slice": _slice,
    "delay": _same_place,
}
"""The linear ops by kind; every other op's result is a source."""

POOLS = {"max_pool1d": _sum_pool, "max_pool2d": _sum_pool}
"""Ops that take the largest of a window, by the windows alone: whose places have a weight of 1."""

MOVEMENTS = ("add", "sub", "concat", "reshape", "permute", "slice", "delay")
"""The linear ops without weights of their own."""
