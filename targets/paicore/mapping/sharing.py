"""Which populations are tried in one region because their neurons may share cores.

A core works at one time for all that it holds. Populations that read one source, or are joined by
others that do, lie near each other anyway, and an input costs no cores however many regions it goes
to: what counts is half-empty cores.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from itertools import combinations, pairwise
from typing import TypeVar

from snnc.ir.graph import Op, Value
from snnc.targets.paicore.neurons.populations import Populations

Kind = tuple[Hashable, int]
"""In what neurons of a core agree, and how many slots per tick they send to."""

T = TypeVar("T")

EVERY_PAIR = 12
"""Populations of one time of which all pairs are tried; of more, neighbors in text order."""


def neighbors(populations: Populations, some: Callable[[Op], bool]) -> Iterator[tuple[Op, Op]]:
    """Yield readers of one input next to each other in text order, of some populations."""
    readers: dict[Value, dict[Op, None]] = {}
    for op in filter(some, populations.ops):
        for edge, source in populations.feeding(op):
            if source is None:
                readers.setdefault(edge.source, {})[op] = None
    for ops in readers.values():
        yield from pairwise(ops)


def of_one_time(populations: Populations, some: Callable[[Op], bool]) -> Iterator[tuple[Op, Op]]:
    """Yield pairs of some populations that work at one time and are joined by what they read.

    Those that fill most of a core come first.
    """
    found: dict[tuple[object, ...], list[Op]] = {}
    joined = _joined(populations)
    for op, source in joined.items():
        found.setdefault((source, *populations.times(op)), []).append(op)
    for ops in (list(filter(some, ops)) for ops in found.values() if len(ops) > 1):
        fill = {op: populations.size(op) * populations.bits(op) for op in ops}
        pairs = combinations(ops, 2) if len(ops) <= EVERY_PAIR else pairwise(ops)
        yield from sorted(pairs, key=lambda pair: -sum(fill[op] for op in pair))


def _joined(populations: Populations) -> dict[Op, Value]:
    """Return one source for all populations that common sources join."""
    above: dict[Value, Value] = {}

    def top(value: Value) -> Value:
        while above.setdefault(value, value) is not value:
            value = above[value]
        return value

    read = {op: [edge.source for edge, _ in populations.feeding(op)] for op in populations.ops}
    for sources in read.values():
        for source in sources[1:]:
            above[top(source)] = top(sources[0])
    return {op: top(sources[0]) for op, sources in read.items() if sources}


def strides(inner: Mapping[T, Kind], outer: Mapping[T, Kind]) -> dict[T, int]:
    """Return the slots per tick of neurons that others read (`inner`), and of outputs.

    An output takes as many as others that may be on its cores, if those have room for it.
    """
    found = {one: slots for one, (_, slots) in inner.items()}
    known: dict[Hashable, set[int]] = {}
    for agreed, slots in inner.values():
        known.setdefault(agreed, set()).add(slots)
    for one, (agreed, least) in outer.items():
        found[one] = min((n for n in known.get(agreed, ()) if n >= least), default=least)
    return found
