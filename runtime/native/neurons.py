"""Neurons of one op as the native code wants them: parameter tables, potentials, and their width.

In memory a sample's neurons are `(rows, channels)` with channels filled up to whole vectors; an
`Arrangement` says how that follows from the op's own shape.
"""

import numpy as np
from attrs import evolve, frozen

from snnc.ir.graph import Module, Op
from snnc.ir.weights import Array
from snnc.runtime.native.bounds import Range
from snnc.runtime.native.update import LANES, PARAMETERS, Form
from snnc.runtime.semantics.integer_neuron import IntegerNeuron

LIMIT = 2**31 - 1


@frozen
class Arrangement:
    """How values of a shape lie in memory: rows of channels, which may be axis 0 of the shape."""

    shape: tuple[int, ...]
    rows: int
    channels: int
    last: bool

    def inner(self, array: Array, lead: int) -> Array:
        """Return `(*lead, rows, channels)` of `(*lead, *shape)`, without a copy if it may be."""
        if not self.last:
            array = np.moveaxis(array, lead, -1)
        return array.reshape(*array.shape[:lead], self.rows, self.channels)

    def outer(self, array: Array, lead: int) -> Array:
        """Return a view `(*lead, *shape)` of `(*lead, rows, channels)`."""
        if self.last:
            return array.reshape(*array.shape[:lead], *self.shape)
        array = array.reshape(*array.shape[:lead], *self.shape[1:], self.shape[0])
        return np.moveaxis(array, -1, lead)

    @property
    def padded(self) -> int:
        """Channels with those that fill the last vector."""
        return -(-self.channels // LANES) * LANES

    def filled(self, array: Array, kind: "np.dtype[np.signedinteger]", lead: int) -> Array:
        """Return `(*lead, rows, padded)`, ones behind the last channel."""
        found = np.ones((*array.shape[:lead], self.rows, self.padded), dtype=kind)
        found[..., : self.channels] = self.inner(array, lead)
        return found


class Neurons:
    """The neurons of one op in an arrangement."""

    def __init__(self, module: Module, op: Op, arrangement: Arrangement, x: Range) -> None:
        self.op, self.arrangement = op, arrangement
        self.meaning = m = IntegerNeuron(module, op)
        given = {
            "threshold": m.threshold,
            "leak": m.leak,
            "reset_to": m.reset_to,
            "reset_by": m.reset_by,
            "negative": m.negative,
            "floor": m.floor,
        }
        self.values = {n: a for n in PARAMETERS if (a := given[n]) is not None}
        self._tables: dict[int, tuple[Array, list[Array]]] = {}
        self.narrow = self._narrow(max(-x[0], x[1]))

    def form(self, bits: int, traced: bool) -> Form:
        """Return the form of the code."""
        arrays = tuple(n for n, a in self.values.items() if a.ndim)
        form = Form.of(self.op, bits, tuple(self.values), arrays, traced)
        return evolve(form, tail=self.arrangement.channels % LANES)

    def table(self, bits: int) -> Array:
        """Return the table of parameters: numbers, or addresses of arrays that it keeps alive."""
        if bits not in self._tables:
            kind, kept = np.dtype(f"int{bits}"), []
            table = np.zeros(len(PARAMETERS), dtype=np.int64)
            for name, array in self.values.items():
                if array.ndim:
                    wide = np.broadcast_to(array, self.arrangement.shape)
                    kept.append(self.arrangement.filled(wide, kind, 0))
                    table[PARAMETERS.index(name)] = kept[-1].ctypes.data
                else:
                    table[PARAMETERS.index(name)] = int(array)
            self._tables[bits] = table, kept
        return self._tables[bits][0]

    def bits(self, v: Array) -> int:
        """Return in how many bits potentials may run that start with v."""
        low, high = (self.meaning.low, self.meaning.high) if self._corrects else (-LIMIT, LIMIT)
        inside = not v.size or (int(v.min()) >= low and int(v.max()) <= high)
        return 32 if self.narrow and inside else 64

    def window(self, tick: int, ticks: int) -> tuple[int, int]:
        """Return begin and end, within a chunk from `tick` on, of the ticks in which they work."""
        first = self.op["first"]
        last = first + self.op["ticks"] if self.op["ticks"] else tick + ticks
        begin = min(max(first - tick, 0), ticks)
        return begin, max(begin, min(last - tick, ticks))

    @property
    def _corrects(self) -> bool:
        return bool(self.op["overflow"] == "wrap-paibox")

    def _narrow(self, x: int) -> bool:
        """Return whether 32 bits are exact: sums are seen to, as is what is not a sum."""
        op, reach = self.op, {name: _reach(array) for name, array in self.values.items()}
        start = _reach(self.meaning.initial)
        if max([*reach.values(), start, x]) > LIMIT:
            return False
        amount = reach.get("reset_by", 0)
        if op["spike"] == "count" and op["reset_by"] is not None:
            amount *= min(op["max_count"], LIMIT // max(1, int(self.meaning.threshold.min())) + 1)
        if op["reset"] == "soft" and amount > LIMIT:
            return False
        # One correction brings a sum back if what was added is at most what it takes away.
        turn, high = 2 ** op["width"] - 1, self.meaning.high
        steps = [x, reach.get("leak", 0), amount if op["reset"] == "soft" else 0]
        held = [start, *(reach[n] for n in ("reset_to", "negative", "floor") if n in reach)]
        once = op["width"] <= 30 and max(steps) <= turn and max(held) <= high
        return once or not self._corrects


def _reach(array: Array) -> int:
    """Return the greatest magnitude of an array of whole numbers."""
    return max(int(array.max()), -int(array.min())) if array.size else 0
