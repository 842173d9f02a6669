"""Factors of layers by data: those whose spikes come closest to the real network's.

Layer after layer, with the integers chosen before it, each of a few factors is tried on the
calibration data; the sum of the differences of spike counts, neuron by neuron and tick by tick,
decides (integers: the same on every machine). Tried are the largest factor that fits, smaller ones
that make the threshold whole, and larger ones that cut off extreme weights.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import evolve

from snnc.diagnostics import fail
from snnc.extend.passes import Context
from snnc.ir.graph import Module
from snnc.targets.dynapcnn.lowering.canonical import write_network
from snnc.targets.dynapcnn.lowering.factors import codes, for_state, for_weights, integers
from snnc.targets.dynapcnn.lowering.forms import Part
from snnc.targets.dynapcnn.lowering.network import Layer, Network, Tap

LABELS = "labels"
"""The name under which calibration data may hold the right answers."""

_WHOLE = 4
_CUT = (1.0625, 1.125, 1.25, 1.5)


def factors_by_data(module: Module, network: Network, context: Context) -> list[np.float32]:
    """Return a factor for each layer of a network at level snn.

    Raises:
        SnncError: `calibration-missing`; what running the data raises.
    """
    if context.calibration is None:
        raise fail(
            "calibration-missing",
            "scale = data chooses factors by the network's spikes, and no data was given",
            module.loc,
            help="give --calibrate X.npz, or calibrate= in Python",
        )
    inputs = {value.name for value in module.graph.inputs}
    # Right answers may stand beside the inputs; spikes, not answers, are compared here.
    given = {n: a for n, a in context.calibration.items() if n in inputs or n != LABELS}
    data = {name: np.asarray(array) for name, array in given.items()}
    names = [layer.result.name for layer in network.layers]
    real = context.run(module, data, probe=tuple(names)).trace
    chosen: list[np.float32] = []
    done: list[Layer] = []
    for layer, name in zip(network.layers, names, strict=True):
        tried = [integers(layer, factor) for factor in candidates(layer)]
        errors = [_error(network, [*done, one], data, real[name], context) for one in tried]
        best = errors.index(min(errors))
        chosen.append(candidates(layer)[best])
        done.append(tried[best])
    return chosen


def candidates(layer: Layer) -> list[np.float32]:
    """Return factors to try, the largest that fits first; each gives a threshold of at least 1."""
    state = for_state(layer, fine=True)
    top = min(for_weights(layer), state)
    threshold = np.float32(layer.threshold.item())
    whole = int(np.floor(top * threshold))
    found = [top, *(np.float32(n) / threshold for n in range(whole, whole - _WHOLE, -1))]
    found += [factor for factor in (top * np.float32(c) for c in _CUT) if factor <= state]
    kept = [f for f in map(np.float32, found) if f > 0 and codes(layer.threshold, f) >= 1]
    return list(dict.fromkeys(kept)) or [top]


def _error(
    network: Network, layers: Sequence[Layer], data: Any, real: Any, context: Context
) -> int:
    """Return how far the spikes of the last of some layers in integers are from the real ones."""
    last = layers[-1]
    tap = Tap(last.result, (Part(last.result, features=last.output[0]),))
    module = write_network(evolve(network, outputs=(tap,)), layers, "int")
    made = context.run(module, data).outputs[last.result.name]
    return int(np.abs(made.astype(np.int64) - np.rint(real).astype(np.int64)).sum())
