"""`shrink-weights`: fewer bits per weight, and not one spike different.

Where all that is added to a neuron's potential, or put into it, is a multiple of g, the potential
is one at every tick, so weights, leak and resets are divided by g and the threshold becomes
ceil(threshold / g): the same compare for multiples of g. Neurons and weights that share a bus share
g; it may differ per channel where that saves bits. Then each weight gets the narrowest element.

Potentials become g times smaller, so a layer whose potential is seen, or whose spikes are bits of
it, keeps its scale; so does one whose potential may leave its width by design.
"""

from collections.abc import Sequence

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from snnc.extend.passes import Context, Exactness, Pass, option
from snnc.ir.graph import Module, Op, Operand, Value
from snnc.ir.opset import Symbol
from snnc.ir.rewrite import Rebuild, rebuild
from snnc.ir.synapses import WEIGHTED
from snnc.ir.types import I32, Element, smallest_weight
from snnc.ir.weights import Array
from snnc.passes.buses import (
    Bus,
    bias_of,
    count_blocks,
    find_buses,
    per_output,
    spread,
    weights_of,
)
from snnc.passes.intervals import Intervals
from snnc.passes.parameters import as_param, by_neuron, param_array
from snnc.passes.weight_names import hand_over
from snnc.passes.width import proven_ticks

Ints = NDArray[np.int64]

_FIRST_LOOK, _LONGEST_LOOK = 1 << 10, 1 << 20
"""How many numbers are looked at together for a common factor, at first and later."""


@frozen
class ShrinkWeights(Pass):
    """Give weights their narrowest element, dividing by common factors; exact."""

    name = "shrink-weights"
    level = "int"
    exactness = Exactness.EXACT

    per: str = option("channel", help="factors per layer or channel", choices=("layer", "channel"))

    def run(self, module: Module, context: Context) -> Module:
        """Return the module with smaller weights; what was done goes to `context.report`."""
        work = _Shrinking(module)
        intervals = Intervals(module)
        for bus in find_buses(module):
            factors = np.ones(1, np.int64)
            if _divisible(module, bus, intervals):
                factors = _factors(module, bus, self.per)
            work.by_maker.update(dict.fromkeys(bus.makers, factors))
            work.by_neuron.update(dict.fromkeys(bus.neurons, factors))
        shrunk = rebuild(module, work)
        context.report["shrink-weights"] = {"tensors": work.tensors, "factors": work.factors}
        return shrunk


def _divisible(module: Module, bus: Bus, intervals: Intervals) -> bool:
    """Whether only neurons see the bus, and none of them tells the size of a potential."""
    if bus.entries or bus.feeds or bus.returned or not bus.makers:
        return False
    seen = {*module.graph.outputs, *(v for op in module.graph.ops for v in op.values)}
    for op in bus.neurons:
        if op["spike"] == "value" or any(r in seen for r in op.results[1:]):
            return False
        if op["overflow"] != "error" and proven_ticks(module, op, intervals) is not None:
            return False
    return True


def _factors(module: Module, bus: Bus, per: str) -> Ints:
    """Return the common factor of the bus, or one per block where that narrows a weight more."""
    found = _common(module, bus, count_blocks(bus) if per == "channel" else 1)
    many, one = np.maximum(found, 1), np.maximum(np.gcd.reduce(found, keepdims=True), 1)
    if (many == one).all():
        return one
    # Factors per channel cost thresholds per channel, so they must pay.
    return many if _bits(module, bus, many) < _bits(module, bus, one) else one


def _common(module: Module, bus: Bus, blocks: int) -> Ints:
    """Return the common factor of each block, 0 where all is zero."""
    found = np.zeros(blocks, np.int64)
    for op in bus.makers:
        found = _gcd(found, per_output(op, weights_of(module, op, blocks)))
        bias = bias_of(module, op)
        if bias is not None:
            found = _gcd(found, bias)
    for op in bus.neurons:
        for name in _divided(op):
            array = param_array(module, op, name)
            if array is not None:
                found = _gcd(found, array)
    return found


