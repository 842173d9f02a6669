"""Checks what an emulator is given: one array of counts per input, the names to probe, a state."""

from collections.abc import Iterable, Mapping

import numpy as np

from snnc.diagnostics import SnncError, fail, nearest
from snnc.extend.batch import aligned
from snnc.ir.types import Type
from snnc.ir.weights import Array
from snnc.targets.dynapcnn.artifact.records import Placed


def probed(placed: Placed, probe: Iterable[str]) -> list[str]:
    """Return the names that a probe asks for, each once; ("all",) asks for every layer.

    Raises:
        SnncError: `unknown-probe`.
    """
    known = [name for c in placed.cores for name in (c.name, f"{c.name}.v")]
    wanted = list(dict.fromkeys(probe))
    if wanted == ["all"]:
        return known
    for name in wanted:
        if name not in known:
            text = f"the build holds no layer {name!r}"
            raise fail("unknown-probe", text, help=nearest(name, known))
    return wanted


def bad_state() -> SnncError:
    """Return the error for a state that a program cannot go on from."""
    return fail(
        "bad-state",
        "this state can't be continued: it comes from another program, or has another "
        "number of samples",
        help="give the state that a run of this program returned",
    )


def read_trains(
    types: Mapping[str, Type], given: Mapping[str, Array], ticks: int | None
) -> tuple[dict[str, Array], int, int]:
    """Return trains of whole numbers (samples, ticks, *shape), and how many samples and ticks.

    Raises:
        SnncError: `missing-input`, `unknown-input`, `input-shape`, `input-range`, `sample-count`,
            `tick-count`.
    """
    for name in given:
        if name not in types:
            text = f"there is no input {name!r}"
            raise fail("unknown-input", text, help=nearest(name, list(types)))
    return aligned({name: _train(name, kind, given) for name, kind in types.items()}, ticks)


def _train(name: str, kind: Type, given: Mapping[str, Array]) -> Array:
    wanted = f"(samples, ticks, {', '.join(map(str, kind.shape))})"
    if name not in given:
        text = f"the input %{name}: {kind} was not given"
        raise fail("missing-input", text, help=f"give an array of shape {wanted}")
    array = np.asarray(given[name])
    if array.ndim != 2 + len(kind.shape) or array.shape[2:] != kind.shape:
        raise fail(
            "input-shape",
            f"{name} has shape {array.shape}; %{name}: {kind} needs {wanted}",
            help="axis 0 counts samples, axis 1 ticks",
        )
    whole = array.dtype.kind in "biu" or (array.dtype.kind == "f" and (array % 1 == 0).all())
    low, high = max(0, kind.element.low), kind.element.high
    if not whole or (array.size and not low <= array.min() <= array.max() <= high):
        raise fail(
            "input-range",
            f"{name} ({array.dtype}) holds values that are no counts of events from 0 to {high}",
            help="give whole numbers of events per tick",
        )
    # Converting small types would cost eight times their memory.
    return array if array.dtype.kind == "u" else array.astype(np.int64)
