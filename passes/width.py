"""How long an integer network provably stays within the width of its potentials.

With the interval of its input, a neuron's potential at the start of tick t lies between two
straight lines: a start and a growth per tick that follow from leak, thresholds and resets. The
proof is exact integer arithmetic and errs only towards fewer ticks. It needs no run.
"""

from functools import reduce

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.ir.graph import Module, Op
from snnc.ir.neuron import param
from snnc.passes.intervals import Intervals

Ints = NDArray[np.int64]

FOREVER = 1 << 62


@frozen(eq=False)
class _Neuron:
    """The numbers of a neuron op and its input's bounds; all broadcast to the neurons' shape.

    `before` and `after` are what the leak adds on either side of the compare: (least, most).
    `crossing` is how far a reversing leak can carry a potential past zero.
    """

    op: Op
    least: Ints
    most: Ints
    before: tuple[Ints, Ints]
    after: tuple[Ints, Ints]
    crossing: Ints
    threshold: Ints
    reset_to: Ints
    reset_by: Ints
    initial: Ints
    negative: Ints | None
    floor: Ints | None

    @property
    def total(self) -> tuple[Ints, Ints]:
        """Least and most that input and leak add in one tick."""
        low = self.least + self.before[0] + self.after[0]
        return low, self.most + self.before[1] + self.after[1]

    @property
    def peaks(self) -> tuple[Ints, Ints]:
        """How far below and above its start the potential gets within a tick."""
        low, high = self.total
        downs, ups = self.least + self.before[0], self.most + self.before[1]
        return (
            np.minimum(np.minimum(self.least, 0), np.minimum(downs, low)),
            np.maximum(np.maximum(self.most, 0), np.maximum(ups, high)),
        )


def proven_ticks(module: Module, op: Op, intervals: Intervals | None = None) -> int | None:
    """Return for how many ticks from reset a neuron op's potentials fit `width`; None: for ever.

    Sums on the way to the neuron must fit i32 too. `intervals` may be shared between ops.
    """
    known = intervals or Intervals(module)
    x = known.of(op.values[0])
    if not x.fits:
        return 0
    neuron = _gather(module, op, x.low, x.high)
    top = 1 << op["width"] - 1
    low_peak, high_peak = neuron.peaks
    low = reduce(np.maximum, [_line(top + s, g, -low_peak) for s, g in _falls(neuron)])
    high = reduce(np.maximum, [_line(top - 1 - s, g, high_peak) for s, g in _climbs(neuron)])
    ticks = int(np.minimum(low, high).min(initial=FOREVER))
    if ticks >= FOREVER or (op["ticks"] and ticks >= op["ticks"]):
        return None
    return ticks + int(op["first"])


def max_ticks(module: Module) -> int | None:
    """Return for how many ticks from reset no potential can overflow unforeseen; None: for ever.

    A neuron that says what overflow does is exact as long as the sums on the way to it fit; where a
    soft reset follows a late leak that may wrap, what it leaves is beyond the width, and exact is
    only what comes before.
    """
    intervals = Intervals(module)
    proven = [_exact_ticks(module, op, intervals) for op in module.ops("neuron")]
    return min((t for t in proven if t is not None), default=None)


def _exact_ticks(module: Module, op: Op, intervals: Intervals) -> int | None:
    late = op["leak_order"] == "after" and op["reset"] == "soft"
    if op["overflow"] == "error" or (op["overflow"] == "wrap-paibox" and late):
        return proven_ticks(module, op, intervals)
    return None if intervals.of(op.values[0]).fits else 0


