"""Biases: constants into neurons become leaks, or spikes of neurons that fire at every tick.

A record has one leak. A bias adds to it where the leak is forward and before the compare; beside a
late or reversal leak, before a sum that wraps, and where it counts only from some tick on (a bias
behind a delay), the neurons get it from clocks: neurons that always fire, and begin with it. No
synapse gets wider for them unless that takes less memory than more clocks.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from snnc.diagnostics import fail
from snnc.ir.clocks import MOST_WEIGHTS, clock, count_clocks, driven, weights_of_clocks
from snnc.ir.graph import Module, Op, Value
from snnc.ir.neuron import param
from snnc.ir.opset import Symbol
from snnc.ir.rewrite import Rebuild, rebuild
from snnc.ir.synapses import Synapses
from snnc.ir.types import I2, I4, I8, I32, U1, U8, Element, smallest_weight
from snnc.ir.weights import Array
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.neurons.populations import extension

SIZES = (U1, I2, I4, I8)

BARE = ("masked_linear", "add", "concat", "poisson", "latency", "periodic")
"""Ops whose third operand, if any, is no bias."""

Weights = tuple[Array, Element]

Amounts = Mapping[int, Array]
"""What neurons get, by the tick from which on."""


def fold_biases(module: Module) -> Module:
    """Return the module without biases; itself where it has none.

    Raises:
        SnncError: `unsupported-neuron` for a bias that neither a leak nor synapses hold.
    """
    if not any(_has_bias(op) for op in module.graph.ops):
        return module
    synapses = Synapses.of(module, pools=True)
    leaks: dict[Op, Array] = {}
    apart: dict[str, Amounts] = {}
    for op in module.ops("neuron"):
        if not _biased(synapses, op):
            continue
        steady, late = _constants(synapses, op)
        if steady.any() and _is_leak(module, op):
            leaks[op] = steady
        elif steady.any():
            late = {op["first"]: steady, **late}
        if late:
            apart[op.result.name] = late

    def folded(op: Op, build: Rebuild) -> Any:
        if op in leaks:
            return build.copy(op, **_leaking(build, op, leaks[op]))
        return _bare(op, build) if _has_bias(op) else None

    made = rebuild(module, folded)
    return with_constants(made, apart) if apart else made


def _has_bias(op: Op) -> bool:
    third = op.operands[2] if len(op.operands) == 3 else None
    return isinstance(third, Symbol) and op.kind not in BARE


def _biased(synapses: Synapses, op: Op) -> bool:
    return any(_has_bias(o) for found in synapses.between(op).values() for o in found)


def _bare(op: Op, build: Rebuild) -> Any:
    operands = (build(op.values[0]), op.operands[1])
    return build.emit(op.kind, operands, op.attrs, names=[op.result.name]).results


def _constants(synapses: Synapses, op: Op) -> tuple[Array, dict[int, Array]]:
    """Return what neurons get whenever they work, and what from later ticks on."""
    steady, late = np.zeros(op.result.type.size, dtype=np.int64), {}
    for tick, amounts in sorted(synapses.constants(op).items()):
        if tick <= op["first"]:
            steady = steady + amounts
        elif amounts.any():
            late[tick] = amounts
    return steady, late


def _is_leak(module: Module, op: Op) -> bool:
    """Whether a constant in the sum is the same as one more in the leak."""
    turns = op["leak_reversal"] and op["memory"] == "keep"
    moved = op["leak_order"] == "after" or turns
    return op["overflow"] != "wrap-paibox" and not (moved and _leak(module, op).any())


def _leak(module: Module, op: Op) -> Array:
    leak = param(module, op, "leak")
    assert leak is not None
    return leak


def _leaking(build: Rebuild, op: Op, steady: Array) -> dict[str, Any]:
    """Return the attributes of neurons that leak a constant, too, before the compare."""
    shape = op.result.type.shape
    total = np.broadcast_to(_leak(build.module, op), shape).reshape(-1) + steady
    if np.abs(total).max(initial=0) > LIMITS.potential_max:
        raise fail(
            "unsupported-neuron",
            f"%{op.result.name}: leak + bias reach {np.abs(total).max()}; the record holds "
            f"{LIMITS.potential_max}",
            op.loc,
            help="quantize to fewer bits",
            exit_status=4,
        )
    order: dict[str, Any] = {"leak_order": "before", "leak_reversal": False}
    if (total == total[0]).all():
        return order | {"leak": int(total[0])}
    return order | {"leak": build.weight(f"{op.result.name}.leak", total.reshape(shape), I32)}


def with_constants(module: Module, amounts: Mapping[str, Amounts], ticks: int = 0) -> Module:
    """Return the module with more in the sums of some neurons, by name, from clocks.

    `ticks`: for how many ticks, 0 for ever. The clocks that begin at one tick are one population,
    of which each reader takes as many as it needs.

    Raises:
        SnncError: `unsupported-neuron` where that takes too many weights.
    """
    synapses = Synapses.of(module, pools=True)
    needed = {
        op: {tick: _weights(synapses, op, a) for tick, a in amounts[op.result.name].items()}
        for op in module.ops("neuron")
        if op.result.name in amounts
    }
    made: dict[int, Value] = {}

    def driving(op: Op, build: Rebuild) -> Any:
        if op not in needed:
            return None
        name, x = op.result.name, build(op.values[0])
        for tick, weights in needed[op].items():
            if tick not in made:
                most = max(found[tick][0].shape[1] for found in needed.values() if tick in found)
                attrs: dict[str, Any] = {
                    "first": tick,
                    "ticks": ticks,
                    "width": LIMITS.potential_bits,
                }
                made[tick] = clock(build, f"{name}.clock", most, **attrs)
            x = driven(build, x, made[tick], weights, f"{name}.constant")
        return build.over(op, (x,))

    return rebuild(module, driving)


def _weights(synapses: Synapses, op: Op, amounts: Array) -> Weights:
    """Return the weights from clocks that take the least memory in the cores of an op."""
    least = smallest_weight(min(0, int(amounts.min())) and -1, 1)
    given = smallest_weight(*synapses.weight_range(op)) or I8
    floor = max(SIZES.index(least or I8), SIZES.index(given))
    wide = any(edge.source.type.element == U8 for edge in synapses.edges(op))
    axons = sum(edge.source.type.size for edge in synapses.edges(op))

    def cost(element: Element) -> tuple[int, int]:
        count = count_clocks(amounts, element)
        # A clock has two copies: it also sends to itself.
        return amounts.size * element.bits * extension(axons + count, wide) + 2 * count, count

    element = min(SIZES[floor:], key=cost)
    count = count_clocks(amounts, element)
    if count * amounts.size > MOST_WEIGHTS or extension(axons + count, wide) > 1 << LIMITS.max_lcn:
        raise fail(
            "unsupported-neuron",
            f"%{op.result.name}: a bias of {amounts.min()}..{amounts.max()} that is no part of the "
            f"leak takes {count} neurons that always fire, with {element} weights into each of "
            f"{amounts.size} neurons; {MOST_WEIGHTS} weights are the most",
            op.loc,
            help="quantize to smaller numbers, or make the leak forward and before the compare",
            exit_status=4,
        )
    return weights_of_clocks(amounts, element), element
