"""On which chip each region lies: few frames cross between chips.

The chips are those that first fit takes, so their number is the least that it finds; regions that
are pinned stay. Regions that exchange many frames for their size are joined, as long as what was
joined still fits on the chips; then single regions move, or change places, while that saves frames.
All in whole numbers and a fixed order.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.chip.regions import ONLINE, Chip, Wish, by_size
from snnc.targets.paicore.placing.flows import Flows

Ranks = dict[int, int]
"""The chip of each region."""

MOST_REGIONS = 64
"""Of more regions all stay where first fit has them: trying which have room takes minutes."""


def cut(wishes: Sequence[Wish], first: Mapping[int, int], flows: Flows) -> Ranks:
    """Return the chip of each region, of those that `first` uses."""
    if len(wishes) > MOST_REGIONS:
        return dict(first)
    room = _Room(wishes)
    joined = _spread(_joined(room, first, flows), room, first)
    begun = [dict(first)] if joined is None else [dict(first), joined]
    return min((_moved(ranks, room, flows) for ranks in begun), key=lambda r: crossing(r, flows))


def crossing(ranks: Mapping[int, int], flows: Flows) -> int:
    """Return how many frames cross between chips."""
    return sum(n for (one, other), n in flows.frames.items() if ranks[one] != ranks[other])


class _Room:
    """Which regions have room on one chip together."""

    def __init__(self, wishes: Sequence[Wish]) -> None:
        self.wishes = {wish.number: wish for wish in wishes}
        self.size = {wish.number: len(wish.needs) for wish in wishes}
        self.used = {wish.number: int(wish.used.sum()) for wish in wishes}
        self._tried: dict[frozenset[int], bool] = {}

    def pin(self, number: int) -> int | None:
        """Return the chip that a region is pinned to."""
        return self.wishes[number].pin

    def fits(self, numbers: frozenset[int]) -> bool:
        """Whether regions have room on one chip.

        Whole blocks always have, in order of size; those of which holes are left are tried.
        """
        if sum(self.size[n] for n in numbers) <= ONLINE:
            return True
        if sum(self.used[n] for n in numbers) > ONLINE:
            return False
        if numbers not in self._tried:
            chip = Chip()
            mine = [wish for number, wish in self.wishes.items() if number in numbers]
            self._tried[numbers] = all(
                chip.place(wish) is not None for wish in sorted(mine, key=by_size)
            )
        return self._tried[numbers]


@frozen
class _Cluster:
    """Regions that stay together, and the chip that one of them is pinned to."""

    regions: frozenset[int]
    pin: int | None


def _joined(room: _Room, first: Mapping[int, int], flows: Flows) -> list[_Cluster]:
    """Return clusters that fit on the chips together, joined by the frames that they exchange.

    Small ones come first, which leave more to choose: frames are divided by both sizes.
    """
    clusters = {n: _Cluster(frozenset([n]), room.pin(n)) for n in first}
    frames = {pair: n for pair, n in flows.frames.items() if n}
    size = dict(room.size)

    def rated(pair: tuple[int, int]) -> tuple[Fraction, tuple[int, int]]:
        return Fraction(-frames[pair], size[pair[0]] * size[pair[1]]), pair

    while frames:
        pair = min(frames, key=rated)
        one, other = pair
        del frames[pair]
        both = _both(clusters[one], clusters[other])
        if both is None or not room.fits(both.regions):
            continue
        following = {n: c for n, c in clusters.items() if n not in pair} | {one: both}
        if _spread([*following.values()], room, first) is None:
            continue
        clusters, size[one] = following, size[one] + size[other]
        for (low, high), n in sorted(frames.items()):
            if other in (low, high):
                third = low + high - other
                at = min(one, third), max(one, third)
                del frames[low, high]
                frames[at] = frames.get(at, 0) + n
    return [clusters[n] for n in sorted(clusters)]


def _both(one: _Cluster, other: _Cluster) -> _Cluster | None:
    """Return two clusters as one, None where they are pinned to different chips."""
    pins = {one.pin, other.pin} - {None}
    if len(pins) > 1:
        return None
    return _Cluster(one.regions | other.regions, next(iter(pins), None))


def _spread(clusters: Sequence[_Cluster], room: _Room, first: Mapping[int, int]) -> Ranks | None:
    """Return a chip for each region, clusters by size, first fit; None where they do not fit."""
    chips = {rank: frozenset[int]() for rank in sorted({*first.values()})}

    def taken(cluster: _Cluster) -> tuple[bool, int, int]:
        size = sum(room.size[n] for n in cluster.regions)
        return cluster.pin is None, -size, min(cluster.regions)

    for cluster in sorted(clusters, key=taken):
        for rank in chips if cluster.pin is None else [cluster.pin]:
            if room.fits(chips[rank] | cluster.regions):
                chips[rank] |= cluster.regions
                break
        else:
            return None
    return {number: rank for rank, numbers in chips.items() for number in sorted(numbers)}


def _moved(ranks: Ranks, room: _Room, flows: Flows) -> Ranks:
    """Return the chips after moves and exchanges of regions, each of which saves frames."""
    numbers, chips = sorted(ranks), sorted({*ranks.values()})
    at = {number: row for row, number in enumerate(numbers)}
    between = np.zeros((len(numbers), len(numbers)), dtype=np.int64)
    for (one, other), n in flows.frames.items():
        between[at[one], at[other]] = between[at[other], at[one]] = n
    free = np.array([room.pin(number) is None for number in numbers])
    better: Ranks | None = ranks
    while better is not None:
        ranks, better = better, None
        here = np.array([chips.index(ranks[number]) for number in numbers])
        for change in _changes(between, here, free, len(chips)):
            to = {numbers[row]: chips[chip] for row, chip in change.items()}
            better = _changed(ranks, to, room)
            if better is not None:
                break
    return ranks


def _changes(
    between: Ints, here: Ints, free: NDArray[np.bool_], chips: int
) -> Iterator[dict[int, int]]:
    """Yield new chips of one region or two that change places, what saves most frames first."""
    size = len(here)
    # Frames of each region with those on each chip, less those with its own chip.
    toward = between @ (here[:, None] == np.arange(chips))
    gain = toward - toward[np.arange(size), here][:, None]
    moves = np.where(free[:, None], gain, 0)
    pairs = gain[:, here] + gain[:, here].T - 2 * between
    legal = free[:, None] & free & (here[:, None] < here)
    saved = np.concatenate([moves.reshape(-1), np.where(legal, pairs, 0).reshape(-1)])
    for best in np.argsort(-saved, kind="stable").tolist():
        if saved[best] <= 0:
            return
        if best < moves.size:
            row, chip = divmod(best, chips)
            yield {row: chip}
        else:
            one, other = divmod(best - moves.size, size)
            yield {one: int(here[other]), other: int(here[one])}


def _changed(ranks: Ranks, to: Ranks, room: _Room) -> Ranks | None:
    """Return the chips after a change, None where one has no room for it."""
    made = ranks | to
    for rank in sorted({*to.values()}):
        if not room.fits(frozenset(n for n, r in made.items() if r == rank)):
            return None
    return made
