"""A rule of the judge: physical copies of a layer have the same weights, source by source.

A copy lies in a core of its own, where the same sources may have other axons. Each weight column of
a core is named by what arrives there (source, element and delay) and gets two numbers that follow
from the name. What the weights of a neuron sum up to with these numbers is equal for equal weights,
and for others but once in 2^52.
"""

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from snnc.diagnostics import Diagnostics
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.placed import Core, Layer, Place, Placed
from snnc.targets.paicore.rules.routes import destinations, region

_BITS = 26
"""Bits of a number: sums over all axons that a core can have are exact in float64."""

_HELP = "this is no placement that `place` gives; compile the network anew"

Names = NDArray[np.uint64]

Part = tuple[Core, int, int, Ints]
"""A piece of a copy, first and last row in its core, and the layer's neurons there."""


def check_twins(placed: Placed, found: Diagnostics) -> None:
    """Compare the weights of the copies of each layer, where there are several."""
    several = {name: copies for name, copies in placed.copies.items() if len(copies) > 1}
    pieces = {name: [_pieces(one, copies) for one in copies] for name, copies in several.items()}
    cores = {core.place: core for every in pieces.values() for one in every for core, *_ in one}
    if not cores:
        return
    names = _names(placed, cores)
    marks: dict[Place, NDArray[np.float64]] = {}
    for name, copies in several.items():
        size = prod(copies[0].shape)
        first, *others = (_marks(placed, size, one, names, marks) for one in pieces[name])
        for number, other in enumerate(others, 1):
            mine = copies[number].neurons
            bad = np.flatnonzero((first[mine] != other[mine]).any(axis=1))
            if bad.size:
                message = f"copy {number} of %{name} has other weights, at neuron {bad[0]}"
                found.error("copy-differs", message, copies[number].op.loc, help=_HELP)


def _pieces(layer: Layer, copies: Sequence[Layer]) -> list[Part]:
    """Return the pieces of a copy that hold neurons of other copies than the first."""
    again = np.zeros(prod(layer.shape), dtype=bool)
    for other in copies[1:]:
        again[other.neurons] = True
    found, start, elements = [], 0, layer.elements
    for core, first, last in layer.pieces:
        mine = elements[start : start + last - first]
        start += last - first
        if again[mine].any():
            found.append((core, first, last, mine))
    return found


def _names(placed: Placed, cores: dict[Place, Core]) -> dict[Place, Names]:
    """Return what arrives at each weight column of some cores; 0 where nothing does."""
    found = {
        place: np.zeros(core.axons * core["extension"], dtype=np.uint64)
        for place, core in cores.items()
    }
    sources = {name: number for number, name in enumerate(placed.copies)}
    for layer in placed.layers:
        number = sources[layer.of]
        rows, neurons = layer.rows(), layer.neurons
        slots, axons = (placed.tables[column][rows] for column in ("slot", "axon"))
        for (chip, base, mask), mine in destinations(placed, rows):
            inside = [c for c in region(placed, chip, base, mask).used if c.place in cores]
            if not inside:
                continue
            slot, axon = slots[mine], axons[mine]
            for alike in _alike(inside):
                late = slot // alike[0]["extension"]
                columns, names = alike[0].columns(slot, axon), _name(number, late, neurons[mine])
                for core in alike:
                    found[core.place][columns] = names
    for item in placed.inputs:
        number = len(sources) + placed.module.graph.inputs.index(item.source)
        for base, mask, element in item.destinations:
            inside = [c for c in region(placed, item.chip, base, mask).used if c.place in cores]
            slot, axon = item.slot[element], item.axon[element]
            names = _name(number, slot // item.extension - item.first, element)
            for alike in _alike(inside):
                columns = alike[0].columns(slot, axon)
                for core in alike:
                    found[core.place][columns] = names
    return found


def _alike(cores: Sequence[Core]) -> list[list[Core]]:
    """Return those cores together that count their columns alike."""
    found: dict[tuple[int, bool], list[Core]] = {}
    for core in cores:
        found.setdefault((core["extension"], core.wide), []).append(core)
    return [*found.values()]


def _name(source: int, late: Ints, element: Ints) -> Names:
    """Return one number for source, delay and element; never 0."""
    return ((((source + 1) << 16) + late) << 32).astype(np.uint64) + element.astype(np.uint64)


def _marks(
    placed: Placed,
    size: int,
    pieces: Sequence[Part],
    names: dict[Place, Names],
    marks: dict[Place, NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Return two sums for each neuron of a layer of some size; 0 for those of no piece."""
    found = np.zeros((size, 2))
    for core, first, last, elements in pieces:
        if core.place not in marks:
            marks[core.place] = _spread(names[core.place])
        weights = placed.module.tensor(core.weights)[first:last].astype(np.float64)
        found[elements] = weights @ marks[core.place]
    return found


def _spread(names: Names) -> NDArray[np.float64]:
    """Return two whole numbers below 2^26 for each name, by the mixing of splitmix64."""
    mixed = names * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    low = np.uint64((1 << _BITS) - 1)
    return np.stack([mixed & low, mixed >> np.uint64(_BITS) & low], axis=1).astype(np.float64)
