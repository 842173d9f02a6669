"""What a build does: traffic by quad-tree level, operations and frames, at given rates.

Without data every neuron and every input element sends one spike, which compares mappings. With
data the files are run, and all counts are exact sums over the samples, shown for a mean sample.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.cli.paicore.mapping import in_time
from snnc.cli.paicore.tables import dendrites, layer_name
from snnc.targets.paicore.artifact.side import numbered
from snnc.targets.paicore.placed import Core, Placed
from snnc.targets.paicore.reports.traffic import LEVELS, Costs, Traffic

if TYPE_CHECKING:
    from snnc.driver import Build

Array = NDArray[Any]

TRACE_BYTES = 1 << 27
"""Bytes of spikes and potentials that are held at once."""


@frozen(eq=False)
class Rates:
    """Spikes of each row of the neuron tables and of each element of each way in.

    They are sums over `samples` samples of `ticks` ticks; uniform rates have no ticks.
    """

    rows: Array
    inputs: tuple[Array, ...]
    samples: int = 1
    ticks: int = 0


def uniform(placed: Placed) -> Rates:
    """Return one spike of every neuron and of every element of each input."""
    return Rates(
        np.ones(len(placed.tables["core"]), np.int64),
        tuple(np.ones(item.axon.size, np.int64) for item in placed.inputs),
    )


def measured(build: "Build", placed: Placed, trains: Mapping[str, Array]) -> Rates:
    """Return what the emulated files send on trains `(samples, ticks, *shape)` of their inputs.

    A value counts as a frame where it is not 0.
    """
    samples, ticks = next(iter(trains.values())).shape[:2]
    rows = np.zeros(len(placed.tables["core"]), np.int64)
    each = 8 * ticks * len(rows)
    step = max(1, TRACE_BYTES // max(1, each))
    program = build.program()
    for first in range(0, samples, step):
        part = {name: train[first : first + step] for name, train in trains.items()}
        trace = program.run(part, probe=list(placed.copies)).trace
        for layer in placed.layers:
            sent = np.count_nonzero(trace[layer.of], axis=(0, 1)).reshape(-1)
            rows[layer.rows()] += sent[np.sort(layer.elements)]
    return Rates(rows, tuple(_sent(trains, item, ticks) for item in placed.inputs), samples, ticks)


def _sent(trains: Mapping[str, Array], item: Any, ticks: int) -> Array:
    """Return the frames of each element of an input; ticks before the first are not sent."""
    train = trains[item.source.name][:, min(item.first, ticks) :]
    return np.asarray(np.count_nonzero(train, axis=(0, 1)).reshape(-1), np.int64)


def flows(placed: Placed, costs: Traffic, rates: Rates) -> list[dict[str, Any]]:
    """Return a row per input and layer: its spikes of a mean sample and what they cost.

    Further ways of an input, and further copies of a layer, have `#1`, `#2` ... behind their name.
    """
    names: dict[str, None] = {}
    for item in placed.inputs:
        names[numbered(item.source.name, names)] = None
    found = [
        _flow(name, costs.inputs[n], rates.inputs[n], rates.samples) for n, name in enumerate(names)
    ]
    for layer in (layer for copies in in_time(placed).values() for layer in copies):
        rows = layer.rows()
        mine = Costs(
            costs.rows.links[rows],
            costs.rows.between[rows],
            costs.rows.deliveries[rows],
            costs.rows.wanted[rows],
            costs.rows.additions[rows],
        )
        found.append(_flow(layer_name(layer), mine, rates.rows[rows], rates.samples))
    return found


def _flow(name: str, costs: Costs, rates: Array, samples: int) -> dict[str, Any]:
    def mean(counts: Array) -> int | float:
        total = int(rates @ counts)
        return total if samples == 1 else total / samples

    # What leaves for the host goes over links too, but those have no reader on a chip.
    inner = costs.deliveries > 0
    levels = [mean(costs.links[:, n] * inner) for n in range(LEVELS)]
    return {
        "sender": name,
        "frames": mean(np.ones(len(rates), np.int64)),
        "links": sum(levels),
        "links_by_level": levels,
        "links_to_host": mean(costs.links.sum(axis=1) * ~inner),
        "between_chips": mean(costs.between * inner),
        "to_host": mean(costs.between * ~inner),
        "deliveries": mean(costs.deliveries),
        "spurious": mean(costs.deliveries - costs.wanted),
        "operations": mean(costs.additions),
    }


def summed(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the sums over all rows of `flows`."""
    total: dict[str, Any] = {"sender": "all"}
    for key in (k for k in found[0] if k != "sender"):
        values = [row[key] for row in found]
        total[key] = (
            [sum(level) for level in zip(*values, strict=True)]
            if key == "links_by_level"
            else sum(values)
        )
    return total


def operations(
    build: "Build", placed: Placed, rates: Rates, total: Mapping[str, Any]
) -> dict[str, Any]:
    """Return exact counts of a mean sample, and the latency of each output in ticks."""
    steps = {core.place: _steps(core, rates.ticks) for core in placed.cores}
    frames_in = sum(int(each.sum()) for each in rates.inputs)
    first = [layer.rows() for layer in placed.layers if layer.copy == 0]
    return {
        "samples": rates.samples,
        "ticks": rates.ticks,
        "synaptic_operations": total["operations"],
        "spikes": sum(int(rates.rows[r].sum()) for r in first) / rates.samples,
        "neuron_updates": sum(core.count * steps[core.place] for core in placed.cores),
        "dendrite_updates": sum(dendrites(core) * steps[core.place] for core in placed.cores),
        "core_ticks": sum(steps.values()),
        "links": total["links"],
        "deliveries": total["deliveries"],
        "spurious": total["spurious"],
        "frames_in": frames_in / rates.samples,
        "frames_out": total["to_host"],
        "configuration_words": int(build.frames.size),
        "latency": placed.latency(),
        "ticks_to_last_output": rates.ticks + max(placed.latency().values(), default=0),
    }


def _steps(core: Core, ticks: int) -> int:
    """Return the ticks of a sample in which a core works: not before its first, nor for ever."""
    left = max(0, ticks - core["first"])
    return min(left, core["ticks"]) if core["ticks"] else left
