"""Pass `place`: regions become aligned blocks of cores, and the program takes the chip's shape.

Regions are laid along the quad tree (paicore.md, section 1.2), largest first, clear of the online
cores, chip after chip. Weights stay symbolic: a core's tensor is made when it is packed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.diagnostics import fail
from snnc.extend.passes import Context, Exactness, Pass
from snnc.ir.build import Builder
from snnc.ir.graph import Module, Op, Value
from snnc.ir.types import ELEMENTS, U1, U8, Type
from snnc.ir.weights import Array, Tensor
from snnc.targets.paicore.dense import Dense, Piece
from snnc.targets.paicore.frames import coordinate, linear
from snnc.targets.paicore.geometry import axon_step, axons_of
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.ops import LEVEL, TABLES, WEIGHTS
from snnc.targets.paicore.populations import Destination, Populations, Segment, blocks
from snnc.targets.paicore.records import record_tables
from snnc.targets.paicore.regions import allocate

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


class Placer:
    """Builds the placed module of one `int` module."""

    def __init__(self, module: Module, chips: Sequence[tuple[int, int]], output: tuple[int, int]):
        self.module, self.output = module, output
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
        self.dense = Dense(self.populations, self._offset, self._weight_bytes() <= KEPT_BYTES)
        self.regions = allocate(
            [(g, len(self.cores[g]), self._pin(ops)) for g, ops in self.members.items()], chips
        )
        self.segments = {g: self.populations.segments(ops) for g, ops in self.members.items()}
        self.build = Builder(module.name, LEVEL.name, module.attrs, module.loc)
        self.layers: dict[tuple[Op, int], Value] = {}
        self.inputs: dict[tuple[int, Segment], Value] = {}

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
        pins = {h["chip"] for op in ops if "chip" in (h := self.hints[op])}
        return int(pins.pop()) if pins else None

    def _cores_of(self, ops: Sequence[Op]) -> list[list[Piece]]:
        """Return the pieces of every core of a region."""
        cores: dict[int, list[Piece]] = {}
        for op in ops:
            for core, first, last, copy in self.hints[op]["slices"]:
                cores.setdefault(core, []).append(Piece(op, copy, first, last))
        return [cores[number] for number in range(len(cores))]

    def place(self) -> Module:
        """Return the placed module."""
        order = sorted(
            self.regions, key=lambda g: (self.regions[g].chip_rank, self.regions[g].start)
        )
        self._neurons([piece for g in order for core in self.cores[g] for piece in core])
        self._make_inputs(order)
        self._announce_layers()
        self._make_cores(order)
        return self.build.finish(*self._make_outputs())

    def _neurons(self, pieces: Sequence[Piece]) -> None:
        tables = record_tables(self.module, [(p.op, p.first, p.last) for p in pieces])
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
        regions, axons, slots = [], [], []
        for piece in pieces:
            element = np.arange(piece.first, piece.last)
            to = self.copies[piece.op][piece.copy]
            region, axon, slot = self._arrival(piece, to, element)
            regions.append(region)
            axons.append(axon)
            slots.append(slot)
        each = np.repeat(np.array(regions), [p.last - p.first for p in pieces], axis=0)
        table = dict(zip(("chip", "core", "mask"), each.T, strict=True))
        return table | {"axon": np.concatenate(axons), "slot": np.concatenate(slots)}

    def _arrival(
        self, piece: Piece, to: Destination, element: NDArray[np.int64]
    ) -> tuple[tuple[int, int, int], NDArray[np.int64], NDArray[np.int64]]:
        if to.output >= 0:
            core = to.output + linear(*LIMITS.output_core)
            slot, axon = np.divmod(element, LIMITS.axons)
            return (linear(*self.output), core, 0), axon, slot
        source = piece.op.result
        segment = next(
            s for s in self.segments[to.group] if s.source is source and s.delay == to.delay
        )
        axon, slot = self._axons(to.group, segment, element)
        region = self.regions[to.group]
        return (linear(*region.chip), region.base, region.mask), axon, slot

    def _axons(
        self, group: int, segment: Segment, element: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return axon and slot (tick_relative) of a segment's elements (section 5.1)."""
        place = self._offset(group, segment) + element
        wide = self.hints[self.members[group][0]]["extension"]
        values = self._takes_values(group)
        slot, axon = np.divmod(place, axons_of(values))
        # Slots count modulo the buffer; `schedule` keeps the wait itself within its depth.
        return axon * axon_step(values), (slot + wide * (segment.delay - 1)) % LIMITS.slots

    def _takes_values(self, group: int) -> bool:
        """Whether the cores of a region have 8-bit input."""
        return self.populations.form(self.members[group][0]).wide

    def _offset(self, group: int, segment: Segment) -> int:
        offset = 0
        for other in self.segments[group]:
            if other == segment:
                break
            offset += other.source.type.size
        return offset

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
        axon, slot = self._axons(group, segment, np.arange(value.type.size))
        region = self.regions[group]
        symbols = (
            self.build.weight(f"{name}.axon", axon.astype(np.uint16)),
            self.build.weight(f"{name}.slot", slot.astype(np.uint8)),
        )
        attrs = {
            "chip": region.chip,
            "core": coordinate(region.base),
            "mask": coordinate(region.mask),
            "first": segment.first,
            "extension": self.hints[self.members[group][0]]["extension"],
        }
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
        for group in order:
            feeding = self._feeding(group)
            for number, pieces in enumerate(self.cores[group]):
                result = self._make_core(group, number, pieces, feeding, row)
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

    def _feeding(self, group: int) -> list[Value]:
        """Return what reaches a region: its inputs in text order, then layers in text order."""
        inputs, layers = [], []
        for segment in self.segments[group]:
            source = self.populations.by_value.get(segment.source)
            if source is None:
                inputs.append(self.inputs[group, segment])
                continue
            copy = self.copies[source].index(Destination(group, segment.delay))
            layers.append(self.layers[source, copy])
        return inputs + layers

    def _make_core(
        self, group: int, number: int, pieces: Sequence[Piece], feeding: Sequence[Value], row: int
    ) -> Value:
        region, hint = self.regions[group], self.hints[pieces[0].op]
        bits = max(self.hints[p.op]["bits"] for p in pieces)
        count = sum(p.last - p.first for p in pieces)
        core = region.core(number)
        op, to = pieces[0].op, self.copies[pieces[0].op][pieces[0].copy]
        wide = hint["extension"]
        target = (
            blocks(self.populations.size(op))
            if to.output >= 0
            else self.hints[self.members[to.group][0]]["extension"]
        )
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
            for pieces in cores
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
        }
        made = self.build.emit("layer", cores, attrs, loc=op.loc, names=[later.name])
        self.build.bind(later, made.result)

    def _make_idle(self, group: int) -> None:
        region = self.regions[group]
        for number in range(len(self.cores[group]), region.size):
            at = (*region.chip, *coordinate(region.core(number)))
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
