"""Parallel ways: where the weights of several ways from one source add up to more than 8 bits.

What reaches a neuron from one source in one tick over two ways (a convolution and what skips it)
has one synapse, whose weight is the sum. Where no synapse holds it, the second way reads the source
through a relay, which sends in the tick in which it receives, and has synapses of its own. So have
the parts of weights that are wider by themselves.
"""

from typing import Any

import numpy as np
from attrs import define, field

from snnc.ir.analysis import live_ops
from snnc.ir.graph import Module, Op, Value
from snnc.ir.rewrite import Rebuild, rebuild, with_ops
from snnc.ir.synapses import WEIGHTED, Edge, Synapses
from snnc.ir.types import I2, I4, I8, U1, smallest_weight
from snnc.targets.paicore.neurons.relay import over_sources, pass_on

MOST_PARTS = 16
"""Weights that one of more than eight bits may be the sum of: each but one takes a relay."""


def split_weights(module: Module) -> Module:
    """Return the module with weights beyond eight bits as sums of several; itself without any.

    Left as they are: those that have a common factor which `shrink-weights` may divide by, and
    those of more than `MOST_PARTS`.
    """
    counts = {op: _count_parts(module, op) for op in module.graph.ops if _may_split(module, op)}
    wide = {op: count for op, count in counts.items() if 1 < count <= MOST_PARTS}

    def replaced(op: Op, build: Rebuild) -> Any:
        if op not in wide:
            return None
        x, whole = build(op.values[0]), module.tensor(op.symbols[0]).astype(np.int64)
        parts = [
            np.clip(whole - np.clip(whole, k * I8.low, k * I8.high), I8.low, I8.high)
            for k in range(wide[op])
        ]
        name = op.result.name
        symbols = [build.weight(f"{name}.w", part, I8) for part in parts]
        made = [build.emit(op.kind, (x, symbol), op.attrs).result for symbol in symbols]
        return [build.op("add", *made, name=name)]

    return rebuild(module, replaced) if wide else module


def _may_split(module: Module, op: Op) -> bool:
    if op.kind not in WEIGHTED or op.kind == "masked_linear":
        return False
    return module.symbol_type(op.symbols[0]).element not in (U1, I2, I4, I8)


def _count_parts(module: Module, op: Op) -> int:
    """Return how many weights of eight bits each is the sum of at most; 1 if they may shrink."""
    array = module.tensor(op.symbols[0]).astype(np.int64)
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    factor = max(int(np.gcd.reduce(array, axis=None)), 1)
    if smallest_weight(low // factor, high // factor) is not None:
        return 1
    return max(-(-high // I8.high), -(-low // I8.low))


def split_parallel(module: Module) -> Module:
    """Return the module with relays on ways that are too many; itself where there are none."""
    synapses = Synapses.of(module, pools=True)
    wide = {op for op in module.ops("neuron") if _too_wide(synapses, op)}
    if not wide:
        return module
    ways = _Ways(synapses)

    def replaced(op: Op, build: Rebuild) -> Any:
        if op not in wide:
            return None
        x = ways.through(op, build)
        return build.over(op, (x,))

    made = rebuild(module, replaced)
    return with_ops(made, live_ops(made.graph))


def _too_wide(synapses: Synapses, op: Op) -> bool:
    """Whether a neuron has parallel ways whose sum no synapse holds."""
    if all(len(readers) == 1 for readers in synapses.between(op).values()):
        return False
    return smallest_weight(*synapses.weight_range(op)) is None


@define
class _Ways:
    """Rewrites what reaches neurons; the n-th way from a source reads its n-th relay."""

    synapses: Synapses
    _relays: dict[tuple[Value, int, int], Value] = field(factory=dict)

    def through(self, op: Op, build: Rebuild) -> Value:
        """Return the input of a neuron with every way from a source its own."""
        used: dict[Edge, int] = {}

        def choose(edge: Edge) -> Value | None:
            way = used[edge] = used.get(edge, -1) + 1
            # What the reader's first tick reads is the first that an input's relay must send.
            first = max(0, op["first"] - edge.delay)
            return self._relay(edge.source, build, way, first) if way else None

        return over_sources(self.synapses, op, build, choose)

    def _relay(self, source: Value, build: Rebuild, way: int, first: int) -> Value:
        maker = self.synapses.made_by.get(source)
        begins = maker["first"] if maker is not None and maker.kind == "neuron" else first
        key = (source, way, begins)
        if key not in self._relays:
            name = f"{source.name}.way{way}"
            self._relays[key] = pass_on(build, build(source), name, begins)
        return self._relays[key]
