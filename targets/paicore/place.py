"""Pass `place`: regions become aligned blocks of cores, and the program takes the chip's shape.

Regions are laid along the quad tree (paicore.md, section 1.2), largest first, clear of the online
cores, chip after chip. Weights stay symbolic: a core's tensor is made when it is packed. Where
spikes go, and on which axon they land, is said by the region's `Grid`, element by element.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import astuple, frozen
from numpy.typing import NDArray

from snnc.diagnostics import fail
from snnc.extend.passes import Context, Exactness, Pass
from snnc.ir.build import Builder
from snnc.ir.graph import Module, Op, Value
from snnc.ir.opset import Symbol
from snnc.ir.types import ELEMENTS, U1, U8, Type
from snnc.ir.weights import Array, Tensor
from snnc.targets.paicore.dense import Dense, Piece
from snnc.targets.paicore.distinct import distinct
from snnc.targets.paicore.frames import Ints, coordinate, linear
from snnc.targets.paicore.geometry import axon_step, axons_of
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.ops import LEVEL, TABLES, WEIGHTS
from snnc.targets.paicore.populations import Destination, Populations, Segment, blocks
from snnc.targets.paicore.records import record_tables
from snnc.targets.paicore.regions import Wish, allocate, core_at, cores_at
from snnc.targets.paicore.tiling.axis import width
from snnc.targets.paicore.tiling.grid import Grid
from snnc.targets.paicore.tiling.plan import grid, tile_shape

KEPT_BYTES = 1 << 22
"""Weights of all cores up to this size are made once and kept; larger ones each time anew."""


@frozen
class Place(Pass):
    """Give every region its cores and every neuron its record and destination."""

    name = "place"
    level = "int"
    to = LEVEL.name
    exactness = Exactness.EXACT

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
        return Placer(module, chips, output).place()


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
        return Way(*(table[some] for table in astuple(self, recurse=False)))


class Placer:
    """Builds the placed module of one `int` module."""

    def __init__(self, module: Module, chips: Sequence[tuple[int, int]], output: tuple[int, int]):
        self.module, self.chips, self.output = module, chips, output
        self.populations = Populations(module)
        if not self.populations.ops:
            raise fail(
                "nothing-to-place",
                "no neuron reaches an output of the network",
                module.loc,
                help="return the spikes that the host should receive",
            )
        self.hints = {op: self._hint(op) for op in self.populations.ops}
        self.group_of = {op: hint["group"] for op, hint in self.hints.items()}
        self.copies = self.populations.destinations(self.group_of)
        self.members: dict[int, list[Op]] = {}
        for op, group in self.group_of.items():
            self.members.setdefault(group, []).append(op)
        self.cores = {g: self._cores_of(ops) for g, ops in self.members.items()}
        self.segments = {g: self.populations.segments(ops) for g, ops in self.members.items()}
        self.grids = {g: self._grid(g, ops) for g, ops in self.members.items()}
        self.orders = {
            op: self.grids[self.group_of[op]].order(tile_shape(self.populations, op, tile))[0]
            for op in self.populations.ops
            if (tile := self.hints[op].get("tile")) is not None
        }
        kept = self._weight_bytes() <= KEPT_BYTES
        self.dense = Dense(self.populations, self._columns, self.orders, kept)
        self.regions = allocate([self._wish(g) for g in self.members], chips)
        self.held = {
            (self.regions[g].chip_rank, self.regions[g].start | code): g
            for g, cores in self.cores.items()
            for code in cores
        }
        self.ways: dict[tuple[int, Segment], Way] = {}
        self.build = Builder(module.name, LEVEL.name, module.attrs, module.loc)
        self.layers: dict[tuple[Op, int], Value] = {}
        self.inputs: dict[tuple[int, Segment], Value] = {}
        self.listed: dict[Op, Symbol] = {}

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

    def _pin(self, ops: Sequence[Op]) -> int | None:
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

    def _cores_of(self, ops: Sequence[Op]) -> dict[int, list[Piece]]:
        """Return the pieces of every core of a region, by the core's code."""
        cores: dict[int, list[Piece]] = {}
        for op in ops:
            for core, first, last, copy in self.hints[op]["slices"]:
                cores.setdefault(core, []).append(Piece(op, copy, first, last))
        return {code: cores[code] for code in sorted(cores)}

    def _grid(self, group: int, ops: Sequence[Op]) -> Grid:
        """Return the geometry of a region, as `group` chose it."""
        hint = self.hints[ops[0]]
        split = hint["split"] if "split" in hint else width(len(self.cores[group]))
        return grid(self.populations, ops, hint.get("tile"), split)

    def _wish(self, group: int) -> Wish:
        """Return what a region needs of a chip."""
        made = self.grids[group]
        used = np.zeros(1 << made.bits, dtype=bool)
        used[list(self.cores[group])] = True
        wide, values = self._extension(group), self._takes_values(group)
        kind = wide << 1 | values
        room = wide * axons_of(values)
        pin = self._pin(self.members[group])
        return Wish(group, made.reached | used, used, kind, made.axons, room, pin)

    def place(self) -> Module:
        """Return the placed module."""
        order = sorted(
            self.regions, key=lambda g: (self.regions[g].chip_rank, self.regions[g].start)
        )
        self._neurons([p for g in order for core in self.cores[g].values() for p in core])
        self._make_inputs(order)
        self._announce_layers()
        self._make_cores(order)
        return self.build.finish(*self._make_outputs())

    def _neurons(self, pieces: Sequence[Piece]) -> None:
        spans = [(piece.op, piece.first, piece.last) for piece in pieces]
        tables = record_tables(self.module, spans, self.orders)
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
        ways = [self._way_of(piece) for piece in pieces]
        return {
            name: np.concatenate([getattr(way, name) for way in ways])
            for name in ("chip", "core", "mask", "axon", "slot")
        }

    def _way_of(self, piece: Piece) -> "Way":
        """Return where the neurons of a piece send."""
        to = self.copies[piece.op][piece.copy]
        mine: slice | Ints = slice(piece.first, piece.last)
        if piece.op in self.orders:
            mine = self.orders[piece.op][mine]
        if to.output < 0:
            source = piece.op.result
            segment = next(
                s for s in self.segments[to.group] if s.source is source and s.delay == to.delay
            )
            return self._way(to.group, segment).of(mine)
        core = to.output + linear(*LIMITS.output_core)
        slot, axon = np.divmod(np.arange(self.populations.size(piece.op))[mine], LIMITS.axons)
        same = np.ones_like(axon)
        return Way(linear(*self.output) * same, core * same, 0 * same, axon, slot)

    def _way(self, group: int, segment: Segment) -> "Way":
        """Return where each element of a segment goes (section 5.1)."""
        if (group, segment) in self.ways:
            return self.ways[group, segment]
        region, arrival = self.regions[group], self.grids[group].arrival(segment)
        wide, values = self._extension(group), self._takes_values(group)
        slot, axon = np.divmod(arrival.axon + region.axon, axons_of(values))
        self.ways[group, segment] = Way(
            np.full_like(axon, linear(*region.chip)),
            region.cores(arrival.base),
            cores_at(arrival.mask),
            axon * axon_step(values),
            # Slots count modulo the buffer; `schedule` keeps the wait itself within its depth.
            (slot + wide * (segment.delay - 1)) % LIMITS.slots,
        )
        return self.ways[group, segment]

    def _extension(self, group: int) -> int:
        return int(self.hints[self.members[group][0]]["extension"])

    def _takes_values(self, group: int) -> bool:
        """Whether the cores of a region have 8-bit input."""
        return self.populations.form(self.members[group][0]).wide

    def _columns(self, group: int, segment: Segment) -> int | Ints:
        """Return the weight columns of a segment's elements; of a whole source, the first one."""
        axon = self.grids[group].arrival(segment).axon + self.regions[group].axon
        tiled = "tile" in self.hints[self.members[group][0]]
        return axon if tiled else int(axon[0])

    def _make_inputs(self, order: Sequence[int]) -> None:
        # An input that nobody reads stays: it is part of the interface, and gets no frames.
        found = {
            v: None for v in self.module.graph.inputs if v.type.timed and v.type.element in (U1, U8)
        }
        found |= {
            s.source: None
            for g in sorted(self.segments)
            for s in self.segments[g]
            if s.source not in self.populations.by_value
        }
        values = {
            source: self.build.input(
                source.name, Type(source.type.element, source.type.shape, 0), source.loc
            )
            for source in self._in_text_order(found)
        }
        counts = dict.fromkeys(values, 0)
        for group in order:
            for segment in self.segments[group]:
                if segment.source in values:
                    self._make_input(group, segment, values[segment.source], counts)

    def _in_text_order(self, found: Mapping[Value, None]) -> list[Value]:
        graph = self.module.graph
        return [
            v for v in (*graph.inputs, *(r for op in graph.ops for r in op.results)) if v in found
        ]

    def _make_input(
        self, group: int, segment: Segment, value: Value, counts: dict[Value, int]
    ) -> None:
        name = f"{value.name}.{counts[segment.source]}"
        counts[segment.source] += 1
        way = self._way(group, segment)
        symbols = (
            self.build.weight(f"{name}.axon", way.axon.astype(np.uint16)),
            self.build.weight(f"{name}.slot", way.slot.astype(np.uint8)),
        )
        to, which = distinct(np.stack([way.core, way.mask]))
        attrs = {
            "chip": self.regions[group].chip,
            "core": tuple(n for core in to[0].tolist() for n in coordinate(core)),
            "mask": tuple(n for mask in to[1].tolist() for n in coordinate(mask)),
            "first": segment.first,
            "extension": self._extension(group),
        }
        if to.shape[1] > 1:
            attrs["region"] = self.build.weight(f"{name}.region", which.astype(np.uint16))
        op = self.build.emit("input", (value, *symbols), attrs, loc=value.loc, names=[name])
        self.inputs[group, segment] = op.result

    def _announce_layers(self) -> None:
        for op in self.populations.ops:
            phase = self.hints[op]["start"]
            for copy in range(len(self.copies[op])):
                name = op.result.name + (f".{copy}" if copy else "")
                self.layers[op, copy] = self.build.forward(
                    name, Type(op.result.type.element, op.result.type.shape, phase), op.loc
                )

    def _make_cores(self, order: Sequence[int]) -> None:
        row, parts = 0, dict[tuple[Op, int], list[tuple[Piece, Value, int]]]()
        left = {(op, copy): self.populations.size(op) for op, copy in self.layers}
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
        feeding: Mapping[int, Sequence[tuple[Value, NDArray[np.bool_]]]],
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

    def _feeding(self, group: int) -> list[tuple[Value, NDArray[np.bool_]]]:
        """Return what reaches a region, inputs and layers in text order, and which codes."""
        inputs, layers = [], []
        for segment in self.segments[group]:
            reached = self.grids[group].reached_by(segment)
            source = self.populations.by_value.get(segment.source)
            if source is None:
                inputs.append((self.inputs[group, segment], reached))
                continue
            copy = self.copies[source].index(Destination(group, segment.delay))
            layers.append((self.layers[source, copy], reached))
        return inputs + layers

    def _make_core(
        self, group: int, code: int, pieces: Sequence[Piece], feeding: Sequence[Value], row: int
    ) -> Value:
        region, hint = self.regions[group], self.hints[pieces[0].op]
        bits = max(self.hints[p.op]["bits"] for p in pieces)
        count = sum(p.last - p.first for p in pieces)
        core = core_at(region.start | code)
        op, to = pieces[0].op, self.copies[pieces[0].op][pieces[0].copy]
        wide = hint["extension"]
        target = blocks(self.populations.size(op)) if to.output >= 0 else self._extension(to.group)
        form = self.populations.form(op)
        columns = axons_of(form.wide) * wide
        weights = Tensor(
            Type(ELEMENTS[WEIGHTS[bits]], (count, columns)),
            make=lambda: self.dense.core(group, pieces, columns),
            keep=self.dense.kept,
        )
        name = f"{linear(*region.chip)}.{core}"
        attrs = {
            "at": (*region.chip, *coordinate(core)),
            "bits": bits,
            "extension": wide,
            "wide": form.wide,
            "values": form.values,
            "keep": form.keep,
            "pool": form.pool,
            "target_extension": target,
            "start": 1 + hint["start"] + op["first"],
            "ticks": op["ticks"],
            "first": op["first"],
            "neurons": (row, count),
            "test_chip": self.output,
        }
        made = self.build.emit(
            "core",
            (self.build.weight(f"w.{name}", weights), *feeding),
            attrs,
            loc=op.loc,
            names=[f"c{name}"],
        )
        return made.result

    def _weight_bytes(self) -> int:
        """Return the size of the dense weights of all cores."""
        return sum(
            axons_of(self.populations.form(piece.op).wide)
            * int(self.hints[piece.op]["extension"])
            * (piece.last - piece.first)
            for cores in self.cores.values()
            for pieces in cores.values()
            for piece in pieces
        )

    def _make_layer(self, op: Op, copy: int, parts: Sequence[tuple[Piece, Value, int]]) -> None:
        ordered = sorted(parts, key=lambda part: part[0].first)
        cores = [core for _, core, _ in ordered]
        pieces = tuple((start, start + p.last - p.first) for p, _, start in ordered)
        whole = all(b - a == c.type.size for (a, b), c in zip(pieces, cores, strict=True))
        later = self.layers[op, copy]
        attrs = {
            "of": op.result.name,
            "shape": op.result.type.shape,
            "copy": copy,
            "delay": self.copies[op][copy].delay,
            "unit": self.hints[op].get("unit", ()),
            "pieces": None if whole else pieces,
            "order": self._order(op),
        }
        made = self.build.emit("layer", cores, attrs, loc=op.loc, names=[later.name])
        self.build.bind(later, made.result)

    def _order(self, op: Op) -> Symbol | None:
        """Return the weight that lists the neurons of a layer in tiles; copies share it."""
        if op in self.orders and op not in self.listed:
            order = self.orders[op]
            kind = np.uint16 if len(order) <= 1 << 16 else np.int32
            self.listed[op] = self.build.weight(f"{op.result.name}.order", order.astype(kind))
        return self.listed.get(op)

    def _make_idle(self, group: int) -> None:
        """Announce the cores that frames of a region reach and nobody uses, once."""
        region = self.regions[group]
        for code in np.flatnonzero(self.grids[group].reached).tolist():
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
                "of": value.name,
                "node": number,
                "chip": self.output,
                "core": core,
                "blocks": blocks(self.populations.size(op)),
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
