"""Runs pipelines: text to stages, levels checked before the run, modules verified in between.

The contract: a pass is handed only valid modules of the level it reads, and must leave a valid one
of the level it declares; its declared exactness is executed on demand; each module can be dumped.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

from snnc.builtins import open_registry
from snnc.diagnostics import SnncError, fail, nearest
from snnc.driver.dump import Dump
from snnc.driver.engines import pick_engine
from snnc.driver.exactness import check_exactness
from snnc.driver.progress import Steps
from snnc.extend.engine import Engine, Result
from snnc.extend.options import Step, build, expand, labels, parse, write
from snnc.extend.passes import Context, Exactness, Pass
from snnc.extend.registry import BOX, Entry, Registry, guarded_plugin
from snnc.extend.target import Target
from snnc.ir.graph import Module
from snnc.ir.verify import verify


@frozen
class Stage:
    """A pass of a pipeline, made ready: `label` is unique (`clean#2`)."""

    label: str
    step: Step
    instance: Pass
    entry: Entry


@frozen
class Chosen:
    """A target with its variant and options."""

    target: Target
    variant: str
    options: Any

    @property
    def name(self) -> str:
        """Its name without the variant."""
        return self.target.name

    def hardware(self) -> Mapping[str, Any]:
        """Return the limits of the variant as plain data."""
        return self.target.hardware(self.variant, self.options)


def choose(registry: Registry, text: str, options: Mapping[str, Any] | None = None) -> Chosen:
    """Return the target that `name` or `name:variant` means, with typed options.

    Raises:
        SnncError: `unknown-target`, `unknown-variant`, `unknown-option`, `bad-option`.
    """
    name, _, variant = text.partition(":")
    target = registry.get_target(name)
    variants = target.variants()
    # Behind a second colon a device's index may stand, which the target itself judges.
    if variant and variant.partition(":")[0] not in variants:
        raise fail(
            "unknown-variant",
            f"target {name} has no variant {variant!r}",
            help=nearest(variant, variants),
        )
    made = build(target.Options, dict(options or {}), owner=f"target {name}")
    return Chosen(target, variant or (variants[0] if variants else ""), made)


def plan(registry: Registry, text: str, chosen: Chosen | None = None) -> tuple[Stage, ...]:
    """Return the stages of a pipeline text; a chosen target's own pipeline is the preset `@NAME`.

    Raises:
        SnncError: `pipeline-syntax`, `unknown-pass`, `unknown-preset`, `unknown-option` or
            `bad-option`, with a caret into the text.
    """
    presets = dict(registry.presets)
    if chosen is not None:
        presets[chosen.name] = chosen.target.pipeline(chosen.options)
    return stages(registry, expand(parse(text), presets), chosen.name if chosen else "")


def stages(registry: Registry, steps: Sequence[Step], target: str = "") -> tuple[Stage, ...]:
    """Return steps (presets expanded) as stages, options typed and checked."""
    found = []
    for label, step in zip(labels(steps), steps, strict=True):
        try:
            entry = registry.pass_entry(step.name, target)
            made = registry.get_pass(step.name, target)
        except SnncError as error:
            if error.code != "unknown-pass":
                raise
            first = error.diagnostics[0]
            raise step.error(first.code, first.message, "", first.help) from error
        found.append(Stage(label, step, build(made, step), entry))
    return tuple(found)


def check_levels(found: Sequence[Stage], level: str) -> str:
    """Return the level that stages leave a module of `level` at.

    Raises:
        SnncError: `pass-level`, where a pass would be handed a module of another level.
    """
    for stage in found:
        reads = stage.instance.level
        if reads not in ("any", level):
            makers = [s.label for s in found if s.instance.to == reads]
            raise stage.step.error(
                "pass-level",
                f"pass {stage.label} reads level {reads}, but the module is at level {level} there",
                help=f"put {makers[0]} before it"
                if makers
                else f"put a pass that leaves level {reads} before it"
                + (", such as quantize" if (level, reads) == ("snn", "int") else ""),
            )
        level = stage.instance.to or level
    return level


@frozen
class Watch:
    """What is done beside running: execute declared exactness, dump modules, tell of progress."""

    check: bool = False
    dump: Path | None = None
    steps: Steps = field(factory=Steps)


def run_stages(
    module: Module,
    found: Sequence[Stage],
    context: Context,
    engine: Engine,
    watch: Watch = Watch(),
) -> tuple[Module, ...]:
    """Return the module before the first stage and after each; see the contract above.

    Raises:
        SnncError: what a pass raises; `pass-broke-module`, `pass-not-exact`, `plugin-failed`.
    """
    verify(module).check()
    check_levels(found, module.level)
    modules = [module]
    with Dump(watch.dump) if watch.dump else nullcontext() as dump:
        if dump:
            dump.add("input", module)
        for stage in found:
            watch.steps.begin(stage.label)
            module = _run_stage(stage, module, context)
            if dump:
                dump.add(stage.label, module)
            if watch.check:
                promise = stage.instance.exactness
                warnings = context.diagnostics
                check_exactness(stage.label, promise, modules[-1], module, engine, warnings)
            modules.append(module)
    return tuple(modules)


def _run_stage(stage: Stage, module: Module, context: Context) -> Module:
    foreign = stage.entry.origin.name != BOX
    with guarded_plugin(stage.entry) if foreign else nullcontext():
        made: object = stage.instance.run(module, context)
    if not isinstance(made, Module):
        raise fail(
            "pass-broke-module",
            f"pass {stage.label} of {stage.entry.origin.name} returned "
            f"{type(made).__name__}, not a Module",
            help="this is a defect of the pass",
        )
    level = stage.instance.to or module.level
    problems = [str(d) for d in verify(made).errors]
    if made.level != level:
        problems.insert(0, f"it is at level {made.level}, and the pass declares {level}")
    if problems:
        raise fail(
            "pass-broke-module",
            f"pass {stage.label} of {stage.entry.origin.name} left a module that is not valid",
            notes=problems[:8],
            help="this is a defect of the pass; --dump shows the module before it",
        )
    return made


def run_pipeline(
    module: Module,
    text: str,
    target: str | None = None,
    context: Context | None = None,
    check: bool = False,
    dump: str | Path | None = None,
    plugin: Iterable[str | Path] = (),
) -> Module:
    """Return a module after the passes that `text` names.

    `target` (`name` or `name:variant`) adds the target's own passes, its pipeline as `@NAME` and
    its limits; `check` executes declared exactness; `dump` is a folder for a `.snn` file per pass.
    Warnings are added to `context.diagnostics`.

    Raises:
        SnncError: for a text that means nothing, and whatever a pass refuses.
    """
    registry = open_registry(plugin)
    chosen = choose(registry, target) if target else None
    given = context or Context()
    if chosen is not None and not given.hardware:
        given = evolve(given, hardware=chosen.hardware())
    if context is None:
        given = evolve(given, run=runner(registry))
    found = plan(registry, text, chosen)
    watch = Watch(check, Path(dump) if dump else None)
    return run_stages(module, found, given, registry.get_engine("reference"), watch)[-1]


def canonical(found: Sequence[Stage]) -> str:
    """Return the pipeline text of stages, presets expanded."""
    return write([stage.step for stage in found])


def last_approximation(found: Sequence[Stage]) -> int:
    """Return how many stages lie up to and with the last approximate one.

    The module there is what every later stage promises to keep.
    """
    kept = [n for n, s in enumerate(found, 1) if s.instance.exactness is Exactness.APPROXIMATE]
    return kept[-1] if kept else 0


def runner(registry: Registry, steps: Steps | None = None) -> Any:
    """Return the `run` of a `Context`: run(module, inputs, ticks=, state=, probe=) -> Result.

    Passes run few samples of many networks, for which machine code would not be worth making.
    `engine` names another one. `steps` is told of each run.
    """

    def run(module: Module, inputs: Mapping[str, Any], engine: str = "", **options: Any) -> Result:
        if steps is not None:
            steps.ran()
        name = engine or ("numpy" if module.level == "int" else "auto")
        return pick_engine(registry, name, module).prepare(module).run(inputs, **options)

    return run
