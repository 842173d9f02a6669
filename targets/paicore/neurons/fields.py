"""The fields of a neuron that its record holds, and why others have no place on a chip."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from snnc.diagnostics import Diagnostics
from snnc.ir.graph import Module, Op
from snnc.ir.neuron import param
from snnc.targets.paicore.limits import LIMITS

NOTED = (
    *("unit", "zero", "returned", "quiet", "group", "extension", "slices"),
    *("shares", "boxes", "codes", "patches", "tile", "split", "mixed"),
)
"""Keys of `place` that no program has."""


def check_neuron(module: Module, op: Op, why: Mapping[str, str], found: Diagnostics) -> None:
    """Collect the fields of a neuron that a record cannot hold.

    `why` says, by field, why the neuron has no equivalent either.
    """
    most, name = LIMITS.potential_max, f"%{op.result.name}"

    def refuse(field: str, because: str, help: str) -> None:
        also = f"; {why[field]}" if field in why else ""
        message = f"{name}: {field} = {_shown(op, field)}: {because}{also}"
        found.error("unsupported-neuron", message, op.loc, help=help)

    _check_modes(module, op, refuse)
    for field, low, high in (
        ("threshold", 0, most),
        ("negative", 0, most),
        ("reset_to", -most - (not _turned(op)), most),
        ("leak", -most - 1, most),
    ):
        if _any(module, op, field, lambda v, a=low, b=high: (v < a) | (v > b)):
            below = low == 0 and _any(module, op, field, lambda v: v < 0)
            way = "raise it, and add a leak" if below else "use fewer bits"
            refuse(field, f"the record holds {low}..{high}", way)
    if op["ticks"] > LIMITS.max_tick:
        refuse("ticks", f"the register holds up to {LIMITS.max_tick}", "work for ever (0)")
    if op["first"] >= LIMITS.max_tick:
        refuse(
            "first",
            f"a start is 1 + first + the layer's depth, and its register holds {LIMITS.max_tick}",
            f"begin at tick {LIMITS.max_tick - 1} or earlier",
        )
    if op["floor"] is not None:
        _check_floor(module, op, refuse)
    if op["first"] and _any(module, op, "initial", lambda v: v != 0):
        _check_beginning(module, op, refuse)


def _turned(op: Op) -> bool:
    """Whether neurons below their negative threshold are reset to minus `reset_to`."""
    return bool(op["reset"] == "hard" and op["negative_mode"] == "reset")


def _check_modes(module: Module, op: Op, refuse: Any) -> None:
    if op["spike"] == "count":
        refuse("spike", "a core fires once a tick and takes one threshold away", _for_counts(op))
    if op["overflow"] not in ("error", "wrap-paibox"):
        bits = LIMITS.potential_bits
        refuse("overflow", f"what the chip does beyond {bits} bits is not documented", "use error")
    if op["overflow"] == "wrap-paibox" and op["width"] != LIMITS.potential_bits:
        bits = LIMITS.potential_bits
        refuse("width", f"potentials of the chip come back at {bits} bits", f"use width = {bits}")
    if op["reset"] == "soft" and op["reset_by"] is not None and _differ(module, op):
        refuse(
            "reset_by",
            f"a soft reset takes the threshold {_shown(op, 'threshold')} away",
            "leave reset_by out, or use reset = hard",
        )


def _for_counts(op: Op) -> str:
    """Return what to do instead of counting."""
    threshold = op["threshold"]
    power = isinstance(threshold, int) and threshold > 0 and threshold & (threshold - 1) == 0
    if power and op["reset"] != "soft" and op["leak_order"] == "before":
        return "use max_count = 255, for counts that are sent as eight bits"
    return "use spike = single (of a .nir file --set spike=single), or value"


def _check_floor(module: Module, op: Op, refuse: Any) -> None:
    """A floor is a negative threshold that saturates, where nothing else could pass it."""
    floor = param(module, op, "floor")
    assert floor is not None
    if op["negative"] is not None:
        refuse("floor", "it stands beside a negative threshold", "keep one of the two")
    elif (floor > 0).any() or (floor < -LIMITS.potential_max).any():
        refuse("floor", f"the record holds {-LIMITS.potential_max}..0", "use a floor of 0 or below")
    elif op["leak_order"] == "after" and op["leak"] != 0:
        refuse("floor", "the chip compares before the late leak", "use leak_order = before")


def _check_beginning(module: Module, op: Op, refuse: Any) -> None:
    """Neurons that begin late must rest, from tick 0 on, at what they begin with."""
    initial, threshold = param(module, op, "initial"), param(module, op, "threshold")
    leak, negative, floor = (param(module, op, name) for name in ("leak", "negative", "floor"))
    assert initial is not None
    assert threshold is not None
    assert leak is not None
    least = floor if floor is not None else negative if negative is None else -negative
    moved = op["leak_order"] == "after" or op["leak_reversal"] or op["overflow"] != "error"
    problems = {
        "it keeps no potential": op["memory"] == "clear",
        "its leak comes after the compare, turns with the sign or wraps": moved and leak.any(),
        "it would fire": (initial >= threshold).any(),
        "it lies below the lowest potential": least is not None and (initial < least).any(),
    }
    for problem, there in problems.items():
        if there:
            refuse(
                "initial",
                f"the neurons begin to work at tick {op['first']}; until then their core shows 0, "
                f"and they cannot rest at another potential: {problem}",
                "begin at tick 0, or at a potential of 0",
            )
            return


def check_place(op: Op, shrunk: bool, found: Diagnostics) -> None:
    """Collect what later passes note: given before, it would say something about other potentials.

    `shrunk`: the pass has run that divides weights, and notes what a potential's step is worth.
    """
    for key in op["place"] or {}:
        if key in NOTED and not (key == "unit" and shrunk):
            found.error(
                "bad-place",
                f"%{op.result.name}: place has {key}, which a pass notes for those after it",
                op.loc,
                help="give start, chip, bits and unroll alone",
            )


def forgets(op: Op) -> bool:
    """Whether nothing depends on what a potential begins with."""
    return op["memory"] == "clear" and not op["first"]


def _differ(module: Module, op: Op) -> bool:
    """Whether the amount of a soft reset is another than the threshold, for any neuron."""
    amount, threshold = param(module, op, "reset_by"), param(module, op, "threshold")
    return amount is None or threshold is None or bool((amount != threshold).any())


def _shown(op: Op, field: str) -> str:
    value = op[field]
    return "none" if value is None else str(value)


def _any(module: Module, op: Op, field: str, test: Any) -> bool:
    value = param(module, op, field)
    return value is not None and bool(np.any(test(value)))
