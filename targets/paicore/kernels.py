"""Weights of neurons behind one convolution, or behind nothing that weighs, without listing them.

Neurons at one place of a map look at the same elements, so the columns of weights are found once
for each place, and whole kernels are written there. Cores of a region repeat each other, as axons
do after a period: of the last that were made, those that are asked for again are not made anew.
"""

from collections.abc import Callable
from math import prod

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.ir.adjoints import taps
from snnc.ir.graph import Op
from snnc.ir.synapses import Edge, Synapses
from snnc.ir.weights import Array
from snnc.targets.paicore.frames import Ints

CARRIERS = ("reshape", "delay", "add")
"""Ops that pass each element on at its flat place."""

CONVOLUTIONS = ("conv1d", "conv2d")

RECENT_BYTES = 1 << 23
"""Weights of cores made last, up to this size, are at hand."""

BLOCK_BYTES = 1 << 23
"""Zeros that are taken at once: so many, the system gives in large pages, which takes less time."""


@frozen(eq=False)
class _Look:
    """What some neurons look at: `columns` of all taps and whether each, or all, is `inside`.

    Neurons are sets of equally many, which look at the same: columns have a row for each of a set.
    `channel` says whose weights they have, `(sets, neurons of one)` or `(sets, 1)`.
    """

    conv: Op | None
    channel: Ints
    columns: Ints
    inside: NDArray[np.bool_]

    @property
    def key(self) -> tuple[object, ...]:
        """What looks at other elements of the same convolution differ in."""
        tables = (self.channel, self.columns, self.inside)
        return (self.channel.shape, *(table.tobytes() for table in tables))


class _Zeros:
    """Matrices of zeros, cut from large blocks."""

    def __init__(self) -> None:
        self._left = np.zeros(0, dtype=np.int8)

    def take(self, rows: int, columns: int) -> Array:
        """Return a matrix `int8[rows, columns]` that nobody else has."""
        size = rows * columns
        if size > len(self._left):
            self._left = np.zeros(max(size, BLOCK_BYTES), dtype=np.int8)
        made, self._left = self._left[:size], self._left[size:]
        return made.reshape(rows, columns)


class Kernels:
    """Makes the weights of neurons from the kernels of a program, where that is all there is."""

    def __init__(self, synapses: Synapses) -> None:
        self.synapses = synapses
        self._found: dict[Op, dict[Edge, Op | None]] = {}
        self._maps: dict[Op, tuple[Ints, NDArray[np.bool_]]] = {}
        self._recent: dict[tuple[object, ...], Array] = {}
        self._zeros = _Zeros()

    def rows(
        self, op: Op, select: Ints, at: Callable[[Edge], int | Ints], columns: int
    ) -> Array | None:
        """Return the weights of some neurons `(neurons, columns)`; None where kernels aren't all.

        Args:
            op: the neurons' op.
            select: the flat neurons.
            at: gives the first column of an edge's source, or the column of each element.
            columns: of a row.
        """
        ways = self._ways(op)
        if not ways:
            return None
        looks = [self._look(conv, select, at(edge)) for edge, conv in ways.items()]
        key = (op, columns, *(look.key for look in looks))
        made = self._recent.pop(key, None)
        if made is None:
            made = self._zeros.take(len(select), columns)
            for look in looks:
                self._write(made, look)
            most = RECENT_BYTES // made.nbytes
            for old in list(self._recent)[: max(len(self._recent) - most, 0)]:
                del self._recent[old]
        self._recent[key] = made
        return made

    def _ways(self, op: Op) -> dict[Edge, Op | None]:
        """Return the convolution behind each edge of a neuron op, None where nothing weighs.

        Empty where any edge has another way, or weights beyond one byte.
        """
        if op not in self._found:
            found: dict[Edge, Op | None] = {}
            for edge, way in self.synapses.ways(op).items():
                seeing = [o for o in way or () if o.kind not in CARRIERS]
                if way is None or len(seeing) > 1 or not all(map(self._is_plain, seeing)):
                    found = {}
                    break
                found[edge] = seeing[0] if seeing else None
            self._found[op] = found
        return self._found[op]

    def _is_plain(self, op: Op) -> bool:
        if op.kind not in CONVOLUTIONS:
            return False
        kernel = self.synapses.module.tensor(op.symbols[0])
        return kernel.dtype == np.int8 or (kernel.dtype == np.uint8 and kernel.max(initial=0) <= 1)

    def _look(self, conv: Op | None, select: Ints, at: int | Ints) -> _Look:
        if conv is None:
            columns = _columns(select, at)[:, None]
            return _Look(None, np.zeros((1, 1), np.int64), columns, np.ones((1, 1), dtype=bool))
        kernel = self.synapses.module.tensor(conv.symbols[0])
        read, area = kernel.shape[1], prod(conv.values[0].type.shape[1:])
        size = prod(conv.result.type.shape[1:])
        if conv["groups"] > 1:
            # The channels that are read differ from neuron to neuron.
            channel, place = np.divmod(select[None], size)
            place, first = place[0], channel[0] // (len(kernel) // conv["groups"]) * read
        else:
            channel, place = _sets(select, size)
            first = np.zeros(1, dtype=np.int64)
        seen, inside = (table[place] for table in self._map(conv))
        source = (first[:, None] + np.arange(read))[:, :, None] * area + seen
        columns = _columns(source, at).reshape(len(place), -1)
        taken = np.ones((1, 1), dtype=bool)
        if not inside.all():
            taken = np.broadcast_to(inside, source.shape).reshape(columns.shape)
        return _Look(conv, channel, columns, taken)

    def _map(self, conv: Op) -> tuple[Ints, NDArray[np.bool_]]:
        """Return the taps at each place of a map: flat places of the input, and if inside it."""
        if conv not in self._maps:
            kernel = self.synapses.module.tensor(conv.symbols[0])
            every = np.arange(prod(conv.result.type.shape[1:]))
            _, each, legal = taps(conv, kernel.shape[2:], every)
            inside = legal.reshape(len(every), 1, -1)
            self._maps[conv] = (np.where(inside, each.reshape(inside.shape), 0), inside)
        return self._maps[conv]

    def _write(self, made: Array, look: _Look) -> None:
        """Write weights into rows in whose columns nothing was written yet."""
        rows = made.reshape(len(look.channel), -1)
        places = look.columns + np.arange(0, rows.shape[1], made.shape[1])[:, None]
        weights = np.ones((1, 1, 1), dtype=np.int8)
        if look.conv is not None:
            kernel = self.synapses.module.tensor(look.conv.symbols[0])
            weights = kernel.reshape(len(kernel), -1)[look.channel]
        if not look.inside.all():
            every = np.broadcast_to(weights, (len(rows), *places.shape))
            places, weights = places[look.inside], every[:, look.inside]
        rows[:, places] = weights


def _sets(select: Ints, size: int) -> tuple[Ints, Ints]:
    """Return channels and places of neurons of a map of some size, as `_Look` has them.

    Mostly they are the same places of several channels.
    """
    channel, place = np.divmod(select, size)
    each = np.count_nonzero(channel == channel[0])
    if len(select) % each == 0:
        channels, places = channel[::each, None], place[:each]
        if (select.reshape(-1, each) == channels * size + places).all():
            return channels, places
    return channel[None], place


def _columns(elements: Ints, at: int | Ints) -> Ints:
    return elements + at if isinstance(at, int) else np.asarray(at[elements])
