"""What each neuron of a layer may read of each source, axis by axis.

The linear ops between a source and a neuron are walked backwards with an interval of places for
every place along each axis of the neurons. The product of the intervals holds every synapse; it may
hold more (dilated taps, kernels with zeros), which costs axons and changes nothing. Where an op
mixes axes, all of the source is taken to be read.
"""

from collections.abc import Callable, Hashable, Mapping

import numpy as np
from attrs import frozen

from snnc.ir.adjoints import window
from snnc.ir.graph import Module, Op, Value
from snnc.ir.synapses import Edge, Synapses
from snnc.targets.paicore.chip.frames import Ints

NOWHERE = np.zeros(0, dtype=np.int64)


@frozen(eq=False)
class Span:
    """Places low..high along one axis of a source, for each place along `axis` of the neurons.

    A span with high < low is empty. Without an axis (-1) every neuron may read all places.
    """

    axis: int = -1
    low: Ints = NOWHERE
    high: Ints = NOWHERE

    def moved(self, low: Ints, high: Ints, size: int) -> "Span":
        """Return the span of other places, cut to `size` of them; what was empty stays so."""
        some = self.high >= self.low
        low, high = np.maximum(low, 0), np.minimum(high, size - 1)
        some &= high >= low
        return Span(self.axis, np.where(some, low, size), np.where(some, high, -1))


Reach = tuple[Span, ...]
"""The spans along all axes of a source."""

ALL = Span()


def told(reach: Reach) -> Hashable:
    """Return the spans of a reach by value, as part of a question."""
    return tuple((span.axis, span.low.tobytes(), span.high.tobytes()) for span in reach)


def shape_of(synapses: Synapses, op: Op) -> tuple[Value, tuple[int, ...]]:
    """Return the value whose shape a layer is cut by: its input, reshapes before it undone."""
    value = op.values[0]
    while (maker := synapses.linear_op(value)) is not None and maker.kind == "reshape":
        value = maker.values[0]
    return value, value.type.shape


def reaches(synapses: Synapses, op: Op) -> Mapping[Edge, Reach]:
    """Return what the neurons of an op may read along each edge into it.

    Spans follow the axes of the shape that `shape_of` gives.
    """
    found: dict[Edge, Reach] = {}
    between = synapses.between(op)
    left = {edge: len(readers) for edge, readers in between.items()}
    begin = Edge(op.values[0], 0)
    value, shape = shape_of(synapses, op)
    found[begin] = ()
    todo, left[begin] = [begin], 0
    whole = tuple(Span(a, np.arange(n), np.arange(n)) for a, n in enumerate(shape))
    while todo:
        edge = todo.pop()
        if edge.source is value and edge.delay == 0:
            found[edge] = whole
        through = synapses.linear_op(edge.source)
        if through is None:
            continue
        late = edge.delay + (int(through["by"]) if through.kind == "delay" else 0)
        made = found[edge]
        for source in through.values:
            following = Edge(source, late)
            reach = _through(synapses.module, through, source, made) if made else ()
            found[following] = joined(found.get(following, ()), reach)
            left[following] -= 1
            if not left[following]:
                todo.append(following)
    return {edge: found[edge] for edge in synapses.edges(op)}


def joined(one: Reach, other: Reach) -> Reach:
    """Return what either reads; without spans it reads nothing."""
    if not one or not other:
        return one or other
    return tuple(map(_either, one, other))


def _either(one: Span, other: Span) -> Span:
    if one.axis != other.axis or one.axis < 0:
        return ALL
    return Span(one.axis, np.minimum(one.low, other.low), np.maximum(one.high, other.high))


def _through(module: Module, op: Op, source: Value, reach: Reach) -> Reach:
    """Return what is read of one operand of a linear op, by what is read of its result."""
    if op.kind == "concat":
        return _concat(op, source, reach)
    step = _STEPS.get(op.kind)
    return tuple(ALL for _ in source.type.shape) if step is None else step(module, op, reach)


def _same(module: Module, op: Op, reach: Reach) -> Reach:
    return reach


def _linear(module: Module, op: Op, reach: Reach) -> Reach:
    return (*reach[:-1], ALL)


