"""The rewriting of `quantize`: each op to integers, given the scales and what was chosen for it.

`Choices` holds what calibration found, for the ops that it has come to; everything else is rounded
to the nearest integer, so that a network is complete, and can be run, at any time.
"""

import math
from collections.abc import Sequence

import numpy as np
from attrs import define, field, frozen

from snnc.ir.graph import Module, Op, Operand, Value
from snnc.ir.rewrite import Rebuild, rebuild
from snnc.ir.synapses import WEIGHTED
from snnc.ir.types import I2, I4, I8, I32, U1
from snnc.ir.weights import Array
from snnc.passes.buses import SUMS, bias_of, scale_weights
from snnc.passes.integer_neuron import kept_attrs
from snnc.passes.parameters import as_param
from snnc.passes.rounding import Reals, count_clipped, round_weights, snapped
from snnc.passes.scales import Scaled, Scales

ELEMENTS = {1: U1, 2: I2, 3: I4, 4: I4, 8: I8}
ENCODERS = ("poisson", "latency", "periodic", "direct")


@define(eq=False)
class Choices:
    """What calibration chose: a maker's integer weights, what is added to a neuron's threshold.

    Both in the layout of the op: the weights' own, and the neurons' shape.
    """

    codes: dict[Op, Array] = field(factory=dict)
    shifts: dict[Op, Array] = field(factory=dict)


@define(eq=False)
class Lowering:
    """Rewrites one op after the other; collects the report."""

    module: Module
    scales: Scales
    choices: Choices
    tensors: dict[str, object] = field(factory=dict)
    neurons: dict[str, object] = field(factory=dict)
    values: dict[str, object] = field(factory=dict)
    _awaited: dict[Value, Value] = field(factory=dict)
    _ready: bool = False

    def __call__(self, op: Op, build: Rebuild) -> Sequence[Value]:
        """Return the new values of an op; `rebuild` calls this for each."""
        if not self._ready:
            self._clear(build)
        for value in op.values:
            self._await(value, build)
        made = self._lower(op, build)
        for old, new in zip(op.results, made, strict=True):
            if old in self._awaited:
                build.bind(self._awaited[old], new)
            if old in self.module.graph.outputs and old in self.scales.by_value:
                self.values[old.name] = _span(self.scales.by_value[old].of(old))
        return made

    def _clear(self, build: Rebuild) -> None:
        """Free the names of real weights, which the integer ones take over."""
        kept = {s.name for op in self.module.ops(*ENCODERS) for s in op.symbols}
        for name in [n for n in build.weights if n not in kept]:
            del build.weights[name]
        self._ready = True

    def _await(self, value: Value, build: Rebuild) -> None:
        """Announce a current that is read before it is made as the integers that it will be."""
        if value in self.scales.by_value and value not in build.now:
            later = build.forward(value.name, value.type.with_element(I32), value.loc)
            self._awaited[value] = later
            build.replace(value, later)

    def _lower(self, op: Op, build: Rebuild) -> Sequence[Value]:
        if op.kind == "neuron":
            return self._neuron(op, build)
        if op.kind in WEIGHTED:
            return self._weighted(op, build)
        if op.kind not in SUMS:
            return build.copy(op)
        operands = [self._operand(op, value, build) for value in op.values]
        attrs = {k: v for k, v in op.attrs.items() if k != "count_padding"}
        kind = op.kind.replace("avg_", "sum_")
        return build.emit(kind, operands, attrs, loc=op.loc, names=[op.result.name]).results

    def _operand(self, op: Op, value: Value, build: Rebuild) -> Value:
        """Return an operand; spikes without weights get the weight that the scale asks for."""
        if value in self.scales.by_value:
            return build(value)
        scaled = self.scales.by_entry[op]
        unit = scale_weights(np.ones(1), value.type.shape, len(scaled.scale))
        scale = _apart(scaled.of_entry(op), unit)
        integers, clipped = round_weights(unit / scale, scaled.bits, scaled.exact)
        if (integers == 1).all():
            return build(value)
        name = f"{op.result.name}.{value.name}.w"
        symbol = build.weight(name, integers, ELEMENTS[scaled.bits])
        how = _rounding(scaled)
        self.tensors[symbol.name] = _report(unit, integers, scale, clipped, how)
        return build.op("scale", build(value), symbol, name=f"{value.name}_weighted")

    def _weighted(self, op: Op, build: Rebuild) -> Sequence[Value]:
        scaled = self.scales.by_value[op.result]
        step = scaled.of(op.result)
        real, scale = self.scales.weights(op)
        integers, clipped = round_weights(real / scale, scaled.bits, scaled.exact)
        how = _rounding(scaled)
        if op in self.choices.codes:
            integers, how = self.choices.codes[op], "second-order"
            clipped = count_clipped(real / scale, scaled.bits, lowest=True)
        symbol = build.weight(op.symbols[0].name, integers, ELEMENTS[scaled.bits])
        self.tensors[symbol.name] = _report(real, integers, scale, clipped, how)
        operands: list[Operand] = [build(op.values[0]), symbol]
        bias = bias_of(self.module, op)
        if bias is not None:
            real, scale = bias, _apart(step, bias)
            integers = np.rint(snapped(real / scale)).astype(np.int64)
            operands.append(build.weight(op.symbols[1].name, integers, I32))
            self.tensors[operands[-1].name] = _report(real, integers, scale, 0, _rounding(scaled))
        kind = "linear" if op.kind == "masked_linear" else op.kind
        return build.emit(kind, operands, op.attrs, loc=op.loc, names=[op.result.name]).results

    def _neuron(self, op: Op, build: Rebuild) -> Sequence[Value]:
        params = self.scales.params(op, self.choices.shifts.get(op))
        attrs = kept_attrs(op) | {"width": self.scales.width}
        name = op.result.name
        for key, array in params.values.items():
            attrs[key] = as_param(build, f"{name}.{key}", array, op[key])
        self.neurons[name] = {
            "unit": _span(self.scales.unit(op)),
            "exact": params.exact and self.scales.by_neuron[op].exact,
            "threshold_error": params.threshold_error,
            "threshold_shift": _range(self.choices.shifts.get(op)),
        }
        x = self._operand(op, op.values[0], build)
        names = [r.name for r in op.results]
        return build.emit("neuron", [x], attrs, loc=op.loc, names=names).results


