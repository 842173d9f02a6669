"""Buses: the currents between spike sources and neurons that share one scale.

A *current* is what linear ops make of spikes. Ops without constants (pools, sums, movements,
delays) hand the scale of their operands on, so the currents that they link form a *bus*; ops with
constants (`makers`) write onto a bus and choose its scale through their weights. Spikes that reach
a sum without weights (`entries`) have weight 1. A pass that divides or rounds the weights of one
maker of a bus must treat all of them, and the neurons that read it, alike.

A scale has one value per *block*: `n` blocks cut every current of a bus, in row-major order, into
n parts of equal size, so that blocks survive a reshape (channels of a convolution, then flat).
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import gcd, prod

import numpy as np
from attrs import field, frozen

from snnc.diagnostics import fail
from snnc.ir.graph import Module, Op, Value
from snnc.ir.synapses import WEIGHTED
from snnc.ir.weights import Array

SUMS = ("add", "sub", "sum_pool1d", "sum_pool2d", "avg_pool1d", "avg_pool2d")
MOVING = ("concat", "reshape", "permute", "slice", "delay")


@frozen(eq=False)
class Bus:
    """Linked currents; `ratios` gives the scale of each relative to the bus.

    `makers` are the weighted ops that write onto it, `entries` the operands (op, position) that are
    spikes without weights, `links` the ops inside, `neurons` the neurons that read it, `feeds`
    the other ops that do, `returned` its currents that the graph returns.
    """

    ratios: dict[Value, Fraction]
    makers: list[Op] = field(factory=list)
    links: list[Op] = field(factory=list)
    entries: list[tuple[Op, int]] = field(factory=list)
    neurons: list[Op] = field(factory=list)
    feeds: list[Op] = field(factory=list)
    returned: list[Value] = field(factory=list)

    def entry_ratio(self, op: Op) -> Fraction:
        """Return the relative scale that an entry of `op` must have."""
        if op.kind == "neuron":
            return self.ratios[op.values[0]]
        return self.ratios[op.result] / link_factor(op)


def find_currents(module: Module) -> dict[Value, Op]:
    """Return every current with its maker, in text order."""
    found: dict[Value, Op] = {}
    size = -1
    while size != len(found):
        size = len(found)
        for op in module.graph.ops:
            if op.kind in (*WEIGHTED, *SUMS) or (
                op.kind in MOVING and any(v in found for v in op.values)
            ):
                found[op.result] = op
    return {op.result: op for op in module.graph.ops if op.result in found}


def link_factor(op: Op) -> Fraction:
    """Return the scale of an op's result over that of its operands: 1/K of an average pool.

    Integers hold the sum, so the mean is K times finer than one of them.
    """
    if not op.kind.startswith("avg_pool"):
        return Fraction(1)
    if not op["count_padding"] and any(op["padding"]):
        raise fail(
            "no-integer-form",
            f"{op.name}: with count_padding = false the windows of %{op.result.name} at the border "
            "have other sizes, so no single factor turns their sums into means",
            op.loc,
            help="use count_padding = true, or no padding",
        )
    return Fraction(1, prod(op["kernel"]))


def find_buses(module: Module) -> tuple[Bus, ...]:
    """Return the buses in text order.

    Raises:
        SnncError: `scale-conflict` where a current would need two scales.
    """
    made = find_currents(module)
    home: dict[Value, Bus] = {}
    buses: list[Bus] = []
    linked = _links(made)
    for value in made:
        if value not in home:
            bus = Bus(_ratios(value, linked))
            home.update(dict.fromkeys(bus.ratios, bus))
            buses.append(bus)
    for op in module.graph.ops:
        _enter(op, made, home, buses)
    for value in dict.fromkeys(module.graph.outputs):
        if value in home:
            home[value].returned.append(value)
    return tuple(buses)


def _links(made: dict[Value, Op]) -> dict[Value, list[tuple[Value, Fraction, Op]]]:
    """Return, for each current, the currents whose scale follows: (other, factor, op)."""
    linked: dict[Value, list[tuple[Value, Fraction, Op]]] = {value: [] for value in made}
    for result, op in made.items():
        if op.kind not in WEIGHTED:
            factor = link_factor(op)
            for operand in dict.fromkeys(v for v in op.values if v in made):
                linked[operand].append((result, factor, op))
                linked[result].append((operand, 1 / factor, op))
    return linked


def _ratios(
    start: Value, linked: dict[Value, list[tuple[Value, Fraction, Op]]]
) -> dict[Value, Fraction]:
    ratios, todo = {start: Fraction(1)}, [start]
    while todo:
        value = todo.pop()
        for other, factor, op in linked[value]:
            wanted = ratios[value] * factor
            if other not in ratios:
                ratios[other] = wanted
                todo.append(other)
            elif ratios[other] != wanted:
                raise fail(
                    "scale-conflict",
                    f"%{other.name} meets itself scaled by {wanted / ratios[other]}, so its "
                    "integers would need two scales",
                    op.loc,
                    help="replace the average pool by a convolution with weights of its own",
                )
    return ratios


def _enter(op: Op, made: dict[Value, Op], home: dict[Value, Bus], buses: list[Bus]) -> None:
    """Write down what one op is to the buses that it touches."""
    x = op.values[0] if op.values else None
    if op.kind == "neuron" and x is not None:
        if x not in home:
            buses.append(Bus({x: Fraction(1)}, entries=[(op, 0)], neurons=[op]))
        else:
            home[x].neurons.append(op)
        return
    inside = op.result in made and op.kind not in WEIGHTED
    if inside:
        bus = home[op.result]
        bus.links.append(op)
        bus.entries.extend((op, i) for i, v in enumerate(op.values) if v not in made)
        return
    if op.result in made:
        home[op.result].makers.append(op)
    for value in dict.fromkeys(v for v in op.values if v in home):
        home[value].feeds.append(op)


def in_order(buses: Sequence[Bus]) -> tuple[Bus, ...]:
    """Return the buses so that each follows those that its makers read.

    Raises:
        SnncError: `linear-loop` where weights multiply a current that they feed.
    """
    home = {value: bus for bus in buses if bus.makers or bus.links for value in bus.ratios}
    before = {
        bus: [home[op.values[0]] for op in bus.makers if op.values[0] in home] for bus in buses
    }
    order: dict[Bus, None] = {}
    while len(order) < len(buses):
        ready = [b for b in buses if b not in order and all(p in order for p in before[b])]
        if not ready:
            stuck = next(b for b in buses if b not in order and b.makers)
            raise fail(
                "linear-loop",
                f"%{stuck.makers[0].result.name} feeds itself without a neuron in between, so its "
                "integers would grow by a factor at every turn",
                stuck.makers[0].loc,
                help="a loop must pass through a neuron",
            )
        order.update(dict.fromkeys(ready))
    return tuple(order)


def count_blocks(bus: Bus) -> int:
    """Return the most blocks, at most one per channel of a neuron, that the whole bus can carry."""
    offers = [_offer(op) for op in bus.makers]
    offers += [_channels(op.values[0]) for op in bus.neurons]
    offers += [value.type.size for value in bus.ratios]
    blocks = gcd(*offers)
    return blocks if all(_carries(op, blocks) for op in bus.links) else 1


def _channels(value: Value) -> int:
    """Return the length of the first axis that is longer than 1."""
    return next((n for n in value.type.shape if n > 1), 1)


def _offer(op: Op) -> int:
    """Return into how many blocks the weights of an op can cut its result."""
    shape = op.result.type.shape
    if op.kind in ("linear", "masked_linear"):
        return shape[-1] if op.result.type.size == shape[-1] else 1
    return op.result.type.size if op.kind == "scale" else shape[0]


def _carries(op: Op, blocks: int) -> bool:
    """Whether blocks of an op's result are the same blocks of its operands."""
    if blocks == 1 or op.kind in ("add", "sub", "delay", "reshape"):
        return True
    channels = op.result.type.shape[0] % blocks == 0
    if op.kind == "permute":
        return channels and op["order"][0] == 0
    if op.kind == "slice":
        return channels and op["axis"] != 0
    return channels and op.kind != "concat"


