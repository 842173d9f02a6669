"""Configuration files written core by core: words in file order, formats, splits.

Registers, records and package headers of all cores are encoded at once; a core's weights are made
when its turn comes and dropped after it, so a file of any size passes through little memory.
"""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen

from snnc.ir.files import write_composed
from snnc.targets.paicore.artifact.layout import ADDRESSES, COLUMNS
from snnc.targets.paicore.chip import frames, ram
from snnc.targets.paicore.chip.core import Register, check_head, pack_rows, packaged, record_problem
from snnc.targets.paicore.chip.frames import Kind, Words, linear
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.placed import Core, Idle, Placed, malformed


@frozen(eq=False)
class Part:
    """The configuration of one core but for its weights.

    `head` is its seed and register (6 words), `packages` the headers of records and of weights;
    `count` is how many words the core takes.
    """

    core: Core | Idle
    register: Register
    head: Words
    packages: Words
    records: Words
    count: int


def _count(core: Core | Idle, register: Register, head: int) -> int:
    """Return how many words a core takes, with a head of so many."""
    if isinstance(core, Idle):
        return head
    r = register
    far = -(-(r.neurons - r.in_ram) // LIMITS.wide_neurons_per_row)
    words = (r.weight_rows + far) * LIMITS.weight_row_words + (1 if far else 0)
    return head + 2 + frames.RECORD_WORDS * r.in_ram * r.copies + words


def parts(placed: Placed) -> list[Part]:
    """Return the parts of all cores, used and idle, in text order.

    Raises:
        SnncError: `frame-value` for a number that no frame holds, `placed-malformed` for one that
            no neuron may have, what `check_head` finds wrong with a core.
    """
    both: tuple[Core | Idle, ...] = (*placed.cores, *placed.idle)
    by_op = {core.op: core for core in both}
    cores = [by_op[op] for op in placed.module.ops("core", "idle")]
    if not cores:
        return []
    registers = [
        Register(test_chip=c.test_chip) if isinstance(c, Idle) else c.register for c in cores
    ]
    heads = _heads(cores, registers)
    packages = _packages(cores, registers)
    records = encode_tables(placed)
    none = records[:0]
    found = [
        Part(
            core,
            registers[k],
            heads[k],
            packages[k],
            none if isinstance(core, Idle) else records[core.row : core.row + core.count],
            _count(core, registers[k], heads.shape[1]),
        )
        for k, core in enumerate(cores)
    ]
    _check(found, records)
    return found


def _check(found: Sequence[Part], records: Words) -> None:
    """Refuse what no core may hold; records of all cores are looked at together."""
    for part in found:
        check_head(part.core.chip, part.core.at, part.register)
    if record_problem(records):
        for part in found:
            problem = record_problem(part.records)
            if problem:
                place = f"chip {part.core.chip} core {part.core.at}"
                raise malformed(f"{place}: {problem[1]}", part.core.op.loc)


def _one_or_all(values: Sequence[int]) -> int | Sequence[int]:
    """Return a number that is the same for all cores alone, which is encoded once."""
    return int(values[0]) if values.count(values[0]) == len(values) else values


def _addresses(cores: Sequence[Core | Idle], words: int) -> dict[str, Any]:
    """Return the address fields of so many words for each core."""
    places = np.array([(*c.chip, *c.at) for c in cores]).repeat(words, axis=0)
    names = ("chip_x", "chip_y", "core_x", "core_y")
    return {n: places[:, k] for k, n in enumerate(names)} | {"core_mask_x": 0, "core_mask_y": 0}


def _heads(cores: Sequence[Core | Idle], registers: Sequence[Register]) -> Words:
    """Return seed and register words, `uint64[cores, 6]`; the seed is 0."""
    names = [f.name for f in frames.REGISTER.fields if f.name != "test_chip"]
    fields = {name: _one_or_all([getattr(r, name) for r in registers]) for name in names}
    fields["test_chip"] = _one_or_all([linear(*r.test_chip) for r in registers])
    each = 1 + frames.REGISTER.words
    payloads = np.zeros((len(cores), each), dtype=np.uint64)
    payloads[:, 1:] = frames.encode_register(fields)
    where = _addresses(cores, each)
    kinds = np.tile([Kind.SEED] + [Kind.REGISTER] * frames.REGISTER.words, len(cores))
    words = frames.encode(frames.HEADER, {**where, "kind": kinds, "payload": payloads.ravel()})
    return words.reshape(-1, each)[:, [0] * (frames.SEED.words - 1) + list(range(each))]


def _packages(cores: Sequence[Core | Idle], registers: Sequence[Register]) -> Words:
    """Return the headers of records and weights, `uint64[cores, 2]`."""
    counts = [
        (frames.RECORD_WORDS * r.in_ram * r.copies, LIMITS.weight_row_words * r.weight_rows)
        for r in registers
    ]
    where = _addresses(cores, 2) | {"start": 0, "request": 0}
    kinds = np.tile([Kind.NEURONS, Kind.WEIGHTS], len(cores))
    fields = {**where, "kind": kinds, "count": np.ravel(counts)}
    return frames.encode(frames.PACKAGE, fields).reshape(-1, 2)


def encode_tables(placed: Placed) -> Words:
    """Return the neuron records of all cores, `uint64[neurons, 4]`."""
    tables = placed.tables
    fields: dict[str, Any] = {f.name: 0 for f in frames.RECORD.fields}
    fields |= {to: tables[name] for name, to in COLUMNS.items()}
    for name, to in ADDRESSES.items():
        fields |= {f"{to}_x": tables[name] >> 5, f"{to}_y": tables[name] & 31}
    return frames.encode_records(fields) if len(tables["core"]) else np.zeros((0, 4), np.uint64)


def _core_words(placed: Placed, part: Part) -> tuple[Words, ...]:
    """Return the configuration of one core, piece by piece; its weights are made now, not kept.

    Raises:
        SnncError: `weight-range` or `weight-capacity`.
    """
    core, register = part.core, part.register
    if isinstance(core, Idle):
        return (part.head,)
    weights = placed.module.tensor(core.weights)
    if weights.dtype.itemsize != 1:
        raise malformed(f"{core.weights} holds {weights.dtype}, not weights", core.op.loc)
    rows = pack_rows(register, weights.view(np.int8))
    near, far = part.records[: register.in_ram], part.records[register.in_ram :]
    copies = np.repeat(near, register.copies, axis=0)
    records, weights_package = part.packages[:1], part.packages[1:]
    head = np.concatenate([part.head, records, copies.reshape(-1), weights_package])
    spilled = packaged(core.chip, core.at, register.weight_rows, ram.pack_records(far))
    return (head, rows.reshape(-1), *spilled)


def write_config(
    placed: Placed, folder: Path, formats: Sequence[str], split: str, cores: Sequence[Part]
) -> dict[str, str]:
    """Write the configuration files of all cores; return their names in order, with their SHA-256.

    Raises:
        SnncError: `output-unwritable`, or what `_core_words` raises; no part of a file remains.
    """
    written = {}
    for stem, members in _files(cores, split).items():
        for suffix in dict.fromkeys(formats):
            name = f"{stem}.{suffix}"
            written[name] = write_composed(folder / name, _chunks(placed, suffix, members))
    return written


def _files(cores: Sequence[Part], split: str) -> dict[str, list[Part]]:
    """Return the cores of each file, by file stem (paicore.md, section 4.7)."""
    files: dict[str, list[Part]] = {}
    for part in cores:
        chip = f"config_chip{linear(*part.core.chip)}"
        stem = {
            "none": "config_all",
            "chip": f"{chip}_cores_all",
            "core": f"{chip}_core{linear(*part.core.at)}",
        }[split]
        files.setdefault(stem, []).append(part)
    return files


def _chunks(placed: Placed, suffix: str, cores: Sequence[Part]) -> Iterator[bytes | memoryview]:
    if suffix == "npy":
        stream = io.BytesIO()
        shape = (sum(part.count for part in cores),)
        header = {"descr": "<u8", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        yield stream.getvalue()
    for part in cores:
        for words in _core_words(placed, part):
            yield _lines(words) if suffix == "txt" else np.ascontiguousarray(words, "<u8").data


def _lines(words: Words) -> bytes:
    """Return a line of 64 digits for each word, highest bit first."""
    digits = np.full((len(words), 65), ord("\n"), dtype=np.uint8)
    bits = np.unpackbits(words.astype(">u8").view(np.uint8)).reshape(-1, 64)
    digits[:, :64] = bits + np.uint8(ord("0"))
    return digits.tobytes()
