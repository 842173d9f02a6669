"""The simulator of the guide: networks run on an engine of snnc, step by step on PAIBox's clock.

A population of phase p does at tick k of the module what PAIBox does at step k + p + 1; what it
did ahead of the clock is kept for the next run. Without inputs of its own a part shows zeros before
it starts. `reset` begins anew at the first step.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from snnc.diagnostics import fail
from snnc.frontends.paibox.clock import SLOTS
from snnc.frontends.paibox.guide import public
from snnc.frontends.paibox.guide.calls import here, strict
from snnc.frontends.paibox.guide.environment import FRONTEND_ENV
from snnc.frontends.paibox.guide.networks import Network, described
from snnc.frontends.paibox.guide.neuron import Neuron
from snnc.frontends.paibox.guide.parts import Part, flat_or_shaped
from snnc.frontends.paibox.guide.probes import Probe
from snnc.frontends.paibox.guide.projection import InputProj
from snnc.frontends.paibox.guide.synapses import NoDecay
from snnc.frontends.paibox.network import Population
from snnc.frontends.paibox.numbers import integer
from snnc.frontends.paibox.translate import translated
from snnc.ir.weights import Array

Rows = dict[str, Array]


class Data:
    """What probes recorded: `data[probe]` is `(steps, ...)`, `data["ts"]` the steps."""

    def __init__(self) -> None:
        self.chunks: dict[Probe, list[Array]] = {}
        self.steps: list[int] = []

    def __getitem__(self, probe: Probe | str) -> Array:
        if probe == "ts":
            return np.asarray(self.steps, dtype=np.int64)
        if not isinstance(probe, Probe) or probe not in self.chunks:
            raise fail(
                "paibox-probe",
                f"{probe!r} was not added to this simulator",
                here(),
                help="call add_probe(probe) before the run",
            )
        if not self.chunks[probe]:
            raise fail("paibox-probe", f"{probe!r} recorded nothing", here(), help="run first")
        return np.concatenate(self.chunks[probe])

    def __contains__(self, probe: object) -> bool:
        return probe in self.chunks


class Simulator:
    """Runs a network, or an input alone; records what its probes ask for."""

    @strict
    def __init__(self, target: Any, start_time_zero: bool = False) -> None:
        if isinstance(target, Network):
            parts = target.parts()
        elif isinstance(target, InputProj):
            parts = {target.name or "input": target}
        else:
            raise fail(
                "paibox-end",
                f"a simulator runs a network or an input, not a {type(target).__name__}",
                here(),
                help="make it an attribute of a Network",
            )
        self.parts: dict[str, Part] = {k: p for k, p in parts.items() if isinstance(p, Part)}
        self.first = 0 if start_time_zero else 1
        network = described(type(target).__name__, parts)
        self.nodes: Mapping[str, Population] = network.nodes
        self._translated = translated(network) if network.nodes else None
        self.data = Data()
        self._restart()
        for part in parts.values():
            if isinstance(part, Probe):
                self.add_probe(part)

    def _restart(self) -> None:
        self.step = self.first
        self._state: Any = None
        self._ahead: Rows = {}
        self._registers: Rows = {}
        for part in self.parts.values():
            part.show({})
            if isinstance(part, InputProj):
                part.restart()

    @strict
    def add_probe(self, probe: Probe) -> None:
        """Record what a probe asks for from the next run on."""
        if not isinstance(probe, Probe) or not any(probe.target is p for p in self.parts.values()):
            raise fail(
                "paibox-probe",
                f"{probe!r} does not look at a part of this network",
                here(),
                help="make a Probe of a part of the simulated network",
            )
        self.data.chunks.setdefault(probe, [])

    @strict
    def remove_probe(self, probe: Probe) -> None:
        """Forget a probe and what it recorded."""
        if self.data.chunks.pop(probe, None) is None:
            raise fail("paibox-probe", f"{probe!r} was not added", here(), help="add_probe adds it")

    @strict
    def reset(self) -> None:
        """Forget all records, and begin anew at the first step."""
        self.data = self._emptied()
        self._restart()

    def _emptied(self) -> Data:
        data = Data()
        data.chunks = {probe: [] for probe in self.data.chunks}
        return data

    @strict
    def run(self, duration: int, reset: bool = False) -> None:
        """Run some steps; with `reset` begin anew at the first step, records are kept.

        Raises:
            SnncError: `paibox-number`, `input-range` where neurons would get more than spikes, and
                what inputs raise.
        """
        count = integer(duration, "duration", 1, 2**31 - 1, here())
        if reset:
            self._restart()
        steps = range(self.step, self.step + count)
        inputs = self._inputs(steps)
        ran = self._run({k: rows[steps.start == 0 :] for k, rows in inputs.items()}, steps)
        for name, part in self.parts.items():
            shown = self._shown(name, part, inputs, ran, steps)
            for probe, chunks in self.data.chunks.items():
                if probe.target is part:
                    chunks.append(shown[probe.attr])
            part.show({attr: rows[-1] for attr, rows in shown.items()})
        self.data.steps += steps
        self.step = steps.stop

    def _inputs(self, steps: range) -> Rows:
        """Return what each input gives at each step, `(steps, *shape)`."""
        rows: dict[str, list[Array]] = {
            name: [] for name, part in self.parts.items() if isinstance(part, InputProj)
        }
        for step in steps:
            FRONTEND_ENV.save(t=step)
            for name, found in rows.items():
                part = self.parts[name]
                assert isinstance(part, InputProj)
                found.append(part.value())
        return {name: np.stack(found) for name, found in rows.items()}

    def _run(self, inputs: Rows, steps: range) -> Rows:
        """Return spikes, potentials (`NAME.v`) and currents by name, a row per step."""
        found, ticks = self._translated, len(steps) - (steps.start == 0)
        if found is None or not ticks:
            return {}
        working = [op.result.name for op in found.module.ops("neuron")]
        phase = {n: found.phases[n] for n in working} | {f"{n}.v": found.phases[n] for n in working}
        for name, part in self.parts.items():
            if isinstance(part, NoDecay) and name in found.currents:
                phase[found.currents[name]] = found.phases[self._name(part.dest)]
        given = {name: rows[None] for name, rows in inputs.items()}
        ran = public.run(found.module, given, ticks, self._state, phase)
        self._state = ran.state
        shown: Rows = {}
        for name, late in phase.items():
            new = ran.trace[name][0]
            # What is not worked out yet at the first steps is nothing: zeros.
            empty = np.zeros((late, *new.shape[1:]), dtype=new.dtype)
            rows = np.concatenate([self._ahead.get(name, empty), new])
            shown[name], self._ahead[name] = rows[:ticks], rows[ticks:]
        return shown

    def _name(self, part: Part) -> str:
        return next(name for name, other in self.parts.items() if other is part)

    def _shown(self, name: str, part: Part, inputs: Rows, ran: Rows, steps: range) -> Rows:
        """Return what a part shows at each step, by attribute."""
        if isinstance(part, InputProj):
            rows = inputs[name]
            flat = flat_or_shaped(rows, part.shape, False)
            shaped = flat_or_shaped(rows, part.shape, part.keep_shape)
            return {"feature_map": shaped, "output": flat, "spike": flat}
        if isinstance(part, NoDecay):
            return {"output": self._currents(name, part, ran, steps)}
        assert isinstance(part, Neuron)
        spikes = self._rows(ran.get(name), part, steps, bool)
        potentials = self._rows(ran.get(f"{name}.v"), part, steps, np.int32)
        shown = {
            "spike": flat_or_shaped(spikes, part.shape, False),
            "feature_map": flat_or_shaped(spikes, part.shape, part.keep_shape),
            "voltage": flat_or_shaped(potentials, part.shape, part.keep_shape),
        }
        return shown | {"output": self._sent(name, part, shown["spike"], steps)}

    def _rows(self, rows: Array | None, part: Neuron, steps: range, kind: Any) -> Array:
        """Return a row per step: nothing at step 0, and nothing of neurons that never work."""
        if rows is None:
            return np.zeros((len(steps), *part.shape), dtype=kind)
        idle = np.zeros((len(steps) - len(rows), *part.shape), dtype=kind)
        return np.concatenate([idle, rows.astype(kind)])

    def _currents(self, name: str, part: NoDecay, ran: Rows, steps: range) -> Array:
        found = self._translated
        rows = ran.get(found.currents.get(name, "")) if found else None
        shown = self._rows(rows, part.dest, steps, np.int32)
        node = self.nodes[self._name(part.dest)]
        idle = [not node.working(step) for step in steps]
        shown[idle] = 0
        return flat_or_shaped(shown, part.dest.shape, False)

    def _sent(self, name: str, part: Neuron, spikes: Array, steps: range) -> Array:
        """Return the registers after each step, `(steps, 256, neurons)`, if a probe asks for them.

        Otherwise only those after the last one.
        """
        node, ring = self.nodes[name], self._registers.get(name, part.initial("output"))
        asked = any(p.target is part and p.attr == "output" for p in self.data.chunks)
        snapshots = []
        for row, step in enumerate(steps):
            if node.working(step):
                ring = ring.copy() if asked else ring
                ring[(step - node.start + node.delay - 1) % SLOTS] = spikes[row]
            if asked:
                snapshots.append(ring)
        self._registers[name] = ring
        return np.stack(snapshots) if asked else ring[None]
