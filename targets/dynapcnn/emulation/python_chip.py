"""A sample's chip in Python: what an event does, put plainly, and what runs without llvmlite.

Events are inherently one after another, so this is a loop over events; the neurons that one event
touches are one array operation.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from attrs import frozen

from snnc.ir.weights import Array
from snnc.targets.dynapcnn.artifact.records import Core, Placed
from snnc.targets.dynapcnn.emulation.commands import JOINED, LEAK, STEP, unpack
from snnc.targets.dynapcnn.emulation.heard import Heard
from snnc.targets.dynapcnn.emulation.played import Played, Wanted
from snnc.targets.dynapcnn.emulation.storm import LONGEST, QUEUE, storm
from snnc.targets.dynapcnn.limits import LIMITS

Event = tuple[int, int, int, int]
"""Core, feature, y, x of an event on its way."""


@frozen(eq=False)
class _Served:
    """A core at work, with its weights [f, ky, kx, out]."""

    core: Core
    by_feature: Array

    def window(self, y: int, x: int) -> tuple[slice, slice, slice, slice] | None:
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


class PythonChip:
    """A chip whose potentials [out, y, x] go on from call to call."""

    def __init__(self, placed: Placed) -> None:
        self.placed = placed
        self.cores = {
            c.core: _Served(c, c.weights.astype(np.int32).transpose(1, 2, 3, 0))
            for c in placed.cores
        }
        self.potentials = {
            c.core: np.zeros(c.output, dtype=np.int32)
            if c.initial is None
            else c.initial.astype(np.int32)
            for c in placed.cores
        }
        self._queue: deque[Event] = deque()

    def copy(self) -> "PythonChip":
        """Return an independent chip in the same state."""
        made = PythonChip(self.placed)
        made.potentials = {core: v.copy() for core, v in self.potentials.items()}
        return made

    def play(
        self, commands: Array, steps: int, wanted: Wanted, listen: frozenset[int]
    ) -> tuple[Played, Heard]:
        """Return counts and potentials of some steps, and what cores that are listened to said.

        Raises:
            SnncError: `event-storm`.
        """
        cores = self.placed.cores
        counts = {c.core: np.zeros((1, steps, *c.output), np.int32) for c in cores}
        traced = {c.core: np.zeros((1, steps, *c.output), np.int32) for c in cores}
        self._activity = {c.core: {"events": 0, "operations": 0, "spikes": 0} for c in cores}
        self._said: list[tuple[int, ...]] = []
        self._listen, self._step = listen, 0
        kinds = (commands >> np.uint64(56)).tolist()
        for number, (kind, row) in enumerate(zip(kinds, unpack(commands).tolist(), strict=True)):
            self._cause, self._counts = number, counts
            if kind == STEP:
                for core, v in self.potentials.items():
                    traced[core][0, self._step] = v
                self._step += 1
                continue
            index, f, y, x = row
            if kind == LEAK:
                self._leak(cores[index])
            else:
                self._queue.append((cores[index].core, f, y, x))
            if kind != JOINED:
                self._drain()
        said = np.array(self._said, dtype=np.int64).reshape(-1, 5)
        kept = {core: counts[core] for core in counts if core in wanted.counts}
        potentials = {core: traced[core] for core in traced if core in wanted.potentials}
        return Played(kept, potentials, self._activity), Heard(said[:, 0], said[:, 1:])

    def _leak(self, core: Core) -> None:
        """Add the bias of every feature once."""
        assert core.bias is not None
        v = self.potentials[core.core]
        fired = _settle(core, v, v + core.bias.astype(np.int32)[:, None, None])
        places = np.argwhere(fired.transpose(0, 2, 1))
        self._fire(core, [(f, y, x) for f, x, y in places.tolist()])

    def _drain(self) -> None:
        served = 0
        while self._queue:
            served += 1
            if served > LONGEST or len(self._queue) > QUEUE:
                raise storm()
            number, f, y, x = self._queue.popleft()
            here = self.cores[number]
            counted = self._activity[number]
            counted["events"] += 1
            window = here.window(y, x)
            if window is None:
                continue
            rows, columns, ky, kx = window
            v = self.potentials[number][:, rows, columns]
            # Neurons ascend where taps descend.
            added = here.by_feature[f][ky, kx][::-1, ::-1].transpose(2, 0, 1)
            fired = _settle(here.core, v, v + added)
            counted["operations"] += v.size
            if fired.any():
                places = np.argwhere(fired.transpose(2, 1, 0)).tolist()
                top, left = rows.start, columns.start
                self._fire(here.core, [(g, i + top, j + left) for j, i, g in places])

    def _fire(self, core: Core, spikes: Iterable[tuple[int, int, int]]) -> None:
        """Count spikes (feature, y, x) and send them on."""
        for f, y, x in spikes:
            self._counts[core.core][0, self._step, f, y, x] += 1
            self._activity[core.core]["spikes"] += 1
            if core.core in self._listen:
                self._said.append((self._cause, core.core, f, y, x))
            self._queue.extend(_onward(self.cores, core, f, y, x))


def _onward(cores: Mapping[int, _Served], core: Core, f: int, y: int, x: int) -> Iterator[Event]:
    for to in core.destinations:
        at_y, at_x = y // to.pool, x // to.pool
        _, height, width = cores[to.core].core.input
        if at_x < width and at_y < height:
            yield to.core, f + to.shift, at_y, at_x


def _settle(core: Core, v: Array, sums: Array) -> Array:
    """Write the potentials after an addition into `v`; return which neurons fired."""
    held = np.clip(sums, max(LIMITS.state_low, core.low), LIMITS.state_high)
    fired = held >= core.high
    v[...] = np.where(fired, 0 if core.return_to_zero else held - core.high, held)
    return np.asarray(fired)
