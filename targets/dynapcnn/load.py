"""The files of a build become the placed module again: disassembly."""

from pathlib import Path

from snnc.ir.graph import Module
from snnc.targets.dynapcnn.artifact.assemble import to_module
from snnc.targets.dynapcnn.artifact.layout import read_files


def load(folder: Path) -> Module:
    """Return the placed module that the files of a build say.

    Raises:
        SnncError: `config-missing`, `config-malformed`, `unknown-variant`.
    """
    return to_module(read_files(folder))
