"""How far the two semantics of a build are apart on some inputs, layer by layer.

Time steps equal the program; the chip answers event by event. Nothing is judged here, only counted.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from attrs import frozen

from snnc.ir.weights import Array
from snnc.targets.dynapcnn.emulation.eventwise import Eventwise
from snnc.targets.dynapcnn.emulation.timestep import Timestep


@frozen
class Row:
    """A layer: its core, spikes and weights added in time steps and by events.

    `moved` is the sum over neurons and samples of the difference of their counts over a whole run,
    as a share of the spikes in time steps (0 where both are silent).
    """

    layer: str
    core: int
    steps: int
    events: int
    moved: float
    step_operations: int
    event_operations: int


@frozen
class Divergence:
    """Rows by layer; in how many samples each output has the same largest element; what ran."""

    rows: tuple[Row, ...]
    same: Mapping[str, int]
    samples: int
    ticks: int


def compare(folder: Path, trains: Mapping[str, Array]) -> Divergence:
    """Return how counts (samples, ticks, *shape) of a build's inputs fare in both semantics.

    Raises:
        SnncError: what either emulator refuses.
    """
    programs = Timestep(folder), Eventwise(folder)
    placed = programs[0].placed
    samples, ticks = next(iter(trains.values())).shape[:2]
    names = [core.name for core in placed.cores]
    spikes = np.zeros((2, len(names)), np.int64)
    operations = np.zeros((2, len(names)), np.int64)
    moved = np.zeros(len(names), np.int64)
    same = {output.name: 0 for output in placed.outputs}
    for sample in range(samples):
        one = {name: train[sample : sample + 1] for name, train in trains.items()}
        ran = [program.run(one, probe=names) for program in programs]
        for n, core in enumerate(placed.cores):
            counts = [r.trace[core.name].sum(axis=1, dtype=np.int64) for r in ran]
            moved[n] += np.abs(counts[0] - counts[1]).sum()
            for side, r in enumerate(ran):
                spikes[side, n] += r.state.activity[core.core]["spikes"]
                operations[side, n] += r.state.activity[core.core]["operations"]
        for name in same:
            best = [r.outputs[name].sum(axis=1, dtype=np.int64).argmax() for r in ran]
            same[name] += int(best[0] == best[1])
    rows = tuple(
        Row(
            core.name,
            core.core,
            int(spikes[0, n]),
            int(spikes[1, n]),
            float(moved[n] / max(1, spikes[0, n])),
            int(operations[0, n]),
            int(operations[1, n]),
        )
        for n, core in enumerate(placed.cores)
    )
    return Divergence(rows, same, samples, ticks)
