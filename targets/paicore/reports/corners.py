"""How many cores a layer needs where windows at the ends of its map are smaller than inside.

The neurons of a corner read the least, so a core there holds the most; but a map has four corners.
What tells is a weight for each place: if each of `k` cores holds less than a k-th of all weight,
`k` cores are too few. Any weights prove that. Those tried are products of a weight of the row and
one of the column: of the first places of an axis, of those inside it, and of the last ones.

The heaviest that a core may hold is bound from above. Let row y of a set hold columns that see
c(y) columns of the input. The union of all windows has at least the sum over t of R(rows with
c(y) >= t), R being the least rows of the input that so many rows of each class see. Row y weighs at
most V(c(y)), the most of any columns that see so few, so that all weigh at most the sum over t and
rows with c(y) >= t of V(t) - V(t - 1). Both sums grow level by level over ever fewer rows: a
dynamic program over levels finds the heaviest set for each union.

A core may hold some channels of a place, at most as many neurons as memory and the axons of other
sources leave it beside the union, and at least what k - 1 full cores leave. So N neurons weigh at
most what their places weigh beyond m in all channels, and m N, for each m that is tried.
"""

from functools import lru_cache
from math import gcd, prod

import numpy as np
from attrs import frozen

from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.reports.windows import Axis, seen_by

UNIT = 8
"""The weight of a row or column inside the map."""

FIRST = (0, 2, 3, 4, 5, 6, 7)
LAST = (8, 12)
"""Weights that are tried for the ends of an axis; `LAST` where they are unlike the first."""

MULTIPLIERS = tuple(range(-64, 129, 32))
"""What is taken off the weight of a neuron, the inner ones having 64."""

NONE = -(1 << 30)
"""Weight of what there is not."""

FAR = 1 << 30
"""More places than any see."""

WORK = 1 << 25
"""Entries of the dynamic program that a layer may take; weights beyond it are not tried."""


@frozen(eq=False)
class Side:
    """The places of an axis by class.

    `sizes[k]` places are of class k; `cover[n0, n1, ...]` is the least number of places of the
    input that n0 places of class 0, n1 of class 1, ... see together.
    """

    sizes: tuple[int, ...]
    cover: Ints


