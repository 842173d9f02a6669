"""Runs the files of a build in the ticks of the program: the latency is taken out by the host.

Tick t of an input goes out before global step t + 1; a neuron does its tick t at global step
t + tick_wait_start - first. After the steps of a run the host lets a copy of the chips run on until
the latest core has done the last tick, and keeps the chips themselves as they were, so the next run
goes on where the inputs stopped.
"""

import copy
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.diagnostics import SnncError, fail, nearest
from snnc.extend.engine import Result
from snnc.ir.types import U1, Type
from snnc.targets.paicore.artifact.wiring import System, read_system
from snnc.targets.paicore.emulate import Machine, Semantics, Trace
from snnc.targets.paicore.emulation.host import InputPort, OutputPort
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.placed import Layer, Place

Array = NDArray[Any]
Bytes = NDArray[np.uint8]

_BURST_BYTES = 1 << 28
_FRAME_BYTES = 64


@frozen(eq=False)
class State:
    """Chips after `ticks` ticks, for the next run of the same program; `traced` if they record."""

    owner: "Program"
    machine: Machine
    ticks: int
    traced: bool


class Program:
    """A build made ready to run; it satisfies `snnc.extend.engine.Program`."""

    def __init__(self, folder: Path, semantics: Semantics | None = None) -> None:
        self.system: System = read_system(folder)
        self.semantics = semantics
        wiring = self.system.wiring
        ports: tuple[InputPort | OutputPort, ...] = (*wiring.inputs, *wiring.outputs)
        self._settled = max((port.first + port.start for port in ports), default=0)
        self._elements = sum(len(port.axons) for port in ports)

    def run(
        self,
        inputs: Mapping[str, Array],
        *,
        ticks: int | None = None,
        state: Any = None,
        probe: Iterable[str] = (),
    ) -> Result:
        """Run a batch of samples; see `snnc.extend.engine.Program`.

        A trace holds the spikes of layers by name and their potentials as `NAME.v`, int32.

        Raises:
            SnncError: `bad-state`, `unknown-probe`, `copies-differ`; those of `check_inputs`; what
                the emulator refuses.
        """
        wanted = wanted_layers(self.system, probe)
        before = self._checked(state, bool(wanted))
        given = before.machine.samples if before else None
        trains, samples, count = check_inputs(self.system, inputs, ticks, given)
        traced = before.traced if before else bool(wanted)
        done = before.ticks if before else 0
        if before:
            machine = _fork(before.machine)
        else:
            machine = Machine(self.system.image, samples, self.semantics, traced)
        origin = self._origin(done)
        outputs = {
            name: np.zeros((samples, origin + count, kind.size), dtype=np.uint8)
            for name, kind in self.system.outputs.items()
        }
        self._play(machine, trains, origin, count, outputs)
        kept = _fork(machine) if self.system.begin else machine
        self._play(machine, {}, origin + count, self.system.begin, outputs)
        shown = {
            name: array[:, origin:].reshape(samples, count, *self.system.outputs[name].shape)
            for name, array in outputs.items()
        }
        traces, span = machine.trace(), (samples, done, count)
        trace = layer_traces(self.system, wanted, lambda layer: _shown(layer, traces, span))
        return Result(shown, State(self, kept, done + count, traced), trace)

    def _checked(self, state: Any, traced: bool) -> State | None:
        if state is None:
            return None
        if not isinstance(state, State) or state.owner is not self:
            raise bad_state("it comes from another program")
        if traced and not state.traced:
            raise bad_state("the run that made it traced nothing, so a trace can't go on")
        return state

    def _origin(self, done: int) -> int:
        """Return the tick, in arrays handed to the ports, that stands for tick `done`.

        Slots repeat after 256 steps, so whole turns are left out once every port has started.
        """
        turns = max(0, done - self._settled) // LIMITS.slots
        return done - turns * LIMITS.slots

    def _play(
        self,
        machine: Machine,
        trains: Mapping[str, Bytes],
        origin: int,
        steps: int,
        outputs: Mapping[str, Bytes],
    ) -> None:
        """Run steps from `origin` on in bursts; `trains` start there, without any none is sent."""
        wiring = self.system.wiring
        lead = {n: np.zeros((len(t), origin, t.shape[2]), np.uint8) for n, t in trains.items()}
        whole = {name: np.concatenate([lead[name], t], axis=1) for name, t in trains.items()}
        longest = self._burst(machine.samples)
        for first in range(origin, origin + steps, longest):
            length = min(longest, origin + steps - first)
            if whole:
                senders, words = wiring.encode(whole, first, length)
                machine.inject(words, senders)
            sent = machine.step(length)
            wiring.decode(sent.samples, sent.words, first, length, outputs)

    def _burst(self, samples: int) -> int:
        """Return how many steps a burst may have: by the ports, and by memory."""
        fitting = _BURST_BYTES // max(1, samples * self._elements * _FRAME_BYTES)
        return max(1, min(self.system.wiring.burst_steps, fitting))


