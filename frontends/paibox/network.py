"""A PAIBox network as plain data: inputs, neurons with all their registers, links between them.

This is what PAIBox objects, the facade of the guide and recorded networks have in common; it knows
nothing of how they were written down. Times are PAIBox's: one global clock t = 1, 2, ...; neurons
work from step `start` on, for `ticks` steps; `delay` 1 means the next step.
"""

from collections.abc import Iterable
from typing import Protocol

from attrs import field, frozen

from snnc.diagnostics import UNKNOWN, Location, fail
from snnc.frontends.paibox.encoding import Encoder
from snnc.frontends.paibox.numbers import FARTHEST, Shape
from snnc.ir.build import Builder
from snnc.ir.graph import Value
from snnc.ir.weights import Array


@frozen(eq=False)
class Input:
    """Where spikes or bytes come from outside, at every step from 1 on.

    `encoder`: what makes them of the user's numbers, where that is part of the program.
    """

    name: str
    shape: Shape
    loc: Location = UNKNOWN
    encoder: Encoder | None = None


@frozen(eq=False)
class Population:
    """Neurons with equal registers (only the leak may differ) and their place on the clock.

    `keeps`: the potential is kept between steps (spiking); else it starts at 0 (ANN mode).
    `wide_in`, `wide_out`: 8-bit inputs, 8-bit outputs of which `truncate` picks the bits.
    `largest`: the input is the maximum of a window, not a sum. `chip`: the number of the target
    chip that the user asks for, -1 for any; `unroll`: over how many times the cores that they need
    they are spread. `flow`: step of the first value that counts, steps from
    one to the next, and how many there are (0: no end).
    """

    name: str
    shape: Shape
    threshold: int = 1
    reset: str = "soft"
    reset_to: int = 0
    leak: int | Array = 0
    leak_order: str = "before"
    leak_reversal: bool = False
    negative: int = FARTHEST
    negative_mode: str = "floor"
    keeps: bool = True
    wide_in: bool = False
    wide_out: bool = False
    truncate: int = 8
    largest: bool = False
    delay: int = 1
    start: int = 1
    ticks: int = 0
    chip: int = -1
    unroll: int = 1
    flow: tuple[int, int, int] = (0, 1, 0)
    loc: Location = UNKNOWN

    @property
    def end(self) -> int:
        """Last step of work; 0: no end."""
        return self.start + self.ticks - 1 if self.ticks else 0

    def working(self, step: int) -> bool:
        """Whether these neurons work at a step."""
        return 0 < self.start <= step and not (self.end and step > self.end)


class Link(Protocol):
    """What lies between a source and a population, as ops of level `int`."""

    def current(self, build: Builder, spikes: Value, target: Population, name: str) -> Value:
        """Add the ops that turn the spikes of a source into currents of the target's shape."""


@frozen(eq=False)
class Synapse:
    """A link from a source (an input's or a population's name) to a population."""

    name: str
    source: str
    target: str
    link: Link
    loc: Location = UNKNOWN


@frozen(eq=False)
class Network:
    """Inputs, populations and synapses, each by its own name; `outputs` name what is returned."""

    name: str
    inputs: tuple[Input, ...]
    populations: tuple[Population, ...]
    synapses: tuple[Synapse, ...]
    outputs: tuple[str, ...] = ()
    nodes: dict[str, Population] = field(init=False, repr=False)

    @nodes.default
    def _nodes(self) -> dict[str, Population]:
        return {p.name: p for p in self.populations}

    def check(self) -> "Network":
        """Return this network if names are unique and every synapse has both its ends.

        Raises:
            SnncError: `paibox-outside`, `duplicate-name`, `paibox-empty`.
        """
        _check_unique(self.inputs, self.populations)
        if not any(p.start for p in self.populations):
            raise fail(
                "paibox-empty",
                f"{self.name} has no neurons that ever work",
                help="add some, with a tick_wait_start of 1 or more",
            )
        known = {i.name for i in self.inputs} | set(self.nodes)
        for synapse in self.synapses:
            for end in (synapse.source, synapse.target):
                if end not in known:
                    raise fail(
                        "paibox-outside",
                        f"{synapse.name} joins {end}, which is not part of {self.name}",
                        synapse.loc,
                        help="make it an attribute of the network, or pass its sub-network to "
                        "super().__init__(...)",
                    )
        return self

    def returned(self) -> tuple[str, ...]:
        """Return the outputs: those named, else working neurons that feed no others, else all."""
        working = [p.name for p in self.populations if p.start > 0]
        feeding = {s.source for s in self.synapses}
        chosen = self.outputs or tuple(name for name in working if name not in feeding)
        return tuple(name for name in chosen if name in working) or tuple(working)


def _check_unique(inputs: Iterable[Input], populations: Iterable[Population]) -> None:
    places = [(i.name, i.loc) for i in inputs] + [(p.name, p.loc) for p in populations]
    taken: set[str] = set()
    for name, loc in places:
        if name in taken:
            raise fail(
                "duplicate-name",
                f"two parts of the network are named {name}",
                loc,
                help="give each its own name",
            )
        taken.add(name)
