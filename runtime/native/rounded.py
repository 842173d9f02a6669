"""Products of real numbers as machine code: inputs of any element, sums rounded once."""

from functools import cached_property
from typing import Any

import numpy as np
from attrs import frozen

from snnc.ir.graph import Module, Op
from snnc.ir.types import F16
from snnc.ir.weights import Array
from snnc.machine.compiler import Compiler, Function
from snnc.runtime.native import packing
from snnc.runtime.native.bounds import matrix_rows
from snnc.runtime.native.columns import LANES
from snnc.runtime.native.gather import Shape, blocking
from snnc.runtime.native.layers import arguments_of
from snnc.runtime.native.rounding import HalfRounding, Rounding
from snnc.runtime.native.sinks import Store
from snnc.runtime.native.source import DIGITS, Source, common_power, plain_source
from snnc.runtime.numpy_reals import BLOCK, doubt, exactly
from snnc.runtime.semantics import State, sums

MOST_VECTORS = 2


@frozen(eq=False, slots=False)
class Rounded:
    """A product whose sums are float64 until they are rounded."""

    compiler: Compiler
    source: Source

    def start(self, samples: int, first_sample: int) -> State:
        """Return no state."""
        return ()

    def run(
        self, tick: int, ticks: int, operands: list[Array], state: State, potentials: bool
    ) -> tuple[list[Array], State]:
        """Return the sums as float32; see `snnc.runtime.numpy_trains.Kernel`.

        A train whose ticks are all one array in memory is multiplied once.
        """
        given = operands[0]
        still = ticks > 1 and given.strides[1] == 0
        x = np.ascontiguousarray(self.source.layout(given[:, :1] if still else given), np.float64)
        found = self.source.result.outer(self._sums(x), 2)
        if still:
            found = np.broadcast_to(found, (len(found), ticks, *found.shape[2:]))
        return [found], state

    def _sums(self, x: Array) -> Array:
        """Return `(samples, ticks, rows, channels)` of inputs in the layout of the source."""
        shape, function = self._code
        arrangement, ticks = self.source.result, x.shape[1]
        made = np.empty((len(x), ticks, arrangement.rows, arrangement.channels), dtype=np.float32)
        weights, constants = self._tables
        buffer = np.empty((ticks + 1) * shape.block, dtype=np.int32)
        flag = np.zeros(1, dtype=np.int64)
        arrays = {
            "inputs": x,
            "weights": weights,
            "bias": constants,
            "buffer": buffer,
            "spikes": made,
            "scale": flag,
        }
        sizes = {"samples": len(x), "ticks": ticks, "end": ticks}
        block = arguments_of(sizes | {name: array.ctypes.data for name, array in arrays.items()})
        function(block.ctypes.data)
        if flag[0]:
            self._settle(x, made)
        return made

    def _settle(self, x: Array, made: Array) -> None:
        """Make the sums that are in doubt once more, exactly.

        Raises:
            OutOfRange: one is beyond the largest number of its element.
        """
        source, window = self.source, self.source.window
        # numpy finds few places among many in one axis much faster than in several.
        places = np.stack(np.unravel_index(np.flatnonzero(np.isnan(made)), made.shape), axis=1)
        step = max(1, BLOCK // window.fan_in)
        inside = np.add.outer(np.array(window.runs) * window.unit, np.arange(window.length))
        flat = x.reshape(*x.shape[:2], -1)
        for at in range(0, len(places), step):
            sample, tick, row, channel = places[at : at + step].T
            place, group = np.divmod(row, window.groups)
            down, along = np.divmod(place, window.out[1])
            first = down * window.stride[0] * window.size[1] + along * window.stride[1]
            first = (first * window.groups + group) * window.unit
            read = first[:, None] + inside.reshape(-1)
            w = source.weights[group, :, :, channel].reshape(len(read), -1)
            bias = 0.0 if source.bias is None else source.bias[group * window.channels + channel]
            element = source.op.values[0].type.element, source.op.result.type.element
            values = exactly(flat[sample[:, None], tick[:, None], read], w, bias, *element)
            made[sample, tick, row, channel] = sums.stored(source.op, values)

    @cached_property
    def _code(self) -> tuple[Shape, Function]:
        window, path = self.source.window, self.compiler.path
        vectors = blocking(window.channels, LANES, MOST_VECTORS)
        shape = Shape(window, path, True, 8, 64, vectors, LANES, True, 4, 4, False)
        kind = HalfRounding if self.source.op.result.type.element == F16 else Rounding

        def emit(module: Any) -> None:
            Store(module, window.channels % LANES)
            kind(module, shape)

        return shape, self.compiler.function("product", (kind, shape), emit)

    @cached_property
    def _tables(self) -> tuple[Array, Array]:
        """Return packed weights, and per block of channels bias and what brings it in doubt."""
        source, block = self.source, self._code[0].block
        groups, channels = source.window.groups, source.window.channels
        kind = np.dtype(np.float64)
        bias = np.zeros(groups * channels) if source.bias is None else source.bias
        weight = np.abs(source.weights).sum(axis=(1, 2)).reshape(-1)
        each, start = doubt(weight, bias, source.window.fan_in)
        if self._holds(weight, bias):
            each, start = np.zeros_like(each), np.zeros_like(start)
        tables = [packing.constants(c, groups, block, kind) for c in (bias, each, start)]
        constants = np.ascontiguousarray(np.stack(tables, axis=2))
        return packing.blocks(source.weights, block, np.dtype(np.float32)), constants

    def _holds(self, weight: Array, bias: Array) -> bool:
        """Return whether float64 holds every sum: of whole inputs with weights on one grid.

        `weight` has the sums of the weights' magnitudes.
        """
        element = self.source.op.values[0].type.element
        if element.is_float:
            return False
        used = np.concatenate([self.source.weights.reshape(-1), bias.reshape(-1)])
        most = max(-element.low, element.high) * weight + np.abs(bias)
        limit = DIGITS + common_power(used[used != 0])
        return bool(most.max(initial=0.0) < 2.0**limit)


def rounded(module: Module, op: Op, compiler: Compiler) -> Rounded | None:
    """Return the kernel of a product at level `snn`; None for one without inputs or outputs.

    It multiplies what float32 holds, which all weights at this level are.
    """
    x, y = op.values[0].type, op.result.type
    w, bias = matrix_rows(module, op)
    if not x.timed or not x.size or not y.size or not w.size:
        return None
    if not np.isfinite(w).all() or (bias is not None and not np.isfinite(bias).all()):
        return None
    start = None if bias is None else bias.astype(np.float64)
    return Rounded(compiler, plain_source(op, w.astype(np.float64), start))
