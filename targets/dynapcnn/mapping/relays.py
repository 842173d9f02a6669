"""Relays: neurons that pass on what they get, one spike for one event.

With them more layers read a layer, or the pixel block, than there are destinations. They are exact
in time steps and event by event; each takes a core.
"""

from collections.abc import Collection, Sequence
from math import prod

import numpy as np
from attrs import evolve, frozen

from snnc.diagnostics import Location
from snnc.ir.graph import Value
from snnc.ir.types import U16, Type
from snnc.ir.weights import Array
from snnc.targets.dynapcnn.artifact.records import Shape, pooled
from snnc.targets.dynapcnn.limits import LIMITS
from snnc.targets.dynapcnn.lowering.forms import Part
from snnc.targets.dynapcnn.lowering.network import Layer, Network
from snnc.targets.dynapcnn.ops import map_of


@frozen
class _Source:
    """What many layers read: its events as a part, their map, and the most of a tick."""

    part: Part
    map: Shape
    most: int
    loc: Location


@frozen
class _Way:
    """One way of events: the reader's place in the network, and of the part in it."""

    reader: int
    part: int
    pool: int


def relayed(network: Network, block: Collection[Value] = ()) -> Network:
    """Return the network with relays, so that nothing has more readers than it can serve.

    `block` holds the inputs that go through the pixel block. Where a relay can't hold the map or
    the counts, readers stay too many, for the rules to say so.
    """
    layers = list(network.layers)
    for value in network.trains:
        if value in block:
            _serve(layers, value, 0, LIMITS.dvs_destinations)
    number = 0
    while number < len(layers):
        _serve(layers, layers[number].result, number + 1, LIMITS.destinations)
        number += 1
    places = {layer.result: n for n, layer in enumerate(layers)}
    return evolve(network, layers=tuple(layers), number=places)


def _serve(layers: list[Layer], value: Value, place: int, most: int) -> None:
    """Put relays at a place until at most so many layers read a value."""
    while len(ways := _ways(layers, value)) > most:
        served = ways[-LIMITS.destinations :]
        first = layers[served[0].reader].parts[served[0].part]
        source = _source(layers, value, first)
        pools = {way.pool for way in served}
        pool = pools.pop() if len(pools) == 1 else 1
        pool = pool if source.most * pool**2 <= U16.high else 1
        if source.most > U16.high or max(pooled(source.map, pool)[1:]) > LIMITS.max_output:
            return
        relay = _relay(source, pool, layers)
        for way in served:
            reader = layers[way.reader]
            old = reader.parts[way.part]
            new = Part(relay.result, old.pool // pool, shift=old.shift, features=relay.output[0])
            parts = (*reader.parts[: way.part], new, *reader.parts[way.part + 1 :])
            layers[way.reader] = evolve(reader, parts=parts)
        layers.insert(place, relay)


def _ways(layers: Sequence[Layer], value: Value) -> list[_Way]:
    """Return where a value's events go; ways of one pooling stand side by side."""
    found = [
        _Way(reader, place, part.pool)
        for reader, layer in enumerate(layers)
        for place, part in enumerate(layer.parts)
        if part.source is value
    ]
    return sorted(found, key=lambda way: way.pool)


def _source(layers: Sequence[Layer], value: Value, part: Part) -> _Source:
    layer = next((layer for layer in layers if layer.result is value), None)
    if layer is not None:
        most = 1 if layer.spike == "single" else layer.max_count
        return _Source(Part(value, features=layer.output[0]), layer.output, most, layer.loc)
    whole = map_of(value.type.shape)
    added = whole[0] if part.view.merge else 1
    most = value.type.element.high * prod(part.view.pool) * added
    shown = Part(value, features=part.features, view=part.view)
    return _Source(shown, part.view.map(whole), most, value.loc)


def _relay(source: _Source, pool: int, layers: Sequence[Layer]) -> Layer:
    """Return neurons that fire once for each event of a source's map, pooled on its way."""
    shape = pooled(source.map, pool)
    stem = f"{source.part.source.name}.relay"
    name = f"{stem}.{sum(layer.result.name.startswith(stem) for layer in layers)}"

    def number(value: int) -> Array:
        return np.asarray(value, dtype=np.int64)

    return Layer(
        Value(name, Type(U16, shape, 0), source.loc),
        source.loc,
        (evolve(source.part, pool=pool),),
        shape,
        shape,
        np.eye(shape[0], dtype=np.int64).reshape(shape[0], shape[0], 1, 1),
        None,
        None,
        (1, 1),
        (0, 0),
        number(1),
        number(-1),
        number(0),
        False,
        "count",
        source.most * pool**2,
        "saturate",
        (f"{name}.w", f"{name}.b"),
    )
