"""`layout.json`: the names and the reading order that frames cannot carry.

It names what frames only number: values, weights, layers and their shapes, which values a core
reads, the program's first ticks. Nothing that decides what a chip does stands in it. `describe`
makes it from a placed module; `read_layout` returns it checked, so that whoever reads a build can
rely on the shape of the data.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from attrs import field, frozen

from snnc.diagnostics import Location, SnncError, fail
from snnc.ir.graph import Module, Op
from snnc.ir.opset import Symbol, Word
from snnc.ir.types import ELEMENTS, Type, parse_type
from snnc.targets.paicore.ops import TABLES
from snnc.targets.paicore.placed import malformed

LAYOUT = "layout.json"
SCHEMA = 1
HELP = "compile the network anew; the file was changed or belongs to another build"

COLUMNS = {
    "threshold": "threshold",
    "negative": "negative_threshold",
    "leak": "leak",
    "reset_to": "reset_value",
    "reset": "reset_mode",
    "negative_mode": "floor",
    "leak_after": "leak_after",
    "leak_reversal": "leak_reversal",
    "truncate": "truncation",
    "axon": "axon",
    "slot": "tick",
}
"""Tables of the level that are one field of the neuron record each."""

ADDRESSES = {"chip": "chip", "core": "core", "mask": "core_mask"}
"""Tables that hold two fields, `_x` and `_y`, as a ten-bit address."""

Json = dict[str, Any]
T = TypeVar("T")


@frozen
class Entry:
    """One op: `kind` and what it is called; which fields count depends on the kind."""

    kind: str
    name: str = ""
    at: tuple[int, ...] = ()
    reads: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    first: int = 0
    of: str = ""
    shape: tuple[int, ...] = ()
    copy: int = 0
    delay: int = 1
    unit: tuple[int, ...] = ()
    zero: tuple[int, ...] = ()
    pieces: tuple[tuple[int, ...], ...] = ()


@frozen
class Layout:
    """The contents of `layout.json`; `values` holds the weights that no frame holds."""

    module: str
    graph: str
    attrs: Mapping[str, Any]
    inputs: Mapping[str, Type]
    weights: Mapping[str, str]
    values: Mapping[str, tuple[int, ...]]
    ops: tuple[Entry, ...]
    outputs: tuple[str, ...]
    path: Path = field(default=Path(LAYOUT), eq=False)

    def entries(self, kind: str) -> tuple[Entry, ...]:
        """Return the ops of a kind, in text order."""
        return tuple(e for e in self.ops if e.kind == kind)

    def refuse(self, message: str) -> SnncError:
        """Return the error for a layout that the other files contradict."""
        return fail("layout-mismatch", message, Location(file=str(self.path)), help=HELP)


def describe(module: Module) -> Json:
    """Return the layout of a placed module as JSON data.

    Raises:
        SnncError: `placed-malformed` where an op names only a cut of a weight.
    """
    orders = [op["order"] for op in module.ops("layer") if op["order"] is not None]
    return {
        "schema": SCHEMA,
        "module": module.name,
        "graph": module.graph.name,
        "attrs": {key: _packed(value) for key, value in module.attrs.items()},
        "inputs": {v.name: str(v.type) for v in module.graph.inputs},
        "weights": {w.name: str(w.type.element) for w in module.weights.values()},
        "values": {s.name: module.tensor(s).tolist() for s in dict.fromkeys(orders)},
        "ops": [_entry(op) for op in module.graph.ops],
        "outputs": [v.name for v in module.graph.outputs],
    }


def _entry(op: Op) -> Json:
    for symbol in op.symbols:
        if symbol.cut:
            raise malformed(f"{op.name}: {symbol} is a cut; whole weights are expected", op.loc)
    given: Json = {
        "kind": op.kind,
        "name": op.result.name if op.results else "",
        "at": list(op["at"]) if op.kind in ("core", "idle") else [],
        "reads": [v.name for v in op.values],
        "weights": [s.name for s in op.symbols],
        "first": op["first"] if op.kind in ("core", "input") else 0,
        "of": op["of"] if op.kind in ("layer", "output") else "",
        "shape": list(op["shape"]) if op.kind in ("layer", "output") else [],
        "copy": op["copy"] if op.kind == "layer" else 0,
        "delay": op["delay"] if op.kind == "layer" and op["delay"] != 1 else None,
        "unit": list(op["unit"]) if op.kind == "layer" else [],
        "zero": list(op["zero"]) if op.kind == "layer" else [],
        "pieces": [list(p) for p in op["pieces"] or ()] if op.kind == "layer" else [],
    }
    # A delay of 0 is not the usual one.
    return {k: v for k, v in given.items() if v or (k == "delay" and v is not None)}


def _packed(value: Any) -> Any:
    """Return an attribute as JSON; words, symbols and types are marked, to be read back alike."""
    if isinstance(value, Word):
        return {"word": str(value)}
    if isinstance(value, Type):
        return {"type": str(value)}
    if isinstance(value, Symbol):
        return {"symbol": value.name, "cut": [c and list(c) for c in value.cut]}
    if isinstance(value, Mapping):
        return {"map": {key: _packed(item) for key, item in value.items()}}
    if isinstance(value, tuple):
        return [_packed(item) for item in value]
    return value


def _unpacked(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_unpacked(item) for item in value)
    if not isinstance(value, dict):
        return value
    if "word" in value:
        return Word(value["word"])
    if "type" in value:
        return parse_type(value["type"])
    if "symbol" in value:
        return Symbol(
            value["symbol"], tuple(None if c is None else (c[0], c[1]) for c in value["cut"])
        )
    return {key: _unpacked(item) for key, item in value["map"].items()}


def read_json(path: Path) -> Any:
    """Return the contents of a JSON file.

    Raises:
        SnncError: `side-file-missing`, `side-file-unreadable`.
    """
    place = Location(file=str(path))
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise fail("side-file-missing", f"there is no {path.name}", place, help=HELP) from None
    except (OSError, ValueError, RecursionError) as error:
        raise fail("side-file-unreadable", f"{path.name}: {error}", place, help=HELP) from None


def read_layout(folder: Path) -> Layout:
    """Return the layout of a build.

    Raises:
        SnncError: `side-file-missing`, `side-file-unreadable`, `layout-malformed`.
    """
    path = folder / LAYOUT
    content = read_json(path)
    try:
        return _layout(content, path)
    except (SnncError, KeyError, TypeError, ValueError, IndexError, RecursionError) as error:
        reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise fail(
            "layout-malformed", f"{LAYOUT}: {reason}", Location(file=str(path)), help=HELP
        ) from None


def _layout(content: Any, path: Path) -> Layout:
    if content["schema"] != SCHEMA:
        raise ValueError(f"schema {content['schema']} is unknown, this version reads {SCHEMA}")
    layout = Layout(
        module=_is(str, content["module"]),
        graph=_is(str, content["graph"]),
        attrs={_is(str, k): _unpacked(v) for k, v in _is(dict, content["attrs"]).items()},
        inputs={k: parse_type(_is(str, v)) for k, v in _is(dict, content["inputs"]).items()},
        weights={k: _is(str, v) for k, v in _is(dict, content["weights"]).items()},
        values={k: _numbers(v) for k, v in _is(dict, content["values"]).items()},
        ops=tuple(_read_entry(entry) for entry in _is(list, content["ops"])),
        outputs=tuple(_is(str, name) for name in _is(list, content["outputs"])),
        path=path,
    )
    odd = [e for e in layout.weights.values() if e not in ELEMENTS]
    odd += [name for name in layout.values if name not in layout.weights]
    odd += [w for e in layout.ops for w in e.weights if w not in layout.weights]
    if odd:
        raise ValueError(f"{odd[0]!r} is no element or weight")
    return layout


_KINDS = {
    "neurons": (len(TABLES),),
    "input": (2, 3),
    "core": (1,),
    "idle": (0,),
    "layer": (0, 1),
    "output": (0,),
}
"""Ops and how many weights each may name."""


def _read_entry(given: Any) -> Entry:
    entry = Entry(
        kind=_is(str, given["kind"]),
        name=_is(str, given.get("name", "")),
        at=_numbers(given.get("at", [])),
        reads=tuple(_is(str, name) for name in given.get("reads", [])),
        weights=tuple(_is(str, name) for name in given.get("weights", [])),
        first=_is(int, given.get("first", 0)),
        of=_is(str, given.get("of", "")),
        shape=_numbers(given.get("shape", [])),
        copy=_is(int, given.get("copy", 0)),
        delay=_is(int, given.get("delay", 1)),
        unit=_numbers(given.get("unit", [])),
        zero=_numbers(given.get("zero", [])),
        pieces=tuple(_numbers(piece) for piece in given.get("pieces", [])),
    )
    counts = _KINDS.get(entry.kind, ())
    if len(entry.weights) not in counts or (len(entry.at) == 4) != (entry.kind in ("core", "idle")):
        raise ValueError(f"{given} is no op of this level")
    if entry.kind in ("input", "output") and len(entry.reads) != 1:
        raise ValueError(f"{entry.kind} {entry.name!r} reads {len(entry.reads)} values, not one")
    return entry


def _is(kind: type[T], value: Any) -> T:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _numbers(values: Any) -> tuple[int, ...]:
    return tuple(_is(int, n) for n in _is(list, values))
