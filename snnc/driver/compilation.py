"""From a source to a build: which pipeline, which options go where, what the build must equal."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from snnc.builtins import open_registry
from snnc.diagnostics import Diagnostics, fail, nearest
from snnc.driver.build import Build, named
from snnc.driver.composing import compose
from snnc.driver.cost import cost_of
from snnc.driver.pipeline import (
    Stage,
    Watch,
    choose,
    last_approximation,
    run_stages,
    runner,
)
from snnc.driver.planning import Wanted, planned
from snnc.driver.progress import Progress, Steps, silent
from snnc.driver.rates import counter
from snnc.driver.readout import parted, tell
from snnc.driver.reuse import origins, standing
from snnc.driver.sources import Source, find_source, read_found, with_sample
from snnc.extend.options import declared
from snnc.extend.passes import Context
from snnc.extend.registry import Registry
from snnc.ir.graph import Module
from snnc.ir.weights import Array
from snnc.passes.calibration import LABELS
from snnc.passes.width import max_ticks

DEFAULT_TARGET = "paicore"


def compile(
    source: Any,
    *given: Any,
    target: str | None = None,
    sample: Any = None,
    pipeline: str | None = None,
    bits: int | None = None,
    per: str | None = None,
    shrink: bool = True,
    passes: Mapping[str, Mapping[str, Any]] | None = None,
    calibrate: Mapping[str, ArrayLike] | ArrayLike | str | Path | None = None,
    rates: Mapping[str, ArrayLike] | ArrayLike | str | Path | None = None,
    check: bool = False,
    dump: str | Path | None = None,
    reuse: str | Path | None = None,
    plugin: Iterable[str | Path] = (),
    diagnostics: Diagnostics | None = None,
    progress: Progress = silent,
    **options: Any,
) -> Build:
    """Return a network compiled for a target.

        compile(network, "paicore")
        compile(network, sample, target="paicore")

    Args:
        source: what `load` takes.
        given: the target (a text) and the sample (anything else) may stand here, in any order.
        target: `name` or `name:variant`; paicore if not given.
        sample: example input of a network of PyTorch: an array, a tensor, or a file of one.
        pipeline: passes in place of the target's own ones.
        bits: weight bits for each `quantize` of the pipeline that does not say them.
        per: `layer` or `channel`, for each such `quantize`.
        shrink: whether `shrink-weights` may run.
        passes: options by pass, for each pass of that name that does not say them:
            `{"quantize": {"scale": "max"}}`.
        calibrate: inputs `(samples, ticks, *shape)` by name, one array, or a `.npz` file;
            `labels` beside them, one per sample, make the report tell accuracies.
        rates: inputs like those of `calibrate`; regions are placed by the spikes that they cause,
            in place of one of each neuron.
        check: execute the declared exactness of every pass, and verify the build.
        dump: folder for the module after each pass.
        reuse: folder of a build that is returned as it stands if it was made by this version of
            snnc from all the same; else `diagnostics` gets a note `compiled-anew` with the reason.
        plugin: files of plugins.
        diagnostics: collects warnings.
        progress: is told what is being done; see `snnc.driver.progress`.
        options: the target's options; names that it does not have go to the front end.

    Raises:
        SnncError: what the source, a pass or the target refuses.
    """
    target, sample = _arguments(given, target, sample)
    registry = open_registry(plugin)
    named_source = find_source(registry, source)
    theirs = _target_options(registry, target)
    mine = {k: v for k, v in options.items() if k.replace("-", "_") in theirs}
    rest = with_sample({k: v for k, v in options.items() if k not in mine}, sample)
    _check_names(target, list(theirs), named_source, rest)
    chosen = choose(registry, target, mine)
    whole = read_found(registry, named_source, rest)
    module, tail = parted(whole, chosen.target)
    wanted = Wanted(pipeline, bits, per, shrink, passes or {})
    found = planned(registry, chosen, module.level, wanted)
    if calibrate is not None and not last_approximation(found):
        raise fail(
            "unused-option",
            "calibrate has no use: no pass of the pipeline approximates",
            help="leave it out: the network has integers already",
        )
    if rates is not None and not any(stage.instance.rated for stage in found):
        raise fail(
            "unused-option",
            "rates have no use: no pass of the pipeline places by them",
            help="leave them out",
        )
    if tail is not None:
        _check_answers(found)
    steps = Steps(progress, len(found) + 1 + check)
    seen = None if rates is None else named(module, rates, (LABELS,))
    if seen is not None and all(value.name != LABELS for value in module.graph.inputs):
        seen.pop(LABELS, None)
    context = Context(
        hardware=chosen.hardware(),
        calibration=None if calibrate is None else _calibration(module, calibrate, tail),
        run=runner(registry, steps),
        cost=cost_of(registry, chosen, found),
        rates=None if seen is None else counter(registry, seen),
        diagnostics=Diagnostics() if diagnostics is None else diagnostics,
    )
    made_from = origins(chosen, whole, found, context.calibration, seen)
    if reuse is not None:
        place, needs = Path(reuse), "check" if check else "dump" if dump is not None else ""
        kept, reason = standing(place, made_from, registry, chosen, found, needs)
        if kept is not None:
            return kept
        context.diagnostics.note("compiled-anew", f"{place} is not kept: {reason}")
    if tail is not None:
        tell(tail, context.diagnostics)
    watch = Watch(check, Path(dump) if dump else None, steps)
    modules = run_stages(module, found, context, registry.get_engine("reference"), watch)
    program, placed = modules[last_approximation(found)], modules[-1]
    steps.begin("writing files")
    chosen.target.check(placed).check(exit_status=4)
    facts = {**context.report, "max_ticks": _exact_for([module, *modules])}
    behind = None if tail is None else (tail, tuple(v.name for v in whole.graph.outputs))
    build = compose(registry, chosen, (program, placed), made_from, facts, behind)
    if check:
        steps.begin("verifying")
        _verified(build, steps)
    return build


def _calibration(module: Module, given: Any, tail: Module | None) -> dict[str, Array]:
    """Return calibration data by name; labels tell nothing of spikes that the host reads out."""
    arrays = named(module, given, (LABELS,))
    if tail is not None and all(value.name != LABELS for value in module.graph.inputs):
        arrays.pop(LABELS, None)
    return arrays


def _check_answers(found: Sequence[Stage]) -> None:
    """Refuse what compares answers where the host makes them of the chip's spikes."""
    for stage in found:
        if getattr(stage.instance, "drop", None) is not None:
            raise fail(
                "no-answer",
                f"{stage.label} compares answers, which the host computes of the chip's spikes",
                help="use mean in place of drop, or let the last layer spike",
            )


