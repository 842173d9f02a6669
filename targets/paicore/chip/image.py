"""The configuration of a whole system: cores in file order, to words and back.

`parse(image.words()) == image`, and `parse(words).words()` gives the same words. Words that no
configuration of ours or of the vendor's contains are refused, with the index of the word.
"""

import numpy as np
from attrs import field, frozen

from snnc.diagnostics import UNKNOWN, Location, SnncError, fail
from snnc.targets.paicore.chip import frames, ram
from snnc.targets.paicore.chip.core import (
    Coordinate,
    CoreImage,
    Mode,
    Register,
    check_register,
    core_words,
)
from snnc.targets.paicore.chip.frames import Kind, Layout, Words
from snnc.targets.paicore.limits import LIMITS

__all__ = ["ChipImage", "CoreImage", "Mode", "Register", "core_words", "parse"]

_HELP = "write the configuration anew with `snnc compile`; a transfer may have damaged it"
_PAYLOAD_BITS = 30
_ADDRESS_MASK = (1 << 30) - 1


@frozen
class ChipImage:
    """Configured cores, of one chip or several, in file order; idle cores included."""

    cores: tuple[CoreImage, ...]
    index: dict[tuple[Coordinate, Coordinate], int] = field(init=False, eq=False, repr=False)

    @index.default
    def _index_cores(self) -> dict[tuple[Coordinate, Coordinate], int]:
        places: dict[tuple[Coordinate, Coordinate], int] = {}
        for number, core in enumerate(self.cores):
            if places.setdefault((core.chip, core.at), number) != number:
                raise fail(
                    "core-twice",
                    f"chip {core.chip} core {core.at} is configured twice",
                    help=_HELP,
                )
        return places

    def __attrs_post_init__(self) -> None:
        chips = set(self.chips)
        for core in self.cores:
            if core.register.test_chip in chips:
                raise fail(
                    "output-chip",
                    f"core {core.at} of chip {core.chip} sends its output to chip "
                    f"{core.register.test_chip}, which is configured itself",
                    help="choose an output chip that is not among the target chips",
                )

    @property
    def chips(self) -> tuple[Coordinate, ...]:
        """Chips in order of first appearance."""
        return tuple(dict.fromkeys(core.chip for core in self.cores))

    def core(self, chip: Coordinate, at: Coordinate) -> CoreImage:
        """Return the core at a place; it must exist."""
        return self.cores[self.index[chip, at]]

    def words(self, chip: Coordinate | None = None) -> Words:
        """Return the configuration words of all cores, or of one chip's, in order."""
        chosen = [core_words(c) for c in self.cores if chip is None or c.chip == chip]
        return np.concatenate(chosen) if chosen else np.zeros(0, dtype=np.uint64)


def parse(words: Words, source: str = "") -> ChipImage:
    """Return the image that configuration words, `uint64[n]`, describe.

    `source` names the file in messages.

    Raises:
        SnncError: `config-truncated`, `config-frame`, `config-address`, `config-register`,
            `config-records`, `config-copies`, `config-weights`, `config-stray-bits`,
            `online-core`, `core-twice` or `output-chip`; the message gives
            the word.
    """
    reader = _Reader(words, source)
    cores: list[CoreImage] = []
    seen: set[tuple[Coordinate, Coordinate]] = set()
    while reader.place < len(words):
        start = reader.place
        core = _parse_core(reader)
        if (core.chip, core.at) in seen:
            message = f"chip {core.chip} core {core.at} is configured twice"
            raise reader.error("core-twice", message, start)
        seen.add((core.chip, core.at))
        cores.append(core)
    return ChipImage(tuple(cores))


class _Reader:
    """A position in the words, and errors that name it."""

    def __init__(self, words: Words, source: str) -> None:
        self.words = words
        self.place = 0
        self.loc = Location(file=source) if source else UNKNOWN

    def error(self, code: str, message: str, place: int) -> SnncError:
        return fail(code, f"word {place}: {message}", self.loc, help=_HELP)

    def relocated(self, error: SnncError, place: int) -> SnncError:
        """Return the error of a part, now with its word."""
        first = error.diagnostics[0]
        return fail(first.code, f"word {place}: {first.message}", self.loc, help=first.help)

    def kind(self) -> int:
        """Return the kind of the next word, -1 at the end."""
        return int(self.words[self.place]) >> 60 if self.place < len(self.words) else -1

    def take(self, count: int, what: str) -> Words:
        """Return the next `count` words."""
        left = len(self.words) - self.place
        if left < count:
            message = f"{what} takes {count} words, {left} are left"
            raise self.error("config-truncated", message, len(self.words))
        self.place += count
        return self.words[self.place - count : self.place]

    def begin(self, kind: Kind, what: str, address: int | None) -> int:
        """Check kind and address of the next word; return its bits above the payload."""
        if self.place == len(self.words):
            raise self.error("config-truncated", f"{what} expected, the words end", self.place)
        if self.kind() != kind:
            message = f"{what} (header {int(kind)}) expected, found header {self.kind()}"
            raise self.error("config-frame", message, self.place)
        upper = int(self.words[self.place]) >> _PAYLOAD_BITS
        if address is not None and (upper ^ address) & _ADDRESS_MASK:
            message = f"{what} is addressed to another core than the words before it"
            raise self.error("config-address", message, self.place)
        return upper

    def plain(self, layout: Layout, kind: Kind, what: str, address: int | None) -> Words:
        """Take the three words that hold `layout`; return their payloads, `uint64[1, 3]`."""
        start = self.place
        address = self.begin(kind, what, address)
        payloads = []
        for _ in range(layout.words):
            self.begin(kind, what, address)
            payloads.append(self.take(1, what) & frames.PAYLOAD_MASK)
        unused = min(f.low for f in layout.fields)
        if int(payloads[-1][0]) & ((1 << unused) - 1):
            message = f"{what} has bits set below its last field"
            raise self.error("config-stray-bits", message, start + layout.words - 1)
        return np.array(payloads, dtype=np.uint64).reshape(1, layout.words)

    def package(self, kind: Kind, what: str, address: int, start: int) -> Words:
        """Take a package whose data begin at RAM address `start`; return the data."""
        place = self.place
        self.begin(kind, what, address)
        header = frames.decode(frames.PACKAGE, self.take(1, what)[:, None])
        if header["request"][0]:
            raise self.error("config-frame", f"{what}: this is a read request", place)
        if header["start"][0] != start:
            code = "config-records" if kind == Kind.NEURONS else "config-weights"
            message = f"{what} start at address {header['start'][0]}, expected {start}"
            raise self.error(code, message, place)
        return self.take(int(header["count"][0]), what)