def _reshape(module: Module, op: Op, reach: Reach) -> Reach:
    """Axes of one place come and go; any other reshape mixes axes."""
    old, new = op.values[0].type.shape, op.result.type.shape
    if [n for n in old if n > 1] != [n for n in new if n > 1]:
        return tuple(ALL for _ in old)
    kept = iter([span for span, n in zip(reach, new, strict=True) if n > 1])
    return tuple(next(kept) if n > 1 else ALL for n in old)


def _permute(module: Module, op: Op, reach: Reach) -> Reach:
    return tuple(reach[op["order"].index(axis)] for axis in range(len(reach)))


def _slice(module: Module, op: Op, reach: Reach) -> Reach:
    axis, start = op["axis"], op["start"]
    size = op.values[0].type.shape[axis]
    return tuple(_shifted(s, start, size) if a == axis else s for a, s in enumerate(reach))


def _concat(op: Op, source: Value, reach: Reach) -> Reach:
    """An operand that is joined twice is read at both of its places."""
    axis, start, found = op["axis"], 0, Reach()
    for value in op.values:
        size = value.type.shape[axis]
        if value is source:
            here = tuple(_shifted(s, -start, size) if a == axis else s for a, s in enumerate(reach))
            found = joined(found, here)
        start += size
    return found


def _shifted(span: Span, by: int, size: int) -> Span:
    if span.axis < 0:
        return span
    return span.moved(span.low + by, span.high + by, size)


def _conv(module: Module, op: Op, reach: Reach) -> Reach:
    kernel = module.tensor(op.symbols[0]).shape
    return (_channels(op, reach[0], kernel[0], kernel[1]), *_windows(op, reach[1:], kernel[2:]))


def _conv_transpose(module: Module, op: Op, reach: Reach) -> Reach:
    kernel = module.tensor(op.symbols[0]).shape
    channels = _channels(op, reach[0], kernel[1] * op["groups"], kernel[0] // op["groups"])
    stride, before, dilation = window(op, len(kernel) - 2, kernel[2:])
    found = [channels]
    for axis, span in enumerate(reach[1:]):
        if span.axis < 0:
            found.append(span)
            continue
        last = (kernel[2 + axis] - 1) * dilation[axis]
        low = -((last - span.low - before[axis]) // stride[axis])
        high = (span.high + before[axis]) // stride[axis]
        found.append(span.moved(low, high, op.values[0].type.shape[1 + axis]))
    return tuple(found)


def _channels(op: Op, span: Span, made: int, read: int) -> Span:
    """Return the channels read: those of the groups, `read` each, that the result's belong to."""
    groups = op["groups"]
    if groups == 1 or span.axis < 0:
        return ALL
    each = made // groups
    return span.moved(span.low // each * read, (span.high // each + 1) * read - 1, groups * read)


def _pool(module: Module, op: Op, reach: Reach) -> Reach:
    return (reach[0], *_windows(op, reach[1:], tuple(op["kernel"])))


def _windows(op: Op, reach: Reach, kernel: tuple[int, ...]) -> Reach:
    stride, before, dilation = window(op, len(kernel), kernel)
    found = []
    for axis, span in enumerate(reach):
        if span.axis < 0:
            found.append(span)
            continue
        low = span.low * stride[axis] - before[axis]
        high = span.high * stride[axis] - before[axis] + (kernel[axis] - 1) * dilation[axis]
        found.append(span.moved(low, high, op.values[0].type.shape[1 + axis]))
    return tuple(found)


_STEPS: Mapping[str, Callable[[Module, Op, Reach], Reach]] = {
    **dict.fromkeys(("add", "sub", "scale", "delay"), _same),
    **dict.fromkeys(("linear", "masked_linear"), _linear),
    **dict.fromkeys(("conv1d", "conv2d"), _conv),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d"), _conv_transpose),
    **dict.fromkeys(("sum_pool1d", "sum_pool2d", "max_pool1d", "max_pool2d"), _pool),
    "reshape": _reshape,
    "permute": _permute,
    "slice": _slice,
}
"""Ops with one kind of operand, and what is read of it."""
