"""Writing files so that nothing half-written is ever left behind."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from snnc.diagnostics import fail


def write_atomically(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Write bytes (or chunks of bytes) under a temporary name, then rename.

    Raises:
        SnncError: `output-unwritable` when the folder cannot be written or the disk is full; the
            temporary file is removed.
    """
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as stream:
            for chunk in [data] if isinstance(data, bytes) else data:
                stream.write(chunk)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except OSError as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        reason = error.strerror or str(error)
        raise fail(
            "output-unwritable",
            f"cannot write {path}: {reason}",
            help="choose another folder, or free space",
        ) from error
    except BaseException:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise
