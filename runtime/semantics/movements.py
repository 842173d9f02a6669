"""Ops that only move elements, in space or in time; the same at `int` and `snn`."""

import numpy as np
from attrs import frozen

from snnc.ir.graph import Module, Op
from snnc.ir.weights import Array
from snnc.runtime.semantics import Meaning, State, Stateless, semantics
from snnc.runtime.semantics.sums import both


@semantics(*both("concat"))
def concat(module: Module, op: Op) -> Meaning:
    """Return the operands one after the other."""
    return Stateless(lambda *values: np.concatenate(values, axis=op["axis"] + 1))


@semantics(*both("reshape"))
def reshape(module: Module, op: Op) -> Meaning:
    """Return the elements in row-major order."""
    return Stateless(lambda x: x.reshape(len(x), *op["shape"]))


@semantics(*both("permute"))
def permute(module: Module, op: Op) -> Meaning:
    """Return the axes in another order."""
    order = (0, *(axis + 1 for axis in op["order"]))
    return Stateless(lambda x: np.transpose(x, order))


@semantics(*both("slice"))
def cut(module: Module, op: Op) -> Meaning:
    """Return a range along one axis."""
    index = (*[slice(None)] * (op["axis"] + 1), slice(op["start"], op["stop"]))
    return Stateless(lambda x: x[index])


@frozen
class Delay:
    """The operand `by` ticks ago; the state is a ring of the last values, axis 1 being ticks."""

    op: Op

    def start(self, samples: int, first_sample: int) -> State:
        """Return a ring of zeros."""
        type = self.op.result.type
        return (np.zeros((samples, self.op["by"], *type.shape), dtype=type.element.storage),)

    def past(self, tick: int, state: State) -> list[Array]:
        """Return this tick's result, which needs no operand."""
        return [state[0][:, tick % self.op["by"]]]

    def step(self, tick: int, operands: list[Array], state: State) -> tuple[list[Array], State]:
        """Return the result and the ring with this tick's operand in its place."""
        ring, place = state[0].copy(), tick % self.op["by"]
        ring[:, place] = operands[0]
        return self.past(tick, state), (ring,)


@semantics(*both("delay"))
def delay(module: Module, op: Op) -> Meaning:
    """Return the value of some ticks ago."""
    return Delay(op)
