"""The tiles of regions: what `schedule` and `group` ask of the layers of a module.

A region is left whole where tiles would not save a core, and where its layers have no axes in
common. `group` writes the choice into `place` (`tile`, `split`); `grid` makes the same geometry of
it again for `place`.
"""

from collections.abc import Sequence

from attrs import frozen

from snnc.ir.graph import Op
from snnc.targets.paicore.geometry import capacity
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.populations import Populations, Segment, extension
from snnc.targets.paicore.tiling.axis import width
from snnc.targets.paicore.tiling.choose import OCCUPIED, Member, Sources, choose
from snnc.targets.paicore.tiling.grid import Grid
from snnc.targets.paicore.tiling.reach import ALL, Reach, Span, joined, reaches, shape_of

MULTICAST = ("masks", "contiguous", "none")
"""How far tiles go: as far as masks can follow, without places of two tiles, or not at all."""


@frozen
class Plan:
    """How a region is laid out: its axon extension, its cores, its tiles where it has any.

    `cores` hold neurons, no two layers in one; `occupied` adds those that only receive.
    """

    extension: int
    cores: int
    occupied: int
    tile: tuple[int, ...] | None = None

    @property
    def cost(self) -> int:
        """What is made small: cores that are taken, and a little those that hold neurons."""
        return OCCUPIED * self.occupied + self.cores


class Planner:
    """Chooses the tiles of regions; the same question gets the same answer without counting."""

    def __init__(self, populations: Populations, multicast: str) -> None:
        self.populations, self.multicast = populations, multicast
        self._plans: dict[tuple[object, ...], Plan] = {}

    def plan(
        self, ops: Sequence[Op], copies: Sequence[int], most: int = 1 << LIMITS.max_lcn
    ) -> Plan:
        """Return the layout of a region of some layers.

        Args:
            ops: the layers.
            copies: how many physical copies each has.
            most: the largest axon extension that their buffers allow. Without tiles more may be
                returned, which the caller judges.
        """
        key = (*ops, *copies, most)
        if key not in self._plans:
            self._plans[key] = self._plan(ops, copies, most)
        return self._plans[key]

    def _plan(self, ops: Sequence[Op], copies: Sequence[int], most: int) -> Plan:
        populations = self.populations
        wide = populations.form(ops[0]).wide
        segments = populations.segments(ops)
        flat = sum(segment.source.type.size for segment in segments)
        wanted = extension(flat, wide)
        rooms = [capacity(wide, populations.bits(op), wanted) for op in ops]
        sizes = [populations.size(op) for op in ops]
        cores = sum(n * -(-s // r) for n, s, r in zip(copies, sizes, rooms, strict=True))
        whole = Plan(wanted, cores, 1 << width(cores))
        if self.multicast == "none" or (wanted == 1 and cores == whole.occupied):
            return whole
        sources = sources_of(populations, ops)
        if sources is None or all(s is ALL for _, reach in sources.values() for s in reach):
            return whole
        members = [
            Member(shape_of(populations.synapses, op)[1], populations.bits(op), count)
            for op, count in zip(ops, copies, strict=True)
        ]
        found = choose(members, sources, wide, most, self.multicast == "contiguous")
        if found is None:
            return whole
        tiled = Plan(found.extension, found.cores, found.occupied, found.tile)
        better = (whole.cost, wanted) <= (tiled.cost, tiled.extension)
        return whole if wanted <= most and better else tiled


def sources_of(populations: Populations, ops: Sequence[Op]) -> Sources | None:
    """Return what some layers read together, None where their shapes have nothing in common."""
    shapes = [shape_of(populations.synapses, op)[1] for op in ops]
    if len({len(shape) for shape in shapes}) > 1:
        return None
    uneven = {n for n, sizes in enumerate(zip(*shapes, strict=True)) if len({*sizes}) > 1}
    found: dict[Segment, Reach] = {}
    for op in ops:
        for edge, reach in reaches(populations.synapses, op).items():
            segment = populations.segment(op, edge)
            mine = tuple(_even(span, uneven) for span in reach)
            found[segment] = joined(found[segment], mine) if segment in found else mine
    return {s: (s.source.type.shape, found[s]) for s in populations.segments(ops)}


def _even(span: Span, uneven: set[int]) -> Span:
    return ALL if span.axis in uneven else span


def grid(
    populations: Populations, ops: Sequence[Op], tile: Sequence[int] | None, split: int
) -> Grid:
    """Return the geometry of a region; without tiles, of one that takes its sources as they are."""
    if tile is None:
        whole = {s: ((s.source.type.size,), (ALL,)) for s in populations.segments(ops)}
        return Grid((1,), (1,), split, whole)
    sources = sources_of(populations, ops) or {}
    shapes = [shape_of(populations.synapses, op)[1] for op in ops]
    return Grid([max(ns) for ns in zip(*shapes, strict=True)], tile, split, sources)


def tile_shape(populations: Populations, op: Op, tile: Sequence[int] | None) -> tuple[int, ...]:
    """Return the shape by which a layer is cut; flat where it is not."""
    return (populations.size(op),) if tile is None else shape_of(populations.synapses, op)[1]
