"""What may go into a run: arrays checked against the types of a graph's inputs.

Arrays are taken as they are or refused: no value is rounded, clipped or reshaped.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from attrs import frozen
from numpy.typing import ArrayLike

from snnc.diagnostics import Diagnostics, fail, nearest
from snnc.ir.graph import Module, Value
from snnc.ir.types import Element, Type
from snnc.ir.weights import Array


@frozen
class Batch:
    """Checked inputs by name, in the storage of their elements; `ticks` is how many to run."""

    arrays: Mapping[str, Array]
    samples: int
    ticks: int


def check_inputs(
    module: Module,
    given: Mapping[str, ArrayLike],
    ticks: int | None = None,
    samples: int | None = None,
) -> Batch:
    """Return the inputs of a run; timed ones are `(samples, ticks, *shape)`, others have no ticks.

    `ticks` is by default the length of the timed inputs, else the module's attribute `ticks`; fewer
    ticks than the inputs have may be asked for. `samples` is the number that the inputs must have.

    Raises:
        SnncError: `missing-input`, `unknown-input`, `input-shape`, `input-dtype`, `input-range`,
            `sample-count`, `tick-count`.
    """
    values = module.graph.inputs
    _check_names(values, list(given))
    arrays = {v.name: check_array(v.name, v.type, given[v.name]) for v in values}
    counts = {name: len(array) for name, array in arrays.items()}
    if samples is not None:
        counts["the state"] = samples
    if len(set(counts.values())) > 1:
        raise fail(
            "sample-count",
            "inputs have different numbers of samples: "
            + ", ".join(f"{name} {n}" for name, n in counts.items()),
            help="axis 0 counts samples; a single sample needs it too",
        )
    lengths = {v.name: arrays[v.name].shape[1] for v in values if v.type.timed}
    run = _ticks(module, lengths, ticks)
    arrays |= {name: arrays[name][:, :run] for name in lengths}
    return Batch(arrays, next(iter(counts.values()), 1), run)


def _check_names(values: Sequence[Value], given: list[str]) -> None:
    found, names = Diagnostics(), [v.name for v in values]
    for name in given:
        if name not in names:
            found.error("unknown-input", f"there is no input {name!r}", help=nearest(name, names))
    for value in values:
        if value.name not in given:
            axes = "samples, ticks, " if value.type.timed else "samples, "
            found.error(
                "missing-input",
                f"the input %{value.name}: {value.type} was not given",
                value.loc,
                help=f"give an array {value.name!r} of shape ({axes}"
                f"{', '.join(map(str, value.type.shape))})",
            )
    found.check()


def _ticks(module: Module, lengths: Mapping[str, int], ticks: int | None) -> int:
    if len(set(lengths.values())) > 1:
        raise fail(
            "tick-count",
            "inputs have different numbers of ticks: "
            + ", ".join(f"{name} {n}" for name, n in lengths.items()),
            help="cut or pad them to one length",
        )
    length = next(iter(lengths.values()), None)
    if ticks is None:
        stated = module.attrs.get("ticks")
        ticks = length if length is not None else stated if isinstance(stated, int) else None
    if ticks is None:
        raise fail(
            "tick-count",
            "no input has ticks, so the number of ticks to run is not known",
            help="give ticks",
        )
    if ticks < 0 or (length is not None and ticks > length):
        raise fail(
            "tick-count",
            f"{ticks} ticks were asked for, the inputs have {length}",
            help="give longer inputs, or ask for fewer ticks",
        )
    return ticks


def check_array(name: str, type: Type, given: ArrayLike, *, loose: bool = True) -> Array:
    """Return an array in the storage of `type`, with a sample axis and a tick axis if it is timed.

    A train that fits is not copied.

    `loose` allows other dtypes whose values all are exact in the element, as Python callers expect.

    Raises:
        SnncError: `input-shape`, `input-dtype`, `input-range`.
    """
    array = np.asarray(given)
    axes = 2 if type.timed else 1
    if array.ndim != axes + len(type.shape) or array.shape[axes:] != type.shape:
        lead = "(samples, ticks, " if type.timed else "(samples, "
        raise fail(
            "input-shape",
            f"{name} has shape {array.shape}; %{name}: {type} needs {lead}"
            f"{', '.join(map(str, type.shape))})",
            help="axis 0 counts samples" + (", axis 1 ticks" if type.timed else ""),
        )
    storage = type.element.storage
    if array.dtype.kind not in "biuf" or (not loose and array.dtype != storage):
        raise fail(
            "input-dtype",
            f"{name} has dtype {array.dtype}; {type.element} is stored as {storage}",
            help=f"convert it with {name}.astype({str(storage)!r})",
        )
    _check_range(name, type, array)
    return array.astype(storage, copy=not type.timed)


def _check_range(name: str, type: Type, array: Array) -> None:
    element = type.element
    if array.dtype.kind in "biu" and not element.is_float and _within(array, element):
        return
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = ~np.isfinite(array)
        what, help = "is not finite", "remove NaN and infinite values"
    elif element.is_float:
        with np.errstate(over="ignore"):
            bad = array.astype(element.storage).astype(np.float64) != array
        what = f"is not exact in {element}"
        help = f"round it yourself with {name}.astype({str(element.storage)!r})"
    else:
        bad = (array < element.low) | (array > element.high)
        if array.dtype.kind == "f":
            bad |= array != np.round(array)
        what = f"does not fit {element}, whole numbers in {element.low}..{element.high}"
        help = "encode values as spikes first, for example with the op poisson"
    if bad.any():
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        raise fail(
            "input-range",
            f"{name}[{', '.join(map(str, index))}] = {array[index]} {what} "
            f"({int(bad.sum())} of {array.size} values)",
            help=help,
        )


def _within(array: Array, element: Element) -> bool:
    """Return whether whole numbers fit an element, without an array of the answers."""
    if not array.size:
        return True
    return element.low <= int(array.min()) and int(array.max()) <= element.high
