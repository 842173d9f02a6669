"""The files of a build become the placed module again: disassembly."""

from pathlib import Path

from snnc.ir.graph import Module
from snnc.targets.lynxi.assemble import to_module
from snnc.targets.lynxi.check import check_states
from snnc.targets.lynxi.layout import read_files


def load(folder: Path) -> Module:
    """Return the placed module that the files of a build say.

    Raises:
        SnncError: `artifact-missing`, `artifact-malformed`, `graph-syntax`, `graph-reference`,
            `graph-metadata`, `graph-type`, what `check_states` finds.
    """
    artifact = read_files(folder)
    check_states(artifact.graph).check()
    return to_module(artifact)
