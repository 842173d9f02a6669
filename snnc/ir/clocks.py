"""Clocks: neurons that fire at given ticks whatever reaches them, and constants made of them.

A neuron adds what its synapses bring, so a constant reaches it through weights from neurons that
always fire. A number that one weight cannot hold is the sum of several.
"""

from typing import Any

import numpy as np

from snnc.ir.build import Builder
from snnc.ir.graph import Value
from snnc.ir.types import U1, Element, Type
from snnc.ir.weights import Array

MOST_WEIGHTS = 1 << 24
"""Weights that clocks may have into one layer: one for each neuron and clock."""


def clock(build: Builder, name: str, count: int, element: Element = U1, **attrs: Any) -> Value:
    """Return what `count` neurons send that fire at every tick at which they work.

    `attrs` are further attributes, `first` and `ticks` among them; `element` is what they make of
    the result. The neurons hear themselves, by a weight of 0.
    """
    later = build.forward(name, Type(element, (count,), 0), build.loc)
    nothing = build.weight(f"{name}.none", np.zeros((), np.uint8), U1)
    before = build.op("delay", later, by=1, name=f"{name}.before")
    x = build.op("scale", before, nothing, name=f"{name}.nothing")
    given = {"threshold": 1, "leak": 1, "reset": "hard", **attrs}
    made = build.op("neuron", x, name=name, **given)
    build.bind(later, made)
    return made


def count_clocks(amounts: Array, element: Element) -> int:
    """Return how many weights of an element the largest of some amounts is the sum of."""
    above = -(-max(int(amounts.max()), 0) // element.high)
    return max(above, -(-min(int(amounts.min()), 0) // min(element.low, -1)))


def weights_of_clocks(amounts: Array, element: Element) -> Array:
    """Return weights `(neurons, clocks)` of an element whose rows sum to the amounts."""
    whole = amounts.astype(np.int64).reshape(-1, 1)
    low, high = np.where(whole < 0, element.low, 0), np.where(whole > 0, element.high, 0)
    numbers = np.arange(count_clocks(amounts, element))
    return np.asarray(np.clip(whole - numbers * (low + high), low, high))


def driven(
    build: Builder, x: Value, clocks: Value, weights: tuple[Array, Element], name: str
) -> Value:
    """Return the sums x, to which the first of some clocks add through `weights`."""
    array, element = weights
    symbol = build.weight(f"{name}.w", array, element)
    count = array.shape[1]
    if clocks.type.size > count:
        clocks = build.op("slice", clocks, axis=0, start=0, stop=count, name=f"{name}.part")
    current = build.op("linear", clocks, symbol, name=f"{name}.x")
    if len(x.type.shape) != 1:
        current = build.op("reshape", current, shape=x.type.shape, name=f"{name}.map")
    return build.op("add", x, current, name=f"{name}.sum")
