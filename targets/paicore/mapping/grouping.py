"""Divisions of the shares of populations into regions: what each costs, which are joined.

All populations that read one physical copy of a source lie in one region. Readers are put together
as long as that needs fewer cores (less weight RAM, where nothing is cut into tiles) than storing
the source once per region, and populations whose neurons may share cores then.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property, partial
from itertools import chain
from typing import Any

from snnc.ir.graph import Op
from snnc.targets.paicore.chip.geometry import axons_of
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.mapping.hints import Laid, entries, slices_of
from snnc.targets.paicore.mapping.joining import Copies, Joiner, Partition
from snnc.targets.paicore.mapping.pack import Core
from snnc.targets.paicore.mapping.sharing import neighbors, of_one_time
from snnc.targets.paicore.mapping.slicing import Parts, Slicer
from snnc.targets.paicore.neurons.populations import (
    Destination,
    Populations,
    blocks,
    checked_extension,
)
from snnc.targets.paicore.tiling.axis import width
from snnc.targets.paicore.tiling.divide import divide_all
from snnc.targets.paicore.tiling.plan import PARTITION, Plan, Planner
from snnc.targets.paicore.tiling.reach import ALL, shape_of
from snnc.targets.paicore.tiling.readers import Readers
from snnc.targets.paicore.tiling.shares import Share
from snnc.targets.paicore.tiling.sources import share_shape, sources_of


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
        boxes = populations.ops if multicast == "contiguous" else ()
        most = {op: self._deepest([Share(op)]) for op in boxes}
        self.planner = Planner(populations, multicast, most, self.tight, partition, near)
        self._counts: dict[tuple[Share, Destination], float] = {}
        self.shares = {**divide_all(self.planner, self.tight), **(boxed or {})}
        self.readers = Readers(populations, self.shares)
        self._slicer = Slicer(self.planner, self.readers)
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
                parts = self._slicer.parts(made.members[group], None, made.copies)
                tiles = self._packed(parts, made, plan.extension, goal)
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
        slots: dict[tuple[Share, int], int] = {}
        for group, (shares, plan) in enumerate(self.plans):
            tile = plan.tile
            if tile is None:
                self._check_fan_in([share.op for share in shares])
            parts = self._slicer.parts(shares, tile, copies)
            tiles = self._packed(parts, made, wide[group], goal)
            slots |= self._slicer.slots(parts, copies, partial(self._wide, made))
            split = max((width(len(cores)) for cores in tiles), default=0)
            codes = [part.code << split for part in next(iter(parts.values()), ())]
            most = max(codes, default=0).bit_length()
            if max(most, split) > width(LIMITS.routing_group):
                raise TooLarge([share.op for share in shares], sum(map(len, tiles)))
            for share, slices in slices_of(shares, codes, tiles).items():
                laid[share] = Laid(share, group, tile, split, slices)
        found = {op: self._hint(op, [laid[s] for s in self.shares[op]], wide) for op in self.shares}
        for (share, copy), count in slots.items():
            to, least = copies[share.op][copy], blocks(self.populations.size(share.op))
            if to.output >= 0 and count > least:
                found[share.op]["blocks"] = count
        return found

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

    def _packed(self, parts: Parts, made: Partition, extension: int, goal: str) -> list[list[Core]]:
        """Return the cores of each tile of a region."""
        copies = made.copies
        return self._slicer.pack(parts, copies, extension, partial(self._wide, made), goal)

    def _wide(self, made: Partition, group: int) -> int:
        """Return the axon extension of a region."""
        if group not in made.extensions:
            made.extensions[group] = self.plan(made.members[group], made.copies).extension
        return made.extensions[group]
