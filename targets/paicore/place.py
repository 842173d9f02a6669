"""Pass `place`: regions become aligned blocks of cores, and the program takes the chip's shape.

Regions are laid along the quad tree (paicore.md, section 1.2), largest first, clear of the online
cores, chip after chip. Weights stay symbolic: a core's tensor is made when it is packed. Where
spikes go, and on which axon they land, is said by the region's `Grid`, element by element.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import frozen

from snnc.diagnostics import fail
from snnc.extend.passes import Context, Exactness, Pass
from snnc.ir.build import Builder
from snnc.ir.graph import Module, Op, Value
from snnc.ir.opset import Symbol
from snnc.ir.types import ELEMENTS, Type
from snnc.ir.weights import Array, Tensor
from snnc.targets.paicore.chip.frames import Ints, coordinate, linear
from snnc.targets.paicore.chip.geometry import axons_of
from snnc.targets.paicore.chip.regions import Region, Wish, allocate, core_at
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.mapping.hints import Laid
from snnc.targets.paicore.mapping.laid import Division
from snnc.targets.paicore.neurons.populations import RETURNED, Destination, Segment
from snnc.targets.paicore.ops import LEVEL, TABLES, WEIGHTS
from snnc.targets.paicore.placing.dense import Dense, Piece
from snnc.targets.paicore.placing.records import record_tables
from snnc.targets.paicore.placing.sending import Arriving, Sender
from snnc.targets.paicore.placing.ways import Ways

KEPT_BYTES = 1 << 25
"""Weights of all cores up to this size are made once and kept; larger ones each time anew."""


@frozen
class Place(Pass):
    """Give every region its cores and every neuron its record and destination."""

    name = "place"
    level = "int"
    to = LEVEL.name
    exactness = Exactness.EXACT
    rated = True

    def run(self, module: Module, context: Context) -> Module:
        """Return the placed module; needs what `schedule` and `group` wrote into `place`."""
        chips = [tuple(c) for c in context.hardware.get("chips", (LIMITS.target_chip,))]
        output = tuple(context.hardware.get("output_chip", LIMITS.output_chip))
        if output in chips:
            raise fail(
                "output-chip",
                f"the output chip {output} is one of the target chips {chips}",
                help="choose --output-chip outside the list of chips",
            )
        rates = None if context.rates is None else context.rates(module)
        return Placer(module, chips, output, rates).place()


class Placer:
    """Builds the placed module of one `int` module; `rates` are spikes by population and neuron."""

    def __init__(
        self,
        module: Module,
        chips: Sequence[tuple[int, int]],
        output: tuple[int, int],
        rates: Mapping[str, Ints] | None = None,
    ) -> None:
        self.module, self.chips, self.output = module, chips, output
        self.division = module.once(Division, Division)
        self.populations, self.hints = self.division.populations, self.division.hints
        self.copies, self.orders = self.division.copies, self.division.orders
        self.readers = self.division.readers
        self.cores, self.segments = self.division.cores, self.division.segments
        self.regions = self._regions(rates)
        self.ways = Ways(self.division, self.regions, output)
        kept = self.division.weight_bytes() <= KEPT_BYTES
        self.dense = Dense(self.populations, self.ways.columns, self.orders, kept)
        self.held = {
            (self.regions[g].chip_rank, self.regions[g].start | code): g
            for g, cores in self.cores.items()
            for code in cores
        }
        self.build = Builder(module.name, LEVEL.name, module.attrs, module.loc)
        self.layers: dict[tuple[Op, int], Value] = {}
        self.sender = Sender(self.build, self.ways)
        self.listed: dict[tuple[Op, int], Symbol | None] = {}

    def _regions(self, rates: Mapping[str, Ints] | None) -> dict[int, Region]:
        """Return the place of each region; of two there is nothing to choose."""
        wishes = [self._wish(g) for g in self.division.members]
        first = allocate(wishes, self.chips)
        if len(wishes) <= 2:
            return first
        from snnc.targets.paicore.placing.flows import flows
        from snnc.targets.paicore.placing.nearness import nearer

        return nearer(wishes, first, self.chips, flows(self.division, rates))

    def _pin(self, laid: Sequence[Laid]) -> int | None:
        ops = [each.share.op for each in laid]
        pinned = {op: int(h["chip"]) for op in ops if "chip" in (h := self.hints[op])}
        for op, chip in pinned.items():
            if chip >= len(self.chips):
                given = ", ".join(f"{n} is {x},{y}" for n, (x, y) in enumerate(self.chips))
                raise fail(
                    "bad-chip",
                    f"%{op.result.name} is pinned to chip {chip}, which is not in the list: "
                    f"{given}",
                    op.loc,
                    help="give more chips (--chip X,Y), or pin it to one of these",
                    exit_status=4,
                )
        return next(iter(pinned.values()), None)

    def _wish(self, group: int) -> Wish:
        """Return what a region needs of a chip."""
        return self.division.wish(group, self._pin(self.division.members[group]))

    def place(self) -> Module:
        """Return the placed module."""
        order = sorted(
            self.regions, key=lambda g: (self.regions[g].chip_rank, self.regions[g].start)
        )
        self._neurons([p for g in order for core in self.cores[g].values() for p in core])
        self.sender.send(self.module, order)
        self._announce_layers()
        self._make_cores(order)
        return self.build.finish(*self._make_outputs())

    def _neurons(self, pieces: Sequence[Piece]) -> None:
        tables = record_tables(self.module, [(p.op, self.division.mine(p)) for p in pieces])
        tables |= self._destination_tables(pieces)
        symbols = [
            self.build.weight(
                f"neuron.{name}", tables[name].astype(ELEMENTS[e].storage), ELEMENTS[e]
            )
            for name, e in TABLES.items()
        ]
        self.build.emit("neurons", symbols, {})

    def _destination_tables(self, pieces: Sequence[Piece]) -> dict[str, Array]:
        """Return chip, core, mask, axon and slot of every neuron record."""
        ways = [self.ways.of_piece(piece) for piece in pieces]
        return {
            name: np.concatenate([getattr(way, name) for way in ways])
            for name in ("chip", "core", "mask", "axon", "slot")
        }

    def _announce_layers(self) -> None:
        for op in self.populations.ops:
            phase = self.hints[op]["start"]
            for copy in range(len(self.copies[op])):
                name = op.result.name + (f".{copy}" if copy else "")
                shape, count = op.result.type.shape, self.division.count(op, copy)
                if count < self.populations.size(op):
                    shape = (count,)
                made = Type(op.result.type.element, shape, phase)
                self.layers[op, copy] = self.build.forward(name, made, op.loc)

    def _make_cores(self, order: Sequence[int]) -> None:
        row, parts = 0, dict[tuple[Op, int], list[tuple[Piece, Value, int]]]()
        left = {(op, copy): self.division.count(op, copy) for op, copy in self.layers}
        feeding = {group: self._feeding(group) for group in order}
        for group in order:
            region = self.regions[group]
            for code, pieces in self.cores[group].items():
                reads = self._reads(feeding, region.chip_rank, region.start | code)
                result = self._make_core(group, code, pieces, reads, row)
                start = 0
                for piece in pieces:
                    key, size = (piece.op, piece.copy), piece.last - piece.first
                    parts.setdefault(key, []).append((piece, result, start))
                    start, left[key] = start + size, left[key] - size
                row += start
                for piece in pieces:
                    if not left.get((piece.op, piece.copy), 1):
                        del left[piece.op, piece.copy]
                        self._make_layer(piece.op, piece.copy, parts[piece.op, piece.copy])
            self._make_idle(group)

    def _reads(
        self,
        feeding: Mapping[int, Sequence[Arriving]],
        rank: int,
        place: int,
    ) -> list[Value]:
        """Return what comes to a core; regions that share a block may reach cores of each other."""
        return [
            value
            for group, found in feeding.items()
            if (region := self.regions[group]).chip_rank == rank
            and region.start <= place < region.start + region.size
            for value, reached in found
            if reached[place - region.start]
        ]

    def _feeding(self, group: int) -> list[Arriving]:
        """Return what reaches a region, inputs and layers in text order, and which codes."""
        inputs, layers = list[Arriving](), []
        for segment in self.segments[group]:
            source = self.populations.by_value.get(segment.source)
            if source is not None:
                layers += self._arriving(group, source, segment)
                continue
            inputs += self.sender.inputs[group, segment]
        return inputs + layers

    def _arriving(self, group: int, source: Op, segment: Segment) -> list[Arriving]:
        """Return the copies of a population that send to a region, and the codes they reach."""
        found = []
        for copy, to in enumerate(self.copies[source]):
            if group in to.groups and to.delay == segment.delay:
                some: slice | Ints = slice(None)
                if to.reader is not None:
                    mine = self.readers.chosen(source, to) == to.groups.index(group)
                    needed = self.readers.some(source, to)
                    some = np.flatnonzero(mine if needed is None else mine & needed)
                reached = self.division.grids[group].reached_by(segment, some)
                found.append((self.layers[source, copy], reached))
        return found

    def _make_core(
        self, group: int, code: int, pieces: Sequence[Piece], feeding: Sequence[Value], row: int
    ) -> Value:
        region, one = self.regions[group], pieces[0]
        bits = max(self.division.bits(piece) for piece in pieces)
        count = sum(p.last - p.first for p in pieces)
        core = core_at(region.start | code)
        form = self.populations.form(one.op)
        columns = axons_of(form.wide) * self.division.extension(group)
        element = ELEMENTS[WEIGHTS[bits]]
        weights = Tensor(
            Type(element, (count, columns)),
            make=lambda: self.dense.core(group, code, pieces, columns).view(element.storage),
            keep=self.dense.keeps(pieces),
        )
        name = f"{linear(*region.chip)}.{core}"
        attrs = {
            **self._mode(one),
            "at": (*region.chip, *coordinate(core)),
            "bits": bits,
            "neurons": (row, count),
        }
        symbol = self.build.weight(f"w.{name}", weights)
        return self.build.op("core", symbol, *feeding, name=f"c{name}", loc=one.op.loc, **attrs)

    def _mode(self, one: Piece) -> dict[str, Any]:
        """Return what all pieces of a core agree in, from one of them."""
        op, to, form = one.op, self.copies[one.op][one.copy], self.populations.form(one.op)
        outward = to.output >= 0
        return {
            "extension": self.hints[op]["extension"],
            "wide": form.wide,
            "values": form.values,
            "keep": form.keep,
            "pool": form.pool,
            "target_extension": self.populations.blocks(op)
            if outward
            else self.division.extension(to.groups[0]),
            "start": 1 + self.hints[op]["start"] + op["first"],
            "ticks": op["ticks"],
            "first": op["first"],
            "test_chip": self.output,
        }

    def _make_layer(self, op: Op, copy: int, parts: Sequence[tuple[Piece, Value, int]]) -> None:
        rank = {share: number for number, share in enumerate(self.division.shares[op])}
        by_place = sorted(parts, key=lambda part: (rank[part[0].share], part[0].first))
        cores = [core for _, core, _ in by_place]
        pieces = tuple((start, start + p.last - p.first) for p, _, start in by_place)
        whole = all(b - a == c.type.size for (a, b), c in zip(pieces, cores, strict=True))
        later = self.layers[op, copy]
        attrs = {
            "of": op.result.name,
            "shape": op.result.type.shape,
            "copy": copy,
            "delay": self.copies[op][copy].delay,
            "unit": self.hints[op].get("unit", ()),
            "zero": self.hints[op].get("zero", ()),
            "pieces": None if whole else pieces,
            "order": self._order(op, copy),
        }
        made = self.build.emit("layer", cores, attrs, loc=op.loc, names=[later.name])
        self.build.bind(later, made.result)

    def _order(self, op: Op, copy: int) -> Symbol | None:
        """Return the weight that lists the neurons of a copy as cores have them, if not in order.

        Copies of all neurons share it.
        """
        whole = self.readers.some(op, self.copies[op][copy]) is None
        number = 0 if whole else copy
        if (op, number) not in self.listed:
            orders = [self.orders.get((share, copy)) for share in self.division.shares[op]]
            known = [order for order in orders if order is not None]
            order = np.concatenate(known) if known else None
            if order is None or (whole and np.array_equal(order, np.arange(len(order)))):
                self.listed[op, number] = None
            else:
                kind = np.uint16 if self.populations.size(op) <= 1 << 16 else np.int32
                name = f"{op.result.name}.order" + (f".{number}" if number else "")
                self.listed[op, number] = self.build.weight(name, order.astype(kind))
        return self.listed[op, number]

    def _make_idle(self, group: int) -> None:
        """Announce the cores that frames of a region reach and nobody uses, once."""
        region = self.regions[group]
        for code in np.flatnonzero(self.division.grids[group].reached).tolist():
            place = (region.chip_rank, region.start | code)
            if place not in self.held:
                self.held[place] = group
                at = (*region.chip, *coordinate(core_at(place[1])))
                self.build.emit("idle", (), {"at": at, "test_chip": self.output})

    def _make_outputs(self) -> list[Value]:
        made = []
        for number, value in enumerate(self.module.graph.outputs):
            op = self.populations.output_population(value)
            copy = self.copies[op].index(Destination(output=number))
            core = coordinate(number + linear(*LIMITS.output_core))
            attrs = {
                "of": self.populations.hint(op).get(RETURNED, value.name),
                "node": number,
                "chip": self.output,
                "core": core,
                "blocks": self.populations.blocks(op),
                "shape": () if value.type.shape == op.result.type.shape else value.type.shape,
            }
            made.append(
                self.build.op(
                    "output",
                    self.layers[op, copy],
                    name=f"{value.name}.out",
                    loc=value.loc,
                    **attrs,
                )
            )
        return made
