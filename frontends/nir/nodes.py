"""The nodes of a NIR graph: which types there are, which fields each has, and what they may hold.

The contract: a `NirGraph` has only known types with their known fields, of the right dtype, finite
where they must be, and edges whose ends exist, each edge once. What a field means is decided by
`layers` and `neurons`; old files lack some fields, and those are simply absent here.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, Union

import numpy as np
from attrs import field, frozen

from snnc.diagnostics import Location, fail, named, nearest
from snnc.frontends.nir.storage import Leaf, Tree
from snnc.ir.weights import Array

NEWEST = "1.0.8"
"""The newest version of the format known here."""

INPUT, OUTPUT, GRAPH = "Input", "Output", "NIRGraph"

_CONV = {
    "weight": "numbers",
    "stride": "ints",
    "padding": "padding",
    "dilation": "ints",
    "groups": "ints",
    "bias": "numbers",
    "input_shape": "ints?",
}
_POOL = {"kernel_size": "ints", "stride": "ints", "padding": "ints"}

FIELDS: Mapping[str, Mapping[str, str]] = {
    INPUT: {"shape": "ints"},
    OUTPUT: {"shape": "ints?"},
    "Affine": {"weight": "numbers", "bias": "numbers"},
    "Linear": {"weight": "numbers"},
    "Scale": {"scale": "numbers"},
    "Conv1d": _CONV,
    "Conv2d": _CONV,
    "SumPool2d": _POOL,
    "AvgPool2d": _POOL,
    "Flatten": {"start_dim": "ints", "end_dim": "ints", "input_type": "ints?"},
    "Delay": {"delay": "numbers"},
    "Threshold": {"threshold": "numbers"},
    "I": {"r": "numbers"},
    "IF": {"r": "numbers", "v_threshold": "numbers", "v_reset": "numbers?"},
    "LI": {"tau": "numbers", "r": "numbers", "v_leak": "numbers"},
    "LIF": {
        "tau": "numbers",
        "r": "numbers",
        "v_leak": "numbers",
        "v_threshold": "numbers",
        "v_reset": "numbers?",
    },
    "CubaLI": {
        "tau_syn": "numbers",
        "tau_mem": "numbers",
        "r": "numbers",
        "v_leak": "numbers",
        "w_in": "numbers?",
    },
    "CubaLIF": {
        "tau_syn": "numbers",
        "tau_mem": "numbers",
        "r": "numbers",
        "v_leak": "numbers",
        "v_threshold": "numbers",
        "v_reset": "numbers?",
        "w_in": "numbers?",
    },
}
"""Fields by node type; `?` marks those that a file may lack (w_in is then 1, v_reset unknown)."""

SPIKING = ("IF", "LIF", "CubaLIF", "Threshold")
INTEGRATING = ("I", "LI", "CubaLI")
STATEFUL = ("IF", "LIF", "CubaLIF", *INTEGRATING)


@frozen(eq=False)
class Node:
    """One node: its path in the graph, type, fields, and the free metadata beside them."""

    path: str
    type: str
    fields: Mapping[str, Any] = field(repr=False)
    metadata: Tree = field(factory=dict, repr=False)

    @property
    def loc(self) -> Location:
        """The node's name as a place."""
        return named(self.path)

    def array(self, name: str) -> Array:
        """Return a field of numbers."""
        return np.asarray(self.fields[name])

    def ints(self, name: str) -> tuple[int, ...]:
        """Return a field of whole numbers; a single one is a tuple of one."""
        return tuple(int(n) for n in np.atleast_1d(self.fields[name]))


@frozen(eq=False)
class NirGraph:
    """A graph: nodes by name, in the order of the file, and edges; a node may be a graph again."""

    path: str
    nodes: Mapping[str, Union[Node, "NirGraph"]]
    edges: tuple[tuple[str, str], ...]
    metadata: Tree = field(factory=dict, repr=False)

    @property
    def loc(self) -> Location:
        """The graph's name as a place."""
        return named(self.path or "the graph")

    def leaves(self) -> Iterator[Node]:
        """Yield all nodes that are no graphs, nested ones too."""
        for node in self.nodes.values():
            yield from node.leaves() if isinstance(node, NirGraph) else (node,)