@lru_cache(maxsize=64)
def least_cores(
    axes: tuple[Axis, Axis], made: int, known: int, held: tuple[tuple[int, ...], ...]
) -> int:
    """Return how many cores a layer needs that needs `known` anyway.

    Args:
        axes: rows and columns of its windows, each of which sees something.
        made: neurons of each place.
        known: a number of cores that is surely needed.
        held: for each axon extension and u, the most neurons that a core holds beside a union of
            windows of u places.
    """
    most = max(max(row) for row in held)
    fullest = next(row for row in held if max(row) == most)
    if not most or _anywhere(axes, made, most, fullest):
        return known
    room = len(fullest) - 1
    rows, columns = (side_of(axis) for axis in axes)
    weights = _weights(rows, columns, room)
    if not len(weights):
        return known
    beyond = weights[:, None] - np.array(MULTIPLIERS)[:, None, None]
    sums = heaviest(rows, columns, beyond.reshape(-1, *weights.shape[1:]), room)
    sums = made * sums.reshape(len(weights), -1, room + 1)
    places = np.outer(rows.sizes, columns.sizes)
    total, size = made * (weights * places).sum(axis=(1, 2)), made * int(places.sum())

    def needed(fewest: int) -> int:
        cores = [_per_core(weights, sums, np.array(row), fewest) for row in held]
        heavy = np.max(cores, axis=0)
        return int(max(-(-total[heavy > 0] // heavy[heavy > 0]), default=0))

    known = max(known, needed(1))
    while needed(max(size - (known - 1) * most, 1)) > known:
        known += 1
    return known


def _per_core(weights: Ints, sums: Ints, held: Ints, fewest: int) -> Ints:
    """Return, for each way to weigh, the most that a core of one axon extension may hold.

    `sums` are what a set of places weighs beyond each multiplier: (way, multiplier, u).
    """
    some, near = held >= fewest, held[: sums.shape[2]]
    times = np.array(MULTIPLIERS)[:, None]
    counted = np.where(times > 0, times * near, times * fewest)
    each = (sums[:, :, : len(near)] + counted).min(axis=1)
    most = np.where(some[: len(near)], each, 0).max(axis=1)
    # Of larger unions, only the number of neurons is looked at.
    beyond = int(held[len(near) :][some[len(near) :]].max(initial=0))
    return np.asarray(np.maximum(most, weights.max(axis=(1, 2)) * beyond), np.int64)


def _weights(rows: Side, columns: Side, room: int) -> Ints:
    """Return the weights that are tried: (way, class of row, class of column)."""
    classes = len(rows.sizes), len(columns.sizes)
    last = LAST if 3 in classes else LAST[:1]
    ways = [(first, UNIT, end) for end in last for first in FIRST if classes != (1, 1)]
    levels = min(int(columns.cover.flat[-1]), room)
    ways = ways[: WORK // (rows.cover.size * (room + 1) * (levels + 1) * len(MULTIPLIERS))]
    each = [[way[1:2] if count == 1 else way[:count] for way in ways] for count in classes]
    found = [np.outer(row, column) for row, column in zip(*each, strict=True)]
    return np.array(found, np.int64).reshape(-1, *classes)


def _anywhere(axes: tuple[Axis, Axis], made: int, most: int, held: tuple[int, ...]) -> bool:
    """Whether a core holds the most neurons also of a rectangle inside the map."""
    places = -(-most // made)
    for tall in range(1, min(places, axes[0].made) + 1):
        broad = -(-places // tall)
        seen = prod(
            min(axis.kernel + (size - 1) * min(_step(axis), axis.kernel), axis.given)
            for axis, size in zip(axes, (tall, broad), strict=True)
        )
        if broad <= axes[1].made and seen < len(held) and held[seen] >= most:
            return True
    return False


def _step(axis: Axis) -> int:
    """Return how many taps lie between windows that share some."""
    return axis.stride // gcd(axis.stride, axis.dilation)


@lru_cache(maxsize=256)
def side_of(axis: Axis) -> Side:
    """Return the places of an axis by class: the first ones, those inside, the last ones."""
    seen = seen_by(axis)
    short = np.array([len(window) < axis.kernel for window in seen])
    inside = np.flatnonzero(~short[1:-1]) + 1
    kinds = np.zeros(axis.made, np.int64)
    if len(inside):
        kinds[inside[0] : inside[-1] + 1] = 1
        sizes = [len(window) for window in seen]
        kinds[inside[-1] + 1 :] = 0 if sizes == sizes[::-1] else 2
    return Side(tuple(np.bincount(kinds).tolist()), _cover(seen, kinds.tolist()))


def _cover(seen: list[range], kinds: list[int]) -> Ints:
    count = max(kinds) + 1
    best = np.full([kinds.count(k) + 1 for k in range(count)], FAR, np.int64)
    best[(0,) * count] = 0
    ends: list[Ints] = []
    order = sorted(zip(seen, kinds, strict=True), key=lambda place: place[0].start)
    for place, (window, kind) in enumerate(order):
        here = np.full_like(best, FAR)
        here[tuple(int(k == kind) for k in range(count))] = len(window)
        more = tuple(slice(int(k == kind), None) for k in range(count))
        less = tuple(slice(None, -1 if k == kind else None) for k in range(count))
        # Windows in order follow each other, so what one adds is known from the one before.
        for (before, _), found in zip(order[:place], ends, strict=True):
            adds = max(window.stop - max(window.start, before.stop), 0)
            np.minimum(here[more], found[less] + adds, out=here[more])
        ends.append(here)
        np.minimum(best, here, out=best)
    return best


def heaviest(rows: Side, columns: Side, weights: Ints, room: int) -> Ints:
    """Return the most that places weigh whose windows' union has at most u places, for u to `room`.

    `weights` are of shape (batch, classes of rows, classes of columns); the result is (batch, u).
    """
    gains = np.diff(_by_cover(columns, weights, room), axis=0, prepend=0)
    counts = np.indices(rows.cover.shape).reshape(len(rows.sizes), -1)
    cover = rows.cover.reshape(-1)
    # found[n0, n1, ..., u, batch]: at this level so many rows of each class are left.
    found = np.full((*rows.cover.shape, room + 1, len(weights)), NONE, np.int32)
    found[..., 0, :] = 0
    best = np.full((room + 1, len(weights)), 0, np.int32)
    for gain in gains[1:]:
        for axis in range(len(rows.sizes)):
            along = np.moveaxis(found, axis, 0)
            for some in range(rows.sizes[axis] - 1, -1, -1):
                np.maximum(along[some], along[some + 1], out=along[some])
        flat = found.reshape(-1, room + 1, len(weights))
        grown = np.full_like(flat, NONE)
        adds = (counts.T @ gain).astype(np.int32)
        for state in np.flatnonzero(cover <= room):
            step = cover[state]
            np.add(flat[state, : room + 1 - step], adds[state], out=grown[state, step:])
        np.maximum(best, grown.max(axis=0), out=best)
        found = grown.reshape(found.shape)
    return np.maximum.accumulate(best, axis=0).T.astype(np.int64)


def _by_cover(columns: Side, weights: Ints, room: int) -> Ints:
    """Return the most that columns of a row weigh that see at most t: (t, class of row, batch)."""
    counts = np.indices(columns.cover.shape).reshape(len(columns.sizes), -1)
    cover = columns.cover.reshape(-1)
    order = np.argsort(cover, kind="stable")
    weigh = np.maximum.accumulate(np.maximum(weights, 0) @ counts[:, order], axis=2)
    levels = np.arange(min(int(cover[cover < FAR].max()), room) + 1)
    within = np.searchsorted(cover[order], levels, side="right") - 1
    return np.transpose(weigh[:, :, within], (2, 1, 0))
