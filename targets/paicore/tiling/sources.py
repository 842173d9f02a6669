"""What shares read of their sources."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from snnc.ir.graph import Op
from snnc.targets.paicore.neurons.populations import Populations, Segment
from snnc.targets.paicore.tiling.choose import Sources
from snnc.targets.paicore.tiling.patches import ReadByLayer
from snnc.targets.paicore.tiling.reach import ALL, Reach, Span, joined, shape_of
from snnc.targets.paicore.tiling.shares import Share


def share_shape(populations: Populations, share: Share) -> tuple[int, ...]:
    """Return the shape of a share."""
    return share.shape(shape_of(populations.synapses, share.op)[1])


def sources_of(populations: Populations, shares: Sequence[Share]) -> Sources | None:
    """Return what some shares read together, None where their shapes have nothing in common."""
    shapes = [share_shape(populations, share) for share in shares]
    if len({len(shape) for shape in shapes}) > 1:
        return None
    uneven = {n for n, sizes in enumerate(zip(*shapes, strict=True)) if len({*sizes}) > 1}
    found: dict[Segment, Reach] = {}
    for share in shares:
        for edge, reach in populations.reaches(share.op).items():
            segment = populations.segment(share.op, edge)
            mine = tuple(_even(span, uneven) for span in share.reach(reach))
            found[segment] = joined(found[segment], mine) if segment in found else mine
    segments = populations.segments(share.op for share in shares)
    return {s: (s.source.type.shape, found[s]) for s in segments}


def read_by_each(populations: Populations, shares: Sequence[Share]) -> ReadByLayer:
    """Return what each of some shares reads of their sources."""
    found: dict[Segment, list[Reach | None]] = {}
    for number, share in enumerate(shares):
        for edge, reach in populations.reaches(share.op).items():
            each = found.setdefault(populations.segment(share.op, edge), [None] * len(shares))
            each[number] = joined(each[number] or (), share.reach(reach))
    segments = populations.segments(share.op for share in shares)
    return {s: (s.source.type.shape, found[s]) for s in segments}


def _even(span: Span, uneven: set[int]) -> Span:
    return ALL if span.axis in uneven else span


def read_by(populations: Populations, share: Share, segment: Segment) -> NDArray[np.bool_]:
    """Return whether a share may read each element of a source."""
    sizes, reach = (sources_of(populations, [share]) or {})[segment]
    found = np.ones(1, dtype=bool)
    for size, span in zip(sizes, reach, strict=True):
        found = np.logical_and(found[:, None], _covered(span, size)).reshape(-1)
    return found


def read_by_all(populations: Populations, op: Op) -> list[Segment]:
    """Return the populations of which the neurons of an op, all together, may read everything."""
    return [
        segment
        for segment, (sizes, reach) in (sources_of(populations, [Share(op)]) or {}).items()
        if segment.source in populations.by_value
        and all(_covered(span, size).all() for size, span in zip(sizes, reach, strict=True))
    ]


def _covered(span: Span, size: int) -> NDArray[np.bool_]:
    """Return whether each place of an axis is read by anyone."""
    if span.axis < 0:
        return np.ones(size, dtype=bool)
    place, some = np.arange(size), span.high >= span.low
    low, high = span.low[some, None], span.high[some, None]
    return np.asarray(((low <= place) & (place <= high)).any(axis=0))
