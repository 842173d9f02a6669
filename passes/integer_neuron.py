"""The integer form of a neuron: which real neurons have one, and its parameters.

With v = unit * n, n the integer potential, `v >= threshold` holds exactly where
`n >= ceil(threshold / unit)`, and `v > threshold` where `n >= floor(threshold / unit) + 1`. A soft
reset subtracts what it compares with, so there both round half to even, together; a strict compare
of a potential that was rounded, or of a threshold that is no whole number of units, can't be told
from the other one.

A soft reset by another amount than the threshold is one by the threshold, seen from elsewhere:
n' = n - (threshold - amount) fires at `n' >= amount` and loses the amount. Where nobody sees the
potential the amount becomes the threshold, and initial potential and floor move by the difference.
So `v > T` with `v -= T`, T whole, is `n' >= T` with `n' -= T`, beginning one unit lower.
"""

from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.diagnostics import Diagnostics
from snnc.ir.graph import Module, Op
from snnc.passes.parameters import param_array
from snnc.passes.rounding import Reals, snapped

KEPT = ("reset", "spike", "max_count", "first", "ticks", "potential", "place")
"""Attributes that mean the same at both levels."""

LEAVE_OUT = "(of a network of PyTorch: --set outputs=0 keeps the first result of forward alone)"
"""How a potential that forward returns beside the spikes is left out."""

PLAIN = ("reset_to", "leak", "floor", "initial")
"""Potentials that are only divided by the unit."""


@frozen
class IntegerParams:
    """Integer parameters of the neurons' shape; `exact`: each stands for its real number."""

    values: dict[str, NDArray[np.int64]]
    exact: bool
    threshold_error: float


def refuse_neuron(module: Module, op: Op, potential_used: bool, found: Diagnostics) -> None:
    """Record every field of a neuron that integers cannot hold, with the reason and a way out."""
    decay, gain = _real(module, op, "decay"), _real(module, op, "gain")
    filter_decay = _real(module, op, "filter_decay")
    if (decay != 1).any():
        _refuse(
            found,
            op,
            f"decay = {_some(decay)} multiplies the potential, which makes fractions of integers "
            "at every tick",
            "put subtractive-leak before quantize, which fits a constant leak on calibration data "
            "(-p 'clean,fold-norm,subtractive-leak,quantize,clean,@TARGET' --calibrate X.npz), "
            "train with decay = 1 and a `leak`, or use a target that runs the real network (lynxi)",
        )
    if op["filter"] != "none" and (op["filter"] == "whole" or filter_decay.any()):
        _refuse(
            found,
            op,
            f"filter = {op['filter']} with filter_decay = {_some(filter_decay)} keeps a "
            "synaptic current that decays by a factor",
            "train without a synaptic filter, or use a target that runs the real network (lynxi)",
        )
    if (gain <= 0).any():
        _refuse(
            found,
            op,
            f"gain = {_some(gain)} is folded into the unit of the potential, which must "
            "be positive",
            "move the sign into the weights",
        )
    if op["spike"] == "count" and op["compare"] == "gt":
        _refuse(
            found,
            op,
            "compare = gt with spike = count: a potential of exactly one threshold gives no spike, "
            "but the count divides by the threshold itself",
            "use compare = ge",
        )
    _refuse_reset_time(op, potential_used, found)


def _refuse_reset_time(op: Op, potential_used: bool, found: Diagnostics) -> None:
    """Allow a late reset only where it commutes with the charge and nobody sees v in between."""
    time, reset = op["reset_time"], op["reset"]
    help = "use reset_time = now"
    if time == "now" or reset == "none":
        return
    if time == "after" and reset == "hard":
        why = "discards the charge of the tick after the spike"
    elif op["floor"] is not None:
        why = "comes after the floor of its own tick"
    elif potential_used:
        why = "leaves v unreset in the potential that is returned"
        help = f"{help}, or do not return the potential {LEAVE_OUT}"
    else:
        return
    _refuse(
        found,
        op,
        f"reset_time = {time} with reset = {reset} {why}, and integer neurons reset at once",
        help,
    )


