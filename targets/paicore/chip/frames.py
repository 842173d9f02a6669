"""Bit layouts of every PAICORE 2.0 word, as tables, with one codec for all of them.

A `Layout` lists fields by low bit and width; `encode` and `decode` translate between arrays of
field values and 64-bit words, any number of words at once. Encoding refuses a value that its field
can't hold; decoding never fails. Files and links carry 64-bit words, least significant byte first.
The positions were measured on the vendor's exported frames.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

import numpy as np
from attrs import field, frozen
from numpy.typing import ArrayLike, NDArray

from snnc.diagnostics import fail

Words = NDArray[np.uint64]
Ints = NDArray[np.int64]


class Kind(IntEnum):
    """Frame type, the upper four bits of a word."""

    SEED = 0
    REGISTER = 1
    NEURONS = 2
    WEIGHTS = 3
    TEST_SEED = 4
    TEST_REGISTER = 5
    TEST_NEURONS = 6
    TEST_WEIGHTS = 7
    SPIKE = 8
    SYNC = 9
    CLEAR = 10
    INIT = 11


@frozen
class Field:
    """One field: `low` is its lowest bit in the layout; `vendor` its name in the vendor's JSON."""

    name: str
    low: int
    width: int
    signed: bool = False
    vendor: str = ""

    @property
    def range(self) -> tuple[int, int]:
        """Smallest and largest value that fits."""
        if self.signed:
            return -(1 << (self.width - 1)), (1 << (self.width - 1)) - 1
        return 0, (1 << self.width) - 1


@frozen
class Layout:
    """Fields over `words` words that carry `word_bits` bits each.

    Bit 0 is the lowest bit of the first word, or of the last one where `high_first`.
    """

    name: str
    fields: tuple[Field, ...]
    words: int = 1
    word_bits: int = 64
    high_first: bool = False
    by_name: dict[str, Field] = field(init=False, eq=False, repr=False)
    pieces: dict[str, list[tuple[int, int, int, int]]] = field(init=False, eq=False, repr=False)
    """The parts of each field: (word, low bit there, low bit in the value, width)."""

    @by_name.default
    def _index_fields(self) -> dict[str, Field]:
        return {f.name: f for f in self.fields}

    @pieces.default
    def _cut_fields(self) -> dict[str, list[tuple[int, int, int, int]]]:
        return {f.name: self._cut(f) for f in self.fields}

    def _cut(self, f: Field) -> list[tuple[int, int, int, int]]:
        parts = []
        done = 0
        while done < f.width:
            place, low = divmod(f.low + done, self.word_bits)
            width = min(f.width - done, self.word_bits - low)
            parts.append((self.words - 1 - place if self.high_first else place, low, done, width))
            done += width
        return parts


_ADDRESS = (
    Field("core_mask_y", 30, 5),
    Field("core_mask_x", 35, 5),
    Field("core_y", 40, 5),
    Field("core_x", 45, 5),
    Field("chip_y", 50, 5),
    Field("chip_x", 55, 5),
    Field("kind", 60, 4),
)
HEADER = Layout("header", (Field("payload", 0, 30), *_ADDRESS))
PACKAGE = Layout(
    "package header",
    (Field("count", 0, 19), Field("request", 19, 1), Field("start", 20, 10), *_ADDRESS),
)
SPIKE = Layout(
    "spike",
    (
        Field("data", 0, 8),
        Field("slot", 8, 8),
        Field("axon", 16, 11),
        Field("zero", 27, 3),
        *_ADDRESS,
    ),
)

