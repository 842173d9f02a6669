"""Layers to cores: a maximum matching, and why there is none.

`match` finds augmenting paths breadth first: layers in order, cores ascending, a core that is taken
leads to its layer. That gives a maximum matching always, and the one that the vendor's builder
gives (dynapcnn.md, section 5), so maps can be compared.
"""

from collections import deque
from collections.abc import Sequence


def match(candidates: Sequence[Sequence[int]]) -> dict[int, int]:
    """Return layer -> core for as many layers as possible; `candidates` are cores per layer."""
    core_of: dict[int, int] = {}
    layer_of: dict[int, int] = {}
    while True:
        path = _augment(candidates, core_of, layer_of)
        if not path:
            return core_of
        for layer, core in path:
            core_of[layer], layer_of[core] = core, layer


def _augment(
    candidates: Sequence[Sequence[int]], core_of: dict[int, int], layer_of: dict[int, int]
) -> list[tuple[int, int]]:
    """Return the pairs of a path to a free core, none where there is no such path."""
    came_from: dict[int, int] = {}
    queue: deque[tuple[str, int]] = deque(
        ("layer", n) for n in range(len(candidates)) if n not in core_of
    )
    while queue:
        kind, node = queue.popleft()
        if kind == "layer":
            for core in candidates[node]:
                if core not in came_from and core_of.get(node) != core:
                    came_from[core] = node
                    queue.append(("core", core))
        elif node in layer_of:
            queue.append(("layer", layer_of[node]))
        else:
            return _walk(node, came_from, core_of)
    return []


def _walk(core: int, came_from: dict[int, int], core_of: dict[int, int]) -> list[tuple[int, int]]:
    path = []
    while True:
        layer = came_from[core]
        path.append((layer, core))
        if layer not in core_of:
            return path
        core = core_of[layer]


def crowded(candidates: Sequence[Sequence[int]]) -> tuple[list[int], list[int]]:
    """Return layers that share too few cores, and these cores (empty where all can be placed)."""
    core_of = match(candidates)
    layer_of = {core: layer for layer, core in core_of.items()}
    left = [n for n in range(len(candidates)) if n not in core_of]
    layers, cores = set(left[:1]), set[int]()
    todo = left[:1]
    while todo:
        for core in candidates[todo.pop()]:
            if core not in cores:
                cores.add(core)
                layers.add(layer_of[core])
                todo.append(layer_of[core])
    return sorted(layers), sorted(cores)


def tightest(candidates: Sequence[Sequence[int]], words: Sequence[int]) -> dict[int, int]:
    """Return a maximum matching that takes the fewest `words` of memory, by core."""
    import networkx

    graph = networkx.Graph()
    most = max(words, default=0) * (len(words) + 1) + 1
    for layer, cores in enumerate(candidates):
        for core in cores:
            graph.add_edge(("layer", layer), ("core", core), weight=most - words[core])
    pairs = networkx.max_weight_matching(graph, maxcardinality=True)
    ends = [sorted(pair, reverse=True) for pair in pairs]
    return dict(sorted((layer, core) for (_, layer), (_, core) in ends))
