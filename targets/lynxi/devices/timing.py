"""When devices of a matrix work: G time slices by M model slices, one sample after the other.

Device (g, m) runs the steps of time slice g of model slice m. It begins when it is free, when its
input is there (from device (g, m - 1)) and when the states are there (from (g - 1, m)); before it
overwrites what a neighbor was sent for the sample before, that neighbor must have used it. Waits
count records: a wait for sample i is passed by the i-th record of an event, not by an earlier one.

    start = max(end of the sample before, out(g, m - 1), mem(g - 1, m))
    inf   = start + input + [g > 0] memory + steps (latency(m) + overhead)
    send  = max(inf, inf(g + 1, m) and inf(g, m + 1) of the sample before)
    out   = send + [m < M - 1] output;  mem = out + [g < G - 1] memory;  end = mem + sync
"""

from collections.abc import Sequence

from attrs import field, frozen

from snnc.diagnostics import fail


@frozen
class Costs:
    """Seconds (or any unit): one step of each model slice, copies, and what a sample adds."""

    steps: tuple[float, ...]
    input: float = 0.0
    output: float = 0.0
    memory: float = 0.0
    sync: float = 0.0
    overhead: float = 0.0


@frozen
class Work:
    """What one device does with one sample: five points in time."""

    time: int
    model: int
    sample: int
    start: float
    inference: float
    send: float
    out: float
    end: float


@frozen
class Timeline:
    """The work of all devices; latency of the first sample, period of samples in the long run."""

    works: tuple[Work, ...]
    slices: tuple[int, ...]
    models: int
    latency: float
    period: float = field(default=0.0)


def split_steps(ticks: int, parts: int) -> tuple[int, ...]:
    """Return how many steps each time slice has; the first ones have one more.

    Raises:
        SnncError: `device-matrix` for more slices than steps.
    """
    if not 1 <= parts <= ticks:
        raise fail(
            "device-matrix",
            f"{ticks} steps cannot be cut into {parts} time slices",
            help="use at most one time slice per step",
        )
    return tuple(ticks // parts + (n < ticks % parts) for n in range(parts))


def timeline(ticks: int, times: int, costs: Costs, samples: int = 40) -> Timeline:
    """Return when each device of a matrix works on each of `samples` samples.

    The period is that between the last two samples; it has settled where samples exceed the sum of
    both sides of the matrix by far.

    Raises:
        SnncError: `device-matrix`.
    """
    slices, models = split_steps(ticks, times), len(costs.steps)
    if not models or samples < 2 or min(costs.steps) < 0:
        raise fail(
            "device-matrix",
            f"{models} model slices, {samples} samples",
            help="give the latency of a step for each model slice, and at least two samples",
        )
    works: list[Work] = []
    done: dict[tuple[int, int, int], Work] = {}
    mem: dict[tuple[int, int, int], float] = {}
    for i in range(samples):
        for g in range(times):
            for m in range(models):
                work, kept = _work(g, m, i, slices, costs, done, mem)
                done[g, m, i], mem[g, m, i] = work, kept
                works.append(work)
    last = [done[times - 1, models - 1, i].end for i in range(samples)]
    return Timeline(tuple(works), slices, models, last[0], last[-1] - last[-2])


def _work(
    g: int,
    m: int,
    i: int,
    slices: Sequence[int],
    c: Costs,
    done: dict[tuple[int, int, int], Work],
    mem: dict[tuple[int, int, int], float],
) -> tuple[Work, float]:
    """Return the work of a device on a sample, and when its states have arrived next door."""
    times, models = len(slices), len(c.steps)
    start = max(
        done[g, m, i - 1].end if i else 0.0,
        done[g, m - 1, i].out if m else 0.0,
        mem[g - 1, m, i] if g else 0.0,
    )
    own = slices[g] * (c.steps[m] + c.overhead)
    inference = start + c.input + (c.memory if g else 0.0) + own
    send = inference
    if i and g < times - 1:
        send = max(send, done[g + 1, m, i - 1].inference)
    if i and m < models - 1:
        send = max(send, done[g, m + 1, i - 1].inference)
    out = send + (c.output if m < models - 1 else 0.0)
    kept = out + (c.memory if g < times - 1 else 0.0)
    return Work(g, m, i, start, inference, send, out, kept + c.sync), kept