SEED = Layout("seed", (Field("seed", 26, 64),), words=3, word_bits=30, high_first=True)
REGISTER = Layout(
    "core register",
    (
        Field("weight_code", 88, 2, vendor="weight_width"),
        Field("lcn", 84, 4, vendor="lcn"),
        Field("wide_input", 83, 1, vendor="input_width"),
        Field("wide_output", 82, 1, vendor="spike_width"),
        Field("dendrites", 69, 13, vendor="neuron_num"),
        Field("max_pool", 68, 1, vendor="pool_max"),
        Field("tick_start", 53, 15, vendor="tick_wait_start"),
        Field("tick_count", 38, 15, vendor="tick_wait_end"),
        Field("keep_potential", 37, 1, vendor="snn_en"),
        Field("target_lcn", 33, 4, vendor="target_lcn"),
        Field("test_chip", 23, 10, vendor="test_chip_addr"),
    ),
    words=3,
    word_bits=30,
    high_first=True,
)
RECORD = Layout(
    "neuron record",
    (
        Field("potential", 0, 30, signed=True, vendor="vjt_pre"),
        Field("truncation", 30, 5, vendor="bit_truncate"),
        Field("random_weight", 35, 1, vendor="weight_det_stoch"),
        Field("leak", 36, 30, signed=True, vendor="leak_v"),
        Field("random_leak", 66, 1, vendor="leak_det_stoch"),
        Field("leak_reversal", 67, 1, vendor="leak_reversal_flag"),
        Field("threshold", 68, 29, vendor="threshold_pos"),
        Field("negative_threshold", 97, 29, vendor="threshold_neg"),
        Field("floor", 126, 1, vendor="threshold_neg_mode"),
        Field("threshold_mask", 127, 5, vendor="threshold_mask_ctrl"),
        Field("leak_after", 132, 1, vendor="leak_post"),
        Field("reset_value", 133, 30, signed=True, vendor="reset_v"),
        Field("reset_mode", 163, 2, vendor="reset_mode"),
        Field("chip_y", 165, 5, vendor="addr_chip_y"),
        Field("chip_x", 170, 5, vendor="addr_chip_x"),
        Field("core_mask_y", 175, 5, vendor="addr_core_y_ex"),
        Field("core_mask_x", 180, 5, vendor="addr_core_x_ex"),
        Field("core_y", 185, 5, vendor="addr_core_y"),
        Field("core_x", 190, 5, vendor="addr_core_x"),
        Field("axon", 195, 11, vendor="addr_axon"),
        Field("tick", 206, 8, vendor="tick_relative"),
    ),
    words=4,
)
RECORD_WORDS = RECORD.words
PAYLOAD_MASK = np.uint64((1 << 30) - 1)


def encode(layout: Layout, fields: Mapping[str, ArrayLike]) -> Words:
    """Return `uint64[n, words]` of the fields, scalars or arrays of one length n.

    Every field of the layout must be given.

    Raises:
        SnncError: `frame-fields` if the names are not those of the layout; `frame-value` if a value
            does not fit its field.
    """
    odd = set(fields) ^ set(layout.by_name)
    if odd:
        raise fail(
            "frame-fields",
            f"{layout.name}: missing or unknown fields: {', '.join(sorted(odd))}",
            help="give exactly the fields of the layout in frames.py",
        )
    same = [0] * layout.words
    columns: list[tuple[Field, Words, bool]] = []
    shapes = set()
    for f in layout.fields:
        given = fields[f.name]
        if isinstance(given, int) and f.range[0] <= given <= f.range[1]:
            least = most = int(given)
        else:
            value = np.asarray(given)
            least, most = _ends(layout, f, value)
            shapes.add(value.shape)
        if least == most:
            for word, low, done, width in layout.pieces[f.name]:
                same[word] |= (least >> done & (1 << width) - 1) << low
        else:
            raw = value.astype(np.int64).view("u8") if least < 0 else value.astype(np.uint64)
            columns.append((f, raw, least >= 0))
    lengths = shapes - {(), (1,)}
    if len(lengths) > 1 or any(len(shape) != 1 for shape in lengths):
        raise fail(
            "frame-fields",
            f"{layout.name}: fields have the shapes {sorted(lengths)}",
            help="give scalars, or arrays of one length",
        )
    count = lengths.pop()[0] if lengths else 1
    words = np.empty((count, layout.words), dtype=np.uint64)
    words[:] = np.array(same, dtype=np.uint64)
    for f, value, plain in columns:
        for word, low, done, width in layout.pieces[f.name]:
            # What is not cut and has no sign lies within its width already.
            part = value if plain and width == f.width else value >> done & (1 << width) - 1
            words[:, word] |= part << low
    return words


def decode(layout: Layout, words: Words, names: tuple[str, ...] = ()) -> dict[str, Ints]:
    """Return the fields (all, or those named) of `uint64[n, words]` as `int64[n]`."""
    chosen = [layout.by_name[n] for n in names] if names else layout.fields
    return {f.name: _signed(f, extract(layout, f.name, words)) for f in chosen}


def extract(layout: Layout, name: str, words: Words) -> Words:
    """Return the raw bits of one field of `uint64[n, words]` as `uint64[n]`."""
    value = np.zeros(len(words), dtype=np.uint64)
    for word, low, done, width in layout.pieces[name]:
        part = (words[:, word] >> np.uint64(low)) & np.uint64((1 << width) - 1)
        value |= part << np.uint64(done)
    return value


