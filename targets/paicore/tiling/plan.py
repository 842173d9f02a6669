"""The layout of regions: what `schedule` and `group` ask of the layers of a module.

A region is left whole where tiles would save neither a core nor half of the links that its frames
pass, and where its layers have no axes in common. `group` writes the choice into `place` (`tile`,
`split`); `grid` makes the same geometry of it again for `place`. A layer that no region holds is
divided into shares.
"""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.diagnostics import fail
from snnc.ir.graph import Module, Op
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.chip.geometry import axons_of, capacity
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.neurons.populations import Populations, extension
from snnc.targets.paicore.tiling import spread
from snnc.targets.paicore.tiling.axis import width
from snnc.targets.paicore.tiling.choose import OCCUPIED, Member, Terms, chosen
from snnc.targets.paicore.tiling.grid import Grid, Part, Whole
from snnc.targets.paicore.tiling.patches import Patched, Patches
from snnc.targets.paicore.tiling.reach import ALL, shape_of
from snnc.targets.paicore.tiling.scatter import Codes, Scatter
from snnc.targets.paicore.tiling.shares import Share
from snnc.targets.paicore.tiling.sources import (
    read_by_all,
    read_by_each,
    share_shape,
    sources_of,
)

if TYPE_CHECKING:
    from snnc.targets.paicore.tiling.blocks import Blocks
    from snnc.targets.paicore.tiling.divide import Divider
    from snnc.targets.paicore.tiling.sparse import Sparse

Cut = tuple[int, ...] | Codes | Patched
"""The tiles of a region: neurons along each axis, or any neurons, or patches of each layer."""

Geometry = Whole | Grid | Scatter | Patches
"""Where the cores of a region and what it reads lie."""

PARTITION = ("auto", "hypergraph", "off")
"""How tiles of any neurons are looked for: by orders, by hypergraph partitioning too, or not."""

MULTICAST = ("masks", "contiguous", "none")
"""How far tiles go: by any masks, blocks of cores that share no neuron's frames, or not at all."""

MOST = 1 << LIMITS.max_lcn

FEWER_LINKS = 2
"""A layer is cut at the same cores if its frames then pass so many times fewer links."""


@frozen
class Plan:
    """How a region is laid out: its axon extension, its cores, its tiles where it has any.

    `cores` hold neurons, no two layers in one; `occupied` adds those that only receive. Tiles of
    any neurons were found by an `order`.
    """

    extension: int
    cores: int
    occupied: int
    tile: Cut | None = None
    order: str = ""

    @property
    def cost(self) -> int:
        """What is made small: cores that are taken, and a little those that hold neurons."""
        return OCCUPIED * self.occupied + self.cores

    @property
    def fits(self) -> bool:
        """Whether a region can be so large."""
        return self.extension <= MOST and self.cores <= LIMITS.routing_group


