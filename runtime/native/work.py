"""The arrays of one call: what neurons of some samples hold and send, as the code wants them."""

from typing import Any

import numpy as np

from snnc.ir.graph import Op
from snnc.ir.types import F16
from snnc.ir.weights import Array
from snnc.machine.addresses import address
from snnc.runtime.native.arrangement import Arrangement
from snnc.runtime.native.columns import Framed
from snnc.runtime.semantics import OutOfRange, State


class Work:
    """What neurons hold (`held`: `(*states, samples, rows, padded)`) and what they send."""

    def __init__(
        self,
        op: Op,
        arrangement: Arrangement,
        form: Framed,
        held: Array,
        table: Array,
        span: tuple[int, int, int],
    ) -> None:
        self.op, self.arrangement, self.form = op, arrangement, form
        self.held, self.table = held, table
        tick, ticks, samples = span
        self.begin, self.end = window(op, tick, ticks)
        make = np.empty if (self.begin, self.end) == (0, ticks) else np.zeros
        shape = (samples, ticks, arrangement.rows, arrangement.channels)
        self.spikes = make(shape, dtype=op.result.type.element.storage)
        shown = np.dtype(np.float32 if held.dtype.kind == "f" else np.int32)
        self.traces = np.empty(shape if form.traced else (0,), dtype=shown)
        if form.traced:
            self.traces[:, : self.begin] = self.potentials()[:, None]

    def potentials(self) -> Array:
        """Return the potentials `(samples, rows, channels)`."""
        first = self.held if self.held.ndim == 3 else self.held[0]
        return first[..., : self.arrangement.channels]

    def fields(self) -> dict[str, int]:
        """Return what the argument block holds of them."""
        return {
            "begin": self.begin,
            "end": self.end,
            "potentials": address(self.held),
            "parameters": address(self.table),
            "spikes": address(self.spikes),
            "traces": address(self.traces),
        }

    def results(self, bad: int) -> tuple[list[Array], State]:
        """Return spikes, and traces if asked for, and the state as the reference has it.

        Raises:
            OutOfRange: a potential left its range.
        """
        if bad:
            raise OutOfRange(self.op.result.name, (), None, "")
        results = [self.arrangement.outer(self.spikes, 2)]
        if self.form.traced:
            self.traces[:, self.end :] = self.potentials()[:, None]
            results.append(self.arrangement.outer(self.traces, 2))
        return results, self.state()

    def state(self) -> State:
        """Return the state, whole numbers in 64 bits."""
        return (self._outer(self.potentials(), np.int64),)

    def _outer(self, array: Array, kind: Any) -> Array:
        return self.arrangement.outer(array, 1).astype(kind)


class RealWork(Work):
    """Float neurons: potential, synaptic current, and the last spikes."""

    def state(self) -> State:
        """Return the state, spikes in float64."""
        v, i, last = self.held[..., : self.arrangement.channels]
        kind = np.float16 if self.op.values[0].type.element == F16 else np.float32
        return self._outer(v, kind), self._outer(i, kind), self._outer(last, float)


def window(op: Op, tick: int, ticks: int) -> tuple[int, int]:
    """Return begin and end, within a chunk from `tick` on, of the ticks in which neurons work."""
    first = op["first"]
    last = first + op["ticks"] if op["ticks"] else tick + ticks
    begin = min(max(first - tick, 0), ticks)
    return begin, max(begin, min(last - tick, ticks))
