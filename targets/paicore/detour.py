"""Detours: sources that several places read, through relays where copies take more cores.

A neuron has one destination. Readers that take a source at different delays, or in cores of spikes
and of values, are different places, and for each the source is stored once more, with all its
weights. A relay costs a neuron with one weight of one bit instead: it lies with the readers that
take the source at once, and sends to one of the other places in the same tick.
"""

from typing import Any

from snnc.extend.passes import Context
from snnc.ir.graph import Module, Op, Value
from snnc.ir.rewrite import Rebuild, rebuild
from snnc.ir.synapses import Edge
from snnc.ir.types import U1
from snnc.targets.paicore.group import Group
from snnc.targets.paicore.populations import Populations
from snnc.targets.paicore.relay import over_sources, pass_on

Place = tuple[Value, int, bool]
"""Where a source is read: at which delay, in cores of values or of spikes."""


def with_detours(module: Module) -> Module | None:
    """Return a module with a relay to each place but the first; None where sources have one."""
    populations = Populations(module)
    places = _places(populations)
    if not places:
        return None
    relays: dict[Place, Value] = {}

    def replaced(op: Op, build: Rebuild) -> Any:
        if op.kind != "neuron":
            return None
        wide = populations.form(op).wide

        def choose(edge: Edge) -> Value | None:
            place = (edge.source, edge.delay, wide)
            if place not in places:
                return None
            if place not in relays:
                number = sum(other[0] is edge.source for other in relays)
                name = f"{edge.source.name}.detour{number}"
                relays[place] = pass_on(build, build(edge.source), name)
            return relays[place]

        x = over_sources(populations.synapses, op, build, choose)
        names = [result.name for result in op.results]
        return build.emit(op.kind, (x,), op.attrs, loc=op.loc, names=names).results

    return rebuild(module, replaced)


def count_cores(module: Module, multicast: str) -> int:
    """Return how many cores `group` gives a module that is scheduled."""
    grouped = Group(multicast=multicast).run(module, Context())
    places = [op["place"] for op in grouped.ops("neuron")]
    return len({(p["group"], one[0]) for p in places for one in p["slices"]})


def _places(populations: Populations) -> dict[Place, None]:
    """Return the places that relays may serve, in text order.

    Each source must also be read at once in cores of spikes, by neurons that begin with it: there
    its relays lie.
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
    made: dict[Place, None] = {}
    for value, places in found.items():
        near = (value, 0, False)
        if near in places and value not in late:
            made |= {place: None for place in places if place != near}
    return made
