"""Real numbers become the integers of cores, with one factor per layer (`factors`).

`scale=vendor` takes the largest factors, by the vendor's rules: its integers, bit for bit.
`scale=fine` lets a bias use the 16 bits that the chip has, and an unlimited lower bound takes no
part in the factor. `scale=data` besides chooses each factor on calibration data (`by_data`).
"""

from typing import Any

import numpy as np
from attrs import evolve, frozen

from snnc.diagnostics import fail
from snnc.extend.passes import Context, Exactness, Pass, option
from snnc.ir.graph import Module
from snnc.ir.types import I32
from snnc.targets.dynapcnn.lowering.by_data import factors_by_data
from snnc.targets.dynapcnn.lowering.canonical import write_network
from snnc.targets.dynapcnn.lowering.factors import for_state, for_weights, integers
from snnc.targets.dynapcnn.lowering.network import Layer, Tap, read_network


@frozen
class Discretize(Pass):
    """Scale each layer to 8-bit weights and 16-bit states; integers stay as they are."""

    name = "discretize"
    level = "any"
    to = "int"
    exactness = Exactness.APPROXIMATE

    scale: str = option(
        "vendor",
        help="vendor: as sinabs does; fine: 16-bit biases, no limit from an unlimited lower bound; "
        "data: fine, and factors by calibration data",
        choices=("vendor", "fine", "data"),
    )

    def run(self, module: Module, context: Context) -> Module:
        """Return the network in integers.

        Raises:
            SnncError: `threshold-vanishes`, `calibration-missing`; what `read_network` refuses.
        """
        if module.level == "int":
            return module
        network = read_network(module)
        for tap in network.outputs:
            _warn_of_mean(tap, context)
        if self.scale == "data":
            found = factors_by_data(module, network, context)
        else:
            found = [self._factor(layer, context) for layer in network.layers]
        layers = [
            _checked(layer, factor, context)
            for layer, factor in zip(network.layers, found, strict=True)
        ]
        context.report["discretize"] = {
            layer.result.name: _told(layer, factor, made)
            for layer, factor, made in zip(network.layers, found, layers, strict=True)
        }
        return write_network(network, _bounded(layers), "int")

    def _factor(self, layer: Layer, context: Context) -> np.float32:
        """Return the factor of a layer.

        By the vendor's rules an unlimited lower bound lets no factor above 1 be; where that leaves
        no weight, it takes no part.
        """
        fine = min(for_weights(layer), for_state(layer, True))
        if self.scale == "fine":
            return fine
        vendor = min(for_weights(layer), for_state(layer, False))
        if (
            layer.floor is not None
            or not layer.weights.any()
            or not integers(layer, fine).weights.any()
        ):
            return vendor
        if integers(layer, vendor).weights.any():
            return vendor
        context.diagnostics.warn(
            "unlimited-floor",
            f"%{layer.result.name} has no lower bound: with the vendor's factor {vendor:.6g} all "
            f"its weights would become 0, so it takes no part in the factor, now {fine:.6g}",
            layer.loc,
            help="say --scale fine to do so for all layers, or give the neurons a lower bound",
        )
        return fine


def _told(layer: Layer, factor: np.float32, made: Layer) -> dict[str, Any]:
    """Return what the manifest says of a layer: its factor, and what became of its weights."""
    nonzero = np.count_nonzero(layer.weights)
    return {
        "factor": float(factor),
        "threshold": int(made.threshold),
        "weights": [int(made.weights.min()), int(made.weights.max())],
        "nonzero": int(nonzero),
        "vanished": int(nonzero - np.count_nonzero(made.weights)),
    }


def _checked(layer: Layer, factor: np.float32, context: Context) -> Layer:
    """Return a layer in integers whose threshold and weights are left.

    Where more than half of the weights vanish, this is a warning; a layer without any says nothing.
    """
    made = integers(layer, factor)
    if made.threshold < 1:
        raise fail(
            "threshold-vanishes",
            f"%{layer.result.name}: the threshold {layer.threshold:.6g} becomes {made.threshold} "
            f"with the factor {factor:.6g} that the weights and biases allow",
            layer.loc,
            help="train with smaller weights or a larger threshold",
        )
    nonzero, kept = np.count_nonzero(layer.weights), np.count_nonzero(made.weights)
    if 2 * kept < nonzero:
        told = (
            "weights-vanish",
            f"%{layer.result.name}: {nonzero - kept:,} of {nonzero:,} weights become 0 with the "
            f"factor {factor:.6g}",
            layer.loc,
        )
        help = "give the neurons a lower bound, or say --scale fine, or --scale data"
        if not kept:
            raise fail(*told, help=help)
        context.diagnostics.warn(*told, help=help)
    return made


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