@frozen(eq=False)
class Lowered:
    """A module at level int, and what became of tensors, neurons and returned currents."""

    made: Module
    tensors: dict[str, object]
    neurons: dict[str, object]
    values: dict[str, object]


def lower(module: Module, scales: Scales, choices: Choices) -> Lowered:
    """Return a module at level snn in integers, with its report."""
    lowering = Lowering(module, scales, choices)
    made = rebuild(module, lowering, level="int")
    return Lowered(made, lowering.tensors, lowering.neurons, lowering.values)


def _apart(steps: Reals, like: Array) -> Reals:
    """Return one step per element of a constant whose row-major parts are the blocks."""
    return np.repeat(steps, like.size // len(steps)).reshape(like.shape)


def _span(scale: Reals) -> list[float]:
    return [float(scale.min()), float(scale.max())]


def _range(shift: Array | None) -> list[int]:
    return [0, 0] if shift is None else [int(shift.min()), int(shift.max())]


def _rounding(scaled: Scaled) -> str:
    return "exact" if scaled.exact else "nearest"


def _report(
    real: Reals, integers: Array, scale: Reals, clipped: int, how: str
) -> dict[str, object]:
    """Return what rounding did to a tensor: its range, its steps, clips and the errors."""
    error = np.abs(real - integers * scale)
    # A sum rounded once is the same on every machine.
    squares = math.fsum(np.square(error).ravel().tolist())
    return {
        "range": [float(real.min(initial=0)), float(real.max(initial=0))],
        "scale": _span(scale),
        "clipped": clipped,
        "rounding": how,
        "max_error": float(error.max(initial=0)),
        "rms_error": math.sqrt(squares / max(1, error.size)),
    }
