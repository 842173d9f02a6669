"""What the host sends: a way into each region that reads an input, one op each.

An element goes to every region that reads it, one after another; to the boxes of one layer it goes
in as many turns as boxes read one element.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from snnc.ir.build import Builder
from snnc.ir.graph import Module, Value
from snnc.ir.types import U1, U8, Type
from snnc.targets.paicore.chip.distinct import distinct
from snnc.targets.paicore.chip.frames import coordinate
from snnc.targets.paicore.neurons.populations import Segment
from snnc.targets.paicore.placing.ways import Way, Ways

Arriving = tuple[Value, NDArray[np.bool_]]
"""What reaches a region, and which codes of it."""


class Sender:
    """Adds the inputs to a placed module; `inputs` are those of each region and segment.

    Args:
        build: of the module.
        ways: of its division, whose regions have places.
    """

    def __init__(self, build: Builder, ways: Ways) -> None:
        self.build, self.ways, self.division = build, ways, ways.division
        self.inputs: dict[tuple[int, Segment], list[Arriving]] = {}

    def send(self, module: Module, order: Sequence[int]) -> None:
        """Add the inputs of a module, and what each sends to regions in some order."""
        # An input that nobody reads stays: it is part of the interface, and gets no frames.
        found = {
            v: None for v in module.graph.inputs if v.type.timed and v.type.element in (U1, U8)
        }
        found |= {
            s.source: None
            for g in sorted(self.division.segments)
            for s in self.division.segments[g]
            if s.source not in self.division.populations.by_value
        }
        values = {
            source: self.build.input(
                source.name, Type(source.type.element, source.type.shape, 0), source.loc
            )
            for source in _in_text_order(module, found)
        }
        counts = dict.fromkeys(values, 0)
        for group in order:
            for segment in self.division.segments[group]:
                if segment.source not in values:
                    continue
                value = values[segment.source]
                if self.division.members[group][0].share.box:
                    self._send_to_boxes(group, segment, value, counts)
                    continue
                reached = self.division.reached_by(group, segment)
                self.inputs[group, segment] = [
                    (self._make_input(group, segment, way, value, counts), codes)
                    for rank, codes in enumerate(reached)
                    for way in [self.ways.of_segment(group, segment, rank)]
                ]

    def _send_to_boxes(
        self, group: int, segment: Segment, value: Value, counts: dict[Value, int]
    ) -> None:
        """Send an input to the boxes of a layer on the chip of one of them, with the first one.

        In each turn an element goes to one box that reads it; where none is left, to an axon
        without weights of another.
        """
        laid = self.division.laid[self.division.members[group][0].share.op]
        chip = self.ways.regions[group].chip_rank
        here = [n for n, each in enumerate(laid) if self.ways.regions[each.group].chip_rank == chip]
        groups = [laid[number].group for number in here]
        if any((other, segment) in self.inputs for other in groups):
            return
        for other in groups:
            self.inputs[other, segment] = []
        for which in self.division.readers.turns(laid[0].share.op, segment, here):
            way = self.ways.among(groups, segment, which)
            made = self._make_input(group, segment, way, value, counts)
            for number, other in enumerate(groups):
                mine = np.flatnonzero(which == number)
                if mine.size:
                    codes = self.division.grids[other].reached_by(segment, mine)
                    self.inputs[other, segment].append((made, codes))

    def _make_input(
        self, group: int, segment: Segment, way: Way, value: Value, counts: dict[Value, int]
    ) -> Value:
        name = f"{value.name}.{counts[segment.source]}"
        counts[segment.source] += 1
        symbols = (
            self.build.weight(f"{name}.axon", way.axon.astype(np.uint16)),
            self.build.weight(f"{name}.slot", way.slot.astype(np.uint8)),
        )
        to, which = distinct(np.stack([way.core, way.mask]))
        attrs = {
            "chip": self.ways.regions[group].chip,
            "core": tuple(n for core in to[0].tolist() for n in coordinate(core)),
            "mask": tuple(n for mask in to[1].tolist() for n in coordinate(mask)),
            "first": segment.first,
            "extension": self.division.extension(group),
        }
        if to.shape[1] > 1:
            attrs["region"] = self.build.weight(f"{name}.region", which.astype(np.uint16))
        op = self.build.emit("input", (value, *symbols), attrs, loc=value.loc, names=[name])
        return op.result


def _in_text_order(module: Module, found: Mapping[Value, None]) -> list[Value]:
    graph = module.graph
    return [v for v in (*graph.inputs, *(r for op in graph.ops for r in op.results)) if v in found]
