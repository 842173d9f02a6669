"""Whether a build that stands in a folder is what compiling would make again, so that it may stay.

The contract: a folder is kept only if it is whole and untouched, to the byte, and was made by this
version of snnc from the same network, for the same target, with the same options, passes,
calibration and rates. Where anything is not known to be the same, the reason is told and it is made
anew. Places in the source, which compiling only passes on, do not count.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import snnc
from snnc.diagnostics import SnncError
from snnc.driver.artifact import (
    as_read,
    check_files,
    is_as_written,
    module_digest,
    names_in,
    read_manifest,
)
from snnc.driver.build import Build
from snnc.driver.pipeline import Chosen, Stage, canonical
from snnc.driver.sources import MANIFEST
from snnc.extend.options import declared
from snnc.extend.registry import BOX, Registry
from snnc.ir.graph import Module
from snnc.ir.weights import Array

NAMED = {
    "input_digest": "network",
    "calibration": "calibration data",
    "rates": "data of rates",
}
"""What people call keys of the manifest that say what a build was made from."""


def origins(
    chosen: Chosen,
    module: Module,
    found: Sequence[Stage],
    calibration: Mapping[str, Array] | None,
    rates: Mapping[str, Array] | None = None,
) -> dict[str, Any]:
    """Return what a build is made from, as plain data: the keys of the manifest that say it."""
    options = {o.name: getattr(chosen.options, o.field) for o in declared(type(chosen.options))}
    return {
        "tool": {"name": "snnc", "version": snnc.__version__},
        "target": chosen.name,
        "variant": chosen.variant,
        "options": options,
        "pipeline": canonical(found),
        "input_digest": module_digest(module),
        "calibration": None if calibration is None else _arrays_digest(calibration),
        "rates": None if rates is None else _arrays_digest(rates),
    }


def _arrays_digest(arrays: Mapping[str, Array]) -> str:
    """Return the SHA-256 of arrays by name: element, shape and little-endian values of each."""
    hasher = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        hasher.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        hasher.update(array.reshape(-1).view(np.uint8).data)
    return hasher.hexdigest()


def standing(
    folder: Path,
    wanted: Mapping[str, Any],
    registry: Registry,
    chosen: Chosen,
    found: Sequence[Stage],
    needs: str = "",
) -> tuple[Build | None, str]:
    """Return the build in a folder if it may stay, else None and why it may not.

    `needs` names an option that asks for the passes to run.
    """
    if needs:
        return None, f"{needs} needs the passes to run"
    foreign = _foreign(registry, chosen, found)
    if foreign:
        return None, foreign
    if not folder.exists():
        return None, f"there is no {folder}"
    try:
        manifest = read_manifest(folder)
        check_files(folder, manifest)
        reason = _damaged(folder, manifest) or _differing(manifest, as_read(wanted))
    except SnncError as error:
        return None, error.diagnostics[0].message
    except OSError as error:
        return None, f"{folder} cannot be read: {error.strerror}"
    return (None, reason) if reason else (Build(registry, chosen, manifest, folder), "")


def _foreign(registry: Registry, chosen: Chosen, found: Sequence[Stage]) -> str:
    """Return what takes part whose code no version of snnc says."""
    entries = [*(stage.entry for stage in found), registry.entry("targets", chosen.name)]
    for entry in entries:
        if entry.origin.name != BOX:
            return f"{entry.name} of plugin {entry.origin.name} takes part, and may have changed"
    code = getattr(chosen.target, "code", None)
    named = code(chosen.options) if code is not None else ""
    return f"{named} takes part, and may have changed" if named else ""


def _damaged(folder: Path, manifest: Mapping[str, Any]) -> str:
    """Return what is wrong with a folder beside the digests of the files that are there."""
    if not is_as_written(folder, manifest):
        return f"{MANIFEST} is not as it was written"
    there, known = set(names_in(folder)), {MANIFEST, *manifest["files"]}
    for name in sorted(known - there):
        return f"{folder} lacks {name}"
    for name in sorted(there - known):
        return f"{folder} holds {name}, which the build did not write"
    return ""


def _differing(manifest: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Return what a build was made from that is not wanted now, with both sides where short."""
    sides = [":".join(filter(None, (m["target"], m["variant"]))) for m in (manifest, wanted)]
    if sides[0] != sides[1]:
        return f"it is for {sides[0]}, not for {sides[1]}"
    odd = []
    for key, value in wanted.items():
        was = manifest.get(key)
        if key == "options" and isinstance(was, dict) and was != value:
            odd += [
                f"option {name} ({was.get(name)}, not {value.get(name)})"
                for name in sorted({*was, *value})
                if was.get(name) != value.get(name)
            ]
        elif key == "tool" and was != value:
            said = was.get("version") if isinstance(was, dict) else was
            odd.append(f"version of snnc ({said}, not {value['version']})")
        elif key not in manifest or was != value:
            shown = "" if key in NAMED else f" ({was}, not {value})"
            odd.append(NAMED.get(key, key) + shown)
    return f"it differs in {', '.join(odd)}" if odd else ""
