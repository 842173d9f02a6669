"""How a layer that no region holds is divided into shares.

A share is an interval of places along one axis, a region of its own. What two shares read is
stored twice, so cuts cost cores of the sources; what is read by several shares of readers is
stored several times here, so that places of a layer may count more than once. Ways to cut are
looked at in the order of the least that they can cost, until none can be better than the best
found. Counts of copies are exact, place by place.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from snnc.ir.graph import Op
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.chip.geometry import capacity
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.tiling.axis import width
from snnc.targets.paicore.tiling.choose import MOST_BITS, OCCUPIED, Sources
from snnc.targets.paicore.tiling.grid import Grid, Whole
from snnc.targets.paicore.tiling.plan import MOST, Plan, Planner, grid
from snnc.targets.paicore.tiling.reach import Reach, Span, shape_of
from snnc.targets.paicore.tiling.readers import Readers
from snnc.targets.paicore.tiling.shares import Share
from snnc.targets.paicore.tiling.sources import sources_of

MORE_SHARES = 8
"""Numbers of equal shares to try beyond the least that may fit; then each a quarter larger."""

ROUNDS = 8
"""How often layers are divided anew that read each other."""

Counts = NDArray[np.float64]
"""How many copies each neuron of a layer has, in the shape that `shape_of` gives."""


@frozen(eq=False)
class _Way:
    """A way to divide: its shares, what copies of the sources cost, and what it costs at least.

    One more share counts as much as a core that is taken: it gets frames of its own.

    `cores` are the fewest of each share; `sent` counts elements of inputs that are sent once more.
    """

    shares: tuple[Share, ...]
    cores: Sequence[int]
    copying: float
    least: float
    sent: int


def divide_all(planner: Planner, tight: Mapping[Op, float]) -> dict[Op, tuple[Share, ...]]:
    """Return the shares of all populations; no two of them in one region yet.

    Readers come first: the more shares read a population, the more copies it has. Of `tight`
    populations all copies count so many times more.
    """
    populations = planner.populations
    if planner.multicast == "contiguous":
        return {op: planner.shares(op) for op in populations.ops}
    shares: dict[Op, tuple[Share, ...]] = {op: (Share(op),) for op in populations.ops}
    groups = {op: (number,) for number, op in enumerate(populations.ops)}
    whole = populations.destinations(groups, lambda op, segment: 1)
    for _ in range(ROUNDS):
        changed = False
        for op in reversed(populations.ops):
            divided = any(len(shares[reader]) > 1 for reader, _ in populations.readers[op])
            copies = _copies(planner, op, shares) if divided else float(max(len(whole[op]), 1))
            found = planner.shares(op, copies * tight.get(op, 1.0))
            changed, shares[op] = changed or found != shares[op], found
        if not changed:
            break
    return shares


def _copies(planner: Planner, op: Op, shares: Mapping[Op, tuple[Share, ...]]) -> Counts:
    """Return how many copies each neuron of a population has, all readers being apart."""
    populations, groups = planner.populations, dict[Op, tuple[int, ...]]()
    for reader, _ in populations.readers[op]:
        first = sum(map(len, groups.values()))
        groups.setdefault(reader, tuple(range(first, first + len(shares[reader]))))
    readers, total = Readers(populations, shares), np.zeros(populations.size(op))
    for to in populations.destinations_of(op, groups, readers.most):
        some = readers.some(op, to)
        total += 1 if some is None else some
    return total.clip(min=1).reshape(shape_of(populations.synapses, op)[1])


class Divider:
    """Divides the layers of a planner's module."""

    def __init__(self, planner: Planner) -> None:
        self.planner, self.populations = planner, planner.populations
        self._last: dict[Op, tuple[Counts, tuple[Share, ...]]] = {}
        self._plans: dict[tuple[object, ...], Plan | None] = {}
        self._reads: dict[Op, Sources] = {}

    def shares(self, op: Op, copies: Counts | float) -> tuple[Share, ...]:
        """Return the shares of a layer: one where a region holds it and no other way costs less.

        What cannot be divided so that it fits is one share, which the caller refuses.

        Args:
            op: the layer.
            copies: of all neurons, or of each in the shape of `reach.shape_of`.
        """
        shape = shape_of(self.populations.synapses, op)[1]
        counts = np.broadcast_to(np.asarray(copies, dtype=np.float64), shape)
        if op not in self._last or not np.array_equal(self._last[op][0], counts):
            self._last[op] = (counts, self._divided(Share(op), counts))
        return self._last[op][1]

    def _divided(self, whole: Share, counts: Counts) -> tuple[Share, ...]:
        plan = self._plan(whole, counts)
        best: tuple[Share, ...] = (whole,)
        least = math.inf if plan is None else float(plan.cost)
        if plan is not None and counts.min() == counts.max():
            return best
        ways = [way for axis in range(counts.ndim) for way in self._ways(whole.op, axis, counts)]
        for way in sorted(ways, key=lambda way: (way.least, len(way.shares), way.sent)):
            if way.least >= least:
                break
            cost = way.copying + self._cost(way, counts, least)
            if cost < least:
                best, least = way.shares, cost
        return best

    def _ways(self, op: Op, axis: int, counts: Counts) -> Iterator[_Way]:
        """Yield ways to cut an axis; of those that may cost the same, exact ones first."""
        places = counts.shape[axis]
        if places == 1:
            return
        others = tuple(a for a in range(counts.ndim) if a != axis)
        each = self._cores(op, axis) * counts.sum(axis=others) / math.prod(counts.shape)
        ends = np.concatenate([[0.0], np.cumsum(each)])
        seen = set()
        for cuts in _cuts(counts, axis, ends):
            if len(cuts) > 2 and cuts not in seen:
                seen.add(cuts)
                shares = tuple(Share(op, axis, a, b) for a, b in pairwise(cuts))
                copying, sent = self._copying(op, shares)
                cores = [math.ceil(ends[b] - ends[a] - 1e-6) for a, b in pairwise(cuts)]
                copying += OCCUPIED * len(shares)
                least = copying + (OCCUPIED + 1) * sum(cores)
                yield _Way(shares, cores, copying, least, sent)

    def _cores(self, op: Op, axis: int) -> float:
        """Return the cores that a layer takes if all of them are full, as shares of an axis."""
        wide = self.populations.form(op).wide
        extension = self.planner.plan([Share(op, axis, 0, 1)], [1]).extension
        size, widths = self.populations.size(op), self.planner.widths(op)
        return sum(
            size * part / capacity(wide, bits, min(extension, MOST)) for bits, part in widths
        )

    def _copying(self, op: Op, shares: Sequence[Share]) -> tuple[float, int]:
        """Return what copies cost of the neurons that several shares read, and inputs sent more."""
        dendrites = sent = 0
        for segment, (sizes, reach) in self._sources(op).items():
            source = self.populations.by_value.get(segment.source)
            again = _again(sizes, reach, shares)
            if source is None:
                sent += again
            else:
                extension = self.planner.plan([Share(source)], [1]).extension
                dendrites += again * self.populations.bits(source) * min(extension, MOST)
        return (OCCUPIED + 1) * dendrites / LIMITS.dendrites, sent

    def _cost(self, way: _Way, counts: Counts, most: float) -> float:
        """Return what shares cost at one axon extension, which their sources need.

        Infinity where they are no regions, or cost as much as `most`.
        """
        plans, shares, left = list[Plan](), way.shares, most - way.least
        for share, cores in zip(shares, way.cores, strict=True):
            plan = self._plan(share, counts)
            if plan is None or plan.cost - (OCCUPIED + 1) * cores >= left:
                return math.inf
            left -= plan.cost - (OCCUPIED + 1) * cores
            plans.append(plan)
        wide, total = max(plan.extension for plan in plans), 0
        for share, free in zip(shares, plans, strict=True):
            plan = free if free.extension == wide else self._plan(share, counts, wide)
            if plan is None or plan.extension != wide:
                return math.inf
            total += plan.cost
        return float(total)

    def _plan(self, share: Share, counts: Counts, extension: int = 0) -> Plan | None:
        """Return the layout of a share, None where no region holds it.

        Shares that look at as much in the same way, some places further, are laid out alike.
        """
        mine = np.ascontiguousarray(counts[share.part(counts.ndim)])
        windows = tuple(
            _moved(span, share) for _, reach in self._sources(share.op).values() for span in reach
        )
        key = (share.op, share.axis, share.stop - share.first, mine.tobytes(), extension, windows)
        if key not in self._plans:
            most, least = (extension, extension) if extension else (MOST, 1)
            plan = self.planner.plan([share], [float(mine.mean())], most, least)
            if plan.fits and mine.min() < mine.max():
                plan = self._counted(share, plan, mine)
            legal = plan.fits and plan.occupied <= LIMITS.routing_group
            self._plans[key] = plan if legal else None
        return self._plans[key]

    def _sources(self, op: Op) -> Sources:
        """Return what a layer reads."""
        if op not in self._reads:
            self._reads[op] = sources_of(self.populations, [Share(op)]) or {}
        return self._reads[op]

    def _counted(self, share: Share, plan: Plan, mine: Counts) -> Plan:
        """Return a layout whose cores are counted tile by tile."""
        tile = plan.tile or mine.shape
        made = grid(self.populations, [share], tile, 0)
        assert not isinstance(made, Whole)
        order, parts = made.order(mine.shape) if isinstance(made, Grid) else made.order(share)
        here = np.add.reduceat(
            mine.reshape(-1)[order], [p.first for p in parts if p.last > p.first]
        )
        wide = self.populations.form(share.op).wide
        cores = sum(
            np.ceil(here * part / capacity(wide, bits, plan.extension) - 1e-6)
            for bits, part in self.planner.widths(share.op)
        )
        split = width(int(np.max(cores)))
        occupied = int(made.reached.sum()) << split
        if made.bits + split > MOST_BITS:
            occupied = LIMITS.routing_group + 1
        return evolve(plan, cores=int(np.sum(cores)), occupied=occupied)


