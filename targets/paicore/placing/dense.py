"""Dense weights of cores, made when they are packed: convolutions stay symbolic until then.

Of a program whose weights are small the blocks of each layer are made once, and cores are cuts of
them; of a larger one each core's weights are made whenever they are asked for.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from attrs import frozen

from snnc.diagnostics import fail
from snnc.ir.graph import Op
from snnc.ir.synapses import Edge
from snnc.ir.types import smallest_weight
from snnc.ir.weights import Array
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.neurons.populations import Populations, Segment
from snnc.targets.paicore.placing.kernels import Kernels
from snnc.targets.paicore.tiling.shares import Share


@frozen
class Piece:
    """Neurons first..last-1 of copy `copy` of a share of a population, in one core."""

    share: Share
    copy: int
    first: int
    last: int

    @property
    def op(self) -> Op:
        """The population."""
        return self.share.op


class Dense:
    """The weights of a program's cores.

    Args:
        populations: of the program.
        columns: tells where the elements of a segment stand in a core of a region: the first
            column where they follow one another, or the column of each.
        orders: lists the flat neurons of a share's copy as pieces count them, if not 0, 1, 2 ...
        kept: whether what is made stays.
    """

    def __init__(
        self,
        populations: Populations,
        columns: Callable[[int, Segment, int], int | Ints],
        orders: Mapping[tuple[Share, int], Ints],
        kept: bool,
    ) -> None:
        self.populations, self.columns, self.orders, self.kept = populations, columns, orders, kept
        self.kernels = Kernels(populations.synapses)
        self._layers: dict[Op, dict[Edge, Array]] = {}
        self._taken = np.zeros(0, dtype=bool)

    def keeps(self, pieces: Sequence[Piece]) -> bool:
        """Whether the weights of a core should stay once made: neurons in an order take long."""
        return self.kept and any((p.share, p.copy) in self.orders for p in pieces)

    def core(self, group: int, code: int, pieces: Sequence[Piece], columns: int) -> Array:
        """Return the weights of one core `(neurons, columns)`, column = slot axons + axon.

        Raises:
            SnncError: `weight-range` where parallel weights add up to more than a synapse holds.
        """
        parts = [self._piece(group, code, piece, columns) for piece in pieces]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _piece(self, group: int, code: int, piece: Piece, columns: int) -> Array:
        op = piece.op
        order = self.orders.get((piece.share, piece.copy))
        if order is not None:
            some = order[piece.first : piece.last]
            return self._scattered((group, code), op, some, columns)
        made = np.zeros((piece.last - piece.first, columns), dtype=np.int8)
        for edge, block in self._blocks(piece).items():
            first = self.columns(group, self.populations.segment(op, edge), code)
            assert isinstance(first, int)
            into = made[:, first : first + block.shape[1]]
            into += block
        return made

    def _blocks(self, piece: Piece) -> dict[Edge, Array]:
        """Return the weights of a piece by edge, `(neurons, source size)`."""
        op = piece.op
        if not self.kept:
            return self._made(op, np.arange(piece.first, piece.last))
        if op not in self._layers:
            self._layers[op] = self._made(op, np.arange(self.populations.size(op)))
        return {edge: b[piece.first : piece.last] for edge, b in self._layers[op].items()}

    def _made(self, op: Op, select: Ints) -> dict[Edge, Array]:
        blocks = self.populations.synapses.rows(op, select).weights
        if self.populations.form(op).pool:
            return {edge: (block != 0).astype(np.int8) for edge, block in blocks.items()}
        return {edge: _narrow(block, op) for edge, block in blocks.items()}

    def _scattered(self, core: tuple[int, int], op: Op, select: Ints, columns: int) -> Array:
        """Return the rows of neurons whose cores receive a part of each source only."""
        populations = self.populations

        def at(edge: Edge) -> int | Ints:
            return self.columns(core[0], populations.segment(op, edge), core[1])

        plain = None if populations.form(op).pool else self.kernels.rows(op, select, at, columns)
        if plain is not None:
            return plain
        places, weights = [], []
        for edge, entries in populations.synapses.entries(op, select).items():
            first = at(edge)
            row, index, weight = entries.coordinates()
            column = index + first if isinstance(first, int) else first[index]
            places.append(row * columns + column)
            weights.append(weight)
        alone = len(places) == 1  # Joining would copy it.
        place = places[0] if alone else np.concatenate(places)
        weight = weights[0] if alone else np.concatenate(weights)
        made = self._summed(len(select) * columns, place, weight, op)
        if populations.form(op).pool:
            made = (made != 0).astype(np.int8)
        return made.reshape(len(select), columns)

    def _summed(self, size: int, places: Ints, weights: Array, op: Op) -> Array:
        """Return `int8[size]`: at each place the sum of the weights that go there."""
        if len(self._taken) < size:
            self._taken = np.zeros(size, dtype=bool)
        self._taken[places] = True
        alone = np.count_nonzero(self._taken[:size]) == len(places)
        self._taken[places] = False
        if alone:
            # No two meet, so nothing has to be added up in wider numbers.
            made = np.zeros(size, dtype=np.int8)
            made[places] = _narrow(weights, op)
            return made
        wide = np.zeros(size, dtype=np.int64)
        np.add.at(wide, places, weights)
        return _narrow(wide, op)


def _narrow(block: Array, op: Op) -> Array:
    if block.dtype == np.int8:
        return block
    if block.size and smallest_weight(int(block.min()), int(block.max())) is None:
        raise fail(
            "weight-range",
            f"weights into %{op.result.name} span {block.min()}..{block.max()}; "
            "a synapse holds -128..127",
            op.loc,
            help="quantize to fewer bits",
        )
    return block.astype(np.int8)
