"""Pass `group`: which populations share a region of cores, and which neurons share a core.

A region is a block of cores that receives frames together; all populations that read one physical
copy of a source lie in one region. Readers are put together as long as that needs fewer cores (less
weight RAM, where nothing is cut into tiles) than storing the source once per region, and readers of
one input where they share cores then. A region of convolutions or pools may be cut into tiles, each
with the cores that its neurons need.

The result stands in `place`: the region's number, its axon extension, and what `hints.py` says.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property
from itertools import chain, pairwise
from typing import Any

import numpy as np
from attrs import evolve, frozen

from snnc.diagnostics import SnncError, fail
from snnc.extend.passes import Context, Exactness, Pass, option
from snnc.ir.graph import Module, Op
from snnc.ir.rewrite import Rebuild, rebuild
from snnc.targets.paicore.frames import Ints
from snnc.targets.paicore.geometry import axons_of, capacity
from snnc.targets.paicore.hints import Laid, entries, slices_of
from snnc.targets.paicore.joining import Copies, Joiner, Partition
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.pack import PACKERS, Core, Slice
from snnc.targets.paicore.populations import (
    Destination,
    Populations,
    blocks,
    checked_extension,
)
from snnc.targets.paicore.sharing import neighbors, of_one_time
from snnc.targets.paicore.tiling.axis import width
from snnc.targets.paicore.tiling.divide import divide_all
from snnc.targets.paicore.tiling.grid import Part
from snnc.targets.paicore.tiling.plan import (
    MULTICAST,
    PARTITION,
    Cut,
    Plan,
    Planner,
    grid,
    ordered,
)
from snnc.targets.paicore.tiling.reach import ALL, shape_of
from snnc.targets.paicore.tiling.readers import Readers
from snnc.targets.paicore.tiling.shares import Share
from snnc.targets.paicore.tiling.sources import share_shape, sources_of


@frozen
class Tile:
    """The code of a tile, and its neurons: first, last and bits of those that are alike."""

    code: int
    runs: tuple[tuple[int, int, int], ...]


Parts = Mapping[tuple[Share, int], Sequence[Tile]]
"""The tiles of each share and copy."""

MORE_ROOM, MOST_SLACK = 1.25, 8.0
"""By how much more neurons count where a tile has no room for all of them, and at most."""


@frozen
class Group(Pass):
    """Divide the populations into regions of cores and cores into slices of neurons."""

    name = "group"
    level = "int"
    exactness = Exactness.EXACT
    for_: str = option(
        "both",
        help="fewest ticks of work per core, fewest cores, or both",
        choices=("latency", "cores", "both"),
    )
    multicast: str = option(
        "masks",
        help="cut layers into tiles by any masks, into blocks of cores with copies of what two of "
        "them read, or not at all",
        choices=MULTICAST,
    )

    partition: str = option(
        "auto",
        help="look for tiles of sparse layers by orders of their neurons, by hypergraph "
        "partitioning too, or not at all",
        choices=PARTITION,
    )

    def run(self, module: Module, context: Context) -> Module:
        """Return the module with region, extension, bits and slices on every neuron op."""
        if self.partition == "hypergraph":
            from snnc.targets.paicore.tiling import hypergraph

            hypergraph.tell_if_missing(context.diagnostics)
        populations = Populations.of(module)
        regions, hints = self._hints(populations)
        made = _placed(module, hints)
        if any("codes" in hint for hint in hints.values()):
            from snnc.targets.paicore.holes import taken
            from snnc.targets.paicore.tiling.sparse import partitions

            whole = self._whole(module, populations)
            if whole is not None and taken(whole) < taken(made):
                return whole
            context.report["partition"] = partitions(regions.plans)
        elif self.multicast == "masks":
            plans = [one for one in regions.plans if one[1].tile]
            holes = [shares for shares, plan in plans if plan.occupied > plan.cores]
            if holes:
                return self._filled(module, regions, made, holes)
        return made

    def _filled(
        self, module: Module, regions: "Regions", made: Module, holes: Sequence[Sequence[Share]]
    ) -> Module:
        """Return a module in the way that occupies the fewest cores; some regions leave holes.

        Layers that read only inputs may be taken apart into boxes that lie in holes of others.
        """
        from snnc.targets.paicore.holes import taken
        from snnc.targets.paicore.tiling.filling import filling

        populations, planner = regions.populations, regions.planner
        ops = [op for op in populations.ops if any(op not in {s.op for s in h} for h in holes)]
        boxed = {op: boxes for op in ops if (boxes := filling(planner, op))}
        _, least = taken(made)
        for near, apart in ((False, {}), (True, boxed)) if boxed else ((False, {}),):
            other = _placed(module, self._hints(populations, near, apart)[1])
            _, cores = taken(other)
            if cores < least:
                made, least = other, cores
        return made

    def _whole(self, module: Module, populations: Populations) -> Module | None:
        """Return the module without tiles of any neurons, None where it does not fit so.

        Layers that share cores take fewer than their plans say, which only packing tells.
        """
        try:
            return _placed(module, evolve(self, partition="off")._hints(populations)[1])
        except SnncError:
            return None

    def _hints(
        self,
        populations: Populations,
        near: bool = True,
        boxed: Mapping[Op, tuple[Share, ...]] | None = None,
    ) -> tuple["Regions", dict[Op, dict[str, Any]]]:
        """Return the regions and the `place` entries; `near` as for `Planner`.

        The layers `boxed` are divided into these shares.

        Where neurons turn out too many for a tile, by copies or widths, more room is left for them.
        """
        tight: dict[Op, float] = {}
        while True:
            regions = Regions(populations, self.multicast, tight, self.partition, near, boxed)
            regions.merge()
            regions.share(self.for_)
            try:
                return regions, regions.hints(self.for_)
            except TooLarge as error:
                if any(tight.get(op, 1.0) > MOST_SLACK for op in error.ops):
                    raise _too_large(error.ops, error.cores) from None
                tight |= {op: tight.get(op, 1.0) * MORE_ROOM for op in error.ops}


def _placed(module: Module, hints: Mapping[Op, Mapping[str, Any]]) -> Module:
    def placed(op: Op, build: Rebuild) -> Any:
        if op.kind != "neuron":
            return None
        return build.copy(op, place={**(op["place"] or {}), **hints[op]})

    return rebuild(module, placed)


class TooLarge(Exception):
    """A region that needs more cores than there can be."""

    def __init__(self, ops: Sequence[Op], cores: int) -> None:
        super().__init__(cores)
        self.ops, self.cores = ops, cores


class Regions:
    """A division of the shares of populations into regions, and what it costs.

    Copies of some neurons count in part; all of `tight` populations count so many times more.
    """

    def __init__(
        self,
        populations: Populations,
        multicast: str,
        tight: Mapping[Op, float] | None = None,
        partition: str = PARTITION[0],
        near: bool = True,
        boxed: Mapping[Op, tuple[Share, ...]] | None = None,
    ) -> None:
        self.populations, self.tight = populations, tight or {}
        self._forms = {op: populations.form(op) for op in populations.ops}
        self._bits = {op: populations.bits(op) for op in populations.ops}
        blocks = populations.ops if multicast == "contiguous" else ()
        most = {op: self._deepest([Share(op)]) for op in blocks}
        self.planner = Planner(populations, multicast, most, self.tight, partition, near)
        self._counts: dict[tuple[Share, Destination], float] = {}
        self.shares = {**divide_all(self.planner, self.tight), **(boxed or {})}
        self.readers = Readers(populations, self.shares)
        self._joiner = Joiner(populations, self.shares, self.readers, self)
        self.made = self._joiner.apart()

    def _count(self, share: Share, copies: Copies) -> float:
        """Return how many copies a share has; those of some neurons count in part."""
        for to in copies[share.op]:
            if (share, to) not in self._counts:
                some = self.readers.some(share.op, to)
                whole = shape_of(self.populations.synapses, share.op)[1]
                part = 1.0 if some is None else float(some[share.neurons(whole)].mean())
                self._counts[share, to] = part
        count = sum(self._counts[share, to] for to in copies[share.op])
        return max(count, 1.0) * self.tight.get(share.op, 1.0)

    def plan(self, shares: Sequence[Share], copies: Copies) -> Plan:
        """Return how a region is laid out; shares of one population all have its extension."""
        counts = [self._count(share, copies) for share in shares]
        if shares[0].box:
            return self.planner.plan(shares, counts)
        least, most = 1, self._deepest(shares)
        if len(self.shares[shares[0].op]) > 1:
            every = self.shares[shares[0].op]
            counted = [(s, self._count(s, copies)) for s in every]
            least = max(self.planner.plan([s], [n], most).extension for s, n in counted)
            most = least
        return self.planner.plan(shares, counts, most, least)

    def merge(self) -> None:
        """Join readers of one source while that saves something."""
        self.made = self._joiner.merge(self.made)

    def share(self, goal: str) -> None:
        """Join populations whose neurons may share cores, where fewer cores are occupied then."""
        pairs = chain(
            of_one_time(self.populations, self._untiled), neighbors(self.populations, self._whole)
        )
        for pair in pairs:
            into, other = sorted(self.made.group(op) for op in pair)
            if into == other:
                continue
            joined = self._joiner.joined(self.made, into, [other])
            if joined is not None:
                before = self._occupied(self.made, [into, other], goal)
                if self._occupied(joined, [into], goal) < before:
                    self.made = joined

    def _whole(self, op: Op) -> bool:
        """Whether a population is not divided."""
        return len(self.shares[op]) == 1

    def _untiled(self, op: Op) -> bool:
        """Whether a population is in a region without tiles."""
        group = self.made.group(op)
        whole = self._whole(op) and not self.shares[op][0].box
        return whole and self.plan(self.made.members[group], self.made.copies).tile is None

    def _occupied(self, made: Partition, groups: Sequence[int], goal: str) -> int:
        """Return the cores that some regions reserve: powers of two where they have no tiles."""
        total = 0
        for group in groups:
            plan = self.plan(made.members[group], made.copies)
            if plan.tile is None:
                parts = self._parts(made.members[group], None, made.copies)
                tiles = self._pack(parts, made, plan.extension, goal)
                total += sum(1 << width(len(cores)) for cores in tiles)
            else:
                total += plan.occupied
        return total

    def fits(self, shares: Sequence[Share], copies: Copies) -> bool:
        """Whether a region keeps within extension, buffer depth, half a chip and one chip pin.

        What a region receives is addressed one way, so all its cores take spikes, or all values.
        """
        if len({self._forms[share.op].wide for share in shares}) > 1:
            return False
        plan = self.plan(shares, copies)
        pins = {self.populations.hint(share.op).get("chip") for share in shares} - {None}
        return plan.fits and plan.extension <= self._deepest(shares) and len(pins) <= 1

    def signature(self, share: Share) -> Hashable:
        """Return all that decides whether a share may lie with others, and what that costs."""
        op, populations = share.op, self.populations
        sources = sources_of(populations, [share]) or {}
        windows = any(span is not ALL for _, reach in sources.values() for span in reach)
        if windows or len(self.shares[op]) > 1 or op in self.tight:
            return share
        reads = tuple(populations.segment(op, edge) for edge, _ in populations.feeding(op))
        start, chip = populations.start(op), populations.hint(op).get("chip")
        shape, widths = share_shape(populations, share), self.planner.widths(op)
        return (shape, widths, self._forms[op], start, chip, reads)

    def _deepest(self, shares: Sequence[Share]) -> int:
        """Return the largest axon extension whose buffers hold what waits there."""
        start, waits = self.populations.start, 1
        for op in (share.op for share in shares):
            for edge, source in self.populations.feeding(op):
                ahead = start(op) + edge.delay - (0 if source is None else start(source))
                waits = max(waits, ahead + (source is None))
        most = max(LIMITS.slots // waits, 1)
        return min(1 << most.bit_length() - 1, 1 << LIMITS.max_lcn)

    def price(self, shares: Sequence[Share], copies: Copies) -> int:
        """Return the cores of a region, or, of a network without tiles, the bits of weight RAM.

        All physical copies count.
        """
        plan = self.plan(shares, copies)
        return plan.cost if self._tiled else plan.extension * self._memory(shares, copies)

    def _memory(self, shares: Sequence[Share], copies: Copies) -> int:
        """Return the bits of weight RAM that shares take if their axons are not extended."""
        sizes = {s: math.prod(share_shape(self.populations, s)) * self._bits[s.op] for s in shares}
        axons = axons_of(self._forms[shares[0].op].wide)
        count = sum(size * len(copies[share.op]) for share, size in sizes.items())
        return count * axons

    @cached_property
    def _tiled(self) -> bool:
        """Whether any population would have tiles, were each in a region of its own."""
        return any(self.planner.plan([s], [1]).tile for each in self.shares.values() for s in each)

    def hints(self, goal: str) -> dict[Op, dict[str, Any]]:
        """Return the `place` entries of every population, regions numbered in text order.

        Raises:
            SnncError: `fan-in-exceeded`.
            TooLarge: where a region has no room for the cores of some populations.
        """
        made = self._numbered
        copies = made.copies
        wide = {group: plan.extension for group, (_, plan) in enumerate(self.plans)}
        laid: dict[Share, Laid] = {}
        for group, (shares, plan) in enumerate(self.plans):
            tile = plan.tile
            if tile is None:
                self._check_fan_in([share.op for share in shares])
            parts = self._parts(shares, tile, copies)
            tiles = self._pack(parts, made, wide[group], goal)
            split = max((width(len(cores)) for cores in tiles), default=0)
            codes = [part.code << split for part in next(iter(parts.values()), ())]
            most = max(codes, default=0).bit_length()
            if max(most, split) > width(LIMITS.routing_group):
                raise TooLarge([share.op for share in shares], sum(map(len, tiles)))
            for share, slices in slices_of(shares, codes, tiles).items():
                laid[share] = Laid(share, group, tile, split, slices)
        return {op: self._hint(op, [laid[s] for s in self.shares[op]], wide) for op in self.shares}

    @cached_property
    def plans(self) -> list[tuple[Sequence[Share], Plan]]:
        """The shares of each region with its layout, once regions are joined."""
        made = self._numbered
        return [(shares, self.plan(shares, made.copies)) for shares in made.members.values()]

    @cached_property
    def _numbered(self) -> Partition:
        """The partition with regions numbered in text order, once they are joined."""
        order = {g: n for n, g in enumerate(dict.fromkeys(chain(*self.made.groups.values())))}
        groups = {op: tuple(order[g] for g in gs) for op, gs in self.made.groups.items()}
        members = {n: self.made.members[g] for g, n in order.items()}
        return Partition(groups, members, self._joiner.copies(groups), {})

    def _hint(self, op: Op, laid: Sequence[Laid], wide: Mapping[int, int]) -> dict[str, Any]:
        """Return the `place` entries of a population."""
        one = laid[0]
        common = {"group": one.group, "extension": wide[one.group], "bits": self._bits[op]}
        if len(self.planner.widths(op)) > 1:
            common["mixed"] = 1
        return {**common, **entries(laid)}

    def _check_fan_in(self, ops: Sequence[Op]) -> None:
        axons = sum(s.source.type.size for s in self.populations.segments(ops))
        checked_extension(axons, ops, self._forms[ops[0]].wide)

    def _parts(self, shares: Sequence[Share], tile: Cut | None, copies: Copies) -> Parts:
        """Return the neurons of each tile, in order, and the code that the tile has, by copy."""
        cut, found = grid(self.populations, shares, tile, 0), {}
        for share in shares:
            for copy, to in enumerate(copies[share.op]):
                some = self.readers.some(share.op, to)
                mixed = len(self.planner.widths(share.op)) > 1
                order, each = ordered(self.populations, share, cut, some, mixed)
                known = self.populations.widths(share.op) if mixed else None
                bits = None if known is None or order is None else known[order]
                found[share, copy] = [self._tile(share.op, part, bits) for part in each]
        return found

    def _tile(self, op: Op, part: Part, bits: Ints | None) -> Tile:
        """Return the neurons of a tile apart by the bits of their weights, given in order."""
        if bits is None:
            return Tile(part.code, ((part.first, part.last, self._bits[op]),))
        mine = bits[part.first : part.last]
        ends = np.flatnonzero(np.diff(mine)) + 1 + part.first
        cuts = [part.first, *ends.tolist(), part.last]
        runs = [(a, b, int(bits[a])) for a, b in pairwise(cuts) if b > a]
        return Tile(part.code, tuple(runs))

    def _pack(
        self,
        parts: Parts,
        made: Partition,
        extension: int,
        goal: str,
    ) -> list[list[Core]]:
        """Return the cores of each tile; neurons that share one agree in what a core has once.

        Neurons that send nowhere have no copies, so no cores.
        """
        if not parts:
            return []
        classes: dict[tuple[Any, ...], list[tuple[Share, int]]] = {}
        for share, copy in parts:
            op, form, to = share.op, self._forms[share.op], made.copies[share.op][copy]
            mode = (form.values, form.keep, form.pool)
            outward = to.output >= 0
            size = self.populations.size(op)
            stride = blocks(size) if outward else self._wide(made, to.groups[0])
            key = (*self.populations.times(op), stride, *mode)
            classes.setdefault(key, []).append((share, copy))
        ranked = sorted(classes.values(), key=lambda items: self._place_of(*items[0]))
        first = next(iter(parts))
        wide_input = self._forms[first[0].op].wide

        def room(bits: int) -> int:
            return capacity(wide_input, bits, extension)

        def packed(tile: int) -> list[Core]:
            cores: list[Core] = []
            for items in ranked:
                cut = [
                    Slice(share, copy, first, last, bits, self._spread(share.op))
                    for share, copy in items
                    for first, last, bits in parts[share, copy][tile].runs
                    if last > first
                ]
                cores += PACKERS[goal](self._bundles(cut), room)
            return cores

        return [packed(tile) for tile in range(len(parts[first]))]

    def _bundles(self, slices: Sequence[Slice]) -> list[list[Slice]]:
        """Return slices that fill cores together: where regions are blocks, copies of a share."""
        if not self.planner.boxes:
            return [[one] for one in slices]
        found: dict[tuple[Share, int], list[Slice]] = {}
        for one in slices:
            found.setdefault((one.share, one.bits), []).append(one)
        return list(found.values())

    def _wide(self, made: Partition, group: int) -> int:
        """Return the axon extension of a region."""
        if group not in made.extensions:
            made.extensions[group] = self.plan(made.members[group], made.copies).extension
        return made.extensions[group]

    def _spread(self, op: Op) -> int:
        return int(self.populations.hint(op).get("unroll", 1))

    def _place_of(self, share: Share, copy: int) -> tuple[int, int]:
        return self.populations.ops.index(share.op), copy


def _too_large(ops: Sequence[Op], cores: int) -> Exception:
    names = ", ".join(f"%{op.result.name}" for op in ops)
    return fail(
        "region-too-large",
        f"{names} need {cores} cores in one region; a region has at most "
        f"{LIMITS.routing_group} (half a chip)",
        ops[0].loc,
        exit_status=4,
        help="use fewer weight bits, or split the layer",
    )
