"""In which pieces a graph runs: acyclic ops over all ticks at once, loops in short blocks.

A loop passes through delays; within a block no longer than the shortest of them, everything that
the loop reads from itself is already past.
"""

from attrs import frozen

from snnc.ir.analysis import makers, run_order
from snnc.ir.graph import Graph, Op


@frozen(eq=False)
class Stage:
    """Ops that run together: one op, or a loop in blocks of `block` ticks."""

    ops: tuple[Op, ...]
    delays: tuple[Op, ...] = ()
    block: int = 0

    @property
    def loop(self) -> bool:
        """Whether the ops depend on their own past."""
        return self.block > 0


def stages(graph: Graph) -> tuple[Stage, ...]:
    """Return the stages so that each follows those that it reads, through delays too.

    Raises:
        SnncError: `loop-without-delay`.
    """
    import networkx

    order = {op: rank for rank, op in enumerate(run_order(graph))}
    made_by = makers(graph)
    reads = networkx.DiGraph()
    reads.add_nodes_from(order)
    for op in order:
        reads.add_edges_from((made_by[v], op) for v in op.values if v in made_by)
    loops = networkx.condensation(reads)
    first = {n: min(order[op] for op in members) for n, members in loops.nodes("members")}
    found = []
    for number in networkx.lexicographical_topological_sort(loops, key=first.__getitem__):
        ops = sorted(loops.nodes[number]["members"], key=order.__getitem__)
        if len(ops) == 1 and not reads.has_edge(ops[0], ops[0]):
            found.append(Stage(tuple(ops)))
            continue
        delays = tuple(op for op in ops if op.kind == "delay")
        rest = tuple(op for op in ops if op.kind != "delay")
        found.append(Stage(rest, delays, min(op["by"] for op in delays)))
    return tuple(found)
