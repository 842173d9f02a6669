"""In which order a graph runs over many ticks at once, and what of it runs together.

A stage is done for all ticks before the next one begins, so what reads its own past is one stage:
all that lies on a loop through a load and a save. Bindings that work element by element, on values
of one size, are joined to regions, loads and saves included, as far as no loop between stages comes
of it.
"""

from collections.abc import Iterable, Mapping, Sequence

import networkx as nx
from attrs import frozen

Sizes = Mapping[int, int]
"""Elements of each binding that works element by element."""


@frozen
class Stage:
    """Bindings in the order of the text; `size` is that of a region, 0 for what runs otherwise."""

    members: tuple[int, ...]
    size: int
    loop: bool


class _Group:
    """A stage in the making."""

    def __init__(self, members: Iterable[int], size: int, loop: bool) -> None:
        self.members, self.size, self.loop = set(members), size, loop


def stages(
    reads: Mapping[int, Sequence[int]], sizes: Sizes, loads: Mapping[int, int]
) -> list[Stage]:
    """Return stages in the order in which they run.

    `reads` has, for each binding that depends on the tick, the bindings whose values it reads, in
    the same tick; `loads` has the save of each load. A load that is on no loop is a stage of its
    own: it only shifts a train.
    """
    reads = {n: (*sources, *([loads[n]] if n in loads else [])) for n, sources in reads.items()}
    graph = nx.DiGraph()
    graph.add_nodes_from(sorted(reads))
    graph.add_edges_from((source, user) for user in sorted(reads) for source in reads[user])
    found = _Grouping(reads)
    condensed = nx.condensation(graph)
    parts = {n: sorted(condensed.nodes[n]["members"]) for n in condensed}
    alone = {p[0] for p in parts.values() if len(p) == 1 and p[0] in loads}
    sizes = {n: size for n, size in sizes.items() if n not in alone}
    for number in nx.lexicographical_topological_sort(condensed, key=lambda n: parts[n][0]):
        found.add(parts[number], sizes, loop=len(parts[number]) > 1)
    return found.ordered()


class _Grouping:
    def __init__(self, reads: Mapping[int, Sequence[int]]) -> None:
        self.reads = reads
        self.groups: dict[_Group, None] = {}
        self.of: dict[int, _Group] = {}

    def add(self, members: list[int], sizes: Sizes, loop: bool) -> None:
        """Add bindings that must run together, to regions that they join or as a new stage."""
        size = {sizes.get(n, 0) for n in members}
        group = _Group(members, size.pop() if len(size) == 1 else 0, loop)
        self.groups[group] = None
        self.of |= dict.fromkeys(members, group)
        if group.size:
            alike = [other for other in self._before(group) if other.size == group.size]
            for other in sorted(alike, key=lambda g: min(g.members)):
                if other in self.groups and not self._apart(group, other):
                    self._join(group, other)

    def _join(self, group: _Group, other: _Group) -> None:
        del self.groups[other]
        group.members |= other.members
        group.loop |= other.loop
        self.of |= dict.fromkeys(other.members, group)

    def _apart(self, group: _Group, other: _Group) -> bool:
        """Return whether a stage must run between two."""
        both = (group, other)
        waiting = [g for one in both for g in self._before(one) if g not in both]
        seen = set(waiting)
        while waiting:
            for before in self._before(waiting.pop()):
                if before in both:
                    return True
                if before not in seen:
                    seen.add(before)
                    waiting.append(before)
        return False

    def _before(self, group: _Group) -> list[_Group]:
        found = {self.of[s] for n in group.members for s in self.reads[n] if s in self.of}
        return [other for other in found if other is not group]

    def ordered(self) -> list[Stage]:
        """Return the groups, each behind those that it reads."""
        graph = nx.DiGraph()
        known = sorted(self.groups, key=lambda g: min(g.members))
        number = {group: n for n, group in enumerate(known)}
        graph.add_nodes_from(range(len(known)))
        graph.add_edges_from((number[b], number[g]) for g in known for b in self._before(g))
        groups = [known[n] for n in nx.lexicographical_topological_sort(graph)]
        return [Stage(tuple(sorted(g.members)), g.size, g.loop) for g in groups]
