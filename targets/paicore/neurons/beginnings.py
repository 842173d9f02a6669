"""Beginnings: potentials other than 0 before the first tick.

A core's potentials begin at 0. What a neuron should begin with comes by the spike of a clock that
works for the first tick alone. Neurons that begin late begin at tick 0 instead and rest: gates keep
their inputs back until their own first tick, and their leak comes from a clock that begins then.
"""

from typing import Any

import numpy as np

from snnc.ir.graph import Module, Op
from snnc.ir.neuron import param
from snnc.ir.rewrite import Rebuild, rebuild
from snnc.ir.weights import Array
from snnc.targets.paicore.neurons.biases import Amounts, with_constants
from snnc.targets.paicore.neurons.populations import QUIET

Begun = dict[str, tuple[Array, Amounts]]
"""By name: what neurons begin with, and what they get from later ticks on."""


def beginnings(module: Module) -> tuple[Module, Begun]:
    """Return the module with neurons that begin at 0, and what `begun` must add to them."""
    found: Begun = {}
    for op in module.ops("neuron"):
        initial = _array(module, op, "initial")
        if initial.any():
            leak = _array(module, op, "leak")
            later = {op["first"]: leak} if op["first"] and leak.any() else {}
            found[op.result.name] = (initial, later)
    if not found:
        return module, {}

    def resting(op: Op, build: Rebuild) -> Any:
        if op.kind != "neuron" or op.result.name not in found:
            return None
        changes: dict[str, Any] = {"initial": None}
        if op["first"]:
            place = {**(op["place"] or {}), QUIET: op["first"]}
            ticks = op["first"] + op["ticks"] if op["ticks"] else 0
            changes |= {"first": 0, "ticks": ticks, "place": place, "leak": None}
        return build.copy(op, **changes)

    return rebuild(module, resting), found


def begun(module: Module, found: Begun) -> Module:
    """Return the module with the clocks that neurons begin with."""
    later = {name: amounts for name, (_, amounts) in found.items() if amounts}
    module = with_constants(module, later) if later else module
    return with_constants(module, {name: {0: i} for name, (i, _) in found.items()}, ticks=1)


def _array(module: Module, op: Op, name: str) -> Array:
    array = param(module, op, name)
    assert array is not None
    return np.broadcast_to(array, op.result.type.shape).reshape(-1)