def _line(room: Ints, growth: Ints, peak: Ints) -> Ints:
    """Return how many ticks fit: room - tick * growth must hold the peak of each tick."""
    left = room - peak
    grows = np.where(growth > 0, left // np.maximum(growth, 1) + 1, FOREVER)
    return np.where(left < 0, 0, grows)


def _gather(module: Module, op: Op, least: Ints, most: Ints) -> _Neuron:
    zero = np.zeros((), np.int64)

    def get(name: str) -> Ints:
        array = param(module, op, name)
        return zero if array is None else array

    leak = get("leak")
    keeps = op["memory"] == "keep"
    reverses = op["leak_reversal"] and keeps
    ends = (np.minimum(-leak, 0), np.maximum(leak, 0)) if reverses else (leak, leak)
    early = op["leak_order"] == "before"
    threshold = get("threshold")
    return _Neuron(
        op=op,
        least=least,
        most=most,
        before=ends if early else (zero, zero),
        after=(zero, zero) if early else ends,
        crossing=np.maximum(-leak, 0) if reverses else zero,
        threshold=threshold,
        reset_to=get("reset_to"),
        reset_by=threshold if op["reset_by"] is None else get("reset_by"),
        initial=get("initial") if keeps else zero,
        negative=None if op["negative"] is None else get("negative"),
        floor=None if op["floor"] is None else get("floor"),
    )


def _climbs(n: _Neuron) -> list[tuple[Ints, Ints]]:
    """Return lines (start, growth) above the potential at the start of each tick."""
    op, zero = n.op, np.zeros((), np.int64)
    if op["memory"] == "clear":
        return [(np.maximum(n.crossing, _constants(n, np.maximum)), zero)]
    natural = np.maximum(n.total[1], 0)
    reset = op["reset"]
    starts = np.maximum(np.maximum(n.initial, n.crossing), _constants(n, np.maximum))
    if reset == "none":
        return [(starts, natural)]
    # Below the threshold, or just reset: this holds as soon as spikes can come.
    fired = np.maximum(starts, n.threshold - 1 + np.maximum(n.after[1], 0))
    if reset == "hard":
        return [(starts, natural), (fired, zero)]
    if op["spike"] != "count":
        # A negative amount raises the potential by more than the input does.
        unfired = np.maximum(natural, n.total[1] - n.reset_by)
        return [(starts, unfired), (fired, np.maximum(n.total[1] - n.reset_by, 0))]
    tame = (n.threshold > 0) & (n.reset_by >= 0)
    most = np.where(n.reset_by >= n.threshold, op["max_count"], 1)
    growth = np.maximum(n.total[1] - most * n.reset_by, 0)
    wild = np.where(tame, 0, FOREVER >> 1)
    return [(starts + wild, natural), (fired + wild, growth)]


def _falls(n: _Neuron) -> list[tuple[Ints, Ints]]:
    """Return lines (start, growth) below the potential, growth counted downwards."""
    op, zero = n.op, np.zeros((), np.int64)
    starts = np.minimum(-n.crossing, _constants(n, np.minimum))
    if op["reset"] == "soft":
        after_spike = n.threshold + n.after[0] - n.reset_by
        if op["spike"] == "count":
            # A count n of v >= n threshold takes more than v where reset_by is the larger; v fits
            # the width, which bounds n.
            fitting = ((1 << op["width"] - 1) - 1) // np.maximum(n.threshold, 1)
            most = np.minimum(op["max_count"], fitting)
            after_spike = np.minimum(after_spike, most * (n.threshold - n.reset_by))
            after_spike = np.where(n.threshold > 0, after_spike, -(FOREVER >> 1))
        starts = np.minimum(starts, after_spike)
    if op["memory"] == "clear":
        return [(starts, zero)]
    starts = np.minimum(starts, n.initial)
    natural = np.maximum(-n.total[0], 0)
    lines = []
    if n.floor is not None:
        lines.append((np.minimum(starts, n.floor), zero))
    if n.negative is not None:
        held = np.minimum(starts, -n.negative + np.minimum(n.after[0], 0))
        soft = op["negative_mode"] == "reset" and op["reset"] == "soft"
        if op["negative_mode"] == "floor" or op["reset"] == "hard":
            lines.append((held, zero))
        elif soft:
            lines.append((held, np.maximum(-(n.total[0] + n.negative), 0)))
            natural = np.maximum(natural, -(n.total[0] + n.negative))
    return [*lines, (starts, natural)]


def _constants(n: _Neuron, pick: np.ufunc) -> Ints:
    """Return the highest or lowest potential that a reset or a floor puts, 0 included."""
    found = np.zeros((), np.int64)
    if n.op["reset"] == "hard":
        found = pick(found, n.reset_to)
    if n.negative is not None:
        if n.op["negative_mode"] == "floor":
            # The event only raises the potential, so it cannot be the lowest.
            found = np.maximum(found, -n.negative) if pick is np.maximum else found
        elif n.op["reset"] == "hard":
            found = pick(found, -n.reset_to)
        elif n.op["reset"] == "soft":
            found = pick(found, np.maximum(n.after[1], 0))
    return found if n.floor is None else np.maximum(found, n.floor)
