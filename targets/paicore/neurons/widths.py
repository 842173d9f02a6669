"""How wide the weights into each neuron are, where the channels of its layer tell.

A core's width is that of its widest neuron, and nobody who sends to it has to know. Layers whose
channels differ may therefore be sorted, wide neurons apart from narrow ones.
"""

import numpy as np

from snnc.ir.graph import Op
from snnc.ir.synapses import Synapses
from snnc.ir.weights import Array
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.limits import LIMITS

CHANNELS = ("linear", "conv1d", "conv2d")
"""Ops whose weights have a row for each channel of the result."""

_FIRST_LOOK = 64
"""How many numbers of each row are looked at first."""

KEEPING = ("reshape", "add", "delay")
"""Ops that leave each element at its flat place."""


def widths(synapses: Synapses, op: Op) -> Ints | None:
    """Return the bits of each neuron's weights; None where that would take looking at each synapse.

    Each way from a source must be alone, with at most one op that has weights.
    """
    found = np.ones(op.result.type.size, dtype=np.int64)
    for path in synapses.ways(op).values():
        if path is None:
            return None
        seeing = [o for o in path if o.kind not in KEEPING]
        if not seeing:
            continue
        if len(seeing) > 1 or seeing[0].kind not in CHANNELS:
            return None
        found = np.maximum(found, _each(synapses, seeing[0]))
    return found


def _each(synapses: Synapses, seer: Op) -> Ints:
    """Return the bits for each element of the result of an op."""
    weights = synapses.module.tensor(seer.symbols[0])
    bits = bits_of_rows(weights.reshape(len(weights), -1))
    size = seer.result.type.size
    if seer.kind == "linear":
        return np.tile(bits, size // len(bits))
    return np.repeat(bits, size // len(bits))


def bits_of_rows(rows: Array) -> Ints:
    """Return the bits of the weights in each row of a matrix `(rows, weights)`.

    Rows that a few numbers show to be widest are not read on.
    """
    found = _needed(rows[:, :_FIRST_LOOK])
    left = np.flatnonzero(found < LIMITS.weight_bits[-1])
    if left.size and rows.shape[1] > _FIRST_LOOK:
        found[left] = _needed(rows[left])
    return found


def _needed(rows: Array) -> Ints:
    low = rows.min(axis=1, initial=0).astype(np.int64)
    high = rows.max(axis=1, initial=0).astype(np.int64)
    found = np.full(len(rows), LIMITS.weight_bits[-1])
    for bits in sorted(LIMITS.weight_bits, reverse=True):
        least, most = LIMITS.weight_range(bits)
        found[(low >= least) & (high <= most)] = bits
    return found
