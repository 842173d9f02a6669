"""Blocks of the quad tree change places on a chip while that saves links.

Two aligned blocks of one size can always change places if no region reaches into them from outside:
what lies in them keeps its neighbors and axons, and no core more is taken. All between two blocks
goes up to the same level, so that a table by level says what any exchange saves.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.chip.regions import ONLINE, Wish
from snnc.targets.paicore.placing.flows import CHIP, LEVEL, LEVELS, Flows

MOST = 256
"""Blocks of one size up to this many are looked at; more would take seconds."""

Starts = dict[int, int]
"""The first place of each region of a chip."""


class Neighbors:
    """What lies on a chip, and what frames between it and another region cost."""

    def __init__(self, wishes: Sequence[Wish], flows: Flows) -> None:
        self.sizes = {wish.number: len(wish.needs) for wish in wishes}
        self.flows, self.starts = flows, Starts()

    def links(self, number: int, starts: Ints) -> Ints:
        """Return the links between a region at each of several starts and all that lies."""
        total = np.zeros(len(starts), dtype=np.int64)
        for other, by_level in self.flows.near.get(number, {}).items():
            if other not in self.starts:
                continue
            there = self.starts[other]
            differ = (starts ^ there) & -max(self.sizes[number], self.sizes[other])
            total += by_level[LEVEL[differ]]
            for at in np.flatnonzero(differ == 0).tolist():
                total[at] += self.flows.inside(number, int(starts[at]), other, there)
        return total


def exchanged(wishes: Sequence[Wish], starts: Mapping[int, int], flows: Flows) -> Starts:
    """Return the starts after all exchanges that save links, large blocks first."""
    found, before = dict(starts), Starts()
    while found != before:
        before, size = dict(found), CHIP // 2
        while size:
            blocks = _closed(wishes, found, size)
            if 1 < len(blocks) <= MOST:
                moved = _ordered(wishes, blocks, found, flows)
                for (start, numbers), now in zip(blocks.items(), moved, strict=True):
                    for number in numbers:
                        found[number] += now - start
            size //= 2
    return found


def _closed(wishes: Sequence[Wish], starts: Mapping[int, int], size: int) -> dict[int, list[int]]:
    """Return by start the blocks of a size with the regions in them, if none reaches in."""
    crossed = np.arange(0, CHIP, size) + size > ONLINE
    inside: dict[int, list[int]] = {}
    for wish in wishes:
        start = starts[wish.number]
        if len(wish.needs) <= size:
            inside.setdefault(start & -size, []).append(wish.number)
        else:
            crossed[(start + np.flatnonzero(wish.needs)) // size] = True
    return {start: inside[start] for start in sorted(inside) if not crossed[start // size]}


def _ordered(
    wishes: Sequence[Wish],
    blocks: Mapping[int, Sequence[int]],
    starts: Mapping[int, int],
    flows: Flows,
) -> list[int]:
    """Return the new start of each block, after all exchanges that save links."""
    places = np.array([*blocks])
    between = _between(blocks, flows)
    links = _outside(wishes, blocks, starts, flows)
    at, rows = np.arange(len(places)), np.arange(len(places))

    def toward(row: int, place: int) -> Ints:
        """Return the links of each block at each place with one block at some place."""
        return np.asarray(between[:, row, LEVEL[places ^ place]])

    for row in rows.tolist():
        links += toward(row, places[row])
    while True:
        here = links[rows, at]
        there = links[:, at]
        mutual = between[rows[:, None], rows, LEVEL[places[at][:, None] ^ places[at]]]
        saved = here[:, None] + here - there - there.T - 2 * mutual
        one, other = divmod(int(saved.argmax()), len(rows))
        if saved[one, other] <= 0:
            return [int(start) for start in places[at]]
        for row, now in ((one, at[other]), (other, at[one])):
            links += toward(row, places[now]) - toward(row, places[at[row]])
        at[[one, other]] = at[[other, one]]


def _between(blocks: Mapping[int, Sequence[int]], flows: Flows) -> Ints:
    """Return the links between any two blocks, by the level that frames go up to."""
    row_of = {number: row for row, inside in enumerate(blocks.values()) for number in inside}
    found = np.zeros((len(blocks), len(blocks), LEVELS + 1), dtype=np.int64)
    for number, row in row_of.items():
        for other, by_level in flows.near.get(number, {}).items():
            if other in row_of and row_of[other] != row:
                found[row, row_of[other]] += by_level
    return found


def _outside(
    wishes: Sequence[Wish],
    blocks: Mapping[int, Sequence[int]],
    starts: Mapping[int, int],
    flows: Flows,
) -> Ints:
    """Return the links of each block, at the place of each, with regions in none of them."""
    known = Neighbors(wishes, flows)
    inside = {number for numbers in blocks.values() for number in numbers}
    known.starts = {n: start for n, start in starts.items() if n not in inside}
    places = np.array([*blocks])
    found = np.zeros((len(blocks), len(blocks)), dtype=np.int64)
    for row, (start, numbers) in enumerate(blocks.items()):
        for number in numbers:
            found[row] += known.links(number, places + (starts[number] - start))
    return found
