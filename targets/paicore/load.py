"""The files of a build become the placed module again: disassembly.

Registers, tables, weights and destinations come from the frames, the inputs from the vendor's JSON;
`layout.json` only names them. What two files say about one thing must agree, so a build whose files
were mixed up or damaged is refused. Weights stay packed until they are asked for.
"""

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from snnc.diagnostics import Location, SnncError, fail
from snnc.ir.build import Builder
from snnc.ir.graph import Module, Value
from snnc.ir.opset import Symbol
from snnc.ir.types import ELEMENTS, U1, U8, Element, Type
from snnc.ir.weights import Tensor, tensor
from snnc.targets.paicore.artifact import side
from snnc.targets.paicore.artifact.files import read_image
from snnc.targets.paicore.artifact.layout import (
    ADDRESSES,
    COLUMNS,
    HELP,
    Entry,
    Layout,
    read_json,
    read_layout,
)
from snnc.targets.paicore.chip import frames
from snnc.targets.paicore.chip.distinct import distinct
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.chip.image import ChipImage, CoreImage
from snnc.targets.paicore.ops import LEVEL, TABLES, WEIGHTS
from snnc.targets.paicore.placed import Place, Placed, read_placed

ADDRESS = ("core_x", "core_y", "core_x_ex", "core_y_ex")
"""Numbers of an input's destination, for the whole input or for each element."""

UNUSED = ("potential", "random_weight", "random_leak", "threshold_mask")
"""Fields of a record for which the level has no column; they must be 0."""


@frozen(eq=False)
class Build:
    """A folder read: the configuration, the names, and the inputs as the host sends them."""

    folder: Path
    image: ChipImage
    layout: Layout
    inputs: dict[str, Any]

    @property
    def used(self) -> list[CoreImage]:
        """Images of the used cores in text order."""
        return [self.core(entry) for entry in self.layout.entries("core")]

    def core(self, entry: Entry) -> CoreImage:
        """Return the configured core that an op of the layout names."""
        x, y, *at = entry.at
        return self.image.core((x, y), (at[0], at[1]))


def read_build(folder: Path) -> Build:
    """Read a build's files; the layout names exactly the cores that are configured.

    Raises:
        SnncError: `layout-mismatch`; what reading the configuration and the layout raises.
    """
    image, layout = read_image(folder), read_layout(folder)
    build = Build(folder, image, layout, _inputs(folder))
    entries = layout.entries("core") + layout.entries("idle")
    named: dict[Place, str] = {}
    for e in entries:
        chip_x, chip_y, x, y = e.at
        named[(chip_x, chip_y), (x, y)] = e.kind
    held = {
        place: "core" if image.cores[number].register.dendrites else "idle"
        for place, number in image.index.items()
    }
    for place in dict.fromkeys((*named, *held)):
        said, found = named.get(place), held.get(place)
        if said != found:
            raise layout.refuse(
                f"chip {place[0]} core {place[1]}: the layout says {said or 'nothing'}, "
                f"the configuration {found or 'nothing'}"
            )
    if len(named) != len(entries):
        raise layout.refuse("a core is named twice")
    return build


