"""When the pixel block stands between an input and the cores, and how it is set.

It does where the program merges, pools, crops, mirrors or swaps the axes of an input, returns an
input, or where the user connects the sensor or wants the block. A chip has one; all its readers
see the same map.
"""

from collections.abc import Mapping

from snnc.diagnostics import fail
from snnc.ir.graph import Value
from snnc.targets.dynapcnn.artifact.records import Destination, Pixels
from snnc.targets.dynapcnn.lowering.network import Network
from snnc.targets.dynapcnn.lowering.views import WHOLE, View
from snnc.targets.dynapcnn.ops import map_of


def pixel_block(
    network: Network, always: bool, sensor: bool, numbers: Mapping[int, int]
) -> Pixels | None:
    """Return the settings of the pixel block, None where it is not needed, unless `always`.

    Raises:
        SnncError: `pixel-block` where it can't do what the program wants of the input.
    """
    found = [
        (n, part)
        for n, layer in enumerate(network.layers)
        for part in layer.parts
        if part.source in network.trains
    ]
    taps = [p for tap in network.outputs for p in tap.parts if p.source in network.trains]
    parts = [part for _, part in found] + taps
    needing = through_block(network, always)
    if not needing:
        return None
    if len(needing) > 1:
        names = ", ".join(f"%{value.name}" for value in needing)
        raise _refuse(needing[0], f"{names} are pooled or cropped, and a chip has one pixel block")
    value = needing[0]
    views = {p.view for p in parts if p.source is value}
    if len(views) > 1:
        raise _refuse(value, f"its readers pool, crop or turn %{value.name} differently")
    view = views.pop()
    sent = tuple(Destination(numbers[n], 1, p.shift) for n, p in found if p.source is value)
    if any(to.shift for to in sent):
        raise _refuse(value, "its features can't be shifted to join others")
    return _settings(value, view, sensor, sent)


def through_block(network: Network, always: bool) -> list[Value]:
    """Return the inputs that the pixel block prepares, or reports; all of them if `always`."""
    read = [p for layer in network.layers for p in layer.parts]
    told = [p for tap in network.outputs for p in tap.parts]
    needing = {p.source for p in (*read, *told) if p.view != WHOLE or always}
    needing |= {p.source for p in told}
    return [value for value in network.trains if value in needing]


def _settings(value: Value, view: View, sensor: bool, sent: tuple[Destination, ...]) -> Pixels:
    features, *size = map_of(value.type.shape)
    bounds = view.bounds(tuple(size))
    return Pixels(
        value.name,
        view.merge or features == 1,
        view.pool,
        tuple(start for start, _ in bounds),
        tuple(stop - 1 for _, stop in bounds),
        view.mirror,
        view.swap,
        sensor,
        destinations=sent,
    )


def _refuse(value: Value, reason: str) -> Exception:
    return fail(
        "pixel-block",
        f"the input %{value.name}: {reason}",
        value.loc,
        help="one input may be pooled, cropped and turned, in one way for at most two layers; do "
        "the rest on the host",
    )
