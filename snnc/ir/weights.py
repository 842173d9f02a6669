"""Tensors that stand beside a program: read-only, addressed by a digest of their contents.

Every tensor knows its element type, because sub-byte integers are held one per int8. A tensor may
be lazy: a core's cut of an unrolled convolution is made when it is packed, and dropped again.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnc.diagnostics import UNKNOWN, Location, fail
from snnc.ir.types import Element, Type

Array = NDArray[Any]

INLINE_LIMIT = 64
"""Tensors up to this many elements may stand in the text."""


class Tensor:
    """A read-only array with its element type; `make` builds it on demand when it is lazy.

    With `keep` a lazy array stays once it is made. `checked` tells that type and values are known
    to agree.
    """

    def __init__(
        self,
        type: Type,
        data: Array | None = None,
        make: Callable[[], Array] | None = None,
        keep: bool = False,
    ):
        self.type = type
        self._data = None if data is None else _frozen(type, data)
        self._make = make
        self._keep = keep
        self._digest = ""
        self.checked = False

    def array(self) -> Array:
        """Return the values, shape `type.shape`, dtype `type.element.storage`, not writeable."""
        if self._data is not None:
            return self._data
        assert self._make is not None
        made = np.asarray(self._make())
        check_shape(made, self.type, UNKNOWN, "a tensor made on demand")
        check_values(made, self.type.element, UNKNOWN, "a tensor made on demand")
        frozen = _frozen(self.type, made)
        if self._keep:
            self._data = frozen
        return frozen

    @property
    def lazy(self) -> bool:
        """Whether the values are made, and checked, when they are asked for."""
        return self._make is not None

    @property
    def digest(self) -> str:
        """SHA-256 over element, shape and little-endian values, as 64 hexadecimal digits."""
        if not self._digest:
            data = self.array()
            hasher = hashlib.sha256(f"{self.type.element}{list(self.type.shape)}".encode())
            hasher.update(np.ascontiguousarray(data, data.dtype.newbyteorder("<")).data)
            self._digest = hasher.hexdigest()
        return self._digest

    @property
    def inline(self) -> bool:
        """Whether the values stand in the text."""
        return self.type.size <= INLINE_LIMIT and len(self.type.shape) <= 2

    def __repr__(self) -> str:
        return f"Tensor({self.type})"


def _frozen(type: Type, data: Array) -> Array:
    array = np.asarray(data)
    if array.dtype != type.element.storage or not array.flags.c_contiguous:
        array = np.ascontiguousarray(array, dtype=type.element.storage)
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


def tensor(data: Array, element: Element, loc: Location = UNKNOWN, name: str = "tensor") -> Tensor:
    """Return a tensor after checking that every value is exact in `element`.

    Raises:
        SnncError: `weight-range` for a value outside the element's range or a fraction in an
            integer, `weight-not-finite` for NaN or infinity.
    """
    array = np.asarray(data)
    check_values(array, element, loc, name)
    made = Tensor(Type(element, array.shape), array.astype(element.storage))
    made.checked = True
    return made


def check_tensor(tensor: Tensor, loc: Location, name: str) -> None:
    """Raise `weight-shape`, `weight-range` or `weight-not-finite` unless type and values agree.

    It looks once in a tensor's life; a lazy one checks itself whenever it is made.
    """
    if tensor.checked or tensor.lazy:
        return
    array = tensor.array()
    check_shape(array, tensor.type, loc, name)
    check_values(array, tensor.type.element, loc, name)
    tensor.checked = True


def check_shape(array: Array, type: Type, loc: Location, name: str) -> None:
    """Raise `weight-shape` unless an array has the shape of its type."""
    if array.shape != type.shape:
        shape = list(array.shape)
        raise fail(
            "weight-shape", f"{name} is declared {type}, but its values have shape {shape}", loc
        )


def check_values(array: Array, element: Element, loc: Location, name: str) -> None:
    """Raise unless an integer element holds each value exactly (finite, if it is a float)."""
    if array.dtype.kind not in "biuf":
        raise fail("weight-dtype", f"{name} has dtype {array.dtype}, not numbers", loc)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        raise fail(
            "weight-not-finite",
            f"{name}: {bad} of {array.size} values are NaN or infinite",
            loc,
            help="retrain or repair the checkpoint; no chip has a code for these",
        )
    if not array.size or (array.dtype == element.storage and element.fills_storage):
        return
    if element.is_float:
        largest = float(np.finfo(element.storage).max)
        if max(abs(float(array.min())), abs(float(array.max()))) > largest:
            raise fail("weight-range", f"{name} has values beyond {element}'s {largest}", loc)
        return
    if array.dtype.kind == "f" and (array != np.round(array)).any():
        raise fail("weight-range", f"{name} has fractions, but {element} holds integers", loc)
    low, high = int(array.min()), int(array.max())
    if low < element.low or high > element.high:
        raise fail(
            "weight-range",
            f"{name} has values in {low}..{high}; {element} holds {element.low}..{element.high}",
            loc,
            help="use a wider element, or run quantize",
        )


_DTYPES = ("F32", "I32", "F16", "U16", "I16", "I8", "U8")
"""Names of dtypes in .safetensors files, in the order in which the library lays them out."""


def packed_tensors(tensors: Iterable[Tensor]) -> Iterator[bytes | memoryview]:
    """Yield a .safetensors file of tensors, each once, keyed by digest.

    The bytes are those of the library, which would copy all of them twice.
    """
    table = {t.digest: t.array() for t in tensors}
    names = {key: f"{data.dtype.kind.upper()}{8 * data.itemsize}" for key, data in table.items()}
    order = sorted(table, key=lambda key: (_DTYPES.index(names[key]), key))
    header, end = {}, 0
    for key in order:
        start, end = end, end + table[key].nbytes
        shape = list(table[key].shape)
        header[key] = {"dtype": names[key], "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for key in order:
        data = table[key]
        yield data.astype(data.dtype.newbyteorder("<"), copy=False).reshape(-1).view(np.uint8).data


def save_tensors(path: Path, tensors: Iterable[Tensor]) -> None:
    """Write a .safetensors file of tensors atomically, as `packed_tensors` packs them."""
    from snnc.ir.files import write_atomically

    write_atomically(path, packed_tensors(tensors))


def load_safetensors(path: Path, loc: Location = UNKNOWN) -> Mapping[str, Array]:
    """Return all arrays of a .safetensors file by key.

    Raises:
        SnncError: `weights-missing` or `weights-unreadable`.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not path.is_file():
        raise fail(
            "weights-missing",
            f"there is no weights file {path.name!r}",
            loc,
            help="put it beside the network, or name it with --weights",
        )
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise fail(
            "weights-unreadable",
            f"{path.name}: {error}",
            loc,
            help="the file is truncated or not a safetensors file",
        ) from error


def load_npz(path: Path, loc: Location = UNKNOWN) -> Mapping[str, Array]:
    """Return all arrays of an .npz file by key, never unpickling.

    Raises:
        SnncError: `weights-missing` or `weights-unreadable`.
    """
    from snnc.ir.files import read_npz

    if not path.is_file():
        raise fail("weights-missing", f"there is no file {path.name!r}", loc, help="check the path")
    try:
        return read_npz(path)
    except ValueError as error:
        raise fail(
            "weights-unreadable",
            f"{path.name}: {error}",
            loc,
            help="the file is truncated, or holds Python objects",
        ) from error
