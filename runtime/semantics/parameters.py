"""What both neurons ask of their op: parameters that are there, and whether they work."""

from snnc.ir.graph import Module, Op
from snnc.ir.neuron import param
from snnc.ir.weights import Array


def given(module: Module, op: Op, name: str) -> Array:
    """Return a parameter that has a value; it broadcasts over `(samples, *shape)`."""
    array = param(module, op, name)
    assert array is not None
    return array


def working(op: Op, tick: int) -> bool:
    """Return whether the neurons work in a tick."""
    first, ticks = op["first"], op["ticks"]
    return bool(first <= tick and (not ticks or tick < first + ticks))
