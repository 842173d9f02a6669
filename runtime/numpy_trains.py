"""Kernels of the numpy engine that need no arithmetic of their own: whole trains at a time.

A kernel takes the ticks of a chunk at once, arrays `(samples, ticks, *shape)`; values without ticks
are `(samples, *shape)`. Integers may come in any dtype that holds them exactly (a matrix product
gives floats); the engine stores them in the element's dtype where they are recorded. States are
those of the reference, so a run may go on in another engine.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from attrs import frozen

from snnc.ir.graph import Op
from snnc.ir.types import Type
from snnc.ir.weights import Array
from snnc.runtime.semantics import Meaning, State
from snnc.runtime.semantics.coding import Encoder

BLOCK_BYTES = 1 << 25
"""Bytes of temporary arrays that a kernel makes at a time."""


class Kernel(Protocol):
    """One op made ready to run over many ticks."""

    def start(self, samples: int, first_sample: int) -> State:
        """Return the state before tick 0."""

    def run(
        self, tick: int, ticks: int, operands: list[Array], state: State, potentials: bool
    ) -> tuple[list[Array], State]:
        """Return the results of `ticks` ticks from `tick` on, and the state after them.

        A neuron's second result is its potentials where `potentials` asks for them.
        """


def merged(type: Type, array: Array, ticks: int) -> Array:
    """Return `(samples * ticks, *shape)`; a value without ticks is repeated at every tick."""
    if not type.timed:
        array = np.broadcast_to(array[:, None], (len(array), ticks, *type.shape))
    return array.reshape(-1, *type.shape)


@frozen(eq=False)
class Rowwise:
    """A function of rows `(rows, *shape)`, run in blocks of at most `BLOCK_BYTES` temporaries."""

    op: Op
    function: Callable[..., Array]
    row_bytes: int

    def start(self, samples: int, first_sample: int) -> State:
        """Return no state."""
        return ()

    def run(
        self, tick: int, ticks: int, operands: list[Array], state: State, potentials: bool
    ) -> tuple[list[Array], State]:
        """Return the one result."""
        type, samples = self.op.result.type, len(operands[0])
        if type.timed:
            values = zip(self.op.values, operands, strict=True)
            operands = [merged(v.type, array, ticks) for v, array in values]
        rows, step = len(operands[0]), max(1, BLOCK_BYTES // self.row_bytes)
        parts = [
            self.function(*(array[at : at + step] for array in operands))
            for at in range(0, rows, step)
        ]
        result = parts[0] if len(parts) == 1 else np.concatenate(parts)
        shape = (samples, ticks, *type.shape) if type.timed else (samples, *type.shape)
        return [result.reshape(shape)], state


@frozen(eq=False)
class Stepwise:
    """A meaning of the reference, called tick by tick."""

    op: Op
    meaning: Meaning

    def start(self, samples: int, first_sample: int) -> State:
        """Return the meaning's own state."""
        return self.meaning.start(samples, first_sample)

    def run(
        self, tick: int, ticks: int, operands: list[Array], state: State, potentials: bool
    ) -> tuple[list[Array], State]:
        """Return the results of one tick after the other."""
        rows: list[list[Array]] = []
        for at in range(ticks):
            now = [
                array[:, at].astype(v.type.element.storage) if v.type.timed else array
                for v, array in zip(self.op.values, operands, strict=True)
            ]
            results, state = self.meaning.step(tick + at, now, state)
            rows.append([results[0], state[0]] if potentials else results)
        return [np.stack(column, axis=1) for column in zip(*rows, strict=True)], state


@frozen(eq=False)
class Encoding:
    """An encoder of values without ticks."""

    op: Op
    encoder: Encoder

    def start(self, samples: int, first_sample: int) -> State:
        """Return the indices of the samples."""
        return self.encoder.start(samples, first_sample)

    def run(
        self, tick: int, ticks: int, operands: list[Array], state: State, potentials: bool
    ) -> tuple[list[Array], State]:
        """Return the train, made for as many samples at a time as the draws have room for."""
        step = max(1, BLOCK_BYTES // (16 * max(1, ticks * self.op.result.type.size)))
        parts = [
            self.encoder.make(
                [x[at : at + step] for x in operands], state[0][at : at + step], tick, ticks
            )
            for at in range(0, len(state[0]), step)
        ]
        return [parts[0] if len(parts) == 1 else np.concatenate(parts)], state


@frozen(eq=False)
class Delaying:
    """A delay; its ring of past values is that of the reference."""

    op: Op

    def start(self, samples: int, first_sample: int) -> State:
        """Return a ring of zeros."""
        type = self.op.result.type
        return (np.zeros((samples, self.op["by"], *type.shape), dtype=type.element.storage),)

    def past(self, tick: int, ticks: int, state: State) -> Array:
        """Return the results of at most `by` ticks, which need no operand."""
        return state[0][:, np.arange(tick, tick + ticks) % self.op["by"]]

    def pushed(self, tick: int, values: Array, state: State) -> State:
        """Return the ring after the operand's values from `tick` on."""
        ring, by, ticks = state[0].copy(), self.op["by"], values.shape[1]
        kept = min(ticks, by)
        ring[:, np.arange(tick + ticks - kept, tick + ticks) % by] = values[:, ticks - kept :]
        return (ring,)

    def run(
        self, tick: int, ticks: int, operands: list[Array], state: State, potentials: bool
    ) -> tuple[list[Array], State]:
        """Return the operand, later."""
        early = self.past(tick, min(ticks, self.op["by"]), state)
        late = operands[0][:, : max(0, ticks - self.op["by"])]
        return [np.concatenate([early, late], axis=1)], self.pushed(tick, operands[0], state)
