"""How slices of populations fill cores: for least work in a tick, for fewest cores, or both.

What is packed together may share cores: one mode, one start, one stride of the targets.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

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

    def part(self, first: int, last: int) -> "Slice":
        """Return some of its neurons, not to be spread further."""
        return Slice(self.share, self.copy, first, last, self.bits)


@define
class Core:
    """A core being filled."""

    room: int
    slices: list[Slice] = field(factory=list)


Bundle = Sequence[Slice]
"""Slices of different copies with weights of the same bits, which fill cores one after the other.

Mostly it is one."""

Room = Callable[[int], int]
"""How many neurons fit a core of a region, by the bits of their weights."""


def _size(items: Bundle) -> int:
    return sum(item.last - item.first for item in items)


def _cut(items: Bundle, lengths: Iterable[int]) -> Iterator[list[Slice]]:
    """Yield parts of some lengths, one after the other."""
    left = list(reversed(items))
    for length in lengths:
        made: list[Slice] = []
        while length:
            item = left.pop()
            stop = min(item.first + length, item.last)
            made.append(item.part(item.first, stop))
            length -= stop - item.first
            if stop < item.last:
                left.append(item.part(stop, item.last))
        yield made


def balanced(items: Bundle, most: int) -> list[list[Slice]]:
    """Return a bundle cut into as few parts as fit, their sizes differing by at most one.

    Where it is to be spread, there are so many times more, but none without neurons.
    """
    size = _size(items)
    parts = min(size, -(-size // most) * items[0].spread)
    return list(_cut(items, (size // parts + (n < size % parts) for n in range(parts))))


def for_latency(items: Sequence[Bundle], room: Room) -> list[Core]:
    """Each population in cores of its own, evenly loaded."""
    return [Core(0, part) for item in items for part in balanced(item, room(item[0].bits))]


def for_cores(items: Sequence[Bundle], room: Room) -> list[Core]:
    """Full cores first; what is left over is packed first-fit, widest and largest first."""
    full: list[Core] = []
    rests: list[list[Slice]] = []
    for item in items:
        number, rest = divmod(_size(item), room(item[0].bits))
        *parts, last = _cut(item, [room(item[0].bits)] * number + [rest])
        full += [Core(0, part) for part in parts]
        rests += [last] if rest else []
    rests.sort(key=lambda part: (-part[0].bits, -_size(part)))
    return full + _first_fit([[rest] for rest in rests], room)


def for_both(items: Sequence[Bundle], room: Room) -> list[Core]:
    """Even parts as for latency; parts of different populations share cores where they fit."""
    parts = [balanced(item, room(item[0].bits)) for item in items]
    parts.sort(key=lambda p: (-p[0][0].bits, -len(p)))
    return _first_fit(parts, room)


def _first_fit(bundles: Iterable[Sequence[Bundle]], room: Room) -> list[Core]:
    """Put each part into the first core with room that has no slice of the same copy.

    Wider weights come first, so that the first slice of a core sets its width.
    """
    cores: list[Core] = []
    for parts in bundles:
        fresh = len(cores)
        for part in parts:
            size, copies = _size(part), {(s.share, s.copy) for s in part}
            core = next(
                (
                    c
                    for c in cores[:fresh]
                    if c.room >= size and not any((s.share, s.copy) in copies for s in c.slices)
                ),
                None,
            )
            if core is None:
                core = Core(room(part[0].bits))
                cores.append(core)
            core.slices += part
            core.room -= size
    return cores


PACKERS = {"latency": for_latency, "cores": for_cores, "both": for_both}
"""By the goal that `group` is given."""
