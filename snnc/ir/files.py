"""Files: writing so that nothing half-written is ever left behind, and reading `.npz` archives."""

import hashlib
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from snnc.diagnostics import SnncError, fail

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read_npz(path: Path) -> "dict[str, NDArray[Any]]":
    """Return the arrays of an `.npz` file by name, in the order of the file, never unpickling.

    Raises:
        ValueError: with the reason, for whatever is none: damaged, compressed in another way,
            holding objects, or of a size that memory does not hold.
    """
    import numpy as np

    try:
        with open(path, "rb") as stream:
            start = stream.read(6)
        if start[:2] != b"PK" and start != b"\x93NUMPY":
            # numpy takes all else for pickled objects, and says how to load them.
            raise ValueError("it is no .npz file" if start else "it is empty")
        opened = np.load(path, allow_pickle=False)
        if isinstance(opened, np.ndarray):
            raise ValueError("it holds a single array without a name (.npy)")
        with opened as archive:
            arrays = {key: archive[key] for key in archive.files}
    except Exception as error:  # numpy parses headers as Python, and lets all of it through.
        raise ValueError(str(error) or type(error).__name__) from error
    for key, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise ValueError(f"{key!r} is no array")
    return arrays


def is_special(path: Path) -> bool:
    """Whether a device, a pipe or a socket lies there, which has no name to give away."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def write_atomically(path: Path, data: bytes | Iterable[bytes | memoryview]) -> None:
    """Write bytes (or chunks of bytes) under a temporary name, then rename.

    A link stays one: the file that it leads to is written. A device or pipe is written into.

    Raises:
        SnncError: `output-unwritable` when the folder cannot be written or the disk is full; the
            temporary file is removed.
    """
    if is_special(path):
        write_composed(path, data)
        return
    path = Path(os.path.realpath(path)) if os.path.islink(path) else path
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with _created(temporary) as stream:
            stream.writelines([data] if isinstance(data, bytes) else data)
        os.replace(temporary, path)
    except OSError as error:
        _discard(temporary)
        raise _unwritable(path, error) from error
    except BaseException:
        _discard(temporary)
        raise


def write_composed(path: Path, data: bytes | Iterable[bytes | memoryview]) -> str:
    """Write bytes (or chunks) into a folder that its maker renames, or removes, as a whole.

    Returns:
        The SHA-256 of what was written, in hexadecimal.

    Raises:
        SnncError: `output-unwritable` when the folder cannot be written or the disk is full.
    """
    try:
        found = hashlib.sha256()
        with open(path, "wb") as stream:
            for chunk in [data] if isinstance(data, bytes) else data:
                found.update(chunk)
                stream.write(chunk)
        return found.hexdigest()
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> SnncError:
    return fail(
        "output-unwritable",
        f"cannot write {path}: {error.strerror or error}",
        help="choose another folder, or free space",
    )


def _discard(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _created(path: Path) -> BinaryIO:
    """Return a new file, opened; folders above it are made where they lack."""
    try:
        return path.open("xb")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("xb")
