"""Words on disk: .bin, .npy and .txt, whole or split, written completely or not at all.

`.bin` is 64-bit words, least significant byte first; `.npy` a 1-D uint64 array; `.txt` a line of 64
digits 0 or 1 per word, highest bit first. A configuration is one file `config_all.EXT`, one per
chip `config_chipA_cores_all.EXT`, or one per core `config_chipA_coreB.EXT` (A, B are 10-bit
addresses). Split files are read in ascending order of chip and core, so an image split by core and
read back has its cores in that order.
"""

import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np

from snnc.diagnostics import Location, SnncError, fail
from snnc.ir.files import write_atomically
from snnc.targets.paicore.chip.core import core_words
from snnc.targets.paicore.chip.frames import Words, linear
from snnc.targets.paicore.chip.image import ChipImage, parse

Format = Literal["bin", "npy", "txt"]
Split = Literal["none", "chip", "core"]

FORMATS: tuple[Format, ...] = ("bin", "npy", "txt")
_NAME = re.compile(r"config_(?:all|chip(\d+)_cores_all|chip(\d+)_core(\d+))\.(bin|npy|txt)")
_DIGITS = 64
_BIT_VALUES = np.arange(_DIGITS - 1, -1, -1, dtype=np.uint64)


def write_image(
    image: ChipImage, folder: Path, formats: Iterable[Format] = ("bin",), split: Split = "none"
) -> list[Path]:
    """Write a configuration into a folder; return the paths, in file order.

    Raises:
        SnncError: `output-unwritable`, with the reason; then no file written here remains.
    """
    paths: list[Path] = []
    try:
        for stem, words in _parts(image, split):
            for suffix in formats:
                path = folder / f"{stem}.{suffix}"
                write_words(path, words)
                paths.append(path)
    except SnncError:
        for path in paths:
            path.unlink(missing_ok=True)
        raise
    return paths


def read_image(path: Path) -> ChipImage:
    """Return the configuration in a file, or in the configuration files of a folder.

    In a folder, .bin files are read if there are any, else .npy, else .txt.

    Raises:
        SnncError: `config-missing` if there is none, `config-split` if there are files of more than
            one way to split; errors of `read_words` and of `parse`, with the file.
    """
    if not path.is_dir():
        return parse(read_words(path), str(path))
    parts = [parse(read_words(p), str(p)) for p in _config_paths(path)]
    return ChipImage(tuple(core for part in parts for core in part.cores))


def write_words(path: Path, words: Words) -> None:
    """Write `uint64[n]` in the format that the file name says, atomically.

    Raises:
        SnncError: `output-unwritable` if the system refuses; the old file, if any, is untouched.
    """
    write_atomically(path, _encode(words, _suffix(path)))


