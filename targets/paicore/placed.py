"""A placed module seen as tables and lists: what emit, check and load compare.

Nothing is computed here that the module does not say; it only turns ops into plain Python values
and numpy arrays, and refuses a module that is no well-formed `paicore` program at all. Rows are
rows of the neuron tables, over all used cores in text order.
"""

from collections.abc import Container, Mapping
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.diagnostics import Location, SnncError, fail
from snnc.ir.graph import Module, Op, Value
from snnc.ir.opset import Symbol
from snnc.targets.paicore.chip.core import Coordinate, Register
from snnc.targets.paicore.chip.distinct import distinct, members
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.chip.geometry import axon_step, axons_of
from snnc.targets.paicore.ops import TABLES

Place = tuple[Coordinate, Coordinate]


@frozen(eq=False)
class Core:
    """A used core: `row` is its first row in the tables, `count` their number.

    `numbers` has what its register holds: bits, extension, start, ticks, first ...
    """

    op: Op
    chip: Coordinate
    at: Coordinate
    row: int
    count: int
    test_chip: Coordinate
    numbers: Mapping[str, int]

    @property
    def place(self) -> Place:
        """Chip and core coordinate."""
        return self.chip, self.at

    @property
    def value(self) -> Value:
        """The spikes of its neurons."""
        return self.op.result

    @property
    def weights(self) -> Symbol:
        """The symbol of its weights."""
        return self.op.symbols[0]

    @property
    def reads(self) -> tuple[Value, ...]:
        """Inputs and layers that reach it."""
        return self.op.values

    def __getitem__(self, attr: str) -> int:
        """Return a number of the register."""
        return self.numbers[attr]

    @cached_property
    def register(self) -> Register:
        """What its register holds."""
        extension, bits = self["extension"], self["bits"]
        return Register(
            weight_code=bits.bit_length() - 1,
            lcn=extension.bit_length() - 1,
            wide_input=self["wide"],
            wide_output=self["values"],
            keep_potential=self["keep"],
            max_pool=self["pool"],
            dendrites=self.count * extension * bits,
            tick_start=self["start"],
            tick_count=self["ticks"],
            target_lcn=self["target_extension"].bit_length() - 1,
            test_chip=self.test_chip,
        )

    @property
    def wide(self) -> bool:
        """Whether it takes values of eight bits."""
        return bool(self.numbers["wide"])

    @property
    def axons(self) -> int:
        """Axons of one slot."""
        return axons_of(self.wide)

    def columns(self, slot: Ints, axon: Ints) -> Ints:
        """Return the weight columns of axon addresses in time slots."""
        return slot % self["extension"] * self.axons + axon // axon_step(self.wide)

    @property
    def begin(self) -> int:
        """Global steps from the program's tick 0 to the core's: tick_wait_start - 1 - first."""
        return self["start"] - 1 - self["first"]


@frozen(eq=False)
class Idle:
    """A reserved core that holds nothing."""

    op: Op
    chip: Coordinate
    at: Coordinate
    test_chip: Coordinate

    @property
    def place(self) -> Place:
        """Chip and core coordinate."""
        return self.chip, self.at


@frozen(eq=False)
class Input:
    """One way of a graph input to a region; `axon` and `slot` have one entry per element.

    `core` and `mask` are pairs x, y of arrays with one entry per element, too.
    """

    op: Op
    chip: Coordinate
    core: tuple[Ints, Ints]
    mask: tuple[Ints, Ints]
    extension: int
    first: int
    axon: Ints
    slot: Ints

    @property
    def source(self) -> Value:
        """The graph input."""
        return self.op.values[0]

    @cached_property
    def destinations(self) -> tuple[tuple[Coordinate, Coordinate, Ints], ...]:
        """Core, mask and elements of each destination."""
        groups, which = distinct(np.stack([*self.core, *self.mask]))
        each = zip(groups.T.tolist(), members(which, groups.shape[1]), strict=True)
        return tuple(((x, y), (mask_x, mask_y), mine) for (x, y, mask_x, mask_y), mine in each)


