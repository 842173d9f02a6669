"""Real numbers become the integers of cores, with one factor per layer.

The factor is the largest by which weights and bias still fit 8 bits and threshold, lower bound and
initial state 16 (dynapcnn.md, section 4): for a range of codes low..high and values min..max it is
|high / max| where |min| <= |max| |low / high|, else |low / min|. Everything is computed in float32
and rounded half to even, so the integers are those of the vendor's builder, bit for bit.

`scale=fine` departs from it in two points: a bias may use the 16 bits that the chip has, and an
unlimited lower bound takes no part in the factor.
"""

import numpy as np
from attrs import evolve, frozen

from snnc.diagnostics import fail
from snnc.extend.passes import Context, Exactness, Pass, option
from snnc.ir.graph import Module
from snnc.ir.types import I32
from snnc.ir.weights import Array
from snnc.targets.dynapcnn.canonical import write_network
from snnc.targets.dynapcnn.limits import LIMITS
from snnc.targets.dynapcnn.network import Layer, Tap, read_network


@frozen
class Discretize(Pass):
    """Scale each layer to 8-bit weights and 16-bit states; integers stay as they are."""

    name = "discretize"
    level = "any"
    to = "int"
    exactness = Exactness.APPROXIMATE

    scale: str = option(
        "vendor",
        help="vendor: as sinabs does; fine: 16-bit biases, no limit from an unlimited lower bound",
        choices=("vendor", "fine"),
    )

    def run(self, module: Module, context: Context) -> Module:
        """Return the network in integers.

        Raises:
            SnncError: `threshold-vanishes`; what `read_network` refuses.
        """
        if module.level == "int":
            return module
        network = read_network(module)
        for tap in network.outputs:
            _warn_of_mean(tap, context)
        layers = _bounded([self._layer(layer, context) for layer in network.layers])
        return write_network(network, layers, "int")

    def _layer(self, layer: Layer, context: Context) -> Layer:
        drive = layer.drive
        factor = self._factor(layer, drive)
        weights, threshold = _codes(layer.weights, factor), _codes(layer.threshold, factor)
        if threshold < 1:
            raise fail(
                "threshold-vanishes",
                f"%{layer.result.name}: the threshold {layer.threshold:.6g} becomes {threshold} "
                f"with the factor {factor:.6g} that the weights and biases allow",
                layer.loc,
                help="train with smaller weights or a larger threshold",
            )
        if layer.weights.any() and not weights.any():
            context.diagnostics.warn(
                "weights-vanish",
                f"%{layer.result.name}: all weights become 0 with the factor {factor:.6g}",
                layer.loc,
                help="give the neurons a lower bound, or discretize{scale=fine}",
            )
        unlimited = np.asarray(LIMITS.state_low, dtype=np.int64)
        return evolve(
            layer,
            weights=weights,
            bias=None if drive is None else _codes(drive, factor),
            leak=None,
            threshold=threshold,
            floor=unlimited if layer.floor is None else _codes(layer.floor, factor),
            initial=_codes(layer.initial, factor),
            overflow="saturate",
        )

    def _factor(self, layer: Layer, drive: Array | None) -> np.float32:
        fine = self.scale == "fine"
        state = [layer.threshold]
        if layer.floor is not None:
            state.append(layer.floor)
        elif not fine:
            state.append(np.asarray(LIMITS.state_low, dtype=np.float32))
        found = [
            _largest(layer.weights, LIMITS.weight_bits),
            _largest(np.stack(state), LIMITS.state_bits),
        ]
        if drive is not None:
            found.append(_largest(drive, LIMITS.bias_bits if fine else LIMITS.vendor_bias_bits))
        if layer.initial.any():
            found.append(_largest(layer.initial, LIMITS.state_bits))
        return min(found)


def _warn_of_mean(tap: Tap, context: Context) -> None:
    if tap.first.factor != 1.0:
        context.diagnostics.warn(
            "mean-as-sum",
            f"the output %{tap.value.name} is a mean of spikes; the build returns their sum, "
            f"{1 / tap.first.factor:g} times as much",
            tap.value.loc,
            help="divide on the host, or return sums",
        )


def _bounded(layers: list[Layer]) -> list[Layer]:
    """Return layers whose counts of spikes per tick are bounded, so that no reader's sum overflows.

    The bound is far above what a network does; it makes 32-bit sums exact for any input.
    """
    bounds = {layer.result: layer.max_count for layer in layers}
    for reader in layers:
        weights = np.abs(reader.weights).reshape(len(reader.weights), -1).sum(axis=1)
        room = I32.high - (0 if reader.bias is None else int(np.abs(reader.bias).max()))
        for part in reader.parts:
            times = max(1, int(weights.max())) * part.pool**2 * len(reader.parts)
            if part.source in bounds:
                bounds[part.source] = max(1, min(bounds[part.source], room // times))
    return [evolve(layer, max_count=bounds[layer.result]) for layer in layers]


def _largest(values: Array, bits: int) -> np.float32:
    """Return the largest factor by which values fit `bits`; infinite where all are 0."""
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    smallest, largest = np.float32(values.min()), np.float32(values.max())
    with np.errstate(divide="ignore"):
        if abs(smallest) <= abs(largest) * np.float32(abs(low / high)):
            return abs(np.float32(high) / largest)
        return abs(np.float32(low) / smallest)


def _codes(values: Array, factor: np.float32) -> Array:
    return np.asarray(np.rint(values.astype(np.float32) * factor).astype(np.int64))