def bad_state(problem: str) -> SnncError:
    """Return the error for a state that a program cannot go on from."""
    return fail(
        "bad-state",
        f"this state can't be continued: {problem}",
        help="give the state of a run of this program, probed from its first tick",
    )


def _fork(machine: Machine) -> Machine:
    """Return an independent copy of the chips; the configuration is shared, it never changes."""
    return copy.deepcopy(machine, {id(machine.image): machine.image})


def wanted_layers(system: System, probe: Iterable[str]) -> list[str]:
    """Return the wanted layers and potentials by name, `all` spelled out."""
    known = [name for layer in system.layers for name in (layer, f"{layer}.v")]
    wanted = list(dict.fromkeys(probe))
    if wanted == ["all"]:
        return known
    for name in wanted:
        if name not in known:
            raise fail(
                "unknown-probe", f"the build holds no layer {name!r}", help=nearest(name, known)
            )
    return wanted


def check_inputs(
    system: System, given: Mapping[str, Array], ticks: int | None, samples: int | None
) -> tuple[dict[str, Bytes], int, int]:
    """Return the trains `(samples, ticks, elements)` by input, and how many samples and ticks.

    Raises:
        SnncError: `missing-input`, `unknown-input`, `input-shape`, `input-range`, `sample-count`,
            `tick-count`.
    """
    for name in given:
        if name not in system.inputs:
            help = nearest(name, list(system.inputs))
            raise fail("unknown-input", f"there is no input {name!r}", help=help)
    trains = {name: _train(name, kind, given) for name, kind in system.inputs.items()}
    counts = {len(train) for train in trains.values()} | (set() if samples is None else {samples})
    lengths = {train.shape[1] for train in trains.values()}
    if len(counts) > 1:
        raise fail(
            "sample-count",
            f"inputs and state have different numbers of samples: {sorted(counts)}",
            help="axis 0 counts samples; a single sample needs it too",
        )
    length = min(lengths, default=system.ticks)
    count = length if ticks is None else ticks
    if len(lengths) > 1 or count is None or count < 0 or (lengths and count > min(lengths)):
        raise fail(
            "tick-count",
            f"{'no number of' if count is None else count} ticks were asked for, "
            f"the inputs have {', '.join(map(str, sorted(lengths))) or 'none'}",
            help="give inputs of one length, and ask for no more ticks than they have",
        )
    return {name: t[:, :count] for name, t in trains.items()}, counts.pop() if counts else 1, count


