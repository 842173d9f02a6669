"""Where a layer, a neuron or an input lies on the chips, and what a core holds."""

import re
from typing import Any

import numpy as np

from snnc.cli.paicore.tables import held, layer_name, place
from snnc.diagnostics import SnncError, fail, nearest
from snnc.targets.paicore.chip.core import Coordinate
from snnc.targets.paicore.chip.frames import Ints, coordinate
from snnc.targets.paicore.placed import Core, Input, Layer, Placed

_CORE = re.compile(r"\(?(?:(\d+),(\d+):)?(\d+),(\d+)\)?")
_INDEXED = re.compile(r"%?(?P<name>.+?)(?:\[(?P<index>[\d, ]+)\])?")

Rows = list[dict[str, Any]]


def find(placed: Placed, what: str) -> tuple[str, Rows]:
    """Return a title and the rows for `X,Y`, `CX,CY:X,Y`, `LAYER`, `LAYER[I]` or `INPUT[I]`.

    Raises:
        SnncError: `unknown-place`, `index-outside`.
    """
    core = _CORE.fullmatch(what)
    if core:
        return _core(placed, what, core)
    match = _INDEXED.fullmatch(what)
    name = match["name"] if match else what
    index = match["index"] if match else None
    if name in placed.copies:
        layers = placed.copies[name]
        if index is None:
            return f"layer %{name}", _pieces(placed, layers)
        flat = _flat(name, layers[0].shape, index)
        return f"neuron {flat} of layer %{name}", [
            _neuron(placed, one, flat) for one in layers if flat in one.neurons
        ]
    found = [item for item in placed.inputs if item.source.name == name]
    if found:
        if index is None:
            return f"input %{name}", [
                _way(item, *way) for item in found for way in item.destinations
            ]
        flat = _flat(name, found[0].source.type.shape, index)
        return f"element {flat} of input %{name}", [
            _way(item, core, mask, mine)
            | {"axon": int(item.axon[flat]), "slot": int(item.slot[flat])}
            for item in found
            for core, mask, mine in item.destinations
            if flat in mine
        ]
    names = [*placed.copies, *(item.source.name for item in placed.inputs)]
    raise fail(
        "unknown-place",
        f"the build has no layer, input or core {name!r}",
        help=nearest(name, names),
    )


def _flat(name: str, shape: tuple[int, ...], text: str) -> int:
    """Return the flat number of a neuron from a flat or a full index."""
    index = [int(part) for part in text.split(",") if part.strip()]
    size = int(np.prod(shape, dtype=np.int64))
    if len(index) == 1 and index[0] < size:
        return index[0]
    if len(index) == len(shape) and all(i < n for i, n in zip(index, shape, strict=True)):
        return int(np.ravel_multi_index(index, shape))
    raise _outside(name, shape, index)


def _outside(name: str, shape: tuple[int, ...], index: list[int]) -> SnncError:
    return fail(
        "index-outside",
        f"%{name} has the shape {list(shape)}; {index} lies outside it",
        help="give one number that counts all neurons, or one per axis",
    )


def _pieces(placed: Placed, layers: list[Layer]) -> Rows:
    rows = []
    for layer in layers:
        done = 0
        for core, first, last in layer.pieces:
            inside = slice(core.row + first, core.row + last)
            rows.append(
                {
                    "copy": layer.copy,
                    "neurons": f"{done}:{done + last - first}",
                    "core": place(core.chip, core.at),
                    "rows": f"{first}:{last}",
                    "sends_to": _destinations(placed, inside),
                }
            )
            done += last - first
    return rows


def _destinations(placed: Placed, rows: slice) -> list[str]:
    """Return the regions that some neurons send to."""
    codes = np.stack([placed.tables[n][rows] for n in ("chip", "core", "mask")], axis=1)
    return [_region(*(int(n) for n in code)) for code in np.unique(codes, axis=0)]


def _region(chip: int, core: int, mask: int) -> str:
    masked = coordinate(mask)
    text = place(coordinate(chip), coordinate(core))
    return text + (f" mask {masked[0]},{masked[1]}" if mask else "")


def _neuron(placed: Placed, layer: Layer, flat: int) -> dict[str, Any]:
    row = int(layer.rows()[np.searchsorted(layer.neurons, flat)])
    core = next(c for c in placed.cores if c.row <= row < c.row + c.count)
    number, copies = row - core.row, core.register.copies
    record = {name: int(values[row]) for name, values in placed.tables.items()}
    to = _region(*(record.pop(n) for n in ("chip", "core", "mask")))
    return {
        "copy": layer.copy,
        "core": place(core.chip, core.at),
        "neuron": number,
        "address": f"{number * copies}:{(number + 1) * copies}",
        "sends_to": to,
        **record,
    }


def _way(item: Input, core: Coordinate, mask: Coordinate, mine: Ints) -> dict[str, Any]:
    masked = f" mask {mask[0]},{mask[1]}" if any(mask) else ""
    axons = item.axon[mine]
    return {
        "region": place(item.chip, core) + masked,
        "extension": item.extension,
        "first": item.first,
        "axons": f"{int(axons.min(initial=0))}:{int(axons.max(initial=0)) + 1}",
    }


def _core(placed: Placed, what: str, match: re.Match[str]) -> tuple[str, Rows]:
    chip, x, y = match[1], int(match[3]), int(match[4])
    on = [c for c in placed.cores if c.at == (x, y)]
    if chip is not None:
        on = [c for c in on if c.chip == (int(match[1]), int(match[2]))]
    if not on:
        idle = any(c.at == (x, y) for c in placed.idle)
        raise fail(
            "unknown-place",
            f"core {what} is {'idle' if idle else 'not used'}",
            help="snnc inspect DIR lists the cores in use",
        )
    return f"core {what}", [row for core in on for row in _contents(placed, core)]


def _contents(placed: Placed, core: Core) -> Rows:
    rows: Rows = [
        {
            "what": "holds",
            "value": f"{layer_name(layer)}[{done}:{done + last - first}]",
            "rows": f"{first}:{last}",
            "core": place(core.chip, core.at),
        }
        for layer, done, first, last in held(placed)[core]
    ]
    column = {"what": "reads", "rows": "", "core": place(core.chip, core.at)}
    return rows + [column | {"value": f"{v.name}: {v.type}"} for v in core.reads]
