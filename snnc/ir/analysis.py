"""Plain questions about a graph: who makes a value, who reads it, in what order ops can run."""

from collections.abc import Mapping

from snnc.diagnostics import fail
from snnc.ir.graph import Graph, Op, Value


def makers(graph: Graph) -> dict[Value, Op]:
    """Return the op that makes each value; inputs are not in it."""
    return {result: op for op in graph.ops for result in op.results}


def readers(graph: Graph) -> dict[Value, list[Op]]:
    """Return the ops that read each value, in text order, each once; unread values are left out."""
    found: dict[Value, list[Op]] = {}
    for op in graph.ops:
        for value in dict.fromkeys(op.values):
            found.setdefault(value, []).append(op)
    return found


def run_order(graph: Graph) -> tuple[Op, ...]:
    """Return the ops so that each follows the makers of what it reads in this tick.

    An op that is `late` reads the past, so it waits for nobody. Ties keep text order.

    Raises:
        SnncError: `loop-without-delay`, naming the ops of the loop.
    """
    if _in_order(graph):
        return graph.ops
    made_by = makers(graph)
    order: list[Op] = []
    state: dict[Op, int] = {}
    for root in graph.ops:
        stack: list[tuple[Op, list[Op]]] = (
            [(root, _waits_for(root, made_by))] if root not in state else []
        )
        if stack:
            state[root] = 1
        while stack:
            op, rest = stack[-1]
            if not rest:
                state[op] = 2
                order.append(op)
                stack.pop()
                continue
            following = rest.pop(0)
            if state.get(following) == 1:
                path = [o for o, _ in stack]
                loop = path[path.index(following) :]
                names = " -> ".join(f"%{o.result.name}" for o in [*loop, loop[0]])
                raise fail(
                    "loop-without-delay",
                    f"these values depend on themselves in one tick: {names}",
                    loop[0].loc,
                    help="put a delay{by = 1} into the loop",
                )
            if following not in state:
                state[following] = 1
                stack.append((following, _waits_for(following, made_by)))
    return tuple(order)


def _in_order(graph: Graph) -> bool:
    """Whether each op comes after the makers of what it reads, as most graphs have it."""
    later = {result for op in graph.ops for result in op.results}
    for op in graph.ops:
        if not (later.isdisjoint(op.values) or op.spec.late):
            return False
        later.difference_update(op.results)
    return True


def _waits_for(op: Op, made_by: Mapping[Value, Op]) -> list[Op]:
    if op.spec.late:
        return []
    return [made_by[v] for v in dict.fromkeys(op.values) if v in made_by]


def live_ops(graph: Graph) -> tuple[Op, ...]:
    """Return the ops that an output depends on, through delays too, in text order."""
    made_by, seen = makers(graph), set()
    todo = list(graph.outputs)
    while todo:
        op = made_by.get(todo.pop())
        if op is not None and op not in seen:
            seen.add(op)
            todo += op.values
    return tuple(op for op in graph.ops if op in seen)
