"""The files of a build become the placed module again: disassembly."""

from pathlib import Path

from attrs import evolve

from snnc.diagnostics import Location, SnncError
from snnc.ir.graph import Module
from snnc.targets.lynxi.artifact.assemble import FROM_GRAPH, to_module
from snnc.targets.lynxi.artifact.layout import GRAPH, read_files
from snnc.targets.lynxi.artifact.records import Artifact
from snnc.targets.lynxi.check import check_states


def load(folder: Path) -> Module:
    """Return the placed module that the files of a build say.

    Raises:
        SnncError: `artifact-missing`, `artifact-malformed`, `graph-syntax`, `graph-reference`,
            `graph-metadata`, `graph-type`, what `check_states` finds.
    """
    return read(folder)[1]


def read(folder: Path) -> tuple[Artifact, Module]:
    """Return the records that the files of a build say, and their placed module; see `load`."""
    artifact = read_files(folder)
    try:
        check_states(artifact.graph).check()
        return artifact, to_module(artifact)
    except SnncError as error:
        place = Location(file=str(folder / GRAPH))
        found = [
            evolve(d, loc=place) if d.loc == FROM_GRAPH or not d.loc.known else d
            for d in error.diagnostics
        ]
        raise SnncError(found, error.exit_status) from None
