"""A placed module becomes the files of a build: frames, the vendor's JSON, `layout.json`.

What the manifest says of a build is found here too: what it takes of the chips, its latency, and
the properties of the silicon that it relies on. The contract: `load` gives the same module back
from these files.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from snnc.diagnostics import fail
from snnc.extend.target import Emitted
from snnc.ir.files import write_composed
from snnc.ir.graph import Module
from snnc.targets.paicore.artifact import side
from snnc.targets.paicore.artifact.layout import LAYOUT, describe
from snnc.targets.paicore.artifact.writer import Part, parts, write_config
from snnc.targets.paicore.chip.core import Coordinate
from snnc.targets.paicore.chip.frames import linear
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.options import Options
from snnc.targets.paicore.placed import Idle, Placed, read_placed


def emit(module: Module, folder: Path, options: Options) -> Emitted:
    """Write the files of a placed module into an empty folder.

    Raises:
        SnncError: `chip-list` for cores on a chip that the options do not name, `placed-malformed`,
            `frame-value` or `weight-range` for what no frame can hold, `output-unwritable`.
    """
    placed = read_placed(module)
    chips = options.chips
    for chip in placed.chips:
        if chip not in chips:
            raise fail(
                "chip-list",
                f"cores lie on chip {chip}, the target chips are {list(chips)}",
                help=f"add --chip {chip[0]},{chip[1]}",
            )
    cores = parts(placed)
    written = write_config(placed, folder, options.format, options.split, cores)
    written |= _write_side(placed, folder, options, chips)
    return Emitted(
        tuple(written),
        resources(placed, cores, chips),
        placed.latency(),
        relies_on(placed),
        digests=written,
    )


def _write_side(
    placed: Placed, folder: Path, options: Options, chips: tuple[Coordinate, ...]
) -> dict[str, str]:
    """Write the files beside the frames; return their names with their SHA-256."""
    contents = {
        side.INPUTS: side.inputs(placed),
        side.OUTPUTS: side.outputs(placed),
        side.GRAPH: side.graph(placed, chips, options.clock_enables),
    }
    if options.core_params:
        contents[side.CORE_PARAMS] = side.core_params(placed)
    if options.neuron_places:
        contents[side.PLACES] = side.neuron_places(placed)
    texts = {name: side.STYLE.text(content) for name, content in contents.items()}
    texts[LAYOUT] = json.dumps(describe(placed.module), separators=(",", ":"))
    return {name: write_composed(folder / name, text.encode()) for name, text in texts.items()}


def resources(placed: Placed, parts: Sequence[Part], chips: Sequence[Coordinate]) -> dict[str, int]:
    """Return what the build takes of the chips, as numbers for the manifest."""
    cores = placed.cores
    first = [layer for layer in placed.layers if layer.copy == 0]
    return {
        "chips": len(placed.chips),
        "chips_offered": len(chips),
        "cores": len(cores),
        "cores_idle": len(placed.idle),
        "neurons": sum(layer.size for layer in first),
        "neuron_copies": sum(layer.size for layer in placed.layers if layer.copy),
        "dendrites": sum(part.register.dendrites for part in parts),
        "axons": sum(core.axons * core["extension"] for core in cores),
        "weight_bits": sum(
            placed.module.symbol_type(core.weights).size * core["bits"] for core in cores
        ),
        "config_bytes": 8 * sum(part.count for part in parts),
        "memory_bytes": sum(map(_memory, parts)),
    }


def _memory(part: Part) -> int:
    """Return the bytes of neurons' records and of weights that the frames of a core carry."""
    if isinstance(part.core, Idle):
        return 0
    spilled = part.register.neurons > part.register.in_ram
    return 8 * (part.count - len(part.head) - 2 - spilled)


def relies_on(placed: Placed) -> tuple[str, ...]:
    """Return what this build needs of the silicon though nobody measured it, as `name: meaning`."""
    tables = placed.tables
    masks = {*tables["mask"].tolist()}
    masks |= {linear(*mask) for item in placed.inputs for _, mask, _ in item.destinations}
    found = {
        "multicast-masks": any(not _is_block(mask) for mask in masks),
        "reversal-leak-sign": bool((tables["leak_reversal"] * tables["leak"]).any()),
        "leak-after-compare-order": bool((tables["leak_after"] * tables["leak"]).any()),
        "negative-threshold-strictness": bool(_strictness_matters(placed)),
        "pools-of-weights": any(core["pool"] for core in placed.cores),
        "spikes-without-memory": any(not (core["wide"] or core["keep"]) for core in placed.cores),
    }
    return tuple(f"{name}: {RELIANCE[name]}" for name, needed in found.items() if needed)


RELIANCE = {
    "multicast-masks": "a frame reaches every core that its mask leaves open, also where these are "
    "no block of the quad tree",
    "reversal-leak-sign": "a positive reversal leak drives a potential away from 0",
    "leak-after-compare-order": "a leak after the compare comes before the reset",
    "pools-of-weights": "a core that pools takes the largest of the values that have a weight, "
    "and 0 where all are 0",
    "spikes-without-memory": "a core that takes spikes and keeps no potential has the axons, the "
    "copies of records and the weight rows of one that keeps them",
    "negative-threshold-strictness": "a potential equal to minus the negative threshold does not "
    "pass it",
}
"""Unproven properties of the silicon by name, as the vendor's simulator has them."""


def _is_block(mask: int) -> bool:
    """Whether a mask spans a block of the quad tree: x and y bits interleaved are 2^m - 1."""
    x, y = mask >> 5, mask & 31
    place = sum((x >> k & 1) << 2 * k + 1 | (y >> k & 1) << 2 * k for k in range(5))
    return place & (place + 1) == 0


def _strictness_matters(placed: Placed) -> bool:
    """Whether a potential equal to minus the negative threshold would be treated differently.

    A floor leaves it where it is, and no potential that fits reaches the largest magnitude.
    """
    tables = placed.tables
    resets = (tables["negative_mode"] == 0) & (tables["reset"] != 2)
    return bool((resets & (tables["negative"] < LIMITS.potential_max)).any())
