"""Widens the output layer so that the readout block of the chip sees its classes.

On speck2e and speck2f, class i of the block (from 1 on) listens to feature 4 (i - 1), whatever the
documents say (limits.toml). So the layer gets features without weights between its own: they stay
silent, and the host leaves them out of the output.
"""

from collections.abc import Sequence

import numpy as np
from attrs import evolve

from snnc.diagnostics import SnncError, fail
from snnc.ir.weights import Array
from snnc.targets.dynapcnn.artifact.records import Core
from snnc.targets.dynapcnn.limits import LIMITS, Chip
from snnc.targets.dynapcnn.lowering.network import Network


def with_readout(drafts: Sequence[Core], network: Network, device: Chip) -> list[Core]:
    """Return the drafts of all layers, the output's widened and sent to the readout block.

    Raises:
        SnncError: `readout-layer` where there is no one layer whose features can be classes.
    """
    parts = [part for tap in network.outputs for part in tap.parts]
    number = network.number.get(parts[0].source) if len(parts) == 1 else None
    if not device.extras:
        raise _refuse(network, f"{device.name} has no readout block")
    if number is None or parts[0].pool > 1:
        raise _refuse(network, "it takes the spikes of one layer, the only output, not pooled")
    draft = drafts[number]
    if draft.output[1:] != (1, 1) or draft.output[0] > LIMITS.readout_classes:
        found = " x ".join(map(str, draft.output))
        reason = (
            f"%{draft.name} has {found} neurons; the block has {LIMITS.readout_classes} classes"
        )
        raise _refuse(network, reason)
    if draft.destinations:
        raise _refuse(network, f"%{draft.name} is read by a layer too")
    made = list(drafts)
    made[number] = _widened(draft)
    return made


def _widened(core: Core) -> Core:
    features = (core.output[0] - 1) * LIMITS.readout_spacing + 1

    def wide(array: Array) -> Array:
        made = np.zeros((features, *array.shape[1:]), dtype=array.dtype)
        made[:: LIMITS.readout_spacing] = array
        return made

    return evolve(
        core,
        shape=(features, 1, 1),
        output=(features, 1, 1),
        name=f"{core.name}.readout",
        weights=wide(core.weights),
        bias=None if core.bias is None else wide(core.bias),
        initial=None if core.initial is None else wide(core.initial),
        readout=True,
    )


def _refuse(network: Network, reason: str) -> SnncError:
    most = LIMITS.readout_classes
    return fail(
        "readout-layer",
        f"the readout block: {reason}",
        network.module.loc,
        help=f"return one layer of at most {most} neurons, or leave --readout out",
    )
