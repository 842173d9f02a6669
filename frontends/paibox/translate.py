"""A network on PAIBox's clock as a module of level `int`.

The four rules of the translation are in `clock`. Without `steps` the module means what a chip does,
which clears a slot when it is read, and a potential that leaves its 30 bits is an error; with
`steps` it means what PAIBox's simulation of that many steps shows, where a source that stopped is
read again every 256 steps (a relay repeats it) and potentials come back by 2^30 - 1.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import frozen

from snnc.diagnostics import UNKNOWN, Location, fail, named
from snnc.frontends.paibox.clock import SLOTS, delay_of, phases, reread, steps_back
from snnc.frontends.paibox.network import Input, Network, Population, Synapse
from snnc.ir.build import Builder
from snnc.ir.graph import Module, Operand, Value
from snnc.ir.types import U1, U8, Type, train

EVERY = (0, 1, 0)
"""The flow of neurons of which every step counts."""

WIDTH = 30
"""Bits of a core's potentials."""


@frozen(eq=False)
class Translated:
    """A module, the phases of its nodes, and the value that each synapse's currents have in it."""

    module: Module
    phases: Mapping[str, int]
    currents: Mapping[str, str]


def translate(network: Network, steps: int = 0) -> Module:
    """Return the module of a network; see `translated`."""
    return translated(network, steps).module


def translated(network: Network, steps: int = 0) -> Translated:
    """Return the module of a network; its ticks are those of `clock.phases`.

    Args:
        network: what to translate.
        steps: length of the run whose simulation is wanted, 0 for the chip's meaning.

    Raises:
        SnncError: `paibox-outside`, `paibox-empty`, `paibox-mixed-width`, `paibox-shape`,
            `paibox-unsupported`.
    """
    work = _Translation(network.check(), steps)
    module = work.module()
    return Translated(module, work.phases, {k: v.name for k, v in work.currents.items()})


def registers(build: Builder, node: Population) -> dict[str, Any]:
    """Return the attributes of `int.neuron` of a population that always works."""
    leak = node.leak
    return {
        "threshold": node.threshold,
        "reset": node.reset,
        "reset_to": node.reset_to,
        "leak": leak if isinstance(leak, int) else build.weight(f"{node.name}.leak", leak),
        "leak_order": node.leak_order,
        "leak_reversal": node.leak_reversal,
        "negative": node.negative,
        "negative_mode": node.negative_mode,
        "memory": "keep" if node.keeps else "clear",
        "spike": "value" if node.wide_out else "single",
        "truncate": node.truncate,
        "width": WIDTH,
    }


class _Names(Builder):
    """Names what lies between neurons by the synapse or neurons that it belongs to."""

    scope = ""

    def op(
        self, kind: str, *operands: Operand, name: str = "", loc: Location = UNKNOWN, **attrs: Any
    ) -> Value:
        """Add an op; no neuron's name is taken by it."""
        hint = name or f"{self.scope}.{kind}"
        return super().op(kind, *operands, name=hint, loc=loc, **attrs)