def parse(tree: Tree, path: str = "") -> NirGraph:
    """Return the graph of a tree (the group `node` of a file).

    Raises:
        SnncError: `nir-node`, `nir-field`, `nir-dtype`, `nir-value`, `nir-edge`.
    """
    where = named(path or "the graph")
    kind = _type(tree, where)
    if kind != GRAPH:
        raise fail("nir-node", f"{where} is a {kind}, not a graph", where, help="export a NIRGraph")
    members = tree.get("nodes")
    if not isinstance(members, Mapping) or not isinstance(tree.get("edges"), Leaf):
        raise fail("nir-field", f"{where} lacks nodes or edges", where)
    _known(tree, ("type", "nodes", "edges", "metadata", "input_type", "output_type"), GRAPH, where)
    nodes: dict[str, Node | NirGraph] = {}
    for name, member in members.items():
        inner = f"{path}.{name}" if path else name
        if not isinstance(member, Mapping):
            raise fail("nir-node", f"{inner} is a dataset, not a node", named(inner))
        if _type(member, named(inner)) == GRAPH:
            nodes[name] = parse(member, inner)
        else:
            nodes[name] = _node(member, inner)
    edges = _edges(tree["edges"], nodes, where)
    return NirGraph(path, nodes, edges, _metadata(tree, where))


def _type(tree: Tree, where: Location) -> str:
    given = tree.get("type")
    if not isinstance(given, Leaf):
        raise fail(
            "nir-node",
            f"{where} has no type",
            where,
            help="names of nodes must not contain '/', which HDF5 takes for a folder",
        )
    kind = given.text()
    if kind != GRAPH and kind not in FIELDS:
        raise fail(
            "nir-node",
            f"{where} has the unknown type {kind!r}",
            where,
            help=nearest(kind, [*FIELDS, GRAPH]) + f"; NIR up to {NEWEST} is read",
        )
    return kind


def _metadata(tree: Tree, where: Location) -> Tree:
    given = tree.get("metadata", {})
    if isinstance(given, Leaf):
        raise fail("nir-field", f"{where}: metadata is a dataset, not a group", where)
    return given


def _known(tree: Tree, names: tuple[str, ...], kind: str, where: Location) -> None:
    for key in tree:
        if key not in names:
            raise fail(
                "nir-field",
                f"{where}: {kind} has no field {key!r}",
                where,
                help=nearest(key, names) + f"; NIR up to {NEWEST} is read",
            )


def _node(tree: Tree, path: str) -> Node:
    where = named(path)
    kind = _type(tree, where)
    wanted = FIELDS[kind]
    _known(tree, (*wanted, "type", "metadata", "input_type", "output_type"), kind, where)
    fields: dict[str, Any] = {}
    for name, form in wanted.items():
        given = tree.get(name)
        if given is None:
            if not form.endswith("?"):
                raise fail("nir-field", f"{where}: {kind} lacks the field {name!r}", where)
            continue
        if not isinstance(given, Leaf):
            raise fail("nir-field", f"{where}: {name} is a group, not values", where)
        fields[name] = _value(given, form.rstrip("?"), f"{where}: {name}", where)
    return Node(path, kind, fields, _metadata(tree, where))


def _value(leaf: Leaf, form: str, what: str, where: Location) -> Any:
    if form == "padding" and leaf.kind == "text":
        word = leaf.text()
        if word not in ("same", "valid"):
            raise fail("nir-value", f"{what} = {word!r} is not same, valid or a number", where)
        return word
    array = leaf.numbers()
    if not array.size:
        raise fail("nir-field", f"{what} is empty", where)
    if form in ("ints", "padding"):
        return _whole(array, what, where)
    if np.isnan(array).any():
        bad = int(np.isnan(array).sum())
        raise fail("nir-value", f"{what}: {bad} of {array.size} values are NaN", where)
    return array


def _whole(array: Array, what: str, where: Location) -> Array:
    fits = np.isfinite(array) & (np.abs(array.astype(np.float64)) < 2**31)
    if array.ndim > 1 or not fits.all() or (array != np.round(array)).any():
        raise fail("nir-value", f"{what} = {array.tolist()} must be whole numbers", where)
    return array.astype(np.int64)


def _edges(
    leaf: Any, nodes: Mapping[str, Node | NirGraph], where: Location
) -> tuple[tuple[str, str], ...]:
    if 0 in leaf.shape:
        return ()
    if len(leaf.shape) != 2 or leaf.shape[1] != 2:
        raise fail("nir-edge", f"{where}: edges {list(leaf.shape)} are not pairs", where)
    edges = tuple(sorted((str(a), str(b)) for a, b in leaf.texts()))
    for edge in edges:
        for end in edge:
            if end not in nodes:
                raise fail(
                    "nir-edge",
                    f"the edge {edge[0]} -> {edge[1]} ends at {end!r}, which is no node",
                    where,
                    help=nearest(end, list(nodes)),
                )
    for first, second in pairwise(edges):
        if first == second:
            raise fail(
                "nir-edge",
                f"the edge {first[0]} -> {first[1]} stands twice",
                named(nodes[first[1]].path),
                help="edges of NIR are identities; write a Scale of 2 if the value counts twice",
            )
    return edges
