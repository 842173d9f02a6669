"""The same graph for a real Relay parser: what it does not accept is changed, and nothing else.

- the first line states the version of the text;
- names of parameters have no dots, names of ops neither: `annotation.load` is `annotation_load`;
- `take` has no `indices`;
- attributes of loads, saves and random ops stand as DictAttrs in a table of their own, by the
  number of their meta reference; the reader of the text gives them to the parser in its own JSON.

`OPS` lists the ops that a Relay must be told of, with the number of their inputs (-1: any).
"""

from snnc.targets.lynxi.records import KEY_OF, LOAD, RANDOM, SAVE, TIE, Binding, Graph, Var
from snnc.targets.lynxi.text import write

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
