"""A NIR graph as a module of level `snn`: nodes in the order in which values are made.

The contract: several edges into a node add up; every loop reads its past a tick late, as `wiring`
decides; values carry the names of nodes, ops their places. The graph returns its Outputs in the
order of the file.
"""

from collections import deque
from collections.abc import Mapping, Sequence

import networkx as nx
import numpy as np

from snnc.diagnostics import Location, fail
from snnc.frontends.nir.layers import (
    Site,
    check_port,
    delay_ticks,
    lower_layer,
    misleads,
    port_shape,
)
from snnc.frontends.nir.neurons import Convention, neuron, rounded
from snnc.frontends.nir.nodes import INPUT, INTEGRATING, OUTPUT, SPIKING, Node
from snnc.frontends.nir.wiring import Edge, Flat, Loops, find_loops
from snnc.ir.build import Builder
from snnc.ir.graph import Module, Value
from snnc.ir.types import ELEMENTS, Type


def lower(
    flat: Flat, convention: Convention, element: str, name: str, loc: Location
) -> tuple[Module, tuple[str, ...]]:
    """Return the module of a flat graph, and what was assumed on the way.

    Args:
        flat: the graph.
        convention: how its neurons step.
        element: of the graph's inputs, `u1` or `f32`.
        name: of the module.
        loc: of the module.

    Raises:
        SnncError: what the nodes refuse, and the loops.
    """
    delays = [n for n in flat.nodes.values() if n.type == "Delay"]
    own = [n.path for n in delays if delay_ticks(n, convention).min() > 0]
    loops = find_loops(flat, own)
    types: dict[str, Type] = {}
    if loops.late or loops.ahead:
        trial = _Lowering(flat, convention, element, Builder(name, "snn", loc=loc))
        types = trial.types()
    build = Builder(name, "snn", loc=loc)
    lowering = _Lowering(flat, convention, element, build)
    values = lowering.run(loops, types)
    outputs = [values[path] for path in flat.outputs]
    notes = (*flat.notes, *loops.notes, *lowering.site.notes)
    return build.finish(*outputs), notes


class _Lowering:
    """One walk over a graph."""

    def __init__(self, flat: Flat, convention: Convention, element: str, build: Builder) -> None:
        self.flat, self.build, self.element = flat, build, ELEMENTS[element]
        wrong = {n.path for n in flat.nodes.values() if misleads(n)}
        graph = nx.DiGraph(list(flat.edges))
        behind = {p for path in wrong for p in nx.descendants(graph, path)}
        self.site = Site(build, convention, frozenset(wrong | behind))
        self.sources = flat.sources()
        self.values: dict[str, Value] = {}

    def types(self) -> dict[str, Type]:
        """Return the types of all values by a trial that reads any value made already.

        What is added has one shape, so that one operand stands for all.
        """
        readers: dict[str, list[str]] = {}
        for source, target in self.flat.edges:
            readers.setdefault(source, []).append(target)
        queue = deque(self.flat.inputs)
        while queue:
            path = queue.popleft()
            if path in self.values:
                continue
            made = [self.values[s] for s in self.sources[path] if s in self.values]
            self._make(path, made[:1] * len(self.sources[path]))
            queue.extend(readers.get(path, ()))
        return {path: value.type for path, value in self.values.items()}

    def run(self, loops: Loops, types: Mapping[str, Type]) -> dict[str, Value]:
        """Return the value of each node; `types` are those of values read before they are made."""
        announced: dict[str, Value] = {}
        late: dict[str, Value] = {}

        def read(edge: Edge) -> Value:
            source, loc = edge[0], self.flat.nodes[edge[0]].loc
            if edge not in loops.late and edge not in loops.ahead:
                return self.values[source]
            if source not in announced:
                announced[source] = self.build.forward(source, types[source], loc)
            if edge in loops.ahead:
                return announced[source]
            if source not in late:
                late[source] = self.build.op(
                    "delay", announced[source], name=f"{source}.late", loc=loc
                )
            return late[source]

        order = nx.DiGraph()
        order.add_nodes_from(self.flat.nodes)
        order.add_edges_from(set(self.flat.edges) - loops.late - loops.ahead)
        for path in nx.lexicographical_topological_sort(order):
            self._make(path, [read((source, path)) for source in self.sources[path]])
        for source, later in announced.items():
            self.build.bind(later, self.values[source])
        return self.values

    def _make(self, path: str, operands: Sequence[Value]) -> None:
        node = self.flat.nodes[path]
        if path in self.flat.inputs:
            shape = self._input_shape(node)
            self.values[path] = self.build.input(path, Type(self.element, shape, 0), node.loc)
            return
        self.values[path] = self._lower(node, self._sum(node, operands))

    def _input_shape(self, node: Node) -> tuple[int, ...]:
        if "shape" in node.fields:
            shape = port_shape(self.site, node)
            if min(shape) < 1:
                raise fail("nir-shape", f"{node.path} has the shape {list(shape)}", node.loc)
            return shape
        reader = next(self.flat.nodes[b] for a, b in self.flat.edges if a == node.path)
        return _stated_input(reader)

    def _sum(self, node: Node, operands: Sequence[Value]) -> Value:
        if len(operands) == 1:
            return operands[0]
        shapes = {v.name: list(v.type.shape) for v in operands}
        if len({v.type.shape for v in operands}) > 1:
            raise fail(
                "nir-shape",
                f"{node.path} adds up values of different shapes: "
                + ", ".join(f"{name} {shape}" for name, shape in shapes.items()),
                node.loc,
                help="edges into one node are added element by element",
            )
        name = node.path if node.type in (INPUT, OUTPUT) else f"{node.path}.sum"
        return self.build.op("add", *operands, name=name, loc=node.loc)

    def _lower(self, node: Node, x: Value) -> Value:
        if node.type in (INPUT, OUTPUT):
            check_port(self.site, node, x.type.shape)
            return x
        if node.type not in (*SPIKING, *INTEGRATING):
            return lower_layer(self.site, node, x)
        attrs = neuron(node, x.type.shape, self.site.convention)
        for key, value in attrs.items():
            if isinstance(value, np.ndarray):
                single = rounded(value)
                if not np.isfinite(single).all():
                    raise fail("nir-value", f"{node.path}: {key} is beyond float32", node.loc)
                attrs[key] = (
                    single
                    if isinstance(single, float)
                    else self.build.weight(f"{node.path}.{key}", single, loc=node.loc)
                )
        inner = node.type in INTEGRATING
        names = (f"{node.path}.spikes", node.path) if inner else (node.path,)
        return self.build.emit("neuron", (x,), attrs, loc=node.loc, names=names).results[-1]


def _stated_input(node: Node) -> tuple[int, ...]:
    """Return the shape that a node reads by its own fields."""
    if node.type in ("Affine", "Linear"):
        shape = node.array("weight").shape
        return (*shape[:-2], shape[-1])
    if node.type == "Flatten" and "input_type" in node.fields:
        return node.ints("input_type")
    if node.type in ("Conv1d", "Conv2d") and "input_shape" in node.fields:
        return (node.array("weight").shape[1] * node.ints("groups")[0], *node.ints("input_shape"))
    if node.type in (*SPIKING, *INTEGRATING, "Scale", "Delay"):
        return max((node.array(name).shape for name in node.fields), key=len)
    raise fail(
        "nir-shape",
        f"{node.path} reads nothing, and its fields do not say what shape it takes",
        node.loc,
        help="add an Input node before it",
    )
