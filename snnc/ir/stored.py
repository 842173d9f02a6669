"""Finds and checks the tensor that a weight line of a `.snn` text names.

A line holds the values themselves, or `"sha256:..."` (a tensor of the sidecar file, or of a mapping
given by the caller), or, in files written by hand, `"file.safetensors:key"` or `"file.npz:key"`.
Whatever is returned has the declared shape, lies in the declared element's range and agrees with
its digest.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from snnc.diagnostics import Location, fail, nearest
from snnc.ir.parse import RawWeight
from snnc.ir.weights import (
    Array,
    Tensor,
    check_shape,
    check_values,
    load_npz,
    load_safetensors,
    tensor,
)

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_MEMBER = re.compile(r"(.+\.(?:safetensors|npz)):(.+)")
_NOT_FINITE = ("nan", "inf", "infinity")
_FORMS = 'write [1, 2], "sha256:<64 digits>", "file.safetensors:key" or "file.npz:key"'


class Stored:
    """The tensors within reach of one text: by digest in `given` or the sidecar, or by file."""

    def __init__(self, given: Mapping[str, Array] | None, folder: Path | None, stem: str) -> None:
        self.given, self.folder = given, folder
        self.sidecar = f"{stem}.safetensors"
        self._files: dict[str, Mapping[str, Array]] = {}

    def open(self, weights: Iterable[tuple[RawWeight, Location]]) -> None:
        """Open every file that the weights need, so that a missing one is reported once.

        Raises:
            SnncError: `weights-missing` or `weights-unreadable`.
        """
        for raw, place in weights:
            name = self._file_of(raw)
            if name is None or name in self._files:
                continue
            if self.folder is None:
                raise fail(
                    "weights-missing",
                    f"@{raw.name.text} is in {name!r}, but this text has no folder",
                    place,
                    help="load it from a file, or pass the arrays as weights by digest",
                )
            load = load_npz if name.endswith(".npz") else load_safetensors
            self._files[name] = load(self.folder / name, place)

    def _file_of(self, raw: RawWeight) -> str | None:
        if not isinstance(raw.value, str):
            return None
        digest = _DIGEST.fullmatch(raw.value)
        if digest:
            return None if digest[1] in (self.given or {}) else self.sidecar
        member = _MEMBER.fullmatch(raw.value)
        return member[1] if member else None

    def tensor(self, raw: RawWeight, place: Location) -> Tensor:
        """Return the tensor of a weight line, checked.

        Raises:
            SnncError: `bad-weight`, `weights-missing`, `weight-shape`, `weight-dtype`,
                `weight-range`, `weight-not-finite` or `digest-mismatch`.
        """
        name = f"@{raw.name.text}"
        digest = _DIGEST.fullmatch(raw.value) if isinstance(raw.value, str) else None
        array = self._array(raw, digest[1] if digest else "", place)
        check_shape(array, raw.type, place, name)
        if not digest:
            return tensor(array, raw.type.element, place, name)
        if array.dtype != raw.type.element.storage:
            raise fail(
                "weight-dtype",
                f"{name} is declared {raw.type}, stored as {raw.type.element.storage}, but the "
                f"file holds {array.dtype}",
                place,
            )
        check_values(array, raw.type.element, place, name)
        found = Tensor(raw.type, array)
        if found.digest != digest[1]:
            raise fail(
                "digest-mismatch",
                f"the values of {name} have the digest {found.digest[:12]}..., but the text says "
                f"{digest[1][:12]}...",
                place,
                help="the weights file was changed; save the network again",
            )
        return found

    def _array(self, raw: RawWeight, digest: str, place: Location) -> Array:
        if raw.type.timed:
            raise fail("bad-weight", f"a weight is a constant, not {raw.type}", place)
        if isinstance(raw.value, (tuple, int, float)) and not isinstance(raw.value, bool):
            return _inline(raw, place)
        if digest and digest in (self.given or {}):
            return np.asarray((self.given or {})[digest])
        name = self._file_of(raw)
        if name is None:
            if str(raw.value) in _NOT_FINITE:
                raise _not_finite(raw, place)
            raise fail(
                "bad-weight",
                f"@{raw.name.text} = {raw.value!r} names no weights",
                place,
                help=_FORMS,
            )
        key, arrays = digest or raw.value[len(name) + 1 :], self._files[name]
        if key not in arrays:
            help = "the file belongs to another version of the network; save it again"
            raise fail(
                "weights-missing",
                f"{name} has no tensor {key!r} for @{raw.name.text}",
                place,
                help=help if digest else nearest(key, list(arrays)),
            )
        return arrays[key]


def _not_finite(raw: RawWeight, place: Location) -> Exception:
    return fail("weight-not-finite", f"@{raw.name.text} has values that are not finite", place)


def _inline(raw: RawWeight, place: Location) -> Array:
    """Return the numbers of a nested list as an array."""
    flat: list[Any] = [raw.value]
    shape: list[int] = []
    while flat and isinstance(flat[0], tuple):
        lengths = {len(part) if isinstance(part, tuple) else -1 for part in flat}
        if len(lengths) > 1:
            raise fail("bad-weight", f"the lists of @{raw.name.text} have unequal lengths", place)
        shape.append(lengths.pop())
        flat = [item for part in flat for item in part]
    wrong = [item for item in flat if isinstance(item, bool) or not isinstance(item, (int, float))]
    if any(str(item) in _NOT_FINITE for item in wrong):
        raise _not_finite(raw, place)
    if wrong:
        raise fail("bad-weight", f"@{raw.name.text}: {wrong[0]!r} is not a number", place)
    if any(isinstance(item, int) and abs(item) >= 1 << 62 for item in flat):
        element = raw.type.element
        raise fail("weight-range", f"@{raw.name.text} has values beyond {element}", place)
    if not flat:
        shape += raw.type.shape[len(shape) :]
    whole = all(isinstance(item, int) for item in flat)
    return np.array(flat, dtype=np.int64 if whole else np.float64).reshape(shape)
