"""Compiled objects on disk, by a digest of the code, the path, and the compiler.

An entry is its own digest and the object. It is written under another name and then renamed, so
that processes may share a folder; what cannot be read, or is not what was written, is as if it
were not there. A folder that cannot be written to, or is not known, is no error: code is then
compiled every time.
"""

import hashlib
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

SIZE = hashlib.sha256().digest_size


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
    digest, code = data[:SIZE], data[SIZE:]
    return code if hashlib.sha256(key.encode() + code).digest() == digest else None


def write(folder: Path, key: str, code: bytes) -> None:
    """Keep an object, if the folder takes it."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(key.encode() + code).digest() + code)
            os.replace(name, folder / f"{key}.o")
        except OSError:
            with suppress(OSError):
                os.unlink(name)
            raise
