"""Runs a configuration event by event, as the documents describe the chip.

An event adds its weights to the neurons that it touches; each of them saturates at 16 bits, is held
at the lower bound, and fires at most once if it reaches the threshold. Order, which the documents
leave open, is a choice of this project: in a step first the leak, core after core, then the input
in the order of feature, y and x, a count as so many events; spikes of one event leave in the order
of x, y and feature; events are served first in, first out, and each cause is served to its end
before the next. Events are inherently one after another, so this is a loop over events; the neurons
that one event touches are one array operation.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from attrs import frozen

from snnc.extend.engine import Result
from snnc.ir.types import parse_type
from snnc.ir.weights import Array
from snnc.targets.dynapcnn.assemble import to_module
from snnc.targets.dynapcnn.check import check
from snnc.targets.dynapcnn.layout import read_files
from snnc.targets.dynapcnn.limits import LIMITS
from snnc.targets.dynapcnn.ops import map_of
from snnc.targets.dynapcnn.outputs import gathered
from snnc.targets.dynapcnn.records import Core, Destination, Pixels, Placed
from snnc.targets.dynapcnn.trains import bad_state, probed, read_trains

Event = tuple[int, int, int, int]
"""Core, feature, x, y of an event on its way."""


@frozen(eq=False)
class _State:
    owner: "Eventwise"
    chips: tuple["_Chip", ...]


class Eventwise:
    """The program of a build's files, event by event. Outputs are counts of spikes per step.

    Raises:
        SnncError: what reading the files and `check` find.
    """

    def __init__(self, folder: Path) -> None:
        self.placed = read_files(folder)
        check(to_module(self.placed)).check()
        self.inputs = {i.name: parse_type(i.type) for i in self.placed.inputs}

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
            SnncError: what `read_trains` refuses, `unknown-probe`, `bad-state`.
        """
        wanted = probed(self.placed, probe)
        trains, samples, count = read_trains(self.inputs, inputs, ticks)
        chips = self._chips(state, samples)
        ran = [
            self._play(chip, {name: train[n] for name, train in trains.items()}, count)
            for n, chip in enumerate(chips)
        ]
        joined = {name: np.stack([one[name] for one in ran]) for name in ran[0]} if ran else {}
        outputs = {o.name: joined[f"out {o.name}"] for o in self.placed.outputs}
        return Result(outputs, _State(self, chips), {name: joined[name] for name in wanted})

    def _chips(self, state: object, samples: int) -> tuple["_Chip", ...]:
        if state is None:
            return tuple(_Chip(self.placed) for _ in range(samples))
        if not isinstance(state, _State) or state.owner is not self or len(state.chips) != samples:
            raise bad_state()
        return tuple(chip.copy() for chip in state.chips)

    def _play(self, chip: "_Chip", trains: Mapping[str, Array], count: int) -> dict[str, Array]:
        """Return counts and potentials (steps, *shape) of layers, and outputs, of one sample."""
        kept = {c.core: np.zeros((count, *c.output), dtype=np.int64) for c in self.placed.cores}
        kept[-1] = np.zeros((count, *chip.pixel_shape), dtype=np.int64)
        traced = {c.core: np.zeros((count, *c.output), dtype=np.int32) for c in self.placed.cores}
        for step in range(count):
            chip.leak()
            for name, train in trains.items():
                maps = train[step].reshape(map_of(self.inputs[name].shape))
                chip.feed(name, maps)
            for core, array in chip.counts().items():
                kept[core][step] = array
            for core, array in chip.potentials.items():
                traced[core][step] = array
        made: dict[str, Array] = {}
        for c in self.placed.cores:
            made[c.name] = kept[c.core].reshape(count, *c.shape)
            made[f"{c.name}.v"] = traced[c.core].reshape(count, *c.shape)
        for o in self.placed.outputs:
            seen = gathered(o, kept)
            made[f"out {o.name}"] = seen.reshape(count, *o.shape)
        return made


