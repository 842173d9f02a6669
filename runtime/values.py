"""Files of values: `.npz`, one array per graph input or output, by its name.

A timed value is `(samples, ticks, *shape)`, a constant one `(samples, *shape)`, in the dtype of its
element: uint8 for u1 and u8, int32 for counts, float32 or float16. Reading refuses what does not
fit; writing gives the same bytes for the same arrays, on any day.
"""

import io
import zipfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import numpy as np

from snnc.diagnostics import Diagnostics, SnncError, fail, nearest
from snnc.ir.files import read_npz, write_atomically
from snnc.ir.graph import Value
from snnc.ir.types import Type
from snnc.ir.weights import Array
from snnc.runtime.inputs import check_array

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date of every entry, the earliest that a zip file can hold."""


def types_of(values: Iterable[Value]) -> dict[str, Type]:
    """Return the types of graph inputs or outputs by name."""
    return {value.name: value.type for value in values}


def read_arrays(path: Path) -> dict[str, Array]:
    """Return all arrays of an `.npz` file by name, in the order of the file, unchecked.

    Raises:
        SnncError: `values-missing`, `values-unreadable`.
    """
    path = Path(path)
    if not path.is_file():
        raise fail("values-missing", f"there is no file {path}", help="check the path")
    try:
        return read_npz(path)
    except ValueError as error:
        raise fail(
            "values-unreadable",
            f"{path.name}: {error}",
            help="write it with numpy.savez(path, NAME=array, ...), plain numbers only",
        ) from error


def read_values(
    path: Path, types: Mapping[str, Type], beside: Collection[str] = ()
) -> dict[str, Array]:
    """Return the arrays of a file after checking them against the types wanted, in their order.

    Counts (u16, i32) may stand as int32 and come back in the storage of their element. Arrays of
    the names `beside` may be there too; they come last, as they are.

    Raises:
        SnncError: `values-missing`, `values-unreadable`; all findings at once:
            `missing-value`, `unknown-value`, `input-shape`, `input-dtype`, `input-range`.
    """
    arrays, found = read_arrays(path), Diagnostics()
    checked: dict[str, Array] = {}
    for name in arrays:
        if name not in types and name not in beside:
            found.error(
                "unknown-value",
                f"{Path(path).name} holds {name!r}, which the network does not have",
                help=nearest(name, list(types)),
            )
    for name, type in types.items():
        if name not in arrays:
            found.error(
                "missing-value",
                f"{Path(path).name} does not hold {name!r}: {type}",
                help=f"it holds {', '.join(arrays) or 'nothing'}",
            )
            continue
        try:
            checked[name] = _checked(name, type, arrays[name])
        except SnncError as error:
            found.items += error.diagnostics
    found.check()
    return checked | {n: a for n, a in arrays.items() if n in beside and n not in types}


def _checked(name: str, type: Type, array: Array) -> Array:
    stored = file_dtype(type)
    if array.dtype not in (stored, type.element.storage) and not (
        stored == np.uint8 and array.dtype == np.bool_
    ):
        raise fail(
            "input-dtype",
            f"{name} has dtype {array.dtype}; {type.element} stands in files as {stored}",
            help=f"convert it with {name}.astype({str(stored)!r})",
        )
    return check_array(name, type, array)


def file_dtype(type: Type) -> np.dtype:
    """Return the dtype in which a type's values stand in files."""
    element = type.element
    if element.is_float or element.bits == 1 or element.name == "u8":
        return element.storage
    return np.dtype(np.int32)


def write_values(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays by name, in the order given; counts and other integers become int32.

    Raises:
        SnncError: `output-unwritable`; `bad-value-name` for a name that is no entry of a zip file;
            `input-dtype`, `input-range` for what no element holds.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            _check_entry(name)
            entry = zipfile.ZipInfo(f"{name}.npy", EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            with archive.open(entry, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, _stored(name, array), allow_pickle=False)
    write_atomically(Path(path), buffer.getvalue())


def _check_entry(name: str) -> None:
    """Refuse names that another system would change, or that lead out of a folder if unpacked."""
    if "\\" in name or "\0" in name or {"", ".", ".."} & set(name.split("/")):
        raise fail(
            "bad-value-name",
            f"{name!r} cannot name an array in a file",
            help="rename the value: no backslash, nothing empty, . or .. between slashes",
        )


def _stored(name: str, array: Array) -> Array:
    """Return an array in the dtype of files, little-endian, rows first."""
    kind = array.dtype
    if kind.kind == "b":
        kind = np.dtype(np.uint8)
    elif kind.kind in "iu" and kind != np.uint8:
        kind = np.dtype(np.int32)
        if array.size and not -(2**31) <= int(array.min()) <= int(array.max()) < 2**31:
            raise fail(
                "input-range",
                f"{name} has values in {array.min()}..{array.max()}, beyond 32 bits",
                help="no element of the IR is wider than 32 bits",
            )
    if kind not in (np.uint8, np.int32, np.float16, np.float32):
        raise fail(
            "input-dtype",
            f"{name} has dtype {array.dtype}, which files of values do not hold",
            help=f"round it yourself with {name}.astype('float32')",
        )
    return np.ascontiguousarray(array, dtype=kind.newbyteorder("<"))
