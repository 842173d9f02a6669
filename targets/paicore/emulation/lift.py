"""What the frames of a build mean, as integer neurons of the IR, which an engine can run quickly.

Ticks are those of the program: a core does its tick `first` at its local step 0. A spike in time
slot s is read s div L local steps after it was sent, so an edge is a `delay` of as many ticks as
the cores' `first` ticks leave of that; rows of buffers and bursts have no counterpart. Cores of a
layer that hear the same sources and keep the same time become one matrix. `lift` gives nothing
where that would not be exact in every bit; the emulator runs such a build.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.diagnostics import SnncError
from snnc.ir.analysis import run_order
from snnc.ir.build import Builder
from snnc.ir.graph import Module, Value
from snnc.ir.types import I8, I16, I32, U1, U8, Element, Type, train
from snnc.ir.weights import Array
from snnc.targets.paicore.artifact.wiring import System
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.placed import Core, Placed
from snnc.targets.paicore.placing.records import NEGATIVE_MODES, RESETS
from snnc.targets.paicore.rules.routes import destinations, region

MOST_WEIGHTS = 1 << 29
"""Weights that the matrices may have, zeros for sources that a neuron does not hear included."""

NEVER = (1 << 31) - 1
"""The first tick of neurons that never work: no run is as long."""

_MODES = ("reset", "negative_mode", "leak_after", "leak_reversal", "truncate")
_RESET_NAMES = {code: name for name, code in RESETS.items()}
_NEGATIVE_NAMES = {code: name for name, code in NEGATIVE_MODES.items()}


@frozen(eq=False)
class Lifted:
    """A module whose neurons are those of a build; `owner` and `place` say where each row is.

    Row r of the neuron tables is element `place[r]` of the value `names[owner[r]]`.
    """

    module: Module
    names: tuple[str, ...]
    owner: NDArray[np.intp]
    place: NDArray[np.intp]


@frozen(eq=False)
class _Edges:
    """What reaches a core: per weight column that is fed, the signal and its delay in ticks."""

    columns: NDArray[np.intp]
    signals: Ints
    delays: Ints


@frozen(eq=False)
class _Population:
    """Neurons of a layer, of equal modes and times with equal edges; weights `(neurons, edges)`."""

    rows: NDArray[np.intp]
    core: Core
    edges: _Edges
    weights: Array


def lift(system: System) -> Lifted | None:
    """Return the neurons of a build as a module at level `int`, None where it cannot be exact.

    It cannot for networks without inputs or outputs, for cores that pool, for resets that may leave
    30 bits (the chip brings sums back, not what a reset leaves), and for inputs that are cut off
    before a late core reads them; it is not tried where the matrices would be too large.
    """
    placed = system.placed
    if not system.inputs or not system.outputs:
        return None
    if any(core["pool"] for core in placed.cores):
        return None
    if _leaves_width(placed) or _cuts_inputs(placed):
        return None
    sizes = [kind.size for kind in system.inputs.values()]
    offsets = dict(zip(system.inputs, np.cumsum([0, *sizes[:-1]]).tolist(), strict=True))
    edges = _edges(placed, offsets, sum(sizes))
    layers = np.zeros(len(placed.tables["core"]), dtype=np.int64)
    for number, layer in enumerate(placed.layers):
        layers[layer.rows()] = number
    groups = _groups(placed, edges)
    populations = [p for group in groups for p in _populations(system, group, layers)]
    if any((one.edges.delays < 0).any() for one in populations):
        return None
    return _Writer(system, populations, offsets, sum(sizes)).lifted()


def _leaves_width(placed: Placed) -> bool:
    """Whether a reset may leave a potential that 30 bits do not hold.

    That takes the most negative reset potential turned over, or a soft reset after a sum with a
    later leak that came back at the other end.
    """
    t = placed.tables
    soft, hard = t["reset"] == RESETS["soft"], t["reset"] == RESETS["hard"]
    back = t["negative_mode"] == NEGATIVE_MODES["reset"]
    turned = hard & back & (t["reset_to"] < -LIMITS.potential_max)
    up = (t["leak"] > 0) & ((t["threshold"] > 0) | (t["leak_reversal"] != 0))
    down = (t["leak"] < 0) & back & (t["negative"] > 0)
    return bool((turned | soft & (t["leak_after"] != 0) & (up | down)).any())


def _cuts_inputs(placed: Placed) -> bool:
    return any(item.first and (item.slot >= item.extension).any() for item in placed.inputs)


def _edges(placed: Placed, offsets: dict[str, int], inputs: int) -> list[_Edges]:
    """Return what reaches each core; signals are elements of inputs, then rows of the tables."""
    shapes = [core.axons * core["extension"] for core in placed.cores]
    signals = {c.place: np.full(n, -1) for c, n in zip(placed.cores, shapes, strict=True)}
    delays = {place: np.zeros_like(array) for place, array in signals.items()}
    for item in placed.inputs:
        first = offsets[item.source.name]
        for base, mask, mine in item.destinations:
            slot, axon = item.slot[mine], item.axon[mine]
            for core in region(placed, item.chip, base, mask).used:
                columns = core.columns(slot, axon)
                signals[core.place][columns] = first + mine
                delays[core.place][columns] = slot // item.extension + core["first"] - item.first
    for core in placed.cores:
        for reader, rows, columns, slots in _sent(placed, core):
            signals[reader.place][columns] = inputs + rows
            steps = _steps(core, reader, slots)
            delays[reader.place][columns] = steps + reader["first"] - core["first"]
    return [_fed(signals[core.place], delays[core.place], core) for core in placed.cores]


def _sent(placed: Placed, core: Core) -> Iterator[tuple[Core, Ints, Ints, Ints]]:
    """Yield (reader, rows, weight columns there, slots in ticks) of what a core sends."""
    rows, wide = slice(core.row, core.row + core.count), core["target_extension"]
    numbers = np.arange(core.row, core.row + core.count)
    for (chip, base, mask), mine in destinations(placed, rows):
        axon, slot = (placed.tables[name][rows][mine] for name in ("axon", "slot"))
        if chip in placed.chips:
            for reader in region(placed, chip, base, mask).used:
                yield reader, numbers[mine], reader.columns(slot, axon), slot // wide


def _steps(core: Core, reader: Core, slots: Ints) -> Ints:
    """Return how many local steps after that of its source a spike is read.

    Slots count modulo the depth of a buffer; a spike waits from 1 step to as many as that.
    """
    apart, depth = reader["start"] - core["start"], LIMITS.slots // reader["extension"]
    return (slots + apart - 1) % depth + 1 - apart if core["start"] else slots


def _fed(signals: Ints, delays: Ints, core: Core) -> _Edges:
    columns = np.flatnonzero(signals >= 0) if core["start"] else np.zeros(0, dtype=np.intp)
    return _Edges(columns, signals[columns], delays[columns])


def _groups(placed: Placed, edges: list[_Edges]) -> list[list[tuple[Core, _Edges]]]:
    """Return the cores that keep the same time and hear the same."""
    found: dict[tuple[object, ...], list[tuple[Core, _Edges]]] = {}
    for core, one in zip(placed.cores, edges, strict=True):
        time = (core["start"], core["first"], core["ticks"], core["values"], core["keep"])
        heard = (one.columns.tobytes(), one.signals.tobytes(), one.delays.tobytes())
        found.setdefault((*time, *heard), []).append((core, one))
    return list(found.values())


def _populations(
    system: System, group: list[tuple[Core, _Edges]], layers: Ints
) -> list[_Population]:
    """Return the neurons of some cores that hear the same, apart by mode and by layer.

    Layers of one core may hear each other within a tick; in one matrix they would wait for it.
    """
    core, edges = group[0]
    rows = np.concatenate([np.arange(c.row, c.row + c.count) for c, _ in group])
    weights = np.concatenate(
        [system.image.core(*c.place).weights[:, one.columns] for c, one in group]
    )
    used = weights.any(axis=0)
    edges = _Edges(edges.columns[used], edges.signals[used], edges.delays[used])
    kinds = [layers[rows], *(system.placed.tables[name][rows] for name in _MODES)]
    modes = np.stack(kinds, axis=1)
    _, which = np.unique(modes, axis=0, return_inverse=True)
    parts = [np.flatnonzero(which.reshape(-1) == n) for n in range(int(which.max()) + 1)]
    return [_Population(rows[part], core, edges, weights[part][:, used]) for part in parts]


class _Writer:
    """Writes the module: a matrix and neurons per population, fed by whole values."""

    def __init__(
        self, system: System, populations: list[_Population], offsets: dict[str, int], inputs: int
    ) -> None:
        self.tables, self.outputs = system.placed.tables, system.placed.outputs
        self.populations, self.inputs = populations, inputs
        self.build = Builder("lifted", "int")
        rows = len(self.tables["core"])
        self.owner = np.zeros(rows, dtype=np.intp)
        self.place = np.zeros(rows, dtype=np.intp)
        for number, one in enumerate(populations):
            self.owner[one.rows], self.place[one.rows] = number, np.arange(len(one.rows))
        self.blocks = self._blocks(system.inputs, offsets)
        self.spikes = [
            self.build.forward(f"p{n}", train(U8 if one.core["values"] else U1, len(one.rows)))
            for n, one in enumerate(populations)
        ]
        self.late: dict[tuple[Value, int], Value] = {}
        self.weights = 0

    def lifted(self) -> Lifted | None:
        made = []
        for number, one in enumerate(self.populations):
            current = self._current(one)
            if self.weights > MOST_WEIGHTS:
                return None
            made.append(self.build.op("neuron", current, name=f"p{number}", **self._attrs(one)))
            self.build.bind(self.spikes[number], made[-1])
        leaving = self.owner[np.concatenate([item.layer.rows() for item in self.outputs])]
        module = self.build.finish(*(made[n] for n in np.unique(leaving)))
        try:
            run_order(module.graph)
        except SnncError:
            return None
        return Lifted(module, tuple(v.name for v in made), self.owner, self.place)

    def _blocks(self, inputs: dict[str, Type], offsets: dict[str, int]) -> list[tuple[int, Value]]:
        """Return (first signal, value) of each input, flat."""
        found = []
        for name, kind in inputs.items():
            value = self.build.input(name, kind)
            if len(kind.shape) != 1:
                value = self.build.op("reshape", value, shape=(kind.size,))
            found.append((offsets[name], value))
        return found

    def _current(self, one: _Population) -> Value:
        """Return the sums of a population: products with its sources, spikes and values apart."""
        found: dict[Element, list[tuple[Value, Array]]] = {}
        for value, delay, places, edges in self._sources(one.edges):
            low, high = int(places.min()), int(places.max()) + 1
            matrix = np.zeros((high - low, len(one.rows)), dtype=np.int32)
            np.add.at(matrix, places - low, one.weights[:, edges].T)
            part = self._cut(self._delayed(value, delay), low, high)
            found.setdefault(value.type.element, []).append((part, matrix))
        if not found:
            nothing = np.zeros((1, len(one.rows)), dtype=np.int32)
            found[U1] = [(self._cut(self.blocks[0][1], 0, 1), nothing)]
        sums = [self._product(members) for members in found.values()]
        return sums[0] if len(sums) == 1 else self.build.op("add", *sums)

    def _product(self, members: list[tuple[Value, Array]]) -> Value:
        """Return a product with values of one element, one after the other."""
        whole = np.concatenate([matrix for _, matrix in members]).T
        self.weights += whole.size
        parts = [value for value, _ in members]
        x = parts[0] if len(parts) == 1 else self.build.op("concat", *parts)
        return self.build.op("linear", x, self.build.weight("w", *_narrowest(whole)))

    def _sources(self, edges: _Edges) -> Iterator[tuple[Value, int, Ints, NDArray[np.intp]]]:
        """Yield (value, delay, elements, edges) for each value that is heard at some delay."""
        rows = edges.signals - self.inputs
        starts = [first for first, _ in self.blocks]
        block = np.searchsorted(starts, edges.signals, side="right") - 1
        place = edges.signals - np.take(starts, block)
        neuron = rows >= 0
        block[neuron] = len(starts) + self.owner[rows[neuron]]
        place[neuron] = self.place[rows[neuron]]
        values = [value for _, value in self.blocks] + self.spikes
        for number, delay in np.unique(np.stack([block, edges.delays]), axis=1).T.tolist():
            mine = np.flatnonzero((block == number) & (edges.delays == delay))
            yield values[number], delay, place[mine], mine

    def _delayed(self, value: Value, delay: int) -> Value:
        if not delay:
            return value
        if (value, delay) not in self.late:
            self.late[value, delay] = self.build.op("delay", value, by=delay)
        return self.late[value, delay]

    def _cut(self, value: Value, low: int, high: int) -> Value:
        if (low, high) == (0, value.type.size):
            return value
        return self.build.op("slice", value, start=low, stop=high)

    def _attrs(self, one: _Population) -> dict[str, Any]:
        """Return the attributes of a population's neurons, from their records."""
        column = {name: self.tables[name][one.rows] for name in self.tables}
        reset, mode, after, reversal, cut = (int(column[name][0]) for name in _MODES)
        sent = {"spike": "value", "truncate": cut} if one.core["values"] else {}
        given = {
            name: int(column[name][0])
            if (column[name] == column[name][0]).all()
            else self.build.weight(name, column[name], I32)
            for name in ("threshold", "negative", "leak", "reset_to")
        }
        return {
            **given,
            **sent,
            "memory": "keep" if one.core["keep"] else "clear",
            "reset": _RESET_NAMES[reset],
            "negative_mode": _NEGATIVE_NAMES[mode],
            "leak_order": "after" if after else "before",
            "leak_reversal": bool(reversal),
            "width": LIMITS.potential_bits,
            "overflow": "wrap-paibox",
            "first": one.core["first"] if one.core["start"] else NEVER,
            "ticks": one.core["ticks"],
        }


def _narrowest(matrix: Array) -> tuple[Array, Element]:
    """Return a matrix and the narrowest element that holds it."""
    low, high = int(matrix.min(initial=0)), int(matrix.max(initial=0))
    element = next(e for e in (I8, I16, I32) if e.low <= low and high <= e.high)
    return matrix.astype(element.storage), element
