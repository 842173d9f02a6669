"""Rate matching: integer thresholds whose spikes count like those of the real neurons.

A layer is run by itself on the currents that the quantized network gives it on the calibration
data, with its thresholds changed by k / 128 of themselves, one k per block: k from -64 to 64 in
steps of 8, then all k around the best. What decides is the sum of the squared differences between
integer and real spike counts, over samples and neurons of a block, in int64; among equals the
smallest change stays, so a threshold is changed only where that makes the counts better. A layer
that hears itself hears what it said before the change.
"""

import numpy as np

from snnc.ir.build import Builder
from snnc.ir.graph import Module, Op
from snnc.ir.types import I32
from snnc.ir.weights import Array
from snnc.passes.calibration import Calibration
from snnc.passes.integer_neuron import kept_attrs
from snnc.passes.parameters import by_neuron
from snnc.passes.scales import Scales

COARSE = tuple(sorted(range(-64, 65, 8), key=lambda k: (abs(k), k)))
FINE = tuple(sorted(range(-7, 8), key=lambda k: (abs(k), k)))


def matched_shift(scales: Scales, op: Op, program: Module, real: Array, data: Calibration) -> Array:
    """Return what to add to the integer thresholds of the real neurons `op`, in their shape.

    `program` is the network at level int as far as it is known, with all that `op` hears; `real`
    holds the spike counts `(samples, *shape)` of the real neurons.
    """
    threshold = scales.params(op).values["threshold"]
    blocks = len(scales.by_neuron[op].scale)
    best = np.zeros(blocks, dtype=np.int64)
    for offsets in (COARSE, FINE):
        tried = [best + k for k in offsets]
        layers = [_layer(scales, op, program, _shift(threshold, k)) for k in tried]
        errors = count_errors(layers, op.values[0].name, program, real, data, blocks)
        best = np.stack(tried)[errors.argmin(axis=0), np.arange(blocks)]
    return _shift(threshold, best)


def _shift(threshold: Array, parts: Array) -> Array:
    """Return k / 128 of thresholds, rounded; no threshold of 1 or more gets below 1."""
    by = (threshold * by_neuron(parts, threshold.shape) + 64) // 128
    return np.where(threshold >= 1, np.maximum(by, 1 - threshold), 0)


def count_errors(
    layers: list[Module], name: str, program: Module, real: Array, data: Calibration, blocks: int
) -> Array:
    """Return the squared errors of spike counts `(layers, blocks)`, int64.

    Each layer takes x, the value of `program` called `name`, and gives s; `real` are the counts
    wanted, `(samples, *shape)`.
    """
    errors = np.zeros((len(layers), blocks), dtype=np.int64)
    first = 0
    for chunk in data.trains(program, [name]):
        wanted = real[first : first + len(chunk[name])]
        first += len(chunk[name])
        # A layer of neurons runs once: machine code for it would take longer than the run.
        for number, layer in enumerate(layers):
            spikes = data.run(layer, {"x": chunk[name]}, engine="numpy").outputs["s"]
            off = spikes.sum(axis=1, dtype=np.int64) - wanted
            errors[number] += (off * off).reshape(len(off), blocks, -1).sum(axis=(0, 2))
    return errors


def _layer(scales: Scales, op: Op, program: Module, shift: Array) -> Module:
    """Return a module of the neurons alone, their thresholds shifted: currents x, spikes s."""
    build = Builder("layer", "int")
    (lowered,) = (o for o in program.ops("neuron") if o.result.name == op.result.name)
    x = build.input("x", lowered.values[0].type)
    attrs = kept_attrs(op) | {"width": scales.width}
    params = scales.params(op, shift).values
    attrs |= {name: build.weight(name, array, I32) for name, array in params.items()}
    dropped = ("potential", "place")
    given = {name: value for name, value in attrs.items() if name not in dropped}
    return build.finish(build.op("neuron", x, name="s", **given))
