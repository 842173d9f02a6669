"""Runs the files of a build on an engine: the fast path of the emulator, equal to it in every bit.

The frames are read once and lifted to integer neurons; from then on the engine does the work, and
this program only brings its values into the shape that the emulator gives.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.extend import engine
from snnc.targets.paicore.artifact.wiring import System
from snnc.targets.paicore.emulation.lift import Lifted, lift
from snnc.targets.paicore.emulation.program import (
    Program,
    bad_state,
    check_inputs,
    layer_traces,
    wanted_layers,
)
from snnc.targets.paicore.placed import Layer

Array = NDArray[Any]


def emulate_on(folder: Path, chosen: engine.Engine) -> engine.Program:
    """Return a program for a build's files: on an engine, or the emulator where that is not exact.

    Raises:
        SnncError: what `read_system` raises.
    """
    plain = Program(folder)
    lifted = lift(plain.system)
    return plain if lifted is None else FastProgram(plain.system, lifted, chosen)


@frozen(eq=False)
class State:
    """Where a run stopped: the engine's own state, for the next run of the same program."""

    owner: "FastProgram"
    inner: Any
    samples: int


class FastProgram:
    """A build that an engine runs; it satisfies `snnc.extend.engine.Program`.

    `engine` says what runs, for people.
    """

    def __init__(self, system: System, lifted: Lifted, chosen: engine.Engine) -> None:
        self.system, self.lifted = system, lifted
        self.engine = f"{chosen.name}, from files"
        self._program = chosen.prepare(lifted.module)
        self.notes = engine.notes_of(self._program)
        self._outputs = {item.name: item.layer.rows() for item in system.placed.outputs}

    def run(
        self,
        inputs: Mapping[str, Array],
        *,
        ticks: int | None = None,
        state: Any = None,
        probe: Iterable[str] = (),
    ) -> engine.Result:
        """Run a batch of samples; see `snnc.targets.paicore.emulation.program.Program.run`.

        A trace may begin at any run of a state.
        """
        if state is not None and (not isinstance(state, State) or state.owner is not self):
            raise bad_state("it comes from another program")
        wanted = wanted_layers(self.system, probe)
        given = state.samples if state else None
        trains, samples, count = check_inputs(self.system, inputs, ticks, given)
        shaped = {
            name: train.reshape(samples, count, *self.system.inputs[name].shape)
            for name, train in trains.items()
        }
        ran = self._program.run(
            shaped,
            ticks=count,
            state=state.inner if state else None,
            probe=self._probes(wanted),
        )
        values = {**ran.outputs, **ran.trace}
        outputs = {
            name: self._gathered(values, rows).reshape(
                samples, count, *self.system.outputs[name].shape
            )
            for name, rows in self._outputs.items()
        }

        def show(layer: Layer) -> tuple[Array, Array]:
            rows = layer.rows()
            return self._gathered(values, rows), self._gathered(values, rows, ".v")

        trace = layer_traces(self.system, wanted, show)
        return engine.Result(outputs, State(self, ran.state, samples), trace)

    def _probes(self, wanted: list[str]) -> list[str]:
        """Return the spikes and potentials of all neurons of wanted layers, in every copy."""
        layers = self.system.layers
        names = {name if name in layers else name.removesuffix(".v") for name in wanted}
        rows = [copy.rows() for name in names for copy in layers[name]]
        owners = np.unique(self.lifted.owner[np.concatenate(rows)]) if rows else ()
        return [self.lifted.names[n] + end for n in owners for end in ("", ".v")]

    def _gathered(self, arrays: Mapping[str, Array], rows: Array, end: str = "") -> Array:
        """Return `(samples, ticks, rows)` of some rows of the tables."""
        lifted = self.lifted
        owner, place = lifted.owner[rows], lifted.place[rows]
        parts = {n: arrays[lifted.names[n] + end] for n in np.unique(owner).tolist()}
        one = next(iter(parts.values()))
        if len(parts) == 1:
            whole = np.array_equal(place, np.arange(one.shape[2]))
            return one if whole else one[:, :, place]
        found = np.empty((*one.shape[:2], len(rows)), dtype=one.dtype)
        for number, array in parts.items():
            mine = owner == number
            found[:, :, mine] = array[:, :, place[mine]]
        return found
