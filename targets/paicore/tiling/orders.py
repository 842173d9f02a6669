"""Orders of the neurons of a region in which neighbors read the same elements.

A cut of such an order into equal parts gives tiles that read few elements. All of it is integers in
a fixed order, so that every machine finds the same.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.tiling.reads import Reads

Halve = Callable[[Reads, int], NDArray[np.bool_]]
"""Chooses so many of the neurons, that few elements are read by chosen and other ones."""

LOOKS = 2
"""How often a farther end of each component is looked for."""

HUB = 4
"""How many times as many readers as usual an element may have to lead a walk."""

ROUNDS = 16
"""How often two halves exchange neurons."""


def cuthill_mckee(reads: Reads) -> Ints:
    """Return the neurons component by component, the largest first, each from an end of it.

    Elements that more than half of the neurons read do not count, nor those with far more readers
    than most have: they lead anywhere.
    """
    usual = np.median(reads.readers[reads.readers > 0]) if len(reads.row) else 0
    some = reads.readers[reads.element] <= max(min(reads.neurons // 2, HUB * usual), 1)
    local = Reads(reads.neurons, reads.sizes, reads.host, reads.row[some], reads.element[some])
    label = components(local)
    sizes = np.bincount(label, minlength=local.neurons)
    begin = _firsts(label, local.degrees)
    for _ in range(LOOKS):
        level, _ = _walk(local, begin)
        begin = _firsts(label, -level * (local.degrees.max(initial=0) + 1) + local.degrees)
    _, rank = _walk(local, begin)
    return np.lexsort((rank, label, -sizes[label]))


def components(reads: Reads) -> Ints:
    """Return for each neuron the least one that elements join it with."""
    label = np.arange(reads.neurons)
    if not len(reads.row):
        return label
    readers, by_element = reads.row[reads.by_element], reads.element[reads.by_element]
    columns = np.flatnonzero(np.diff(by_element, prepend=-1))
    rows = np.flatnonzero(np.diff(reads.row, prepend=-1))
    of_element = np.full(reads.elements, reads.neurons)
    while True:
        of_element[by_element[columns]] = np.minimum.reduceat(label[readers], columns)
        new = label.copy()
        new[reads.row[rows]] = np.minimum.reduceat(of_element[reads.element], rows)
        new = new[new]
        if np.array_equal(new, label):
            return label
        label = new


def _firsts(label: Ints, key: Ints) -> Ints:
    """Return the neuron with the least key of each component."""
    order = np.lexsort((key, label))
    begins = np.flatnonzero(np.diff(label[order], prepend=-1))
    return order[begins]


def _walk(reads: Reads, begin: Ints) -> tuple[Ints, Ints]:
    """Return distance and rank of each neuron in a walk in breadth, from all of `begin` at once."""
    level, rank = np.full(reads.neurons, -1), np.zeros(reads.neurons, dtype=np.int64)
    seen = np.zeros(reads.elements, dtype=bool)
    readers, wave, ranked, step = reads.row[reads.by_element], begin, 0, 0
    while wave.size:
        level[wave], rank[wave] = step, np.arange(ranked, ranked + len(wave))
        ranked, step = ranked + len(wave), step + 1
        elements = _fresh(reads.element[_spans(reads.rows, wave)], seen)
        seen[elements] = True
        wave = _fresh(readers[_spans(reads.columns, elements)], level >= 0)
    return level, rank


def _spans(begins: Ints, which: Ints) -> Ints:
    """Return the numbers begins[n] to begins[n + 1] - 1 for some n, one after the other."""
    counts = begins[which + 1] - begins[which]
    return np.repeat(begins[which] - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())


def _fresh(found: Ints, seen: NDArray[np.bool_]) -> Ints:
    """Return what was not seen before, each once, in the order of finding."""
    found = found[~seen[found]]
    _, first = np.unique(found, return_index=True)
    return found[np.sort(first)]


def bisected(reads: Reads, unit: int, halve: Halve) -> Ints:
    """Return an order by halving again and again, down to `unit` neurons.

    The first half has a power of two of units, so that codes of its parts differ in lower bits.
    """
    if reads.neurons <= unit:
        return np.arange(reads.neurons)
    units = -(-reads.neurons // unit)
    chosen = halve(reads, unit << (units - 1).bit_length() - 1)
    parts = [np.flatnonzero(chosen), np.flatnonzero(~chosen)]
    return np.concatenate([part[bisected(reads.only(part), unit, halve)] for part in parts])


def halve(reads: Reads, count: int) -> NDArray[np.bool_]:
    """Return which neurons are in the first half, found by a walk and exchanges."""
    chosen = np.zeros(reads.neurons, dtype=bool)
    chosen[cuthill_mckee(reads)[:count]] = True
    return exchanged(reads, chosen)


def exchanged(reads: Reads, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a choice after exchanges of as many neurons, while fewer elements are read by both."""
    best = _shared(reads, chosen)
    for _ in range(ROUNDS):
        gain = _gains(reads, chosen)
        ours, others = (
            found[np.lexsort((found, -gain[found]))]
            for found in (np.flatnonzero(chosen), np.flatnonzero(~chosen))
        )
        pairs = min(len(ours), len(others))
        count = int((gain[ours[:pairs]] + gain[others[:pairs]] > 0).sum())
        while count:
            other = chosen.copy()
            other[ours[:count]], other[others[:count]] = False, True
            found = _shared(reads, other)
            if found < best:
                chosen, best = other, found
                break
            count //= 2
        if not count:
            return chosen
    return chosen


def _counts(reads: Reads, chosen: NDArray[np.bool_]) -> Ints:
    return np.bincount(reads.element[chosen[reads.row]], minlength=reads.elements)


def _shared(reads: Reads, chosen: NDArray[np.bool_]) -> int:
    ours = _counts(reads, chosen)
    return int(((ours > 0) & (ours < reads.readers)).sum())


def _gains(reads: Reads, chosen: NDArray[np.bool_]) -> Ints:
    """Return how many elements fewer are shared if one neuron changes sides."""
    ours = _counts(reads, chosen)[reads.element]
    every = reads.readers[reads.element]
    mine = np.where(chosen[reads.row], ours, every - ours)
    change = np.where((mine == 1) & (every > 1), 1, 0) - ((mine == every) & (every > 1))
    return np.bincount(reads.row, weights=change, minlength=reads.neurons).astype(np.int64)
