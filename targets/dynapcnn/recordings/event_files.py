"""Files of events: structured arrays in `.npy` and `.npz`, recordings of cameras read from others.

What is read has the fields x, y, feature, timestamp and, where the file says it, layer. A camera's
polarity is the feature. Times are whole microseconds, as the file has them.
"""

from pathlib import Path

import numpy as np

from snnc.diagnostics import Location, SnncError, fail
from snnc.ir.files import write_atomically
from snnc.ir.weights import Array
from snnc.targets.dynapcnn.recordings.events import EVENT

NAMES = {
    "x": ("x",),
    "y": ("y",),
    "feature": ("feature", "p", "polarity", "channel"),
    "timestamp": ("timestamp", "t"),
    "layer": ("layer",),
}
"""Names under which files have the fields, ours first."""

SUFFIXES = (".npy", ".npz", ".aedat4", ".bin")
_RECORD = 5
"""Bytes of an event of a .bin file."""


def read_events(path: Path) -> Array:
    """Return the events of a file, int64 fields, `layer` only where the file has it.

    `.npy` and `.npz` hold a structured array, or `.npz` an array per field; `.aedat4` is the format
    of iniVation; `.bin` that of N-MNIST: 40 bits an event, x, y, polarity and 23 bits of time.

    Raises:
        SnncError: `event-file`, `missing-package`.
    """
    readers = {".npy": _numpy, ".npz": _numpy, ".aedat4": _aedat4, ".bin": _forty_bits}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise refuse(path, f"a file of events ends in one of {', '.join(SUFFIXES)}")
    try:
        return reader(path)
    except OSError as error:
        raise refuse(path, error.strerror or str(error)) from None


def refuse(path: Path, reason: str) -> SnncError:
    """Return the error for a file that is no file of events."""
    return fail(
        "event-file",
        f"no events can be read: {reason}",
        Location(file=str(path)),
        help="give a structured array with x, y, feature (or p), timestamp (or t) in .npy or .npz, "
        "or a recording (.aedat4, .bin)",
    )


def _numpy(path: Path) -> Array:
    try:
        loaded = np.load(path, allow_pickle=False)
        arrays = {"": loaded} if isinstance(loaded, np.ndarray) else {n: loaded[n] for n in loaded}
    except (ValueError, EOFError, KeyError) as error:
        raise refuse(path, f"it is no file of arrays ({error})") from None
    if len(arrays) == 1:
        whole = next(iter(arrays.values()))
        if whole.dtype.names is not None:
            arrays = {name: whole[name] for name in whole.dtype.names}
    found: dict[str, Array] = {}
    for field, names in NAMES.items():
        known = [name for name in names if name in arrays]
        if known:
            found[field] = _column(path, known[0], arrays[known[0]])
        elif field != "layer":
            raise refuse(path, f"it has no {field}, but {', '.join(arrays) or 'nothing'}")
    if len({len(column) for column in found.values()}) > 1:
        raise refuse(path, "its fields have different lengths")
    return made(**found)


def _column(path: Path, name: str, array: Array) -> Array:
    if array.ndim != 1 or array.dtype.kind not in "biu":
        kind = f"{array.dtype}[{', '.join(map(str, array.shape))}]"
        raise refuse(path, f"{name} is {kind}, not one whole number per event")
    if array.dtype == np.uint64 and len(array) and array.max() > np.iinfo(np.int64).max:
        raise refuse(path, f"{name} holds {array.max()}, beyond 63 bits")
    return array.astype(np.int64)


def made(**columns: Array) -> Array:
    """Return columns as a structured array of int64 fields."""
    events = np.zeros(len(columns["x"]), dtype=[(name, "i8") for name in columns])
    for name, column in columns.items():
        events[name] = column
    return events


def _forty_bits(path: Path) -> Array:
    data = np.frombuffer(path.read_bytes(), np.uint8)
    if len(data) % _RECORD:
        raise refuse(path, f"its {len(data)} bytes are no whole number of events of {_RECORD}")
    rows = data.reshape(-1, _RECORD).astype(np.int64)
    time = (rows[:, 2] & 0x7F) << 16 | rows[:, 3] << 8 | rows[:, 4]
    return made(x=rows[:, 0], y=rows[:, 1], feature=rows[:, 2] >> 7, timestamp=time)


def _aedat4(path: Path) -> Array:
    from snnc.targets.dynapcnn.recordings.aedat4 import packets

    parts = [np.zeros(0, PIXEL), *packets(path)]
    events = np.concatenate(parts)
    return made(
        x=events["x"].astype(np.int64),
        y=events["y"].astype(np.int64),
        feature=events["on"].astype(np.int64),
        timestamp=events["t"].astype(np.int64),
    )


PIXEL = np.dtype(
    {
        "names": ["t", "x", "y", "on"],
        "formats": ["<i8", "<i2", "<i2", "u1"],
        "offsets": [0, 8, 10, 12],
        "itemsize": 16,
    }
)
"""An event of a camera as AEDAT 4 packets hold it."""


def write_events(path: Path, events: Array) -> None:
    """Write events as a structured array; in `.npz` it is called `events`.

    Raises:
        SnncError: `event-file` for another suffix, `output-unwritable`.
    """
    from io import BytesIO

    data = BytesIO()
    kept = np.ascontiguousarray(events.astype(EVENT.newbyteorder("<")))
    if path.suffix == ".npy":
        np.save(data, kept, allow_pickle=False)
    elif path.suffix == ".npz":
        np.savez(data, events=kept)
    else:
        raise refuse(path, "events are written to .npy or .npz")
    write_atomically(path, data.getvalue())
