"""Aligned blocks of cores along the quad tree of a chip.

Core p of a chip stands at (x, y) where the base-4 digits of p are (x bit, y bit), most significant
first (paicore.md, section 1.2). A block of 2^m places that starts at a multiple of its size numbers
its cores by codes of m bits; a frame that leaves bits of the code open goes to all cores that agree
in the others. The online cores are the last 16; no frame may go there.

A region takes only the codes that something goes to; what lies between is free for others.
"""

from collections.abc import Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.diagnostics import fail
from snnc.targets.paicore.frames import Ints
from snnc.targets.paicore.limits import LIMITS

CHIP = LIMITS.side * LIMITS.side
ONLINE = CHIP - (LIMITS.side - LIMITS.online_from) ** 2
"""First quad-tree place of the online cores."""


def core_at(place: int) -> int:
    """Return the address of the core at a place of the quad tree.

    >>> from snnc.targets.paicore.frames import coordinate
    >>> [coordinate(core_at(p)) for p in (1, 2, 4, 8, 1007)]
    [(0, 1), (1, 0), (0, 2), (2, 0), (31, 27)]
    """
    return int(cores_at(np.array(place)))


def cores_at(places: Ints) -> Ints:
    """Return the addresses of the cores at places of the quad tree; bits become bits of masks."""
    x = y = np.zeros_like(places)
    for bit in range(5):
        x = x | (places >> 2 * bit + 1 & 1) << bit
        y = y | (places >> 2 * bit & 1) << bit
    return x << 5 | y


@frozen(eq=False)
class Wish:
    """A region to place: its number, whether it needs each code of its block, and a pinned chip."""

    number: int
    needs: NDArray[np.bool_]
    pin: int | None = None

    @classmethod
    def block(cls, number: int, cores: int, pin: int | None = None) -> "Wish":
        """Return the wish for as many cores as fit, all that a block without tiles has."""
        return cls(number, np.ones(1 << (cores - 1).bit_length(), dtype=bool), pin)


@frozen
class Region:
    """A block of `size` places (a power of two) from quad-tree place `start` of a chip."""

    chip: tuple[int, int]
    chip_rank: int
    start: int
    size: int

    def cores(self, codes: Ints) -> Ints:
        """Return the addresses of the cores with some codes."""
        return cores_at(self.start | codes)


def allocate(wishes: Sequence[Wish], chips: Sequence[tuple[int, int]]) -> dict[int, Region]:
    """Return a region for each wish.

    Larger blocks come first, so that every start is aligned and nothing is lost between them; of
    equal ones those that need more, else they keep their order. A block goes to the first place on
    the first chip where all that it needs is free, or on the chip it is pinned to.

    Raises:
        SnncError: `chip-full`, `bad-chip`.
    """
    free = np.ones((len(chips), CHIP), dtype=bool)
    free[:, ONLINE:] = False
    made: dict[int, Region] = {}
    for wish in sorted(wishes, key=lambda w: (-len(w.needs), -int(w.needs.sum()))):
        if wish.pin is not None and not 0 <= wish.pin < len(chips):
            raise fail(
                "bad-chip",
                f"region {wish.number} is pinned to chip {wish.pin}, but there are {len(chips)} "
                "chips",
                help="give more --chip X,Y options",
                exit_status=4,
            )
        size = len(wish.needs)
        for rank in range(len(chips)) if wish.pin is None else [wish.pin]:
            blocks = free[rank].reshape(-1, size)
            fits = blocks[:, wish.needs].all(axis=1)
            if fits.any():
                at = int(fits.argmax())
                blocks[at] &= ~wish.needs
                made[wish.number] = Region(chips[rank], rank, at * size, size)
                break
        else:
            raise _full(sum(int(w.needs.sum()) for w in wishes), int(wish.needs.sum()), chips)
    return dict(sorted(made.items()))


def _full(cores: int, region: int, chips: Sequence[tuple[int, int]]) -> Exception:
    return fail(
        "chip-full",
        f"the network takes {cores} cores; {len(chips)} chip(s) offer "
        f"{ONLINE * len(chips)}, and no room is left for a region of {region}",
        help="add a chip (--chip X,Y), use fewer weight bits, or group{for=cores}",
        exit_status=4,
    )
