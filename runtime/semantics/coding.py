"""Encoder ops: one tick of what `snnc.runtime.encoders` makes."""

from collections.abc import Callable

import numpy as np
from attrs import frozen

from snnc.ir.graph import Module, Op
from snnc.ir.weights import Array
from snnc.runtime import encoders
from snnc.runtime.semantics import Meaning, State, semantics
from snnc.runtime.semantics.sums import both


@frozen
class Encoder:
    """An encoder; the state is only the index of each sample, as a train is a function of it.

    `make(values, indices, start, ticks)` returns `(samples, ticks, *shape)` for values without
    ticks.
    """

    make: Callable[[list[Array], Array, int, int], Array]

    def start(self, samples: int, first_sample: int) -> State:
        """Return the indices of the samples."""
        return (np.arange(first_sample, first_sample + samples),)

    def step(self, tick: int, operands: list[Array], state: State) -> tuple[list[Array], State]:
        """Return the values of one tick."""
        return [np.array(self.make(operands, state[0], tick, 1)[:, 0])], state


@semantics(*both("poisson"))
def poisson(module: Module, op: Op) -> Meaning:
    """Return the random spikes of a tick."""
    seed, generator = op["seed"], str(op["generator"])

    def make(xs: list[Array], indices: Array, start: int, ticks: int) -> Array:
        first = int(indices[0]) if len(indices) else 0
        return encoders.poisson(xs[0], ticks, seed, generator, first_sample=first, start=start)

    return Encoder(make)


@semantics(*both("latency"))
def latency(module: Module, op: Op) -> Meaning:
    """Return the spikes whose time this tick is."""
    window, curve = op["ticks"], str(op["curve"])
    return Encoder(
        lambda xs, indices, start, ticks: encoders.latency(xs[0], ticks, window, curve, start=start)
    )


@semantics(*both("periodic"))
def periodic(module: Module, op: Op) -> Meaning:
    """Return the row of a tick."""
    rows = module.tensor(op.symbols[0])
    return Encoder(
        lambda xs, indices, start, ticks: encoders.periodic(
            rows, ticks, samples=len(indices), start=start
        )
    )


@semantics(*both("direct"))
def direct(module: Module, op: Op) -> Meaning:
    """Return the value itself."""
    return Encoder(lambda xs, indices, start, ticks: encoders.direct(xs[0], ticks))
