"""Rules about spikes on their way: regions, axons, delays, inputs and outputs.

A spike of a source's local step k with delay d is read at the reader's local step k + d - 1, at
global step start(reader) + k + d - 1; it is written after global step start(source) + k. A buffer
row comes round again after 256 / L steps (paicore.md, section 5.2).
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from attrs import frozen

from snnc.diagnostics import Diagnostics
from snnc.ir.graph import Value
from snnc.ir.types import U1
from snnc.targets.paicore.chip.core import Coordinate
from snnc.targets.paicore.chip.distinct import distinct, members
from snnc.targets.paicore.chip.frames import Ints, coordinate, linear
from snnc.targets.paicore.chip.geometry import axon_step
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.placed import Core, Input, Layer, Output, Place, Placed, weighs

EXTENSIONS = tuple(1 << code for code in range(LIMITS.max_lcn + 1))
"""Legal axon extensions."""

_HELP = "this is no placement that `place` gives; compile the network anew"


@frozen(eq=False)
class Region:
    """The cores that one destination reaches: all of them, and the used ones."""

    chip: Coordinate
    base: Coordinate
    mask: Coordinate
    places: tuple[Place, ...]
    used: tuple[Core, ...]

    def __str__(self) -> str:
        return f"chip {self.chip} region {self.base} mask {self.mask}"


@frozen(eq=False)
class Arrivals:
    """Where spikes land in one core: columns slot mod L x axons + axon, and by which value."""

    columns: list[Ints]
    sources: dict[Value, None]


def region(placed: Placed, chip: Coordinate, base: Coordinate, mask: Coordinate) -> Region:
    """Return the region of a destination on a chip (paicore.md, section 5.3)."""
    axes = [
        sorted({b & ~m | part for part in range(LIMITS.side) if not part & ~m})
        for b, m in zip(base, mask, strict=True)
    ]
    places = tuple((chip, (x, y)) for x in axes[0] for y in axes[1])
    used = tuple(placed.by_place[p] for p in places if p in placed.by_place)
    return Region(chip, base, mask, places, used)


class _Router:
    """Judges destinations one by one and collects what arrives at each core."""

    def __init__(self, placed: Placed, found: Diagnostics) -> None:
        self.placed, self.found = placed, found
        self.arrivals = {core.place: Arrivals([], {}) for core in placed.cores}
        self.configured = {c.place for c in placed.cores} | {c.place for c in placed.idle}
        self._judged: dict[tuple[Coordinate, Coordinate, Coordinate], Region] = {}
        self._counted: dict[tuple[int, ...], tuple[Ints, Ints]] = {}

    def error(self, code: str, message: str) -> None:
        self.found.error(code, message, self.placed.module.loc, help=_HELP)

    def region(self, chip: Coordinate, base: Coordinate, mask: Coordinate) -> Region:
        """Return a region; what is wrong with it is reported the first time."""
        key = (chip, base, mask)
        if key in self._judged:
            return self._judged[key]
        made = self._judged[key] = region(self.placed, chip, base, mask)
        online = [p for _, p in made.places if LIMITS.is_online(*p)]
        if online:
            self.error("region-online", f"{made} contains the learning core {online[0]}")
        stray = [p for p in made.places if p not in self.configured]
        if stray:
            message = f"{made}: {len(stray)} cores are not configured, such as {stray[0][1]}"
            self.error("region-stray", message)
        if not made.used:
            self.error("region-empty", f"{made} contains no used core")
        return made

    def arrive(
        self, to: Region, extension: int, axon: Ints, slot: Ints, source: Value, what: str
    ) -> None:
        """Note spikes to a region; the extension of its cores must be the sender's."""
        alike: dict[bool, Ints] = {}
        for core in to.used:
            if core["extension"] != extension:
                self.error(
                    "region-extension",
                    f"{what} counts {extension} slots a tick, {core.place} in {to} "
                    f"reads {core['extension']}",
                )
                continue
            if (axon % axon_step(core.wide)).any():
                self.error(
                    "axon-address",
                    f"{what} goes to addresses between the axons of {core.place}, which takes "
                    f"values: {axon[np.argmax(axon % axon_step(core.wide))]} is no multiple of "
                    f"{axon_step(core.wide)}",
                )
                continue
            if source.type.element != U1 and not core.wide:
                self.error("edge-width", f"{what} sends values to {core.place}, which takes spikes")
            if core.wide not in alike:
                alike[core.wide] = core.columns(slot, axon)
            here = self.arrivals[core.place]
            here.columns.append(alike[core.wide])
            here.sources.setdefault(source)

    def counted(self, here: Arrivals) -> tuple[Ints, Ints]:
        """Return the columns that anything reaches, and those that several reach.

        Cores of a region are reached by the same arrays, which are counted once.
        """
        key = tuple(map(id, here.columns))
        if key not in self._counted:
            counts = np.bincount(np.concatenate([np.zeros(0, dtype=np.int64), *here.columns]))
            self._counted[key] = np.flatnonzero(counts), np.flatnonzero(counts > 1)
        return self._counted[key]


