"""Which tiles an irregular region is cut into: orders are tried, and what they take is counted.

An order of the neurons is cut into tiles of so many cores that hold as many neurons and read as few
elements as fit. Tiles are numbered along it by the Gray code, so that what two neighbors read opens
one bit, and what an aligned row of a power of two of them reads opens just theirs. The fewest cores
win, those that only receive included; ties go to the smaller axon extension and the earlier order.
"""

from collections.abc import Callable
from functools import cached_property, lru_cache
from math import ceil

import numpy as np
from attrs import evolve, frozen

from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.chip.geometry import axons_of, capacity
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.tiling import hypergraph, orders
from snnc.targets.paicore.tiling.axis import codes_of, width
from snnc.targets.paicore.tiling.choose import MOST_BITS, OCCUPIED
from snnc.targets.paicore.tiling.reads import Reads
from snnc.targets.paicore.tiling.scatter import arrange
from snnc.targets.paicore.tiling.turning import turned

SLACK = (1.0, 0.75)
"""Parts of the axons that cuts may fill; the rest is for what tiles hear and do not read."""


@frozen
class Kind:
    """Neurons of a layer in a region: how many, bits of their weights, physical copies."""

    count: int
    bits: int
    copies: float


@frozen
class Found:
    """Tiles: the code of each neuron, and what they take; `order` is the name of the order.

    `again` counts how often inputs are sent once more, `reached` the tiles that anything goes to.
    """

    codes: tuple[int, ...]
    order: str
    extension: int
    cores: int
    occupied: int
    again: int
    reached: int

    @property
    def cost(self) -> int:
        """What is made small: cores, and a little the frames of the host."""
        return OCCUPIED * self.occupied + self.cores + self.again


@frozen
class Problem:
    """A region to cut: `kinds` are its layers in order, `wide` says whether it takes values.

    Axon extensions from `least` to `most` are legal, and `below` is the cost to be beaten. With
    `partitioner` the package for hypergraphs is asked, too.
    """

    reads: Reads
    kinds: tuple[Kind, ...]
    wide: bool
    least: int
    most: int
    below: int
    partitioner: bool


def choose_codes(problem: Problem) -> Found | None:
    """Return the best tiles of a region that cost less than `below`, None where none do."""
    return _choose(problem)


@lru_cache(maxsize=64)
def _choose(problem: Problem) -> Found | None:
    search = _Search(problem)
    for code in range(LIMITS.max_lcn + 1):
        extension = 1 << code
        if problem.least <= extension <= problem.most and search.bound(extension) < search.below:
            search.try_extension(extension)
    return None if search.best is None else _quieter(problem, search.best)


def _quieter(problem: Problem, found: Found) -> Found:
    """Return the same tiles with numbers by which fewer of them hear what they do not read."""
    axons = axons_of(problem.wide) * found.extension
    codes = turned(problem.reads, np.array(found.codes, dtype=np.int64))
    made = arrange(problem.reads, codes, axons)
    if made is None:
        return found
    reached = int(np.count_nonzero(made.reached))
    more = sum(len(ranks) - 1 for ranks in made.arrivals)
    if reached > found.reached or more > found.again:
        return found
    occupied = found.occupied // found.reached * reached
    return evolve(found, codes=tuple(codes.tolist()), occupied=occupied, reached=reached)


