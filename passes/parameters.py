"""Parameters of neurons as arrays, and back to the shortest form that says the same."""

import numpy as np
from numpy.typing import NDArray

from snnc.ir.graph import Module, Op
from snnc.ir.neuron import param
from snnc.ir.opset import Symbol
from snnc.ir.rewrite import Rebuild
from snnc.ir.types import I32
from snnc.ir.weights import Array
from snnc.passes.weight_names import hand_over


def param_array(module: Module, op: Op, name: str) -> Array | None:
    """Return a parameter in the neurons' shape, float64 or, at int, int64; None if absent."""
    array = None if op[name] is None else param(module, op, name)
    return None if array is None else np.broadcast_to(array, op.values[0].type.shape)


def by_neuron(values: Array, shape: tuple[int, ...]) -> Array:
    """Return one value per block as an array of the neurons' shape."""
    size = int(np.prod(shape, dtype=np.int64))
    return np.repeat(values, size // len(values)).reshape(shape)


def as_param(
    build: Rebuild, name: str, array: NDArray[np.int64], origin: object = None
) -> int | Symbol:
    """Return integers of the neurons' shape as a number, or a new symbol per channel or neuron.

    `name` names a new weight, unless `origin`, which held the parameter before, was a symbol.
    """
    if (array == array.flat[0]).all():
        return int(array.flat[0])
    first = array.reshape(array.shape[0], -1)[:, :1]
    per_channel = bool((array.reshape(array.shape[0], -1) == first).all())
    data = first.ravel() if per_channel else array
    if isinstance(origin, Symbol):
        name = hand_over(origin, build)
    return build.weight(name, data, I32)
