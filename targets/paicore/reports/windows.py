"""How many axons some neurons of a layer need at least, from the windows that they look through.

A layer's way from one source is looked at if a single path leads there with at most one linear op
that has windows: a convolution, a pool, a matrix, or none. Of `q` places of a channel the union of
the windows has at least `union[q]` places of the input, whatever the shape of the set: with `r_t`
the rows in which at least t of the q places lie, R(r) the least rows that r rows of windows cover,
C(t) the same for columns, each of R(r_t) input rows has at least C(t) places, so that the union
has at least sum of R(r_t) (C(t) - C(t-1)); the sum is minimized over all r_1 >= r_2 >= ... Where
windows are not known, the smallest number of weights of a neuron stands in their place.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import prod

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.ir.adjoints import POOLS
from snnc.ir.graph import Op
from snnc.ir.synapses import Edge, Synapses
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.neurons.widths import bits_of_rows
from snnc.targets.paicore.tiling.reads import SPARSE

CARRIERS = ("reshape", "permute", "slice", "delay", "add")
"""Ops that give each element at most one place; add joins ways from other sources."""

BLIND = 1 << 40
"""More axons than there are."""


@frozen
class Axis:
    """One axis of a window: sizes of input and result, kernel, stride, zeros before, dilation."""

    given: int
    made: int
    kernel: int
    stride: int
    before: int
    dilation: int


@frozen(eq=False)
class Windows:
    """What a layer reads of one source.

    `groups` independent parts each give `made` neurons per place out of `read` channels; `union[q]`
    is the least number of places that q places of a part look at. `fan_in` is the most that one
    neuron reads, `bits` the width of the weights of each channel, or of all. `axes` are rows and
    columns where there is one part, and each place sees something.
    """

    groups: int
    read: int
    made: int
    union: Ints
    fan_in: int
    bits: NDArray[np.int64]
    axes: tuple[Axis, Axis] | None = None

    def least(self, neurons: Ints) -> Ints:
        """Return the least axons that so many neurons need."""
        places = -(-neurons // self.made)
        last = len(self.union) - 1
        if self.groups == 1:
            return np.where(places > last, BLIND, self.union[np.minimum(places, last)] * self.read)
        # Of many parts, each place costs at least what it costs where places share the most.
        rate = min((int(self.union[q]) / q for q in range(1, last + 1)), default=0.0)
        return np.asarray(np.ceil(places * rate - 1e-9), np.int64) * self.read


def windows_of(
    synapses: Synapses, op: Op, edge: Edge, most: int, by_weight: bool = False
) -> Windows:
    """Return what a neuron op reads of a source, as far as `most` neurons in one core go.

    With `by_weight`, places of a window without a weight take no axon.
    """
    path = synapses.ways(op)[edge]
    if path is not None:
        seeing = [o for o in path if o.kind not in CARRIERS]
        if not seeing:
            size = op.result.type.size
            return Windows(size, 1, 1, np.arange(2), 1, np.ones(1, np.int64))
        if len(seeing) == 1 and seeing[0].kind == "linear":
            return _matrix(synapses, op, edge, seeing[0])
        if len(seeing) == 1 and not (by_weight and _has_zeros(synapses, seeing[0])):
            found = _seen(synapses, seeing[0], most)
            if found is not None:
                return found
    return _from_rows(synapses, op, edge)


def _seen(synapses: Synapses, seer: Op, most: int) -> Windows | None:
    """Return the windows of a linear op, None for one whose windows have another form."""
    if seer.kind == "scale":
        weights = synapses.module.tensor(seer.symbols[0])
        size = seer.result.type.size
        return Windows(size, 1, 1, np.arange(2), 1, bits_of_rows(weights.reshape(1, -1)))
    if seer.kind in ("conv1d", "conv2d") or "pool" in seer.kind:
        return _convolution(synapses, seer, most)
    return None


def _has_zeros(synapses: Synapses, seer: Op) -> bool:
    tensors = (synapses.module.tensor(s) for s in seer.symbols if seer.kind not in POOLS)
    return any(not np.all(tensor) for tensor in tensors)


def _matrix(synapses: Synapses, op: Op, edge: Edge, seer: Op) -> Windows:
    weights = synapses.module.tensor(seer.symbols[0])
    made, read = weights.shape
    rows, most = prod(seer.result.type.shape[:-1]), read
    counts = np.count_nonzero(weights, axis=1)
    # What few of all pairs of a neuron and an element of the source have is read by weight.
    pairs = int(counts.sum()) * rows if seer.result.type.size == op.result.type.size else 0
    if pairs <= SPARSE * op.result.type.size * edge.source.type.size:
        read, most = int(counts.min(initial=read)), int(counts.max(initial=0))
    return Windows(rows, read, made, np.arange(2), most, bits_of_rows(weights))


def _convolution(synapses: Synapses, seer: Op, most: int) -> Windows:
    channels, *given = seer.values[0].type.shape
    outputs, *made = seer.result.type.shape
    if seer.symbols and seer.kind not in POOLS:
        weights = synapses.module.tensor(seer.symbols[0])
        groups, kernel = int(seer["groups"]), weights.shape[2:]
        bits = bits_of_rows(weights.reshape(outputs, -1))
    else:
        groups, kernel = channels, tuple(seer["kernel"])
        bits = np.ones(1, np.int64)
    axes = _axes(seer, given, made, kernel)
    each = outputs // groups
    union = union_of(axes, -(-most // each))
    taps = [[len(seen) for seen in seen_by(axis)] for axis in axes]
    whole = groups == 1 and all(min(each, default=0) for each in taps)
    fan_in = channels // groups * prod(max(each, default=0) for each in taps)
    return Windows(groups, channels // groups, each, union, fan_in, bits, axes if whole else None)


def _axes(
    seer: Op, given: Sequence[int], made: Sequence[int], kernel: Sequence[int]
) -> tuple[Axis, Axis]:
    count = len(kernel)
    stride = list(seer["stride"]) or (list(kernel) if "pool" in seer.kind else [1] * count)
    before = (list(seer["padding"]) or [0] * count)[:count]
    dilation = list(seer["dilation"]) or [1] * count
    numbers = zip(given, made, kernel, stride, before, dilation, strict=True)
    rows, columns = (Axis(1, 1, 1, 1, 0, 1), *(Axis(*each) for each in numbers))[-2:]
    return rows, columns


def _from_rows(synapses: Synapses, op: Op, edge: Edge) -> Windows:
    """Return the windows of a layer of which only the weights themselves are known."""
    least, most, bits = BLIND, 0, []
    for _, rows in synapses.blocks(op):
        block = rows.weights[edge]
        counts = np.count_nonzero(block, axis=1)
        least, most = min(least, int(counts.min())), max(most, int(counts.max()))
        bits.append(bits_of_rows(block))
    size = op.result.type.size
    return Windows(1, least, size, np.arange(2), most, np.concatenate(bits))


def union_of(axes: tuple[Axis, Axis], most: int) -> Ints:
    """Return, for 0 to `most` places of a window's result, the least places of input they see."""
    rows, columns = axes
    most = min(most, rows.made * columns.made)
    return _union(rows, columns, most)


