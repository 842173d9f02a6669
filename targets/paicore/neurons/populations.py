"""Populations and what they read: the view of an `int` module that scheduling and mapping share.

A population is one neuron op. It reads segments: all spikes of one source that arrive with one
delay of the chip. A tick of the program is a core's local step, so a source's k-th spike is read at
the reader's local step k + chip delay - 1, whatever their start ticks (paicore.md, section 5.2):

    chip delay = n + 1 - first(reader) + first(source),  n being the delay in the program.

Slots count modulo the buffer, so a delay below 1 is one too: of a source that sends nothing before
its reader may hear it.

An input has first 0; the host sends its tick k for the reader's local step k + n - first(reader)
and drops what would come before step 0.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from attrs import frozen

from snnc.diagnostics import fail, nearest
from snnc.ir.adjoints import POOLS
from snnc.ir.graph import Module, Op, Value
from snnc.ir.synapses import CHUNK, Edge, Synapses
from snnc.ir.types import U1, U8, smallest_weight
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.chip.geometry import axons_of
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.neurons.widths import widths
from snnc.targets.paicore.tiling.reach import Reach, reaches

HINTS: Mapping[str, Sequence[int]] = {
    "start": range(LIMITS.max_tick + 1),
    "chip": range(LIMITS.side**2),
    "bits": LIMITS.weight_bits,
    "unroll": range(1, LIMITS.routing_group + 1),
    "group": range(1 << 31),
    "extension": [1 << lcn for lcn in range(LIMITS.max_lcn + 1)],
    "split": range(LIMITS.routing_group.bit_length()),
    "mixed": range(2),
    "quiet": range(1 << 31),
    "blocks": [1 << lcn for lcn in range(LIMITS.max_lcn + 1)],
}
"""Whole numbers that a neuron's `place` may hold.

