"""A placed module becomes `config.json` and `layout.json`, and what the manifest says of them."""

from pathlib import Path
from typing import Any

from snnc.extend.target import Emitted
from snnc.ir.graph import Module
from snnc.targets.dynapcnn.assemble import read_module
from snnc.targets.dynapcnn.layout import write_files
from snnc.targets.dynapcnn.limits import chip
from snnc.targets.dynapcnn.options import Options
from snnc.targets.dynapcnn.records import Placed, memory


def emit(module: Module, folder: Path, options: Options) -> Emitted:
    """Write the files of a placed module into an existing folder.

    Raises:
        SnncError: `placed-malformed`, `output-unwritable`.
    """
    placed = read_module(module)
    names = write_files(placed, folder)
    latency = {output.name: 0 for output in placed.outputs}
    return Emitted(names, resources(placed), latency, relies_on(placed))


def resources(placed: Placed) -> dict[str, Any]:
    """Return what a network takes of the chip: words used and there, per core."""
    device = chip(placed.device)
    cores = {}
    for core in placed.cores:
        need = memory(core.weights.shape, core.output, core.bias is not None)
        room = (device.kernel[core.core], device.neuron[core.core], device.bias[core.core])
        names = ("kernel", "neuron", "bias")
        cores[str(core.core)] = {
            "layer": core.name,
            **{n: [a, b] for n, a, b in zip(names, need, room, strict=True)},
        }
    return {
        "device": placed.device,
        "cores": len(placed.cores),
        "cores_offered": device.cores,
        "neurons": sum(core.output[0] * core.output[1] * core.output[2] for core in placed.cores),
        "weights": sum(int(core.weights.size) for core in placed.cores),
        "memory": cores,
    }


def relies_on(placed: Placed) -> tuple[str, ...]:
    """Return what the build needs of the silicon though nobody measured it."""
    found = [STEPS]
    if any(core.bias is not None for core in placed.cores):
        found.append(LEAK)
    return tuple(found)


STEPS = (
    "time-steps: the chip has none; it answers event by event, so its counts differ from the "
    "time-stepped program where several events meet in one step"
)
LEAK = (
    "leak-clock: biases are added at ticks of the slow clock, which the host sets to the length of "
    "a time step"
)
