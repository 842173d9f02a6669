"""PAIBox's global clock and registers of 256 slots, seen as the delays of a module.

Each population starts at its own step and reads its sources through rings of 256 slots that count
from the start. A module has no starts, only delays: an edge reads `steps_back` global steps back;
every population gets a phase, so that its tick k is the global step k + phase + 1; what is left of
the steps back is the delay.
"""

from collections.abc import Mapping

from snnc.frontends.paibox.network import Network, Population

SLOTS = 256
"""Length of a register ring, in steps."""


def steps_back(source: Population | None, target: Population) -> int:
    """Return how many steps back an edge reads; an input (no source population) is read at once."""
    if source is None:
        return 0
    return 1 + (target.start - source.start + source.delay - 2) % SLOTS


def phases(network: Network) -> dict[str, int]:
    """Return the phase of each input and working population.

    They are the largest with phase < start and phase <= phase of each source + steps back, and
    equal for readers of one source that start and stop together: a core holds them only then.
    """
    working = {p.name: p for p in network.populations if p.start > 0}
    found = {name: p.start - 1 for name, p in working.items()}
    found |= dict.fromkeys((i.name for i in network.inputs), 0)
    edges = [
        (s.source, s.target, steps_back(working.get(s.source), working[s.target]))
        for s in network.synapses
        if s.target in working and s.source in found
    ]
    together: dict[tuple[str, int, int], list[str]] = {}
    for source, target, _ in edges:
        node = working[target]
        together.setdefault((source, node.start, node.ticks), []).append(target)
    changed = True
    while changed:
        changed = False
        for source, target, back in edges:
            reach = found[source] + back
            if reach < found[target]:
                found[target], changed = reach, True
        for readers in together.values():
            least = min(found[name] for name in readers)
            changed |= any(found[name] > least for name in readers)
            found |= dict.fromkeys(readers, least)
    return found


def delay_of(
    source: Population | None, target: Population, found: Mapping[str, int], name: str
) -> int:
    """Return the delay, in ticks, of an edge from `source`, or from the input `name`."""
    start = found[source.name if source else name]
    return steps_back(source, target) - (found[target.name] - start)


def reread(source: Population, back: int, steps: int) -> bool:
    """Return whether a run of some steps reads old slots of a source that has stopped.

    PAIBox never clears a ring, so that what was last written comes back every 256 steps.
    """
    last = steps - back
    return bool(source.end) and last > source.end and last - SLOTS >= source.start
