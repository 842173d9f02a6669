"""What running a chip gives: counts and potentials of cores over steps, and how much it did."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from attrs import field, frozen

from snnc.ir.weights import Array
from snnc.targets.dynapcnn.artifact.records import Core, Placed
from snnc.targets.dynapcnn.emulation.outputs import gathered

Activity = Mapping[int, Mapping[str, int]]
"""By core: events that arrived, weights added (`operations`) and spikes."""


@frozen
class Wanted:
    """What a run must keep: counts of cores (-1: the pixel block), and potentials of cores."""

    counts: frozenset[int]
    potentials: frozenset[int]

    @classmethod
    def of(cls, placed: Placed, probes: Iterable[str]) -> "Wanted":
        """Return what the outputs and some probes need."""
        names = set(probes)
        seen = {core for o in placed.outputs for core in o.cores}
        counts = frozenset(c.core for c in placed.cores if c.name in names)
        traced = frozenset(c.core for c in placed.cores if f"{c.name}.v" in names)
        return cls(counts | seen, traced)


@frozen(eq=False)
class Played:
    """Counts and potentials (samples, steps, features, y, x) by core, and the activity."""

    counts: Mapping[int, Array]
    potentials: Mapping[int, Array]
    activity: Activity = field(factory=dict)


def since(before: Activity, after: Activity) -> Activity:
    """Return what was done between two readings of the counters."""
    return {
        core: {name: count - before[core][name] for name, count in row.items()}
        for core, row in after.items()
    }


def joined(parts: Sequence[Played], axis: int) -> Played:
    """Return runs one after another (axis 1) or side by side (axis 0)."""

    def join(maps: Sequence[Mapping[int, Array]]) -> dict[int, Array]:
        return {core: np.concatenate([m[core] for m in maps], axis=axis) for core in maps[0]}

    activity: dict[int, dict[str, int]] = {}
    for part in parts:
        for core, row in part.activity.items():
            total = activity.setdefault(core, {})
            for name, count in row.items():
                total[name] = total.get(name, 0) + count
    return Played(join([p.counts for p in parts]), join([p.potentials for p in parts]), activity)


def named(placed: Placed, played: Played, probes: Iterable[str]) -> tuple[dict[str, Array], ...]:
    """Return outputs and traces by name, each in the shape that the program gives it."""
    shapes: dict[str, tuple[Array, Core]] = {}
    for core in placed.cores:
        if core.core in played.counts:
            shapes[core.name] = played.counts[core.core], core
        if core.core in played.potentials:
            shapes[f"{core.name}.v"] = played.potentials[core.core], core
    outputs = {}
    for o in placed.outputs:
        seen = gathered(o, played.counts)
        outputs[o.name] = seen.reshape(*seen.shape[:2], *o.shape)
    traces = {}
    for name in probes:
        array, core = shapes[name]
        traces[name] = array.reshape(*array.shape[:2], *core.shape)
    return outputs, traces
