"""Parameters of neurons as arrays, and back to the shortest form that says the same."""

import numpy as np
from numpy.typing import NDArray

from snnc.ir.graph import Module, Op
from snnc.ir.opset import Symbol
from snnc.ir.rewrite import Rebuild
from snnc.ir.types import I32
from snnc.ir.weights import Array
from snnc.passes.weight_names import hand_over


def param_array(module: Module, op: Op, name: str) -> Array | None:
    """Return a parameter in the neurons' shape, float64 or, at int, int64; None if absent."""
    given, shape = op[name], op.values[0].type.shape
    if given is None:
        return None
    kind = np.float64 if module.level == "snn" else np.int64
    array = module.tensor(given) if isinstance(given, Symbol) else np.asarray(given)
    if array.size == 1:
        array = array.reshape(())
    elif array.ndim == 1 and array.shape != shape:
        array = array.reshape(-1, *(1,) * (len(shape) - 1))
    return np.broadcast_to(array.astype(kind), shape)


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