class _Translation:
    """Writes the module of a network."""

    def __init__(self, network: Network, steps: int) -> None:
        self.network, self.steps = network, steps
        self.phases = phases(network)
        self.working = {p.name: p for p in network.populations if p.start > 0}
        attrs: dict[str, Any] = {"ticks": steps} if steps else {}
        flows = {name: self.working[name].flow for name in network.returned()}
        told = {name: flow for name, flow in flows.items() if flow != EVERY}
        attrs |= {"flows": told} if told else {}
        self.build = _Names(network.name, "int", attrs, loc=named(network.name))
        self.values: dict[str, Value] = {}
        self.relays: dict[str, Value] = {}
        self.currents: dict[str, Value] = {}

    def module(self) -> Module:
        """Return the module; it returns the network's outputs."""
        for given in self.network.inputs:
            self.values[given.name] = self._input(given)
        for node in self.working.values():
            self.values[node.name] = self.build.forward(node.name, _type(node), node.loc)
        for node in self.working.values():
            self._neuron(node)
        self.build.loc = named(self.network.name)
        return self.build.finish(*(self.values[name] for name in self.network.returned()))

    def _input(self, given: Input) -> Value:
        if given.encoder is not None:
            return given.encoder.train(self.build, given.name, given.shape, given.loc)
        readers = [self.working[s.target] for s in self._synapses() if s.source == given.name]
        # What nobody reads may hold bytes where anybody takes some.
        wide = any(p.wide_in for p in readers or self.working.values())
        type = train(U8 if wide else U1, *given.shape)
        return self.build.input(given.name, type, given.loc)

    def _synapses(self) -> list[Synapse]:
        return [
            s for s in self.network.synapses if s.target in self.working and s.source in self.phases
        ]

    def _neuron(self, node: Population) -> None:
        currents = [self._current(s, node) for s in self._synapses() if s.target == node.name]
        self._belongs(node)
        x = self._join(node, currents) if currents else self._nothing(node)
        made = self.build.op(
            "neuron",
            x,
            name=node.name,
            first=node.start - 1 - self.phases[node.name],
            ticks=node.ticks,
            overflow="wrap-paibox" if self.steps else "error",
            place=_place(node),
            **registers(self.build, node),
        )
        self.build.bind(self.values[node.name], made)

    def _belongs(self, part: Population | Synapse) -> None:
        """Give what is built next the name and place of a part."""
        self.build.scope = part.name
        self.build.loc = part.loc if part.loc.known else named(part.name)

    def _join(self, node: Population, currents: list[Value]) -> Value:
        """Return the sum of what synapses bring, or the maximum for neurons that take it."""
        if len(currents) == 1:
            return currents[0]
        if not node.largest:
            return self.build.op("add", *currents)
        size, count = currents[0].type.size, len(currents)
        columns = [self.build.op("reshape", c, shape=(size, 1)) for c in currents]
        table = self.build.op("concat", *columns, axis=1)
        found = self.build.op("max_pool1d", table, kernel=(count,))
        return self.build.op("reshape", found, shape=node.shape)

    def _nothing(self, node: Population) -> Value:
        """Return a current of zeros for neurons that nothing feeds: their own past, times 0."""
        past = self.build.op("delay", self.values[node.name])
        zero = self.build.weight(f"{node.name}.none", np.zeros((), dtype=np.uint8))
        return self.build.op("scale", past, zero)

    def _current(self, synapse: Synapse, node: Population) -> Value:
        self._belongs(synapse)
        source = self.working.get(synapse.source)
        spikes = self.values[synapse.source]
        self._check_width(synapse, spikes, node)
        back = steps_back(source, node)
        delay = delay_of(source, node, self.phases, synapse.source)
        if source is not None and reread(source, back, self.steps):
            spikes = self.build.op("add", spikes, self._relay(source))
        if delay:
            spikes = self.build.op("delay", spikes, by=delay)
        made = synapse.link.current(self.build, spikes, node, synapse.name)
        self.currents[synapse.name] = made
        return made

    def _check_width(self, synapse: Synapse, spikes: Value, node: Population) -> None:
        if spikes.type.element == U8 and not node.wide_in:
            raise fail(
                "paibox-mixed-width",
                f"{synapse.name} brings bytes of {synapse.source} to {node.name}, whose cores take "
                "one bit per axon",
                synapse.loc,
                help="feed it with spikes, or give it input_width=8",
            )

    def _relay(self, source: Population) -> Value:
        """Return what is found in the slots of a source after its end: its own past, repeated."""
        name = source.name
        if name not in self.relays:
            again = self.build.forward(f"{name}.relay", _type(source), source.loc)
            past = [self.build.op("delay", v, by=SLOTS) for v in (self.values[name], again)]
            wide: dict[str, Any] = {"memory": "clear", "spike": "value"} if source.wide_out else {}
            made = self.build.op(
                "neuron",
                self.build.op("add", *past),
                name=f"{name}.relay",
                threshold=1,
                reset="hard",
                width=WIDTH,
                first=source.end - self.phases[name],
                **wide,
            )
            self.build.bind(again, made)
            self.relays[name] = made
        return self.relays[name]


def _place(node: Population) -> dict[str, int] | None:
    asked = {"chip": node.chip} if node.chip >= 0 else {}
    asked |= {"unroll": node.unroll} if node.unroll > 1 else {}
    return asked or None


def _type(node: Population) -> Type:
    return train(U8 if node.wide_out else U1, *node.shape)
