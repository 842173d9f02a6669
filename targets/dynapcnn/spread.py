"""Finds room for layers that fit no core, or that are read by more layers than a core can serve.

EXACT: layers are cut along their output channels, and relays pass spikes on (`split`). The network
with the fewest cores that can be placed is taken; one that can be placed as it is stays as it is,
and so does one that no spreading helps, which `place` then refuses with its table.
"""

from collections.abc import Iterator, Sequence

from attrs import frozen

from snnc.extend.passes import Context, Exactness, Pass
from snnc.ir.graph import Module
from snnc.targets.dynapcnn.artifact.records import memory
from snnc.targets.dynapcnn.limits import LIMITS, Chip, chip
from snnc.targets.dynapcnn.lowering.canonical import write_network
from snnc.targets.dynapcnn.lowering.network import Layer, Network, read_network
from snnc.targets.dynapcnn.lowering.pixels import through_block
from snnc.targets.dynapcnn.mapping.fit import fitting
from snnc.targets.dynapcnn.mapping.matching import match
from snnc.targets.dynapcnn.mapping.relays import relayed
from snnc.targets.dynapcnn.mapping.split import Sizes, split, ways


@frozen
class Spread(Pass):
    """Split layers over several cores by output channels, and relay to many readers."""

    name = "spread"
    level = "int"
    exactness = Exactness.EXACT

    def run(self, module: Module, context: Context) -> Module:
        """Return the network spread over as many cores as it needs.

        Raises:
            SnncError: what `read_network` refuses.
        """
        network = read_network(module)
        device = chip(str(context.hardware.get("device", "speck2fmodule")))
        found = spread(network, device, bool(context.hardware.get("pixels", False)))
        if found is None or len(found.layers) == len(network.layers):
            return module
        return write_network(found, found.layers, "int")


def spread(network: Network, device: Chip, pixels: bool) -> Network | None:
    """Return a network on the fewest cores of a device that can hold it, None where none can.

    `pixels`: all inputs go through the pixel block, also where nothing needs it.
    """
    block = through_block(network, pixels)
    for sizes in _choices(network.layers, device):
        found = relayed(split(network, sizes), block)
        if _placeable(found, device):
            return found
    return None


def _choices(layers: Sequence[Layer], device: Chip) -> Iterator[tuple[Sizes, ...]]:
    """Yield a cut per layer, those of few pieces first; pieces that fit no core are left out."""
    spare = device.cores - len(layers)
    options = [
        [cut for cut in ways(len(layer.weights), spare + 1) if _fits(layer, cut, device)]
        for layer in layers
    ]
    for extra in range(spare + 1):
        yield from _cuts(options, extra)


def _cuts(options: Sequence[Sequence[Sizes]], extra: int) -> Iterator[tuple[Sizes, ...]]:
    """Yield one cut of each layer's options, with `extra` pieces more than there are layers."""
    if not options:
        if not extra:
            yield ()
        return
    for cut in options[0]:
        if len(cut) - 1 <= extra:
            for rest in _cuts(options[1:], extra - len(cut) + 1):
                yield (cut, *rest)


def _fits(layer: Layer, cut: Sizes, device: Chip) -> bool:
    """Whether each piece of a layer fits some core."""
    return all(_cores(layer, size, device) for size in {*cut})


def _cores(layer: Layer, features: int, device: Chip) -> list[int]:
    """Return the cores with the memory for some of a layer's features."""
    if features > LIMITS.max_features:
        return []
    drive = layer.drive
    weights = (features, *layer.weights.shape[1:])
    bias = drive is not None and bool(drive.any())
    return fitting(device, memory(weights, (features, *layer.output[1:]), bias))


def _placeable(network: Network, device: Chip) -> bool:
    if len(network.layers) > device.cores:
        return False
    fits = [_cores(layer, len(layer.weights), device) for layer in network.layers]
    return len(match(fits)) == len(fits)
