"""The update of the integer neuron as data: an ordered list of micro-steps.

Engines generate code from this list; the reference interpreter restates it by hand. Both are
compared on every value. The float neuron's order is fixed and listed in its declaration.
"""

from enum import Enum

import numpy as np

from snnc.ir.graph import Module, Op
from snnc.ir.opset import Symbol
from snnc.ir.weights import Array


class Step(Enum):
    """One micro-step of `int.neuron`: v membrane, x input, p and n what the compare gives."""

    INTEGRATE = "v = v + x, or x where memory is clear"
    WRAP = "bring v into `width` bits as `overflow` says"
    LEAK = "v = v + leak, or v + sign(v) leak with leak_reversal and memory"
    COMPARE = "p = v >= threshold; n = not p and v < -negative"
    SPIKE = "s from p and v"
    RESET = "v where p, v where n"
    FLOOR = "v = max(v, floor)"


def steps(op: Op) -> tuple[Step, ...]:
    """Return the micro-steps of a neuron op in order; steps that do nothing are left out."""
    # wrap-paibox corrects a sum once, so that bringing it back again after a leak of 0 matters.
    idle = op["leak"] == 0 and op["overflow"] != "wrap-paibox"
    leak = () if idle else (Step.LEAK, Step.WRAP)
    before, after = (leak, ()) if op["leak_order"] == "before" else ((), leak)
    # A reset can leave the width too: a count taken away several times, a negative reset.
    floor = () if op["floor"] is None else (Step.FLOOR,)
    return (
        Step.INTEGRATE,
        Step.WRAP,
        *before,
        Step.COMPARE,
        *after,
        Step.SPIKE,
        Step.RESET,
        Step.WRAP,
        *floor,
    )


def param(module: Module, op: Op, name: str) -> Array | None:
    """Return a neuron parameter as an array that broadcasts to the neurons' shape, or None.

    Integers come as int64, real numbers in float64; one value per channel (axis 0) is given the
    axes that it needs. `reset_by` is the threshold where it is absent.
    """
    value = op[name]
    if value is None:
        return param(module, op, "threshold") if name == "reset_by" else None
    shape = op.result.type.shape
    array = module.tensor(value) if isinstance(value, Symbol) else np.asarray(value)
    array = array.astype(np.float64 if module.level == "snn" else np.int64)
    if array.shape == shape[:1] and len(shape) > 1:
        return array.reshape(-1, *[1] * (len(shape) - 1))
    return array.reshape(()) if array.shape == (1,) else array