@frozen(eq=False)
class Layer:
    """One physical copy of a layer: (core, first row in the core, last) in order of its pieces.

    Copies beyond the first may hold some of the layer's neurons only.
    """

    op: Op
    of: str
    shape: tuple[int, ...]
    copy: int
    delay: int
    unit: Ints
    zero: Ints
    pieces: tuple[tuple[Core, int, int], ...]
    order: Ints | None

    @property
    def size(self) -> int:
        """Number of neurons that the copy holds."""
        return sum(last - first for _, first, last in self.pieces)

    @property
    def whole(self) -> bool:
        """Whether it holds all neurons of the layer."""
        return self.size == prod(self.shape)

    @property
    def elements(self) -> Ints:
        """The layer's flat neuron at each place, pieces joined."""
        return np.arange(self.size) if self.order is None else self.order

    def worth(self, potentials: Ints) -> Ints:
        """Return potentials `(..., *shape)` in the program's unit: a step may be worth several.

        They may be counted from another zero, too.
        """
        each = self.unit.reshape(-1, *[1] * (len(self.shape) - 1))
        zero = self.zero.reshape(self.shape) if self.zero.size > 1 else self.zero[0]
        return potentials * (each if self.unit.size > 1 else self.unit[0]) + zero

    @property
    def neurons(self) -> Ints:
        """The layer's flat neurons that the copy holds, ascending."""
        return np.sort(self.elements)

    def rows(self) -> Ints:
        """Return the table row of each of its neurons, ascending."""
        joined = [np.arange(core.row + a, core.row + b) for core, a, b in self.pieces]
        rows = np.concatenate([np.zeros(0, np.int64), *joined])
        return rows if self.order is None else rows[np.argsort(self.order)]


@frozen(eq=False)
class Output:
    """A layer that the host receives."""

    op: Op
    layer: Layer
    node: int
    chip: Coordinate
    core: Coordinate
    blocks: int

    @property
    def name(self) -> str:
        """Name of the output in the program."""
        return str(self.op["of"])


@frozen(eq=False)
class Placed:
    """A placed module, taken apart; all in text order."""

    module: Module
    tables: Mapping[str, Ints]
    cores: tuple[Core, ...]
    idle: tuple[Idle, ...]
    inputs: tuple[Input, ...]
    layers: tuple[Layer, ...]
    outputs: tuple[Output, ...]

    @cached_property
    def by_place(self) -> Mapping[Place, Core]:
        """The used core at each place."""
        return {core.place: core for core in self.cores}

    @cached_property
    def chips(self) -> tuple[Coordinate, ...]:
        """Chips with configured cores, in text order."""
        both: tuple[Core | Idle, ...] = (*self.cores, *self.idle)
        return tuple(dict.fromkeys(core.chip for core in both))

    @cached_property
    def copies(self) -> dict[str, list[Layer]]:
        """The physical copies of each layer of the program, by its name; whole ones first."""
        found: dict[str, list[Layer]] = {}
        for layer in self.layers:
            found.setdefault(layer.of, []).append(layer)
        return {name: sorted(copies, key=lambda c: c.copy) for name, copies in found.items()}

    def latency(self) -> dict[str, int]:
        """Return how many ticks each output comes later than in the program."""
        return {o.name: o.layer.pieces[0][0].begin for o in self.outputs}


def weighs(placed: Placed, core: Core, columns: Ints) -> bool:
    """Whether a core has a weight in any of some columns (slot within a tick x axons + axon)."""
    weights = placed.module.tensor(core.weights)
    inside = columns[columns < weights.shape[1]]
    return bool(weights[:, inside].any())


def malformed(message: str, loc: Location) -> SnncError:
    """Return the error for a module that no placer can have made."""
    return fail("placed-malformed", message, loc, help="place the program anew with `snnc compile`")


def read_placed(module: Module) -> Placed:
    """Return the parts of a module at level `paicore`.

    Raises:
        SnncError: `placed-malformed` for another level, for coordinates that are not pairs, for
            pieces outside a core, for tables or ops that are missing or double.
    """
    return module.once(Placed, _read)


def _read(module: Module) -> Placed:
    if module.level != "paicore":
        raise malformed(f"a module at level {module.level} is not placed", module.loc)
    tables = _tables(module)
    cores = tuple(_core(op, len(tables["core"])) for op in module.ops("core"))
    by_value = {core.value: core for core in cores}
    inputs = set(module.graph.inputs)
    layers = tuple(_layer(module, op, by_value) for op in module.ops("layer"))
    layer_of = {layer.op.result: layer for layer in layers}
    return Placed(
        module,
        tables,
        cores,
        tuple(_idle(op) for op in module.ops("idle")),
        tuple(_input(module, op, inputs) for op in module.ops("input")),
        layers,
        tuple(_output(op, layer_of) for op in module.ops("output")),
    )


def _tables(module: Module) -> dict[str, Ints]:
    ops = list(module.ops("neurons"))
    if len(ops) != 1 or len(ops[0].symbols) != len(TABLES):
        raise malformed("exactly one paicore.neurons with every table is needed", module.loc)
    arrays = [module.tensor(s).astype(np.int64) for s in ops[0].symbols]
    if len({a.shape for a in arrays}) != 1 or arrays[0].ndim != 1:
        raise malformed("the neuron tables are not of one length", ops[0].loc)
    return dict(zip(TABLES, arrays, strict=True))


