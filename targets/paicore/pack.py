"""How slices of populations fill cores: for least work in a tick, for fewest cores, or both.

What is packed together may share cores: one mode, one start, one stride of the targets.
"""

from collections.abc import Callable, Iterable, Sequence

from attrs import define, field, frozen

from snnc.targets.paicore.tiling.shares import Share


@frozen
class Slice:
    """Neurons first..last-1 of one physical copy of a share.

    `spread`: over how many times the cores that it needs the user wants it to be spread.
    """

    share: Share
    copy: int
    first: int
    last: int
    bits: int
    spread: int = 1


@define
class Core:
    """A core being filled."""

    room: int
    slices: list[Slice] = field(factory=list)


Room = Callable[[int], int]
"""How many neurons fit a core of a region, by the bits of their weights."""


def balanced(item: Slice, most: int) -> list[Slice]:
    """Return an item cut into as few slices as fit, their sizes differing by at most one.

    Where it is to be spread, there are so many times more, but none without neurons.
    """
    size = item.last - item.first
    parts = min(size, -(-size // most) * item.spread)
    made, start = [], item.first
    for part in range(parts):
        length = size // parts + (part < size % parts)
        made.append(Slice(item.share, item.copy, start, start + length, item.bits))
        start += length
    return made


def for_latency(items: Sequence[Slice], room: Room) -> list[Core]:
    """Each population in cores of its own, evenly loaded."""
    return [Core(0, [part]) for item in items for part in balanced(item, room(item.bits))]


def for_cores(items: Sequence[Slice], room: Room) -> list[Core]:
    """Full cores first; what is left over is packed first-fit, widest and largest first."""
    full, rests = [], []
    for item in items:
        most, start = room(item.bits), item.first
        while item.last - start >= most:
            full.append(Core(0, [Slice(item.share, item.copy, start, start + most, item.bits)]))
            start += most
        if start < item.last:
            rests.append(Slice(item.share, item.copy, start, item.last, item.bits))
    rests.sort(key=lambda s: (-s.bits, s.first - s.last))
    return full + _first_fit([[rest] for rest in rests], room)


def for_both(items: Sequence[Slice], room: Room) -> list[Core]:
    """Even slices as for latency; slices of different populations share cores where they fit."""
    parts = [balanced(item, room(item.bits)) for item in items]
    parts.sort(key=lambda p: (-p[0].bits, -len(p)))
    return _first_fit(parts, room)


def _first_fit(parts: Iterable[Sequence[Slice]], room: Room) -> list[Core]:
    """Put each slice into the first core with room that has no slice of the same copy.

    Wider weights come first, so that the first slice of a core sets its width.
    """
    cores: list[Core] = []
    for slices in parts:
        fresh = len(cores)
        for part in slices:
            size = part.last - part.first
            core = next(
                (
                    c
                    for c in cores[:fresh]
                    if c.room >= size
                    and not any(s.share == part.share and s.copy == part.copy for s in c.slices)
                ),
                None,
            )
            if core is None:
                core = Core(room(part.bits))
                cores.append(core)
            core.slices.append(part)
            core.room -= size
    return cores


PACKERS = {"latency": for_latency, "cores": for_cores, "both": for_both}
"""By the goal that `group` is given."""
