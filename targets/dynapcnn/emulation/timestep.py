"""Runs a configuration in time steps, as sinabs runs a discretized network.

In a step, every core sums the weights of all events that arrive and its bias, then its neurons
fire as often as the threshold goes into the potential (32 bits, saturating; at most as often as
the layout says, a bound that no usual run meets), then the lower bound holds. Spikes reach
the next core in the same step. The chip itself has no steps; see `eventwise` for its own semantics.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen

from snnc.diagnostics import fail
from snnc.extend.engine import Result
from snnc.ir.types import parse_type
from snnc.ir.weights import Array
from snnc.machine import installed
from snnc.machine.threads import check as check_halted
from snnc.machine.threads import spread, threads
from snnc.targets.dynapcnn.artifact.assemble import to_module
from snnc.targets.dynapcnn.artifact.layout import read_config, read_files
from snnc.targets.dynapcnn.artifact.records import Core, Destination
from snnc.targets.dynapcnn.artifact.settings import check_emulated
from snnc.targets.dynapcnn.check import check
from snnc.targets.dynapcnn.emulation import numpy_steps
from snnc.targets.dynapcnn.emulation.convolve import see
from snnc.targets.dynapcnn.emulation.played import Activity, Played, Wanted, joined, named
from snnc.targets.dynapcnn.emulation.trains import bad_state, probed, read_trains
from snnc.targets.dynapcnn.ops import map_of

if TYPE_CHECKING:
    from snnc.targets.dynapcnn.native.step_chip import StepChip

_BYTES = 1 << 28


@frozen(eq=False)
class State:
    """Potentials (samples, out, y, x) by core, the program that they belong to, and its activity.

    `activity` counts what the run that gave this state did, not those before it.
    """

    owner: "Timestep"
    potentials: Mapping[int, Array]
    activity: Activity


class Timestep:
    """The program of a build's files in time steps, as machine code where llvmlite is installed.

    Raises:
        SnncError: `config-missing`, `config-malformed`; what `check` finds; `core-order` where a
            core sends to one that was served before it.
    """

    def __init__(self, folder: Path, machine_code: bool = True) -> None:
        self.placed = read_files(folder)
        check(to_module(self.placed)).check()
        check_emulated(read_config(folder))
        self.inputs = {i.name: parse_type(i.type) for i in self.placed.inputs}
        self._compiled = machine_code and installed()
        self._chip: StepChip | None = None
        served: set[int] = set()
        for core in self.placed.cores:
            served.add(core.core)
            back = [to.core for to in core.destinations if to.core in served]
            if back:
                raise fail(
                    "core-order",
                    f"core {core.core} sends to core {back[0]}, which has worked in this step",
                    help="time steps need a network without loops; emulate it event by event",
                )

    def run(
        self,
        inputs: Mapping[str, Array],
        *,
        ticks: int | None = None,
        state: object = None,
        probe: Iterable[str] = (),
    ) -> Result:
        """Run `ticks` steps of a batch; see `snnc.extend.engine.Program`.

        Raises:
            SnncError: `missing-input`, `unknown-input`, `input-shape`, `input-range`,
                `sample-count`, `tick-count`, `unknown-probe`, `bad-state`, `bad-threads`.
        """
        probes = probed(self.placed, probe)
        wanted = Wanted.of(self.placed, probes)
        trains, samples, count = read_trains(self.inputs, inputs, ticks)
        potentials, halt = self._start(state, samples), Event()

        def some(given: tuple[slice, list[slice]]) -> Played:
            found = []
            for when in given[1]:
                check_halted(halt)
                found.append(self._play(trains, given[0], when, potentials, wanted))
            return joined(found, 1)

        jobs = threads() if self._compiled else 1
        played = joined(spread(some, self._parts(samples, count), jobs, halt), 0)
        outputs, traces = named(self.placed, played, probes)
        return Result(outputs, State(self, potentials, played.activity), traces)

    def _parts(self, samples: int, count: int) -> Iterator[tuple[slice, list[slice]]]:
        """Yield samples that run together, and their steps in pieces that fit into memory."""
        largest = max((self._size(core) for core in self.placed.cores), default=1)
        together = 1 if self._compiled and samples else max(1, samples)
        length = max(1, _BYTES // (8 * largest * together))
        whens = [slice(n, min(n + length, count)) for n in range(0, max(count, 1), length)]
        for first in range(0, max(samples, 1), together):
            yield slice(first, min(first + together, samples)), whens

    def _size(self, core: Core) -> int:
        return int(np.prod(core.input) + 2 * np.prod(core.output))

    def _start(self, state: object, samples: int) -> dict[int, Array]:
        if state is None:
            return {c.core: _initial(c, samples) for c in self.placed.cores}
        sizes = set()
        if isinstance(state, State) and state.owner is self:
            sizes = {len(v) for v in state.potentials.values()}
        if not isinstance(state, State) or state.owner is not self or sizes - {samples}:
            raise bad_state()
        return {core: v.copy() for core, v in state.potentials.items()}

    def _play(
        self,
        trains: Mapping[str, Array],
        part: slice,
        when: slice,
        potentials: Mapping[int, Array],
        wanted: Wanted,
    ) -> Played:
        """Return what some steps of some samples give; `potentials` move on in place."""
        given: dict[int, Array] = {}
        for one in self.placed.inputs:
            for to in one.destinations:
                self._give(given, to, self._maps(trains, one.name, part, when))
        pixels, seen = self.placed.pixels, None
        if pixels is not None:
            seen = see(pixels, self._maps(trains, pixels.input, part, when))
            for to in pixels.destinations:
                self._give(given, to, seen)
        some = {core: v[part] for core, v in potentials.items()}
        lengths = part.stop - part.start, when.stop - when.start
        return self._answer(given, seen, lengths, some, wanted)

    def play(
        self, given: Mapping[int, Array], seen: Array | None, steps: int, wanted: Wanted
    ) -> Played:
        """Return what steps of one sample give from the start.

        `given` are counts (1, steps, f, y, x) by core that the host sends, `seen` those that the
        pixel block sends on, which `given` holds too.
        """
        potentials = self._start(None, 1)
        return self._answer(given, seen, (1, steps), potentials, wanted)

    def _answer(
        self,
        given: Mapping[int, Array],
        seen: Array | None,
        lengths: tuple[int, int],
        some: Mapping[int, Array],
        wanted: Wanted,
    ) -> Played:
        played = self._by_machine(given, lengths[1], some, wanted) if lengths[0] == 1 else None
        if played is None:
            played = numpy_steps.play(self.placed, given, *lengths, some, wanted)
        if seen is None:
            return played
        return Played({**played.counts, -1: seen}, played.potentials, played.activity)

    def _by_machine(
        self,
        given: Mapping[int, Array],
        steps: int,
        potentials: Mapping[int, Array],
        wanted: Wanted,
    ) -> Played | None:
        """Return what steps of one sample give, None where numpy must do it."""
        if not self._compiled:
            return None
        if self._chip is None:
            from snnc.targets.dynapcnn.native.step_chip import StepChip

            self._chip = StepChip(self.placed)
        counts, v = ({core: a[0] for core, a in m.items()} for m in (given, potentials))
        return self._chip.play(counts, steps, v, wanted)

    def _maps(self, trains: Mapping[str, Array], name: str, part: slice, when: slice) -> Array:
        """Return counts (samples, steps, f, y, x) of an input."""
        train = trains[name][part, when]
        return train.reshape(*train.shape[:2], *map_of(self.inputs[name].shape))

    def _give(self, given: dict[int, Array], to: Destination, maps: Array) -> None:
        """Add counts (samples, steps, f, y, x) to what an input sends to a core."""
        shape = (*maps.shape[:2], *self.placed.by_number[to.core].input)
        whole = given.setdefault(to.core, np.zeros(shape, dtype=np.int64))
        whole[:, :, to.shift : to.shift + maps.shape[2]] += maps


def _initial(core: Core, samples: int) -> Array:
    start = np.zeros(core.output, dtype=np.int64) if core.initial is None else core.initial
    return np.repeat(start[None].astype(np.int64), samples, axis=0)
