"""Layers that read only inputs, in boxes of one core each, so that they lie in holes of regions.

An input is sent as often as boxes read an element, and costs no cores. So each core of such a
layer may stand by itself, wherever the frames of another region come by and no neurons are. A layer
whose own tiles leave holes stays as it is: it would save these, and fill no others.
"""

from collections.abc import Sequence
from itertools import product
from math import prod

import numpy as np

from snnc.ir.graph import Op
from snnc.targets.paicore.chip.geometry import axons_of, capacity
from snnc.targets.paicore.tiling.plan import Planner
from snnc.targets.paicore.tiling.reach import Reach
from snnc.targets.paicore.tiling.shares import Share, in_boxes
from snnc.targets.paicore.tiling.sources import share_shape, sources_of

MOST_BOXES = 64
"""A layer of more cores is not taken apart: each core has input frames of its own."""


def filling(planner: Planner, op: Op) -> tuple[Share, ...]:
    """Return boxes of a core each, as many as the layer needs cores; none where there are none.

    Of boxes that do, those are taken that read the fewest elements of inputs in all.
    """
    populations, plan = planner.populations, planner.plan([Share(op)], [1])
    sources = sources_of(populations, [Share(op)])
    from_host = all(source is None for _, source in populations.feeding(op))
    if not from_host or sources is None or plan.extension > 1 or len(planner.widths(op)) > 1:
        return ()
    spread = populations.hint(op).get("unroll", 1) > 1
    if spread or plan.occupied > plan.cores or not 1 < plan.cores <= MOST_BOXES:
        return ()
    wide, shape = populations.form(op).wide, share_shape(populations, Share(op))
    full = capacity(wide, populations.bits(op), 1)
    best: tuple[int, tuple[int, ...]] | None = None
    for parts in _divided(plan.cores, len(shape)):
        sizes = tuple(-(-size // count) for size, count in zip(shape, parts, strict=True))
        cut = tuple(-(-size // each) for size, each in zip(shape, sizes, strict=True))
        if cut != parts or prod(sizes) > full:
            continue
        reads = [_read(places, reach, sizes, parts) for places, reach in sources.values()]
        # One axon more for what a box does not read.
        if sum(most for most, _ in reads) < axons_of(wide):
            found = sum(total for _, total in reads), sizes
            best = found if best is None else min(best, found)
    return in_boxes(op, shape, best[1]) if best else ()


def _divided(cores: int, axes: int) -> list[tuple[int, ...]]:
    """Return all ways to write a number of cores as a product of parts along axes."""
    divisors = [n for n in range(1, cores + 1) if cores % n == 0]
    return [parts for parts in product(divisors, repeat=axes) if prod(parts) == cores]


def _read(
    places: Sequence[int], reach: Reach, sizes: Sequence[int], parts: Sequence[int]
) -> tuple[int, int]:
    """Return how many elements of a source a box reads at most, and all boxes together."""
    most, total, boxes = 1, 1, prod(parts)
    for size, span in zip(places, reach, strict=True):
        each = np.array([size])
        if span.axis >= 0:
            starts = np.arange(0, len(span.low), sizes[span.axis])
            some = span.high >= span.low
            low = np.minimum.reduceat(np.where(some, span.low, size), starts)
            high = np.maximum.reduceat(np.where(some, span.high, -1), starts)
            each, boxes = np.maximum(high - low + 1, 0), boxes // parts[span.axis]
        most, total = most * int(each.max()), total * int(each.sum())
    return most, total * boxes
