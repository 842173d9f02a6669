"""What `snnc check` adds for PAICORE: the fewest cores a network needs, and what would make it fit.

The needs are lower bounds, so a network that needs more than there is surely does not fit. What
would make it fit is tried: the passes are run with more chips, and with narrower weights where the
network is still to be quantized. Nothing is written.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen

from snnc.cli.printing import counted, show_pairs, show_table
from snnc.diagnostics import SnncError
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.reports.bounds import bounds, total

if TYPE_CHECKING:
    from snnc.driver.pipeline import Chosen, Stage
    from snnc.extend.registry import Registry
    from snnc.ir.graph import Module

CHIP = LIMITS.offline
"""Cores of a chip that a program may use."""

ALL_CHIPS = tuple((x, y) for x in range(LIMITS.side) for y in range(LIMITS.side))
"""Coordinates that a chip may have, in the order in which further ones are offered."""

LARGEST = 5
"""Layers that are named."""

TRIED = (1, 1.25, 1.5, 2)
"""Numbers of chips that are tried, by the fewest that have room without pins."""

SHORT = 4
"""Chips of an option that a column of a table still holds."""

NO_ROOM = ("chip-full", "region-too-large")
"""What more chips or narrower weights may help against."""


@frozen
class Fitting:
    """Asks what a network of any level takes of PAICORE; `passes` are those of `snnc.compile`."""

    registry: "Registry"
    module: "Module"
    target: str
    passes: Mapping[str, Any]
    own: Mapping[str, Any]

    def needs(self, module: "Module | None" = None) -> dict[str, Any] | None:
        """Return lower bounds, of a module behind `schedule` where there is one already.

        None stands for a network that is refused before cores are divided.
        """
        if module is None:
            try:
                module = self._scheduled(self.passes)
            except SnncError:
                return None
        found = bounds(module)
        largest = sorted(found.values(), key=lambda b: -b.cores)[:LARGEST]
        width = max((b.bits for b in found.values()), default=1)
        chips = len(self._chosen({}).options.chips)
        return {
            "cores": total(found),
            "available": CHIP * chips,
            "chips": ceil(total(found) / CHIP),
            "bits": width,
            "cores_by_bits": {
                str(bits): total(bounds(module, bits))
                for bits in LIMITS.weight_bits[::-1]
                if bits < width
            },
            "waits_for_bits": self._waits_for_bits(),
            "largest": {b.layer: b.cores for b in largest},
            "tiles": {
                b.layer: ceil(b.cores / LIMITS.routing_group)
                for b in found.values()
                if b.cores > LIMITS.routing_group
            },
            "beyond_a_core": {b.layer: b.fan_in for b in found.values() if not b.neurons_per_core},
        }

    def ways_out(self, needs: Mapping[str, Any], code: str) -> Iterator[dict[str, Any]]:
        """Yield what was tried against an error: more chips, then fewer bits, until it fits."""
        if code not in NO_ROOM or needs["beyond_a_core"]:
            return
        yield from self._more_chips(needs["chips"])
        for bits, cores in needs["cores_by_bits"].items():
            if cores <= needs["available"] and needs["waits_for_bits"]:
                way = self._tried(f"--bits {bits}", {**self.passes, "bits": int(bits)}, {})
                yield way
                if way["fits"]:
                    break

    def _more_chips(self, least: int) -> Iterator[dict[str, Any]]:
        """Yield what more chips do; cores are divided once, as that does not depend on chips."""
        chosen = self._chosen({})
        begin, behind = self._scheduled(self.passes), "schedule"
        numbers: tuple[float, ...] = (1,)
        try:
            division = _between(self._stages(chosen, self.passes), "schedule", "group")
            begin, behind = self._run(begin, division, chosen), "group"
            least, numbers = _chips(begin), TRIED
        except SnncError:
            pass  # What the division says, the one try says again.
        chips = list(chosen.options.chips)
        free = [chip for chip in ALL_CHIPS if chip not in (*chips, chosen.options.receiver)]
        first = max(len(chips) + 1, least)
        for count in (ceil(first * more) for more in numbers):
            wanted = [*chips, *free[: count - len(chips)]]
            if len(wanted) < count:
                break
            text = " ".join(f"--chip {x},{y}" for x, y in wanted)
            flat = tuple(n for chip in wanted for n in chip)
            way = self._tried(text, self.passes, {"chip": flat}, (begin, behind))
            yield {**way, "chips": count}
            if way["fits"] or way["code"] != NO_ROOM[0]:
                break

    def _tried(
        self,
        text: str,
        passes: Mapping[str, Any],
        own: Mapping[str, Any],
        begun: "tuple[Module, str] | None" = None,
    ) -> dict[str, Any]:
        """Return what an option does; `begun` is a module and the pass that it is behind."""
        chosen = self._chosen(own)
        try:
            begin, behind = begun or (self._scheduled(passes), "schedule")
            placed = self._run(begin, _between(self._stages(chosen, passes), behind), chosen)
        except SnncError as error:
            why = error.diagnostics[0]
            told = {"cores": None, "code": why.code, "why": why.message}
            return {"option": text, "fits": False, **told}
        cores = len(list(placed.ops("core")))
        return {"option": text, "fits": True, "cores": cores, "code": None, "why": ""}

    def _scheduled(self, passes: Mapping[str, Any]) -> "Module":
        chosen = self._chosen({})
        stages = self._stages(chosen, passes)
        before = _between(stages, "", "schedule")
        return self._run(self.module, before, chosen, passes.get("calibrate"))

    def _waits_for_bits(self) -> bool:
        """Whether a pass of the pipeline takes the width of weights from the command line."""
        try:
            self._stages(self._chosen({}), {**self.passes, "bits": 8})
        except SnncError:
            return False
        return True

    def _chosen(self, own: Mapping[str, Any]) -> "Chosen":
        from snnc.driver.pipeline import choose

        return choose(self.registry, self.target, {**self.own, **own})

    def _stages(self, chosen: "Chosen", passes: Mapping[str, Any]) -> Sequence["Stage"]:
        from snnc.driver.planning import Wanted, planned

        wanted = Wanted(
            bits=passes.get("bits"), per=passes.get("per"), shrink=passes.get("shrink", True)
        )
        return planned(self.registry, chosen, self.module.level, wanted)

    def _run(
        self, module: "Module", stages: Sequence["Stage"], chosen: "Chosen", data: Any = None
    ) -> "Module":
        from snnc.driver.pipeline import run_stages, runner
        from snnc.extend.passes import Context

        context = Context(hardware=chosen.hardware(), calibration=data, run=runner(self.registry))
        return run_stages(module, stages, context, self.registry.get_engine("reference"))[-1]


def _between(stages: Sequence["Stage"], behind: str, last: str = "") -> Sequence["Stage"]:
    """Return the stages behind one pass up to another; empty names are the ends."""
    at = {stage.step.name: number for number, stage in enumerate(stages, 1)}
    return stages[at.get(behind, 0) : at.get(last, len(stages))]


def _chips(module: "Module") -> int:
    """Return on how many chips first fit lays the regions of a module behind `group`."""
    from snnc.targets.paicore.chip.regions import allocate
    from snnc.targets.paicore.mapping.laid import Division

    division = Division(module)
    wishes = [division.wish(group) for group in division.members]
    made = allocate(wishes, [(0, n) for n in range(len(wishes))])
    return len({region.chip_rank for region in made.values()})


def show_needs(needs: Mapping[str, Any], ways: Sequence[Mapping[str, Any]]) -> None:
    """Print what a network that does not fit needs, and what was tried."""
    click.secho("What it needs on PAICORE", bold=True)
    least = f"{needs['cores']:,} or more, for weights of {counted(needs['bits'], 'bit')}"
    shown = {
        "cores": f"{least}; {needs['available']:,} are there",
        "chips": f"{needs['chips']} or more",
        "most of them": ", ".join(f"%{name} {n:,}" for name, n in needs["largest"].items()),
    }
    for name, fan_in in needs["beyond_a_core"].items():
        most = LIMITS.axons << LIMITS.max_lcn
        shown[f"%{name}"] = f"{fan_in:,} inputs to a neuron, a core has {most:,} axons at most"
    for name, parts in needs["tiles"].items():
        reach = f"a multicast reaches {LIMITS.routing_group} cores at most"
        shown[f"%{name}"] = f"{counted(parts, 'tile')} or more: {reach}"
    narrow = [f"{n:,} at {bits}" for bits, n in needs["cores_by_bits"].items()]
    if narrow:
        shown["with fewer bits"] = f"{', '.join(narrow)}, or more"
        if not needs["waits_for_bits"]:
            shown["with fewer bits"] += "; the weights are integers already: quantize them anew"
    show_pairs(shown, "  ")
    if ways:
        rows = [(_named(way), way["fits"], _cell(way["cores"]), way["why"]) for way in ways]
        show_table(("tried", "fits", "cores", "why not"), rows, "\nWhat would make it fit")
        for way in ways:
            if way["fits"] and _named(way) != way["option"]:
                click.echo(f"  {_named(way)}: {way['option']}")


def _named(way: Mapping[str, Any]) -> str:
    """Return what was tried, so short that a table holds it."""
    chips = int(way.get("chips", 0))
    return counted(chips, "chip") if chips > SHORT else str(way["option"])


def _cell(number: int | None) -> str | None:
    return None if number is None else f"{number:,}"
