"""Aligned blocks of cores along the quad tree of a chip.

Core p of a chip stands at (x, y) where the base-4 digits of p are (x bit, y bit), most significant
first (paicore.md, section 1.2). A block of 2^m places that starts at a multiple of its size numbers
its cores by codes of m bits; a frame that leaves bits of the code open goes to all cores that agree
in the others. The online cores are the last 16; no frame may go there.

A region takes only the codes that something goes to; what lies between is free for others. A core
that a region reaches without using it may hold neurons of another region, if both count their slots
alike and use different axons: what comes by the way finds no weight. Which axons come by the way is
known core by core, so that a small region finds room between them.
"""

from collections.abc import Callable, Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.diagnostics import fail
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.limits import LIMITS

CHIP, ONLINE = LIMITS.places, LIMITS.offline
"""Places of a chip along the quad tree, and the first one of the online cores, the last ones."""


def _address(places: Ints) -> Ints:
    x = y = np.zeros_like(places)
    for bit in range(5):
        x = x | (places >> 2 * bit + 1 & 1) << bit
        y = y | (places >> 2 * bit & 1) << bit
    return x << 5 | y


_CORES = _address(np.arange(CHIP))


def core_at(place: int) -> int:
    """Return the address of the core at a place of the quad tree.

    >>> from snnc.targets.paicore.chip.frames import coordinate
    >>> [coordinate(core_at(p)) for p in (1, 2, 4, 8, 1007)]
    [(0, 1), (1, 0), (0, 2), (2, 0), (31, 27)]
    """
    return int(_CORES[place])


def cores_at(places: Ints) -> Ints:
    """Return the addresses of the cores at places of the quad tree; bits become bits of masks."""
    return _CORES[places]


Links = Callable[[int, Ints], Ints]
"""What the frames of a region cost, by its number, at each of several starts."""


@frozen(eq=False)
class Wish:
    """A region to place.

    `needs` says of each code of its block whether something goes there, `used` whether neurons are
    there. Cores of one `kind` (a number > 0) read their buffers alike; `axons` of their `room` are
    in use. `passing` says of each code that is needed and not used, in order, on which axons
    something arrives there; without it, on all that are in use.
    """

    number: int
    needs: NDArray[np.bool_]
    used: NDArray[np.bool_]
    kind: int = 1
    axons: int = 1
    room: int = 1
    pin: int | None = None
    passing: NDArray[np.bool_] | None = None

    @property
    def by_way(self) -> NDArray[np.bool_]:
        """Whether something goes to each code and no neurons are there."""
        return self.needs & ~self.used

    @property
    def arriving(self) -> NDArray[np.bool_]:
        """Whether each axon of each code to which something goes by the way is met."""
        if self.passing is not None:
            return self.passing
        return np.ones((int(self.by_way.sum()), self.axons), dtype=bool)

    @classmethod
    def block(cls, number: int, cores: int, pin: int | None = None) -> "Wish":
        """Return the wish for a block without tiles, which leaves no axons to others."""
        size = 1 << (cores - 1).bit_length()
        return cls(number, np.ones(size, dtype=bool), np.arange(size) < cores, pin=pin)


@frozen
class Region:
    """A block of `size` places (a power of two) from quad-tree place `start` of a chip.

    Its sources begin at axon `axon` of its cores.
    """

    chip: tuple[int, int]
    chip_rank: int
    start: int
    size: int
    axon: int = 0

    def cores(self, codes: Ints) -> Ints:
        """Return the addresses of the cores with some codes."""
        return cores_at(self.start | codes)


