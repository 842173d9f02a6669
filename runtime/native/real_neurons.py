"""Float neurons of one op as the native code wants them."""

from collections.abc import Sequence

import numpy as np

from snnc.ir.graph import Module, Op
from snnc.ir.types import F16
from snnc.ir.weights import Array
from snnc.runtime.native.arrangement import Arrangement
from snnc.runtime.native.columns import FACTORS
from snnc.runtime.native.real_update import MOST_COUNT, PARAMETERS, RealForm
from snnc.runtime.native.terms import Term, factors_of
from snnc.runtime.native.work import RealWork, Work
from snnc.runtime.semantics import State
from snnc.runtime.semantics.real_neuron import RealNeuron


class RealNeurons:
    """The neurons of an `snn.neuron` in an arrangement."""

    def __init__(
        self, module: Module, op: Op, arrangement: Arrangement, terms: Sequence[Term] = ()
    ) -> None:
        self.op, self.arrangement, self.terms = op, arrangement, terms
        self.meaning = m = RealNeuron(module, op)
        found = {name: getattr(m, name) for name in PARAMETERS if name not in FACTORS}
        found |= factors_of(terms)
        self.values: dict[str, Array] = {n: a for n, a in found.items() if a is not None}
        self._table, self._kept = self._parameters()

    def start(self, samples: int) -> State:
        """Return the initial potentials, no current and no spikes."""
        shape = (samples, *self.arrangement.shape)
        v = np.broadcast_to(self.meaning.initial, shape)
        return v, np.broadcast_to(np.float32(0), shape), np.broadcast_to(0.0, shape)

    def work(self, tick: int, ticks: int, state: State, traced: bool) -> Work:
        """Return the arrays of a call that goes on from a state."""
        frame = self.arrangement.frame(self.op, self.values, traced)
        frame["terms"] = tuple(term.bits for term in self.terms)
        form = RealForm.of(self.op, self.meaning.element == F16, bits=32, **frame)
        held = np.stack([self.arrangement.filled(a, np.dtype(np.float32), 1) for a in state])
        table = self._table.copy()
        table[-1] = held.strides[0]
        return RealWork(self.op, self.arrangement, form, held, table, (tick, ticks, len(state[0])))

    def _parameters(self) -> tuple[Array, list[Array]]:
        """Return the table of parameters, bits or addresses, and the arrays that these are of."""
        table, kept = np.zeros(len(PARAMETERS) + 1, dtype=np.int64), []
        for name, array in self.values.items():
            if array.ndim:
                wide = np.broadcast_to(array, self.arrangement.shape)
                kept.append(self.arrangement.filled(wide, np.dtype(np.float32), 0))
                table[PARAMETERS.index(name)] = kept[-1].ctypes.data
            else:
                table[PARAMETERS.index(name)] = int(np.float32(array).view(np.int32))
        return table, kept


def real_neurons(
    module: Module, op: Op, arrangement: Arrangement, terms: Sequence[Term] = ()
) -> RealNeurons | None:
    """Return the neurons of an op; None where the code would not be exact.

    That is for counts that float32 does not hold, for counts of a threshold that is
    not above 0, and for terms that would not be looked at in the ticks in which neurons rest.
    """
    if terms and (op["first"] or op["ticks"]):
        return None
    made = RealNeurons(module, op, arrangement, terms)
    counted = op["spike"] == "count"
    if counted and op["max_count"] > MOST_COUNT:
        return None
    return None if counted and (made.meaning.threshold <= 0).any() else made