class Planner:
    """Chooses the layout of regions; the same question gets the same answer without counting.

    Where regions are blocks, layers choose together: `most` is then the largest axon extension that
    the buffers of each layer allow, `tight` by how much more room some layers need. Of tilings with
    as many cores the one of fewest links is taken if `near`, else that of fewest tiles, whose idle
    cores lie together.
    """

    def __init__(
        self,
        populations: Populations,
        multicast: str,
        most: Mapping[Op, int] | None = None,
        tight: Mapping[Op, float] | None = None,
        partition: str = PARTITION[0],
        near: bool = True,
    ) -> None:
        self.populations, self.multicast, self.partition = populations, multicast, partition
        self.near = near
        self._most, self._tight = most or {}, tight or {}
        self._plans: dict[tuple[object, ...], Plan] = {}
        self._widths: dict[Op, tuple[tuple[int, float], ...]] = {}

    def anew(self, module: Module) -> "Planner":
        """Return a planner of another module, of the same kind."""
        return Planner(Populations.of(module), self.multicast, partition=self.partition)

    def plan(
        self, shares: Sequence[Share], copies: Sequence[float], most: int = MOST, least: int = 1
    ) -> Plan:
        """Return the layout of a region of some shares.

        Args:
            shares: of different layers.
            copies: how many physical copies each has; fractions for those of some neurons.
            most: the largest axon extension that their buffers allow. Without tiles more may be
                returned, which the caller judges.
            least: the smallest axon extension that will do.
        """
        if shares[0].box:
            return self._box(shares[0], copies[0])
        key = (*shares, *copies, most, least)
        if key not in self._plans:
            self._plans[key] = self._best(shares, copies, most, least)
        return self._plans[key]

    def _box(self, share: Share, copies: float) -> Plan:
        """Return the layout of a box; where regions need not be blocks, each copy fills a core."""
        if self.boxes:
            return self.blocks.plan(share)
        cores = math.ceil(copies)
        return Plan(1, cores, 1 << width(cores), share_shape(self.populations, share))

    def _best(
        self, shares: Sequence[Share], copies: Sequence[float], most: int, least: int
    ) -> Plan:
        best = self._plan(shares, copies, most, least)
        if best.extension == least or self.multicast != "masks" or self.partition == "off":
            return best
        widths = [self.widths(share.op) for share in shares]
        return self._sparse.plan(shares, widths, copies, (least, most), best)

    def _plan(
        self, shares: Sequence[Share], copies: Sequence[float], most: int, least: int
    ) -> Plan:
        populations = self.populations
        wide = populations.form(shares[0].op).wide
        flat = sum(s.source.type.size for s in populations.segments(s.op for s in shares))
        wanted = max(extension(flat, wide), least)
        members = [
            Member(share_shape(populations, share), self.widths(share.op), count)
            for share, count in zip(shares, copies, strict=True)
        ]
        cores = sum(
            math.ceil(
                m.copies * -(-math.ceil(m.size * part - 1e-6) // capacity(wide, bits, wanted))
            )
            for m in members
            for bits, part in m.widths
        )
        whole = Plan(wanted, cores, 1 << width(cores))
        full = wanted == 1 and cores == whole.occupied
        # A layer of one axis, or in one core, sends nothing to fewer cores by being cut.
        if self.multicast == "none" or (full and (cores == 1 or len(members[0].shape) == 1)):
            return whole
        sources = sources_of(populations, shares)
        if sources is None or all(s is ALL for _, reach in sources.values() for s in reach):
            return whole
        terms = Terms(wide, (least, most), self.multicast == "contiguous")
        found = chosen(members, sources, terms, self.near)
        if found is None:
            return whole
        tiled = Plan(found.extension, found.cores, found.occupied, found.tile)
        uncut = (whole.cost, wanted, spread.whole(flat, cores))
        better = uncut <= (tiled.cost, tiled.extension, FEWER_LINKS * found.links)
        best = whole if wanted <= most and whole.fits and better else tiled
        if self.multicast == "masks" and wanted > least:
            return self._patched(shares, members, best, least)
        return best

    def _patched(
        self, shares: Sequence[Share], members: Sequence[Member], plan: Plan, least: int
    ) -> Plan:
        """Return a plan in which each layer is cut in a way of its own, if that takes fewer cores.

        Cores that are full are not looked at, nor are shares of a layer, or layers whose neurons
        are told apart by width.
        """
        wide = self.populations.form(shares[0].op).wide
        full = sum(
            math.ceil(m.copies * m.size / capacity(wide, m.widths[0][0], least)) for m in members
        )
        whole = all(share.axis < 0 for share in shares)
        alike = all(len(m.widths) == 1 for m in members)
        if plan.cores <= full or len(shares) > 2 or not whole or not alike:
            return plan
        from snnc.targets.paicore.tiling.finer import finer

        reads = read_by_each(self.populations, shares)
        layers = dict(zip(shares, members, strict=True))
        found = finer(layers, reads, wide, (least, plan.extension), plan.cost)
        if found is None:
            return plan
        patched = Patched(dict(zip(shares, found.patches, strict=True)), found.room)
        return Plan(found.room // axons_of(wide), found.cores, found.occupied, patched)

    @property
    def boxes(self) -> bool:
        """Whether regions are blocks, and layers cut into boxes."""
        return self.multicast == "contiguous"

    @cached_property
    def blocks(self) -> "Blocks":
        """The boxes of all layers, where regions are blocks."""
        from snnc.targets.paicore.tiling.blocks import Blocks

        return Blocks(self.populations, self._most, self._tight)

    @cached_property
    def _sparse(self) -> "Sparse":
        from snnc.targets.paicore.tiling.sparse import Sparse

        return Sparse(self.populations, self.partition)

    def widths(self, op: Op) -> tuple[tuple[int, float], ...]:
        """Return the widths of a layer's weights, with the part of its neurons that has each.

        They are told apart where that saves cores, and the user asks for none.
        """
        if op not in self._widths:
            self._widths[op] = ((self.populations.bits(op), 1.0),)
            apart = () if self.boxes and len(self.shares(op)) > 1 else self._apart(op)
            if apart:
                alike, self._widths[op] = self._widths[op], apart
                sorted_plan = self._plan([Share(op)], [1], MOST, 1)
                self._widths[op] = alike
                # Of tiles that cut the channels, each has its own widths.
                tile = sorted_plan.tile
                cut = isinstance(tile, tuple) and tile[0] < self._channels(op)
                if not cut and sorted_plan.cost < self._best([Share(op)], [1], MOST, 1).cost:
                    self._widths[op] = apart
        return self._widths[op]

    def _channels(self, op: Op) -> int:
        return shape_of(self.populations.synapses, op)[1][0]

    def _apart(self, op: Op) -> tuple[tuple[int, float], ...]:
        """Return the widths of a layer apart, none where no cores full of one width are saved."""
        populations, size = self.populations, self.populations.size(op)
        wide, most = populations.form(op).wide, populations.bits(op)
        needed = -(-size // capacity(wide, most, 1))
        found = None if needed == 1 or "bits" in populations.hint(op) else populations.widths(op)
        if found is None or found.min() == found.max():
            return ()
        bits, counts = np.unique(found, return_counts=True)
        each = zip(bits.tolist(), counts.tolist(), strict=True)
        if sum(-(-n // capacity(wide, b, 1)) for b, n in each) >= needed:
            return ()
        return tuple(zip(bits.tolist(), (counts / size).tolist(), strict=True))

    def shares(self, op: Op, copies: NDArray[np.float64] | float = 1.0) -> tuple[Share, ...]:
        """Return the shares of a layer: one where a region holds it, else as few cores as found.

        Where regions are blocks, its boxes are shares, and what two of them read is copied. What
        cannot be divided so that it fits is one share, which the caller refuses.

        Args:
            op: the layer.
            copies: of all neurons, or of each in the shape of `reach.shape_of`.
        """
        if self.boxes:
            return self.blocks.shares(op)
        if isinstance(copies, float) and self.plan([Share(op)], [copies]).fits:
            return (Share(op),)
        return self._divider.shares(op, copies)

    @cached_property
    def _divider(self) -> "Divider":
        from snnc.targets.paicore.tiling.divide import Divider

        return Divider(self)


def grid(
    populations: Populations, shares: Sequence[Share], tile: Cut | None, split: int
) -> Geometry:
    """Return the geometry of a region; without tiles, of one that takes its sources as they are."""
    if isinstance(tile, Codes):
        return Scatter(populations, tile, split)
    if isinstance(tile, Patched):
        return _patches(populations, shares, tile, split)
    if tile is None:
        return Whole(split, populations.segments(share.op for share in shares))
    sources = sources_of(populations, shares) or {}
    shapes = [share_shape(populations, share) for share in shares]
    elsewhere = read_by_all(populations, shares[0].op) if shares[0].box else ()
    return Grid([max(ns) for ns in zip(*shapes, strict=True)], tile, split, sources, elsewhere)


def _patches(
    populations: Populations, shares: Sequence[Share], tile: Patched, split: int
) -> Patches:
    shapes = [share_shape(populations, share) for share in shares]
    made = Patches(shapes, tile, split, read_by_each(populations, shares))
    if not made.fits:
        raise fail(
            "bad-place",
            f"%{shares[0].op.result.name}: with these patches its sources need more than the "
            f"{tile.room} axons of a core",
            shares[0].op.loc,
            help="leave patches out of place; group finds them",
        )
    return made


def ordered(
    populations: Populations,
    share: Share,
    made: Geometry,
    some: NDArray[np.bool_] | None = None,
    mixed: bool = False,
) -> tuple[Ints | None, list[Part]]:
    """Return the neurons of a share as its cores hold them, and where each tile begins and ends.

    Without an order they are those of the layer, one after the other. With `some`, a mask of the
    layer's neurons, the others are left out. `mixed` ones are sorted by width within a tile.
    """
    order, parts = _ordered(populations, share, made)
    if mixed:
        order = _sorted(populations, share.op, order, parts)
    if some is None:
        return order, parts
    every = np.arange(populations.size(share.op)) if order is None else order
    before = np.concatenate([[0], np.cumsum(some[every])]).tolist()
    kept = [Part(part.code, before[part.first], before[part.last]) for part in parts]
    return every[some[every]], kept


def _sorted(populations: Populations, op: Op, order: Ints | None, parts: Sequence[Part]) -> Ints:
    """Return neurons tile by tile, those with wider weights first."""
    every = np.arange(populations.size(op)) if order is None else order
    tile = np.repeat(np.arange(len(parts)), [part.last - part.first for part in parts])
    found = populations.widths(op)
    assert found is not None
    return every[np.lexsort((-found[every], tile))]


def _ordered(
    populations: Populations, share: Share, made: Geometry
) -> tuple[Ints | None, list[Part]]:
    if isinstance(made, Scatter | Patches):
        return made.order(share)
    if share.axis < 0 and not share.box and isinstance(made, Whole):
        return None, [Part(0, 0, populations.size(share.op))]
    whole = shape_of(populations.synapses, share.op)[1]
    neurons = share.neurons(whole)
    if isinstance(made, Whole):
        return neurons, [Part(0, 0, len(neurons))]
    order, parts = made.order(share.shape(whole))
    return neurons[order], parts