def _inputs(folder: Path) -> dict[str, Any]:
    found = read_json(folder / side.INPUTS)
    names: dict[str, Any] = {"tick_relative": list, "addr_axon": list, "lcn": int}
    names |= {f"addr_{n}": int for n in ("chip_x", "chip_y")}
    names |= {f"addr_{n}": (int, list) for n in ADDRESS}
    if not isinstance(found, dict) or not all(
        isinstance(entry, dict)
        and all(isinstance(entry.get(name), kind) for name, kind in names.items())
        and all(_small(v) for name in names for v in _listed(entry[name]))
        for entry in found.values()
    ):
        raise _disagrees(folder / side.INPUTS, "it does not have the vendor's keys and numbers")
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _small(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 16


def _disagrees(path: Path, message: str) -> SnncError:
    text = f"{path.name}: {message}"
    return fail("side-file-mismatch", text, Location(file=str(path)), help=HELP)


def load(folder: Path) -> Module:
    """Return the placed module that the files of a build say.

    Raises:
        SnncError: `layout-mismatch`, `side-file-mismatch` where files contradict each other;
            `unsupported-record` for neurons or modes that the level has no word for; what reading
            the files raises.
    """
    return load_build(folder)[0]


def load_build(folder: Path) -> tuple[Module, ChipImage]:
    """Return the module and the configuration it was read from; raises what `load` raises."""
    build = read_build(folder)
    try:
        module = _Loader(build).module()
        placed = read_placed(module)
    except SnncError as error:
        if error.code in ("layout-mismatch", "side-file-mismatch", "unsupported-record"):
            raise
        raise build.layout.refuse(str(error)) from None
    except (KeyError, OverflowError) as error:
        raise build.layout.refuse(f"{error} is missing or impossible") from None
    _compare_side(folder, placed)
    return module, build.image


def _compare_side(folder: Path, placed: Placed) -> None:
    """Refuse vendor files that say something else than the frames."""
    for name, content in side.CHECKED.items():
        path = folder / name
        required = name in (side.INPUTS, side.OUTPUTS)
        if (required or path.exists()) and read_json(path) != content(placed):
            raise _disagrees(path, "it contradicts the configuration")
    found, expected = read_json(folder / side.GRAPH), side.graph(placed, ())
    if not isinstance(found, dict) or found | {"misc": expected["misc"]} != expected:
        raise _disagrees(folder / side.GRAPH, "it contradicts the configuration")


class _Loader:
    """Rebuilds the graph entry by entry of the layout."""

    def __init__(self, build: Build) -> None:
        self.layout = build.layout
        self.source = build
        self.build = Builder(self.layout.module, LEVEL.name, self.layout.attrs)
        self.values: dict[str, Value] = {}
        self.later: dict[str, Value] = {}
        self.rows: dict[str, tuple[int, int]] = {}
        self.entries = _input_entries(self.layout)
        self.cores = {e.name: e for e in self.layout.entries("core")}
        self.layers = {e.name: e for e in self.layout.entries("layer")}

    def module(self) -> Module:
        """Return the module; weights in the order of the layout."""
        self._number_rows()
        for name, kind in self.layout.inputs.items():
            self.values[name] = self.build.input(name, kind)
        for entry in self.layout.ops:
            getattr(self, f"_{entry.kind}")(entry)
        for name, later in self.later.items():
            if name not in self.values:
                raise self.layout.refuse(f"%{name} is read but never made")
            self.build.bind(later, self.values[name])
        outputs = [self.values[name] for name in self.layout.outputs]
        module = self.build.finish(*outputs, graph=self.layout.graph)
        if set(module.weights) != set(self.layout.weights):
            odd = set(module.weights) ^ set(self.layout.weights)
            raise self.layout.refuse(f"weights {', '.join(sorted(odd))} are named but not used")
        return evolve(module, weights={n: module.weights[n] for n in self.layout.weights})

    def _number_rows(self) -> None:
        row = 0
        for entry in self.layout.entries("core"):
            count = self.source.core(entry).register.neurons
            self.rows[entry.name] = (row, count)
            row += count

    def _weight(self, name: str, values: NDArray[Any] | Tensor) -> Symbol:
        """Add a weight under the name and in the element that the layout gives."""
        element: Element = ELEMENTS[self.layout.weights[name]]
        made = values if isinstance(values, Tensor) else tensor(values, element, name=f"@{name}")
        if made.type.element != element or name in self.build.weights:
            raise self.layout.refuse(f"@{name} is {made.type}, or is named twice")
        return self.build.weight(name, made)

    def _emit(self, entry: Entry, operands: list[Value | Symbol], attrs: dict[str, Any]) -> None:
        names = [entry.name] if entry.name else []
        op = self.build.emit(entry.kind, operands, attrs, names=names)
        for result in op.results:
            if result.name != entry.name:
                raise self.layout.refuse(f"%{entry.name} is made twice, or has no name")
            self.values[entry.name] = result

    def _value(self, name: str) -> Value:
        """Return a value, or a stand-in for one that is made later in the text."""
        if name in self.values:
            return self.values[name]
        if name not in self.later:
            self.later[name] = self.build.forward(name, self._later_type(name))
        return self.later[name]

    def _later_type(self, name: str) -> Type:
        layer = self.layers.get(name)
        core = self.cores.get(layer.reads[0] if layer and layer.reads else name)
        if core is None:
            raise self.layout.refuse(f"%{name} is read but never made")
        shape = self._shape(layer) if layer else (self.rows[name][1],)
        values = self.source.core(core).register.wide_output
        return Type(U8 if values else U1, shape, max(self._start(core) - 1 - core.first, 0))

    def _shape(self, layer: Entry) -> tuple[int, ...]:
        """Return the shape of a layer's spikes; a copy that holds some neurons only is flat."""
        spans = layer.pieces or [(0, self.rows[name][1]) for name in layer.reads]
        held = sum(last - first for first, last in spans)
        return layer.shape if held == prod(layer.shape) else (held,)

    def _start(self, entry: Entry) -> int:
        return self.source.core(entry).register.tick_start

    def _neurons(self, entry: Entry) -> None:
        tables = decode_tables(self.source.used)
        symbols: list[Value | Symbol] = [
            self._weight(weight, tables[name])
            for weight, name in zip(entry.weights, TABLES, strict=True)
        ]
        self._emit(entry, symbols, {})

    def _input(self, entry: Entry) -> None:
        found = self.source.inputs[self.entries[entry.name]]
        axon = self._weight(entry.weights[0], np.array(found["addr_axon"], dtype=np.int64))
        slot = self._weight(entry.weights[1], np.array(found["tick_relative"], dtype=np.int64))
        to = np.array([_listed(found[f"addr_{name}"]) for name in ADDRESS], dtype=np.int64)
        groups, which = distinct(to)
        attrs: dict[str, Any] = {
            "chip": (found["addr_chip_x"], found["addr_chip_y"]),
            "core": tuple(groups[:2].T.reshape(-1).tolist()),
            "mask": tuple(groups[2:].T.reshape(-1).tolist()),
            "extension": found["lcn"],
            "first": entry.first,
        }
        if len(entry.weights) == 3:
            attrs["region"] = self._weight(entry.weights[2], which)
        self._emit(entry, [self._value(entry.reads[0]), axon, slot], attrs)

    def _core(self, entry: Entry) -> None:
        image = self.source.core(entry)
        register = image.register
        if image.seed:
            raise unsupported(image, f"seed {image.seed}")
        element = ELEMENTS[WEIGHTS[register.weight_bits]]
        shape = (register.neurons, register.axons * register.extension)
        weights = Tensor(Type(element, shape), make=lambda: image.weights)
        attrs = {
            "at": entry.at,
            "bits": register.weight_bits,
            "extension": register.extension,
            "wide": bool(register.wide_input),
            "values": bool(register.wide_output),
            "keep": bool(register.keep_potential),
            "pool": bool(register.max_pool),
            "target_extension": 1 << register.target_lcn,
            "start": register.tick_start,
            "ticks": register.tick_count,
            "first": entry.first,
            "neurons": self.rows[entry.name],
            "test_chip": register.test_chip,
        }
        reads = [self._value(name) for name in entry.reads]
        self._emit(entry, [self._weight(entry.weights[0], weights), *reads], attrs)

    def _idle(self, entry: Entry) -> None:
        image = self.source.core(entry)
        if image != CoreImage.idle(image.chip, image.at, image.register.test_chip):
            raise unsupported(image, "an idle core with settings")
        self._emit(entry, [], {"at": entry.at, "test_chip": image.register.test_chip})

    def _layer(self, entry: Entry) -> None:
        attrs: dict[str, Any] = {
            "of": entry.of,
            "shape": entry.shape,
            "copy": entry.copy,
            "delay": entry.delay,
            "unit": entry.unit,
            "zero": entry.zero,
        }
        if entry.pieces:
            attrs["pieces"] = entry.pieces
        for name in entry.weights:
            values = np.array(self.layout.values[name], dtype=np.int64)
            if name in self.build.weights:
                attrs["order"] = Symbol(name)
            else:
                attrs["order"] = self._weight(name, values)
        self._emit(entry, [self._value(name) for name in entry.reads], attrs)

    def _output(self, entry: Entry) -> None:
        node = self.layout.outputs.index(entry.name) if entry.name in self.layout.outputs else -1
        layer = self.layers.get(entry.reads[0])
        core = self.cores.get(layer.reads[0]) if layer and layer.reads else None
        if node < 0 or layer is None or core is None:
            raise self.layout.refuse(f"%{entry.name} is no output of a layer")
        image, first = self.source.core(core), (layer.pieces or ((0,),))[0][0]
        record = {n: int(v[first]) for n, v in image.neurons.items()}
        attrs: dict[str, Any] = {
            "of": entry.of,
            "node": node,
            "chip": (record["chip_x"], record["chip_y"]),
            "core": (record["core_x"], record["core_y"]),
            "blocks": 1 << image.register.target_lcn,
            "shape": entry.shape,
        }
        self._emit(entry, [self._value(entry.reads[0])], attrs)


def _input_entries(layout: Layout) -> dict[str, str]:
    """Return the key in the vendor's file of each input op, by the name of its result."""
    taken: dict[str, str] = {}
    for entry in layout.entries("input"):
        taken[side.numbered(entry.reads[0], taken)] = entry.name
    return {name: key for key, name in taken.items()}


def decode_tables(cores: list[CoreImage]) -> dict[str, Ints]:
    """Return the tables of all neuron records of some cores, in order.

    Raises:
        SnncError: `unsupported-record` for fields that no table holds.
    """
    none = np.zeros((0, frames.RECORD_WORDS), dtype=np.uint64)
    fields = frames.decode_records(np.concatenate([none, *(core.records for core in cores)]))
    for name in UNUSED:
        if fields[name].any():
            row = int(np.flatnonzero(fields[name])[0])
            ends = np.cumsum([core.register.neurons for core in cores])
            core = cores[int(np.searchsorted(ends, row, side="right"))]
            raise unsupported(core, f"{name} = {fields[name][row]} in a neuron record")
    tables = {name: fields[column] for name, column in COLUMNS.items()}
    for name, prefix in ADDRESSES.items():
        tables[name] = fields[f"{prefix}_x"] << 5 | fields[f"{prefix}_y"]
    return tables


def unsupported(core: CoreImage, what: str) -> SnncError:
    """Return the error for a configuration that no placed module gives."""
    return fail(
        "unsupported-record",
        f"chip {core.chip} core {core.at}: {what} has no form at level paicore",
        help="emulate the configuration instead of disassembling it",
    )
