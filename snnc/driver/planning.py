"""Which passes run: a pipeline text or the target's own one, with the options of a user in it.

The contract: an option that no pass of the pipeline waits for is refused, and what a pipeline text
says itself is never changed.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import evolve, field, frozen

from snnc.diagnostics import fail
from snnc.driver.pipeline import Chosen, Stage, canonical, check_levels, plan, stages
from snnc.extend.options import write_value
from snnc.extend.registry import Registry


@frozen
class Wanted:
    """What a user says of the passes.

    `pipeline` stands in place of the target's own passes; `bits` and `per` go to each `quantize`
    that does not say them itself, and options in `passes` to each pass of that name; without
    `shrink`, no `shrink-weights` runs.
    """

    pipeline: str | None = None
    bits: int | None = None
    per: str | None = None
    shrink: bool = True
    passes: Mapping[str, Mapping[str, Any]] = field(factory=dict)

    def options(self) -> Iterator[tuple[str, str, Any]]:
        """Yield (pass, option, value) for all options that are given."""
        for name, value in (("bits", self.bits), ("per", self.per)):
            if value is not None:
                yield "quantize", name, value
        for owner, options in self.passes.items():
            for name, value in options.items():
                yield owner, name.replace("-", "_"), value


def planned(
    registry: Registry, chosen: Chosen, level: str, wanted: Wanted = Wanted()
) -> tuple[Stage, ...]:
    """Return the stages that take a module of `level` to the level of a target.

    Raises:
        SnncError: `target-level`, `unused-option`, `pass-level`, `pipeline-incomplete`, and what
            `plan` raises.
    """
    found = _given(registry, chosen, _own(registry, chosen, level, wanted), wanted)
    if not wanted.shrink:
        found = _unshrunk(registry, chosen, found)
    left = check_levels(found, level)
    if left != chosen.target.level:
        raise fail(
            "pipeline-incomplete",
            f"the pipeline leaves level {left}, target {chosen.name} takes {chosen.target.level}",
            help=f"end it with the passes of the target: {chosen.target.pipeline(chosen.options)}",
        )
    return found


def _own(registry: Registry, chosen: Chosen, level: str, wanted: Wanted) -> tuple[Stage, ...]:
    """Return the stages of the user's pipeline, or the target's, after `@int` if that is needed."""
    if wanted.pipeline is not None:
        return plan(registry, wanted.pipeline, chosen)
    own = plan(registry, f"@{chosen.name}", chosen)
    reads = next((s.instance.level for s in own if s.instance.level != "any"), level)
    if (level, reads) == ("snn", "int"):
        return plan(registry, f"@int,@{chosen.name}", chosen)
    if reads != level:
        raise fail(
            "target-level",
            f"target {chosen.name} takes networks of level {reads}, and this one is at {level}",
            help="give it in real numbers: as it was before quantize, or, where a .snnl file has "
            "integers only, with a line `level snn`"
            if (level, reads) == ("int", "snn")
            else f"lower it from level {reads}, or give a pipeline that begins at {level}",
            exit_status=4,
        )
    return own


def _given(
    registry: Registry, chosen: Chosen, found: Sequence[Stage], wanted: Wanted
) -> tuple[Stage, ...]:
    """Return stages with what is wanted of a pass given to each one that does not say it."""
    for owner, name, value in wanted.options():
        waiting = [s for s in found if s.step.name == owner and name not in s.step.options]
        if not waiting:
            raise fail(
                "unused-option",
                f"{name} = {write_value(value)} has no use: no {owner} of the pipeline waits for "
                "it",
                help=f"leave {name} out: the pipeline has no {owner}, as for a network that has "
                f"integers already, or says its {name} itself: {canonical(found)}",
            )
        steps = [
            evolve(s.step, options={**s.step.options, name: value}) if s in waiting else s.step
            for s in found
        ]
        found = stages(registry, steps, chosen.name)
    return tuple(found)


def _unshrunk(registry: Registry, chosen: Chosen, found: Sequence[Stage]) -> tuple[Stage, ...]:
    """Return stages without `shrink-weights`."""
    kept = [stage.step for stage in found if stage.step.name != "shrink-weights"]
    if len(kept) == len(found):
        raise fail(
            "unused-option",
            f"shrink = false has no use: {canonical(found)} has no shrink-weights",
            help="leave it out",
        )
    return stages(registry, kept, chosen.name)
