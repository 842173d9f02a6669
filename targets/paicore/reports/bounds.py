"""Lower bounds: how many cores a layer needs, however it is cut, copied and placed.

The bound of a layer is strict under what the chip says of a core (capacity by weight bits and axon
extension, distinct axons) and one premise: each element under a neuron's window takes an axon of
its core, also where its weight is 0, unless 60 % of a matrix are 0, or the window shares cores with
a matrix. Neurons of a core share axons where their windows overlap, so what counts is the smallest
union of windows that so many neurons can have (`windows.py`), and that a map has few corners, where
it is smallest (`corners.py`). Bits are those of each neuron's own weights. Copies that a placement
needs are not in the bound, nor are relays that it adds.

A core may hold several layers only if its one register fits them all: the bound of a network takes
layers of one register together, and adds the rest.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil, prod

import numpy as np
from attrs import frozen

from snnc.ir.graph import Module, Op
from snnc.targets.paicore.chip.geometry import axons_of, capacity
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.neurons.populations import Populations
from snnc.targets.paicore.reports.corners import least_cores
from snnc.targets.paicore.reports.windows import Windows, windows_of
from snnc.targets.paicore.tiling.reads import behind_matrix


@frozen
class Bound:
    """What one layer needs at least.

    `by_memory` counts dendrites alone, neurons x bits; `cores` axons too. `neurons_per_core` is the
    most that one core can hold of neurons with the layer's widest weights; 0 where no core can.
    `shares` are memory in parts of a core, for layers that lie together.
    """

    layer: str
    neurons: int
    fan_in: int
    bits: int
    by_memory: int
    cores: int
    neurons_per_core: int
    shares: Fraction
    together: tuple[object, ...]


def bounds(module: Module, widest: int = LIMITS.weight_bits[-1]) -> dict[str, Bound]:
    """Return the bounds of all layers of a scheduled `int` module, by name, in text order.

    No weight counts as wider than `widest` bits, so that one can ask what fewer bits would do.
    """
    populations = Populations.of(module)
    by_weight = _beside_matrices(populations)
    return {
        op.result.name: _bound(populations, op, widest, op in by_weight) for op in populations.ops
    }


def total(found: Mapping[str, Bound]) -> int:
    """Return how many cores a network needs at least, given when each layer starts."""
    together: dict[tuple[object, ...], list[Bound]] = {}
    for bound in found.values():
        together.setdefault(bound.together, []).append(bound)
    return sum(
        max(*(b.cores for b in layers), ceil(sum(b.shares for b in layers)))
        for layers in together.values()
    )


def _beside_matrices(populations: Populations) -> set[Op]:
    """Return layers that may lie where a matrix is: those are cut by what has a weight.

    Layers that read one source may share their cores.
    """
    read = {op: {edge.source for edge, _ in populations.feeding(op)} for op in populations.ops}
    found: set[Op] = set()
    more = {op for op in populations.ops if behind_matrix(populations, op)}
    while more:
        found |= more
        sources = set().union(*(read[op] for op in more))
        more = {op for op in populations.ops if op not in found and read[op] & sources}
    return found


def _bound(populations: Populations, op: Op, widest: int, by_weight: bool) -> Bound:
    wide, synapses = populations.form(op).wide, populations.synapses
    room = capacity(wide, 1, 1)
    feeding = populations.feeding(op)
    edges = [windows_of(synapses, op, edge, room, by_weight) for edge, _ in feeding]
    sizes = [(min(bits, widest), n) for bits, n in _widths(edges, op)]
    most = {bits: _most(edges, wide, bits) for bits, _ in sizes}
    held = {bits: best for bits, best in most.items() if best}
    shares = sum((Fraction(n, capacity(wide, bits, 1)) for bits, n in sizes), Fraction(0))
    cores = ceil(sum((Fraction(n, held.get(bits, 1)) for bits, n in sizes), Fraction(0)))
    for number, windows in enumerate(edges):
        others = edges[:number] + edges[number + 1 :]
        cores = _at_corners(windows, others, op, wide, sizes[0][0], cores)
    most_bits = max(bits for bits, _ in sizes)
    hint = populations.hint(op)
    return Bound(
        op.result.name,
        populations.size(op),
        sum(edge.fan_in for edge in edges),
        most_bits,
        ceil(shares),
        cores,
        most[most_bits],
        shares,
        (populations.form(op), hint.get("start"), op["first"], op["ticks"], hint.get("chip")),
    )


def _widths(seen: Sequence[Windows], op: Op) -> list[tuple[int, int]]:
    """Return how many neurons have weights of which width, the narrow ones first."""
    size, each = op.result.type.size, np.ones(1, np.int64)
    for windows in seen:
        both = {len(each), len(windows.bits)} - {1}
        # Channels of two sources correspond where there are as many.
        if len(both) > 1:
            return [(int(min(each.min(), windows.bits.min())), size)]
        each = np.maximum(each, windows.bits)
    widths, counts = np.unique(each, return_counts=True)
    return [(int(w), int(c) * size // len(each)) for w, c in zip(widths, counts, strict=True)]


def _most(seen: Sequence[Windows], wide: bool, bits: int) -> int:
    """Return how many neurons of a layer one core can hold, over all axon extensions."""
    best = 0
    for extension in _extensions():
        neurons = np.arange(1, capacity(wide, bits, extension) + 1)
        needed = sum((windows.least(neurons) for windows in seen), np.zeros_like(neurons))
        best = max(best, int(np.count_nonzero(needed <= axons_of(wide) * extension)))
    return best


def _at_corners(
    windows: Windows, others: Sequence[Windows], op: Op, wide: bool, bits: int, known: int
) -> int:
    """Return how many cores a layer needs, `known` or more, by what it reads of one source.

    No weights count as wider than `bits`, the least of any neuron.
    """
    places = windows.made * prod(axis.made for axis in windows.axes or ())
    if windows.axes is None or places != op.result.type.size:
        return known
    held = []
    for extension in _extensions():
        neurons = np.arange(1, capacity(wide, bits, extension) + 1)
        axons = axons_of(wide) * extension
        most = min(axons // windows.read, prod(axis.given for axis in windows.axes))
        taken = windows.read * np.arange(most + 1)
        apart = sum((w.least(neurons) for w in others), np.zeros_like(neurons))
        inside = np.searchsorted(windows.least(neurons), taken, side="right")
        beside = np.searchsorted(apart, axons - taken, side="right")
        held.append(tuple(np.minimum(inside, beside).tolist()))
    return least_cores(windows.axes, windows.made, known, tuple(held))


def _extensions() -> list[int]:
    return [1 << code for code in range(LIMITS.max_lcn + 1)]