@lru_cache(maxsize=64)
def _union(rows: Axis, columns: Axis, most: int) -> Ints:
    tall, broad = least_cover(rows), least_cover(columns)
    steps = np.diff(broad[: min(columns.made, most) + 1])
    heights = np.arange(len(tall))
    # cost[r, q]: least union of q places whose longest remaining row count is r.
    cost = np.full((len(tall), most + 1), BLIND, dtype=np.int64)
    cost[-1, 0] = 0
    best = np.full(most + 1, BLIND, dtype=np.int64)
    best[0] = 0
    for step in steps:
        open_to = np.minimum.accumulate(cost[::-1], axis=0)[::-1]
        cost = np.full_like(cost, BLIND)
        for r in heights[1 : most + 1]:
            cost[r, r:] = open_to[r, : most + 1 - r] + tall[r] * step
        best = np.minimum(best, cost.min(axis=0))
    # More places never see less.
    return np.minimum.accumulate(best[::-1])[::-1]


def seen_by(axis: Axis) -> list[range]:
    """Return what each place of the result sees of the input, clipped to it.

    The input is counted with its places of remainder 0 by the dilation first, then those of
    remainder 1 far behind, and so on: so a dilated window is a range too.
    """
    far = axis.given + axis.made * axis.stride + axis.kernel
    found = []
    for place in range(axis.made):
        first = place * axis.stride - axis.before
        late = -(-max(0, -first) // axis.dilation)
        taps = min(axis.kernel, -((first - axis.given) // axis.dilation)) - late
        number, rest = divmod(first + late * axis.dilation, axis.dilation)
        start = rest * far + number
        found.append(range(start, start + max(taps, 0)))
    return found


@lru_cache(maxsize=256)
def least_cover(axis: Axis) -> Ints:
    """Return, for 0 to all places of an axis, the least places of its input that they see."""
    seen = sorted(seen_by(axis), key=lambda window: window.start)
    first = np.array([s.start for s in seen])
    last = np.array([s.stop for s in seen])
    # Windows in order follow each other, so what one adds is known from the one before.
    adds = last[None, :] - np.maximum(first[None, :], last[:, None])
    adds = np.where(np.tri(axis.made, dtype=bool), BLIND, np.maximum(adds, 0))
    covered = last - first
    least = [0, *([int(covered.min())] if axis.made else [])]
    for _ in range(1, axis.made):
        covered = (covered[:, None] + adds).min(axis=0)
        least.append(int(covered.min()))
    return np.minimum.accumulate(np.array(least[::-1]))[::-1]
