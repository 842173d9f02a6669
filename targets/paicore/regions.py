"""Aligned blocks of cores along the quad tree of a chip.

Core p of a chip stands at (x, y) where the base-4 digits of p are (x bit, y bit), most significant
first (paicore.md, section 1.2). A block of 2^m cores that starts at a multiple of its size is then
`{base ^ m : m within mask}`, which is what a multicast frame addresses. The online cores are the
last 16; no block may touch them.
"""

from collections.abc import Sequence

from attrs import frozen

from snnc.diagnostics import fail
from snnc.targets.paicore.frames import linear
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
    x = y = 0
    for bit in range(5):
        x |= (place >> 2 * bit + 1 & 1) << bit
        y |= (place >> 2 * bit & 1) << bit
    return linear(x, y)


@frozen
class Region:
    """A block of `size` cores (a power of two) from quad-tree place `start` of a chip."""

    chip: tuple[int, int]
    chip_rank: int
    start: int
    size: int

    def core(self, number: int) -> int:
        """Return the address of core `number` of the region."""
        return core_at(self.start + number)

    @property
    def base(self) -> int:
        """Address with all bits of the mask clear."""
        return core_at(self.start)

    @property
    def mask(self) -> int:
        """Bits of the address that a multicast frame leaves open."""
        return core_at(self.size - 1)


def allocate(
    wanted: Sequence[tuple[int, int, int | None]], chips: Sequence[tuple[int, int]]
) -> dict[int, Region]:
    """Return a region for each (number, cores, pinned chip or None).

    Larger blocks come first, so that every start is aligned and nothing is lost between them; equal
    ones keep their order. A block goes to the first chip with room, or the chip it is pinned to.

    Raises:
        SnncError: `chip-full`, `bad-chip`.
    """
    free = [0] * len(chips)
    made: dict[int, Region] = {}
    sized = [(1 << (cores - 1).bit_length(), number, pin) for number, cores, pin in wanted]
    for size, number, pin in sorted(sized, key=lambda item: -item[0]):
        if pin is not None and not 0 <= pin < len(chips):
            raise fail(
                "bad-chip",
                f"region {number} is pinned to chip {pin}, but there are {len(chips)} chips",
                help="give more --chip X,Y options",
                exit_status=4,
            )
        ranks = range(len(chips)) if pin is None else [pin]
        rank = next((r for r in ranks if free[r] + size <= ONLINE), None)
        if rank is None:
            raise _full(sum(c for _, c, _ in wanted), size, chips)
        made[number] = Region(chips[rank], rank, free[rank], size)
        free[rank] += size
    return dict(sorted(made.items()))


def _full(cores: int, size: int, chips: Sequence[tuple[int, int]]) -> Exception:
    return fail(
        "chip-full",
        f"the network needs {cores} cores; {len(chips)} chip(s) offer "
        f"{ONLINE * len(chips)}, and no room is left for a region of {size}",
        help="add a chip (--chip X,Y), use fewer weight bits, or group{for=cores}",
        exit_status=4,
    )
