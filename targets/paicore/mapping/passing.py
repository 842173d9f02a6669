"""Relays behind layers, where every region is a block of cores: they are copied, not the layers.

What several boxes of its readers see, a layer stores once for each. A relay takes one bit of a
core's columns, a neuron up to eight; so a layer may send each spike once, to a relay, and relays
have the copies. They send in the tick in which they receive.
"""

from collections.abc import Container
from typing import Any

from snnc.ir.graph import Module, Op, Value
from snnc.ir.rewrite import Rebuild, rebuild
from snnc.ir.synapses import Edge
from snnc.ir.types import U1
from snnc.targets.paicore.neurons.populations import Populations
from snnc.targets.paicore.neurons.relay import over_sources, pass_on
from snnc.targets.paicore.tiling.blocks import Blocks
from snnc.targets.paicore.tiling.plan import Planner


def with_relays(planner: Planner) -> Planner:
    """Return the planner of a module with relays behind layers, where boxes then cost less."""
    populations = planner.populations
    able = [op for op in populations.ops if _able(populations, op)]
    behind = Blocks(populations, {}, {}, able).behind() if able else []
    if not behind:
        return planner
    relayed = Planner(
        Populations(_relayed(populations, {op.result for op in behind})), "contiguous"
    )
    return relayed if relayed.blocks.cost < planner.blocks.cost else planner


def _able(populations: Populations, op: Op) -> bool:
    """Whether relays may stand behind a layer: all send spikes and work at all ticks."""
    readers = [reader for reader, _ in populations.readers[op]]
    wide = op.result.type.element == U1 and populations.bits(op) > 1
    always = not any(one["first"] for one in (op, *readers)) and not op["ticks"]
    return bool(readers) and op not in readers and wide and always


def _relayed(populations: Populations, sources: Container[Value]) -> Module:
    """Return the module with relays between some layers and all that reads them."""
    made: dict[Value, Value] = {}

    def replaced(op: Op, build: Rebuild) -> Any:
        if op.kind != "neuron":
            return None

        def choose(edge: Edge) -> Value | None:
            source = edge.source
            if source not in sources:
                return None
            if source not in made:
                made[source] = pass_on(build, build(source), f"{source.name}.passed")
            return made[source]

        x = over_sources(populations.synapses, op, build, choose)
        return build.over(op, (x,))

    return rebuild(populations.module, replaced)
