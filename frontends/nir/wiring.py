"""Edges of a NIR graph: nested graphs laid flat, missing ports added, loops given their tick.

The contract: the flat graph says the same as the nested one, or is refused; where the format leaves
open which port or which edge is meant, it is refused, not guessed. A NIR loop has no delay written
down; it gets one tick, at the edge that returns to the node by which the loop is entered, moved
back over layers without state to what made the value (so a bias in the loop acts from tick 0 on).
"""

from collections import Counter
from collections.abc import Iterable, Mapping

import networkx as nx
from attrs import field, frozen

from snnc.diagnostics import fail
from snnc.frontends.nir.nodes import INPUT, OUTPUT, SPIKING, STATEFUL, NirGraph, Node

Edge = tuple[str, str]


@frozen(eq=False)
class Flat:
    """All nodes by path, all edges by paths, and the ports of the outermost graph in file order.

    Ports of nested graphs are ordinary nodes here, which pass on the sum of what they get. `notes`
    says what was added.
    """

    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    notes: tuple[str, ...] = field(default=(), repr=False)

    def sources(self) -> dict[str, list[str]]:
        """Return what each node reads, in order of edges."""
        found: dict[str, list[str]] = {path: [] for path in self.nodes}
        for source, target in self.edges:
            found[target].append(source)
        return found


def flatten(graph: NirGraph) -> Flat:
    """Return the flat form of a graph.

    Raises:
        SnncError: `nir-edge`, `nir-ambiguous`.
    """
    nodes: dict[str, Node] = {}
    edges: list[Edge] = []
    _collect(graph, nodes, edges)
    inputs = [n.path for n in graph.nodes.values() if _is(n, INPUT)]
    outputs = [n.path for n in graph.nodes.values() if _is(n, OUTPUT)]
    for source, target in edges:
        if target in inputs or source in outputs:
            what = "enters an Input" if target in inputs else "leaves an Output"
            raise fail("nir-edge", f"the edge {source} -> {target} {what}", nodes[target].loc)
    notes: list[str] = []
    read, written = {a for a, _ in edges}, {b for _, b in edges}
    for path in [p for p in nodes if p not in written and p not in inputs]:
        inputs.append(_add_port(nodes, edges, path, INPUT, notes))
    for path in [p for p in nodes if p not in read and p not in outputs and p not in inputs]:
        outputs.append(_add_port(nodes, edges, path, OUTPUT, notes))
    if not outputs or not inputs:
        raise fail(
            "nir-edge",
            f"the graph has {len(inputs)} inputs and {len(outputs)} outputs",
            graph.loc,
            help="it needs one of each at least; every node lies in a loop, or there are none",
        )
    silent = [p for p in inputs if p not in {a for a, _ in edges}]
    if silent:
        raise fail("nir-edge", f"nothing reads the input {silent[0]}", nodes[silent[0]].loc)
    return Flat(nodes, tuple(sorted(edges)), tuple(inputs), tuple(outputs), tuple(notes))


def _is(node: Node | NirGraph, kind: str) -> bool:
    return isinstance(node, Node) and node.type == kind


def _add_port(
    nodes: dict[str, Node], edges: list[Edge], path: str, kind: str, notes: list[str]
) -> str:
    """Add an Input before a node that reads nothing, or an Output behind one that nobody reads."""
    name = f"{kind.lower()}_{path}"
    while name in nodes:
        name += "_"
    nodes[name] = Node(name, kind, {})
    edges.append((name, path) if kind == INPUT else (path, name))
    notes.append(f"{name} was added, as {path} has no edge on that side")
    return name


def _collect(graph: NirGraph, nodes: dict[str, Node], edges: list[Edge]) -> None:
    for node in graph.nodes.values():
        if isinstance(node, NirGraph):
            _collect(node, nodes, edges)
        elif node.path in nodes:
            raise fail("nir-node", f"two nodes have the path {node.path}", node.loc)
        else:
            nodes[node.path] = node
    for source, target in graph.edges:
        edges.append((_port(graph, source, OUTPUT), _port(graph, target, INPUT)))
    doubled = [edge for edge, times in Counter(edges).items() if times > 1]
    if doubled:
        raise fail("nir-edge", f"the edge {' -> '.join(doubled[0])} stands twice", graph.loc)


def _port(graph: NirGraph, name: str, kind: str) -> str:
    """Return the path of the node that an edge to or from a name means."""
    node = graph.nodes[name]
    if isinstance(node, Node):
        return node.path
    ports = [n for n in node.nodes if _is(node.nodes[n], kind)]
    if not ports:
        taken = {edge[kind == INPUT] for edge in node.edges}
        ports = [n for n in node.nodes if n not in taken]
    if len(ports) != 1:
        found = ", ".join(ports) or "none"
        raise fail(
            "nir-ambiguous",
            f"an edge names the nested graph {node.path}, which has {len(ports)} nodes of type "
            f"{kind} ({found})",
            node.loc,
            help="NIR edges cannot name a port; split the nested graph, or lay it flat",
        )
    return _port(node, ports[0], kind)


