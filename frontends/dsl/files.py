"""Weights that stand in a file: `weights "mnist.safetensors" as w`, then `w["fc1.weight"]`.

A path is relative to the `.snnl` file and does not leave its folder tree upwards unnoticed: `..` is
refused, an absolute path is taken as it is. Dotted keys may be written as members.
"""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from attrs import frozen

from snnc.diagnostics import Location, fail, nearest
from snnc.frontends.dsl.constants import Array
from snnc.ir.weights import Array as Numbers
from snnc.ir.weights import load_npz, load_safetensors

READERS = {".safetensors": load_safetensors, ".npz": load_npz}


@frozen(eq=False)
class WeightsFile:
    """The arrays of a file whose keys begin with `prefix`."""

    name: str
    arrays: Mapping[str, Numbers]
    prefix: str = ""

    def member(self, key: str, loc: Location) -> "Array | WeightsFile":
        """Return the array of a key, or what lies below it.

        Raises:
            SnncError: `weights-key`, with the nearest key.
        """
        full = self.prefix + key
        if full in self.arrays:
            return Array(self.arrays[full], full)
        if any(k.startswith(f"{full}.") for k in self.arrays):
            return WeightsFile(self.name, self.arrays, f"{full}.")
        raise fail(
            "weights-key", f"{self.name} has no {full!r}", loc, help=nearest(full, [*self.arrays])
        )

    def __str__(self) -> str:
        return f"the weights of {self.name}"


def open_weights(path: str, folder: Path | None, loc: Location) -> WeightsFile:
    """Return the weights of a `.safetensors` or `.npz` file beside the source.

    Raises:
        SnncError: `weights-path`, `weights-missing`, `weights-unreadable`.
    """
    reader = READERS.get(PurePosixPath(path).suffix)
    if reader is None:
        raise fail(
            "weights-path",
            f"{path!r} is neither .safetensors nor .npz",
            loc,
            help="save the weights as safetensors",
        )
    if ".." in PurePosixPath(path).parts:
        raise fail(
            "weights-path",
            f"{path!r} leaves the folder of the network",
            loc,
            help="put the file beside the network, or write an absolute path",
        )
    if folder is None and not PurePosixPath(path).is_absolute():
        raise fail("weights-path", f"{path!r} is relative, but this text has no folder", loc)
    whole = Path(path) if folder is None else folder / path
    return WeightsFile(PurePosixPath(path).name, reader(whole, loc))
