"""Sums, means and maxima over windows, tap by tap, channels next to each other in memory."""

from itertools import product
from typing import Any

import numpy as np

from snnc.ir.graph import Op
from snnc.ir.weights import Array
from snnc.runtime.native.bounds import Range
from snnc.runtime.native.neurons import LIMIT
from snnc.runtime.native.source import surrounded
from snnc.runtime.semantics import State, windows


class Pooled:
    """A pool of values that are never negative, so that zeros around them change no maximum."""

    def __init__(self, op: Op, total: Range) -> None:
        self.fold: Any = np.maximum if op.kind.startswith("max") else np.add
        self.kind = np.dtype(np.uint8 if total[1] <= 255 else np.int32)
        self.shape = windows.geometry(op, tuple(op["kernel"]))
        self.divisor = _divisor(op, self.shape) if op.kind.startswith("avg") else None

    def start(self, samples: int, first_sample: int) -> State:
        """Return no state."""
        return ()

    def run(
        self, tick: int, ticks: int, operands: list[Array], state: State, potentials: bool
    ) -> tuple[list[Array], State]:
        """Return the one result; see `snnc.runtime.numpy_trains.Kernel`."""
        shape = self.shape
        x = np.moveaxis(operands[0].astype(self.kind, copy=False), 2, -1)
        x = surrounded(x, shape.padding)
        found: Array | None = None
        for tap in product(*(range(k) for k in shape.kernel)):
            places = [
                slice(t * d, t * d + s * (n - 1) + 1, s)
                for t, d, s, n in zip(tap, shape.dilation, shape.stride, shape.out, strict=True)
            ]
            part = x[(slice(None), slice(None), *places)]
            if found is None:
                found = np.array(part, order="C")
            else:
                self.fold(found, part, out=found)
        assert found is not None
        if self.divisor is not None:
            # Both are whole numbers that float32 holds, so the quotient is rounded once.
            found = found.astype(np.float32) / self.divisor
        return [np.moveaxis(found, -1, 2)], state


def pool(op: Op, x: Range) -> Pooled | None:
    """Return the kernel of a pool whose input has a range; None where it is not the faster one."""
    taps = 1 if op.kind.startswith("max") else int(np.prod(op["kernel"]))
    most = LIMIT if op.name.startswith("int.") else _EXACT
    if x[0] < 0 or x[1] * taps > most or not op.values[0].type.timed:
        return None
    return Pooled(op, (0, x[1] * taps))


def _divisor(op: Op, shape: windows.Geometry) -> Array:
    """Return how many elements each window counts, `(*places, 1)` or a single one."""
    inside = windows.inside(op, shape)
    if op["count_padding"]:
        return np.float32(np.prod(op["kernel"])).reshape(1)
    return inside[..., None].astype(np.float32)


_EXACT = 1 << 24
"""Whole numbers up to which float32 has no gaps."""
