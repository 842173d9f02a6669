"""Intervals: the least and greatest value that each value of an integer network can take.

Spikes span their element, sums follow from the positive and the negative weights apart, so a bound
is attained where no padding and no second path to the same source gets in the way; it is never too
small. Arrays broadcast against the value's shape: a convolution has one bound per channel.
"""

from collections.abc import Sequence
from math import prod

import numpy as np
from attrs import frozen

from snnc.ir.analysis import makers
from snnc.ir.graph import Module, Op, Value
from snnc.ir.synapses import WEIGHTED
from snnc.ir.types import I32, U8
from snnc.ir.weights import Array
from snnc.passes.buses import bias_of, per_output, weights_of


@frozen(eq=False)
class Interval:
    """Bounds as int64; `fits` tells whether no i32 on the way can overflow."""

    low: Array
    high: Array
    fits: bool = True

    def with_zero(self) -> "Interval":
        """Return the interval with zero in it, as padding and a delay's first ticks need."""
        return Interval(np.minimum(self.low, 0), np.maximum(self.high, 0), self.fits)

    def per_channel(self) -> "Interval":
        """Return bounds `(channels,)` or `(1,)` over all places of a channel, zero included."""
        low, high = (a.reshape(a.shape[0], -1) for a in (self.low, self.high))
        return Interval(low.min(axis=1), high.max(axis=1), self.fits).with_zero()


