"""What a module takes of a target before it is chosen: the rest of the pipeline, run on trial."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from snnc.driver.pipeline import Chosen, Stage, run_stages, runner
from snnc.extend.passes import Context
from snnc.extend.registry import Registry
from snnc.ir.graph import Module


def cost_of(
    registry: Registry, chosen: Chosen, found: Sequence[Stage]
) -> Callable[[Module], Mapping[str, Any]] | None:
    """Return the `cost` of a `Context`, or None for a pipeline without `quantize`.

    It runs the stages behind the last `quantize`, lets the target write its files, and returns the
    resources that it counts.
    """
    places = [number for number, stage in enumerate(found) if stage.step.name == "quantize"]
    if not places:
        return None
    rest = found[places[-1] + 1 :]

    def cost(module: Module) -> Mapping[str, Any]:
        context = Context(hardware=chosen.hardware(), run=runner(registry))
        placed = run_stages(module, rest, context, registry.get_engine("reference"))[-1]
        with tempfile.TemporaryDirectory(prefix="snnc-") as folder:
            return chosen.target.emit(placed, Path(folder), chosen.options).resources

    return cost
