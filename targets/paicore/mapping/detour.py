"""Detours: sources that several places read, through relays where copies take more cores.

A neuron has one destination. Readers that take a source at different delays, or in cores of spikes
and of values, are different places, and for each the source is stored once more, with all its
weights. A relay costs a neuron with one weight of one bit instead: it lies with the readers that
take the source at once, and sends to one of the other places in the same tick.
"""

from collections.abc import Container
from typing import Any

from attrs import evolve

from snnc.extend.passes import Context
from snnc.ir.graph import Module, Op, Value
from snnc.ir.rewrite import Rebuild, rebuild
from snnc.ir.synapses import Edge
from snnc.ir.types import U1
from snnc.targets.paicore.group import Group
from snnc.targets.paicore.mapping.laid import Division
from snnc.targets.paicore.neurons.populations import RETURNED, Populations
from snnc.targets.paicore.neurons.relay import over_sources, pass_on

Place = tuple[Value, int, bool]
"""Where a source is read: at which delay, in cores of values or of spikes; -1 - n for output n."""


def sources_of_detours(module: Module) -> list[Value]:
    """Return the sources that a relay might serve, in text order."""
    return list(dict.fromkeys(value for value, _, _ in _places(Populations.of(module))))


def with_detours(module: Module, sources: Container[Value]) -> Module:
    """Return a module with a relay to each place of some sources but the first."""
    populations = Populations.of(module)
    made = _Relays([place for place in _places(populations) if place[0] in sources])
    outputs = module.graph.outputs

    def replaced(op: Op, build: Rebuild) -> Any:
        if op.kind != "neuron":
            return None
        wide = populations.form(op).wide

        def choose(edge: Edge) -> Value | None:
            return made.relay((edge.source, edge.delay, wide), build(edge.source), build)

        x = over_sources(populations.synapses, op, build, choose)
        results = build.over(op, (x,))
        for number, value in enumerate(outputs):
            if value is op.result:
                made.relay((value, -1 - number, False), results[0], build)
        return results

    rebuilt = rebuild(module, replaced)
    relayed = [
        made.made.get((old, -1 - number, False), new)
        for number, (old, new) in enumerate(zip(outputs, rebuilt.graph.outputs, strict=True))
    ]
    return rebuilt.with_graph(evolve(rebuilt.graph, outputs=tuple(relayed)))


def count_cores(module: Module, multicast: str, partition: str = "auto") -> int:
    """Return how many cores `group` gives a module that is scheduled."""
    grouped = Group(multicast=multicast, partition=partition).run(module, Context())
    return sum(map(len, Division(grouped).cores.values()))


def _places(populations: Populations) -> dict[Place, None]:
    """Return the places that relays may serve, in text order.

    Each source must also be read at once in cores of spikes, by neurons that begin with it: there
    its relays lie. One that is stored in one bit is as small as its relay.
    """
    found: dict[Value, dict[Place, None]] = {}
    late = set()
    for op in populations.ops:
        for edge, source in populations.feeding(op):
            if source is not None and edge.source.type.element == U1:
                place = (edge.source, edge.delay, populations.form(op).wide)
                found.setdefault(edge.source, {})[place] = None
                if op["first"] or source["first"]:
                    late.add(edge.source)
    outputs = populations.module.graph.outputs
    for number, value in enumerate(outputs):
        # What is returned twice under one name must be sent by one layer.
        if outputs.count(value) == 1:
            found.setdefault(value, {})[value, -1 - number, False] = None
    made: dict[Place, None] = {}
    for value, places in found.items():
        near = (value, 0, False)
        several = near in places and len(places) > 1 and value not in late
        if several and populations.bits(populations.by_value[value]) > 1:
            made |= {place: None for place in places if place != near}
    return made


class _Relays:
    """The relays made so far, by place."""

    def __init__(self, places: Container[Place]) -> None:
        self.places = places
        self.made: dict[Place, Value] = {}

    def relay(self, place: Place, now: Value, build: Rebuild) -> Value | None:
        """Return the relay of a place, made when first asked for; None where it needs none.

        `now` is the source in the module that is built.
        """
        value, delay, _ = place
        if place in self.places and place not in self.made:
            number = sum(other[0] is value for other in self.made)
            name = f"{value.name}.detour{number}"
            noted = {RETURNED: value.name} if delay < 0 else None
            self.made[place] = pass_on(build, now, name, place=noted)
        return self.made.get(place)
