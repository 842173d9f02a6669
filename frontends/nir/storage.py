"""What a NIR file holds, as a tree of groups and leaves: checked whole before a number is read.

The contract: links stay inside the file and form a tree; every leaf is a number array or text whose
declared size lies within bounds (of the file and of one network), so that no file can make the
reader open other files, run without end, or take more memory than its contents deserve. h5py is
imported when a file is opened.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Union

import numpy as np
from attrs import field, frozen

from snnc.diagnostics import SnncError, fail, named
from snnc.frontends.nir.heaps import check_heaps, damaged
from snnc.ir.weights import Array

LARGEST = 1 << 30
"""Bytes of numbers that one network may declare: far beyond any chip, far below a machine."""

DENSEST = 1100
"""Times that deflate can shrink data (1032 by its format); more means filters upon filters."""

SMALL = 1 << 16
"""Bytes that may be declared whatever is stored: fill values of small arrays."""

DEEPEST = 32
"""Levels of groups: networks nest a few times, an attack nests without end."""

LONGEST_TEXT = 1 << 26
"""Bytes of text in one leaf."""


@frozen(eq=False)
class Leaf:
    """An array of numbers or texts: `kind` is `number` or `text`; `load` reads the values."""

    path: str
    shape: tuple[int, ...]
    kind: str
    load: Callable[[], Array] = field(repr=False)

    def numbers(self) -> Array:
        """Return the values, of the dtype of the file; `nir-dtype` where they are text."""
        if self.kind != "number":
            raise fail("nir-dtype", f"{self.path} is text, not numbers", named(self.path))
        return self.load()

    def texts(self) -> Array:
        """Return the values as an object array of str; `nir-dtype` where they are numbers."""
        if self.kind != "text" and 0 not in self.shape:
            raise fail("nir-dtype", f"{self.path} is numbers, not text", named(self.path))
        return self.load()

    def text(self) -> str:
        """Return the one text of a scalar leaf."""
        if self.shape not in ((), (1,)):
            shape = list(self.shape)
            raise fail("nir-dtype", f"{self.path} {shape} is not one text", named(self.path))
        return str(self.texts().reshape(())[()])


Tree = Mapping[str, Union["Tree", Leaf]]


def load_h5py() -> ModuleType:
    """Return h5py; `missing-package` names the extra that brings it."""
    try:
        import h5py
    except ImportError as error:
        raise fail(
            "missing-package",
            "NIR files are HDF5, which needs h5py, and h5py is not installed",
            help="pip install snnc[nir]",
        ) from error
    loaded: ModuleType = h5py
    return loaded


@contextmanager
def open_tree(path: Path, attributes: tuple[str, ...] = ()) -> Iterator[Tree]:
    """Open a file and give its tree; leaves can be read until the end of the `with` block.

    Of the attributes of groups only single numbers of the given names are looked at: `@NAME`.

    Raises:
        SnncError: `missing-package`, `nir-unreadable`, `nir-link`, `nir-size`, `nir-dtype`.
    """
    h5py = load_h5py()
    with _translated(path):
        check_heaps(path)
        with h5py.File(str(path), "r", locking=False) as file:
            yield _Walk(h5py, file, path.stat().st_size, attributes).group(file, "", 0)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn what h5py raises on damaged files into `nir-unreadable`."""
    try:
        yield
    except SnncError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError) as error:
        reason = str(error).strip("'\" ") or type(error).__name__
        raise damaged(path, reason) from error


