"""From a source to a build: which pipeline, which options go where, what the build must equal."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve
from numpy.typing import ArrayLike

from snnc.builtins import open_registry
from snnc.diagnostics import Diagnostics, fail
from snnc.driver.build import Build, compose, named
from snnc.driver.cost import cost_of
from snnc.driver.pipeline import (
    Chosen,
    Stage,
    Watch,
    canonical,
    check_levels,
    choose,
    last_approximation,
    plan,
    run_stages,
    runner,
    stages,
)
from snnc.driver.sources import read_source
from snnc.extend.options import Step
from snnc.extend.passes import Context
from snnc.extend.registry import Registry
from snnc.ir.graph import Module
from snnc.passes.width import max_ticks


def compile(
    source: Any,
    target: str = "paicore",
    *,
    pipeline: str | None = None,
    bits: int | None = None,
    calibrate: Mapping[str, ArrayLike] | ArrayLike | str | Path | None = None,
    check: bool = False,
    dump: str | Path | None = None,
    plugin: Iterable[str | Path] = (),
    diagnostics: Diagnostics | None = None,
    **options: Any,
) -> Build:
    """Return a network compiled for a target.

    Args:
        source: what `load` takes.
        target: `name` or `name:variant`.
        pipeline: passes in place of the target's own ones.
        bits: weight bits for `quantize`.
        calibrate: inputs `(samples, ticks, *shape)` by name, one array, or a `.npz` file.
        check: execute the declared exactness of every pass, and verify the build.
        dump: folder for the module after each pass.
        plugin: files of plugins.
        diagnostics: collects warnings.
        options: the target's options.

    Raises:
        SnncError: what the source, a pass or the target refuses.
    """
    registry = open_registry(plugin)
    chosen = choose(registry, target, options)
    module = read_source(registry, source, {})
    found = _with_bits(registry, chosen, _stages(registry, chosen, pipeline, module.level), bits)
    left = check_levels(found, module.level)
    if calibrate is not None and not last_approximation(found):
        raise fail(
            "unused-option",
            "calibrate has no use: no pass of the pipeline approximates",
            help="leave it out: the network has integers already",
        )
    if left != chosen.target.level:
        raise fail(
            "pipeline-incomplete",
            f"the pipeline leaves level {left}, target {chosen.name} takes {chosen.target.level}",
            help=f"end it with the passes of the target: {chosen.target.pipeline(chosen.options)}",
        )
    context = Context(
        hardware=chosen.hardware(),
        calibration=None if calibrate is None else named(module, calibrate),
        run=runner(registry),
        cost=cost_of(registry, chosen, found),
        diagnostics=Diagnostics() if diagnostics is None else diagnostics,
    )
    watch = Watch(check, Path(dump) if dump else None)
    modules = run_stages(module, found, context, registry.get_engine("reference"), watch)
    program, placed = modules[last_approximation(found)], modules[-1]
    chosen.target.check(placed).check(exit_status=4)
    facts = {**context.report, "max_ticks": _exact_for([module, *modules])}
    build = compose(registry, chosen, (module, program, placed), canonical(found), facts)
    if check and not (verified := build.verify()):
        raise fail(
            "build-differs",
            f"the emulated files are not the program: {verified}",
            help="this is a defect of the target; report it with the network",
            exit_status=3,
        )
    return build


def _exact_for(modules: Sequence[Module]) -> int | None:
    """Return for how many ticks the integers that were placed provably fit; None: for ever."""
    integers = [module for module in modules if module.level == "int"]
    return max_ticks(integers[-1]) if integers else None


def _stages(
    registry: Registry, chosen: Chosen, pipeline: str | None, level: str
) -> tuple[Stage, ...]:
    """Return the stages of the user's pipeline, or the target's, after `@int` if that is needed."""
    if pipeline is not None:
        return plan(registry, pipeline, chosen)
    own = plan(registry, f"@{chosen.name}", chosen)
    reads = next((s.instance.level for s in own if s.instance.level != "any"), level)
    lowered = (level, reads) == ("snn", "int")
    return plan(registry, f"@int,@{chosen.name}", chosen) if lowered else own


def _with_bits(
    registry: Registry, chosen: Chosen, found: Sequence[Stage], bits: int | None
) -> tuple[Stage, ...]:
    """Return stages with `bits` given to each quantize that the pipeline does not give it to."""
    if bits is None:
        return tuple(found)
    wanting = [s for s in found if s.step.name == "quantize" and "bits" not in s.step.options]
    if not wanting:
        raise fail(
            "unused-option",
            f"bits = {bits} has no use: no quantize of the pipeline waits for it",
            help="leave bits out; the network has integers already, or the pipeline says its bits",
        )
    steps: list[Step] = [
        evolve(s.step, options={**s.step.options, "bits": bits}) if s in wanting else s.step
        for s in found
    ]
    return stages(registry, steps, chosen.name)
