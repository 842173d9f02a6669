"""The front end for NIR: a `.nir` file or a NIR graph object to a module of level `snn`.

What the file leaves open is filled by a profile, detected or named, and written into the module as
its attribute `nir`; `statement` says it in words. Nothing heavy is imported until a file is read.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snnc.ir.graph import Module


class Nir:
    """Reads `.nir`; options: `profile`, `dt`, `input`, and each convention of a profile by name."""

    name = "nir"
    suffixes = (".nir",)

    @property
    def Options(self) -> type[Any]:
        """The class of its options."""
        from snnc.frontends.nir.profiles import Options

        return Options

    def accepts(self, source: Any) -> bool:
        """Whether an object is a graph of the nir package (recognized by name, not imported)."""
        kind = type(source)
        return kind.__name__ == "NIRGraph" and kind.__module__.partition(".")[0] == "nir"

    def read(self, source: Path | Any, options: Mapping[str, Any]) -> Module:
        """Return the module of a file or of a graph object; ops have the names of nodes as places.

        Raises:
            SnncError: `missing-package` without h5py; else a code of its own for whatever is wrong,
                with the node's name as place.
        """
        from snnc.frontends.nir.reading import read_source

        return read_source(source, options)


def statement(module: Module) -> tuple[str, ...]:
    """Return what reading a NIR file assumed, a line each; nothing for other modules.

    The first line names the profile, why it was taken, and the time step; the others are what the
    file does not say and the value that was taken.
    """
    said = module.attrs.get("nir")
    if not isinstance(said, Mapping):
        return ()
    step = f", dt = {said['dt']!r}" if said["dt"] else ""
    first = f"NIR {said['version']} read as profile {said['profile']} ({said['why']}){step}"
    inputs = f"inputs are {said['input']} (input=u1 or input=f32)"
    return (first, inputs, *(f"assumed {line}" for line in said["assumed"]))
