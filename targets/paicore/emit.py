"""A placed module becomes the files of a build: frames, the vendor's JSON, `layout.json`.

All neuron records are encoded at once from the tables; weights are made, packed, written and
dropped core by core, so a build of any size passes through little memory. Every file is written
under a temporary name first. The contract: `load` gives the same module back from these files.
"""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen

from snnc.diagnostics import fail
from snnc.extend.target import Emitted
from snnc.ir.files import write_atomically
from snnc.ir.graph import Module
from snnc.targets.paicore import frames, side
from snnc.targets.paicore.core import Coordinate
from snnc.targets.paicore.frames import Words, linear
from snnc.targets.paicore.image import CoreImage, core_words
from snnc.targets.paicore.layout import ADDRESSES, COLUMNS, LAYOUT, describe
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.options import Options
from snnc.targets.paicore.placed import Core, Idle, Placed, malformed, read_placed

HEADER_WORDS = 6
"""Words of an idle core: seed and register."""


@frozen(eq=False)
class Writer:
    """Makes the words of each core of a placed module."""

    placed: Placed
    records: Words

    @property
    def cores(self) -> list[Core | Idle]:
        """Used and idle cores in text order."""
        both: tuple[Core | Idle, ...] = (*self.placed.cores, *self.placed.idle)
        by_op = {core.op: core for core in both}
        return [by_op[op] for op in self.placed.module.ops("core", "idle")]

    def words(self, core: Core | Idle) -> Words:
        """Return the configuration of one core; its weights are made now and not kept."""
        if isinstance(core, Idle):
            return core_words(CoreImage.idle(core.chip, core.at, core.test_chip))
        register = side.register(core)
        weights = self.placed.module.tensor(core.weights)
        if weights.dtype.itemsize != 1:
            raise malformed(f"{core.weights} holds {weights.dtype}, not weights", core.op.loc)
        rows = frames.pack_weights(weights.view(np.int8), register.weight_bits, register.extension)
        image = CoreImage(
            chip=core.chip,
            at=core.at,
            register=register,
            records=self.records[core.row : core.row + core.count],
            rows=rows,
            segments=(core.count,),
        )
        return core_words(image)

    def count(self, core: Core | Idle) -> int:
        """Return how many words `words` gives."""
        if isinstance(core, Idle):
            return HEADER_WORDS
        records = frames.RECORD_WORDS * core.count * side.register(core).repeat
        return HEADER_WORDS + 1 + records + 1 + LIMITS.weight_rows * LIMITS.weight_row_words

    def files(self, split: str) -> dict[str, list[Core | Idle]]:
        """Return the cores of each file, by file stem (paicore.md, section 4.7)."""
        parts: dict[str, list[Core | Idle]] = {}
        for core in self.cores:
            chip = f"config_chip{linear(*core.chip)}"
            stem = {
                "none": "config_all",
                "chip": f"{chip}_cores_all",
                "core": f"{chip}_core{linear(*core.at)}",
            }[split]
            parts.setdefault(stem, []).append(core)
        return parts


def encode_tables(placed: Placed) -> Words:
    """Return the neuron records of all cores, `uint64[neurons, 4]`."""
    tables = placed.tables
    fields: dict[str, Any] = {f.name: 0 for f in frames.RECORD.fields}
    fields |= {to: tables[name] for name, to in COLUMNS.items()}
    for name, to in ADDRESSES.items():
        fields |= {f"{to}_x": tables[name] >> 5, f"{to}_y": tables[name] & 31}
    return frames.encode_records(fields) if len(tables["core"]) else np.zeros((0, 4), np.uint64)


def emit(module: Module, folder: Path, options: Options) -> Emitted:
    """Write the files of a placed module into an existing folder.

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
    writer = Writer(placed, encode_tables(placed))
    names = [
        write_config(writer, folder / f"{stem}.{suffix}", cores)
        for stem, cores in writer.files(options.split).items()
        for suffix in dict.fromkeys(options.format)
    ]
    names += _write_side(placed, folder, options, chips)
    return Emitted(tuple(names), resources(writer, chips), placed.latency(), relies_on(placed), {})


def write_config(writer: Writer, path: Path, cores: list[Core | Idle]) -> str:
    """Write the words of some cores in the format of the file name, one core at a time."""
    write_atomically(path, _chunks(writer, path.suffix, cores))
    return path.name


def _chunks(writer: Writer, suffix: str, cores: list[Core | Idle]) -> Iterator[bytes]:
    if suffix == ".npy":
        stream = io.BytesIO()
        shape = (sum(writer.count(core) for core in cores),)
        header = {"descr": "<u8", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        yield stream.getvalue()
    for core in cores:
        words = writer.words(core)
        yield _lines(words) if suffix == ".txt" else words.astype("<u8", copy=False).tobytes()


def _lines(words: Words) -> bytes:
    """Return a line of 64 digits for each word, highest bit first."""
    digits = np.full((len(words), 65), ord("\n"), dtype=np.uint8)
    bits = np.unpackbits(words.astype(">u8").view(np.uint8)).reshape(-1, 64)
    digits[:, :64] = bits + np.uint8(ord("0"))
    return digits.tobytes()


def _write_side(
    placed: Placed, folder: Path, options: Options, chips: tuple[Coordinate, ...]
) -> list[str]:
    contents = {
        side.INPUTS: side.inputs(placed),
        side.OUTPUTS: side.outputs(placed),
        side.GRAPH: side.graph(placed, chips),
    }
    if options.core_params:
        contents[side.CORE_PARAMS] = side.core_params(placed)
    if options.neuron_places:
        contents[side.PLACES] = side.neuron_places(placed)
    for name, content in contents.items():
        write_atomically(folder / name, side.text(content).encode())
    lines = json.dumps(describe(placed.module), separators=(",", ":"))
    write_atomically(folder / LAYOUT, lines.encode())
    return [*contents, LAYOUT]


def resources(writer: Writer, chips: tuple[Coordinate, ...]) -> dict[str, int]:
    """Return what the build takes of the chips, as numbers for the manifest."""
    placed = writer.placed
    cores = placed.cores
    first = [layer for layer in placed.layers if layer.copy == 0]
    return {
        "chips": len(placed.chips),
        "chips_offered": len(chips),
        "cores": len(cores),
        "cores_idle": len(placed.idle),
        "neurons": sum(layer.size for layer in first),
        "neuron_copies": sum(layer.size for layer in placed.layers if layer.copy),
        "dendrites": sum(side.register(core).dendrites for core in cores),
        "axons": sum(LIMITS.axons * core["extension"] for core in cores),
        "weight_bits": sum(
            placed.module.symbol_type(core.weights).size * core["bits"] for core in cores
        ),
        "config_bytes": 8 * sum(writer.count(core) for core in writer.cores),
    }


def relies_on(placed: Placed) -> tuple[str, ...]:
    """Return the properties of the silicon that nobody has measured and that this build needs."""
    tables = placed.tables
    masks = np.unique(np.concatenate([tables["mask"], [linear(*i.mask) for i in placed.inputs]]))
    found = {
        "multicast-masks": any(not _is_block(int(mask)) for mask in masks),
        "reversal-leak-sign": bool((tables["leak_reversal"] * tables["leak"]).any()),
        "leak-after-compare-order": bool((tables["leak_after"] * tables["leak"]).any()),
        "negative-threshold-strictness": bool(_strictness_matters(placed)),
    }
    return tuple(name for name, needed in found.items() if needed)


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
