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
    """An encoder; the state is only the indices of the samples, as a train is a function of them.

    `make(values, tick, first_sample, samples)` returns `(samples, 1, *shape)`.
    """

    make: Callable[[list[Array], int, int, int], Array]

    def start(self, samples: int, first_sample: int) -> State:
        """Return the range of sample indices."""
        return (np.array([first_sample, samples]),)

    def step(self, tick: int, operands: list[Array], state: State) -> tuple[list[Array], State]:
        """Return the values of one tick."""
        first_sample, samples = (int(n) for n in state[0])
        return [np.array(self.make(operands, tick, first_sample, samples)[:, 0])], state


@semantics(*both("poisson"))
def poisson(module: Module, op: Op) -> Meaning:
    """Return the random spikes of a tick."""
    seed, generator = op["seed"], str(op["generator"])
    return Encoder(
        lambda xs, tick, first, n: encoders.poisson(
            xs[0], 1, seed, generator, first_sample=first, start=tick
        )
    )


@semantics(*both("latency"))
def latency(module: Module, op: Op) -> Meaning:
    """Return the spikes whose time this tick is."""
    window, curve = op["ticks"], str(op["curve"])
    return Encoder(lambda xs, tick, first, n: encoders.latency(xs[0], 1, window, curve, start=tick))


@semantics(*both("periodic"))
def periodic(module: Module, op: Op) -> Meaning:
    """Return the row of a tick."""
    rows = module.tensor(op.symbols[0])
    return Encoder(lambda xs, tick, first, n: encoders.periodic(rows, 1, samples=n, start=tick))


@semantics(*both("direct"))
def direct(module: Module, op: Op) -> Meaning:
    """Return the value itself."""
    return Encoder(lambda xs, tick, first, n: encoders.direct(xs[0], 1))
