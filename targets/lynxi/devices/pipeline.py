"""Runs devices for real: a matrix of slices, each on its own emulator, or samples side by side.

Time slice g of model slice m gets the steps that `split_steps` gives it, the outputs of slice
m - 1 as inputs, and the states of time slice g - 1 as the region that apu.json names: all states of
a lane in the order of the table, little-endian.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from attrs import evolve

from snnc.diagnostics import fail
from snnc.ir.weights import Array
from snnc.targets.lynxi.artifact.layout import states
from snnc.targets.lynxi.devices.timing import split_steps
from snnc.targets.lynxi.emulate import Emulator, State
from snnc.targets.lynxi.emulation.kernels import storage


def pack(program: Emulator, state: State) -> Array:
    """Return the states of all samples as bytes, `(samples, size of a lane's region)`."""
    rows = states(program.artifact)
    parts = []
    for row in rows:
        kind = storage(row["dtype"], program.artifact.profile).newbyteorder("<")
        held = np.ascontiguousarray(state.held[row["flag"]], dtype=kind)
        parts.append(held.reshape(len(held), -1).view(np.uint8).reshape(len(held), -1))
    return np.concatenate(parts, axis=1) if parts else np.zeros((0, 0), dtype=np.uint8)


def unpack(program: Emulator, region: Array, like: State) -> State:
    """Return the state that bytes say; tick and samples are those of `like`."""
    held = {}
    for row in states(program.artifact):
        kind = storage(row["dtype"], program.artifact.profile)
        cut = np.ascontiguousarray(region[:, row["addr"] : row["addr"] + row["size"]])
        numbers = cut.view(kind.newbyteorder("<")).astype(kind)
        held[row["flag"]] = numbers.reshape(len(region), *row["shape"])
    return evolve(like, held=held)


def run_parallel(
    program: Emulator, chips: int, inputs: Mapping[str, Array], ticks: int
) -> dict[str, Array]:
    """Return the outputs of samples dealt to chips that hold the same build, a batch to each.

    Of a group of chips x batch samples, chip c gets those from c x batch on; the outputs come back
    in the order of the samples.

    Raises:
        SnncError: `device-matrix` for no chip; what the emulator refuses.
    """
    if chips < 1:
        raise fail("device-matrix", f"{chips} chips", help="deal samples to at least one chip")
    lanes = program.artifact.batch
    devices = [Emulator.of(program.artifact) for _ in range(chips)]
    samples = len(next(iter(inputs.values())))
    parts: list[Mapping[str, Array]] = []
    for number, start in enumerate(range(0, samples, lanes)):
        cut = {name: array[start : start + lanes] for name, array in inputs.items()}
        device = devices[number % chips]
        parts.append(device.run(cut, ticks=ticks, first_sample=start).outputs)
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}


def run_matrix(
    slices: Sequence[Emulator], times: int, inputs: Mapping[str, Array], ticks: int
) -> dict[str, Array]:
    """Return the outputs `(samples, ticks, *shape)` of a matrix of `times` by `slices`.

    Every time slice works on programs of its own, as devices do.

    Raises:
        SnncError: `device-matrix` where slices do not fit together; what the emulator refuses.
    """
    for before, after in pairwise(slices):
        given = {p.name: p.type for p in before.artifact.outputs}
        wanted = {p.name: p.type for p in after.artifact.inputs}
        if given != wanted:
            raise fail(
                "device-matrix",
                f"a slice gives {given}, the next one takes {wanted}",
                help="cut one network, and give its slices in order",
            )
    regions: list[tuple[Array, State] | None] = [None] * len(slices)
    parts: list[Mapping[str, Array]] = []
    first = 0
    for steps in split_steps(ticks, times):
        now: Mapping[str, Array] = {n: a[:, first : first + steps] for n, a in inputs.items()}
        for m, program in enumerate(slices):
            device = Emulator.of(program.artifact)
            held = regions[m]
            before_state = None if held is None else unpack(device, *held)
            ran = device.run(now, ticks=steps, state=before_state)
            regions[m] = (pack(device, ran.state), ran.state)
            now = ran.outputs
        parts.append(now)
        first += steps
    return {name: np.concatenate([p[name] for p in parts], axis=1) for name in parts[0]}
