"""Where spikes go: destinations of neurons and inputs, once regions have their places."""

from collections.abc import Mapping, Sequence

import numpy as np
from attrs import astuple, fields, frozen

from snnc.ir.graph import Op
from snnc.targets.paicore.chip.frames import Ints, linear
from snnc.targets.paicore.chip.geometry import axon_step, axons_of
from snnc.targets.paicore.chip.regions import Region, cores_at
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.mapping.laid import Division
from snnc.targets.paicore.neurons.populations import Destination, Segment
from snnc.targets.paicore.placing.dense import Piece
from snnc.targets.paicore.tiling.grid import Whole
from snnc.targets.paicore.tiling.scatter import Scatter


@frozen(eq=False)
class Way:
    """Where elements go: chip, core and mask as ten-bit addresses, axon and slot there."""

    chip: Ints
    core: Ints
    mask: Ints
    axon: Ints
    slot: Ints

    def of(self, some: slice | Ints) -> "Way":
        """Return the way of some of the elements."""
        chip, core, mask = self.chip[some], self.core[some], self.mask[some]
        return Way(chip, core, mask, self.axon[some], self.slot[some])


class Ways:
    """The ways of a division whose regions have places; `output` is the chip of the host."""

    def __init__(
        self, division: Division, regions: Mapping[int, Region], output: tuple[int, int]
    ) -> None:
        self.division, self.regions, self.output = division, regions, output
        self._ways: dict[tuple[int, Segment, int], Way] = {}
        self._columns: dict[tuple[int, Segment], Ints] = {}
        self._spread: dict[tuple[Op, Destination], Way] = {}

    def of_piece(self, piece: Piece) -> Way:
        """Return where the neurons of a piece send."""
        division, op = self.division, piece.op
        to, mine = division.copies[op][piece.copy], division.mine(piece)
        if to.output < 0:
            return self._of_copy(op, to).of(mine)
        core = to.output + linear(*LIMITS.output_core)
        slot, axon = np.divmod(np.arange(division.populations.size(op))[mine], LIMITS.axons)
        same = np.ones_like(axon)
        return Way(linear(*self.output) * same, core * same, 0 * same, axon, slot)

    def _of_copy(self, op: Op, to: Destination) -> Way:
        """Return where each neuron of a copy goes; divided readers lie in several regions."""
        if len(to.groups) == 1:
            group = to.groups[0]
            return self.of_segment(group, self.division.segment(group, op, to.delay))
        if (op, to) not in self._spread:
            segment = self.division.segment(to.groups[0], op, to.delay)
            which = self.division.readers.chosen(op, to)
            self._spread[op, to] = self.among(to.groups, segment, which)
        return self._spread[op, to]

    def among(self, groups: Sequence[int], segment: Segment, which: Ints) -> Way:
        """Return where elements go, each in one of several regions: `which` has its number."""
        found = np.zeros((len(fields(Way)), len(which)), dtype=np.int64)
        for number, group in enumerate(groups):
            mine = np.flatnonzero(which == number)
            found[:, mine] = astuple(self._way(group, segment, mine), recurse=False)
        return Way(*found)

    def of_segment(self, group: int, segment: Segment, rank: int = 0) -> Way:
        """Return where each element of a segment goes in a region (paicore.md, section 5.1).

        What is sent several times goes to another place for each `rank`.
        """
        if (group, segment, rank) not in self._ways:
            self._ways[group, segment, rank] = self._way(group, segment, slice(None), rank)
        return self._ways[group, segment, rank]

    def _way(self, group: int, segment: Segment, some: slice | Ints, rank: int = 0) -> Way:
        region, arrival = self.regions[group], self.division.arrivals(group, segment)[rank]
        wide, values = self.division.extension(group), self.division.takes_values(group)
        slot, axon = np.divmod(arrival.axon[some] + region.axon, axons_of(values))
        return Way(
            np.full_like(axon, linear(*region.chip)),
            region.cores(arrival.base[some]),
            cores_at(arrival.mask[some]),
            axon * axon_step(values),
            # Slots count modulo the buffer; `schedule` keeps the wait itself within its depth.
            (slot + wide * (segment.delay - 1)) % LIMITS.slots,
        )

    def columns(self, group: int, segment: Segment, code: int) -> int | Ints:
        """Return the weight columns of a segment's elements in the core with a code.

        Of a whole source, the first one.
        """
        made, first = self.division.grids[group], self.regions[group].axon
        if isinstance(made, Whole):
            return made.first(segment) + first
        if isinstance(made, Scatter):
            return made.axons_at(segment, code) + first
        if (group, segment) not in self._columns:
            axon = made.arrival(segment).axon
            self._columns[group, segment] = axon + first if first else axon
        return self._columns[group, segment]
