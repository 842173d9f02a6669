"""Composing a build: files are written into a private folder, then named in the manifest."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snnc.diagnostics import fail
from snnc.driver.artifact import (
    README,
    save_model,
    write_manifest,
)
from snnc.driver.build import Build
from snnc.driver.host import encoders
from snnc.driver.pipeline import Chosen
from snnc.driver.readme import readme
from snnc.driver.readout import FILE, FILE_WEIGHTS, kinds
from snnc.extend.registry import Registry
from snnc.ir.files import write_composed
from snnc.ir.graph import Module


def compose(
    registry: Registry,
    chosen: Chosen,
    modules: tuple[Module, Module],
    made_from: Mapping[str, Any],
    report: Mapping[str, Any],
    behind: tuple[Module, tuple[str, ...]] | None = None,
) -> Build:
    """Return the build of (reference program, placed module), its files written apart.

    `made_from` is what `reuse.origins` says. Of what passes report, `relies_on` and `max_ticks` go
    to the manifest beside the target's own. `behind` is the part for the host, if there is one, and
    the names of all outputs in their order.
    """
    keep = tempfile.TemporaryDirectory(prefix="snnc-")
    try:
        folder = Path(keep.name)
        manifest = _write(chosen, modules, made_from, report, folder, behind)
    except BaseException:
        keep.cleanup()
        raise
    return Build(registry, chosen, manifest, folder, keep)


def _write(
    chosen: Chosen,
    modules: tuple[Module, Module],
    made_from: Mapping[str, Any],
    report: Mapping[str, Any],
    folder: Path,
    behind: tuple[Module, tuple[str, ...]] | None,
) -> dict[str, Any]:
    """Write all files of a build into a folder; return the manifest."""
    module, placed = modules
    told = dict(report)
    emitted = chosen.target.emit(placed, folder, chosen.options)
    bounds = [n for n in (told.pop("max_ticks", None), emitted.max_ticks) if n is not None]
    if 0 in bounds:
        raise fail(
            "never-exact",
            f"a potential of @{module.name} may overflow in its first tick",
            module.loc,
            help="scale weights and leaks down; snnc explain never-exact",
            exit_status=4,
        )
    program = save_model(module, folder)
    digests = {**emitted.digests, **program}
    takes = [v.name for v in placed.graph.inputs]
    manifest = {
        **made_from,
        "name": module.name,
        "inputs": {v.name: {"type": str(v.type)} for v in module.graph.inputs},
        "outputs": {v.name: {"type": str(v.type)} for v in module.graph.outputs},
        "takes": takes,
        "encoders": encoders(module, takes),
        "latency": dict(emitted.latency),
        "resources": dict(emitted.resources),
        "relies_on": [*emitted.relies_on, *told.pop("relies_on", ())],
        "max_ticks": min(bounds, default=None),
        "layout": dict(emitted.layout),
        "report": told,
    }
    if behind is not None:
        digests |= save_model(behind[0], folder, (FILE, FILE_WEIGHTS))
        manifest |= _read_out(manifest, *behind)
    text = readme(manifest, emitted.files, tuple(program))
    digests[README] = write_composed(folder / README, text.encode())
    return write_manifest(folder, manifest, digests)


def _read_out(
    manifest: Mapping[str, Any], tail: Module, outputs: tuple[str, ...]
) -> dict[str, Any]:
    """Return what the manifest says otherwise where the host computes outputs."""
    made = {v.name: str(v.type) for v in tail.graph.outputs}
    types = {**{n: v["type"] for n, v in manifest["outputs"].items()}, **made}
    sent = [v.name for v in tail.graph.inputs]
    latency = dict(manifest["latency"])
    last = max((latency[name] for name in sent if name in latency), default=0)
    return {
        "outputs": {name: {"type": types[name]} for name in outputs},
        "latency": {name: last if name in made else latency[name] for name in outputs},
        "host": {
            "file": FILE,
            "reads": sent,
            "makes": list(made),
            "returns": list(outputs),
            "ops": kinds(tail),
        },
    }
