"""The update of the integer neuron as data: an ordered list of micro-steps.

Engines generate code from this list; the reference interpreter restates it by hand. Both are
compared on every value. The float neuron's order is fixed and listed in its declaration.
"""

from enum import Enum

from snnc.ir.graph import Op


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
    leak = () if op["leak"] == 0 else (Step.LEAK, Step.WRAP)
    before, after = (leak, ()) if op["leak_order"] == "before" else ((), leak)
    # A soft or negative reset moves v towards zero, so only a hard one's constant, checked at
    # compile time, and `none` could leave the width: no wrap is needed after it.
    floor = () if op["floor"] is None else (Step.FLOOR,)
    return (
        Step.INTEGRATE,
        Step.WRAP,
        *before,
        Step.COMPARE,
        *after,
        Step.SPIKE,
        Step.RESET,
        *floor,
    )
