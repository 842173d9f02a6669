"""Plain data with arrays as JSON text: what `json.dumps` says of nested lists, without making them.

A number and the brackets before it are one of a few texts, so an array is a table of them, indexed.
"""

import json
from typing import Any

import numpy as np

from snnc.ir.weights import Array

_TABLE = 1 << 20
"""Texts of a table at most; arrays of a larger range are written by way of lists."""


def dumps(value: Any) -> str:
    """Return canonical JSON: keys sorted, no spaces; arrays of integers or booleans as lists."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{dumps(value[k])}" for k in sorted(value)) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(dumps, value)) + "]"
    return _array(value) if isinstance(value, np.ndarray) else json.dumps(value)


def _array(array: Array) -> str:
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    span = high - low + 1
    if not array.size or not array.ndim or span * (array.ndim + 1) > _TABLE:
        return json.dumps(array.tolist(), separators=(",", ":"))
    words = ["false", "true"][low : high + 1] if array.dtype == bool else range(low, high + 1)
    marks = ["," if depth == 0 else "]" * depth + "," + "[" * depth for depth in range(array.ndim)]
    table = np.array([f"{mark}{word}" for mark in marks for word in words], dtype=object)
    depth = np.zeros(array.size, dtype=np.int64)
    for axis in range(1, array.ndim):
        depth[:: int(np.prod(array.shape[axis:]))] += 1
    codes = depth * span + (array.ravel().astype(np.int64) - low)
    text = "".join(table[codes].tolist())
    brackets = "[" * array.ndim, "]" * array.ndim
    # The first number has the mark of a new row of every axis before it.
    return brackets[0] + text[len(marks[-1]) :] + brackets[1]
