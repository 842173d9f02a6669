"""What one core is configured to do: register, neuron records, weight RAM, and its words.

A `CoreImage` holds exactly the information of its configuration frames, packed as they are, and is
legal by construction: whatever the chip has no meaning for is refused with a `SnncError`. Repeated
copies of a record are not held; they follow from the register.
"""

from collections.abc import Mapping
from enum import Enum

import attrs
import numpy as np
from attrs import field, frozen
from numpy.typing import ArrayLike, NDArray

from snnc.diagnostics import SnncError, fail
from snnc.targets.paicore.chip import frames, ram
from snnc.targets.paicore.chip.frames import Ints, Kind, Words
from snnc.targets.paicore.chip.geometry import axon_step, axons_of, capacity, weight_rows
from snnc.targets.paicore.limits import LIMITS

Coordinate = tuple[int, int]


class Mode(Enum):
    """What a core computes: (wide input, wide output, keeps its potential)."""

    BANN = (0, 0, 0)
    SNN = (0, 0, 1)
    BANN_TO_ANN = (0, 1, 0)
    SNN_WITH_VALUES = (0, 1, 1)
    ANN_TO_SNN = (1, 0, 0)
    ANN = (1, 1, 0)


@frozen(kw_only=True)
class Register:
    """The core register. Codes as on the chip; `dendrites` counts neurons times `repeat`.

    `tick_start` = s > 0 starts the core at global step s (from 1), 0 never; `tick_count` = 0 lets
    it work for ever.
    """

    weight_code: int = 0
    lcn: int = 0
    wide_input: int = 0
    wide_output: int = 0
    dendrites: int = 0
    max_pool: int = 0
    tick_start: int = 0
    tick_count: int = 0
    keep_potential: int = 1
    target_lcn: int = 0
    test_chip: Coordinate = LIMITS.output_chip

    @property
    def weight_bits(self) -> int:
        """Bits of a weight: 1, 2, 4 or 8."""
        return 1 << self.weight_code

    @property
    def extension(self) -> int:
        """Slots of the input buffer that one step reads (the axon extension L)."""
        return 1 << self.lcn

    @property
    def repeat(self) -> int:
        """Dendrites of a neuron."""
        return 1 << (self.lcn + self.weight_code)

    @property
    def copies(self) -> int:
        """Copies of a neuron's record: with 1-bit input one for each of its dendrites."""
        return 1 if self.wide_input else self.repeat

    @property
    def axons(self) -> int:
        """Axons of one slot."""
        return axons_of(bool(self.wide_input))

    @property
    def axon_step(self) -> int:
        """Axon addresses from one axon to the next."""
        return axon_step(bool(self.wide_input))

    @property
    def capacity(self) -> int:
        """Most logical neurons of a core with these weights and this extension."""
        return capacity(bool(self.wide_input), self.weight_bits, self.extension)

    @property
    def weight_rows(self) -> int:
        """Rows of the weight RAM that a configuration fills: what a full core would need."""
        if not self.dendrites:
            return 0
        return weight_rows(bool(self.wide_input), self.weight_bits, self.extension)

    @property
    def in_ram(self) -> int:
        """Neurons whose records lie in the neuron RAM; those of the others follow the weights."""
        return min(self.neurons, LIMITS.neuron_addresses // self.copies)

    @property
    def neurons(self) -> int:
        """Logical neurons of the core."""
        return self.dendrites // self.repeat

    @property
    def mode(self) -> Mode:
        """What the core computes; only legal registers have one."""
        return Mode((self.wide_input, self.wide_output, self.keep_potential))

    def payloads(self) -> Words:
        """Return the three 30-bit payloads of the register's frames."""
        fields = attrs.asdict(self) | {"test_chip": frames.linear(*self.test_chip)}
        return frames.encode_register(fields).reshape(-1)

    @classmethod
    def from_payloads(cls, payloads: Words) -> "Register":
        """Return the register of three payloads; it may still be illegal."""
        fields = {k: int(v[0]) for k, v in frames.decode_register(payloads[None]).items()}
        test_chip = frames.coordinate(fields.pop("test_chip"))
        return cls(**fields, test_chip=test_chip)


_MODES = {mode.value for mode in Mode}


def check_register(register: Register) -> SnncError | None:
    """Return what is wrong with a register, or None: `config-register`."""
    problem = ""
    if (register.wide_input, register.wide_output, register.keep_potential) not in _MODES:
        problem = "8-bit input that keeps its potential is no mode of the chip"
    elif max(register.lcn, register.target_lcn) > LIMITS.max_lcn:
        codes = f"lcn {register.lcn} and target lcn {register.target_lcn}"
        problem = f"{codes} must be at most {LIMITS.max_lcn}"
    elif register.max_pool and not (register.wide_input and register.wide_output):
        problem = "max pooling needs 8-bit input and output"
    elif register.neurons > register.capacity:
        problem = f"{register.neurons} neurons exceed {register.capacity}"
    elif register.dendrites % register.repeat:
        problem = f"{register.dendrites} dendrites are no multiple of {register.repeat} per neuron"
    return fail("config-register", problem, help=_REWRITE) if problem else None


_REWRITE = "write the configuration anew with `snnc compile`"


def _refusal(
    chip: Coordinate, at: Coordinate, code: str, message: str, help: str = _REWRITE
) -> SnncError:
    return fail(code, f"chip {chip} core {at}: {message}", help=help)


def check_head(chip: Coordinate, at: Coordinate, register: Register) -> None:
    """Raise unless a core lies where cores may work, with a legal register.

    Raises:
        SnncError: `core-coordinate`, `online-core` or `config-register`.
    """
    if not all(0 <= n < LIMITS.side for n in (*chip, *at)):
        message = f"coordinates must lie in 0..{LIMITS.side - 1}"
        raise _refusal(chip, at, "core-coordinate", message, "choose a chip and core of the grid")
    if LIMITS.is_online(*at):
        way_out = f"use cores with x or y below {LIMITS.online_from}"
        raise _refusal(chip, at, "online-core", "learning cores are not supported", way_out)
    problem = check_register(register)
    if problem:
        first = problem.diagnostics[0]
        raise _refusal(chip, at, first.code, first.message, first.help)


_HIGHEST = {
    "truncation": LIMITS.max_truncation,
    "reset_mode": LIMITS.max_reset_mode,
    "axon": LIMITS.axons - 1,
    "potential": 0,
}
"""Fields of the neuron record whose bits allow more than the chip does."""


def record_problem(records: Words) -> tuple[str, str] | None:
    """Return code and message for the first illegal one of `uint64[n, 4]` records, or None."""
    for name, high in _HIGHEST.items():
        values = frames.extract(frames.RECORD, name, records)
        bad = np.flatnonzero(values > high)
        if bad.size:
            bits = f"{name} has the bits {values[bad[0]]:#x}"
            return "config-records", f"neuron {bad[0]}: {bits}, at most {high} is legal"
    if records.size and (records[:, -1] >> np.uint64(_LAST_WORD_BITS)).any():
        return "config-stray-bits", "bits beyond the neuron record are set"
    return None


_LAST_WORD_BITS = sum(f.width for f in frames.RECORD.fields) % 64
_NO_RECORDS = np.zeros((0, frames.RECORD_WORDS), dtype=np.uint64)
_NO_ROWS = np.zeros((0, LIMITS.weight_row_words), dtype=np.uint64)
_SAME = attrs.cmp_using(eq=np.array_equal)


@frozen(kw_only=True)
class CoreImage:
    """One configured core.

    `records` are the packed neuron records, `uint64[neurons, 4]`; `rows` the packed weights,
    `uint64[weight_rows, 18]`. `segments` are the neuron counts of the packages in which the records
    of the neuron RAM are sent; those of further neurons follow the weights.
    """

    chip: Coordinate
    at: Coordinate
    register: Register
    seed: int = 0
    records: Words = field(default=_NO_RECORDS, eq=_SAME, repr=False)
    rows: Words = field(default=_NO_ROWS, eq=_SAME, repr=False)
    segments: tuple[int, ...] = ()

    def __attrs_post_init__(self) -> None:
        check_head(self.chip, self.at, self.register)
        count, near = self.register.neurons, self.register.in_ram
        if len(self.records) != count or sum(self.segments) != near or 0 in self.segments:
            raise self._error(
                "config-records",
                f"the register says {count} neurons, there are {len(self.records)} records "
                f"in segments {self.segments}",
            )
        problem = record_problem(self.records)
        if problem:
            raise self._error(*problem)
        self._check_rows()

    def _error(self, code: str, message: str) -> SnncError:
        return _refusal(self.chip, self.at, code, message)

    def _check_rows(self) -> None:
        expected = self.register.weight_rows
        if self.rows.shape != (expected, LIMITS.weight_row_words):
            raise self._error(
                "config-weights",
                f"the weight RAM has shape {self.rows.shape}, expected {expected} rows",
            )
        used, rest = divmod(self.register.dendrites * self.register.axons, 64)
        flat = self.rows.reshape(-1)[used:]
        if flat.size and (flat[0] >> np.uint64(rest) or flat[1:].any()):
            raise self._error(
                "config-stray-bits",
                f"weight bits beyond dendrite {self.register.dendrites - 1} are set",
            )

    @classmethod
    def build(
        cls,
        chip: Coordinate,
        at: Coordinate,
        register: Register,
        neurons: Mapping[str, ArrayLike],
        weights: NDArray[np.int8],
        *,
        seed: int = 0,
        segments: tuple[int, ...] = (),
    ) -> "CoreImage":
        """Return a working core.

        `neurons` gives every field of `frames.RECORD`, scalar or per neuron; `weights` is
        `int8[n, extension * axons]` (neuron, axon). One segment unless `segments` says otherwise.
        """
        count = len(weights)
        rows = pack_rows(register, weights)
        records = frames.encode_records(neurons)
        if len(records) == 1 < count:
            records = np.repeat(records, count, axis=0)
        return cls(
            chip=chip,
            at=at,
            register=register,
            seed=seed,
            records=records,
            rows=rows,
            segments=segments or (register.in_ram,),
        )

    @classmethod
    def idle(
        cls, chip: Coordinate, at: Coordinate, test_chip: Coordinate = LIMITS.output_chip
    ) -> "CoreImage":
        """Return a core that is reserved by a multicast group and does nothing."""
        return cls(chip=chip, at=at, register=Register(test_chip=test_chip))

    @property
    def neurons(self) -> dict[str, Ints]:
        """Every field of the neuron records, `int64[neurons]` each."""
        return frames.decode_records(self.records)

    @property
    def weights(self) -> NDArray[np.int8]:
        """The weights, `int8[neurons, extension * axons]`."""
        r = self.register
        return ram.unpack_weights(self.rows, r.neurons, r.weight_bits, r.extension, r.axons)


def pack_rows(register: Register, weights: NDArray[np.int8]) -> Words:
    """Return the weights of a core as rows of its weight RAM, `uint64[weight_rows, 18]`.

    Raises:
        SnncError: `weight-range` or `weight-capacity`.
    """
    r = register
    rows = ram.pack_weights(weights, r.weight_bits, r.extension, r.axons)
    return rows[: r.weight_rows]


def core_words(core: CoreImage) -> Words:
    """Return the configuration words of a core in file order.

    Seed (3), register (3), a package of records per segment with `copies` of each record, the
    weights, and the records of neurons beyond the neuron RAM. An idle core has the first six only.
    """
    register = core.register
    parts = [
        frames.seed_words(core.chip, core.at, core.seed),
        frames.plain_words(Kind.REGISTER, core.chip, core.at, register.payloads()),
    ]
    first = 0
    for count in core.segments:
        records = core.records[first : first + count]
        body = np.repeat(records, register.copies, axis=0).reshape(-1)
        start = first * register.copies
        parts += [frames.package_word(Kind.NEURONS, core.chip, core.at, start, body.size), body]
        first += count
    far = ram.pack_records(core.records[first:])
    parts += packaged(core.chip, core.at, 0, core.rows)
    parts += packaged(core.chip, core.at, register.weight_rows, far)
    return np.concatenate(parts)


def packaged(chip: Coordinate, at: Coordinate, start: int, rows: Words) -> list[Words]:
    """Return rows of the weight RAM from an address on, with their header; nothing for no rows."""
    if not rows.size:
        return []
    header = frames.package_word(Kind.WEIGHTS, chip, at, start, rows.size)
    return [header, rows.reshape(-1)]
