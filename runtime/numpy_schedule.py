"""In which pieces a graph runs: acyclic ops over all ticks at once, loops in short blocks.

A loop passes through delays; within a block no longer than the shortest of them, everything that
the loop reads from itself is already past.
"""

from heapq import heapify, heappop, heappush

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
    order = {op: rank for rank, op in enumerate(run_order(graph))}
    made_by = makers(graph)
    reads = {op: {made_by[v] for v in op.values if v in made_by} for op in order}
    plain = _without_loops(reads, order)
    if plain is not None:
        return tuple(Stage((op,)) for op in plain)
    return _with_loops(reads, order)


def _without_loops(reads: dict[Op, set[Op]], order: dict[Op, int]) -> list[Op] | None:
    """Return the ops so that each follows all that it reads, the earliest first; None in loops."""
    left = {op: len(read) for op, read in reads.items()}
    readers: dict[Op, list[Op]] = {op: [] for op in reads}
    for op, read in reads.items():
        for maker in read:
            readers[maker].append(op)
    ops = list(order)
    ready = [order[op] for op in ops if not left[op]]
    heapify(ready)
    found: list[Op] = []
    while ready:
        found.append(ops[heappop(ready)])
        for reader in readers[found[-1]]:
            left[reader] -= 1
            if not left[reader]:
                heappush(ready, order[reader])
    return found if len(found) == len(ops) else None


def _with_loops(reads: dict[Op, set[Op]], order: dict[Op, int]) -> tuple[Stage, ...]:
    # It takes longer to import than most networks to run, and few have loops.
    import networkx

    graph = networkx.DiGraph()
    graph.add_nodes_from(order)
    for op, read in reads.items():
        graph.add_edges_from((maker, op) for maker in read)
    loops = networkx.condensation(graph)
    first = {n: min(order[op] for op in members) for n, members in loops.nodes("members")}
    found = []
    for number in networkx.lexicographical_topological_sort(loops, key=first.__getitem__):
        ops = sorted(loops.nodes[number]["members"], key=order.__getitem__)
        if len(ops) == 1 and not graph.has_edge(ops[0], ops[0]):
            found.append(Stage(tuple(ops)))
            continue
        delays = tuple(op for op in ops if op.kind == "delay")
        rest = tuple(op for op in ops if op.kind != "delay")
        found.append(Stage(rest, delays, min(op["by"] for op in delays)))
    return tuple(found)
