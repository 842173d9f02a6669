"""Data of users: an `.npz` with inputs and labels, read in pieces so that memory stays bounded.

The contract: an array is read once, in order, a batch at a time, whatever its size and whether the
file is compressed; a batch knows the number of its first sample.
"""

import math
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from snnc.diagnostics import SnncError, fail, nearest

if TYPE_CHECKING:
    from snnc.ir.graph import Module

LABELS = ("labels", "y")
ONLY = ("images", "x")
"""Names under which a file may hold the only input, if not under its own."""

SUFFIX = ".npy"


@frozen(eq=False)
class Batch:
    """Consecutive samples and their labels; `first` is the number of the first one."""

    first: int
    values: Mapping[str, Any]
    labels: Any


def header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, whether columns are stored together, and dtype of an array in a stream."""
    version = np.lib.format.read_magic(stream)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"an array has version {version} of the format, not 1.0 or 2.0")
    return readers[version](stream)


class Rows:
    """An array of an archive, of which rows are taken in order."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self._stream: IO[bytes] = archive.open(name + SUFFIX)
        self.shape, by_column, self.dtype = header(self._stream)
        if self.dtype.kind not in "biuf" or not self.shape:
            raise ValueError(f"{name!r} is {self.dtype}{list(self.shape)}, not numbers by sample")
        self._whole = self._columns(archive, name) if by_column else None
        self._at = 0

    def _columns(self, archive: zipfile.ZipFile, name: str) -> Any:
        """Return an array that is stored by columns, which no piece of the file has rows of."""
        with archive.open(name + SUFFIX) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)

    def skip(self, count: int) -> None:
        """Leave out rows."""
        size = self.dtype.itemsize * math.prod(self.shape[1:])
        if self._whole is None:
            self._stream.seek(size * count, 1)
        self._at += count

    def take(self, count: int) -> Any:
        """Return the next rows, at most `count`."""
        count = min(count, self.shape[0] - self._at)
        first, self._at = self._at, self._at + count
        if self._whole is not None:
            return self._whole[first : self._at]
        shape = (count, *self.shape[1:])
        wanted = self.dtype.itemsize * math.prod(shape)
        data = self._stream.read(wanted)
        if len(data) != wanted:
            raise ValueError(f"the file ends at sample {first} or soon after it")
        return np.frombuffer(data, self.dtype).reshape(shape)