class Intervals:
    """The intervals of a module's values, each made once."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.made_by = makers(module.graph)
        self._known: dict[Value, Interval] = {}

    def of(self, value: Value) -> Interval:
        """Return the interval of a value; in a loop of currents that of its element."""
        todo, open_ops = [value], dict[Value, None]()
        while todo:
            top = todo[-1]
            op = self.made_by.get(top)
            needed = () if op is None or op.kind == "neuron" else op.values
            missing = [v for v in needed if v not in self._known]
            for looped in [v for v in missing if v in open_ops]:
                self._known[looped] = _element(looped, fits=False)
            missing = [v for v in missing if v not in self._known]
            if missing:
                open_ops[top] = None
                todo += missing
                continue
            if top not in self._known:
                self._known[top] = self._make(top, op)
            open_ops.pop(top, None)
            todo.pop()
        return self._known[value]

    def _make(self, value: Value, op: Op | None) -> Interval:
        if op is None:
            return _element(value)
        if op.kind == "neuron":
            return _spikes(value, op)
        if op.kind in WEIGHTED:
            return self._weighted(op)
        known = [self._known[v] for v in op.values]
        if op.kind in ("add", "sub"):
            return _sum(known, -1 if op.kind == "sub" else 1)
        if op.kind.startswith("sum_pool"):
            window, x = prod(op["kernel"]), known[0].per_channel()
            shape = (-1, *(1,) * (len(value.type.shape) - 1))
            return _held(x.low.reshape(shape) * window, x.high.reshape(shape) * window, x.fits)
        if op.kind.startswith("max_pool"):
            low, high = (a.reshape(a.shape[0], -1) for a in (known[0].low, known[0].high))
            shape = (-1, *(1,) * (len(value.type.shape) - 1))
            least, most = low.min(axis=1).reshape(shape), high.max(axis=1).reshape(shape)
            return Interval(least, most, known[0].fits)
        if op.kind in ("concat", "reshape", "permute", "slice", "delay"):
            return _moved(op, known)
        return _element(value)

    def _weighted(self, op: Op) -> Interval:
        x, weights = self._known[op.values[0]], weights_of(self.module, op, 1)
        if op.kind == "scale":
            return _scaled(op, x, weights)
        rank = len(op.result.type.shape)
        if op.kind.endswith("linear"):
            inputs = _last_axis(x)
            shape: tuple[int, ...] = (*(1,) * (rank - 1), -1)
            matrix = weights
        else:
            inputs = x.per_channel()
            shape = (-1, *(1,) * (rank - 1))
            matrix = per_output(op, weights)
            inputs = _by_group(op, inputs, weights.shape, len(matrix))
        return _product(matrix, inputs, shape, bias_of(self.module, op))


def _element(value: Value, fits: bool = True) -> Interval:
    element, ones = value.type.element, (1,) * len(value.type.shape)
    low, high = (0, 0) if element.is_float else (element.low, element.high)
    fits = fits and not element.is_float
    return Interval(np.full(ones, low, np.int64), np.full(ones, high, np.int64), fits)


def _spikes(value: Value, op: Op) -> Interval:
    ones = (1,) * len(value.type.shape)
    if value is not op.result:
        top = 1 << op["width"] - 1
        return Interval(np.full(ones, -top, np.int64), np.full(ones, top - 1, np.int64))
    high = {"single": 1, "count": op["max_count"], "value": U8.high}[op["spike"]]
    return Interval(np.zeros(ones, np.int64), np.full(ones, high, np.int64))


def _held(low: Array, high: Array, fits: bool) -> Interval:
    """Return an interval cut to i32, beyond which a run stops with an error."""
    inside = bool(low.min() >= I32.low and high.max() <= I32.high)
    return Interval(
        np.clip(low, I32.low, I32.high), np.clip(high, I32.low, I32.high), fits & inside
    )


def _sum(known: Sequence[Interval], sign: int) -> Interval:
    low, high, fits = known[0].low, known[0].high, known[0].fits
    for other in known[1:]:
        ends = (other.low, other.high) if sign > 0 else (-other.high, -other.low)
        low, high, fits = low + ends[0], high + ends[1], fits and other.fits
    return _held(low, high, fits)


def _scaled(op: Op, x: Interval, weights: Array) -> Interval:
    rank = len(op.result.type.shape)
    if weights.ndim < rank or weights.shape != op.result.type.shape:
        weights = weights.reshape(-1, *(1,) * (rank - 1)) if rank else weights.reshape(())
    ends = weights * x.low, weights * x.high
    return _held(np.minimum(*ends), np.maximum(*ends), x.fits)


def _last_axis(x: Interval) -> Interval:
    low, high = (a.reshape(-1, a.shape[-1]) for a in (x.low, x.high))
    return Interval(low.min(axis=0), high.max(axis=0), x.fits)


def _by_group(op: Op, inputs: Interval, shape: tuple[int, ...], outputs: int) -> Interval:
    """Return bounds per (output, input of its group, tap), flat as `per_output` has the weights."""
    if inputs.low.size == 1:
        return inputs
    groups, taps = op["groups"], prod(shape[2:])

    def laid_out(bounds: Array) -> Array:
        each = np.repeat(bounds.reshape(groups, -1), taps, axis=1)
        return np.repeat(each, outputs // groups, axis=0)

    return Interval(laid_out(inputs.low), laid_out(inputs.high), inputs.fits)


def _product(
    matrix: Array, inputs: Interval, shape: tuple[int, ...], bias: Array | None
) -> Interval:
    """Return the interval of `matrix @ inputs + bias`, one per row, in `shape`."""
    largest = max(-int(inputs.low.min()), int(inputs.high.max()), 1)
    heaviest = 128
    if matrix.dtype != np.int8:
        heaviest = max(-int(matrix.min(initial=0)), int(matrix.max(initial=0)), 1)
    reach = largest * heaviest * max(matrix.shape[1], 1)
    if reach >= 1 << 62:
        ones = np.ones(len(matrix), np.int64)
        return Interval((I32.low * ones).reshape(shape), (I32.high * ones).reshape(shape), False)
    if inputs.low.size == 1 and matrix.dtype == np.int8 and matrix.shape[1] <= 1 << 23:
        positive, negative = _halves(matrix)
        least, most = (int(bound.reshape(())) for bound in (inputs.low, inputs.high))
        low, high = positive * least + negative * most, positive * most + negative * least
    else:
        above, below = np.maximum(matrix, 0), np.minimum(matrix, 0)
        low = _weighed(above, inputs.low) + _weighed(below, inputs.high)
        high = _weighed(above, inputs.high) + _weighed(below, inputs.low)
    if bias is not None:
        low, high = low + bias, high + bias
    return _held(low.reshape(shape), high.reshape(shape), inputs.fits)


def _halves(matrix: Array) -> tuple[Array, Array]:
    """Return the sums of the positive and of the negative bytes of each row, in two fast passes."""
    total = matrix.sum(axis=1, dtype=np.int32).astype(np.int64)
    # The magnitude of -128 wraps to the byte that means 128 without a sign.
    magnitude = np.abs(matrix).view(np.uint8).sum(axis=1, dtype=np.int32).astype(np.int64)
    return (total + magnitude) >> 1, (total - magnitude) >> 1


def _weighed(matrix: Array, bound: Array) -> Array:
    """Return the sum of each row times a bound: the same for all columns, or one for each."""
    if bound.size > 1:
        return np.asarray((matrix * bound).sum(axis=1))
    if not bound.any():
        return np.zeros(len(matrix), np.int64)
    return np.asarray(matrix.sum(axis=1, dtype=np.int64) * bound.reshape(()))


def _moved(op: Op, known: Sequence[Interval]) -> Interval:
    if op.kind == "delay":
        return known[0].with_zero()
    fits = all(x.fits for x in known)
    low, high = (_move(op, ends) for ends in zip(*((x.low, x.high) for x in known), strict=True))
    return Interval(low, high, fits)


def _move(op: Op, bounds: Sequence[Array]) -> Array:
    """Return one end of the bounds after a movement in space."""
    first, shape = bounds[0], op.result.type.shape
    if op.kind == "permute":
        return first.transpose(op["order"])
    if op.kind == "slice":
        cut = [slice(None)] * first.ndim
        if first.shape[op["axis"]] > 1:
            cut[op["axis"]] = slice(op["start"], op["stop"])
        return first[tuple(cut)]
    if op.kind == "reshape":
        if first.size == 1:
            return first.reshape((1,) * len(shape))
        return np.broadcast_to(first, op.values[0].type.shape).reshape(shape)
    wide = zip(bounds, op.values, strict=True)
    return np.concatenate([np.broadcast_to(b, v.type.shape) for b, v in wide], axis=op["axis"])
