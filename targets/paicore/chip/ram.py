"""The weight RAM of a core, bit by bit: its weights, and behind them records of more neurons."""

import numpy as np
from numpy.typing import NDArray

from snnc.diagnostics import fail
from snnc.targets.paicore.chip.frames import RECORD, RECORD_WORDS, Words
from snnc.targets.paicore.limits import LIMITS

RAM_BITS = LIMITS.weight_rows * LIMITS.weight_row_words * 64
"""Bits of the RAM."""

_RECORD_BITS = sum(f.width for f in RECORD.fields)
_BITS = np.left_shift(1, np.arange(8)).astype(np.uint8)


def pack_weights(
    weights: NDArray[np.int8], bits: int, extension: int, axons: int = LIMITS.axons
) -> Words:
    """Return the weight RAM of a core, `uint64[512, 18]`.

    `weights` is `int8[n, extension * axons]`: neuron, then axon, of which `axons`, a multiple of 8,
    lie in each of the `extension` slots of a step. Bit k of the weight of neuron i from axon a of
    slot j is bit `((i * extension + j) * bits + k) * axons + a` of the RAM read as one string, low
    bits first.

    Raises:
        SnncError: `weight-range` for a weight that `bits` bits can't hold; `weight-capacity` if the
            shape does not fit the RAM.
    """
    _check_weights(weights, bits, extension * axons)
    neurons = len(weights)
    flat = weights.reshape(-1).view(np.uint8)
    ram = np.zeros(RAM_BITS // 8, dtype=np.uint8)
    used = ram[: weights.size * bits // 8].reshape(neurons * extension, bits, axons // 8)
    # Plane by plane: all at once takes fresh memory eight times as large, which costs more.
    for k in range(bits):
        # Packing counts any number but 0 as a set bit, so the plane keeps its bit where it is.
        plane = np.packbits(flat & _BITS[k], bitorder="little")
        used[:, k] = plane.reshape(neurons * extension, axons // 8)
    words = ram.view("<u8").astype(np.uint64, copy=False)
    return words.reshape(LIMITS.weight_rows, LIMITS.weight_row_words)


def _check_weights(weights: NDArray[np.int8], bits: int, columns: int) -> None:
    low, high = LIMITS.weight_range(bits)
    narrow = bits < 8 or weights.dtype != np.int8
    if narrow and weights.size and (weights.min() < low or weights.max() > high):
        raise fail(
            "weight-range",
            f"weights {weights.min()}..{weights.max()} exceed the range {low}..{high} "
            f"of {bits} bits",
            help="choose a wider weight code",
        )
    if weights.shape != (len(weights), columns) or weights.size * bits > RAM_BITS:
        raise fail(
            "weight-capacity",
            f"weights of shape {weights.shape} at {bits} bits don't fit {RAM_BITS} bits of RAM "
            f"in {columns} columns",
            help="place fewer neurons on the core",
        )


def unpack_weights(
    rows: Words, neurons: int, bits: int, extension: int, axons: int = LIMITS.axons
) -> NDArray[np.int8]:
    """Return `int8[neurons, extension * axons]`, the inverse of `pack_weights`."""
    size = neurons * extension * bits * axons
    ram = np.ascontiguousarray(rows, dtype="<u8").reshape(-1).view(np.uint8)
    planes = np.unpackbits(ram, count=size, bitorder="little")
    cut = planes.reshape(neurons, extension, bits, axons)
    weights = np.zeros((neurons, extension, axons), dtype=np.uint8)
    for k in range(bits):
        weights |= cut[:, :, k] << np.uint8(k)
    if bits > 1:
        sign = np.uint8(1 << (bits - 1))
        weights = (weights ^ sign) - sign
    return weights.view(np.int8).reshape(neurons, extension * axons)


def pack_records(records: Words) -> Words:
    """Return neuron records, `uint64[n, 4]`, as rows of the weight RAM, `uint64[rows, 18]`.

    Records beyond the neuron RAM lie there without their unused bits, five in a row.
    """
    count = -(-len(records) // LIMITS.wide_neurons_per_row)
    bits = np.zeros((count * LIMITS.wide_neurons_per_row, _RECORD_BITS), dtype=np.uint8)
    flat = np.ascontiguousarray(records, dtype="<u8").view(np.uint8)
    bits[: len(records)] = np.unpackbits(flat, axis=1, bitorder="little")[:, :_RECORD_BITS]
    rows = np.zeros((count, LIMITS.weight_row_words * 64), dtype=np.uint8)
    width = LIMITS.wide_neurons_per_row * _RECORD_BITS
    rows[:, :width] = bits.reshape(count, width)
    packed = np.packbits(rows, axis=1, bitorder="little").view("<u8")
    return packed.astype(np.uint64, copy=False)


def unpack_records(rows: Words, count: int) -> Words:
    """Return `uint64[count, 4]` records, the inverse of `pack_records`."""
    flat = np.ascontiguousarray(rows, dtype="<u8").view(np.uint8)
    width = LIMITS.wide_neurons_per_row * _RECORD_BITS
    bits = np.unpackbits(flat, axis=1, bitorder="little")[:, :width].reshape(-1, _RECORD_BITS)
    whole = np.zeros((count, RECORD_WORDS * 64), dtype=np.uint8)
    whole[:, :_RECORD_BITS] = bits[:count]
    packed = np.packbits(whole, axis=1, bitorder="little").view("<u8")
    return packed.astype(np.uint64, copy=False)