def read_words(path: Path) -> Words:
    """Return the words of a file as `uint64[n]`; the name says the format.

    Raises:
        SnncError: `config-missing`, `input-unreadable` or `words-malformed`.
    """
    suffix = _suffix(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise fail(
            "config-missing",
            "there is no such file",
            Location(file=str(path)),
            help="give the path of a written configuration or frame file",
        ) from None
    except OSError as error:
        raise fail(
            "input-unreadable",
            f"can't read {path.name}: {error.strerror or error}",
            Location(file=str(path)),
            help="check the path and its permissions",
        ) from None
    decode = {"bin": _decode_bin, "npy": _decode_npy, "txt": _decode_txt}[suffix]
    return decode(content, path)


def _parts(image: ChipImage, split: Split) -> list[tuple[str, Words]]:
    """Return (file stem, words) of each file."""
    if split == "none":
        return [("config_all", image.words())]
    if split == "chip":
        chips = sorted(image.chips)
        return [(f"config_chip{linear(*c)}_cores_all", image.words(c)) for c in chips]
    cores = sorted(image.cores, key=lambda core: (core.chip, core.at))
    return [(f"config_chip{linear(*c.chip)}_core{linear(*c.at)}", core_words(c)) for c in cores]


def _config_paths(folder: Path) -> list[Path]:
    found: dict[tuple[str, bool, bool], list[tuple[int, int, Path]]] = {}
    for path in sorted(folder.iterdir()):
        match = _NAME.fullmatch(path.name)
        if match:
            chip, core_chip, core, suffix = match.groups()
            way = (suffix, chip is not None, core is not None)
            place = (int(chip or core_chip or 0), int(core or 0), path)
            found.setdefault(way, []).append(place)
    for suffix in FORMATS:
        ways = [way for way in found if way[0] == suffix]
        if len(ways) > 1:
            raise fail(
                "config-split",
                f"the folder holds .{suffix} configurations split in {len(ways)} ways",
                Location(file=str(folder)),
                help="keep one of them, or name the file to read",
            )
        if ways:
            return [path for _, _, path in sorted(found[ways[0]])]
    raise fail(
        "config-missing",
        "the folder holds no config_*.bin, .npy or .txt",
        Location(file=str(folder)),
        help="give a folder written by `snnc compile`, or the path of a file",
    )


def _suffix(path: Path) -> str:
    suffix = path.suffix[1:]
    if suffix not in FORMATS:
        raise fail(
            "words-format",
            f"unknown file format {path.suffix!r}",
            Location(file=str(path)),
            help="name the file .bin, .npy or .txt",
        )
    return suffix


def _encode(words: Words, suffix: str) -> bytes:
    if suffix == "bin":
        return words.astype("<u8").tobytes()
    if suffix == "npy":
        stream = io.BytesIO()
        np.save(stream, words.astype("<u8"), allow_pickle=False)
        return stream.getvalue()
    bits = np.unpackbits(words.astype(">u8").view(np.uint8)).reshape(-1, _DIGITS)
    lines = np.full((len(words), _DIGITS + 1), ord("\n"), dtype=np.uint8)
    lines[:, :_DIGITS] = bits + np.uint8(ord("0"))
    return lines.tobytes()


def _malformed(path: Path, message: str) -> SnncError:
    return fail(
        "words-malformed",
        message,
        Location(file=str(path)),
        help="the file is damaged or of another kind; write it anew",
    )


def _decode_bin(content: bytes, path: Path) -> Words:
    if len(content) % 8:
        raise _malformed(path, f"{len(content)} bytes are no whole number of 8-byte words")
    return np.frombuffer(content, dtype="<u8").astype(np.uint64, copy=False)


def _decode_npy(content: bytes, path: Path) -> Words:
    stream = io.BytesIO(content)
    try:
        array = np.lib.format.read_array(stream, allow_pickle=False)
    except Exception as error:  # numpy lets parser errors of many types out of a damaged header
        raise _malformed(path, f"not an .npy file: {error}") from None
    if array.dtype != np.uint64 or array.ndim != 1:
        found = f"{array.dtype} of {array.ndim} dimensions"
        raise _malformed(path, f"expected uint64 of 1 dimension, found {found}")
    if stream.read(1):
        raise _malformed(path, "there are bytes beyond the array")
    return array.astype(np.uint64, copy=False)


def _decode_txt(content: bytes, path: Path) -> Words:
    text = np.frombuffer(content, dtype=np.uint8)
    width = _DIGITS + 1
    if len(text) % width:
        raise _malformed(path, f"{len(text)} bytes are no whole number of lines of 64 digits")
    lines = text.reshape(-1, width)
    digits = lines[:, :_DIGITS] ^ np.uint8(ord("0"))
    odd = np.flatnonzero((digits > 1).any(axis=1) | (lines[:, _DIGITS] != ord("\n")))
    if odd.size:
        raise _malformed(path, f"line {odd[0] + 1} is not 64 digits 0 or 1")
    return np.packbits(digits, axis=None).view(">u8").astype(np.uint64)
