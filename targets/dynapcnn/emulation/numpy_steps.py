"""Runs samples in time steps by numpy: all steps of a core at once, then the next core."""

from collections.abc import Mapping

import numpy as np

from snnc.ir.types import I32
from snnc.ir.weights import Array
from snnc.targets.dynapcnn.artifact.records import Core, Destination, Placed
from snnc.targets.dynapcnn.emulation.convolve import convolve, pool_sums
from snnc.targets.dynapcnn.emulation.played import Played, Wanted
from snnc.targets.dynapcnn.native.tables import touched


def play(
    placed: Placed,
    given: Mapping[int, Array],
    samples: int,
    steps: int,
    potentials: Mapping[int, Array],
    wanted: Wanted,
) -> Played:
    """Return what some steps of some samples give.

    `given` are counts (samples, steps, f, y, x) by core that the inputs send; `potentials`
    (samples, f, y, x) by core move on in place.
    """
    arriving = {c.core: np.zeros((samples * steps, *c.input), dtype=np.int64) for c in placed.cores}
    for number, array in given.items():
        arriving[number] += array.reshape(-1, *array.shape[2:])
    counts, traced, activity = {}, {}, {}
    for core in placed.cores:
        maps = arriving.pop(core.core)
        sums = convolve(core, maps).reshape(samples, steps, *core.output)
        spikes, trace = _fire(core, sums, potentials)
        send(spikes.reshape(-1, *core.output), core.destinations, arriving)
        if core.core in wanted.counts:
            counts[core.core] = spikes
        if core.core in wanted.potentials:
            traced[core.core] = trace
        per_event = touched(core) * core.output[0]
        activity[core.core] = {
            "events": int(maps.sum()),
            "operations": int((maps.sum(axis=(0, 1)) * per_event).sum()),
            "spikes": int(spikes.sum(dtype=np.int64)),
        }
    return Played(counts, traced, activity)


def send(maps: Array, destinations: tuple[Destination, ...], arriving: Mapping[int, Array]) -> None:
    """Add events (maps, f, y, x) to what arrives at their destinations."""
    for to in destinations:
        sums = pool_sums(maps, (to.pool, to.pool))
        arriving[to.core][:, to.shift : to.shift + sums.shape[1]] += sums


def _fire(core: Core, sums: Array, potentials: Mapping[int, Array]) -> tuple[Array, Array]:
    """Return spikes and potentials (samples, steps, out, y, x) of a core's neurons."""
    v = potentials[core.core]
    drive = 0 if core.bias is None else core.bias.astype(np.int64)[:, None, None]
    single = core.spike == "single"
    most = 1 if single else core.most
    spikes = np.zeros(sums.shape, dtype=np.uint8 if single else np.uint16)
    traced = np.zeros(sums.shape, dtype=np.int32)
    for step in range(sums.shape[1]):
        v = np.clip(v + sums[:, step] + drive, I32.low, I32.high)
        count = np.where(v >= core.high, np.minimum(v // core.high, most), 0)
        v = np.where(count > 0, 0, v) if core.return_to_zero else v - count * core.high
        v = np.maximum(v, core.low)
        spikes[:, step], traced[:, step] = count, v
    potentials[core.core][...] = v
    return spikes, traced
