"""`quantize`: from real numbers to integers, the one lowering that is approximate.

Weights become integers of `bits` bits times a scale per layer or channel; thresholds, leaks,
biases, resets and floors are divided by the same scale, so no scale is left over in the network.
Average pools become sum pools, their factor joining the scale. Networks that are integers already
stay as they are, exactly. On calibration data weights may be rounded by second moments and
thresholds matched to spike counts. What it did to every tensor, and with calibration data to the
spikes of every layer, is written to `context.report["quantize"]`.
"""

from collections.abc import Mapping

from attrs import asdict, frozen

from snnc.diagnostics import Diagnostics, fail
from snnc.extend.passes import Context, Exactness, Pass, option
from snnc.ir.graph import Module, Op, Value
from snnc.ir.synapses import WEIGHTED
from snnc.passes.accuracy import compare_accuracy
from snnc.passes.buses import SUMS, find_currents
from snnc.passes.calibration import Calibration, calibration_of, needed
from snnc.passes.integer_neuron import refuse_neuron
from snnc.passes.layer_errors import compare_layers
from snnc.passes.mixed_precision import SIZES, Mixed, Search, cores, weight_bits, weight_count
from snnc.passes.quantize_choices import Chooser, chooser
from snnc.passes.quantize_lowering import Choices, Lowered, lower
from snnc.passes.scales import Scales, name_of

REPORTED = ("bits", "per", "scale", "rounding", "thresholds")
"""Options that the report repeats."""


@frozen
class Quantize(Pass):
    """Lower real numbers to integers with weights of a few bits; the error is reported."""

    name = "quantize"
    level = "snn"
    to = "int"
    exactness = Exactness.APPROXIMATE

    bits: int = option(
        8, help="bits of a weight; 1 bit is 0 or 1, 3 bits are held in 4", choices=(1, 2, 3, 4, 8)
    )
    per: str = option("channel", help="scales per layer or channel", choices=("layer", "channel"))
    scale: str = option(
        "mse",
        help="largest weight, least squared error, or a percentile of the weights",
        choices=("max", "mse", "percentile"),
    )
    percentile: float | None = option(
        None, help="percent of the weights that scale=percentile does not clip; 99.9 if not given"
    )
    rounding: str = option(
        "nearest",
        help="nearest, or second-order: weights make up for each other on calibration data",
        choices=("nearest", "second-order"),
    )
    thresholds: str = option(
        "scaled",
        help="scaled with the weights, or matched to the real spike counts on calibration data",
        choices=("scaled", "matched"),
    )

    drop: float | None = option(
        None, help="share of calibration samples whose answer may change: chooses bits per layer"
    )
    mean: float | None = option(
        None, help="bits per weight, on average, to get down to, in place of drop"
    )
    for_: str | None = option(
        None, help="what drop saves: bits of weights, or cores", choices=("bits", "cores")
    )

    def run(self, module: Module, context: Context) -> Module:
        """Return the module at level int.

        Raises:
            SnncError: `no-integer-form` for each op or field that integers cannot express,
                `real-source`, `negative-weights`, `scale-conflict`, `linear-loop`;
                `percentile-range`, `drop-range`, `mean-range`, `unused-option`;
                `calibration-missing` and what `calibration_of` refuses; `moments-too-large`;
                `drop-out-of-reach`, `no-answer`, `no-cost`.
        """
        self._check(module)
        _refuse(module)
        data = calibration_of(module, context)
        chooser = self._chooser(module, data, context)
        asked = self.drop is not None or self.mean is not None
        mixed = self._mixed(module, data, context, chooser) if asked else None
        bits = {} if mixed is None else mixed.bits
        lowering = self._lower(module, context, chooser, bits)
        report = {
            **{name: getattr(self, name) for name in REPORTED},
            "tensors": lowering.tensors,
            "neurons": lowering.neurons,
            "values": lowering.values,
        }
        if mixed is not None:
            report["mixed"] = asdict(mixed)
        if data is not None:
            report["calibration"] = {"samples": data.samples, "ticks": data.ticks}
            report["layers"] = compare_layers(module, lowering.made, data)
            if data.labels is not None:
                report["accuracy"] = compare_accuracy(module, lowering.made, data)
        context.report["quantize"] = report
        return lowering.made

    def _chooser(
        self, module: Module, data: Calibration | None, context: Context
    ) -> Chooser | None:
        moments, matched = self.rounding == "second-order", self.thresholds == "matched"
        if not (moments or matched):
            return None
        option = f"rounding={self.rounding}" if moments else f"thresholds={self.thresholds}"
        given = needed(data, module, option)
        return chooser(module, self._scales(module, context, {}), given, moments, matched)

    def _lower(
        self, module: Module, context: Context, chooser: Chooser | None, bits: Mapping[str, int]
    ) -> Lowered:
        scales = self._scales(module, context, bits)
        return lower(module, scales, Choices() if chooser is None else chooser.choose(scales))

    def _scales(self, module: Module, context: Context, narrower: Mapping[str, int]) -> Scales:
        width = int(context.hardware.get("membrane_bits", 32))
        percentile = 99.9 if self.percentile is None else self.percentile
        return Scales(module, self.bits, self.scale, self.per, width, percentile, narrower)

    def _mixed(
        self,
        module: Module,
        data: Calibration | None,
        context: Context,
        chooser: Chooser | None,
    ) -> Mixed:
        option = f"mean={self.mean}" if self.drop is None else f"drop={self.drop}"
        given = needed(data, module, option)
        cost = weight_bits if self.for_ != "cores" else cores(module, context)
        scales = self._scales(module, context, {})
        layers = [name_of(s.bus) for s in scales.all if s.bus.makers and not s.exact]
        search = Search(
            module, given, lambda bits: self._lower(module, context, chooser, bits).made, cost
        )
        goal = None if self.mean is None else self.mean * weight_count(module)
        return search.run(layers, self.bits, self.drop, goal)

    def _check(self, module: Module) -> None:
        """Refuse options out of range, and those that others leave without use."""
        for name, value, use in (
            ("percentile", self.percentile, "scale=percentile"),
            ("for", self.for_, "drop"),
        ):
            used = self.scale == "percentile" if name == "percentile" else self.drop is not None
            if value is not None and not used:
                raise fail(
                    "unused-option",
                    f"{name} = {value} has no use without {use}",
                    module.loc,
                    help=f"give {use} too, or leave {name} out",
                )
        if self.percentile is not None and not 0 < self.percentile <= 100:
            raise fail(
                "percentile-range",
                f"percentile = {self.percentile} is not above 0 and at most 100",
                module.loc,
                help="use a number such as 99.9; 100 is scale=max",
            )
        if self.mean is not None and (self.drop is not None or self.mean < min(SIZES)):
            raise fail(
                "mean-range",
                f"mean = {self.mean} is below {min(SIZES)} bits, the fewest of a layer"
                if self.drop is None
                else f"mean = {self.mean} and drop = {self.drop}: two ends of one search",
                module.loc,
                help="use a number such as 2.5, without drop",
            )
        if self.drop is not None and not 0 <= self.drop < 1:
            raise fail(
                "drop-range",
                f"drop = {self.drop} is no share of samples: 0 <= drop < 1",
                module.loc,
                help="0.005 lets 5 of 1,000 samples get another answer",
            )


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
            help="put an encoder before it (of a network of PyTorch --set encode=poisson), "
            "or declare the input as u8",
        )
