"""Cores as tables of 64-bit integers, which the machine code reads: numbers, addresses, counters.

Maps lie as [y][x][feature], features padded to whole vectors of `LANES`; weights with the features
that they lead to last, padded likewise, so that what one event adds to one place is contiguous.
"""

from collections.abc import Callable, Mapping

import numpy as np

from snnc.ir.weights import Array
from snnc.targets.dynapcnn.artifact.records import Core

LANES = 32
"""Neurons that are updated together."""

FIELDS = (
    "v",
    "weights",
    "bias",
    "blocks",
    "features",
    "width",
    "height",
    "kernel",
    "stride_y",
    "stride_x",
    "rows",
    "columns",
    "high",
    "low",
    "to_zero",
    "counts",
    "counts_step",
    "trace",
    "trace_step",
    "monitor",
    "most",
    "arriving",
    "in_blocks",
    "in_height",
    "in_width",
    "in_features",
    "padding_y",
    "padding_x",
    "given",
    "given_ends",
    "list",
    "lines",
    "row",
    "largest",
    "small",
    "events",
    "operations",
    "spikes",
    "sent",
)
"""Entries of a core, in order; its destinations follow, `TO` each."""

TO = ("core", "pool", "shift", "height", "width", "arriving", "in_blocks")
DESTINATIONS = 2
SIZE = len(FIELDS) + DESTINATIONS * len(TO)
BYTES = 8 * SIZE
COUNTERS = ("events", "operations", "spikes")


def place(name: str) -> int:
    """Return the bytes before an entry of a core."""
    return 8 * FIELDS.index(name)


def place_to(number: int, name: str) -> int:
    """Return the bytes before an entry of a core's destination."""
    return 8 * (len(FIELDS) + number * len(TO) + TO.index(name))


def padded(features: int) -> int:
    """Return how many features a map has room for."""
    return -(-features // LANES) * LANES


def to_memory(maps: Array, kind: type) -> Array:
    """Return maps (..., feature, y, x) as they lie in memory: (..., y, x, padded feature)."""
    features = maps.shape[-3]
    shape = (*maps.shape[:-3], *maps.shape[-2:], padded(features))
    made = np.zeros(shape, dtype=kind)
    made[..., :features] = np.moveaxis(maps, -3, -1)
    return made


def from_memory(lying: Array, features: int) -> Array:
    """Return what lies in memory as maps (..., feature, y, x)."""
    return np.moveaxis(lying[..., :features], -1, -3)


def weights_to_memory(core: Core, axes: tuple[int, int, int]) -> Array:
    """Return weights with the axes (1: feature in, 2: ky, 3: kx) in an order, padded out last."""
    shape = [core.weights.shape[axis] for axis in axes]
    made = np.zeros((*shape, padded(core.weights.shape[0])), dtype=np.int8)
    made[..., : core.weights.shape[0]] = core.weights.transpose(*axes, 0)
    return made


def reach(core: Core, axis: int) -> Array:
    """Return, for each place of an input on an axis (0: y, 1: x), (first, count, tap) of neurons.

    `first` is the first neuron that an event there touches, `tap` the weight that it adds; the
    next neuron gets the weight that lies a stride before.
    """
    stride, kernel = core.stride[axis], core.kernel
    place = np.arange(core.input[1 + axis], dtype=np.int64) + core.padding[axis]
    first = np.maximum(0, -(-(place - kernel + 1) // stride))
    last = np.minimum(core.output[1 + axis] - 1, place // stride)
    count = np.maximum(0, last - first + 1)
    return np.column_stack([first, count, place - first * stride])


def touched(core: Core) -> Array:
    """Return how many neurons of each feature an event at a place (y, x) touches."""
    rows, columns = (reach(core, axis)[:, 1] for axis in (0, 1))
    return np.asarray(rows[:, None] * columns)


class Table:
    """The entries of cores, and the arrays that their addresses point to, which it keeps alive."""

    def __init__(self, cores: tuple[Core, ...], axes: tuple[int, int, int]) -> None:
        self.cores, self._axes = cores, axes
        self.entries = np.zeros((len(cores), SIZE), dtype=np.int64)
        self._kept: dict[tuple[int, str], Array] = {}
        for number, core in enumerate(cores):
            self._describe(number, core)

    def _describe(self, number: int, core: Core) -> None:
        features, height, width = core.output
        self.set(
            number,
            blocks=padded(features) // LANES,
            features=features,
            width=width,
            height=height,
            kernel=core.kernel,
            stride_y=core.stride[0],
            stride_x=core.stride[1],
            high=core.high,
            low=core.low,
            to_zero=core.return_to_zero,
            in_blocks=padded(core.input[0]) // LANES,
            in_height=core.input[1],
            in_width=core.input[2],
            in_features=core.input[0],
            padding_y=core.padding[0],
            padding_x=core.padding[1],
            sent=len(core.destinations),
        )
        self.point(number, "weights", weights_to_memory(core, self._axes))
        self.point(number, "rows", reach(core, 0))
        self.point(number, "columns", reach(core, 1))
        known = {c.core: n for n, c in enumerate(self.cores)}
        for at, to in enumerate(core.destinations):
            target = self.cores[known[to.core]]
            values = {
                "core": known[to.core],
                "pool": to.pool.bit_length() - 1,
                "shift": to.shift,
                "height": target.input[1],
                "width": target.input[2],
                "in_blocks": padded(target.input[0]) // LANES,
            }
            for name, value in values.items():
                self.entries[number, place_to(at, name) // 8] = value

    def set(self, number: int, **values: int) -> None:
        """Write entries of a core."""
        for name, value in values.items():
            self.entries[number, FIELDS.index(name)] = value

    def point(self, number: int, name: str, array: Array | None) -> None:
        """Let an entry hold the address of an array, 0 for None."""
        if array is None:
            self._kept.pop((number, name), None)
        else:
            self._kept[number, name] = array
        self.set(number, **{name: 0 if array is None else array.ctypes.data})

    def array(self, number: int, name: str) -> Array:
        """Return the array that an entry points to."""
        return self._kept[number, name]

    def trace(self, number: int, name: str, array: Array | None) -> None:
        """Let a core write an array (steps, ...) step by step into `counts` or `trace`."""
        self.point(number, name, array)
        self.set(number, **{f"{name}_step": 0 if array is None else array.strides[0]})

    def counters(self) -> dict[int, Mapping[str, int]]:
        """Return events, operations and spikes so far, by the number of the core."""
        rows = self.entries[:, [FIELDS.index(name) for name in COUNTERS]].tolist()
        return {
            c.core: dict(zip(COUNTERS, row, strict=True))
            for c, row in zip(self.cores, rows, strict=True)
        }

    @property
    def address(self) -> int:
        """Where the entries lie."""
        return int(self.entries.ctypes.data)


class Tables:
    """Tables of one build, as many as there are samples that run at once."""

    def __init__(self, make: Callable[[], Table]) -> None:
        self._make = make
        self._free: list[Table] = []

    def take(self) -> Table:
        """Return a table that nobody uses."""
        try:
            return self._free.pop()
        except IndexError:
            return self._make()

    def give(self, table: Table) -> None:
        """Take back a table that may be used again."""
        self._free.append(table)