def check_routes(placed: Placed, found: Diagnostics) -> dict[Place, Ints]:
    """Judge all destinations; return the weight columns that spikes reach, by core."""
    router = _Router(placed, found)
    targets = set(placed.chips)
    for layer in placed.layers:
        for core, rows in _senders(layer):
            axons, slots = (placed.tables[n][rows] for n in ("axon", "slot"))
            for (chip, base, mask), mine in destinations(placed, rows):
                if chip in targets:
                    where = router.region(chip, base, mask)
                    axon, slot = axons[mine], slots[mine]
                    what = f"%{layer.op.result.name} on {core.place}"
                    wide = core["target_extension"]
                    router.arrive(where, wide, axon, slot, layer.op.result, what)
                    _check_times(router, layer, core, where, axon, slot)
    for item in placed.inputs:
        if item.chip in targets and _is_legal(item):
            what = f"input %{item.source.name}"
            for base, mask, mine in item.destinations:
                where, axon, slot = router.region(item.chip, base, mask), item.axon, item.slot
                wide = item.extension
                router.arrive(where, wide, axon[mine], slot[mine], item.op.result, what)
    return {core.place: _check_arrivals(router, core) for core in placed.cores}


def _senders(layer: Layer) -> Iterator[tuple[Core, slice | Ints]]:
    """Yield the rows of a layer's records, those together whose cores send alike; with one core."""
    alike: dict[tuple[int, int], list[tuple[Core, int, int]]] = {}
    for piece in layer.pieces:
        core = piece[0]
        alike.setdefault((core["start"], core["target_extension"]), []).append(piece)
    for pieces in alike.values():
        spans = [(core.row + first, core.row + last) for core, first, last in pieces]
        joined = all(a[1] == b[0] for a, b in pairwise(spans))
        whole = slice(spans[0][0], spans[-1][1])
        rows = whole if joined else np.concatenate([np.arange(*span) for span in spans])
        yield pieces[0][0], rows


def destinations(
    placed: Placed, rows: slice | Ints
) -> Iterator[tuple[tuple[Coordinate, Coordinate, Coordinate], Any]]:
    """Yield the destinations (chip, core, mask) of some records, each with an index of its own."""
    address = np.stack([placed.tables[n][rows] for n in ("chip", "core", "mask")])
    groups, which = distinct(address)
    count = groups.shape[1]
    each: list[Any] = [slice(None)] if count == 1 else members(which, count)
    for group, mine in zip(groups.T.tolist(), each, strict=True):
        yield _address(*group), mine


def _address(chip: int, core: int, mask: int) -> tuple[Coordinate, Coordinate, Coordinate]:
    return coordinate(chip), coordinate(core), coordinate(mask)


def _is_legal(item: Input) -> bool:
    """Whether extension, axons, slots and addresses of an input are such as a frame can hold."""
    axons = np.flatnonzero((item.axon < 0) | (item.axon >= LIMITS.axons))
    slots = np.flatnonzero((item.slot < 0) | (item.slot >= LIMITS.slots))
    return (
        item.extension in EXTENSIONS
        and item.first >= 0
        and not axons.size
        and not slots.size
        and not _off_grid(item.chip, *(place for to in item.destinations for place in to[:2]))
    )


def _off_grid(*places: Coordinate) -> bool:
    return any(not 0 <= n < LIMITS.side for place in places for n in place)


def _check_times(
    router: _Router, layer: Layer, core: Core, to: Region, axon: Ints, slot: Ints
) -> None:
    """Every spike is there before it is read, and read before its row is written again."""
    wide, delay = core["target_extension"], layer.delay
    what = f"%{layer.op.result.name} on {core.place}"
    odd = np.flatnonzero((slot - wide * (delay - 1)) % LIMITS.slots >= wide)
    if odd.size:
        message = f"{what}: slot {slot[odd[0]]} is not that of delay {delay}, {wide} slots a tick"
        router.error("edge-slot", message)
    for reader in to.used:
        if not core["start"] or not reader["start"]:
            continue
        waits = reader["start"] - core["start"] - 1 + delay
        depth = LIMITS.slots // reader["extension"]
        if 1 <= waits <= depth or not weighs(router.placed, reader, reader.columns(slot, axon)):
            continue
        numbers = f"starts {core['start']} and {reader['start']}, delay {delay}"
        if waits < 1:
            router.error("edge-late", f"{what} reaches {reader.place} too late: {numbers}")
        else:
            message = (
                f"{what} waits {waits} steps at {reader.place}, which holds {depth}: {numbers}"
            )
            router.error("edge-deep", message)