def _train(name: str, kind: Type, given: Mapping[str, Array]) -> Bytes:
    if name not in given:
        raise fail(
            "missing-input",
            f"the input %{name}: {kind} was not given",
            help=f"give an array of shape (samples, ticks, {', '.join(map(str, kind.shape))})",
        )
    array = np.asarray(given[name])
    if array.ndim != 2 + len(kind.shape) or array.shape[2:] != kind.shape:
        raise fail(
            "input-shape",
            f"{name} has shape {array.shape}; %{name}: {kind} needs (samples, ticks, "
            f"{', '.join(map(str, kind.shape))})",
            help="axis 0 counts samples, axis 1 ticks",
        )
    if kind.element == U1 and (array.dtype.kind not in "biuf" or not _binary(array)):
        raise fail(
            "input-range",
            f"{name} ({array.dtype}) holds values that are no spikes",
            help="encode values as spikes, 0 or 1, first",
        )
    if kind.element != U1 and not _bytes(array):
        raise fail(
            "input-range",
            f"{name} ({array.dtype}) holds values that are no integers of 0..255",
            help="scale and round them first",
        )
    return array.astype(np.uint8).reshape(*array.shape[:2], kind.size)


def _binary(array: Array) -> bool:
    """Whether all numbers are 0 or 1."""
    if array.dtype.kind == "f":
        return bool(np.isin(array, (0, 1)).all())
    return bool(array.max(initial=0) <= 1 and array.min(initial=0) >= 0)


def _bytes(array: Array) -> bool:
    """Whether all numbers are integers of 0 to 255."""
    whole = array.dtype.kind in "biu" or (array.dtype.kind == "f" and bool((array % 1 == 0).all()))
    return whole and array.min(initial=0) >= 0 and array.max(initial=0) <= 255


def layer_traces(
    system: System, wanted: list[str], show: Callable[[Layer], tuple[Array, Array]]
) -> dict[str, Array]:
    """Return the wanted spikes and potentials `(samples, ticks, *shape)`.

    `show` gives spikes and int32 potentials `(samples, ticks, neurons)` of one copy of a layer.

    Raises:
        SnncError: `copies-differ` where the copies of a layer do different things.
    """
    layers = {name.removesuffix(".v") if name not in system.layers else name for name in wanted}
    found: dict[str, Array] = {}
    for name in (layer for layer in system.layers if layer in layers):
        first, *others = system.layers[name]
        spikes, potentials = show(first)
        for other in others:
            sent, left = (array[:, :, other.neurons] for array in (spikes, potentials))
            again = show(other)
            if not (np.array_equal(sent, again[0]) and np.array_equal(left, again[1])):
                raise fail(
                    "copies-differ",
                    f"copy {other.copy} of %{name} does not do what copy 0 does",
                    help="compile the network anew; please report it if that does not help",
                )
        shape = (*spikes.shape[:2], *first.shape)
        worth = first.worth(potentials.reshape(shape)).astype(np.int32)
        found |= {name: spikes.reshape(shape), f"{name}.v": worth}
    return {name: found[name] for name in wanted}


def _shown(
    layer: Layer, traces: Mapping[Place, Trace], run: tuple[int, int, int]
) -> tuple[Array, Array]:
    """Return spikes and potentials of a layer in a run: its samples, first tick and ticks."""
    samples, done, count = run
    spikes = np.zeros((samples, count, layer.size), dtype=np.uint8)
    potentials = np.zeros((samples, count, layer.size), dtype=np.int32)
    # The place among the copy's neurons, ascending, of each as the pieces hold them.
    places = np.argsort(np.argsort(layer.elements, kind="stable"), kind="stable")
    place = 0
    for core, first, last in layer.pieces:
        elements = places[place : place + last - first]
        place += last - first
        trace = traces.get(core.place)
        if trace is None:
            continue
        steps = np.arange(done, done + count) - core["first"]
        held = trace.outputs.shape[1]
        works = np.flatnonzero((steps >= 0) & (steps < held))
        begun = np.flatnonzero(steps >= 0)
        spikes[:, works[:, None], elements] = trace.outputs[:, steps[works], first:last]
        last_done = np.minimum(steps[begun], held - 1)
        potentials[:, begun[:, None], elements] = trace.potentials[:, last_done, first:last]
    return spikes, potentials
