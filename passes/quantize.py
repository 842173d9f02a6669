"""`quantize`: from real numbers to integers, the one lowering that is approximate.

Weights become integers of `bits` bits times a scale per layer or channel; thresholds, leaks,
biases, resets and floors are divided by the same scale, so no scale is left over in the network.
Average pools become sum pools, their factor joining the scale. Networks that are integers already
stay as they are, exactly. Every tensor's error is written to `context.report["quantize"]`.
"""

from collections.abc import Sequence

import numpy as np
from attrs import define, field, frozen

from snnc.diagnostics import Diagnostics
from snnc.extend.passes import Context, Exactness, Pass, option
from snnc.ir.graph import Module, Op, Operand, Value
from snnc.ir.rewrite import Rebuild, rebuild
from snnc.ir.synapses import WEIGHTED
from snnc.ir.types import I2, I4, I8, I32, U1
from snnc.ir.weights import Array
from snnc.passes.buses import (
    SUMS,
    bias_of,
    find_currents,
    scale_weights,
    spread,
    weights_of,
)
from snnc.passes.integer_neuron import integer_params, kept_attrs, refuse_neuron
from snnc.passes.parameters import as_param
from snnc.passes.rounding import Reals, round_weights, snapped
from snnc.passes.scales import Scales

ELEMENTS = {1: U1, 2: I2, 4: I4, 8: I8}
ENCODERS = ("poisson", "latency", "periodic", "direct")


@frozen
class Quantize(Pass):
    """Lower real numbers to integers with weights of a few bits; the error is reported."""

    name = "quantize"
    level = "snn"
    to = "int"
    exactness = Exactness.APPROXIMATE

    bits: int = option(8, help="bits of a weight; 1 bit is 0 or 1", choices=(1, 2, 4, 8))
    per: str = option("channel", help="scales per layer or channel", choices=("layer", "channel"))
    scale: str = option(
        "mse", help="largest weight, or least squared error", choices=("max", "mse")
    )

    def run(self, module: Module, context: Context) -> Module:
        """Return the module at level int.

        Raises:
            SnncError: `no-integer-form` for each op or field that integers cannot express,
                `real-source`, `negative-weights`, `scale-conflict`, `linear-loop`.
        """
        _refuse(module)
        width = int(context.hardware.get("membrane_bits", 32))
        scales = Scales(module, self.bits, self.scale, self.per, width)
        lowering = _Lowering(module, scales, self.bits, width)
        lowered = rebuild(module, lowering, level="int")
        context.report["quantize"] = {
            "bits": self.bits,
            "per": self.per,
            "scale": self.scale,
            "tensors": lowering.tensors,
            "neurons": lowering.neurons,
            "values": lowering.values,
        }
        return lowered


def _refuse(module: Module) -> None:
    """Collect what no scale can express."""
    found, currents = Diagnostics(), find_currents(module)
    used = [*module.graph.outputs, *(v for op in module.graph.ops for v in op.values)]
    refused: dict[Value, Op] = {}
    for op in module.graph.ops:
        if _nonlinear(op, found):
            refused[op.result] = op
        if op.kind == "neuron":
            refuse_neuron(module, op, any(r in used for r in op.results[1:]), found)
    for op in module.graph.ops:
        if op.kind in (*WEIGHTED, *SUMS, "neuron"):
            for value in dict.fromkeys(op.values):
                if value not in currents and value not in refused:
                    _real_source(op, value, found)
    found.check()


def _nonlinear(op: Op, found: Diagnostics) -> bool:
    """Record an op between spikes and neurons that is not linear; return whether it is one."""
    if op.kind == "batch_norm":
        why, help = "batch_norm divides by a deviation", "run fold-norm before quantize"
    elif op.kind == "relu":
        why, help = "relu is not linear, and it is no neuron", "replace it by a neuron"
    elif op.kind.startswith("max_pool") and op.values[0].type.element.is_float:
        why = f"{op.kind} of %{op.values[0].name}, which are currents and not spikes"
        help = "put the pool behind the neuron, where it is the OR of spikes, or use a sum pool"
    else:
        return False
    found.error("no-integer-form", f"%{op.result.name}: {why}", op.loc, help=help)
    return True


