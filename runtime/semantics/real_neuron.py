"""The float neuron, written by hand from the declaration of `snn.neuron`.

Each product, sum and quotient is rounded once to the element of the potential, in the order of the
formula read from the left, without fused multiply-add:
v = (((decay * (v - leak_to)) + leak_to) + (gain * c)) + leak.
"""

from typing import Any

import numpy as np

from snnc.ir.graph import Module, Op
from snnc.ir.types import F16, F32
from snnc.ir.weights import Array
from snnc.runtime.semantics import Meaning, OutOfRange, State, semantics
from snnc.runtime.semantics.parameters import given, working


def filtered(kind: str, decay: Any, x: Any, i: Any) -> tuple[Any, Any]:
    """Return the current that charges, and the synaptic current kept; arrays of any library."""
    if kind == "none":
        return x, i
    if kind == "before":
        i = decay * i + x
        return i, i
    if kind == "after":
        c = i + x
        return c, decay * c
    i = decay * (i + x)
    return i, i


class RealNeuron:
    """Neurons of one `snn.neuron`.

    The state is v, the synaptic current, and the last spikes in float64, which holds every count.
    """

    def __init__(self, module: Module, op: Op) -> None:
        self.op = op
        self.element = F16 if op.values[0].type.element == F16 else F32

        def real(name: str) -> Array:
            return given(module, op, name).astype(self.element.storage)

        self.decay, self.leak_to, self.gain = real("decay"), real("leak_to"), real("gain")
        self.leak, self.filter_decay = real("leak"), real("filter_decay")
        self.threshold, self.reset_to = real("threshold"), real("reset_to")
        self.initial = real("initial")
        self.reset_by = real("reset_by")
        self.floor = None if op["floor"] is None else real("floor")

    def start(self, samples: int, first_sample: int) -> State:
        """Return the initial potentials, no current and no spikes."""
        shape, storage = (samples, *self.op.result.type.shape), self.element.storage
        v = np.empty(shape, dtype=storage)
        v[...] = self.initial
        return v, np.zeros(shape, dtype=storage), np.zeros(shape)

    def step(self, tick: int, operands: list[Array], state: State) -> tuple[list[Array], State]:
        """Return spikes (and potentials) of a tick, and the new state."""
        storage = self.op.result.type.element.storage
        spikes = np.zeros(state[0].shape, dtype=storage)
        if working(self.op, tick):
            with np.errstate(over="ignore", invalid="ignore"):
                state = self._update(operands[0].astype(self.element.storage), *state)
            spikes = state[2].astype(storage)
            self._check(state[0])
            self._check(state[1])
        results: list[Array] = [spikes]
        if self.op["potential"]:
            results.append(state[0])
        return results, state

    def _update(self, x: Array, v: Array, i: Array, last: Array) -> State:
        op = self.op
        if op["reset_time"] == "before":
            v = self._reset(v, last)
        c, i = filtered(self.op["filter"], self.filter_decay, x, i)
        v = self.decay * (v - self.leak_to) + self.leak_to + self.gain * c + self.leak
        if op["reset_time"] == "after":
            v = self._reset(v, last)
        p = v >= self.threshold if op["compare"] == "ge" else v > self.threshold
        spikes = p.astype(np.float64)
        if op["spike"] == "count":
            quotient = np.trunc(v / self.threshold).astype(np.float64)
            spikes = np.where(p, np.clip(quotient, 1, op["max_count"]), 0.0)
        if op["reset_time"] == "now":
            v = self._reset(v, spikes)
        if self.floor is not None:
            v = np.maximum(v, self.floor)
        return v, i, spikes

    def _reset(self, v: Array, spikes: Array) -> Array:
        if self.op["reset"] == "hard":
            return np.where(spikes > 0, self.reset_to, v)
        if self.op["reset"] == "none":
            return v
        return np.asarray(v - spikes.astype(v.dtype) * self.reset_by)

    def _check(self, v: Array) -> None:
        if not np.isfinite(v).all():
            index = tuple(int(i) for i in np.argwhere(~np.isfinite(v))[0])
            raise OutOfRange(
                self.op.result.name, index, v[index], f"{self.element} holds finite numbers"
            )


@semantics("snn.neuron")
def real_neuron(module: Module, op: Op) -> Meaning:
    """Return the neurons of an `snn.neuron`."""
    return RealNeuron(module, op)
