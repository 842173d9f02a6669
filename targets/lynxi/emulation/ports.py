"""What goes into a graph and comes out of it: arrays of the program, checked and converted.

An input is taken as the program's type has it, or refused; what the host sends is of the element
that the build says, and must hold each value exactly. The host does not truncate.
"""

from collections.abc import Mapping

import numpy as np

from snnc.diagnostics import fail, nearest
from snnc.extend.batch import aligned
from snnc.ir.types import Type, parse_type
from snnc.ir.weights import Array
from snnc.targets.lynxi.artifact.records import Port


def read_inputs(
    ports: tuple[Port, ...], given: Mapping[str, Array], ticks: int | None
) -> tuple[dict[str, Array], int, int]:
    """Return arrays `(samples, ticks, *shape)` of what is sent, and how many samples and ticks.

    Bits and bytes may come as they are given, everything else in the element that is sent.

    Raises:
        SnncError: `missing-input`, `unknown-input`, `input-shape`, `input-range`, `sample-count`,
            `tick-count`.
    """
    names = [port.name for port in ports]
    for name in given:
        if name not in names:
            text = f"there is no input {name!r}"
            raise fail("unknown-input", text, help=nearest(name, names))
    return aligned({port.name: _sent(port, given) for port in ports}, ticks)


def _sent(port: Port, given: Mapping[str, Array]) -> Array:
    type = parse_type(port.type)
    wanted = f"(samples, ticks, {', '.join(map(str, type.shape))})"
    if port.name not in given:
        text = f"the input %{port.name}: {type} was not given"
        raise fail("missing-input", text, help=f"give an array of shape {wanted}")
    array = np.asarray(given[port.name])
    if array.ndim != 2 + len(type.shape) or array.shape[2:] != type.shape:
        raise fail(
            "input-shape",
            f"{port.name} has shape {array.shape}; %{port.name}: {type} needs {wanted}",
            help="axis 0 counts samples, axis 1 ticks",
        )
    if not port.dtype:
        return array
    if array.dtype in (np.uint8, np.bool_) and _byte_fits(array, type):
        return array  # Every element that the host sends holds it, so it stays as small as it is.
    sent = array.astype(port.dtype) if array.dtype.kind in "biuf" else np.zeros(0)
    if not _fits(array, type) or not np.array_equal(sent.astype(np.float64), array):
        raise fail(
            "input-range",
            f"{port.name} ({array.dtype}) has values that {type.element}, sent as {port.dtype}, "
            "does not hold exactly",
            help="scale or round them yourself; --input chooses what is sent",
        )
    return sent


def _byte_fits(array: Array, type: Type) -> bool:
    """Return whether bits or bytes fit an element; floats hold all of them."""
    element = type.element
    return element.is_float or not array.size or int(array.max()) <= element.high


def _fits(array: Array, type: Type) -> bool:
    element = type.element
    if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        return False
    if element.is_float:
        with np.errstate(over="ignore"):
            return np.array_equal(array.astype(element.storage).astype(np.float64), array)
    if (array % 1).any():
        return False
    low, high = float(array.min(initial=0)), float(array.max(initial=0))
    return element.low <= low and high <= element.high


def made_output(port: Port, array: Array) -> Array:
    """Return an output `(samples, ticks, ...)` in the shape and element of the program.

    Real numbers may be infinite, as they are on a machine that nobody watches.

    Raises:
        SnncError: `output-range` for a number that an element of whole numbers does not hold.
    """
    type = parse_type(port.type)
    made = array.reshape(*array.shape[:2], *type.shape)
    if not type.element.is_float and not _fits(made, type):
        raise fail(
            "output-range",
            f"output {port.name} has numbers that {type.element} does not hold",
            help="a count of the graph is too large; lower max_count, or scale the weights down",
        )
    return made.astype(type.element.storage)
