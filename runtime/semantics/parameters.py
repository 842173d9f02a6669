"""Parameters of neurons as arrays that broadcast over (samples, *shape)."""

import numpy as np

from snnc.diagnostics import fail
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


def integer_parameter(module: Module, op: Op, name: str, width: int = 32) -> Array:
    """Return a parameter as int64 within a signed `width`.

    Raises:
        SnncError: `bad-parameter` for a fraction or a number that the membrane cannot hold.
    """
    array = parameter(module, op, name)
    high = 2 ** (width - 1) - 1
    if (array != np.round(array)).any() or array.min() < -high - 1 or array.max() > high:
        raise fail(
            "bad-parameter",
            f"%{op.result.name}: {name} has values in {array.min()}..{array.max()}; a potential of "
            f"{width} bits holds whole numbers in {-high - 1}..{high}",
            op.loc,
            help="use a wider potential (width), or smaller numbers",
        )
    return array.astype(np.int64)


def real_parameter(module: Module, op: Op, name: str, element: Element) -> Array:
    """Return a parameter rounded once to the element of the potential."""
    return parameter(module, op, name).astype(element.storage)


def check_count(op: Op, threshold: Array) -> None:
    """Refuse a count of spikes where v / threshold has no sense."""
    if op["spike"] == "count" and (threshold <= 0).any():
        raise fail(
            "bad-parameter",
            f"%{op.result.name}: spike = count needs a positive threshold, not {threshold.min()}",
            op.loc,
            help="raise the threshold, or use spike = single",
        )


def working(op: Op, tick: int) -> bool:
    """Return whether the neurons work in a tick."""
    first, ticks = op["first"], op["ticks"]
    return bool(first <= tick and (not ticks or tick < first + ticks))
