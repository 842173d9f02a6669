"""Columns of a table of small numbers that are alike, and where each kind stands."""

import numpy as np

from snnc.targets.paicore.chip.frames import Ints


def distinct(table: Ints) -> tuple[Ints, Ints]:
    """Return the distinct columns of a table of numbers >= 0, sorted, and the place of each column.

    >>> groups, which = distinct(np.array([[3, 1, 3], [0, 5, 0]]))
    >>> groups.tolist(), which.tolist()
    ([[1, 3], [5, 0]], [1, 0, 1])
    """
    if table.shape[1] and (table == table[:, :1]).all():
        return table[:, :1], np.zeros(table.shape[1], dtype=np.int64)
    key = np.zeros(table.shape[1], dtype=np.int64)
    for row in table:
        key = key * (int(row.max(initial=0)) + 1) + row
    _, first, which = np.unique(key, return_index=True, return_inverse=True)
    return table[:, first], which.reshape(-1)


def members(which: Ints, count: int) -> list[Ints]:
    """Return for each number below a count where it stands, ascending.

    >>> [found.tolist() for found in members(np.array([1, 0, 1]), 2)]
    [[1], [0, 2]]
    """
    ends = np.cumsum(np.bincount(which, minlength=count))
    return np.split(np.argsort(which, kind="stable"), ends[:-1])
