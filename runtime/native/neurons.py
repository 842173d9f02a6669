"""Integer neurons of one op as the native code wants them: parameters, potentials, their width."""

from collections.abc import Sequence

import numpy as np

from snnc.ir.graph import Module, Op
from snnc.ir.weights import Array
from snnc.runtime.native.arrangement import Arrangement
from snnc.runtime.native.bounds import Range
from snnc.runtime.native.terms import Term, factors_of
from snnc.runtime.native.update import PARAMETERS, Form
from snnc.runtime.native.work import Work
from snnc.runtime.semantics import State
from snnc.runtime.semantics.integer_neuron import IntegerNeuron

LIMIT = 2**31 - 1


class Neurons:
    """The neurons of one op in an arrangement, whose currents, terms included, have a range."""

    def __init__(
        self,
        module: Module,
        op: Op,
        arrangement: Arrangement,
        x: Range,
        terms: Sequence[Term] = (),
    ) -> None:
        self.op, self.arrangement, self.terms = op, arrangement, terms
        self.meaning = m = IntegerNeuron(module, op)
        given = {
            "threshold": m.threshold,
            "leak": m.leak,
            "reset_to": m.reset_to,
            "reset_by": m.reset_by,
            "negative": m.negative,
            "floor": m.floor,
            **factors_of(terms),
        }
        self.values = {n: a for n in PARAMETERS if (a := given.get(n)) is not None}
        self._forms: dict[tuple[int, bool], Form] = {}
        self._tables: dict[int, tuple[Array, list[Array]]] = {}
        self._begun: Array | None = None
        self.narrow = self._narrow(max(-x[0], x[1]))

    def start(self, samples: int) -> State:
        """Return the initial potentials, one number for all of them where it is."""
        begun = self._begun
        if begun is None or len(begun) != samples:
            shape = (samples, *self.arrangement.shape)
            self._begun = begun = np.broadcast_to(self.meaning.initial.astype(np.int64), shape)
        return (begun,)

    def work(self, tick: int, ticks: int, state: State, traced: bool) -> Work:
        """Return the arrays of a call that goes on from a state."""
        v, bits = state[0], self.bits(state[0])
        held = self.arrangement.filled(v, np.dtype(f"int{bits}"), 1)
        span = tick, ticks, len(v)
        return Work(
            self.op, self.arrangement, self.form(bits, traced), held, self.table(bits), span
        )

    def form(self, bits: int, traced: bool) -> Form:
        """Return the form of the code."""
        if (bits, traced) not in self._forms:
            frame = self.arrangement.frame(self.op, self.values, traced)
            frame["terms"] = tuple(term.bits for term in self.terms)
            self._forms[bits, traced] = Form.of(self.op, bits=bits, **frame)
        return self._forms[bits, traced]

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
            # Another thread may have been first: its arrays stay, whoever has their addresses.
            self._tables.setdefault(bits, (table, kept))
        return self._tables[bits][0]

    def bits(self, v: Array) -> int:
        """Return in how many bits potentials may run that start with v."""
        low, high = (self.meaning.low, self.meaning.high) if self._corrects else (-LIMIT, LIMIT)
        # What is repeated need not be looked at again.
        v = v[tuple(slice(None if step else 1) for step in v.strides)]
        inside = not v.size or (int(v.min()) >= low and int(v.max()) <= high)
        return 32 if self.narrow and inside else 64

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