class Samples:
    """The inputs of a network, from a file; `scale` divides real ones.

    With `hold`, inputs that are stored without ticks are given again in each of that many.

    Raises:
        SnncError: `values-missing`, `values-unreadable`, `data-names`, `data-hold`.
    """

    def __init__(
        self,
        path: str,
        module: "Module",
        scale: float | None = None,
        hold: int | None = None,
    ) -> None:
        self.path, self.scale, self.hold = path, scale, hold
        self._types = {value.name: value.type for value in module.graph.inputs}
        if not Path(path).is_file():
            raise fail("values-missing", f"there is no file {path!r}", help="check the path")
        with self._opened() as archive:
            self._shapes = self._read_shapes(archive)
        there = list(self._shapes)
        self.label = next((n for n in LABELS if n in there and n not in self._types), "")
        self._stored = self._names([name for name in there if name != self.label])
        if hold is not None:
            self._check_hold()

    def read(self, limit: int | None = None) -> dict[str, Any]:
        """Return the inputs of all samples, or of the first `limit`, by name.

        Raises:
            SnncError: `data-names` for arrays that are neither inputs nor labels; `data-scale`,
                `values-unreadable`.
        """
        odd = [n for n in self._shapes if n not in (self.label, *self._stored.values())]
        if odd:
            raise fail(
                "data-names",
                f"{self.path} holds {odd[0]!r}, which is no input of the network",
                help=nearest(odd[0], list(self._types)),
            )
        count = max((shape[0] for shape in self._used().values() if shape), default=0)
        stop = count if limit is None else min(limit, count)
        return next((values for _, values in self._pieces(max(stop, 1), 0, stop)), {})

    def read_label(self, limit: int | None) -> Any:
        """Return the array under the name of labels, or its first `limit` elements, as it is."""
        with self._opened() as archive, archive.open(self.label + SUFFIX) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)[:limit]

    def _used(self) -> dict[str, tuple[int, ...]]:
        """Return the stored shapes of the inputs."""
        return {name: self._shapes[stored] for name, stored in self._stored.items()}

    def _pieces(self, size: int, first: int, stop: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield (first sample, inputs) of at most `size` samples."""
        with self._opened() as archive:
            try:
                rows = {name: Rows(archive, stored) for name, stored in self._stored.items()}
                for one in rows.values():
                    one.skip(first)
                for start in range(first, stop, size):
                    count = min(size, stop - start)
                    taken = {name: one.take(count) for name, one in rows.items()}
                    yield start, {n: self._held(n, self._scaled(n, a)) for n, a in taken.items()}
            except (SnncError, GeneratorExit):
                raise
            except Exception as error:  # numpy and zlib let all sorts of errors through.
                raise self._unreadable(error) from error

    def _opened(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.path)
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: BaseException) -> SnncError:
        return fail(
            "values-unreadable",
            f"{self.path}: {error or type(error).__name__}",
            help="write it with numpy.savez(path, images=..., labels=...), plain numbers only",
        )

    def _read_shapes(self, archive: zipfile.ZipFile) -> dict[str, tuple[int, ...]]:
        try:
            names = [n.removesuffix(SUFFIX) for n in archive.namelist() if n.endswith(SUFFIX)]
            found = {}
            for name in names:
                with archive.open(name + SUFFIX) as stream:
                    found[name] = header(stream)[0]
            return found
        except Exception as error:
            raise self._unreadable(error) from error

    def _names(self, there: list[str]) -> dict[str, str]:
        """Return how the file calls each input."""
        inputs = list(self._types)
        if len(inputs) == 1 and inputs[0] not in there:
            found = next((name for name in ONLY if name in there), None)
            if found:
                return {inputs[0]: found}
        missing = [name for name in inputs if name not in there]
        if missing:
            raise fail(
                "data-names",
                f"{self.path} has no array {missing[0]!r} for the input of that name",
                help=f"it holds {', '.join(there) or 'labels only'}",
            )
        return {name: name for name in inputs}

    def _still(self, name: str) -> bool:
        """Whether an input with ticks is stored without them, so that it is to be held."""
        type, shape = self._types[name], self._shapes[self._stored[name]]
        return type.timed and (shape[1:] == type.shape or math.prod(shape[1:]) == type.size)

    def _check_hold(self) -> None:
        """Refuse to hold where nothing stored is without ticks, or something has them already."""
        timed = [name for name, type in self._types.items() if type.timed]
        odd = next((name for name in timed if not self._still(name)), None)
        if odd is None and timed:
            return
        raise fail(
            "data-hold",
            f"{self.path}: {odd} is {list(self._shapes[self._stored[odd]])}, and a tick of it "
            f"has {self._types[odd].size} elements"
            if odd
            else "no input of the network has ticks that it could be held for",
            help="leave --hold out" + (", or give (samples, *shape)" if odd else ""),
        )

    def _held(self, name: str, array: Any) -> Any:
        """Return a still input in each of the ticks for which it is held, as a view."""
        if self.hold is None or not self._types[name].timed:
            return array
        shape = self._types[name].shape
        rows = array.reshape(len(array), 1, *shape)
        return np.broadcast_to(rows, (len(array), self.hold, *shape))

    def _scaled(self, name: str, array: Any) -> Any:
        """Return an input divided by the scale, in the shape of the input if elements are as many.

        Raises:
            SnncError: `data-scale`.
        """
        type, scale = self._types[name], self.scale
        wanted = (len(array), *type.shape)
        if not type.timed and array.shape != wanted and array[:1].size == type.size:
            array = array.reshape(wanted)
        if not type.element.is_float:
            if scale is not None:
                raise fail(
                    "data-scale",
                    f"scale {scale:g} would make fractions of {name}, which is {type}",
                    help="leave the scale out",
                )
            return array
        if array.dtype.kind in "iu" and scale is None and array.max(initial=0) > 1:
            raise fail(
                "data-scale",
                f"{self.path}: {name} holds whole numbers up to {array.max()}, "
                f"the network takes {type}",
                help="say by what to divide: --scale 255 for pixels, --scale 1 to keep them "
                "(--calibrate-scale for --calibrate)",
            )
        divided = array.astype(np.float32) / np.float32(scale or 1.0)
        return divided.astype(type.element.storage)


class Labelled(Samples):
    """The inputs of a network and labels, from a file.

    Raises:
        SnncError: what `Samples` raises; `data-labels`, `data-empty`.
    """

    def __init__(
        self,
        path: str,
        module: "Module",
        classes: int,
        limit: int | None = None,
        scale: float | None = None,
        hold: int | None = None,
    ) -> None:
        super().__init__(path, module, scale, hold)
        if not self.label:
            raise fail(
                "data-labels",
                f"{path} has no array {' or '.join(LABELS)}; it holds "
                f"{', '.join(self._shapes) or 'nothing'}",
                help="save it with numpy.savez(path, images=..., labels=...)",
            )
        with self._opened() as archive:
            self.labels = self._read_labels(archive)[:limit]
        self._check(classes)

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.labels)

    def batches(self, size: int, first: int = 0) -> Iterator[Batch]:
        """Yield batches of at most `size` samples, from sample `first` on.

        Raises:
            SnncError: `data-scale`, `values-unreadable`.
        """
        for start, values in self._pieces(size, first, len(self)):
            yield Batch(start, values, self.labels[start : start + size])

    def _read_labels(self, archive: zipfile.ZipFile) -> Any:
        try:
            rows = Rows(archive, self.label)
            if len(rows.shape) != 1 or rows.dtype.kind not in "iu":
                raise fail(
                    "data-labels",
                    f"{self.path}: {self.label} is {rows.dtype}{list(rows.shape)}, not a whole "
                    "number per sample",
                    help="save it with numpy.savez(path, images=..., labels=...)",
                )
            return rows.take(rows.shape[0]).astype(np.int64)
        except SnncError:
            raise
        except Exception as error:
            raise self._unreadable(error) from error

    def _check(self, classes: int) -> None:
        """Refuse no samples, a number of labels that differs, and labels of no class."""
        count = self._shapes[self.label][0]
        odd = [(name, shape) for name, shape in self._used().items() if shape[:1] != (count,)]
        if odd:
            name, shape = odd[0]
            raise fail(
                "data-labels",
                f"{self.path}: {name} has {sum(shape[:1])} samples, there are {count} labels",
                help="give a label per sample",
            )
        if not len(self):
            raise fail(
                "data-empty",
                f"{self.path} holds no samples",
                help="give at least one sample with its label",
            )
        low, high = self.labels.min(), self.labels.max()
        if low < 0 or high >= classes:
            raise fail(
                "data-labels",
                f"{self.path}: labels are {low} to {high}, but the output that is read has "
                f"{classes} elements",
                help="labels count the elements of the output from 0",
            )


def chosen_output(module: "Module", name: str | None) -> str:
    """Return the name of the output that holds the prediction.

    Raises:
        SnncError: `which-output` where there are several and none is named, or the name is wrong.
    """
    names = [value.name for value in module.graph.outputs]
    if name is None and len(names) == 1:
        return names[0]
    if name in names:
        return str(name)
    raise fail(
        "which-output",
        f"there is no output {name!r}" if name else f"the network has {len(names)} outputs",
        help=nearest(name, names) if name else f"choose one with --read: {', '.join(names)}",
    )