def _gcd(found: Ints, array: Array) -> Ints:
    """Return the common factors of what was found and of the blocks of an array.

    Most blocks come down to 1 within a few numbers, and what follows in them is not read.
    """
    blocks, found = array.reshape(len(found), -1), found.copy()
    start, numbers = 0, _FIRST_LOOK
    while start < blocks.shape[1]:
        left = np.flatnonzero(found != 1)
        if not left.size:
            break
        stop = start + max(numbers // left.size, 1)
        part = blocks[left, start:stop].astype(np.int64)
        found[left] = np.gcd(found[left], np.gcd.reduce(part, axis=1))
        start, numbers = stop, min(2 * numbers, _LONGEST_LOOK)
    return found


def _divided(op: Op) -> tuple[str, ...]:
    """Return the parameters that must be multiples of the factor."""
    names = ["leak", "initial", "floor"]
    soft = op["reset"] == "soft"
    if op["reset"] == "hard":
        names.append("reset_to")
    if soft:
        names.append("threshold" if op["reset_by"] is None else "reset_by")
    if op["spike"] == "count":
        names.append("threshold")
    if op["negative_mode"] == "floor" or soft:
        names.append("negative")
    return tuple(names)


def _bits(module: Module, bus: Bus, factors: Ints) -> int:
    """Return how many bits all weights of the bus take, those without a narrow element as 32."""
    total = 0
    for op in bus.makers:
        array = _shrunk(module, op, factors)
        total += (_narrowest(array) or I32).bits * array.size
    return total


def _narrowest(array: Array) -> Element | None:
    return smallest_weight(int(array.min(initial=0)), int(array.max(initial=0)))


def _shrunk(module: Module, op: Op, factors: Ints) -> Array:
    array = weights_of(module, op, len(factors))
    if (factors == 1).all():
        return array
    return np.asarray(array // spread(op, array.shape, factors))


@define(eq=False)
class _Shrinking:
    """Rewrites makers and neurons; equal uses of a symbol stay one symbol."""

    module: Module
    by_maker: dict[Op, Ints] = field(factory=dict)
    by_neuron: dict[Op, Ints] = field(factory=dict)
    tensors: dict[str, object] = field(factory=dict)
    factors: dict[str, list[int]] = field(factory=dict)
    _made: dict[tuple[object, ...], Symbol] = field(factory=dict)

    def __call__(self, op: Op, build: Rebuild) -> Sequence[Value] | None:
        if op.kind in WEIGHTED:
            return self._weighted(op, build, self.by_maker[op])
        if op.kind == "neuron" and (self.by_neuron[op] > 1).any():
            return self._neuron(op, build, self.by_neuron[op])
        return None

    def _weighted(self, op: Op, build: Rebuild, factors: Ints) -> Sequence[Value] | None:
        symbol = op.symbols[0]
        narrowed = self._narrowed(op, symbol, build, factors)
        kept = build.weights.get(symbol.name) is self.module.weights[symbol.name]
        if narrowed == symbol and kept and (factors == 1).all():
            return None
        operands: list[Operand] = [build(op.values[0]), narrowed, *op.symbols[1:]]
        bias = bias_of(self.module, op)
        if bias is not None and (factors > 1).any():
            key = (op.symbols[1], factors.tobytes())
            if key not in self._made:
                divided = bias // np.repeat(factors, len(bias) // len(factors))
                self._made[key] = build.weight(hand_over(op.symbols[1], build), divided, I32)
            operands[-1] = self._made[key]
        return build.over(op, operands)

    def _narrowed(self, op: Op, symbol: Symbol, build: Rebuild, factors: Ints) -> Symbol:
        was = self.module.symbol_type(symbol)
        array = _shrunk(self.module, op, factors)
        element = _narrowest(array) or was.element
        if element == was.element and (factors == 1).all():
            return symbol
        groups = op["groups"] if "conv" in op.kind else 1
        key = (symbol, op.kind, groups, op.operands[2:], array.shape, factors.tobytes())
        if key not in self._made:
            made = build.weight(hand_over(symbol, build), array, element)
            self._made[key] = made
            self.tensors[made.name] = {"from": str(was.element), "to": str(element)}
        return self._made[key]

    def _neuron(self, op: Op, build: Rebuild, factors: Ints) -> Sequence[Value]:
        shape = op.values[0].type.shape
        by = by_neuron(factors, shape)
        changes: dict[str, object] = {}
        names = dict.fromkeys((*_divided(op), "threshold", "negative"))
        for name in names:
            array = param_array(self.module, op, name)
            if array is None:
                continue
            # A threshold between two multiples acts as the upper one; v < -negative as v < -floor.
            divided = -(-array // by) if name == "threshold" else array // by
            label = f"{op.result.name}.{name}"
            changes[name] = as_param(build, label, divided, op[name])
        self.factors[op.result.name] = [int(factors.min()), int(factors.max())]
        if (factors > 1).any():
            changes["place"] = {**(op["place"] or {}), "unit": _unit(op, by)}
        return build.copy(op, **changes)


def _unit(op: Op, by: Ints) -> tuple[int, ...]:
    """Return what one step of the divided potential is worth: for all neurons, or per channel."""
    shape = op.values[0].type.shape
    before = np.asarray((op["place"] or {}).get("unit", (1,)))
    channels = np.broadcast_to(by, shape).reshape(shape[0], -1)[:, 0] * before
    return tuple(channels[:1].tolist() if (channels == channels[0]).all() else channels.tolist())