class _Arrivals:
    """What goes to each place of a chip: of which kind (0 none, -1 several), up to which axon."""

    def __init__(self) -> None:
        self.kind = np.zeros(CHIP, dtype=np.int64)
        self.top = np.zeros(CHIP, dtype=np.int64)

    def agrees(self, wish: Wish, codes: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return for each block whether some codes of it are reached by the wish's kind only."""
        kind = self.kind.reshape(-1, len(codes))[:, codes]
        return np.asarray(((kind == 0) | (kind == wish.kind)).all(axis=1))

    def tops(self, codes: NDArray[np.bool_]) -> Ints:
        """Return for each block the first axon that is free on all of some codes."""
        return np.asarray(self.top.reshape(-1, len(codes))[:, codes].max(axis=1, initial=0))

    def add(self, wish: Wish, start: int, first: int, codes: NDArray[np.bool_]) -> None:
        """Note that a wish goes to some codes, from an axon on."""
        here = start + np.flatnonzero(codes)
        same = (self.kind[here] == 0) | (self.kind[here] == wish.kind)
        self.kind[here] = np.where(same, wish.kind, -1)
        self.top[here] = np.maximum(self.top[here], first + wish.axons)


class Chip:
    """A chip being filled: what reaches each place, and what of that is for neurons there."""

    def __init__(self) -> None:
        self.reached, self.used = _Arrivals(), _Arrivals()
        self._lowest = np.zeros(CHIP, dtype=np.int64)
        self._met: dict[int, NDArray[np.bool_]] = {}

    def place(self, wish: Wish, links: Links | None = None) -> tuple[int, int] | None:
        """Return the start and the first axon that take the fewest new cores, and take them.

        Of equal starts the one of fewest links, then the first; None where there is no room.
        Neurons go where no others are, and must agree with all that goes there; what only goes
        there must agree with the neurons.
        """
        size, by_way = len(wish.needs), wish.by_way
        legal = ~_ONLINE.reshape(-1, size)[:, wish.needs].any(axis=1)
        legal &= (self.used.kind.reshape(-1, size)[:, wish.used] == 0).all(axis=1)
        legal &= self.reached.agrees(wish, wish.used) & self.used.agrees(wish, by_way)
        first = np.maximum(self.reached.tops(wish.used), self.used.tops(by_way))
        behind = first + wish.axons <= wish.room
        fresh = (self.reached.kind.reshape(-1, size)[:, wish.needs] == 0).sum(axis=1)
        best = int(np.where(legal & behind, fresh, CHIP + 1).min())
        for at in np.flatnonzero(legal & ~behind & (fresh < best)).tolist():
            first[at] = self._between(wish, at * size)
            behind[at] = first[at] >= 0
        fresh = np.where(legal & behind, fresh, CHIP + 1)
        at = int(fresh.argmin())
        if fresh[at] > CHIP:
            return None
        if links is not None:
            equal = np.flatnonzero(fresh == fresh[at])
            at = int(equal[links(wish.number, equal * size).argmin()])
        self._take(wish, at * size, int(first[at]))
        return at * size, int(first[at])

    def _take(self, wish: Wish, start: int, first: int) -> None:
        """Note that a wish lies at a start, from an axon on."""
        self.reached.add(wish, start, first, wish.needs)
        self.used.add(wish, start, first, wish.used)
        self._lowest[start + np.flatnonzero(wish.used)] = first
        if wish.used.all():
            return
        for code, met in zip(np.flatnonzero(wish.by_way).tolist(), wish.arriving, strict=True):
            known = self._met.setdefault(start + code, np.zeros(wish.room, dtype=bool))
            if len(known) == wish.room:
                known[first : first + wish.axons] |= met

    def _between(self, wish: Wish, start: int) -> int:
        """Return the first axon of a wish between those that are met at a start, -1 if none.

        No axon that comes by the way may be one that the neurons of its core read.
        """
        ends = np.arange(wish.room - wish.axons + 1)
        legal = np.ones(len(ends), dtype=bool)
        for place in (start + np.flatnonzero(wish.used)).tolist():
            if place in self._met:
                legal &= _none(self._met[place], ends, ends + wish.axons)
        by_way = (start + np.flatnonzero(wish.by_way)).tolist()
        for place, met in zip(by_way, wish.arriving, strict=True) if by_way else ():
            if self.used.kind[place]:
                low, top = self._lowest[place] - ends, self.used.top[place] - ends
                legal &= _none(met, low.clip(0, wish.axons), top.clip(0, wish.axons))
        return int(legal.argmax()) if legal.any() else -1


def _none(flags: NDArray[np.bool_], first: Ints, stop: Ints) -> NDArray[np.bool_]:
    """Return whether no flag is set between each first and stop."""
    sums = np.concatenate([[0], np.cumsum(flags)])
    return np.asarray(sums[stop] == sums[first])


_ONLINE = np.arange(CHIP) >= ONLINE


def by_size(wish: Wish) -> tuple[int, int]:
    """Return by what wishes are sorted to be placed: larger blocks, then those that need more."""
    return -len(wish.needs), -int(wish.needs.sum())


def allocate(wishes: Sequence[Wish], chips: Sequence[tuple[int, int]]) -> dict[int, Region]:
    """Return a region for each wish.

    Larger blocks come first, so that every start is aligned and nothing is lost between them; of
    equal ones those that need more, else they keep their order. A block goes to the first chip with
    room, or the chip it is pinned to.

    Raises:
        SnncError: `chip-full`.
    """
    filled = [Chip() for _ in chips]
    made: dict[int, Region] = {}
    for wish in sorted(wishes, key=by_size):
        for rank in range(len(chips)) if wish.pin is None else [wish.pin]:
            found = filled[rank].place(wish)
            if found is not None:
                start, axon = found
                made[wish.number] = Region(chips[rank], rank, start, len(wish.needs), axon)
                break
        else:
            raise _full(sum(int(w.needs.sum()) for w in wishes), int(wish.needs.sum()), chips)
    return dict(sorted(made.items()))


def _full(cores: int, region: int, chips: Sequence[tuple[int, int]]) -> Exception:
    offer = "1 chip offers" if len(chips) == 1 else f"{len(chips)} chips offer"
    return fail(
        "chip-full",
        f"the network takes {cores:,} cores; {offer} {ONLINE * len(chips):,}, and no room is left "
        f"for a region of {region}",
        help="add a chip (--chip X,Y), use fewer weight bits, or --group cores",
        exit_status=4,
    )
