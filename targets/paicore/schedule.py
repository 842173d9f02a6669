"""Pass `schedule`: when each population's cores start, so that every spike arrives in time.

A source's spike must be delivered before its reader's step and may wait at most as long as the
reader's input buffer is deep. For an edge with delay n in the program, reader and source, L being
the reader's axon extension:

    1 <= start(reader) + n - start(source) <= 256 / L

and for an input 0 <= start(reader) + n <= 256 / L - 1, so that the host can send a tick ahead. The
earliest solution is the longest path from the inputs; nothing has to be balanced. Where there is no
solution because spikes would wait too long, relays are put between.
"""

from typing import Any

from attrs import frozen

from snnc.diagnostics import SnncError, fail
from snnc.extend.passes import Context, Exactness, Pass, option
from snnc.ir.graph import Module, Op, Value
from snnc.ir.rewrite import Rebuild, rebuild
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.mapping.detour import count_cores, sources_of_detours, with_detours
from snnc.targets.paicore.neurons.populations import Populations, checked_extension, extension
from snnc.targets.paicore.neurons.relay import Relays
from snnc.targets.paicore.tiling.plan import MULTICAST, PARTITION, Planner

ROUNDS = 8
"""Times that relays are added; they are readers too."""

TRIALS = 8
"""Sources for which relays are tried one by one; of more, the others together."""

CURABLE = ("delay-too-long", "input-too-late")
"""What relays may cure."""


@frozen
class Bound:
    """start(to) >= start(of) + least; `deep` marks a limit of the buffer, not of causality."""

    of: Op
    to: Op
    least: int
    deep: bool


@frozen
class Schedule(Pass):
    """Choose the start tick of every population; nothing that a program says depends on it."""

    name = "schedule"
    level = "int"
    exactness = Exactness.EXACT
    multicast: str = option(
        "masks", help="how far `group` will cut layers into tiles", choices=MULTICAST
    )
    partition: str = option(
        "auto", help="how `group` will look for tiles of sparse layers", choices=PARTITION
    )

    def run(self, module: Module, context: Context) -> Module:
        """Return the module with `place.start` on every neuron op.

        Where several places read one source, it has relays if that takes fewer cores.
        """
        planner = Planner(Populations.of(module), self.multicast, partition=self.partition)
        module, best = _passed_on(planner) if planner.boxes else (module, _started(planner))
        candidates = sources_of_detours(module)
        if not candidates:
            return best
        chosen: list[Value] = []
        fewest = count_cores(best, self.multicast, self.partition)
        for more in [[one] for one in candidates[:TRIALS]] + [candidates[TRIALS:]]:
            if not more:
                continue
            try:
                other = _started(planner.anew(with_detours(module, [*chosen, *more])))
                cores = count_cores(other, self.multicast, self.partition)
            except SnncError:
                continue
            if cores < fewest:
                best, fewest, chosen = other, cores, [*chosen, *more]
        return best


def _passed_on(planner: Planner) -> tuple[Module, Module]:
    """Return a module in boxes, with relays between layers where they save cores, and starts."""
    from snnc.targets.paicore.mapping.passing import with_relays

    relayed = with_relays(planner)
    if relayed is not planner:
        try:
            return relayed.populations.module, _started(relayed)
        except SnncError:
            # A loop has no tick for them, or the user gave a start.
            pass
    return planner.populations.module, _started(planner)


def _started(planner: Planner) -> Module:
    module, starts = _solved(planner)
    for op, start in starts.items():
        if 1 + start + op["first"] > LIMITS.max_tick:
            raise _too_late(op, start)

    def with_start(op: Op, build: Rebuild) -> Any:
        if op.kind != "neuron":
            return None
        return build.copy(op, place={**(op["place"] or {}), "start": starts[op]})

    return rebuild(module, with_start)


def _too_late(op: Op, start: int) -> SnncError:
    return fail(
        "unsupported-neuron",
        f"%{op.result.name}: first = {op['first']}: its cores start at step "
        f"{1 + start + op['first']}, and their register holds {LIMITS.max_tick}",
        op.loc,
        exit_status=4,
        help=f"begin at tick {LIMITS.max_tick - 1 - start} or earlier",
    )


def _solved(planner: Planner) -> tuple[Module, dict[Op, int]]:
    """Return a module with starts for it; with relays where spikes would wait too long."""
    try:
        return planner.populations.module, solve(planner)
    except SnncError as error:
        why = error
    for _ in range(ROUNDS):
        populations = planner.populations
        causal = earliest(planner) if why.code in CURABLE else None
        depth = {op: find_depth(planner, op) for op in populations.ops}
        made = Relays(populations, causal, depth).module() if causal is not None else None
        if made is None:
            raise why
        planner = planner.anew(made)
        try:
            return made, solve(planner)
        except SnncError as error:
            why = error
    raise why