def _real_source(op: Op, value: Value, found: Diagnostics) -> None:
    if value.type.element.is_float:
        found.error(
            "real-source",
            f"%{value.name}: {value.type} holds real numbers, where %{op.result.name} needs spikes "
            "or other integers",
            op.loc,
            help="put an encoder before it, or declare the input as u8",
        )


@define(eq=False)
class _Lowering:
    """Rewrites one op after the other; collects the report."""

    module: Module
    scales: Scales
    bits: int
    width: int
    tensors: dict[str, object] = field(factory=dict)
    neurons: dict[str, object] = field(factory=dict)
    values: dict[str, object] = field(factory=dict)
    _awaited: dict[Value, Value] = field(factory=dict)
    _ready: bool = False

    def __call__(self, op: Op, build: Rebuild) -> Sequence[Value]:
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
        integers, clipped = round_weights(unit / scale, self.bits, scaled.exact)
        if (integers == 1).all():
            return build(value)
        name = f"{op.result.name}.{value.name}.w"
        symbol = build.weight(name, integers, ELEMENTS[self.bits])
        self.tensors[symbol.name] = _report(unit, integers, scale, clipped)
        return build.op("scale", build(value), symbol, name=f"{value.name}_weighted")

    def _weighted(self, op: Op, build: Rebuild) -> Sequence[Value]:
        scaled = self.scales.by_value[op.result]
        step = scaled.of(op.result)
        real = weights_of(self.module, op, len(step)).astype(np.float64)
        scale = spread(op, real.shape, step / self.scales.input_scale(op))
        integers, clipped = round_weights(real / scale, self.bits, scaled.exact)
        symbol = build.weight(op.symbols[0].name, integers, ELEMENTS[self.bits])
        self.tensors[symbol.name] = _report(real, integers, scale, clipped)
        operands: list[Operand] = [build(op.values[0]), symbol]
        bias = bias_of(self.module, op)
        if bias is not None:
            real, scale = bias, _apart(step, bias)
            integers = np.rint(snapped(real / scale)).astype(np.int64)
            operands.append(build.weight(op.symbols[1].name, integers, I32))
            self.tensors[operands[-1].name] = _report(real, integers, scale, 0)
        kind = "linear" if op.kind == "masked_linear" else op.kind
        return build.emit(kind, operands, op.attrs, loc=op.loc, names=[op.result.name]).results

    def _neuron(self, op: Op, build: Rebuild) -> Sequence[Value]:
        unit = self.scales.unit(op)
        params = integer_params(self.module, op, unit)
        attrs = kept_attrs(op) | {"width": self.width}
        name = op.result.name
        for key, array in params.values.items():
            attrs[key] = as_param(build, f"{name}.{key}", array, op[key])
        self.neurons[name] = {
            "unit": _span(unit),
            "exact": params.exact and self.scales.by_neuron[op].exact,
            "threshold_error": params.threshold_error,
        }
        x = self._operand(op, op.values[0], build)
        names = [r.name for r in op.results]
        return build.emit("neuron", [x], attrs, loc=op.loc, names=names).results


def _apart(steps: Reals, like: Array) -> Reals:
    """Return one step per element of a constant whose row-major parts are the blocks."""
    return np.repeat(steps, like.size // len(steps)).reshape(like.shape)


def _span(scale: Reals) -> list[float]:
    return [float(scale.min()), float(scale.max())]


def _report(real: Reals, integers: Array, scale: Reals, clipped: int) -> dict[str, object]:
    """Return what rounding did to a tensor: its range, its steps, clips and the largest error."""
    error = np.abs(real - integers * scale)
    return {
        "range": [float(real.min(initial=0)), float(real.max(initial=0))],
        "scale": _span(scale),
        "clipped": clipped,
        "max_error": float(error.max(initial=0)),
    }
