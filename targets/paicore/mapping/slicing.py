"""Which neurons of a region share a core: its tiles, filled with slices of shares.

What a core has once (mode, start, ticks, the stride of its targets) its neurons agree in.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import pairwise

import numpy as np
from attrs import frozen

from snnc.ir.graph import Op
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.chip.geometry import capacity
from snnc.targets.paicore.mapping.joining import Copies
from snnc.targets.paicore.mapping.pack import PACKERS, Core, Slice
from snnc.targets.paicore.mapping.sharing import Kind, strides
from snnc.targets.paicore.neurons.populations import blocks
from snnc.targets.paicore.tiling.grid import Part
from snnc.targets.paicore.tiling.plan import Cut, Planner, grid, ordered
from snnc.targets.paicore.tiling.readers import Readers
from snnc.targets.paicore.tiling.shares import Share


@frozen
class Tile:
    """The code of a tile, and its neurons: first, last and bits of those that are alike."""

    code: int
    runs: tuple[tuple[int, int, int], ...]


Parts = Mapping[tuple[Share, int], Sequence[Tile]]
"""The tiles of each share and copy."""


class Slicer:
    """Fills the cores of regions.

    Args:
        planner: of the module.
        readers: which shares of readers read what.
    """

    def __init__(self, planner: Planner, readers: Readers) -> None:
        self.planner, self.readers = planner, readers
        self.populations = planner.populations

    def parts(self, shares: Sequence[Share], tile: Cut | None, copies: Copies) -> Parts:
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
            return Tile(part.code, ((part.first, part.last, self.populations.bits(op)),))
        mine = bits[part.first : part.last]
        ends = np.flatnonzero(np.diff(mine)) + 1 + part.first
        cuts = [part.first, *ends.tolist(), part.last]
        runs = [(a, b, int(bits[a])) for a, b in pairwise(cuts) if b > a]
        return Tile(part.code, tuple(runs))

    def pack(
        self,
        parts: Parts,
        copies: Copies,
        extension: int,
        wide: Callable[[int], int],
        goal: str,
    ) -> list[list[Core]]:
        """Return the cores of each tile.

        Neurons that send nowhere have no copies, so no cores.

        Args:
            parts: the tiles of each share and copy of a region.
            copies: of all populations.
            extension: of the region's axons.
            wide: tells the axon extension of the region of a number.
            goal: one of `PACKERS`.
        """
        if not parts:
            return []
        together = self._together(parts, self.slots(parts, copies, wide))
        first = next(iter(parts))
        values = self.populations.form(first[0].op).wide

        def room(bits: int) -> int:
            return capacity(values, bits, extension)

        def packed(tile: int) -> list[Core]:
            cores: list[Core] = []
            for items in together:
                cut = [
                    Slice(share, copy, first, last, bits, self._spread(share.op))
                    for share, copy in items
                    for first, last, bits in parts[share, copy][tile].runs
                    if last > first
                ]
                cores += PACKERS[goal](self._bundles(cut), room)
            return cores

        return [packed(tile) for tile in range(len(parts[first]))]

    def _together(
        self, parts: Parts, slots: Mapping[tuple[Share, int], int]
    ) -> list[list[tuple[Share, int]]]:
        """Return the copies that may share cores, in text order of the first of each kind."""
        kinds: dict[Hashable, list[tuple[Share, int]]] = {}
        for share, copy in parts:
            key = (self._agreed(share.op), slots[share, copy])
            kinds.setdefault(key, []).append((share, copy))
        return sorted(kinds.values(), key=lambda items: self._place_of(*items[0]))

    def slots(
        self, parts: Parts, copies: Copies, wide: Callable[[int], int]
    ) -> dict[tuple[Share, int], int]:
        """Return the slots per tick to which each copy of a region sends; see `pack`."""
        inner, outer = dict[tuple[Share, int], Kind](), dict[tuple[Share, int], Kind]()
        for share, copy in parts:
            op, to = share.op, copies[share.op][copy]
            if to.output < 0:
                inner[share, copy] = self._agreed(op), wide(to.groups[0])
            else:
                # The shares of a divided population, in several regions, need one stride.
                agreed = self._agreed(op) if share == Share(op) else op
                outer[share, copy] = agreed, blocks(self.populations.size(op))
        return strides(inner, outer)

    def _agreed(self, op: Op) -> Hashable:
        """Return in what all neurons of a core agree, but for where they send."""
        form = self.populations.form(op)
        return (*self.populations.times(op), form.values, form.keep, form.pool)

    def _bundles(self, slices: Sequence[Slice]) -> list[list[Slice]]:
        """Return slices that fill cores together: where regions are blocks, copies of a share."""
        if not self.planner.boxes:
            return [[one] for one in slices]
        found: dict[tuple[Share, int], list[Slice]] = {}
        for one in slices:
            found.setdefault((one.share, one.bits), []).append(one)
        return list(found.values())

    def _spread(self, op: Op) -> int:
        return int(self.populations.hint(op).get("unroll", 1))

    def _place_of(self, share: Share, copy: int) -> tuple[int, int]:
        return self.populations.ops.index(share.op), copy