def pair(op: Op, attr: str) -> Coordinate:
    """Return an attribute that holds a coordinate."""
    given: Any = op[attr]
    if len(given) != 2:
        raise malformed(f"{op.name}: {attr} = {list(given)} is not a pair x, y", op.loc)
    return int(given[0]), int(given[1])


def _at(op: Op) -> Place:
    given = op["at"]
    if len(given) != 4:
        raise malformed(f"{op.name}: at = {list(given)} is not chip x, y, core x, y", op.loc)
    return (int(given[0]), int(given[1])), (int(given[2]), int(given[3]))


def _core(op: Op, rows: int) -> Core:
    if len(op["neurons"]) != 2:
        raise malformed(f"{op.name}: neurons is not first row, number of rows", op.loc)
    row, count = op["neurons"]
    if row < 0 or count < 1 or row + count > rows:
        raise malformed(f"{op.name}: rows {row}..{row + count - 1} are not among {rows}", op.loc)
    numbers = {name: int(n) for name, n in op.filled.items() if isinstance(n, int)}
    return Core(op, *_at(op), row, count, pair(op, "test_chip"), numbers)


def _idle(op: Op) -> Idle:
    return Idle(op, *_at(op), pair(op, "test_chip"))


def _input(module: Module, op: Op, inputs: Container[Value]) -> Input:
    axon, slot = (module.tensor(s).astype(np.int64).reshape(-1) for s in op.symbols[:2])
    if op.values[0] not in inputs:
        raise malformed(f"%{op.values[0].name} is no input of the graph", op.loc)
    core, mask = (np.array(op[name], dtype=np.int64) for name in ("core", "mask"))
    which = np.zeros(len(axon), dtype=np.int64)
    if op["region"] is not None:
        which = module.tensor(op["region"]).astype(np.int64).reshape(-1)
    legal = len(core) == len(mask) and len(core) % 2 == 0 and len(which) == len(axon)
    count = len(core) // 2
    if not legal or which.min(initial=0) < 0 or which.max(initial=0) >= count:
        message = f"%{op.result.name}: {count} cores and {len(mask) // 2} masks for its elements"
        raise malformed(message, op.loc)
    core, mask = core.reshape(-1, 2)[which].T, mask.reshape(-1, 2)[which].T
    return Input(
        op,
        pair(op, "chip"),
        (core[0], core[1]),
        (mask[0], mask[1]),
        op["extension"],
        op["first"],
        axon,
        slot,
    )


def _layer(module: Module, op: Op, by_value: Mapping[Value, Core]) -> Layer:
    cores = [by_value.get(v) for v in op.values]
    shape = tuple(op["shape"])
    spans = op["pieces"] or tuple((0, v.type.size) for v in op.values)
    pieces = []
    for core, span in zip(cores, spans, strict=False):
        if core is None or len(span) != 2 or not 0 <= span[0] < span[1] <= core.count:
            raise malformed(f"%{op.result.name}: {list(span)} is no piece of a core", op.loc)
        pieces.append((core, int(span[0]), int(span[1])))
    order = None if op["order"] is None else module.tensor(op["order"]).astype(np.int64)
    unit = np.array(op["unit"] or (1,), dtype=np.int64)
    zero = np.array(op["zero"] or (0,), dtype=np.int64)
    layer = Layer(op, op["of"], shape, op["copy"], op["delay"], unit, zero, tuple(pieces), order)
    if len(zero) not in (1, prod(shape)):
        raise malformed(f"%{op.result.name}: {len(zero)} zeros for {list(shape)}", op.loc)
    if len(unit) not in (1, *shape[:1]):
        raise malformed(f"%{op.result.name}: {len(unit)} units for {list(shape)}", op.loc)
    some = layer.copy > 0 and order is not None and layer.size < prod(shape)
    if len(spans) != len(cores) or not (layer.whole or some):
        message = f"%{op.result.name}: {layer.size} neurons for the shape {list(shape)}"
        raise malformed(message, op.loc)
    if order is not None and not _lists(order, layer):
        raise malformed(f"%{op.result.name}: order is no list of its neurons", op.loc)
    return layer


def _lists(order: NDArray[Any], layer: Layer) -> bool:
    """Whether an order names as many neurons as a layer holds, each at most once."""
    neurons = np.sort(order, axis=None)
    inside = not neurons.size or (neurons[0] >= 0 and neurons[-1] < prod(layer.shape))
    return bool(order.shape == (layer.size,) and inside and (np.diff(neurons) > 0).all())


def _output(op: Op, layers: Mapping[Value, Layer]) -> Output:
    layer = layers.get(op.values[0])
    if layer is None or not layer.whole:
        raise malformed(f"%{op.values[0].name} is no layer that an output can give", op.loc)
    return Output(op, layer, op["node"], pair(op, "chip"), pair(op, "core"), op["blocks"])