def weights_of(module: Module, op: Op, blocks: int) -> Array:
    """Return a maker's weights in its own layout: integers as they are stored, or float64.

    The mask of masked_linear is applied; weights of `scale` are repeated until each block has its
    own.
    """
    stored = module.tensor(op.symbols[0])
    array = stored.astype(np.float64) if stored.dtype.kind == "f" else stored
    if op.kind == "masked_linear":
        array = array * module.tensor(op.symbols[1])
    if op.kind == "scale":
        return scale_weights(array, op.result.type.shape, blocks)
    return array


def scale_weights(array: Array, shape: tuple[int, ...], blocks: int) -> Array:
    """Return weights of `scale` repeated so that `blocks` can differ: as given, or per channel."""
    if blocks == 1 or (array.size > 1 and array.size % blocks == 0):
        return array
    wide = array.reshape(-1, *(1,) * (len(shape) - 1)) if array.ndim == 1 else array
    if array.size == 1 and shape[0] % blocks == 0:
        return np.broadcast_to(array.reshape(-1), shape[:1]).copy()
    return np.broadcast_to(wide, shape).copy()


def per_output(op: Op, array: Array) -> Array:
    """Return a maker's weights as a matrix: one row per output channel."""
    if op.kind.startswith("conv_transpose"):
        groups, inputs, outputs = op["groups"], *array.shape[:2]
        grouped = array.reshape(groups, inputs // groups, outputs, -1)
        return grouped.swapaxes(1, 2).reshape(groups * outputs, -1)
    if op.kind == "scale":
        return array.reshape(array.size, 1)
    return array.reshape(array.shape[0], -1)


def spread(op: Op, shape: tuple[int, ...], values: Array) -> Array:
    """Return values per block so that they broadcast against weights of `shape`."""
    if op.kind.startswith("conv_transpose"):
        groups, inputs, outputs = op["groups"], *shape[:2]
        each = np.repeat(values, groups * outputs // len(values)).reshape(groups, 1, outputs)
        wide = np.broadcast_to(each, (groups, inputs // groups, outputs))
        return wide.reshape(inputs, outputs, *(1,) * (len(shape) - 2))
    if op.kind == "scale":
        return np.repeat(values, prod(shape) // len(values)).reshape(shape)
    return np.repeat(values, shape[0] // len(values)).reshape(-1, *(1,) * (len(shape) - 1))


def bias_of(module: Module, op: Op) -> Array | None:
    """Return the bias of a maker as int64 or float64, or None."""
    if op.kind == "masked_linear" or len(op.operands) < 3:
        return None
    stored = module.tensor(op.symbols[1])
    return stored.astype(np.float64 if stored.dtype.kind == "f" else np.int64)


def in_blocks(arrays: Iterable[Array], blocks: int) -> Array:
    """Return arrays, each cut into blocks, side by side: `(blocks, n)`."""
    return np.concatenate([a.reshape(blocks, -1) for a in arrays], axis=1)
