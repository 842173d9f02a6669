"""Tiles numbered anew so that fewer of them hear what they do not read.

Codes of tiles that come from halving again and again form a tree: the halves of each block differ
in one bit. Which half has the bit set does not matter to the block itself, but to what lies across
its border: tiles that share sources should differ in that border's bit alone. So halves change
places, from large blocks to small ones, while the cubes of all sources together get smaller.
"""

import numpy as np

from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.tiling.reads import Reads
from snnc.targets.paicore.tiling.scatter import ONES

SWEEPS = 4
"""How often all blocks are gone through, at most."""


def turned(reads: Reads, codes: Ints) -> Ints:
    """Return the codes of neurons with tiles numbered anew; the same codes are in use."""
    bits = int(codes.max()).bit_length()
    pairs = np.sort(reads.element << bits | codes[reads.row])
    pairs = pairs[np.flatnonzero(np.diff(pairs, prepend=-1))]
    element, tile = pairs >> bits, pairs & (1 << bits) - 1
    first = np.flatnonzero(np.diff(element, prepend=-1))
    used = np.unique(codes)

    def heard(number: Ints) -> int:
        code = number[tile]
        mask = np.bitwise_and.reduceat(code, first) ^ np.bitwise_or.reduceat(code, first)
        return int((1 << ONES[mask]).sum())

    number = np.arange(1 << bits)
    best = heard(number)
    for _ in range(SWEEPS):
        before = best
        for bit in range(bits - 1, -1, -1):
            for block in range(1 << bits - 1 - bit):
                other = np.where(number >> bit + 1 == block, number ^ 1 << bit, number)
                if np.array_equal(np.sort(other[used]), used) and (sum_ := heard(other)) < best:
                    number, best = other, sum_
        if best == before:
            break
    return number[codes]
