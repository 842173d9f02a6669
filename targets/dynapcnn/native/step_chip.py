"""Runs samples in time steps by machine code, core after core of each step."""

from collections.abc import Mapping

import numpy as np

from snnc.ir.types import I32
from snnc.ir.weights import Array
from snnc.targets.dynapcnn.native import functions
from snnc.targets.dynapcnn.native.tables import Table, from_memory, padded, place_to, to_memory
from snnc.targets.dynapcnn.played import Played, Wanted, joined
from snnc.targets.dynapcnn.records import Core, Placed


def play(
    placed: Placed,
    given: Mapping[int, Array],
    samples: int,
    steps: int,
    potentials: dict[int, Array],
    wanted: Wanted,
) -> Played | None:
    """Return what some steps give; None where a sum might leave 32 bits, and nothing has changed.

    `given` are counts (samples, steps, f, y, x) by core that the inputs send; `potentials`
    (samples, f, y, x) by core move on.
    """
    if any(int(array.max(initial=0)) > I32.high >> 1 for array in given.values()):
        return None
    table = _table(placed)
    parts, after = [], []
    for sample in range(samples):
        for number, core in enumerate(placed.cores):
            v = to_memory(potentials[core.core][sample], np.int32)
            table.point(number, "v", v)
            _attend(table, number, core, given.get(core.core), sample)
            _trace(table, number, core, steps, wanted)
        if functions.steps()(table.address, len(placed.cores), steps):
            return None
        parts.append(_played(table, wanted))
        after.append({c.core: _final(table, n, c) for n, c in enumerate(placed.cores)})
    for sample, found in enumerate(after):
        for number, v in found.items():
            potentials[number][sample] = v
    whole = joined(parts, 0)
    return Played(whole.counts, whole.potentials, table.counters())


def _table(placed: Placed) -> Table:
    table = Table(placed.cores)
    for number, core in enumerate(placed.cores):
        bias = np.zeros((core.output[0], 1, 1), np.int32)
        if core.bias is not None:
            bias[:, 0, 0] = core.bias
        table.point(number, "bias", to_memory(bias, np.int32))
        sums = to_memory(np.broadcast_to(bias, core.output), np.int32)
        table.point(number, "sums", sums)
        arriving = np.zeros((*core.input[1:], padded(core.input[0])), np.int32)
        table.point(number, "arriving", arriving)
        table.set(number, largest=_largest(core), most=1 if core.spike == "single" else core.most)
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


def _attend(table: Table, number: int, core: Core, given: Array | None, sample: int) -> None:
    array = None if given is None else to_memory(given[sample], np.int32)
    table.point(number, "given", array)
    table.set(number, given_step=0 if array is None else array.strides[0])


def _trace(table: Table, number: int, core: Core, steps: int, wanted: Wanted) -> None:
    features, height, width = core.output
    for name, cores in (("counts", wanted.counts), ("trace", wanted.potentials)):
        shape = (steps, height, width, padded(features))
        table.trace(number, name, np.zeros(shape, np.int32) if core.core in cores else None)


def _played(table: Table, wanted: Wanted) -> Played:
    counts, potentials = {}, {}
    for number, core in enumerate(table.cores):
        if core.core in wanted.counts:
            kind = np.uint8 if core.spike == "single" else np.uint16
            lying = table.array(number, "counts")[None]
            counts[core.core] = from_memory(lying, core.output[0]).astype(kind)
        if core.core in wanted.potentials:
            lying = table.array(number, "trace")[None]
            potentials[core.core] = from_memory(lying, core.output[0])
    return Played(counts, potentials)


def _final(table: Table, number: int, core: Core) -> Array:
    return from_memory(table.array(number, "v"), core.output[0])
