"""Runs a sample in time steps by machine code, core after core of each step."""

from collections.abc import Mapping

import numpy as np

from snnc.ir.types import I16, I32
from snnc.ir.weights import Array
from snnc.targets.dynapcnn.artifact.records import Core, Placed
from snnc.targets.dynapcnn.emulation.played import Played, Wanted, since
from snnc.targets.dynapcnn.native import functions
from snnc.targets.dynapcnn.native.tables import (
    LANES,
    Table,
    Tables,
    from_memory,
    padded,
    place_to,
    to_memory,
)

BY_PLACE = (2, 3, 1)
"""Weights lie by ky, kx and feature in: neurons see the features of a place one by one."""


class StepChip:
    """A chip in time steps; potentials are handed in and out, of several samples at once."""

    def __init__(self, placed: Placed) -> None:
        self.placed = placed
        self._tables = Tables(lambda: _table(placed))

    def play(
        self,
        given: Mapping[int, Array],
        steps: int,
        potentials: Mapping[int, Array],
        wanted: Wanted,
    ) -> Played | None:
        """Return what some steps of a sample give; None where a sum might leave 32 bits.

        `given` are counts (steps, f, y, x) by core that the inputs send; `potentials` (f, y, x) by
        core move on in place, unless None is returned.
        """
        if any(int(array.max(initial=0)) > I32.high >> 1 for array in given.values()):
            return None
        table = self._tables.take()
        played = self._play(table, given, steps, potentials, wanted)
        if played is not None:
            # Else what arrived for the steps that were thrown away lies about in it.
            self._tables.give(table)
        return played

    def _play(
        self,
        table: Table,
        given: Mapping[int, Array],
        steps: int,
        potentials: Mapping[int, Array],
        wanted: Wanted,
    ) -> Played | None:
        for number, core in enumerate(self.placed.cores):
            table.point(number, "v", to_memory(potentials[core.core], np.int32))
            _give(table, number, given.get(core.core))
            _trace(table, number, core, steps, wanted)
        before = table.counters()
        if functions.steps()(table.address, len(self.placed.cores), steps):
            return None
        for number, core in enumerate(self.placed.cores):
            potentials[core.core][...] = _final(table, number, core)
        counts_, traced = _played(table, wanted)
        return Played(counts_, traced, since(before, table.counters()))


def _give(table: Table, number: int, counts: Array | None) -> None:
    """Hand a core the events that the host sends: (index in the map, count), step after step."""
    if counts is None:
        table.point(number, "given_ends", None)
        return
    step, f, y, x = np.nonzero(counts)
    width, lanes = counts.shape[3], padded(counts.shape[1])
    events = np.column_stack([(y * width + x) * lanes + f, counts[step, f, y, x]])
    table.point(number, "given", events.astype(np.int32))
    table.point(number, "given_ends", np.searchsorted(step, np.arange(len(counts) + 1)))


def _table(placed: Placed) -> Table:
    table = Table(placed.cores, BY_PLACE)
    for number, core in enumerate(placed.cores):
        bias = np.zeros((core.output[0], 1, 1), np.int32)
        if core.bias is not None:
            bias[:, 0, 0] = core.bias
        table.point(number, "bias", to_memory(bias, np.int32))
        features, height, width = core.input
        arriving = np.zeros((height, width, padded(features)), np.int32)
        table.point(number, "arriving", arriving)
        table.point(number, "list", np.zeros((features * height * width, 3), np.int32))
        table.point(number, "row", np.zeros((core.output[2], LANES), np.int32))
        table.point(number, "lines", np.zeros((height, width + 1, 2), np.int64))
        heaviest = max(1, int(np.abs(core.weights.astype(np.int64)).max()))
        table.set(number, largest=_largest(core), small=I16.high // heaviest)
        table.set(number, most=1 if core.spike == "single" else core.most)
    for number, core in enumerate(placed.cores):
        for at in range(len(core.destinations)):
            target = int(table.entries[number, place_to(at, "core") // 8])
            address = table.array(target, "arriving").ctypes.data
            table.entries[number, place_to(at, "arriving") // 8] = address
    return table


def _largest(core: Core) -> int:
    """Return the largest count of an event with which no sum of a neuron leaves 32 bits."""
    rows = np.abs(core.weights.astype(np.int64)).reshape(len(core.weights), -1).sum(axis=1)
    bias = 0 if core.bias is None else int(np.abs(core.bias.astype(np.int64)).max())
    return (I32.high - bias) // max(1, int(rows.max()))


def _trace(table: Table, number: int, core: Core, steps: int, wanted: Wanted) -> None:
    features, height, width = core.output
    for name, cores in (("counts", wanted.counts), ("trace", wanted.potentials)):
        shape = (steps, height, width, padded(features))
        table.trace(number, name, np.zeros(shape, np.int32) if core.core in cores else None)


def _played(table: Table, wanted: Wanted) -> tuple[dict[int, Array], dict[int, Array]]:
    counts, potentials = {}, {}
    for number, core in enumerate(table.cores):
        if core.core in wanted.counts:
            kind = np.uint8 if core.spike == "single" else np.uint16
            lying = table.array(number, "counts")[None]
            counts[core.core] = from_memory(lying, core.output[0]).astype(kind)
        if core.core in wanted.potentials:
            lying = table.array(number, "trace")[None]
            potentials[core.core] = from_memory(lying, core.output[0])
    return counts, potentials


def _final(table: Table, number: int, core: Core) -> Array:
    return from_memory(table.array(number, "v"), core.output[0])
