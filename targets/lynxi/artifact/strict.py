"""The same graph for a real Relay parser: what it does not accept is changed, and nothing else.

- the first line states the version of the text;
- names of parameters have no dots;
- `take` has no `indices`;
- attributes of loads, saves and random ops stand as DictAttrs in a table of their own, by the
  number of their meta reference; the reader of the text gives them to the parser in its own JSON.

`OPS` lists the ops that a Relay must be told of, with the number of their inputs (-1: any).
"""

from snnc.targets.lynxi.artifact.records import (
    KEY_OF,
    LOAD,
    RANDOM,
    SAVE,
    TIE,
    TUPLE,
    Arg,
    Binding,
    Graph,
    Node,
    TensorType,
    TupleType,
    Var,
)
from snnc.targets.lynxi.artifact.text import write

HEADER = '#[version = "0.0.5"]'
OPS = {LOAD: 1, SAVE: 1, RANDOM: -1, TIE: -1}


def strict(graph: Graph) -> str:
    """Return the text of a graph in the dialect of a real Relay parser, without a section."""
    text = write(_renamed(graph), section=False)
    for key in set(KEY_OF.values()):
        text = text.replace(f"meta[{key}]", "meta[DictAttrs]")
    return f"{HEADER}\n{text.lstrip()}"


def plain_name(name: str) -> str:
    """Return a name without dots."""
    return name.replace(".", "_")


def _renamed(graph: Graph) -> Graph:
    """Return the graph with plain names, one numbering of meta references, and no `indices`."""
    names = {name: plain_name(name) for name in graph.params}
    if len(set(names.values())) < len(names):
        names = {name: f"p{number}" for number, name in enumerate(graph.params)}
    made: list[Binding] = []
    count = 0
    for binding in graph.bindings:
        args = tuple(Var(names[a.name]) if isinstance(a, Var) else a for a in binding.args)
        attrs = {k: v for k, v in binding.attrs.items() if (binding.op, k) != ("take", "indices")}
        meta = None
        if binding.meta is not None:
            meta, count = count, count + 1
        made.append(Binding(binding.op, args, binding.type, attrs, meta, binding.serial))
    params = {names[n]: t for n, t in graph.params.items()}
    return Graph(graph.name, params, tuple(made), graph.metas, graph.constants)


def tables(graph: Graph) -> list[dict[str, object]]:
    """Return the attributes of loads, saves and random ops in the order of the strict text."""
    return [dict(graph.attrs_of(b)) for b in graph.bindings if b.meta is not None]


def opened(graph: Graph) -> Graph:
    """Return a graph in which nothing is of the vendor's, for a Relay to compile and run.

    States and draws are parameters `state_0`, `draws_0` ... in the order of their bindings; the
    result is a group of the outputs and of what is saved, in the order of the loads.
    """
    return _Opening(graph).graph()


class _Opening:
    """Bindings of the vendor's ops become parameters, or what they read."""

    def __init__(self, graph: Graph) -> None:
        self.old = graph
        self.params = {plain_name(n): t for n, t in graph.params.items()}
        self.now: dict[int, Arg] = {}
        self.made: list[Binding] = []
        self.saved: dict[str, Arg] = {}
        self.loads: list[str] = []

    def graph(self) -> Graph:
        """Return the opened graph."""
        last = len(self.old.bindings) - 1
        needed = self._needed()
        outputs: list[Arg] = []
        for index, binding in enumerate(self.old.bindings):
            if index not in needed:
                continue
            args = tuple(self._arg(a) for a in binding.args)
            if binding.op == TIE:
                first = self.old.bindings[binding.args[0].index]  # type: ignore[union-attr]
                grouped = isinstance(binding.type, TupleType)
                outputs = [self._arg(a) for a in first.args] if grouped else [args[0]]
            elif binding.op == SAVE:
                self.saved[str(self.old.attrs_of(binding)["flag"])] = args[0]
                self.now[index] = args[0]
            elif binding.op in (LOAD, RANDOM):
                self.now[index] = self._outside(binding)
            else:
                self.now[index] = Node(len(self.made))
                attrs = {k: v for k, v in binding.attrs.items() if k != "indices"}
                self.made.append(Binding(binding.op, args, binding.type, attrs))
        if not outputs:
            outputs = [self.now[last]]
        group = [*outputs, *(self.saved[flag] for flag in self.loads)]
        types = tuple(self._type(a) for a in group)
        self.made.append(Binding(TUPLE, tuple(group), TupleType(types)))
        return Graph(self.old.name, self.params, tuple(self.made), {}, ())

    def _outside(self, binding: Binding) -> Arg:
        kind = "state" if binding.op == LOAD else "draws"
        name = f"{kind}_{sum(n.startswith(kind) for n in self.params)}"
        assert isinstance(binding.type, TensorType)
        self.params[name] = binding.type
        if binding.op == LOAD:
            self.loads.append(str(self.old.attrs_of(binding)["flag"]))
        return Var(name)

    def _arg(self, arg: Arg) -> Arg:
        if isinstance(arg, Var):
            return Var(plain_name(arg.name))
        if not isinstance(arg, Node) or arg.index not in self.now:
            return arg
        found = self.now[arg.index]
        return (
            Node(found.index, arg.field)
            if isinstance(found, Node) and arg.field is not None
            else found
        )

    def _type(self, arg: Arg) -> TensorType:
        if isinstance(arg, Var):
            return self.params[arg.name]
        assert isinstance(arg, Node)
        type = self.made[arg.index].type
        made = type.fields[arg.field or 0] if isinstance(type, TupleType) else type
        return made

    def _needed(self) -> set[int]:
        """Return the bindings that the result depends on when states come from outside."""
        seen: set[int] = set()
        todo = [len(self.old.bindings) - 1]
        while todo:
            index = todo.pop()
            if index in seen:
                continue
            seen.add(index)
            binding = self.old.bindings[index]
            inner = () if binding.op in (LOAD, RANDOM) else binding.args
            todo += [a.index for a in inner if isinstance(a, Node)]
        return seen