def _arguments(given: Sequence[Any], target: str | None, sample: Any) -> tuple[str, Any]:
    """Return target and sample, from keywords or by position."""
    texts = [one for one in given if isinstance(one, str)]
    others = [one for one in given if not isinstance(one, str)]
    if len(texts) + (target is not None) > 1 or len(others) + (sample is not None) > 1:
        raise fail(
            "bad-call",
            "compile takes a network, one target and one sample",
            help="compile(network, sample, target='paicore', ...); further options by name",
        )
    return (
        next(iter(texts), target) or DEFAULT_TARGET,
        others[0] if others else sample,
    )


def _target_options(registry: Registry, target: str) -> tuple[str, ...]:
    kind = registry.get_target(target.partition(":")[0]).Options
    return tuple(option.name for option in declared(kind))


def _check_names(target: str, theirs: list[str], source: Source, rest: Mapping[str, Any]) -> None:
    """Raise `unknown-option` for what neither the target nor the front end has."""
    own = source.options if rest else ()
    if own is None:
        return  # This front end knows its names only once it has read the source.
    known = [*theirs, *own]
    for name in rest:
        if name.replace("-", "_") in own:
            continue
        reader = f" nor front end {source.frontend.name}" if source.frontend else ""
        has = f"neither target {target}{reader} has" if reader else f"target {target} has no"
        raise fail(
            "unknown-option",
            f"{has} an option {name!r}" if reader else f"{has} option {name!r}",
            help=nearest(name, known),
        )


def _verified(build: Build, steps: Steps) -> None:
    verified = build.verify(progress=steps.within)
    if not verified:
        raise fail(
            "build-differs",
            f"the emulated files are not the program: {verified}",
            help="this is a defect of the target; report it with the network",
            exit_status=3,
        )


def _exact_for(modules: Sequence[Module]) -> int | None:
    """Return for how many ticks the integers that were placed provably fit; None: for ever."""
    integers = [module for module in modules if module.level == "int"]
    return max_ticks(integers[-1]) if integers else None
