"""What calibration decides for `quantize`, bus after bus in the order in which a tick runs.

Weights are rounded, and thresholds matched, on what the layers before, quantized already, give on
the calibration data; a loop shows its later layers rounded to the nearest integer. What is integers
already is left alone.
"""

import numpy as np

from snnc.ir.analysis import run_order
from snnc.ir.graph import Module, Op
from snnc.ir.weights import Array
from snnc.passes.buses import per_output
from snnc.passes.calibration import Calibration
from snnc.passes.moments import second_moments
from snnc.passes.quantize_lowering import Choices, lower
from snnc.passes.rounding import Reals, top_weight
from snnc.passes.scales import Scaled, Scales
from snnc.passes.second_order import PART, round_rows
from snnc.passes.threshold_search import matched_shift


def choose(
    module: Module, scales: Scales, data: Calibration, moments: bool, matched: bool
) -> Choices:
    """Return weights rounded by second moments and thresholds matched to real spike counts."""
    choices = Choices()
    neurons = [op for scaled in scales.all if not scaled.exact for op in scaled.bus.neurons]
    real = data.counts(module, [op.result.name for op in neurons]) if matched else {}
    for scaled in _in_run_order(module, scales):
        if moments:
            choices.codes.update(_rounded(module, scales, choices, scaled, data))
        for op in scaled.bus.neurons if matched else ():
            program = lower(module, scales, choices).made
            choices.shifts[op] = matched_shift(scales, op, program, real[op.result.name], data)
    return choices


def _in_run_order(module: Module, scales: Scales) -> list[Scaled]:
    rank = {op: n for n, op in enumerate(run_order(module.graph))}
    found = [scaled for scaled in scales.all if not scaled.exact]
    return sorted(found, key=lambda s: min(rank[op] for op in (*s.bus.makers, *s.bus.neurons)))


def _rounded(
    module: Module, scales: Scales, choices: Choices, scaled: Scaled, data: Calibration
) -> dict[Op, Array]:
    """Return the integer weights of the makers of a bus whose sources have spikes to count."""
    makers = [op for op in scaled.bus.makers if op.kind != "scale" and op.values[0].type.timed]
    program = lower(module, scales, choices).made
    counts = data.counts(program, [op.values[0].name for op in makers])
    return {op: _codes(op, *scales.weights(op), counts, scaled.bits) for op in makers}


def _codes(op: Op, real: Reals, scale: Reals, counts: dict[str, Array], bits: int) -> Array:
    wanted = per_output(op, real / scale)
    groups = op["groups"] if op.kind.startswith("conv") else 1
    top = top_weight(bits)
    low = 0 if bits == 1 else -top
    codes = np.empty(wanted.shape, dtype=np.int64)
    seen = counts[op.values[0].name]
    for group, rows in enumerate(np.array_split(np.arange(len(wanted)), groups)):
        for first in range(0, wanted.shape[1], PART):
            part = slice(first, min(first + PART, wanted.shape[1]))
            moments = second_moments(op, real.shape, seen, group, part)
            codes[rows, part] = round_rows(wanted[rows, part], moments, low, top)
    return _own_layout(op, codes, real.shape)


def _own_layout(op: Op, codes: Array, shape: tuple[int, ...]) -> Array:
    """Return rows per output channel in the layout of the op's weights."""
    if not op.kind.startswith("conv_transpose"):
        return codes.reshape(shape)
    groups, inputs, outputs = op["groups"], *shape[:2]
    grouped = codes.reshape(groups, outputs, inputs // groups, -1)
    return grouped.swapaxes(1, 2).reshape(shape)
