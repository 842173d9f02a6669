"""Where a layer, a neuron or an input of a DYNAP-CNN build lies, as events name it."""

import re
from typing import Any

import numpy as np

from snnc.cli.dynapcnn.tables import cores
from snnc.diagnostics import fail, nearest
from snnc.ir.types import parse_type
from snnc.targets.dynapcnn.artifact.records import Core, Input, Placed, Shape
from snnc.targets.dynapcnn.limits import LIMITS
from snnc.targets.dynapcnn.ops import map_of

_INDEXED = re.compile(r"%?(?P<name>.+?)(?:\[(?P<index>[\d, ]+)\])?")

Rows = list[dict[str, Any]]


def find(placed: Placed, what: str) -> tuple[str, Rows]:
    """Return a title and the rows for a core's number, `LAYER`, `LAYER[I]`, `INPUT`, `INPUT[I]`.

    Raises:
        SnncError: `unknown-place`, `index-outside`.
    """
    match = _INDEXED.fullmatch(what)
    name, index = (match["name"], match["index"]) if match else (what, None)
    layers = {core.name: core for core in placed.cores}
    inputs = {one.name: one for one in placed.inputs}
    if name in layers:
        core = layers[name]
        if index is None:
            return f"layer %{name}", [_row(placed, core.core)]
        place = _place(name, core.shape, core.output, index)
        return f"neuron {list(place)} of layer %{name}", [_neuron(placed, core, place)]
    if name in inputs:
        one = inputs[name]
        shape = parse_type(one.type).shape
        spot = None if index is None else _place(name, shape, map_of(shape), index)
        return f"input %{name}", [_sent(to, spot) for to in _ways(placed, one)]
    if name.isdecimal() and index is None and int(name) < len(list(cores(placed))):
        return f"core {name}", [_row(placed, int(name))]
    raise fail(
        "unknown-place",
        f"the build has no layer, input or core {name!r}",
        help=nearest(name, [*layers, *inputs]),
    )


def _row(placed: Placed, number: int) -> dict[str, Any]:
    found = next(row for row in cores(placed) if row["core"] == number)
    return {k: v for k, v in found.items() if k != "sends"} | {
        "sends to": [_way(to) for to in found.get("sends", ())]
    }


def _way(to: dict[str, int]) -> str:
    pool = f" pool {to['pool']}" if to["pool"] > 1 else ""
    return f"core {to['core']}{pool}" + (f" feature +{to['shift']}" if to["shift"] else "")


def _place(name: str, shape: Shape, whole: Shape, text: str) -> tuple[int, ...]:
    """Return (feature, y, x) from a flat index, or one per axis of the program's shape."""
    index = [int(part) for part in text.split(",") if part.strip()]
    if len(index) == len(shape) and all(i < n for i, n in zip(index, shape, strict=True)):
        index = [int(np.ravel_multi_index(index, shape))]
    if len(index) != 1 or index[0] >= int(np.prod(shape, dtype=np.int64)):
        raise fail(
            "index-outside",
            f"%{name} has the shape {list(shape)}; {index} lies outside it",
            help="give one number that counts all neurons, or one per axis",
        )
    return tuple(int(n) for n in np.unravel_index(index[0], whole))


def _neuron(placed: Placed, core: Core, place: tuple[int, ...]) -> dict[str, Any]:
    f, y, x = place
    sends = []
    for to in core.destinations:
        _, height, width = placed.by_number[to.core].input
        if y // to.pool < height and x // to.pool < width:
            at = f"feature {f + to.shift}, y {y // to.pool}, x {x // to.pool}"
            sends.append(f"core {to.core}: {at}")
    return {"layer": core.core, "feature": f, "y": y, "x": x, "monitored": core.monitor} | {
        "sends": sends
    }


def _ways(placed: Placed, one: Input) -> list[tuple[int, int]]:
    """Return layer and shift of the features of what an input's events go to."""
    if placed.pixels is not None and placed.pixels.input == one.name:
        return [(LIMITS.dvs_layer, 0)]
    return [(to.core, to.shift) for to in one.destinations]


def _sent(to: tuple[int, int], spot: tuple[int, ...] | None) -> dict[str, Any]:
    layer, shift = to
    if spot is None:
        return {"layer": layer, "features from": shift}
    return {"layer": layer, "feature": spot[0] + shift, "y": spot[1], "x": spot[2]}
