"""Synapses: the linear ops between spike sources and a neuron's input, seen as a weight matrix.

A *source* is a value that is not made by a linear op: a graph input, an encoder's result, a
neuron's spikes. What lies between (sums, convolutions, pools, movements, delays) is one linear map
per source and delay. It stays symbolic: `rows` makes the dense weights of a few neurons at a time,
by walking their one-hot rows backwards through the ops (each op's adjoint). Parallel paths from a
source with the same delay add up, as they do on a chip's axon.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.diagnostics import fail
from snnc.ir.adjoints import ADJOINTS, MOVEMENTS, POOLS, Entries
from snnc.ir.analysis import makers, run_order
from snnc.ir.graph import Module, Op, Value
from snnc.ir.weights import Array

CHUNK = 512
"""Neurons whose rows are made at a time where a whole layer is asked about."""

WEIGHTED = (
    "linear",
    "masked_linear",
    "scale",
    "conv1d",
    "conv2d",
    "conv_transpose1d",
    "conv_transpose2d",
)


@frozen
class Edge:
    """All synapses from one source that are read `delay` ticks late."""

    source: Value
    delay: int


@frozen
class Rows:
    """Dense weights `(selected, source size)` per edge and the constant input of each neuron."""

    weights: Mapping[Edge, Array]
    bias: Array


class Synapses:
    """The synapses of every neuron of a module; answers are kept, the module never changes.

    With `pools`, ops that take the largest value of a window count as synapses of weight 1, for who
    knows which neurons take the largest and do not add.
    """

    def __init__(self, module: Module, pools: bool = False) -> None:
        self.module = module
        self.adjoints = {**ADJOINTS, **POOLS} if pools else ADJOINTS
        self.made_by = makers(module.graph)
        self._edges: dict[Op, tuple[Edge, ...]] = {}
        self._kind = np.float64 if module.level == "snn" else np.int64
        self._between: dict[Op, dict[Edge, list[Op]]] = {}

    @classmethod
    def of(cls, module: Module, pools: bool = False) -> "Synapses":
        """Return the synapses of a module, which whoever asks shares."""
        return module.once((cls, pools), lambda asked: cls(asked, pools))

    @cached_property
    def _rank(self) -> dict[Value, int]:
        values = [
            *self.module.graph.inputs,
            *(r for op in self.module.graph.ops for r in op.results),
        ]
        return {value: rank for rank, value in enumerate(values)}

    @cached_property
    def _run_rank(self) -> dict[Value, int]:
        return {r: rank for rank, op in enumerate(run_order(self.module.graph)) for r in op.results}

    def linear_op(self, value: Value) -> Op | None:
        """Return the linear op that makes a value, or None where the value is a source."""
        op = self.made_by.get(value)
        return op if op is not None and op.kind in self.adjoints else None

    def between(self, op: Op) -> Mapping[Edge, list[Op]]:
        """Return what is reached backwards from a neuron's input: (value, delay) -> ops reading it.

        Linear values and sources alike; a value reached over two paths lists two ops.

        Raises:
            SnncError: `linear-loop` for a loop without a neuron in it.
        """
        if op not in self._between:
            self._between[op] = self._reached(op)
        return self._between[op]

    def _reached(self, op: Op) -> dict[Edge, list[Op]]:
        reached: dict[Edge, list[Op]] = {Edge(op.values[0], 0): [op]}
        todo = list(reached)
        above: dict[Op, set[Op]] = {}
        while todo:
            edge = todo.pop()
            through = self.linear_op(edge.source)
            if through is None:
                continue
            trail = {through}.union(*(above.get(o, set()) for o in reached[edge]))
            above[through] = above.get(through, set()) | trail
            late = edge.delay + _delay(through)
            for value in through.values:
                maker = self.linear_op(value)
                if maker is not None and maker in above[through]:
                    raise fail(
                        "linear-loop",
                        f"%{value.name} feeds itself without a neuron in between",
                        through.loc,
                        help="a loop must pass through a neuron",
                    )
                following = Edge(value, late)
                if following not in reached:
                    reached[following] = []
                    todo.append(following)
                reached[following].append(through)
        return reached

    def ways(self, op: Op) -> dict[Edge, list[Op] | None]:
        """Return the linear ops from each source to a neuron; None where there are several ways."""
        reached = self.between(op)
        return {edge: _only_way(op, edge, reached) for edge in self.edges(op)}

    def edges(self, op: Op) -> tuple[Edge, ...]:
        """Return the edges into a neuron, sources in text order, then by delay."""
        if op not in self._edges:
            found = [e for e in self.between(op) if self.linear_op(e.source) is None]
            self._edges[op] = tuple(sorted(found, key=lambda e: (self._rank[e.source], e.delay)))
        return self._edges[op]

    def rows(self, op: Op, select: NDArray[np.int64]) -> Rows:
        """Return the weights into the neurons `select` (flat indices) of a neuron op.

        The arrays have an integer dtype at level int (float64 at snn) wide enough for their
        values; they may be views of the module's tensors.

        Raises:
            SnncError: `bias-behind-delay` where a constant is read late, so is not constant.
        """
        made, constants = self._walk(op, select)
        bias = _constant(op, constants, np.zeros(len(select), dtype=self._kind))
        return Rows({e: made[e].dense(e.source.type.size) for e in self.edges(op)}, bias)

    def constants(self, op: Op) -> dict[int, Array]:
        """Return what reaches each neuron whatever its sources do, by the tick from which on."""
        found: dict[int, Array] = {}
        for select in self._chunks(op):
            for delay, part in self._walk(op, select)[1].items():
                none = np.zeros(op.values[0].type.size, dtype=part.dtype)
                found.setdefault(delay, none)[select] = part
        return found

    def entries(self, op: Op, select: NDArray[np.int64]) -> Mapping[Edge, Entries]:
        """Return the synapses into the neurons `select` per edge; those that meet are listed apart.

        Raises:
            SnncError: `bias-behind-delay` where a constant is read late, so is not constant.
        """
        made, constants = self._walk(op, select)
        _constant(op, constants, np.zeros(len(select), dtype=self._kind))
        return {edge: made[edge] for edge in self.edges(op)}

    def _walk(
        self, op: Op, select: NDArray[np.int64]
    ) -> tuple[dict[Edge, Entries], dict[int, Array]]:
        """Return the entries of each source, and by delay the constant input of each neuron."""
        self.edges(op)
        constants: dict[int, Array] = {}
        ones = np.ones(len(select), dtype=self._kind)
        pending = {
            Edge(op.values[0], 0): Entries(len(select), np.arange(len(select)), select, ones)
        }
        made: dict[Edge, Entries] = {}
        while pending:
            # What is made last comes first, so that parallel paths meet before they go on.
            edge = max(pending, key=lambda e: (self._run_rank.get(e.source, -1), -e.delay))
            entries, through = pending.pop(edge), self.linear_op(edge.source)
            if through is None:
                made[edge] = made[edge].joined(entries) if edge in made else entries
                continue
            self._add_bias(through, edge.delay, entries, constants)
            for value, reached in self.adjoints[through.kind](self.module, through, entries):
                following = Edge(value, edge.delay + _delay(through))
                pending[following] = (
                    pending[following].joined(reached) if following in pending else reached
                )
        return made, constants

    def _add_bias(
        self, through: Op, delay: int, entries: Entries, constants: dict[int, Array]
    ) -> None:
        if (
            through.kind == "masked_linear"
            or len(through.operands) < 3
            or through.kind in MOVEMENTS
        ):
            return
        given = self.module.tensor(through.symbols[1])
        if not given.any():
            return
        row, index, weight = entries.coordinates()
        shape = through.result.type.shape
        flat = through.kind == "linear"
        per_channel = 1 if flat else int(np.prod(shape[1:], dtype=np.int64))
        channel = index % shape[-1] if flat else index // per_channel
        bias = constants.setdefault(delay, np.zeros(entries.rows, dtype=self._kind))
        np.add.at(bias, row, weight * given.astype(self._kind)[channel])

    def blocks(self, op: Op) -> Iterator[tuple[NDArray[np.int64], Rows]]:
        """Yield (neurons, rows) over a whole layer, at most `CHUNK` neurons at a time."""
        for select in self._chunks(op):
            yield select, self.rows(op, select)

    def _chunks(self, op: Op) -> Iterator[NDArray[np.int64]]:
        size = op.values[0].type.size
        for start in range(0, size, CHUNK):
            yield np.arange(start, min(start + CHUNK, size))

    def weight_range(self, op: Op) -> tuple[int, int]:
        """Return the least and greatest effective weight into a neuron, zero included."""
        quick = self._kernel_range(op)
        if quick is not None:
            return quick
        low = high = 0
        for _, rows in self.blocks(op):
            for block in rows.weights.values():
                low, high = min(low, int(block.min())), max(high, int(block.max()))
        return low, high

    def _kernel_range(self, op: Op) -> tuple[int, int] | None:
        """Return the range from the kernels alone where no two weights can meet, else None."""
        reached = self.between(op)
        if any(len(found) > 1 for found in reached.values()):
            return None
        low = high = 0
        for edge in self.edges(op):
            ops = self._path(edge, reached)
            weighted = [o for o in ops if o.kind in WEIGHTED]
            pools = sum("pool" in o.kind for o in ops)
            if len(weighted) + pools > 1 or any(o.kind in ("masked_linear", "sub") for o in ops):
                return None
            a, b = _range(self.module, weighted[0]) if weighted else (0, 1)
            low, high = min(low, a), max(high, b)
        return low, high

    def _path(self, edge: Edge, reached: Mapping[Edge, list[Op]]) -> list[Op]:
        """Return the linear ops from a source to the neuron where there is only one path."""
        ops: list[Op] = []
        while True:
            op = reached[edge][0]
            if op.kind not in self.adjoints:
                return ops
            ops.append(op)
            late = edge.delay - _delay(op)
            edge = Edge(op.result, late)


def _only_way(op: Op, edge: Edge, reached: Mapping[Edge, list[Op]]) -> list[Op] | None:
    found: list[Op] = []
    while True:
        if len(reached[edge]) != 1:
            return None
        (through,) = reached[edge]
        if through is op:
            return found
        if through.values.count(edge.source) != 1:
            return None
        found.append(through)
        edge = Edge(through.result, edge.delay - _delay(through))


def _constant(op: Op, constants: Mapping[int, Array], none: Array) -> Array:
    """Return the constant input of neurons, `none` where there is none; refuse one that is late."""
    late = sorted(delay for delay in constants if delay)
    if late:
        raise fail(
            "bias-behind-delay",
            f"a bias reaches %{op.result.name} {late[0]} ticks late, so it is not constant",
            op.loc,
            help="move the delay before the layer with the bias",
        )
    return constants.get(0, none)


def _delay(op: Op) -> int:
    return int(op["by"]) if op.kind == "delay" else 0


def _range(module: Module, op: Op) -> tuple[int, int]:
    array = module.tensor(op.symbols[0])
    return (int(array.min()), int(array.max())) if array.size else (0, 0)
