"""A placed module becomes `config.json` and `layout.json`, and what the manifest says of them."""

from pathlib import Path
from typing import Any

from snnc.extend.target import Emitted
from snnc.ir.graph import Module
from snnc.targets.dynapcnn.artifact import device_script, settings
from snnc.targets.dynapcnn.artifact.assemble import read_module, to_module
from snnc.targets.dynapcnn.artifact.config import tree
from snnc.targets.dynapcnn.artifact.layout import read_files, write_files
from snnc.targets.dynapcnn.artifact.records import Placed, memory
from snnc.targets.dynapcnn.artifact.settings import configured
from snnc.targets.dynapcnn.check import check
from snnc.targets.dynapcnn.limits import LIMITS, chip
from snnc.targets.dynapcnn.options import Options

MEMORIES = ("kernel", "neuron", "bias")


def emit(module: Module, folder: Path, options: Options) -> Emitted:
    """Write the files of a placed module into an existing folder.

    Raises:
        SnncError: `placed-malformed`, `output-unwritable`.
    """
    placed = read_module(module)
    config = configured(tree(placed, chip(placed.device)), placed, options)
    names = write_files(placed, folder, config)
    if options.config_modifier:
        check(to_module(read_files(folder))).check(exit_status=4)
    names += (device_script.write(config, placed, folder, options),)
    latency = {output.name: 0 for output in placed.outputs}
    layout = {"device": placed.device, "memory": memory_table(placed)}
    layout |= settings.modifier_digest(options)
    relies = (*relies_on(placed), *settings.relies_on(options))
    return Emitted(names, resources(placed), latency, relies, layout)


def resources(placed: Placed) -> dict[str, int]:
    """Return what a network takes of the chip, as numbers for the manifest."""
    table = memory_table(placed).values()
    words = {name: sum(row[name][0] for row in table) for name in MEMORIES}
    bits = (LIMITS.weight_bits, LIMITS.state_bits, LIMITS.bias_bits)
    return {
        "cores": len(placed.cores),
        "cores_offered": chip(placed.device).cores,
        "neurons": sum(core.output[0] * core.output[1] * core.output[2] for core in placed.cores),
        "weights": sum(int(core.weights.size) for core in placed.cores),
        **{f"{name}_words": count for name, count in words.items()},
        "memory_bytes": sum(n * w for n, w in zip(words.values(), bits, strict=True)) // 8,
    }


def memory_table(placed: Placed) -> dict[str, dict[str, Any]]:
    """Return, per core, its layer and the words used and there of each memory."""
    device = chip(placed.device)
    rooms = (device.kernel, device.neuron, device.bias)
    made: dict[str, dict[str, Any]] = {}
    for core in placed.cores:
        need = memory(core.weights.shape, core.output, core.bias is not None)
        words = {n: [a, r[core.core]] for n, a, r in zip(MEMORIES, need, rooms, strict=True)}
        made[str(core.core)] = {"layer": core.name, **words}
    return made


def relies_on(placed: Placed) -> tuple[str, ...]:
    """Return what the build needs of the silicon though nobody measured it."""
    found = [STEPS] if placed.cores else []
    if any(core.bias is not None for core in placed.cores):
        found.append(LEAK)
    if any(core.readout for core in placed.cores):
        found.append(READOUT)
    return tuple(found)


STEPS = (
    "time-steps: the chip has none; it answers event by event, so its counts differ from the "
    "time-stepped program where several events meet in one step"
)
READOUT = (
    "readout-spacing: class i of the readout block listens to feature 4 (i - 1), as the vendor's "
    "builder assumes"
)
LEAK = (
    "leak-clock: biases are added at ticks of the slow clock, which the host sets to the length of "
    "a time step"
)