def _cuts(counts: Counts, axis: int, ends: Counts) -> Iterator[tuple[int, ...]]:
    """Yield where to cut an axis, both ends included, each way once or more.

    Args:
        counts: the copies of each neuron.
        axis: to cut.
        ends: the cores that all places before each place take.
    """
    places, most = counts.shape[axis], float(LIMITS.routing_group)
    rows = np.moveaxis(counts, axis, 0).reshape(places, -1)
    changes = (np.flatnonzero((rows[1:] != rows[:-1]).any(axis=1)) + 1).tolist()
    alike = [0, *changes, places]
    # Where copies change, each part by itself: then its tiles are filled alike.
    parts = ((a, b, int(-(-(ends[b] - ends[a]) // most))) for a, b in pairwise(alike))
    yield (*(place for part in parts for place in _equal(*part)), places)
    yield (*(place for a, b in pairwise(alike) for place in _doubled(a, b)), places)
    yield _filled(ends, most)
    count = fewest = int(-(-ends[-1] // most))
    while count < places:
        yield (*_equal(0, places, count), places)
        count += 1 if count < fewest + MORE_SHARES else -(-count // 4)
    yield tuple(range(places + 1))


def _equal(first: int, stop: int, count: int) -> tuple[int, ...]:
    """Return where equal parts of some places begin."""
    size = -(-(stop - first) // min(max(count, 1), stop - first))
    return tuple(range(first, stop, size))


def _doubled(first: int, stop: int) -> Iterator[int]:
    """Yield where parts begin whose places are powers of two, the largest first."""
    while first < stop:
        yield first
        first += 1 << (stop - first).bit_length() - 1


def _filled(ends: Counts, most: float) -> tuple[int, ...]:
    """Return cuts into parts that take as many cores as may be, all but the last."""
    cuts, last = [0], len(ends) - 1
    while cuts[-1] < last:
        stop = int(np.searchsorted(ends, ends[cuts[-1]] + most + 1e-6, side="right")) - 1
        cuts.append(min(max(stop, cuts[-1] + 1), last))
    return tuple(cuts)


def _moved(span: Span, share: Share) -> tuple[bytes, ...]:
    """Return what a share's places look at along an axis of a source, counted from the first."""
    if span.axis != share.axis:
        return ()
    low, high = (ends[share.first : share.stop] for ends in (span.low, span.high))
    first = low[high >= low].min(initial=1 << 62)
    return (low - first).tobytes(), (high - first).tobytes()


def _again(sizes: Sequence[int], reach: Reach, shares: Sequence[Share]) -> int:
    """Return how many elements of a source shares read beyond the first that does, all counted."""
    axis, alike = shares[0].axis, 1
    cut = np.ones((len(shares), 1), dtype=bool)
    for size, span in zip(sizes, reach, strict=True):
        if span.axis != axis:
            alike *= size if span.axis < 0 else int(_read(span.low, span.high, size).sum())
            continue
        each = [
            _read(span.low[s.first : s.stop], span.high[s.first : s.stop], size) for s in shares
        ]
        cut = (cut[:, :, None] & np.stack(each)[:, None, :]).reshape(len(shares), -1)
    return alike * int((cut.sum(axis=0) - 1).clip(min=0).sum())


def _read(low: Ints, high: Ints, size: int) -> NDArray[np.bool_]:
    """Return whether each place is in any of some intervals; those with high < low are empty."""
    some = high >= low
    steps = np.zeros(size + 1, dtype=np.int64)
    np.add.at(steps, low[some], 1)
    np.add.at(steps, high[some] + 1, -1)
    return np.asarray(np.cumsum(steps[:-1]) > 0)
