"""Judges a graph by the rules of the tool chain, without the placer.

States: a flag has one load and one save, both of one type, both with the same place and mode; every
save is tied to the result. Random ops draw float16. Build: batch, version and modes go together.
"""

from collections.abc import Iterator

from snnc.diagnostics import Diagnostics
from snnc.ir.graph import Module
from snnc.targets.lynxi.artifact.assemble import to_artifact
from snnc.targets.lynxi.artifact.records import (
    LOAD,
    RANDOM,
    SAVE,
    TIE,
    TUPLE,
    Artifact,
    Binding,
    Graph,
    Node,
    TensorType,
)
from snnc.targets.lynxi.limits import LIMITS, needed_version

SHARED = ("offset", "step", "uselookup", "mode", "group_id")
Finding = tuple[str, str, str]


def check(module: Module) -> Diagnostics:
    """Return everything that is wrong with a placed module.

    Raises:
        SnncError: `lynxi-malformed` if it is no graph of this level.
    """
    artifact = to_artifact(module)
    found = check_states(artifact.graph)
    for code, message, help in _build(artifact):
        found.error(code, message, module.loc, help=help)
    return found


def check_states(graph: Graph) -> Diagnostics:
    """Return what is wrong with the states and random ops of a graph."""
    found = Diagnostics()
    for code, message, help in [*_pairs(graph), *_reached(graph), *_draws(graph)]:
        found.error(code, message, help=help)
    return found


def _pairs(graph: Graph) -> Iterator[Finding]:
    loads, saves = _by_flag(graph, LOAD), _by_flag(graph, SAVE)
    for flag in dict.fromkeys([*loads, *saves]):
        mine, theirs = loads.get(flag, []), saves.get(flag, [])
        if len(mine) > 1 or len(theirs) > 1:
            kind, many = ("loaded", mine) if len(mine) > 1 else ("saved", theirs)
            where = " and ".join(f"%{index}" for index, _ in many)
            yield (
                "state-twice",
                f"state {flag!r} is {kind} {len(many)} times in one step: {where}",
                "give each state a flag of its own, one load and one save",
            )
        elif not mine:
            yield (
                "state-unloaded",
                f"state {flag!r} is saved by %{theirs[0][0]} and never loaded",
                "load it, or drop the save",
            )
        elif not theirs:
            yield (
                "state-unsaved",
                f"state {flag!r} is loaded by %{mine[0][0]} and never saved",
                "save it, or use a constant",
            )
        else:
            yield from _pair(graph, flag, mine[0][1], theirs[0][1])


def _by_flag(graph: Graph, op: str) -> dict[str, list[tuple[int, Binding]]]:
    found: dict[str, list[tuple[int, Binding]]] = {}
    for index, binding in graph.of(op):
        found.setdefault(str(graph.attrs_of(binding).get("flag")), []).append((index, binding))
    return found


def _pair(graph: Graph, flag: str, load: Binding, save: Binding) -> Iterator[Finding]:
    if load.type != save.type:
        yield (
            "state-shape",
            f"state {flag!r} is loaded as {load.type} and saved as {save.type}",
            "save what has the shape and element of the initial image",
        )
    mine, theirs = graph.attrs_of(load), graph.attrs_of(save)
    odd = [name for name in SHARED if mine.get(name, 0) != theirs.get(name, 0)]
    if odd:
        yield (
            "state-place",
            f"load and save of state {flag!r} differ in {', '.join(odd)}",
            "give both the same place",
        )
    if mine.get("offset", 0) or mine.get("step", 0):
        yield (
            "state-place",
            f"state {flag!r} is read in part (offset {mine['offset']}, step {mine['step']})",
            "load and save whole states; nobody has described how parts are laid out",
        )


def _reached(graph: Graph) -> Iterator[Finding]:
    """Yield saves that the result does not depend on, which the vendor's compiler would drop."""
    seen: set[int] = set()
    todo = [len(graph.bindings) - 1]
    while todo:
        index = todo.pop()
        if index in seen:
            continue
        seen.add(index)
        todo += [arg.index for arg in graph.bindings[index].args if isinstance(arg, Node)]
    for index, binding in graph.of(SAVE):
        if index not in seen:
            flag = graph.attrs_of(binding).get("flag")
            yield (
                "state-dropped",
                f"%{index} saves {flag!r}, and the result does not depend on it",
                f"tie it to the result with {TIE}",
            )


def _draws(graph: Graph) -> Iterator[Finding]:
    for index, binding in graph.of(RANDOM):
        said = graph.attrs_of(binding)
        type = TensorType(LIMITS.dtype, tuple(said.get("shape", ())))
        if binding.type != type:
            message = f"%{index} draws {binding.type}, the metadata section says {type}"
            yield "random-type", message, f"draws are {LIMITS.dtype}; cast them"


def _build(artifact: Artifact) -> Iterator[Finding]:
    graph = artifact.graph
    if artifact.batch not in LIMITS.batches:
        batches = ", ".join(map(str, LIMITS.batches))
        yield "batch-size", f"a batch of {artifact.batch} is not one of {batches}", "choose one"
        return
    modes = tuple(int(graph.attrs_of(b).get("mode", 0)) for _, b in graph.of(LOAD))
    needed = needed_version(artifact.batch, modes)
    if artifact.version not in LIMITS.versions or artifact.version < needed:
        message = f"version {artifact.version} does not take batch {artifact.batch}"
        yield "batch-version", message, f"it needs version {needed}"
    last = graph.result
    if last.op == TUPLE:
        yield "lynxi-malformed", "the result is a bare group of values", f"tie it with {TIE}"