def _check_arrivals(router: _Router, core: Core) -> Ints:
    here = router.arrivals[core.place]
    columns, twice = router.counted(here)
    # What has no weight may come from anywhere: it adds nothing.
    if twice.size and weighs(router.placed, core, twice):
        slot, axon = divmod(int(twice[0]), core.axons)
        router.error(
            "axon-collision",
            f"{core.place}: {twice.size} axons have several sources, such as axon {axon} of "
            f"slot {slot}",
        )
    if set(core.reads) != set(here.sources):
        odd = sorted(v.name for v in set(core.reads) ^ set(here.sources))
        router.error("core-reads", f"{core.place}: {', '.join(odd)} read but not sent, or sent")
    return columns


def check_inputs(placed: Placed, found: Diagnostics) -> None:
    """Judge when the host must send: each row is read before the host comes round to it."""
    for item in placed.inputs:
        name = item.op.result.name
        if not _is_legal(item):
            message = f"input %{name}: its extension, axons, slots or addresses have no frame"
            found.error("input-range", message, item.op.loc, help=_HELP)
            continue
        if item.chip not in placed.chips:
            message = f"input %{name} goes to chip {item.chip}, where no core is configured"
            found.error("input-chip", message, item.op.loc, help=_HELP)
            continue
        for base, mask, mine in item.destinations:
            for core in region(placed, item.chip, base, mask).used:
                _check_input(placed, item, core, mine, found)


def _check_input(placed: Placed, item: Input, core: Core, mine: Ints, found: Diagnostics) -> None:
    slot, axon = item.slot[mine], item.axon[mine]
    delays, depth = slot // item.extension, LIMITS.slots // item.extension
    ahead = core["start"] - 1 - item.first if core["start"] else 0
    early = ahead + int(delays.min(initial=0)) < 0
    deep = ahead + int(delays.max(initial=0)) >= depth
    if not (early or deep) or not weighs(placed, core, core.columns(slot, axon)):
        return
    numbers = (
        f"{core.place} starts at {core['start']}, input %{item.op.result.name} at {item.first}"
    )
    if early:
        found.error("input-early", numbers, item.op.loc, help=_HELP)
    if deep:
        message = f"{numbers}, its buffer holds {depth} ticks"
        found.error("input-deep", message, item.op.loc, help=_HELP)


def check_outputs(placed: Placed, found: Diagnostics) -> None:
    """Judge what leaves the chips: known nodes, wide enough, each neuron at its own place."""
    nodes = [output.node for output in placed.outputs]
    values = [output.op.result for output in placed.outputs]
    if nodes != list(range(len(nodes))) or values != list(placed.module.graph.outputs):
        message = f"the graph returns {len(placed.module.graph.outputs)} values, nodes are {nodes}"
        found.error("output-nodes", message, placed.module.loc, help=_HELP)
    if len({(o.chip, o.core) for o in placed.outputs}) != len(placed.outputs):
        message = "two output nodes share a coordinate"
        found.error("output-nodes", message, placed.module.loc, help=_HELP)
    called: dict[str, Output] = {}
    for output in placed.outputs:
        same = called.setdefault(output.name, output)
        if (same.layer.of, same.op.result.type) != (output.layer.of, output.op.result.type):
            message = f"two outputs of %{same.layer.of} and %{output.layer.of} are both called "
            found.error("output-nodes", f"{message}{output.name}", output.op.loc, help=_HELP)
        _check_output(placed, output, found)
    sent = {output.layer.op for output in placed.outputs}
    for layer in placed.layers:
        chips = {coordinate(int(n)) for n in np.unique(placed.tables["chip"][layer.rows()])}
        outside = chips - set(placed.chips)
        if outside and layer.op not in sent:
            message = f"%{layer.op.result.name} goes to chip {outside.pop()}, but is no output"
            found.error("output-unknown", message, layer.op.loc, help=_HELP)


def _check_output(placed: Placed, output: Output, found: Diagnostics) -> None:
    loc, size, name = output.op.loc, output.layer.size, output.name
    if output.chip in placed.chips or _off_grid(output.chip, output.core):
        message = f"output %{name} goes to chip {output.chip} core {output.core}"
        found.error("output-chip", message, loc, help="choose another --output-chip")
        return
    if output.blocks not in EXTENSIONS or output.blocks * LIMITS.axons < size:
        message = f"output %{name} has {size} neurons, {output.blocks} slots a tick are wrong"
        found.error("output-blocks", message, loc, help=_HELP)
        return
    odd = [c for c, _, _ in output.layer.pieces if c["target_extension"] != output.blocks]
    if odd:
        message = f"{odd[0].place} counts {odd[0]['target_extension']} slots a tick for %{name}"
        found.error("output-extension", message, loc, help=_HELP)
    rows, element = output.layer.rows(), np.arange(size)
    wanted = {
        "chip": linear(*output.chip),
        "core": linear(*output.core),
        "mask": 0,
        "axon": element % LIMITS.axons,
        "slot": element // LIMITS.axons,
    }
    for column, values in wanted.items():
        bad = np.flatnonzero(placed.tables[column][rows] != values)
        if bad.size:
            held = placed.tables[column][rows][bad[0]]
            message = f"output %{name}: neuron {bad[0]} has {column} {held}"
            found.error("output-record", message, loc, help=_HELP)
