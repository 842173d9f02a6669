"""The integer neuron, written by hand from the declaration of `int.neuron`, in int64."""

import numpy as np
from numpy.typing import NDArray

from snnc.ir.graph import Module, Op
from snnc.ir.neuron import param
from snnc.ir.weights import Array
from snnc.runtime.semantics import Meaning, OutOfRange, State, semantics
from snnc.runtime.semantics.parameters import given, working

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class IntegerNeuron:
    """Neurons of one `int.neuron`; the state is the potential, int64."""

    def __init__(self, module: Module, op: Op) -> None:
        self.op, self.width = op, op["width"]
        self.low, self.high = -(2 ** (self.width - 1)), 2 ** (self.width - 1) - 1

        self.threshold, self.leak = (given(module, op, n) for n in ("threshold", "leak"))
        self.reset_to, self.initial = (given(module, op, n) for n in ("reset_to", "initial"))
        self.reset_by = given(module, op, "reset_by")
        self.negative, self.floor = (param(module, op, n) for n in ("negative", "floor"))

    def start(self, samples: int, first_sample: int) -> State:
        """Return the initial potentials."""
        v = np.empty((samples, *self.op.result.type.shape), dtype=np.int64)
        v[...] = self.initial
        return (v,)

    def step(self, tick: int, operands: list[Array], state: State) -> tuple[list[Array], State]:
        """Return spikes (and potentials) of a tick, and the new potentials."""
        v: Ints = state[0]
        spikes = np.zeros(v.shape, dtype=self.op.result.type.element.storage)
        if working(self.op, tick):
            counts, v = self._update(operands[0].astype(np.int64), v)
            spikes = counts.astype(spikes.dtype)
        results: list[Array] = [spikes]
        if self.op["potential"]:
            results.append(v.astype(np.int32))
        return results, (v,)

    def _update(self, x: Ints, v: Ints) -> tuple[Ints, Ints]:
        op = self.op
        v = self._fit(x + v if op["memory"] == "keep" else x)
        if op["leak_order"] == "before":
            v = self._leak(v)
        p = v >= self.threshold
        n = np.zeros_like(p) if self.negative is None else ~p & (v < -self.negative)
        if op["leak_order"] == "after":
            v = self._leak(v)
        spikes = np.where(p, self._spikes(v), 0)
        v = self._reset(v, p, n, spikes if op["spike"] == "count" else p.astype(np.int64))
        if self.floor is not None:
            v = np.maximum(v, self.floor)
        return spikes, v

    def _leak(self, v: Ints) -> Ints:
        reversal = self.op["leak_reversal"] and self.op["memory"] == "keep"
        return self._fit(v + (np.sign(v) * self.leak if reversal else self.leak))

    def _spikes(self, v: Ints) -> Ints:
        """Return what a neuron that fires sends."""
        kind, truncate = self.op["spike"], self.op["truncate"]
        if kind == "single":
            return np.ones_like(v)
        if kind == "count":
            # A leak after the compare may bring v below the threshold; the clip makes 1 of it.
            return np.asarray(np.clip(v // self.threshold, 1, self.op["max_count"]))
        low = v << (8 - truncate) if truncate < 8 else v >> (truncate - 8)
        return np.where(v >> truncate > 0, 255, low & 255)

    def _reset(self, v: Ints, p: Bools, n: Bools, spikes: Ints) -> Ints:
        reset = self.op["reset"]
        if reset == "hard":
            after = np.broadcast_to(self.reset_to, v.shape)
        else:
            after = v if reset == "none" else v - spikes * self.reset_by
        below = v
        if self.negative is not None:
            if self.op["negative_mode"] == "floor":
                below = np.broadcast_to(-self.negative, v.shape)
            elif reset == "hard":
                below = np.broadcast_to(-self.reset_to, v.shape)
            elif reset == "soft":
                below = v + self.negative
        return self._fit(np.where(p, after, np.where(n, below, v)))

    def _fit(self, v: Ints) -> Ints:
        """Return v brought into the width as `overflow` says."""
        mode, turn = self.op["overflow"], 2**self.width - 1
        over, under = v > self.high, v < self.low
        if mode == "saturate":
            return np.asarray(np.clip(v, self.low, self.high))
        if mode == "wrap":
            return np.asarray(((v - self.low) & turn) + self.low)
        if mode == "wrap-paibox":
            return np.asarray(v - over * turn + under * turn)
        if over.any() or under.any():
            index = tuple(int(i) for i in np.argwhere(over | under)[0])
            raise OutOfRange(
                self.op.result.name,
                index,
                int(v[index]),
                f"a potential of {self.width} bits holds {self.low}..{self.high}",
            )
        return v


@semantics("int.neuron")
def integer_neuron(module: Module, op: Op) -> Meaning:
    """Return the neurons of an `int.neuron`."""
    return IntegerNeuron(module, op)
