"""A layer as several of fewer output channels each, which readers join by shifting features.

Exact: a channel's neurons need no other channel's. Each source then sends to every piece, so it may
need relays (`relays`). Input channels and maps can't be split: a neuron lives on one core.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod

import numpy as np
from attrs import evolve

from snnc.ir.graph import Value
from snnc.targets.dynapcnn.lowering.forms import Part
from snnc.targets.dynapcnn.lowering.network import Layer, Network

Sizes = tuple[int, ...]


def ways(features: int, most: int) -> Iterator[Sizes]:
    """Yield ways to cut features into 1 to `most` pieces; kernel memory counts powers of two."""
    yield (features,)
    for count in range(2, min(most, features) + 1):
        share = -(-features // count)
        power = 1 << (share - 1).bit_length()
        sizes = [power] * (features // power) + [features % power] * (features % power > 0)
        if len(sizes) == count:
            yield tuple(sizes)
        even = tuple(features // count + (n < features % count) for n in range(count))
        if even != tuple(sizes):
            yield even


def split(network: Network, sizes: Sequence[Sizes]) -> Network:
    """Return the network with each layer cut into pieces of these numbers of features."""
    pieces = {
        layer.result: _pieces(layer, cut)
        for layer, cut in zip(network.layers, sizes, strict=True)
        if len(cut) > 1
    }
    layers = []
    for layer in network.layers:
        own = pieces.get(layer.result, (layer,))
        layers += [evolve(piece, parts=_joined(piece.parts, pieces)) for piece in own]
    taps = tuple(evolve(tap, parts=_joined(tap.parts, pieces)) for tap in network.outputs)
    number = {layer.result: n for n, layer in enumerate(layers)}
    return evolve(network, layers=tuple(layers), outputs=taps, number=number)


def _pieces(layer: Layer, sizes: Sizes) -> tuple[Layer, ...]:
    found, start = [], 0
    for number, size in enumerate(sizes):
        kept = slice(start, start + size)
        output = (size, *layer.output[1:])
        flat = len(layer.result.type.shape) == 1
        type = evolve(layer.result.type, shape=(prod(output),) if flat else output)
        name = f"{layer.result.name}.{number}"
        whole = np.broadcast_to(layer.initial, layer.output)
        piece = evolve(
            layer,
            result=Value(name, type, layer.loc),
            output=output,
            weights=layer.weights[kept],
            bias=None if layer.bias is None else layer.bias[kept],
            leak=None if layer.leak is None else layer.leak[kept],
            initial=whole[kept],
            names=(f"{layer.names[0]}.{number}", f"{layer.names[1]}.{number}"),
        )
        found.append(piece)
        start += size
    return tuple(found)


def _joined(parts: Iterable[Part], pieces: Mapping[Value, tuple[Layer, ...]]) -> tuple[Part, ...]:
    """Return parts with the pieces of a source in its place, each behind the one before."""
    found = []
    for part in parts:
        shift = part.shift
        for piece in pieces.get(part.source, ()):
            features = piece.output[0]
            found.append(evolve(part, source=piece.result, shift=shift, features=features))
            shift += features
        if part.source not in pieces:
            found.append(part)
    return tuple(found)