def _refuse(found: Diagnostics, op: Op, why: str, help: str) -> None:
    found.error("no-integer-form", f"%{op.result.name}: {why}", op.loc, help=help)


def _real(module: Module, op: Op, name: str) -> Reals:
    array = param_array(module, op, name)
    return np.zeros(op.values[0].type.shape) if array is None else array


def _some(array: Reals) -> str:
    low, high = float(array.min()), float(array.max())
    return repr(low) if low == high else f"{low!r}..{high!r}"


def largest_potential(module: Module, op: Op) -> Reals:
    """Return, per neuron, the largest magnitude that its parameters must hold, over its gain."""
    names = ("threshold", "reset_by", *PLAIN)
    sizes = [np.abs(_real(module, op, name)) for name in names]
    return np.asarray(np.max(sizes, axis=0) / _real(module, op, "gain"))


def integer_params(
    module: Module,
    op: Op,
    unit: Reals,
    shift: NDArray[np.int64] | None = None,
    whole: NDArray[np.bool_] | None = None,
) -> IntegerParams:
    """Return the parameters in units of the input `unit` (neurons' shape, before the gain).

    `shift` is added to the threshold, and to a soft reset that subtracts the threshold. `whole`
    tells the neurons whose input is whole units by itself, for all of them if it is not given: a
    potential that is equal to a threshold means something for them only.
    """
    step = unit * _real(module, op, "gain")
    given = {n: _real(module, op, n) / step for n in PLAIN if op[n] is not None}
    if op["reset"] != "hard":
        given.pop("reset_to", None)
    values = {n: np.rint(snapped(x)).astype(np.int64) for n, x in given.items()}
    exact = all((snapped(x) == values[n]).all() for n, x in given.items())
    wanted = snapped(_real(module, op, "threshold") / step)
    by = snapped(_real(module, op, "reset_by") / step) if op["reset_by"] is not None else wanted
    told = np.ones(wanted.shape, np.bool_) if whole is None else whole
    compared, rounded = _compared(op, wanted, by, told)
    moved = np.zeros(compared.shape, np.int64) if shift is None else shift
    exact = exact and not rounded and not moved.any()
    # A threshold however far below a unit must not become 0, at which a silent neuron would fire.
    positive = _real(module, op, "threshold") > 0
    compared = np.where(positive, np.maximum(compared, 1), compared) + moved
    values["threshold"] = compared.astype(np.int64)
    if op["reset"] == "soft":
        exact = exact and bool((np.rint(by) == by).all())
        amount = np.where((by == wanted) & positive, np.maximum(np.rint(by), 1), np.rint(by))
        amount = amount + np.where(by == wanted, moved, 0)
        values |= _by_threshold(op, values, amount.astype(np.int64))
    errors = np.abs(compared - wanted) / np.maximum(np.abs(wanted), 1)
    return IntegerParams(values, exact, float(errors.max(initial=0.0)))


def _compared(op: Op, wanted: Reals, by: Reals, told: NDArray[np.bool_]) -> tuple[Reals, bool]:
    """Return the least integers that fire, and whether one stands for another threshold."""
    whole, strict = np.rint(wanted), op["compare"] == "gt"
    if op["spike"] == "count" or (op["reset"] == "soft" and (by == wanted).all()):
        tie = told & (whole == wanted)
        return np.where(strict & tie, whole + 1, whole), bool((whole != wanted).any())
    return (np.floor(wanted) + 1 if strict else np.ceil(wanted)), False


def _by_threshold(
    op: Op, values: dict[str, NDArray[np.int64]], amount: NDArray[np.int64]
) -> dict[str, NDArray[np.int64]]:
    """Return what changes where a soft reset takes `amount`; see the top of this file."""
    lower = values["threshold"] - amount
    if not lower.any():
        return {}
    if op["spike"] != "single" or op["potential"]:
        return {"reset_by": amount}
    changed = {"threshold": amount, "initial": values.get("initial", 0) - lower}
    return changed | ({"floor": values["floor"] - lower} if "floor" in values else {})


def kept_attrs(op: Op) -> dict[str, Any]:
    """Return the attributes that stay as they are."""
    return {name: op.attrs[name] for name in KEPT if name in op.attrs}