class _Walk:
    """One walk over a file; counts what is declared, and meets every group once."""

    def __init__(self, h5py: ModuleType, file: Any, size: int, attributes: tuple[str, ...]) -> None:
        self.h5py, self.file, self.size, self.attributes = h5py, file, size, attributes
        self.declared = 0
        self.met: set[int] = set()

    def group(self, group: Any, path: str, depth: int) -> Tree:
        address = self.h5py.h5o.get_info(group.id).addr
        if address in self.met or depth > DEEPEST:
            why = "is linked twice" if address in self.met else f"lies {depth} groups deep"
            raise fail(
                "nir-link",
                f"the group {path or '/'} {why}",
                named(path or "/"),
                help="a NIR file is a tree of groups; export the network again",
            )
        self.met.add(address)
        members = {key: self._member(group, key, f"{path}/{key}", depth) for key in sorted(group)}
        return members | {f"@{n}": leaf for n in self.attributes if (leaf := _number(group, n))}

    def _member(self, group: Any, key: str, path: str, depth: int) -> Tree | Leaf:
        link = group.get(key, getlink=True)
        if not isinstance(link, self.h5py.HardLink):
            target = getattr(link, "filename", "") or getattr(link, "path", "elsewhere")
            raise fail(
                "nir-link",
                f"{path} is a link to {target!r}, which is not followed",
                named(path),
                help="put the data itself into the file",
            )
        member = group[key]
        if isinstance(member, self.h5py.Group):
            return self.group(member, path, depth + 1)
        if not isinstance(member, self.h5py.Dataset):
            raise fail("nir-dtype", f"{path} is neither a group nor a dataset", named(path))
        return self._leaf(member, path)

    def _leaf(self, data: Any, path: str) -> Leaf:
        if data.external or data.is_virtual:
            raise fail(
                "nir-link",
                f"the values of {path} lie in other files",
                named(path),
                help="put the data itself into the file",
            )
        if data.shape is None:
            raise fail("nir-dtype", f"{path} has no value (an HDF5 null)", named(path))
        text = self.h5py.check_string_dtype(data.dtype) is not None
        if not text and data.dtype.kind not in "biuf":
            raise fail(
                "nir-dtype",
                f"{path} holds {data.dtype}, which is neither numbers nor text",
                named(path),
                help="NIR fields are arrays of real numbers",
            )
        self._check_size(data, path, text)
        if not text:
            return Leaf(path, data.shape, "number", lambda: np.asarray(data[()]))
        self._check_lengths(data, path)
        return Leaf(path, data.shape, "text", lambda: _texts(data, path))

    def _check_size(self, data: Any, path: str, text: bool) -> None:
        size = int(np.prod(data.shape, dtype=object)) * data.dtype.itemsize
        stored = int(data.id.get_storage_size())
        self.declared += size
        if self.declared > LARGEST:
            what, most = f"{self.declared} bytes in all", LARGEST
        elif size > SMALL and size > DENSEST * stored:
            what, most = f"{size} bytes, but stores {stored}", DENSEST * stored
        else:
            return
        kind = "texts" if text else "numbers"
        raise fail(
            "nir-size",
            f"{path} {list(data.shape)} declares {kind} of {what}",
            named(path),
            help=f"at most {most} can be meant; the file is damaged or hostile",
        )

    def _check_lengths(self, data: Any, path: str) -> None:
        """Refuse texts longer than the file, for which HDF5 would take memory before it looks.

        Texts stand as length, heap and index (HDF5 format 3.0, section VIII.C) at a place of the
        file, except in chunks, whose references cannot be seen from outside.
        """
        place = data.id.get_offset()
        if place is None or data.dtype.kind != "O":
            return
        reference = np.dtype([("length", "<u4"), ("heap", "<u8"), ("index", "<u4")])
        found = np.fromfile(self.file.filename, reference, int(data.size), offset=place)
        longest = int(found["length"].max(initial=0))
        if longest > self.size:
            raise fail(
                "nir-size",
                f"{path} declares a text of {longest} characters in a file of {self.size} bytes",
                named(path),
                help="the file is damaged or hostile",
            )


def _number(group: Any, name: str) -> Leaf | None:
    """Return an attribute that is a single number."""
    if name not in group.attrs:
        return None
    found = group.attrs.get_id(name)
    if found.shape not in ((), (1,)) or found.dtype.kind not in "iuf":
        return None
    value = np.asarray(group.attrs[name]).reshape(())
    return Leaf(f"{group.name}@{name}", (), "number", lambda: value)


def _texts(data: Any, path: str) -> Array:
    """Return texts as str, a few rows at a time, so that their sum stays bounded."""
    if data.shape == ():
        return np.array(_decoded(data[()], path), dtype=object)
    found: list[Any] = []
    total = 0
    for start in range(0, data.shape[0], 64):
        rows = np.asarray(data[start : start + 64], dtype=object)
        flat = [_decoded(item, path) for item in rows.reshape(-1)]
        total += sum(map(len, flat))
        if total > LONGEST_TEXT:
            raise fail("nir-size", f"{path} holds more than {LONGEST_TEXT} characters", named(path))
        found += flat
    texts = np.empty(len(found), dtype=object)
    texts[:] = found
    return texts.reshape(data.shape)


def _decoded(item: Any, path: str) -> str:
    try:
        return item.decode("utf-8") if isinstance(item, bytes) else str(item)
    except UnicodeDecodeError as error:
        raise fail("nir-dtype", f"{path} is not UTF-8 text", named(path)) from error


def tree_of(value: Any, path: str = "") -> Tree:
    """Return the tree of a nested mapping, such as a NIR object's `to_dict()` gives."""
    return {str(k): _of_object(v, f"{path}/{k}") for k, v in value.items() if v is not None}


def _of_object(value: Any, path: str) -> Tree | Leaf:
    if isinstance(value, Mapping):
        return tree_of(value, path)
    if hasattr(value, "detach"):
        value = value.detach()
    array = np.asarray(value)
    if array.dtype.kind in "SU" or (
        array.dtype.kind == "O" and all(isinstance(v, (str, bytes)) for v in array.reshape(-1))
    ):
        texts = np.empty(array.size, dtype=object)
        texts[:] = [_decoded(v, path) for v in array.reshape(-1)]
        return Leaf(path, array.shape, "text", lambda: texts.reshape(array.shape))
    if array.dtype.kind not in "biuf":
        raise fail(
            "nir-dtype",
            f"{path} holds {array.dtype}, which is neither numbers nor text",
            named(path),
            help="NIR fields are arrays of real numbers",
        )
    return Leaf(path, array.shape, "number", lambda: array)
