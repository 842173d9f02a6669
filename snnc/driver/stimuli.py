"""Inputs that try a network: silence, everything at its limit, bursts, random; reproducible."""

from collections.abc import Callable, Iterator

import numpy as np

from snnc.ir.graph import Module, Value
from snnc.ir.types import Type
from snnc.ir.weights import Array

WIDE = 127
"""Largest magnitude tried on integer inputs wider than eight bits, whose sums soon overflow."""

PERIOD = 3
"""Ticks of a burst, and of the pause after it."""

Fill = Callable[[Type, tuple[int, ...], np.random.Generator], Array]


def stimuli(
    module: Module, ticks: int, seed: int = 0, samples: int = 2
) -> Iterator[tuple[str, dict[str, Array]]]:
    """Yield (description, inputs); timed arrays are `(samples, ticks, *shape)`."""
    signed = any(_bounds(v.type)[0] < 0 for v in module.graph.inputs)
    kinds: list[tuple[str, Fill, int]] = [
        ("silence", _constant(0), 1),
        ("all ones", _constant(1), 1),
        ("bursts", _bursts, 1),
        ("sparse random", _random(0.1), samples),
        ("dense random", _random(0.6), samples),
    ]
    if signed:
        kinds.insert(2, ("all at the lowest value", _constant(-1), 1))
    for number, (name, fill, count) in enumerate(kinds):
        generator = np.random.Generator(np.random.PCG64([seed, number]))
        yield (
            name,
            {v.name: _shaped(v, fill, count, ticks, generator) for v in module.graph.inputs},
        )


def _shaped(
    value: Value, fill: Fill, samples: int, ticks: int, generator: np.random.Generator
) -> Array:
    time = (ticks,) if value.type.timed else ()
    array = fill(value.type, (samples, *time, *value.type.shape), generator)
    return array.astype(value.type.element.storage)


def _bounds(type: Type) -> tuple[int, int]:
    element = type.element
    if element.is_float:
        return (-1, 1) if type.timed else (0, 1)
    return max(element.low, -WIDE - 1), min(element.high, WIDE if element.bits > 8 else 255)


def _constant(sign: int) -> Fill:
    def fill(type: Type, shape: tuple[int, ...], _: np.random.Generator) -> Array:
        low, high = _bounds(type)
        return np.full(shape, {0: 0, 1: high, -1: low}[sign])

    return fill


def _bursts(type: Type, shape: tuple[int, ...], _: np.random.Generator) -> Array:
    along = shape[1] if len(shape) > 1 else 1
    on = np.arange(along) // PERIOD % 2 == 0
    axes = [1, along, *[1] * (len(shape) - 2)] if len(shape) > 1 else [1]
    return np.broadcast_to(on.reshape(axes) * _bounds(type)[1], shape)


def _random(density: float) -> Fill:
    def fill(type: Type, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
        low, high = _bounds(type)
        here = generator.random(shape) < density
        if type.element.is_float:
            values: Array = generator.uniform(low, high, shape).astype(np.float32)
        else:
            values = generator.integers(low, high, shape, endpoint=True)
            values = np.where(values == 0, high, values)
        return np.where(here, values, 0)

    return fill