class _Search:
    """The best tiles so far of a problem; orders are made when they are asked for, and kept."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.best: Found | None = None
        self._orders: dict[str, _Order] = {}
        self._tried: set[tuple[str, int, bool, bytes]] = set()

    @property
    def below(self) -> int:
        return self.problem.below if self.best is None else self.best.cost

    def _rooms(self, extension: int) -> list[int]:
        wide = self.problem.wide
        return [capacity(wide, kind.bits, extension) for kind in self.problem.kinds]

    def bound(self, extension: int) -> int:
        """Return the least that tiles with an axon extension can cost."""
        rooms = self._rooms(extension)
        each = zip(self.problem.kinds, rooms, strict=True)
        return (OCCUPIED + 1) * ceil(sum(k.copies * k.count / room for k, room in each))

    def _order(self, name: str) -> "_Order":
        problem = self.problem
        unit = max(capacity(problem.wide, k.bits, 1) for k in problem.kinds)
        unit = max(unit, -(-problem.reads.neurons >> MOST_BITS))
        make: dict[str, Callable[[], Ints]] = {
            "given": lambda: np.arange(problem.reads.neurons),
            "walk": lambda: orders.cuthill_mckee(problem.reads),
            "halves": lambda: orders.bisected(problem.reads, unit, orders.halve),
            hypergraph.PACKAGE: lambda: orders.bisected(problem.reads, unit, hypergraph.halve),
        }
        if name not in self._orders:
            self._orders[name] = _Order(name, make[name](), problem)
        return self._orders[name]

    def try_extension(self, extension: int) -> None:
        """Keep what is better than the best so far among all tiles with an axon extension."""
        least = self.bound(extension)
        more = [hypergraph.PACKAGE] if self.problem.partitioner else []
        # Sending inputs again takes time to weigh and frames to run, so it is tried last.
        for again in (False, True) if any(self.problem.reads.host) else (False,):
            for name in ("walk", "given", "halves", *more):
                for bits in range(MOST_BITS):
                    for slack in SLACK:
                        if self.below <= least:
                            return
                        if self._try(self._order(name), extension, (bits, slack, again)):
                            break

    def _try(self, order: "_Order", extension: int, how: tuple[int, float, bool]) -> bool:
        """Keep the tiles of a cut if they are the best; return whether less slack cannot help."""
        problem, rooms, (bits, slack, again) = self.problem, self._rooms(extension), how
        axons = axons_of(problem.wide) * extension
        tiles = order.cut(rooms, 1 << bits, int(axons * slack))
        if tiles is None:
            return True
        # Where axons are the limit, tiles of more cores are no larger.
        key = (order.name, extension, again, tiles.tobytes())
        if key in self._tried:
            return True
        self._tried.add(key)
        cores = _cores(order.counts(tiles), problem.kinds, rooms)
        split, total = width(int(cores.max())), int(cores.sum())
        count = len(cores)
        least = OCCUPIED * (count << split) + total
        if count < 2 or width(count) + split > MOST_BITS or least >= self.below:
            return True
        codes = np.empty_like(tiles)
        codes[order.neurons] = codes_of(count)[tiles]
        made = arrange(problem.reads, codes, axons, again)
        if made is None and not again and slack == SLACK[0]:
            codes = turned(problem.reads, codes)
            made = arrange(problem.reads, codes, axons, again)
        if made is None:
            return False
        reached = int(np.count_nonzero(made.reached))
        more = sum(len(ranks) - 1 for ranks in made.arrivals)
        about = (order.name, extension, total, reached << split, more, reached)
        found = Found(tuple(codes.tolist()), *about)
        if found.cost < self.below:
            self.best = found
        return True


def _cores(counts: Ints, kinds: tuple[Kind, ...], rooms: list[int]) -> Ints:
    """Return the cores of tiles that hold so many neurons of each kind `(tiles, kinds)`."""
    total = np.zeros(len(counts), dtype=np.int64)
    for number, (kind, room) in enumerate(zip(kinds, rooms, strict=True)):
        total += np.ceil(kind.copies * -(-counts[:, number] // room)).astype(np.int64)
    return total


class _Order:
    """An order of the neurons, and what a cut at each place of it reads."""

    def __init__(self, name: str, neurons: Ints, problem: Problem) -> None:
        self.name, self.neurons, self.problem = name, neurons, problem
        self.kind = np.repeat(np.arange(len(problem.kinds)), [k.count for k in problem.kinds])
        self.kind = self.kind[neurons]

    @cached_property
    def _before(self) -> Ints:
        """How many neurons of each kind stand before each place."""
        count = len(self.problem.kinds)
        one = (self.kind[:, None] == np.arange(count)).astype(np.int64)
        return np.concatenate([np.zeros((1, count), dtype=np.int64), np.cumsum(one, axis=0)])

    @cached_property
    def _last(self) -> tuple[Ints, Ints]:
        """The pairs place by place: where each place begins, and where an element was read last."""
        reads = self.problem.reads
        place = np.empty(reads.neurons, dtype=np.int64)
        place[self.neurons] = np.arange(reads.neurons)
        at = place[reads.row]
        order = np.argsort(at, kind="stable")
        at, element = at[order], reads.element[order]
        same = np.argsort(element, kind="stable")
        last = np.full(len(at), -1)
        again = np.diff(element[same], prepend=-1) == 0
        last[same[again]] = at[same[np.flatnonzero(again) - 1]]
        return np.searchsorted(at, np.arange(reads.neurons + 1)), last

    def counts(self, tiles: Ints) -> Ints:
        """Return how many neurons of each kind the tiles have."""
        ends = np.searchsorted(tiles, np.arange(int(tiles[-1]) + 1), side="right")
        return np.diff(self._before[[0, *ends.tolist()]], axis=0)

    def cut(self, rooms: list[int], cores: int, axons: int) -> Ints | None:
        """Return the number of the tile at each place; None where a neuron reads too much."""
        kinds, count = self.problem.kinds, len(self.neurons)
        begins, last = self._last
        found, first = np.zeros(count, dtype=np.int64), 0
        farthest = cores * sum(rooms)
        while first < count:
            stop = min(first + farthest, count)
            held = self._before[first + 1 : stop + 1] - self._before[first]
            stop = first + int((_cores(held, kinds, rooms) <= cores).sum())
            new = np.cumsum(last[begins[first] : begins[stop]] < first)
            heard = np.concatenate([[0], new])[begins[first + 1 : stop + 1] - begins[first]]
            stop = first + int((heard <= axons).sum())
            if stop == first:
                return None
            found[first] = 1
            first = stop
        return np.cumsum(found) - 1