@frozen(eq=False)
class _Served:
    """A core at work: its weights [f, ky, kx, out] and what its neurons hold."""

    core: Core
    by_feature: Array

    def window(self, x: int, y: int) -> tuple[slice, slice, slice, slice] | None:
        """Return the neurons (y, x) that an event touches, and their taps (ky, kx)."""
        found = []
        for axis, at in ((0, y), (1, x)):
            stride, k = self.core.stride[axis], self.core.kernel
            place = at + self.core.padding[axis]
            first = max(0, -(-(place - k + 1) // stride))
            last = min(self.core.output[1 + axis] - 1, place // stride)
            if first > last:
                return None
            low = place - last * stride
            stop = place - first * stride + 1
            found += [slice(first, last + 1), slice(low, stop, stride)]
        return found[0], found[2], found[1], found[3]


class _Chip:
    """One sample's chip: potentials [out, y, x] by core, and the spikes of the current step."""

    def __init__(self, placed: Placed) -> None:
        self.placed = placed
        self.cores = {
            c.core: _Served(c, c.weights.astype(np.int32).transpose(1, 0, 2, 3))
            for c in placed.cores
        }
        self.potentials = {
            c.core: np.zeros(c.output, dtype=np.int32)
            if c.initial is None
            else c.initial.astype(np.int32)
            for c in placed.cores
        }
        self.pixel_shape = (1, 1, 1) if placed.pixels is None else placed.pixels.output
        self.queue: deque[Event] = deque()
        self._counts = self._zeros()

    def _zeros(self) -> dict[int, Array]:
        found = {n: np.zeros(s.core.output, dtype=np.int64) for n, s in self.cores.items()}
        return found | {-1: np.zeros(self.pixel_shape, dtype=np.int64)}

    def copy(self) -> "_Chip":
        """Return an independent chip in the same state."""
        made = _Chip(self.placed)
        made.potentials = {core: v.copy() for core, v in self.potentials.items()}
        return made

    def counts(self) -> dict[int, Array]:
        """Return the spikes since the last call, by core; -1 is the pixel block."""
        found, self._counts = self._counts, self._zeros()
        return found

    def leak(self) -> None:
        """Add the bias of every feature once, core after core."""
        for number in sorted(self.cores):
            core = self.cores[number].core
            if core.bias is not None:
                v = self.potentials[number]
                fired = _settle(core, v, v + core.bias.astype(np.int32)[:, None, None])
                places = np.argwhere(fired.transpose(0, 2, 1))
                self._fire(core, [(f, x, y) for f, x, y in places.tolist()])
                self._drain()

    def feed(self, name: str, maps: Array) -> None:
        """Send the counts (feature, y, x) of an input, event after event."""
        places = np.argwhere(maps > 0)
        events = np.repeat(places, maps[tuple(places.T)], axis=0)
        pixels = self.placed.pixels
        if pixels is not None and pixels.input == name:
            events = _seen(pixels, events)
            np.add.at(self._counts[-1], tuple(events.T), 1)
            sent: tuple[Destination, ...] = pixels.destinations
        else:
            sent = next(i.destinations for i in self.placed.inputs if i.name == name)
        for f, y, x in events.tolist():
            self.queue.extend((to.core, f + to.shift, x, y) for to in sent)
            self._drain()

    def _drain(self) -> None:
        while self.queue:
            number, f, x, y = self.queue.popleft()
            served = self.cores[number]
            window = served.window(x, y)
            if window is None:
                continue
            rows, columns, ky, kx = window
            v = self.potentials[number][:, rows, columns]
            # Neurons ascend where taps descend.
            added = served.by_feature[f][:, ky, kx][:, ::-1, ::-1]
            fired = _settle(served.core, v, v + added)
            if fired.any():
                places = np.argwhere(fired.transpose(2, 1, 0)).tolist()
                top, left = rows.start, columns.start
                self._fire(served.core, [(g, i + left, j + top) for i, j, g in places])

    def _fire(self, core: Core, spikes: Iterable[tuple[int, int, int]]) -> None:
        """Count spikes (feature, x, y) and send them on."""
        for f, x, y in spikes:
            self._counts[core.core][f, y, x] += 1
            self.queue.extend(_onward(self.cores, core, f, x, y))


def _onward(cores: Mapping[int, _Served], core: Core, f: int, x: int, y: int) -> Iterator[Event]:
    for to in core.destinations:
        at_x, at_y = x // to.pool, y // to.pool
        _, height, width = cores[to.core].core.input
        if at_x < width and at_y < height:
            yield to.core, f + to.shift, at_x, at_y


def _settle(core: Core, v: Array, sums: Array) -> Array:
    """Write the potentials after an addition into `v`; return which neurons fired."""
    held = np.clip(sums, max(LIMITS.state_low, core.low), LIMITS.state_high)
    fired = held >= core.high
    v[...] = np.where(fired, 0 if core.return_to_zero else held - core.high, held)
    return np.asarray(fired)


def _seen(pixels: Pixels, events: Array) -> Array:
    """Return the events (feature, y, x) that the pixel block passes on, in their order."""
    f = np.zeros(len(events), dtype=np.int64) if pixels.merge else events[:, 0]
    place = events[:, 1:] // np.array(pixels.pool)
    first, last = np.array(pixels.origin), np.array(pixels.last)
    kept = ((place >= first) & (place <= last)).all(axis=1)
    place = np.where(pixels.mirror, last - place, place - first)[kept]
    return np.column_stack([f[kept], place[:, ::-1] if pixels.swap else place])
