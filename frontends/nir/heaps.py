"""The places of an HDF5 file where texts lie, checked before the HDF5 library walks them.

The library follows the sizes in a global heap without looking whether they lead on, so that one
flipped byte makes it loop for ever. The contract: every heap that passes here ends. Layout: HDF5
File Format Specification 3.0, sections II.A (superblock) and III.E (global heap).
"""

import mmap
import struct
from pathlib import Path

from snnc.diagnostics import Location, fail

SIGNATURE = b"\x89HDF\r\n\x1a\n"
HEAP = b"GCOL\x01"
HEADER = 16
"""Bytes before the first object of a heap, and before the data of each."""

MOST = 1 << 20
"""Objects of one file: texts of names, types and edges."""


def check_heaps(path: Path) -> None:
    """Refuse a file with a text heap that does not add up.

    Raises:
        SnncError: `nir-unreadable`.
    """
    if path.stat().st_size < len(SIGNATURE) + HEADER:
        raise damaged(path, "it is too short for HDF5")
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[: len(SIGNATURE)] != SIGNATURE:
            raise damaged(path, "it is not an HDF5 file")
        # Sizes of addresses and of lengths stand at 13 in old superblocks and at 9 in new ones.
        place = 13 if data[8] < 2 else 9
        if data[place] != 8 or data[place + 1] != 8:
            raise damaged(path, "its addresses have not 8 bytes")
        count, start = 0, data.find(HEAP)
        while start >= 0:
            count = _walk(path, data, start, count)
            start = data.find(HEAP, start + len(HEAP))


def _walk(path: Path, data: mmap.mmap, start: int, count: int) -> int:
    """Follow the objects of one heap; returns `count` and their number."""
    if start + HEADER > len(data):
        raise damaged(path, "a heap of texts is cut off")
    end = start + int(struct.unpack_from("<Q", data, start + 8)[0])
    if not start + HEADER <= end <= len(data):
        raise damaged(path, "a heap of texts reaches beyond its end")
    here = start + HEADER
    while here + HEADER <= end:
        index, _, _, size = struct.unpack_from("<HHIQ", data, here)
        step = size if index == 0 else HEADER + (size + 7) // 8 * 8
        count += 1
        if not HEADER <= step <= end - here or count > MOST:
            raise damaged(path, "a heap of texts does not add up")
        here += step
    return count


def damaged(path: Path, what: str) -> Exception:
    """Return the error for a file that is no HDF5, or no longer."""
    return fail(
        "nir-unreadable",
        f"cannot read {path}: {what}",
        Location(file=str(path)),
        help="a .nir file is written by nir.write or by snnc; this one is something else, was cut "
        "off or is damaged; export the network again",
    )
