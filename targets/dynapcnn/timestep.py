"""Runs a configuration in time steps, as sinabs runs a discretized network.

In a step, every core sums the weights of all events that arrive and its bias, then its neurons
fire as often as the threshold goes into the potential (32 bits, saturating; at most as often as
the layout says, a bound that no usual run meets), then the lower bound holds. Spikes reach
the next core in the same step. The chip itself has no steps; see `events` for its own semantics.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from attrs import frozen

from snnc.diagnostics import fail
from snnc.extend.engine import Result
from snnc.ir.types import I32, parse_type
from snnc.ir.weights import Array
from snnc.targets.dynapcnn.assemble import to_module
from snnc.targets.dynapcnn.check import check
from snnc.targets.dynapcnn.convolve import convolve, pool_sums, see
from snnc.targets.dynapcnn.layout import read_files
from snnc.targets.dynapcnn.ops import map_of
from snnc.targets.dynapcnn.outputs import gathered
from snnc.targets.dynapcnn.records import Core, Destination
from snnc.targets.dynapcnn.trains import bad_state, probed, read_trains

_BYTES = 1 << 28


@frozen(eq=False)
class State:
    """Potentials (samples, out, y, x) by core, and the program that they belong to."""

    owner: "Timestep"
    potentials: Mapping[int, Array]


class Timestep:
    """The program of a build's files in time steps.

    Raises:
        SnncError: `config-missing`, `config-malformed`; what `check` finds; `core-order` where a
            core sends to one that was served before it.
    """

    def __init__(self, folder: Path) -> None:
        self.placed = read_files(folder)
        check(to_module(self.placed)).check()
        self.inputs = {i.name: parse_type(i.type) for i in self.placed.inputs}
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
                `sample-count`, `tick-count`, `unknown-probe`, `bad-state`.
        """
        wanted = probed(self.placed, probe)
        trains, samples, count = read_trains(self.inputs, inputs, ticks)
        potentials = self._start(state, samples)
        largest = max((self._size(core) for core in self.placed.cores), default=1)
        step = max(1, _BYTES // (8 * largest * max(1, samples)))
        parts = []
        for first in range(0, max(count, 1), step):
            chunk = {name: train[:, first : first + step] for name, train in trains.items()}
            parts.append(self._steps(chunk, samples, min(step, count - first), potentials, wanted))
        joined = {n: np.concatenate([p[n] for p in parts], axis=1) for n in parts[0]}
        outputs = {o.name: joined[f"out {o.name}"] for o in self.placed.outputs}
        trace = {name: joined[name] for name in wanted}
        return Result(outputs, State(self, potentials), trace)

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

    def _steps(
        self,
        trains: Mapping[str, Array],
        samples: int,
        count: int,
        potentials: dict[int, Array],
        wanted: list[str],
    ) -> dict[str, Array]:
        """Return outputs (`out NAME`) and traces of some steps; `potentials` move on."""
        made: dict[str, Array] = {}
        spikes: dict[int, Array] = {}
        arriving = {
            c.core: np.zeros((samples * count, *c.input), dtype=np.int64) for c in self.placed.cores
        }
        for one in self.placed.inputs:
            maps = trains[one.name].reshape(-1, *map_of(self.inputs[one.name].shape))
            _send(maps, one.destinations, arriving)
        if self.placed.pixels is not None:
            name = self.placed.pixels.input
            maps = trains[name].reshape(-1, *map_of(self.inputs[name].shape))
            spikes[-1] = see(self.placed.pixels, maps)
            _send(spikes[-1], self.placed.pixels.destinations, arriving)
        for core in self.placed.cores:
            sums = convolve(core, arriving.pop(core.core))
            run = _fire(core, sums.reshape(samples, count, *core.output), potentials)
            spikes[core.core] = run[0].reshape(-1, *core.output)
            _send(spikes[core.core], core.destinations, arriving)
            for name, array in ((core.name, run[0]), (f"{core.name}.v", run[1])):
                if name in wanted:
                    made[name] = array.reshape(samples, count, *core.shape)
        for o in self.placed.outputs:
            seen = gathered(o, spikes)
            made[f"out {o.name}"] = seen.reshape(samples, count, *o.shape)
        return made


def _initial(core: Core, samples: int) -> Array:
    start = np.zeros(core.output, dtype=np.int64) if core.initial is None else core.initial
    return np.repeat(start[None].astype(np.int64), samples, axis=0)


def _send(
    maps: Array, destinations: tuple[Destination, ...], arriving: Mapping[int, Array]
) -> None:
    """Add events (maps, f, y, x) to what arrives at their destinations."""
    for to in destinations:
        sums = pool_sums(maps, (to.pool, to.pool))
        arriving[to.core][:, to.shift : to.shift + sums.shape[1]] += sums


def _fire(core: Core, sums: Array, potentials: dict[int, Array]) -> tuple[Array, Array]:
    """Return spikes and potentials (samples, steps, out, y, x) of a core's neurons."""
    v = potentials[core.core]
    drive = 0 if core.bias is None else core.bias.astype(np.int64)[:, None, None]
    single = core.spike == "single"
    most = 1 if single else core.most
    spikes = np.zeros(sums.shape, dtype=np.uint8 if single else np.uint16)
    traced = np.zeros(sums.shape, dtype=np.int32)
    for step in range(sums.shape[1]):
        v = np.clip(v + sums[:, step] + drive, I32.low, I32.high)
        count = np.where(v >= core.high, np.minimum(v // core.high, most), 0)
        v = np.where(count > 0, 0, v) if core.return_to_zero else v - count * core.high
        v = np.maximum(v, core.low)
        spikes[:, step], traced[:, step] = count, v
    potentials[core.core] = v
    return spikes, traced
