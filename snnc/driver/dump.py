"""Dumps: the module after each pass as `NN-name.snn`, all over one file of weights.

The weights of all dumps stand once each, by digest, in `weights.safetensors`, to which every dump
has a link by name (a copy where the file system has no links), so that each can be read by itself.
"""

import os
import shutil
from pathlib import Path
from types import TracebackType

from snnc.diagnostics import SnncError, fail
from snnc.ir.files import write_atomically
from snnc.ir.graph import Module
from snnc.ir.weights import Tensor, save_tensors
from snnc.ir.write import write

WEIGHTS = "weights.safetensors"


class Dump:
    """A folder of dumps, numbered in the order of `add`; weights are written at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stems: list[str] = []
        self._tensors: dict[str, Tensor] = {}
        if folder.exists() and not folder.is_dir():
            raise fail(
                "output-unwritable",
                f"{folder} is a file, not a folder",
                help="give --dump the name of a folder",
            )
        if _in_build(folder):
            raise fail(
                "dump-in-build",
                f"{folder} is a build, or lies in one, and a build holds its own files only",
                help="give --dump another folder",
            )

    def __enter__(self) -> "Dump":
        return self

    def add(self, label: str, module: Module) -> None:
        """Write the text of a module now; its weights follow."""
        stem = f"{len(self._stems):02d}-{label.replace('#', '-')}"
        write_atomically(self.folder / f"{stem}.snn", write(module).encode())
        self._stems.append(stem)
        for weight in module.weights.values():
            if not weight.tensor.inline:
                self._tensors[weight.tensor.digest] = weight.tensor

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._tensors:
            return
        save_tensors(self.folder / WEIGHTS, self._tensors.values())
        for stem in self._stems:
            _link(self.folder / WEIGHTS, self.folder / f"{stem}.safetensors")


def _in_build(folder: Path) -> bool:
    """Whether a folder is a build of ours or lies in one; further files would spoil it."""
    # The build folder knows the sources, and they the pipelines, which dump.
    from snnc.driver.artifact import read_manifest

    for place in (folder, *folder.parents):
        try:
            read_manifest(place)
        except SnncError:
            continue
        return True
    return False


def _link(weights: Path, name: Path) -> None:
    name.unlink(missing_ok=True)
    try:
        os.symlink(weights.name, name)
    except OSError:
        shutil.copyfile(weights, name)