def _ends(layout: Layout, f: Field, value: NDArray[Any]) -> tuple[int, int]:
    """Return the least and the greatest value of a field, 0 where there is none.

    Raises:
        SnncError: `frame-value` unless all are integers that the field holds.
    """
    low, high = f.range
    whole = value.dtype.kind in "iub"
    if whole and not value.size:
        return 0, 0
    least, most = (int(value.min()), int(value.max())) if whole else (0, 0)
    if not whole or least < low or most > high:
        bad = np.flatnonzero((value < low) | (value > high)) if whole else [0]
        sample = value.ravel()[bad[0]] if value.size else value.dtype
        raise fail(
            "frame-value",
            f"{layout.name}: {f.name} = {sample} is not an integer in {low}..{high}",
            help=f"the field has {f.width} bits",
        )
    return least, most


def _signed(f: Field, raw: Words) -> Ints:
    value = raw.view(np.int64)
    if not f.signed:
        return value
    sign = np.int64(1 << (f.width - 1))
    return (value ^ sign) - sign


def encode_records(fields: Mapping[str, ArrayLike]) -> Words:
    """Return `uint64[n, 4]` neuron records; fields as in `RECORD`."""
    return encode(RECORD, fields)


def decode_records(words: Words) -> dict[str, Ints]:
    """Return every field of `uint64[n, 4]` neuron records as `int64[n]`."""
    return decode(RECORD, words)


def encode_register(fields: Mapping[str, ArrayLike]) -> Words:
    """Return `uint64[n, 3]` payloads of core registers; fields as in `REGISTER`."""
    return encode(REGISTER, fields)


def decode_register(payloads: Words) -> dict[str, Ints]:
    """Return every field of `uint64[n, 3]` core register payloads as `int64[n]`."""
    return decode(REGISTER, payloads)


def address(
    chip: tuple[int, int], core: tuple[ArrayLike, ArrayLike] = (0, 0)
) -> dict[str, ArrayLike]:
    """Return the address fields of a word for one core, without multicast."""
    return {
        "chip_x": chip[0],
        "chip_y": chip[1],
        "core_x": core[0],
        "core_y": core[1],
        "core_mask_x": 0,
        "core_mask_y": 0,
    }


def linear(x: int, y: int) -> int:
    """Return the 10-bit address of a chip or core coordinate."""
    return x << 5 | y


def coordinate(linear_address: int) -> tuple[int, int]:
    """Return the coordinate of a 10-bit address."""
    return linear_address >> 5, linear_address & 31


def plain_words(
    kind: Kind, chip: tuple[int, int], core: tuple[int, int], payload: ArrayLike = 0
) -> Words:
    """Return `uint64[n]` words of a kind for one core, one for each 30-bit payload."""
    return encode(HEADER, {**address(chip, core), "kind": kind, "payload": payload})[:, 0]


def package_word(
    kind: Kind,
    chip: tuple[int, int],
    core: tuple[int, int],
    start: ArrayLike,
    count: ArrayLike,
    request: bool = False,
) -> Words:
    """Return `uint64[n]` package headers: `count` data words from RAM address `start`."""
    fields: dict[str, Any] = {"kind": kind, "start": start, "count": count, "request": request}
    return encode(PACKAGE, {**address(chip, core), **fields})[:, 0]


def spike_words(
    chip: tuple[int, int],
    core: tuple[ArrayLike, ArrayLike],
    mask: tuple[ArrayLike, ArrayLike],
    axon: ArrayLike,
    slot: ArrayLike,
    data: ArrayLike = 1,
) -> Words:
    """Return `uint64[n]` spike words to the multicast group of `core` and `mask`."""
    fields = {"kind": Kind.SPIKE, "zero": 0, "axon": axon, "slot": slot, "data": data}
    masks = {"core_mask_x": mask[0], "core_mask_y": mask[1]}
    return encode(SPIKE, {**address(chip, core), **masks, **fields})[:, 0]


def sync_word(chip: tuple[int, int], steps: int) -> Words:
    """Return the one word, as `uint64[1]`, that lets a chip run `steps` steps."""
    return plain_words(Kind.SYNC, chip, (0, 0), steps)


def clear_word(chip: tuple[int, int]) -> Words:
    """Return the clear word of a chip as `uint64[1]`."""
    return plain_words(Kind.CLEAR, chip, (0, 0))


def init_word(chip: tuple[int, int]) -> Words:
    """Return the init word of a chip as `uint64[1]`."""
    return plain_words(Kind.INIT, chip, (0, 0))


def seed_words(chip: tuple[int, int], core: tuple[int, int], seed: int) -> Words:
    """Return the three words that set a core's 64-bit random seed."""
    payloads = encode(SEED, {"seed": np.asarray([seed], dtype=np.uint64)})[0]
    return plain_words(Kind.SEED, chip, core, payloads)