@frozen(eq=False)
class Loops:
    """Edges that close loops: `late` ones take a tick, `ahead` ones end at a Delay that has one.

    Without both the graph has no loop. Values on them are made after they are read.
    """

    late: frozenset[Edge]
    ahead: frozenset[Edge]
    notes: tuple[str, ...] = ()


def find_loops(flat: Flat, delayed: Iterable[str] = ()) -> Loops:
    """Return where the loops of a graph get their tick; `delayed` nodes bring a tick themselves.

    Raises:
        SnncError: `nir-loop` for a loop in which nothing has a state, or which no input reaches;
            `nir-ambiguous` for one that is entered at two places.
    """
    own = set(delayed)
    inside = find_rings(flat)
    _check_reached(flat)
    ahead = [(a, b) for a, b in flat.edges if b in own and inside.get(a, -1) == inside.get(b, -2)]
    rest = _digraph(flat, [e for e in flat.edges if e[0] not in own])
    rings = _rings(rest)
    _check_state(flat, rest)
    back = _back_edges(flat, rest, rings) if rings else []
    late = frozenset(_moved_back(flat, edge) for edge in back)
    notes = tuple(f"{b} reads {a} one tick late (a loop)" for a, b in sorted(late))
    return Loops(late, frozenset(ahead), notes)


def find_rings(flat: Flat) -> dict[str, int]:
    """Return the nodes that lie in a loop of edges, with a number for each set of such nodes."""
    return _rings(_digraph(flat, flat.edges))


def _rings(graph: "nx.DiGraph") -> dict[str, int]:
    """Return the number of its ring of mutual reach for each node that lies in a loop."""
    found: dict[str, int] = {}
    for number, members in enumerate(nx.strongly_connected_components(graph)):
        if len(members) > 1 or any(graph.has_edge(m, m) for m in members):
            found |= dict.fromkeys(members, number)
    return found


def _check_reached(flat: Flat) -> None:
    graph = _digraph(flat, flat.edges)
    graph.add_edges_from(("", path) for path in flat.inputs)
    unmet = sorted(set(flat.nodes) - nx.descendants(graph, ""))
    if unmet:
        raise fail(
            "nir-loop",
            f"no input of the graph reaches {unmet[0]}",
            flat.nodes[unmet[0]].loc,
            help="give the loop an input, or remove it",
        )


def _back_edges(flat: Flat, graph: "nx.DiGraph", rings: Mapping[str, int]) -> list[Edge]:
    """Return the edges that return to the node by which their loop is entered."""
    entered = _digraph(flat, flat.edges)
    entered.add_edges_from(("", path) for path in flat.inputs)
    above = nx.immediate_dominators(entered, "")
    back = [
        (a, b)
        for a, b in graph.edges
        if rings.get(a, -1) == rings.get(b, -2) and _dominates(above, b, a)
    ]
    rest = graph.copy()
    rest.remove_edges_from(back)
    if not nx.is_directed_acyclic_graph(rest):
        around = [edge[0] for edge in nx.find_cycle(rest)]
        raise fail(
            "nir-ambiguous",
            f"the loop {' -> '.join([*around, around[0]])} is entered at more than one node, and "
            "NIR does not say which of its edges takes a tick",
            flat.nodes[around[0]].loc,
            help="put a Delay node of one time step into the loop",
        )
    return back


def _digraph(flat: Flat, edges: Iterable[Edge]) -> "nx.DiGraph":
    graph = nx.DiGraph()
    graph.add_nodes_from(flat.nodes)
    graph.add_edges_from(edges)
    return graph


def _check_state(flat: Flat, graph: "nx.DiGraph") -> None:
    """Refuse a loop of nodes without a state."""
    stateless = [p for p, n in flat.nodes.items() if n.type not in (*STATEFUL, *SPIKING)]
    rest = graph.subgraph(stateless)
    if nx.is_directed_acyclic_graph(rest):
        return
    around = [edge[0] for edge in nx.find_cycle(rest)]
    raise fail(
        "nir-loop",
        f"nothing in the loop {' -> '.join([*around, around[0]])} has a state",
        flat.nodes[around[0]].loc,
        help="a loop needs a neuron, or a Delay of at least one time step",
    )


def _dominates(above: Mapping[str, str], upper: str, lower: str) -> bool:
    while lower != upper and lower in above and above[lower] != lower:
        lower = above[lower]
    return lower == upper


def _moved_back(flat: Flat, edge: Edge) -> Edge:
    """Return the edge where a value enters a chain without state that ends in `edge`."""
    source = edge[0]
    read = [a for a, b in flat.edges if b == source]
    readers = [b for a, b in flat.edges if a == source]
    passes = flat.nodes[source].type not in (*STATEFUL, *SPIKING)
    if passes and len(read) == 1 and len(readers) == 1:
        return _moved_back(flat, (read[0], source))
    return edge
