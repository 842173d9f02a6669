"""A placed module becomes the files of a build, and what the manifest says of them."""

from pathlib import Path
from typing import Any

import numpy as np

from snnc.extend.target import Emitted
from snnc.ir.files import write_atomically
from snnc.ir.graph import Module
from snnc.targets.lynxi.artifact.assemble import to_artifact
from snnc.targets.lynxi.artifact.deploy import script
from snnc.targets.lynxi.artifact.layout import states, write_files
from snnc.targets.lynxi.artifact.records import RANDOM, Artifact
from snnc.targets.lynxi.options import Options

DEPLOY = "deploy.py"
"""The script for the vendor's software, beside what it reads."""


def emit(module: Module, folder: Path, options: Options) -> Emitted:
    """Write the files of a placed module into an existing folder.

    Raises:
        SnncError: `lynxi-malformed`, `output-unwritable`.
    """
    artifact = to_artifact(module)
    write_atomically(folder / DEPLOY, script(artifact).encode())
    names = (*write_files(artifact, folder), DEPLOY)
    latency = {port.name: 0 for port in artifact.outputs}
    layout: dict[str, Any] = {
        "batch": artifact.batch,
        "version": artifact.version,
        "profile": artifact.profile,
    }
    layout["notice"] = NOTICE
    return Emitted(names, resources(artifact), latency, relies_on(artifact), layout)


def resources(artifact: Artifact) -> dict[str, Any]:
    """Return what a graph takes, as numbers for the manifest."""
    held = states(artifact)
    parameters = sum(int(a.nbytes) for a in artifact.params.values())
    kept = sum(row["size"] for row in held) * artifact.batch
    return {
        "ops": len(artifact.graph.bindings),
        "parameters": sum(int(a.size) for a in artifact.params.values()),
        "parameter_bytes": parameters,
        "states": len(held),
        "state_values": sum(int(np.prod(row["shape"])) for row in held),
        "state_bytes": kept,
        "memory_bytes": parameters + kept,
        "batch": artifact.batch,
    }


def relies_on(artifact: Artifact) -> tuple[str, ...]:
    """Return what the build needs of the silicon though nobody measured it."""
    found = [NUMBERS]
    if states(artifact):
        found.append(STATES)
    if any(True for _ in artifact.graph.of(RANDOM)):
        found.append(DRAWS)
    return tuple(found)


NOTICE = (
    "Only the vendor's compiler makes chip binaries; this folder holds the graph and the "
    "parameters that it is given."
)
NUMBERS = (
    "numbers: width and order of the chip's sums, and where it rounds to float16, are not "
    "published; the emulator follows docs/lynxi.md"
)
STATES = (
    "states: a load reads what the save of the same flag kept one step ago, and after a reset the "
    "constant beside it"
)
DRAWS = "draws: generator, grid and seed of the chip's random numbers are not published"
