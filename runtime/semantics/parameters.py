"""Parameters of neurons as arrays that broadcast over (samples, *shape).

That they are whole numbers within the width of the potential is a rule of a valid module.
"""

import numpy as np

from snnc.ir.graph import Module, Op
from snnc.ir.opset import Symbol
from snnc.ir.types import Element
from snnc.ir.weights import Array


def parameter(module: Module, op: Op, name: str) -> Array:
    """Return a parameter that is given as float64 or int64, () or broadcasting over one sample."""
    given = op[name]
    shape = op.result.type.shape
    array = module.tensor(given) if isinstance(given, Symbol) else np.asarray(given)
    array = array.astype(np.float64 if array.dtype.kind == "f" else np.int64)
    if array.shape == (1,):
        return array.reshape(())
    if array.shape == shape[:1]:
        return array.reshape(-1, *[1] * (len(shape) - 1))
    return array


def real_parameter(module: Module, op: Op, name: str, element: Element) -> Array:
    """Return a parameter rounded once to the element of the potential."""
    return parameter(module, op, name).astype(element.storage)


def working(op: Op, tick: int) -> bool:
    """Return whether the neurons work in a tick."""
    first, ticks = op["first"], op["ticks"]
    return bool(first <= tick and (not ticks or tick < first + ticks))
