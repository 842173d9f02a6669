"""A layer as several of fewer output channels each, which readers join by shifting features.

Exact: a channel's neurons need no other channel's. Each source then sends to every piece, so it may
need a relay: neurons that pass on what they get, one spike for one event, so that more layers than
a core has destinations can read. Input channels and maps can't be split: a neuron lives on one
core.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod

import numpy as np
from attrs import evolve, frozen

from snnc.ir.graph import Value
from snnc.ir.types import U16, Type
from snnc.targets.dynapcnn.forms import Part
from snnc.targets.dynapcnn.limits import LIMITS
from snnc.targets.dynapcnn.network import Layer, Network
from snnc.targets.dynapcnn.records import pooled

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


@frozen
class _Way:
    """One way of a layer's spikes: the reader's place in the network, and of the part in it."""

    reader: int
    part: int
    pool: int


def relayed(network: Network) -> Network:
    """Return the network with relays, so that no layer has more readers than a core can serve."""
    layers = list(network.layers)
    number = 0
    while number < len(layers):
        ways_on = _ways_on(layers, layers[number])
        if len(ways_on) > LIMITS.destinations:
            _insert(layers, number, ways_on[-LIMITS.destinations :])
        else:
            number += 1
    places = {layer.result: n for n, layer in enumerate(layers)}
    return evolve(network, layers=tuple(layers), number=places)


def _ways_on(layers: Sequence[Layer], source: Layer) -> list[_Way]:
    """Return where a layer's spikes go; ways of one pooling stand side by side."""
    found = [
        _Way(reader, place, part.pool)
        for reader, layer in enumerate(layers)
        for place, part in enumerate(layer.parts)
        if part.source is source.result
    ]
    return sorted(found, key=lambda way: way.pool)


def _insert(layers: list[Layer], number: int, served: Sequence[_Way]) -> None:
    """Put a relay behind a layer, which then serves some of its readers."""
    source = layers[number]
    pools = {way.pool for way in served}
    pool = pools.pop() if len(pools) == 1 else 1
    most = (1 if source.spike == "single" else source.max_count) * pool**2
    if most > U16.high:
        pool, most = 1, source.max_count
    relay = _relay(source, pool, most, layers)
    for way in served:
        reader = layers[way.reader]
        parts = list(reader.parts)
        old = parts[way.part]
        parts[way.part] = evolve(old, source=relay.result, pool=old.pool // pool)
        layers[way.reader] = evolve(reader, parts=tuple(parts))
    layers.insert(number + 1, relay)


def _relay(source: Layer, pool: int, most: int, layers: Sequence[Layer]) -> Layer:
    """Return neurons that fire once for each event of a layer's map, pooled on its way."""
    shape = pooled(source.output, pool)
    stem = f"{source.result.name}.relay"
    name = f"{stem}.{sum(layer.result.name.startswith(stem) for layer in layers)}"
    identity = np.eye(shape[0], dtype=np.int64).reshape(shape[0], shape[0], 1, 1)
    result = Value(name, Type(U16, shape, 0), source.loc)
    return evolve(
        source,
        result=result,
        parts=(Part(source.result, pool, features=shape[0]),),
        input=shape,
        output=shape,
        weights=identity,
        bias=None,
        leak=None,
        stride=(1, 1),
        padding=(0, 0),
        threshold=np.asarray(1, dtype=np.int64),
        floor=np.asarray(-1, dtype=np.int64),
        initial=np.zeros(shape, dtype=np.int64),
        hard=False,
        spike="count",
        max_count=most,
        overflow="saturate",
        names=(f"{name}.w", f"{name}.b"),
    )
