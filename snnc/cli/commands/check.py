"""`snnc check`: does a network fit, on which targets, and why not."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from attrs import field, frozen

from snnc.cli.failures import UNFIT, show_all
from snnc.cli.parameters import (
    Named,
    as_json,
    calibration,
    each_variant,
    network,
    quantizing,
)
from snnc.cli.printing import counted, show_json, show_table
from snnc.cli.progress import shown
from snnc.cli.session import Session
from snnc.cli.targeting import TargetCommand, chosen_options
from snnc.diagnostics import Diagnostic, SnncError

if TYPE_CHECKING:
    from snnc.cli.paicore.fitting import Fitting
    from snnc.ir.graph import Module

OURS = ("plugin-failed", "unknown-option", "unused-option", "bad-option", "chip-option")
"""Errors of the call and not of the network: they end the command."""

SHOWN = ("chips", "cores", "neurons")
"""Resources that stand in the table; JSON has all."""

EXAMPLE = """snnc check net.snnl
snnc check net.snnl -t paicore --chip 0,0 --chip 1,0 --json
snnc check net.snnl -t dynapcnn:all"""


@frozen
class Verdict:
    """What a target says of a network."""

    target: str
    problems: tuple[Diagnostic, ...] = ()
    resources: Mapping[str, Any] = field(factory=dict)
    latency: Mapping[str, int] = field(factory=dict)
    host: str = ""
    needs: Mapping[str, Any] | None = None
    ways: tuple[Mapping[str, Any], ...] = ()

    @property
    def reason(self) -> str:
        """The first reason against it, or what it takes."""
        if self.problems:
            more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
            return f"{self.problems[0].code}: {self.problems[0].message}{more}"
        taken = [self._taken(name) for name in SHOWN if name in self.resources]
        latest = max(self.latency.values(), default=0)
        behind = [f"on the host: {self.host}"] if self.host else []
        return ", ".join([*taken, f"latency {counted(latest, 'tick')}", *behind])

    def _taken(self, name: str) -> str:
        """Return a resource in words; beside it the least that is known to be needed."""
        text = counted(self.resources[name], name[:-1])
        least = (self.needs or {}).get("cores") if name == "cores" else None
        return text if least is None else f"{text} ({least:,} at least)"


@click.command(cls=TargetCommand, name="check", example=EXAMPLE)
@network
@click.option(
    "-t",
    "--target",
    type=Named("targets", every=True),
    multiple=True,
    metavar="NAME[:VARIANT|:all]",
    help="A target to ask, or all its variants; may be repeated.  [default: all targets]",
)
@quantizing
@as_json
@click.pass_context
def command(
    ctx: click.Context,
    /,
    network: str,
    given: Mapping[str, str],
    target: tuple[str, ...],
    no_shrink: bool,
    calibrate: str | None,
    calibrate_scale: float | None,
    calibrate_limit: int | None,
    as_json: bool,
    **wanted: Any,
) -> int:
    """Say whether a network fits each target, and why not.

    The network is compiled, so what fits here compiles. For paicore, the fewest cores that any
    mapping needs are told too, and, where it does not fit, what would make it fit: more chips and
    narrower weights are tried. Exit status 4: it does not fit one of the
    targets named, or, where none is named, it fits none.
    """
    session = ctx.find_object(Session)
    assert session is not None
    module = session.load(network, given)
    data = calibration(module, calibrate, calibrate_scale, calibrate_limit)
    wanted |= {"shrink": not no_shrink, "calibrate": data}
    given_passes = {name: value for name, value in wanted.items() if value is not None}
    target = each_variant(session, target)
    with shown(as_json) as progress:
        verdicts = _verdicts(
            Asking(session, module, progress), target, given_passes, partial(chosen_options, ctx)
        )
    if as_json:
        show_json([_data(verdict) for verdict in verdicts])
    else:
        rows = [(v.target, not v.problems, v.reason) for v in verdicts]
        show_table(("target", "fits", "takes, or why not"), rows)
        for verdict in _unlike(verdicts):
            show_all(verdict.problems)
            if verdict.problems and verdict.needs:
                from snnc.cli.paicore.fitting import show_needs

                show_needs(verdict.needs, verdict.ways)
    bad = [bool(verdict.problems) for verdict in verdicts]
    return UNFIT if (any(bad) if target else all(bad)) else 0


def _unlike(verdicts: Sequence[Verdict]) -> Iterator[Verdict]:
    """Yield verdicts, of those with the same explanations the first."""
    seen = set()
    for verdict in verdicts:
        told = tuple((d.code, d.notes or d.message, d.help) for d in verdict.problems)
        if told not in seen:
            seen.add(told)
            yield verdict


@frozen
class Asking:
    """Asks targets about one network."""

    session: Session
    module: "Module"
    progress: Any

    def verdict(self, target: str, passes: Mapping[str, Any], own: Mapping[str, Any]) -> Verdict:
        """Return what a target says; `passes` are options of the pipeline, `own` of the target."""
        from snnc.driver import compile as compile_network

        options = {**passes, **own, "plugin": self.session.plugins, "progress": self.progress}
        fitting = self._fitting(target, passes, own)
        try:
            build = compile_network(self.module, target, **options)
        except SnncError as error:
            if error.code in OURS:
                raise
            needs = fitting.needs() if fitting else None
            ways = tuple(fitting.ways_out(needs, error.code)) if fitting and needs else ()
            return Verdict(target, error.diagnostics, needs=needs, ways=ways)
        needs = None
        if fitting:
            from snnc.cli.paicore.mapping import scheduled

            needs = fitting.needs(scheduled(self.session, build.module, build.manifest))
        told = build.manifest
        host = told["host"]["ops"] if build.reads_out else ""
        return Verdict(target, (), told["resources"], told["latency"], host, needs)

    def _fitting(
        self, target: str, passes: Mapping[str, Any], own: Mapping[str, Any]
    ) -> "Fitting | None":
        """Return what asks further, for a target that has lower bounds."""
        registry = self.session.registry
        if registry.get_target(target.partition(":")[0]).level != "paicore":
            return None
        from snnc.cli.paicore.fitting import Fitting

        return Fitting(registry, self.module, target, passes, own)


def _verdicts(
    asking: Asking,
    targets: tuple[str, ...],
    passes: Mapping[str, Any],
    own: Callable[[str], Mapping[str, Any]],
) -> list[Verdict]:
    """Return what each target says, or each there is.

    Raises:
        SnncError: `unused-option` where a target that is named has no use for an option, or, where
            none is named, no target has.
    """
    found, unused, used = [], [], False
    for name in targets or asking.session.registry.names("targets"):
        try:
            found.append(asking.verdict(name, passes, own(name)))
            used |= [d.code for d in found[-1].problems] != ["target-level"]
        except SnncError as error:
            # Among all targets, some may have no use for bits that others need.
            if targets or error.code != "unused-option":
                raise
            unused.append(error)
            found.append(asking.verdict(name, {}, own(name)))
    if unused and not used:
        raise unused[0]
    return found


def _data(verdict: Verdict) -> dict[str, Any]:
    return {
        "target": verdict.target,
        "fits": not verdict.problems,
        "reasons": [
            {
                "code": d.code,
                "message": d.message,
                "place": str(d.loc) if d.loc.known else "",
                "help": d.help,
            }
            for d in verdict.problems
        ],
        "resources": dict(verdict.resources),
        "latency": dict(verdict.latency),
        "host": verdict.host,
        "needs": verdict.needs,
        "ways": list(verdict.ways),
    }
