"""Runs a configuration event by event, as the documents describe the chip.

An event adds its weights to the neurons that it touches; each of them saturates at 16 bits, is held
at the lower bound, and fires at most once if it reaches the threshold. Order, which the documents
leave open, is a choice of this project: in a step first the leak, core after core, then the input
in the order of feature, y and x, a count as so many events; spikes of one event leave in the order
of x, y and feature (of a leak: feature, x and y); events are served first in, first out, and each
cause is served to its end before the next.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Event
from typing import Protocol

import numpy as np
from attrs import frozen

from snnc.extend.engine import Result
from snnc.ir.types import parse_type
from snnc.ir.weights import Array
from snnc.machine import installed, missing
from snnc.machine.threads import check as check_halted
from snnc.machine.threads import spread, threads
from snnc.targets.dynapcnn.artifact.assemble import to_module
from snnc.targets.dynapcnn.artifact.layout import read_config, read_files
from snnc.targets.dynapcnn.artifact.settings import check_emulated
from snnc.targets.dynapcnn.check import check
from snnc.targets.dynapcnn.emulation.commands import from_rasters
from snnc.targets.dynapcnn.emulation.convolve import see
from snnc.targets.dynapcnn.emulation.heard import Heard
from snnc.targets.dynapcnn.emulation.played import Activity, Played, Wanted, joined, named
from snnc.targets.dynapcnn.emulation.python_chip import PythonChip
from snnc.targets.dynapcnn.emulation.trains import bad_state, probed, read_trains
from snnc.targets.dynapcnn.ops import map_of

SLOW = missing("events are served one by one in Python, about a hundred times slower")


class Chip(Protocol):
    """What both chips do: obey commands, keep potentials."""

    def copy(self) -> "Chip":
        """Return an independent chip in the same state."""

    def play(
        self, commands: Array, steps: int, wanted: Wanted, listen: frozenset[int]
    ) -> tuple[Played, Heard]:
        """Return counts and potentials of some steps, and what was heard."""


@frozen(eq=False)
class State:
    """The chips of a batch, the program that they belong to, and what the run before did.

    `activity` counts that run alone.
    """

    owner: "Eventwise"
    chips: tuple[Chip, ...]
    activity: Activity


class Eventwise:
    """The program of a build's files, event by event. Outputs are counts of spikes per step.

    It runs as machine code where llvmlite is installed, with the same result.

    Raises:
        SnncError: what reading the files and `check` find.
    """

    def __init__(self, folder: Path, machine_code: bool = True) -> None:
        self.placed = read_files(folder)
        check(to_module(self.placed)).check()
        check_emulated(read_config(folder))
        self.inputs = {i.name: parse_type(i.type) for i in self.placed.inputs}
        self._compiled = machine_code and installed()
        self.notes = () if self._compiled else (SLOW,)
        self._first: Chip | None = None

    def chip(self) -> Chip:
        """Return a chip at its start."""
        if not self._compiled:
            return PythonChip(self.placed)
        from snnc.targets.dynapcnn.native.event_chip import EventChip

        if self._first is None:
            self._first = EventChip(self.placed)
        return self._first.copy()

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
            SnncError: what `read_trains` refuses, `unknown-probe`, `bad-state`, `event-storm`.
        """
        probes = probed(self.placed, probe)
        wanted = Wanted.of(self.placed, probes)
        trains, samples, count = read_trains(self.inputs, inputs, ticks)
        chips, halt = self._chips(state, samples), Event()

        def one(number: int) -> Played:
            check_halted(halt)
            given = {name: train[number] for name, train in trains.items()}
            return self._play(chips[number], given, count, wanted)

        ran = spread(one, range(samples), threads() if self._compiled else 1, halt)
        played = joined(ran, 0) if ran else self._nothing(count, wanted)
        outputs, traces = named(self.placed, played, probes)
        return Result(outputs, State(self, chips, played.activity), traces)

    def _chips(self, state: object, samples: int) -> tuple[Chip, ...]:
        if state is None:
            return tuple(self.chip() for _ in range(samples))
        if not isinstance(state, State) or state.owner is not self or len(state.chips) != samples:
            raise bad_state()
        return tuple(chip.copy() for chip in state.chips)

    def _play(self, chip: Chip, trains: Mapping[str, Array], count: int, wanted: Wanted) -> Played:
        """Return what the steps of one sample give."""
        words = from_rasters(self.placed, self.inputs, trains)
        played, _ = chip.play(words, count, wanted, frozenset())
        pixels = self.placed.pixels
        if pixels is None:
            return played
        maps = trains[pixels.input].reshape(count, *map_of(self.inputs[pixels.input].shape))
        counts = {**played.counts, -1: see(pixels, maps)[None].astype(np.int64)}
        return Played(counts, played.potentials, played.activity)

    def _nothing(self, count: int, wanted: Wanted) -> Played:
        """Return what no samples give."""
        shapes = {c.core: c.output for c in self.placed.cores}
        if self.placed.pixels is not None:
            shapes[-1] = self.placed.pixels.output

        def empty(cores: frozenset[int], kind: type) -> dict[int, Array]:
            return {core: np.zeros((0, count, *shapes[core]), kind) for core in cores}

        return Played(empty(wanted.counts, np.int64), empty(wanted.potentials, np.int32))