def solve(planner: Planner) -> dict[Op, int]:
    """Return the earliest start of each population.

    Raises:
        SnncError: `loop-too-short`, `delay-too-long`, `input-too-late`, with the numbers.
    """
    populations = planner.populations
    bounds = find_bounds(planner)
    hints = {op: populations.hint(op) for op in populations.ops}
    fixed = {op: int(hint["start"]) for op, hint in hints.items() if "start" in hint}
    starts = {op: fixed.get(op, 0) for op in populations.ops}
    cause: dict[Op, Bound] = {}
    changed: Op | None = None
    for _ in range(len(starts) + 1):
        changed = None
        for bound in bounds:
            earliest = starts[bound.of] + bound.least
            if earliest > starts[bound.to]:
                if bound.to in fixed:
                    raise _wrong_start(bound, starts)
                starts[bound.to], cause[bound.to], changed = earliest, bound, bound.to
        if changed is None:
            _check_inputs(planner, starts)
            return starts
    assert changed is not None
    raise _unsolvable(cause, changed)


def earliest(planner: Planner) -> dict[Op, int] | None:
    """Return the earliest starts that causality alone allows; None where a loop is too short."""
    causes = [bound for bound in find_bounds(planner) if not bound.deep]
    starts = dict.fromkeys(planner.populations.ops, 0)
    for _ in range(len(starts) + 1):
        late = [b for b in causes if starts[b.of] + b.least > starts[b.to]]
        if not late:
            return starts
        for bound in late:
            starts[bound.to] = max(starts[bound.to], starts[bound.of] + bound.least)
    return None


def find_bounds(planner: Planner) -> list[Bound]:
    """Return what the edges between populations say of their starts."""
    populations, bounds = planner.populations, []
    for op in populations.ops:
        depth = find_depth(planner, op)
        for edge, source in populations.feeding(op):
            populations.segment(op, edge)
            if source is None:
                continue
            bounds.append(Bound(source, op, 1 - edge.delay, deep=False))
            bounds.append(Bound(op, source, edge.delay - depth, deep=True))
    return bounds


def find_depth(planner: Planner, op: Op) -> int:
    """Return how many ticks the input buffer of a population's cores holds."""
    populations = planner.populations
    axons = sum(s.source.type.size for s in populations.segments([op]))
    wide = populations.form(op).wide
    if extension(axons, wide) == 1:
        return LIMITS.slots
    plan = planner.plan(planner.shares(op)[:1], [1])
    if plan.tile is None:
        checked_extension(axons, [op], wide)
    return LIMITS.slots // plan.extension


def _check_inputs(planner: Planner, starts: dict[Op, int]) -> None:
    for op in planner.populations.ops:
        depth = find_depth(planner, op)
        for edge, source in planner.populations.feeding(op):
            if source is None and starts[op] + edge.delay + 1 > depth:
                raise fail(
                    "input-too-late",
                    f"%{op.result.name} starts {starts[op]} ticks after the input "
                    f"%{edge.source.name} and reads it {edge.delay} ticks late; its buffer holds "
                    f"{depth} ticks",
                    op.loc,
                    exit_status=4,
                    help="read the input nearer to where it enters, or relay it through neurons",
                )


def _wrong_start(bound: Bound, starts: dict[Op, int]) -> SnncError:
    name = bound.to.result.name
    return fail(
        "bad-start",
        f"%{name} was given start {starts[bound.to]}, but %{bound.of.result.name} "
        f"needs it to be at least {starts[bound.of] + bound.least}",
        bound.to.loc,
        help="leave `start` out of its place attribute; schedule finds the earliest one",
    )


def _unsolvable(cause: dict[Op, Bound], op: Op) -> SnncError:
    """Return the error for bounds that contradict each other: a cycle of causes.

    The causes of `op`, which still changed in the last round, lead back into it.
    """
    for _ in range(len(cause)):
        op = cause[op].of
    loop = [cause[op]]
    while loop[-1].of is not op:
        loop.append(cause[loop[-1].of])
    names = " -> ".join(f"%{b.of.result.name}" for b in reversed(loop)) + f" -> %{op.result.name}"
    if not any(b.deep for b in loop):
        delays = sum(1 - b.least for b in loop)
        return fail(
            "loop-too-short",
            f"the loop {names} of {len(loop)} layers has a total delay of "
            f"{delays} ticks; each layer's cores take one tick, so it needs at least {len(loop)}",
            op.loc,
            exit_status=4,
            help=f"add delay{{by = {len(loop) - delays}}} to the loop",
        )
    return fail(
        "delay-too-long",
        f"the delays along {names} are longer than the input buffer of the "
        f"reading cores ({LIMITS.slots} slots, divided by their axon extension)",
        op.loc,
        exit_status=4,
        help="shorten the delay, or pass the spikes through relay neurons",
    )
