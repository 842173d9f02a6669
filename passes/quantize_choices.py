"""What calibration decides for `quantize`, bus after bus in the order in which a tick runs.

Weights are rounded, and thresholds matched, on what the layers before, quantized already, give on
the calibration data; a loop shows its later layers rounded to the nearest integer. What is integers
already is left alone.
"""

from collections.abc import Mapping

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from snnc.ir.analysis import run_order
from snnc.ir.graph import Module, Op
from snnc.ir.weights import Array
from snnc.passes.buses import Bus, per_output
from snnc.passes.calibration import Calibration
from snnc.passes.moments import second_moments
from snnc.passes.quantize_lowering import Choices, lower
from snnc.passes.rounding import Reals, weight_range
from snnc.passes.scales import Scales, name_of
from snnc.passes.second_order import PART, factor, made_up_for, round_rows
from snnc.passes.threshold_search import matched_shift

Counts = Mapping[str, Array]


@frozen(eq=False)
class _Made:
    """What was chosen for a bus, called `name`, with weights of `bits` bits."""

    name: str
    bits: int
    scale: Reals
    codes: Mapping[Op, Array]
    shifts: Mapping[Op, Array]


@frozen(eq=False)
class Chooser:
    """Chooses weights by second moments and thresholds by spike counts, one or both of them.

    `real` holds what the real network's values count, by name; see `chooser`. What was chosen last
    is kept: as long as the bits of the first buses stay, so does what is chosen for them.
    """

    module: Module
    data: Calibration
    moments: bool
    matched: bool
    real: Counts
    _last: list[_Made] = field(factory=list)

    def choose(self, scales: Scales) -> Choices:
        """Return the choices for some scales; with `scale=mse`, `scales` gets other steps too."""
        choices, made, known = Choices(), [], not _hears_itself(self.module)
        for number, bus in enumerate(_in_run_order(self.module, scales)):
            name, bits = name_of(bus), scales.of_bus(bus).bits
            last = self._last[number] if known and number < len(self._last) else None
            known = last is not None and (last.name, last.bits) == (name, bits)
            made.append(last if last and known else self._choose(scales, choices, bus))
            scales.put(scales.of_bus(bus).with_scale(made[-1].scale))
            choices.codes.update(made[-1].codes)
            choices.shifts.update(made[-1].shifts)
        self._last[:] = made
        return choices

    def _choose(self, scales: Scales, choices: Choices, bus: Bus) -> _Made:
        """Return the choice for a bus; `choices` gets it as far as its own neurons need it."""
        codes: dict[Op, Array] = {}
        if self.moments:
            program = lower(self.module, scales, choices).made
            codes = _rounded(scales, bus, program, self.real, self.data)
            choices.codes.update(codes)
        shifts = {}
        for op in bus.neurons if self.matched else ():
            program = lower(self.module, scales, choices).made
            shifts[op] = matched_shift(scales, op, program, self.real[op.result.name], self.data)
            choices.shifts[op] = shifts[op]
        scaled = scales.of_bus(bus)
        return _Made(name_of(bus), scaled.bits, scaled.scale, codes, shifts)


def _hears_itself(module: Module) -> bool:
    """Whether an op reads what a later one makes, so that no layer comes before all others."""
    order = run_order(module.graph)
    rank = {result: n for n, op in enumerate(order) for result in op.results}
    return any(rank.get(v, -1) >= n for n, op in enumerate(order) for v in op.values)


def chooser(
    module: Module, scales: Scales, data: Calibration, moments: bool, matched: bool
) -> Chooser:
    """Return what chooses for a module, having run it once on the calibration data."""
    buses = _in_run_order(module, scales)
    heard = [op.values[0] for bus in buses for op in _rounded_makers(bus) if moments]
    neurons = [op.result for bus in buses for op in bus.neurons if matched]
    real = data.counts(module, [v.name for v in (*heard, *neurons)])
    return Chooser(module, data, moments, matched, real)


def _in_run_order(module: Module, scales: Scales) -> list[Bus]:
    rank = {op: n for n, op in enumerate(run_order(module.graph))}
    found = [scaled.bus for scaled in scales.all if not scaled.exact]
    return sorted(found, key=lambda bus: min(rank[op] for op in (*bus.makers, *bus.neurons)))


