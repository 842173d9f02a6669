"""Weights as the code of products reads them: blocks of channels, rows of elements or words."""

from typing import Any

import numpy as np

from snnc.ir.weights import Array


def _blocks(w: Array, block: int) -> Array:
    """Return `(groups, runs, elements, blocks, block)`, zeros behind the last channel."""
    groups, runs, length, channels = w.shape
    count = -(-channels // block)
    wide = np.zeros((groups, runs, length, count * block), dtype=w.dtype)
    wide[..., :channels] = w
    return wide.reshape(groups, runs, length, count, block)


def rows(w: Array, block: int, bits: int) -> Array:
    """Return `(groups, blocks, runs, elements, block)`: a row per element, for events."""
    return blocks(w, block, np.dtype(f"int{bits}"))


def blocks(w: Array, block: int, kind: "np.dtype[Any]") -> Array:
    """Return `(groups, blocks, runs, elements, block)` in numbers of a kind."""
    return np.ascontiguousarray(_blocks(w, block).transpose(0, 3, 1, 2, 4), dtype=kind)


def words(w: Array, block: int, element: int) -> Array:
    """Return `(groups, blocks, runs, words, block, elements of a word)`, for dot products.

    A word has four bytes; zeros fill the last one of a run.
    """
    each = 4 // element
    groups, runs, length, channels = w.shape
    wide = np.zeros((groups, runs, -(-length // each) * each, channels), dtype=w.dtype)
    wide[:, :, :length] = w
    split = _blocks(wide, block)
    split = split.reshape(groups, runs, -1, each, split.shape[3], block)
    ordered = split.transpose(0, 4, 1, 2, 5, 3)
    return np.ascontiguousarray(ordered, dtype=f"int{8 * element}")


def constants(bias: Array, groups: int, block: int, kind: "np.dtype[Any]") -> Array:
    """Return `(groups, blocks, block)` of one bias per channel."""
    split = _blocks(bias.reshape(groups, 1, 1, -1), block)
    return np.ascontiguousarray(split[:, 0, 0], dtype=kind)
