"""Tables of a DYNAP-CNN build: cores, memories in the vendor's terms, inputs, outputs, activity."""

from collections.abc import Iterator, Mapping
from typing import Any

from snnc.targets.dynapcnn.artifact.records import Placed
from snnc.targets.dynapcnn.emit import MEMORIES, memory_table
from snnc.targets.dynapcnn.emulation.played import Activity
from snnc.targets.dynapcnn.limits import LIMITS, chip


def cores(placed: Placed) -> Iterator[dict[str, Any]]:
    """Yield a row per core of the device, used or not, by number."""
    device, used = chip(placed.device), placed.by_number
    words = memory_table(placed)
    rooms = dict(zip(MEMORIES, (device.kernel, device.neuron, device.bias), strict=True))
    for number in range(device.cores):
        row: dict[str, Any] = {"core": number, "layer": None}
        row |= {name: [0, room[number]] for name, room in rooms.items()}
        if number in used:
            core = used[number]
            row |= words[str(number)]
            row |= {
                "input": list(core.input),
                "neurons": list(core.output),
                "kernel_size": core.kernel,
                "stride": list(core.stride),
                "padding": list(core.padding),
                "threshold": [core.low, core.high],
                "reset": "zero" if core.return_to_zero else "subtract",
                "leak": core.bias is not None,
                "monitor": core.monitor,
                "sends": [
                    {"core": to.core, "pool": to.pool, "shift": to.shift}
                    for to in core.destinations
                ],
            }
        yield row


def ports(placed: Placed) -> Iterator[dict[str, Any]]:
    """Yield a row per input and output: the layers whose number its events have."""
    pixels = placed.pixels
    for one in placed.inputs:
        through = pixels is not None and pixels.input == one.name
        layers = [LIMITS.dvs_layer] if through else [to.core for to in one.destinations]
        yield {"value": one.name, "way": "in", "type": one.type, "layers": layers}
    for output in placed.outputs:
        layers = [LIMITS.dvs_layer if core == -1 else core for core in output.cores]
        shape = "x".join(map(str, output.shape))
        yield {"value": output.name, "way": "out", "type": shape, "layers": layers}


def totals(placed: Placed) -> dict[str, Any]:
    """Return the device by both names, and the words of each memory that are used, and there."""
    device, rows = chip(placed.device), list(cores(placed))
    return {
        "device": placed.device,
        "vendor_device": device.device,
        "cores": [len(placed.cores), device.cores],
        **{name: [sum(row[name][k] for row in rows) for k in (0, 1)] for name in MEMORIES},
    }


def activity(
    placed: Placed, counted: Activity, samples: int, ticks: int, dt: int
) -> Iterator[dict[str, Any]]:
    """Yield a row per layer: counts per sample, and rates if a tick takes `dt` microseconds.

    Rates are estimates for real time: the vendor publishes no throughput per core to hold them
    against.
    """
    seconds = max(1, ticks) * dt * 1e-6
    for core in placed.cores:
        row: Mapping[str, int] = counted[core.core]
        each = {f"{name}_per_sample": row[name] / max(1, samples) for name in row}
        rates = {f"{name}_per_second": each[f"{name}_per_sample"] / seconds for name in row}
        yield {"layer": core.name, "core": core.core, **each, **rates}