def _rounded_makers(bus: Bus) -> list[Op]:
    """Return the makers of a bus whose sources have spikes to count."""
    return [op for op in bus.makers if op.kind != "scale" and op.values[0].type.timed]


def _rounded(
    scales: Scales, bus: Bus, program: Module, real: Counts, data: Calibration
) -> dict[Op, Array]:
    """Return the integer weights of the makers of a bus whose sources have spikes to count.

    `real` holds what the sources count in the real network. Where `scales` offers several steps,
    the one whose currents err least is chosen and put there.
    """
    makers = _rounded_makers(bus)
    counts = data.counts(program, [op.values[0].name for op in makers])
    scaled = scales.of_bus(bus)
    rows = [
        _Rows(op, scales.weights(op)[0], counts[name], _in_steps(real[name], scale), scaled.whole)
        for op in makers
        for name, scale in ((op.values[0].name, scales.input_scale(op)),)
    ]
    trials = scales.trials(scaled) if len(makers) == len(bus.makers) else [scaled.scale]
    best, least, codes = scaled.scale, None, [row.nothing() for row in rows]
    for steps in trials:
        scales.put(scaled.with_scale(steps))
        cost = np.zeros(len(steps))
        tried = [row.rounded(scales.weights(row.op)[1], scaled.bits) for row in rows]
        for _, each in tried:
            # One sum after the other: the same on any machine.
            cost += np.cumsum(each.reshape(len(steps), -1), axis=1)[:, -1] * np.square(steps)
        better = np.ones(len(steps), np.bool_) if least is None else (cost < least) & ~scaled.whole
        least = cost if least is None else np.where(better, cost, least)
        best = np.where(better, steps, best)
        for kept, (made, _) in zip(codes, tried, strict=True):
            chosen = np.repeat(better, len(kept) // len(better))
            kept[chosen] = made[chosen]
    scales.put(scaled.with_scale(best))
    return {row.op: row.own_layout(kept) for row, kept in zip(rows, codes, strict=True)}


def _in_steps(counts: Array, scale: float) -> Array:
    """Return what the real network counts as integers, in the steps of the quantized one."""
    if counts.dtype.kind == "i" and scale == 1:
        return counts
    return np.rint(counts / scale).astype(np.int64)


class _Rows:
    """The weights of a maker as rows per output channel, and the factors of what they read."""

    def __init__(
        self, op: Op, real: Reals, seen: Array, meant: Array, whole: NDArray[np.bool_]
    ) -> None:
        self.op, self.shape = op, real.shape
        self.real = per_output(op, real).copy()
        groups = op["groups"] if op.kind.startswith("conv") else 1
        outputs, inputs = self.real.shape
        free = ~np.repeat(whole, outputs // len(whole))
        self.parts = []
        for group, rows in enumerate(np.array_split(np.arange(outputs), groups)):
            for first in range(0, inputs, PART):
                part = slice(first, min(first + PART, inputs))
                moments = second_moments(op, self.shape, seen, group, part)
                factors = factor(moments)
                self.parts.append((rows, part, factors))
                if factors is not None and (meant != seen).any():
                    cross = second_moments(op, self.shape, seen, group, part, meant)
                    moved = rows[free[rows]]
                    given = self.real[moved, part]
                    self.real[moved, part] = made_up_for(given, factors, moments, cross)

    def nothing(self) -> Array:
        """Return rows of zeros."""
        return np.zeros(self.real.shape, np.int64)

    def rounded(self, scale: Reals, bits: int) -> tuple[Array, Reals]:
        """Return integer rows, and what the error of each costs, in squares of steps."""
        steps = per_output(self.op, np.broadcast_to(scale, self.shape))
        wanted, (low, top) = self.real / steps, weight_range(bits, lowest=True)
        codes, cost = self.nothing(), np.zeros(len(wanted))
        for rows, part, factors in self.parts:
            codes[rows, part], each = round_rows(wanted[rows, part], factors, low, top)
            cost[rows] += each
        return codes, cost

    def own_layout(self, codes: Array) -> Array:
        """Return rows in the layout of the op's weights."""
        op, shape = self.op, self.shape
        if not op.kind.startswith("conv_transpose"):
            return codes.reshape(shape)
        groups, inputs, outputs = op["groups"], *shape[:2]
        grouped = codes.reshape(groups, outputs, inputs // groups, -1)
        return grouped.swapaxes(1, 2).reshape(shape)
