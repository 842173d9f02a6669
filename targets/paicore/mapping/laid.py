"""What `group` wrote into `place`, taken apart: shares, regions, slices of cores, geometry.

Regions have no coordinates yet; a core is a code in its region.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnc.diagnostics import fail
from snnc.ir.graph import Module, Op
from snnc.targets.paicore.chip.distinct import distinct
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.chip.geometry import axons_of
from snnc.targets.paicore.chip.regions import Wish
from snnc.targets.paicore.mapping.hints import MOST_CODES, Laid, bad_codes, bad_place, laid_of
from snnc.targets.paicore.neurons.populations import Populations, Segment
from snnc.targets.paicore.placing.dense import Piece
from snnc.targets.paicore.tiling.axis import width
from snnc.targets.paicore.tiling.grid import Arrival
from snnc.targets.paicore.tiling.patches import Patch, Patched, covers
from snnc.targets.paicore.tiling.plan import Geometry, grid, ordered
from snnc.targets.paicore.tiling.readers import Readers
from snnc.targets.paicore.tiling.scatter import Codes, Scatter
from snnc.targets.paicore.tiling.shares import Share
from snnc.targets.paicore.tiling.sources import share_shape


class Division:
    """The division of a module into regions; all mappings are in text order.

    Raises:
        SnncError: `nothing-to-place`, `not-grouped`.
    """

    def __init__(self, module: Module) -> None:
        self.populations = Populations.of(module)
        if not self.populations.ops:
            raise fail(
                "nothing-to-place",
                "no neuron reaches an output of the network",
                module.loc,
                help="return the spikes that the host should receive",
            )
        self.hints = {op: self._hint(op) for op in self.populations.ops}
        self.laid = {op: laid_of(op, hint) for op, hint in self.hints.items()}
        self.shares = {op: tuple(each.share for each in laid) for op, laid in self.laid.items()}
        self.readers = Readers(self.populations, self.shares)
        self.members: dict[int, list[Laid]] = {}
        for laid in self.laid.values():
            for each in laid:
                self.members.setdefault(each.group, []).append(each)
        groups = {op: tuple(each.group for each in laid) for op, laid in self.laid.items()}
        self.copies = self.populations.destinations(groups, self.readers.most)
        self.cores = {group: _cores_of(laid) for group, laid in self.members.items()}
        self.segments = {
            group: self.populations.segments(each.share.op for each in laid)
            for group, laid in self.members.items()
        }
        self.grids = {group: self._grid(group) for group in self.members}
        self.orders = self._orders()

    def _hint(self, op: Op) -> Mapping[str, Any]:
        hint = self.populations.hint(op)
        if "group" not in hint or "start" not in hint:
            raise fail(
                "not-grouped",
                f"%{op.result.name} has no start, region and slices",
                op.loc,
                help="run schedule and group before place",
            )
        return hint

    def _grid(self, group: int) -> Geometry:
        laid = self.members[group]
        split = laid[0].split if laid[0].split >= 0 else width(len(self.cores[group]))
        cut = laid[0].tile
        room = self.extension(group) * axons_of(self.takes_values(group))
        if isinstance(cut, Codes):
            cut = Codes(_codes(laid), room)
        elif isinstance(cut, Patched):
            cut = Patched(self._patches(laid), room)
        return grid(self.populations, [each.share for each in laid], cut, split)

    def _patches(self, laid: Sequence[Laid]) -> dict[Share, tuple[Patch, ...]]:
        """Return the patches of all layers of a region; each neuron is in one, codes differ."""
        found: dict[Share, tuple[Patch, ...]] = {}
        for each in laid:
            op, cut = each.share.op, each.tile
            if not isinstance(cut, Patched):
                raise _bad_patches(op)
            if not covers(cut.of[each.share], share_shape(self.populations, each.share)):
                raise _bad_patches(op)
            found |= cut.of
            known = [patch[0] for patches in found.values() for patch in patches]
            if len({*known}) < len(known) or not {*known} <= {*range(MOST_CODES)}:
                raise _bad_patches(op)
        return found

    def _orders(self) -> dict[tuple[Share, int], Ints]:
        """Return the neurons of a share's copy as its pieces count them, if not 0, 1, 2 ..."""
        found = {}
        for op, laid in self.laid.items():
            for copy, to in enumerate(self.copies[op]):
                some = self.readers.some(op, to)
                for each in laid:
                    made = self.grids[each.group]
                    mixed = bool(self.hints[op].get("mixed", 0))
                    order, _ = ordered(self.populations, each.share, made, some, mixed)
                    if order is not None:
                        found[each.share, copy] = order
        return found

    def count(self, op: Op, copy: int) -> int:
        """Return how many neurons of a population a copy holds."""
        some = self.readers.some(op, self.copies[op][copy])
        return self.populations.size(op) if some is None else int(some.sum())

    def mine(self, piece: Piece) -> slice | Ints:
        """Return the flat neurons of a piece."""
        mine = slice(piece.first, piece.last)
        order = self.orders.get((piece.share, piece.copy))
        return mine if order is None else order[mine]

    def bits(self, piece: Piece) -> int:
        """Return the bits that hold the weights of a piece."""
        hint = self.hints[piece.op]
        found = self.populations.widths(piece.op) if hint.get("mixed", 0) else None
        return int(hint["bits"]) if found is None else int(found[self.mine(piece)].max())

    def wish(self, group: int, pin: int | None = None) -> Wish:
        """Return what a region needs of a chip."""
        made = self.grids[group]
        used = np.zeros(1 << made.bits, dtype=bool)
        used[list(self.cores[group])] = True
        wide, values = self.extension(group), self.takes_values(group)
        kind, room = wide << 1 | values, wide * axons_of(values)
        needs = made.reached | used
        passing = None if used.all() else self._passing(group, needs & ~used)
        return Wish(group, needs, used, kind, made.axons, room, pin, passing)

    def _passing(self, group: int, codes: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        """Return on which axons something goes to some codes of a region, None where to none."""
        here = np.flatnonzero(codes)[:, None]
        if not here.size:
            return None
        found = np.zeros((len(here), self.grids[group].axons), dtype=bool)
        for segment in self.segments[group]:
            for to in self.arrivals(group, segment):
                ways = np.stack([to.base, to.mask, to.axon])
                base, mask, axon = distinct(ways)[0]
                code, number = np.nonzero((here ^ base) & ~mask == 0)
                found[code, axon[number]] = True
        return found

    def extension(self, group: int) -> int:
        """Return the axon extension of a region's cores."""
        return int(self.hints[self.members[group][0].share.op]["extension"])

    def takes_values(self, group: int) -> bool:
        """Whether the cores of a region have 8-bit input."""
        return self.populations.form(self.members[group][0].share.op).wide

    def arrivals(self, group: int, segment: Segment) -> tuple[Arrival, ...]:
        """Return where a source goes in a region, for each time that it is sent there."""
        made = self.grids[group]
        return made.arrivals(segment) if isinstance(made, Scatter) else (made.arrival(segment),)

    def reached_by(self, group: int, segment: Segment) -> list[NDArray[np.bool_]]:
        """Return which codes of a region a source reaches, for each time that it is sent there."""
        made = self.grids[group]
        if not isinstance(made, Scatter):
            return [made.reached_by(segment)]
        ranks = range(len(made.arrivals(segment)))
        return [made.reached_by(segment, rank=rank) for rank in ranks]

    def segment(self, group: int, op: Op, delay: int) -> Segment:
        """Return the segment through which a region reads a population."""
        source = op.result
        return next(s for s in self.segments[group] if s.source is source and s.delay == delay)

    def weight_bytes(self) -> int:
        """Return the size of the dense weights of all cores."""
        return sum(
            axons_of(self.takes_values(group)) * self.extension(group) * (piece.last - piece.first)
            for group, cores in self.cores.items()
            for pieces in cores.values()
            for piece in pieces
        )


def _codes(laid: Sequence[Laid]) -> dict[Share, Ints]:
    """Return the codes of all shares of an irregular region."""
    found: dict[Share, Ints] = {}
    for each in laid:
        if not isinstance(each.tile, Codes):
            raise bad_codes(each.share.op)
        found |= each.tile.of
    return found


def _bad_patches(op: Op) -> Exception:
    why = f"hold not each of its neurons once, in tiles of codes 0..{MOST_CODES - 1} of their own"
    return bad_place(op, "patches", why)


def _cores_of(laid: Sequence[Laid]) -> dict[int, list[Piece]]:
    """Return the pieces of every core of a region, by the core's code."""
    cores: dict[int, list[Piece]] = {}
    for each in laid:
        for core, first, last, copy in each.slices:
            cores.setdefault(core, []).append(Piece(each.share, copy, first, last))
    return {code: cores[code] for code in sorted(cores)}
