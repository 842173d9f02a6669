"""Weights of neurons behind one convolution, or behind nothing that weighs, without listing them.

Neurons at one place of a map look at the same elements, so the columns of weights are found once
for each place, and whole kernels are written there. Cores of a region repeat each other, as axons
do after a period: of the last that were made, those that are asked for again are not made anew.
"""

from collections.abc import Callable
from functools import cached_property
from math import prod

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.ir.adjoints import taps
from snnc.ir.graph import Op
from snnc.ir.synapses import Edge, Synapses
from snnc.ir.weights import Array
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.neurons.widths import KEEPING

CONVOLUTIONS = ("conv1d", "conv2d")

RECENT_BYTES = 1 << 23
"""Weights of cores made last, up to this size, are at hand."""

BLOCK_BYTES = 1 << 23
"""Zeros that are taken at once: so many, the system gives in large pages, which takes less time."""


@frozen(eq=False)
class _Window:
    """What neurons at some places look at: `columns` of all taps, a row for each neuron.

    `inside` says which of them count, None where all do.
    """

    columns: Ints
    inside: NDArray[np.bool_] | None = None

    @cached_property
    def key(self) -> tuple[bytes, bytes]:
        """What windows at other elements differ in."""
        return self.columns.tobytes(), b"" if self.inside is None else self.inside.tobytes()


@frozen(eq=False)
class _Look:
    """What some neurons look at: sets of equally many, each with the same window.

    `channel` says whose weights they have, `(sets, neurons of one)` or `(sets, 1)`; `which` the row
    of the window that is each one's, None where they follow one another.
    """

    conv: Op | None
    channel: Ints
    window: _Window
    which: Ints | None = None

    @property
    def seen(self) -> tuple[Ints, NDArray[np.bool_] | None]:
        """The columns of all taps of the neurons of a set, and which count, if not all do."""
        columns, inside = self.window.columns, self.window.inside
        if self.which is None:
            return columns, inside
        return columns[self.which], None if inside is None else inside[self.which]

    @property
    def key(self) -> tuple[object, ...]:
        """What looks at other elements of the same convolution differ in."""
        which = b"" if self.which is None else self.which.tobytes()
        return self.channel.shape, self.channel.tobytes(), which, *self.window.key


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
        self._windows: dict[Op, tuple[int | Ints, tuple[bytes, bytes], _Window]] = {}
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
                seeing = [o for o in way or () if o.kind not in KEEPING]
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
            window = _Window(_columns(select, at)[:, None])
            return _Look(None, np.zeros((1, 1), dtype=np.int64), window)
        size, groups = prod(conv.result.type.shape[1:]), conv["groups"]
        if groups == 1:
            channel, place, which = _sets(select, size)
            window = self._window(conv, np.zeros(1, np.int64), place, at)
            return _Look(conv, channel, window, which)
        # The channels that are read differ from neuron to neuron.
        kernel = self.synapses.module.tensor(conv.symbols[0])
        channel, place = np.divmod(select, size)
        first = channel // (len(kernel) // groups) * kernel.shape[1]
        return _Look(conv, channel[None], self._window(conv, first, place, at))

    def _window(self, conv: Op, first: Ints, place: Ints, at: int | Ints) -> _Window:
        """Return what neurons at some places look at, from their first channels on.

        The last one is at hand: cores of a tile differ in channels only.
        """
        key = place.tobytes(), first.tobytes()
        known = self._windows.get(conv)
        if known is None or known[0] is not at or known[1] != key:
            kernel = self.synapses.module.tensor(conv.symbols[0])
            read, area = kernel.shape[1], prod(conv.values[0].type.shape[1:])
            every, legal = self._map(conv)
            seen, inside = every[place], legal[place]
            source = (first[:, None] + np.arange(read))[:, :, None] * area + seen
            columns = _columns(source, at).reshape(len(place), -1)
            some: NDArray[np.bool_] | None = None
            if not inside.all():
                some = np.broadcast_to(inside, source.shape).reshape(columns.shape)
            known = self._windows[conv] = at, key, _Window(columns, some)
        return known[2]

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
        rows, columns, inside = made.reshape(len(look.channel), -1), *look.seen
        places = columns + np.arange(0, rows.shape[1], made.shape[1])[:, None]
        weights = np.ones((1, 1, 1), dtype=np.int8)
        if look.conv is not None:
            kernel = self.synapses.module.tensor(look.conv.symbols[0])
            weights = kernel.reshape(len(kernel), -1)[look.channel]
        if inside is not None:
            every = np.broadcast_to(weights, (len(rows), *places.shape))
            places, weights = places[inside], every[:, inside]
        rows[:, places] = weights


def _sets(select: Ints, size: int) -> tuple[Ints, Ints, Ints | None]:
    """Return channels, places and which of these, for neurons of a map of some size.

    Mostly they are the same places of neighboring channels.
    """
    first, last = int(select[0]) // size, int(select[-1]) // size
    each, rest = divmod(len(select), max(last - first + 1, 1))
    if each and not rest:
        channels, places = np.arange(first, last + 1)[:, None], select[:each] - first * size
        alike = select.reshape(-1, each) == channels * size + places
        if alike.all() and places.min() >= 0 and places.max() < size:
            return channels, places, None
    channel, place = np.divmod(select, size)
    return channel[None], *np.unique(place, return_inverse=True)


def _columns(elements: Ints, at: int | Ints) -> Ints:
    return elements + at if isinstance(at, int) else np.asarray(at[elements])
