"""Reads the event packets of AEDAT 4 recordings.

A file is a line, a header and packets; header and packets are FlatBuffers behind their length,
packets compressed as the header says. Of a table only the slots that are needed are looked up, each
within the bounds of its packet.
"""

import struct
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from snnc.diagnostics import fail
from snnc.ir.weights import Array
from snnc.targets.dynapcnn.recordings.event_files import PIXEL, refuse

MAGIC = b"#!AER-DAT4.0\r\n"
EVENTS = b"EVTS"
COMPRESSIONS = ("", "lz4", "lz4", "zstandard", "zstandard")
"""Packages that undo a header's compression, by its number: none, LZ4 and Zstandard twice each."""

COMPRESSION, TABLE = 0, 1
"""Slots of the header: how packets are compressed, where the list of packets at the end begins."""


def packets(path: Path) -> Iterator[Array]:
    """Yield the events of each packet, in the order of the file.

    Raises:
        SnncError: `event-file` where the file is none or breaks off, `missing-package`.
    """
    data = path.read_bytes()
    if not data.startswith(MAGIC):
        raise refuse(path, "it does not begin as an AEDAT 4 file does")
    try:
        yield from _packets(path, data)
    except (struct.error, IndexError, ValueError) as error:
        raise refuse(path, f"the file breaks off or is damaged ({error})") from None


def _packets(path: Path, data: bytes) -> Iterator[Array]:
    (length,) = struct.unpack_from("<I", data, len(MAGIC))
    at = len(MAGIC) + 4 + length
    header = data[len(MAGIC) + 4 : at]
    number = _number(header, COMPRESSION, "<i", 0)
    end = _number(header, TABLE, "<q", -1)
    if not 0 <= number < len(COMPRESSIONS):
        raise refuse(path, f"its compression {number} is unknown")
    plain = _plain(COMPRESSIONS[number])
    stop = len(data) if end < 0 else end
    while at < stop:
        _, size = struct.unpack_from("<ii", data, at)
        body = data[at + 8 : at + 8 + size]
        if size < 0 or len(body) != size:
            raise refuse(path, f"a packet of {size} bytes is cut short")
        at += 8 + size
        packet = plain(body)[4:]
        if packet[4:8] == EVENTS:
            yield _events(packet)


def _plain(package: str) -> Callable[[bytes], bytes]:
    if not package:
        return bytes
    if find_spec(package) is None:
        raise fail(
            "missing-package",
            f"the recording is compressed, and {package} is not installed",
            help="pip install snnc[recordings], or write the recording without compression",
        )
    if package == "lz4":
        found: Callable[[bytes], bytes] = import_module("lz4.frame").decompress
        return found
    stream = import_module("zstandard").ZstdDecompressor()
    return lambda body: bytes(stream.decompressobj().decompress(body))


def _slot(table: bytes, slot: int) -> int:
    """Return where a slot of the root table lies, 0 where it is left out."""
    (root,) = struct.unpack_from("<I", table, 0)
    (back,) = struct.unpack_from("<i", table, root)
    layout = root - back
    (size,) = struct.unpack_from("<H", table, layout)
    if 4 + 2 * slot + 2 > size:
        return 0
    (offset,) = struct.unpack_from("<H", table, layout + 4 + 2 * slot)
    return root + offset if offset else 0


def _number(table: bytes, slot: int, kind: str, default: int) -> int:
    at = _slot(table, slot)
    return int(struct.unpack_from(kind, table, at)[0]) if at else default


def _events(packet: bytes) -> Array:
    at = _slot(packet, 0)
    if not at:
        return np.zeros(0, PIXEL)
    (ahead,) = struct.unpack_from("<I", packet, at)
    (count,) = struct.unpack_from("<I", packet, at + ahead)
    return np.frombuffer(packet, PIXEL, count, at + ahead + 4)
