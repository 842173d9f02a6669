"""Compiled objects on disk, by a digest of the code, the path, and the compiler.

An entry is its own digest and the object. It is written under another name and then renamed, so
that processes may share a folder; what cannot be read, or is not what was written, is as if it
were not there. A folder that cannot be written to, or is not known, is no error: code is then
compiled every time.

What was not read for the longest time goes when the folder has grown beyond its limit. Removing an
entry that another process reads is harmless: that one has it already, or compiles it anew.
"""

import hashlib
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

SIZE = hashlib.sha256().digest_size
LIMIT = 256 << 20
"""Bytes that a folder may hold; it is brought back to three quarters of them."""

TIDYING = "00"
"""Keys that begin so, one of 256, have the folder counted when they are written."""

LEFT = ".part"
"""How names end that entries have while they are written."""

ENTRY = re.compile(r"[0-9a-f]{64}\.o|snnc-.*\.part")
"""Names that are ours; a folder that SNNC_CACHE names may hold other things, which stay."""

DAY = 86400.0
"""Seconds after which reading an entry notes that it was read, and leftovers are removed."""


def cache_folder() -> Path | None:
    """Return the folder of the platform's caches that is ours; SNNC_CACHE names another.

    None is returned for a user without a home, such as a number that no name belongs to.
    """
    given = os.environ.get("SNNC_CACHE")
    if given:
        return Path(given)
    try:
        return _platform() / "snnc" / "native"
    except RuntimeError:
        return None


def _platform() -> Path:
    """Return the folder of caches of this platform.

    Raises:
        RuntimeError: there is no home.
    """
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def read(folder: Path, key: str) -> bytes | None:
    """Return the object of a key, or None."""
    path = folder / f"{key}.o"
    try:
        if not path.is_file():
            return None  # Reading a pipe would wait for somebody to write.
        data = path.read_bytes()
    except OSError:
        return None
    with suppress(OSError):
        if time.time() - path.stat().st_mtime > DAY:
            os.utime(path)
    digest, code = data[:SIZE], data[SIZE:]
    return code if hashlib.sha256(key.encode() + code).digest() == digest else None


def write(folder: Path, key: str, code: bytes) -> None:
    """Keep an object, if the folder takes it."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(LEFT, "snnc-", folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(key.encode() + code).digest() + code)
            os.replace(name, folder / f"{key}.o")
        except OSError:
            with suppress(OSError):
                os.unlink(name)
            raise
    if key.startswith(TIDYING):
        tidy(folder)


def held(folder: Path) -> tuple[int, int]:
    """Return how many entries a folder holds, and their bytes."""
    sizes = [size for name, _, size in _ours(folder) if not name.endswith(LEFT)]
    return len(sizes), sum(sizes)


def tidy(folder: Path) -> None:
    """Remove what was not read for the longest time, until a folder is within its limit again.

    Files that an interrupted process has left go too.
    """
    files = sorted(_ours(folder), key=lambda file: file[1], reverse=True)
    entries = [file for file in files if not file[0].endswith(LEFT)]
    gone = [n for n, used, _ in files if n.endswith(LEFT) and used < time.time() - DAY]
    total = sum(size for _, _, size in entries)
    room = LIMIT * 3 // 4 if total > LIMIT else total
    for name, _, size in entries:
        room -= size
        if room < 0:
            gone.append(name)
    for name in gone:
        with suppress(OSError):
            os.unlink(folder / name)


def _ours(folder: Path) -> Iterator[tuple[str, float, int]]:
    """Yield name, time of the last use and bytes of each of our files that is still there."""
    with suppress(OSError), os.scandir(folder) as found:
        for entry in found:
            with suppress(OSError):
                if ENTRY.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    yield entry.name, status.st_mtime, status.st_size