def _parse_core(reader: _Reader) -> CoreImage:
    start = reader.place
    address = reader.begin(Kind.SEED, "the seed of a core", None) & _ADDRESS_MASK
    where = frames.decode(frames.HEADER, reader.words[start : start + 1, None])
    if where["core_mask_x"][0] or where["core_mask_y"][0]:
        raise reader.error("config-address", "configuration goes to several cores", start)
    chip = int(where["chip_x"][0]), int(where["chip_y"][0])
    at = int(where["core_x"][0]), int(where["core_y"][0])
    payloads = reader.plain(frames.SEED, Kind.SEED, "the seed of a core", address)
    seed = int(frames.extract(frames.SEED, "seed", payloads)[0])
    place = reader.place
    payloads = reader.plain(frames.REGISTER, Kind.REGISTER, "the core register", address)
    register = Register.from_payloads(payloads[0])
    problem = check_register(register)
    if problem:
        raise reader.relocated(problem, place)
    records, segments = _parse_records(reader, register, address)
    rows = _parse_rows(reader, address, 0, register.weight_rows, "weights", "config-weights")
    records = np.concatenate([records, _parse_spilled(reader, register, address)])
    try:
        return CoreImage(
            chip=chip,
            at=at,
            register=register,
            seed=seed,
            records=records,
            rows=rows,
            segments=segments,
        )
    except SnncError as error:
        raise reader.relocated(error, start) from None


def _parse_records(
    reader: _Reader, register: Register, address: int
) -> tuple[Words, tuple[int, ...]]:
    """Take all record packages; return one record of each neuron, and the package sizes."""
    copies, near = register.copies, register.in_ram
    parts = [np.zeros((0, frames.RECORD_WORDS), dtype=np.uint64)]
    segments: list[int] = []
    while sum(segments) < near:
        place = reader.place
        body = reader.package(Kind.NEURONS, "neuron records", address, sum(segments) * copies)
        count, rest = divmod(body.size, frames.RECORD_WORDS * copies)
        if rest or not count or sum(segments) + count > near:
            message = (
                f"{body.size} words of records, the register leaves room for "
                f"{near - sum(segments)} neurons x {copies} copies x 4 words"
            )
            raise reader.error("config-records", message, place)
        alike = body.reshape(count, copies, frames.RECORD_WORDS)
        odd = np.flatnonzero((alike != alike[:, :1]).any(axis=(1, 2)))
        if odd.size:
            message = f"the {copies} copies of the record of neuron {sum(segments) + odd[0]} differ"
            raise reader.error("config-copies", message, place)
        parts.append(alike[:, 0])
        segments.append(count)
    return np.concatenate(parts), tuple(segments)


def _parse_rows(
    reader: _Reader, address: int, start: int, rows: int, what: str, code: str
) -> Words:
    """Take a package of rows of the weight RAM; none where there are no rows."""
    if not rows:
        return np.zeros((0, LIMITS.weight_row_words), dtype=np.uint64)
    place = reader.place
    body = reader.package(Kind.WEIGHTS, what, address, start)
    if body.size != rows * LIMITS.weight_row_words:
        message = f"{body.size} words of {what}, expected {rows} rows of 18"
        raise reader.error(code, message, place)
    return body.reshape(rows, LIMITS.weight_row_words)


def _parse_spilled(reader: _Reader, register: Register, address: int) -> Words:
    """Take the records of neurons that the neuron RAM has no room for."""
    count = register.neurons - register.in_ram
    rows = -(-count // LIMITS.wide_neurons_per_row)
    place, what = reader.place, "records beyond the neuron RAM"
    found = _parse_rows(reader, address, register.weight_rows, rows, what, "config-records")
    records = ram.unpack_records(found, count)
    if (ram.pack_records(records) != found).any():
        raise reader.error("config-stray-bits", f"bits between the {what} are set", place)
    return records