`start`, `chip`, `bits` (the least of each weight) and `unroll` (over how many times the cores that
it needs a population is spread) are for users to give.
"""

LISTS = ("boxes", "codes", "patches", "shares", "slices", "tile", "unit", "zero")
"""What else it holds between the passes."""


RETURNED = "returned"
"""The output that a relay sends, which has the name of another population."""

QUIET = "quiet"
"""The tick before which a population sends nothing, where it begins to work earlier."""


def _check_hint(op: Op, key: str, value: Any) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    listed = key in LISTS and isinstance(value, tuple)
    if listed or (key == RETURNED and isinstance(value, str)):
        return
    if whole and value in HINTS.get(key, ()):
        return
    if key in HINTS:
        allowed = HINTS[key]
        ends = f"{allowed[0]}..{allowed[-1]}" if isinstance(allowed, range) else f"{[*allowed]}"
        why, help = f"not one of {ends}", "give start, chip, bits and unroll, and leave the rest"
    else:
        why, help = "which no pass reads", nearest(key, [*HINTS, *LISTS])
    raise fail(
        "bad-place", f"%{op.result.name}: place has {key} = {value!r}, {why}", op.loc, help=help
    )


@frozen
class Segment:
    """The spikes of one source as one region of cores receives them.

    `delay` is the chip's (1: read at the same local step; less: at an earlier one); `first` is the
    tick of an input that the readers' local step 0 takes (0 for neurons). Equal segments share
    their axons.
    """

    source: Value
    delay: int
    first: int = 0


@frozen
class Destination:
    """Where one physical copy of a population sends: a region of readers, or an output node.

    A `reader` that is divided lies in several regions. A neuron that n of them read is then needed
    in n copies, one for each: copy `rank` of it sends to its region number `rank`.
    """

    groups: tuple[int, ...] = ()
    delay: int = 1
    output: int = -1
    rank: int = 0
    reader: Op | None = None


@frozen
class Form:
    """What a core is told once for all its neurons: its mode.

    `wide` cores take values of eight bits, others spikes; `values` are sent, or spikes; potentials
    are kept, or begin each tick at 0; with `pool` the largest value counts, not the sum.
    """

    wide: bool = False
    values: bool = False
    keep: bool = True
    pool: bool = False


class Populations:
    """All populations of a module with their edges, readers and sizes, in text order."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.synapses = Synapses.of(module, pools=True)
        self.ops: tuple[Op, ...] = tuple(module.ops("neuron"))
        self.by_value: dict[Value, Op] = {op.result: op for op in self.ops}
        self._bits: dict[Op, int] = {}
        self._widths: dict[Op, Ints | None] = {}
        self._hints: dict[Op, Mapping[str, Any]] = {}
        self._forms: dict[Op, Form] = {}
        self._reaches: dict[Op, Mapping[Edge, Reach]] = {}
        self._pairs: dict[Op, Mapping[Segment, tuple[Ints, Ints]]] = {}
        self._any_pool = any(True for _ in module.ops(*POOLS))

    @classmethod
    def of(cls, module: Module) -> "Populations":
        """Return the populations of a module, which whoever asks shares."""
        return module.once(cls, cls)

    def size(self, op: Op) -> int:
        """Return the number of neurons."""
        return op.result.type.size

    def hint(self, op: Op) -> Mapping[str, Any]:
        """Return the `place` attribute, empty where there is none.

        Raises:
            SnncError: `bad-place` for a key that no pass reads, or a value of another kind.
        """
        if op not in self._hints:
            self._hints[op] = op["place"] or {}
            for key, value in self._hints[op].items():
                _check_hint(op, key, value)
        return self._hints[op]

    def form(self, op: Op) -> Form:
        """Return the mode of a population's cores."""
        if op not in self._forms:
            self._forms[op] = Form(
                any(e.source.type.element == U8 for e in self.synapses.edges(op)),
                op.result.type.element != U1,
                op["memory"] == "keep",
                self._pools(op),
            )
        return self._forms[op]

    def _pools(self, op: Op) -> bool:
        """Whether the largest value reaches a population, not the sum."""
        if not self._any_pool:
            return False
        reached = self.synapses.between(op)
        return any(o.kind in POOLS for found in reached.values() for o in found)

    def reaches(self, op: Op) -> Mapping[Edge, Reach]:
        """Return what the neurons of a population may read along each edge; see `tiling.reach`."""
        if op not in self._reaches:
            self._reaches[op] = reaches(self.synapses, op)
        return self._reaches[op]

    def start(self, op: Op) -> int:
        """Return the start that `schedule` chose; 0 before it ran."""
        return int(self.hint(op).get("start", 0))

    def blocks(self, op: Op) -> int:
        """Return the slots per tick of the output that a population is."""
        return int(self.hint(op).get("blocks", blocks(self.size(op))))

    def times(self, op: Op) -> tuple[int, int, int]:
        """Return start, first tick and number of ticks: one for all neurons of a core."""
        return self.start(op), op["first"], op["ticks"]

    def quiet(self, op: Op) -> int:
        """Return the tick before which a population sends nothing."""
        return int(self.hint(op).get(QUIET, op["first"]))

    def feeding(self, op: Op) -> list[tuple[Edge, Op | None]]:
        """Return the edges into a population, each with the population it comes from, or None."""
        return [(e, self.by_value.get(e.source)) for e in self.synapses.edges(op)]

    def segment(self, op: Op, edge: Edge) -> Segment:
        """Return the segment through which a population reads an edge."""
        source = self.by_value.get(edge.source)
        if source is not None:
            if edge.delay < op["first"] - self.quiet(source):
                raise fail(
                    "reader-begins-late",
                    f"%{op.result.name} begins at tick {op['first']} but reads "
                    f"%{edge.source.name}, "
                    f"which begins at tick {source['first']}, {edge.delay} ticks late; "
                    f"the chip needs at least {op['first'] - source['first']}",
                    op.loc,
                    help="run legalise, which keeps back what is sent before; or let both begin at "
                    "the same tick",
                )
            delay = edge.delay + 1 - op["first"] + source["first"]
            return Segment(edge.source, delay)
        late = edge.delay - op["first"]
        return Segment(edge.source, max(late, 0) + 1, max(-late, 0))

    def pairs(self, op: Op) -> Mapping[Segment, tuple[Ints, Ints]]:
        """Return neurons and the elements that they read with a weight, by segment."""
        if op not in self._pairs:
            found: dict[Segment, list[tuple[Ints, Ints]]] = {}
            made: dict[Segment, tuple[Ints, Ints]] = {}
            size = self.size(op)
            for start in range(0, size, CHUNK):
                select = np.arange(start, min(start + CHUNK, size))
                for edge, entries in self.synapses.entries(op, select).items():
                    row, element, weight = entries.coordinates()
                    some = weight != 0
                    parts = found.setdefault(self.segment(op, edge), [])
                    parts.append((row[some] + start, element[some]))
            for segment, parts in found.items():
                rows, elements = zip(*parts, strict=True)
                made[segment] = np.concatenate(rows), np.concatenate(elements)
            self._pairs[op] = made
        return self._pairs[op]

    def segments(self, ops: Iterable[Op]) -> tuple[Segment, ...]:
        """Return what some populations read together, each segment once, sources in text order."""
        found = {self.segment(op, e): None for op in ops for e, _ in self.feeding(op)}
        rank = self._rank
        return tuple(sorted(found, key=lambda s: (rank[s.source], s.delay, s.first)))

    @cached_property
    def _rank(self) -> dict[Value, int]:
        graph = self.module.graph
        values = [*graph.inputs, *(r for op in graph.ops for r in op.results)]
        return {value: rank for rank, value in enumerate(values)}

    def bits(self, op: Op) -> int:
        """Return the width in bits that holds every weight into a population.

        Raises:
            SnncError: `weight-range` where a sum of parallel weights needs more than 8 bits.
        """
        if op not in self._bits:
            low, high = (0, 1) if self.form(op).pool else self.synapses.weight_range(op)
            element = smallest_weight(low, high)
            if element is None:
                raise fail(
                    "weight-range",
                    f"the weights into %{op.result.name} span {low}..{high}; "
                    "a synapse holds -128..127",
                    op.loc,
                    help="quantize to fewer bits, put fold-pool before quantize where currents are "
                    "pooled, or split parallel connections",
                )
            self._bits[op] = max(element.bits, int(self.hint(op).get("bits", 0)))
        return self._bits[op]

    def widths(self, op: Op) -> Ints | None:
        """Return the bits of each neuron's weights, None where they are not known one by one."""
        if op not in self._widths:
            self._widths[op] = None if self.form(op).pool else widths(self.synapses, op)
        return self._widths[op]

    @cached_property
    def outputs(self) -> dict[Op, list[int]]:
        """Return the numbers of the graph outputs that each population serves."""
        found: dict[Op, list[int]] = {}
        for number, value in enumerate(self.module.graph.outputs):
            found.setdefault(self.output_population(value), []).append(number)
        return found

    def output_population(self, value: Value) -> Op:
        """Return the population behind a graph output; reshapes in between are looked through."""
        made_by = self.synapses.made_by
        while value in made_by and made_by[value].kind == "reshape":
            value = made_by[value].values[0]
        if value not in self.by_value:
            raise fail(
                "output-not-spikes",
                f"output %{value.name} is not the spikes of neurons",
                value.loc,
                help="run legalise, which puts relay neurons there",
            )
        return self.by_value[value]

    @cached_property
    def readers(self) -> dict[Op, list[tuple[Op, Segment]]]:
        """Return, for each population, the populations that read it and through which segment."""
        found: dict[Op, list[tuple[Op, Segment]]] = {op: [] for op in self.ops}
        for op in self.ops:
            for edge, source in self.feeding(op):
                if source is not None:
                    found[source].append((op, self.segment(op, edge)))
        return found

    def destinations(
        self,
        groups_of: Mapping[Op, tuple[int, ...]],
        readers: Callable[[Op, Segment], int],
    ) -> dict[Op, tuple[Destination, ...]]:
        """Return each population's destinations, one physical copy each: regions, then outputs.

        Args:
            groups_of: the regions of each population, one or more.
            readers: of a population in several regions, how many read one neuron of a segment at
                most.
        """
        return {op: self.destinations_of(op, groups_of, readers) for op in self.ops}

    def destinations_of(
        self,
        op: Op,
        groups_of: Mapping[Op, tuple[int, ...]],
        readers: Callable[[Op, Segment], int],
    ) -> tuple[Destination, ...]:
        """Return the destinations of one population; see `destinations`."""
        inner: dict[tuple[tuple[int, ...], int], list[Destination]] = {}
        for reader, segment in self.readers[op]:
            groups, delay = groups_of[reader], segment.delay
            inner[groups, delay] = [Destination(groups, delay)]
            if len(groups) > 1:
                inner[groups, delay] = [
                    Destination(groups, delay, rank=rank, reader=reader)
                    for rank in range(readers(reader, segment))
                ]
        return (
            *(to for key in sorted(inner) for to in inner[key]),
            *(Destination(output=n) for n in self.outputs.get(op, ())),
        )


def extension(axons: int, wide: bool = False) -> int:
    """Return the axon extension (a power of two) that so many axons need; 64 is the chip's most."""
    needed = -(-axons // axons_of(wide))
    return 1 << max(needed - 1, 0).bit_length()


def checked_extension(axons: int, ops: Sequence[Op], wide: bool = False) -> int:
    """Return the axon extension, or refuse a fan-in that no core has."""
    found = extension(axons, wide)
    if found > 1 << LIMITS.max_lcn:
        most = axons_of(wide) << LIMITS.max_lcn
        names = ", ".join(f"%{op.result.name}" for op in ops)
        raise fail(
            "fan-in-exceeded",
            f"{names}: fan-in {axons} exceeds {most}, the most that a core "
            f"can reach ({axons_of(wide)} axons, {1 << LIMITS.max_lcn} time slots)",
            ops[0].loc,
            help="pool or stride earlier, or split the layer",
            exit_status=4,
        )
    return found


def blocks(size: int) -> int:
    """Return how many slots per tick an output node of `size` neurons needs, a power of two."""
    return extension(size)
