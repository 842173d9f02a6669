"""The factor of a layer, and the integers that it gives: float32, rounded half to even.

The largest factor is the one by which weights and bias still fit 8 bits and threshold, lower bound
and initial state 16 (dynapcnn.md, section 4): for codes low..high and values min..max it is
|high / max| where |min| <= |max| |low / high|, else |low / min|. `fine` gives a bias the 16 bits
that the chip has, and leaves an unlimited lower bound out.

Neurons that fire above their threshold alone (`>`, as those of snnTorch and Norse) fire at the next
integer where a layer is integers by its factor. With a soft reset, which still takes the threshold
itself, this is a potential that begins one lower, as is the lower bound. Where weights are rounded,
a potential that is equal to the threshold comes from rounding, and both compares are one.
"""

import numpy as np
from attrs import evolve

from snnc.ir.weights import Array
from snnc.targets.dynapcnn.limits import LIMITS
from snnc.targets.dynapcnn.lowering.network import Layer


def for_weights(layer: Layer) -> np.float32:
    """Return the largest factor by which the weights fit; infinite where all are 0."""
    return _largest(layer.weights, LIMITS.weight_bits)


def for_state(layer: Layer, fine: bool) -> np.float32:
    """Return the largest factor by which bias, threshold, lower bound and states fit."""
    bounds = [layer.threshold]
    if layer.floor is not None:
        bounds.append(layer.floor)
    elif not fine:
        bounds.append(np.asarray(LIMITS.state_low, dtype=np.float32))
    found = [_largest(np.stack(bounds), LIMITS.state_bits)]
    if layer.drive is not None:
        bits = LIMITS.bias_bits if fine else LIMITS.vendor_bias_bits
        found.append(_largest(layer.drive, bits))
    if layer.initial.any():
        found.append(_largest(layer.initial, LIMITS.state_bits))
    return min(found)


def _largest(values: Array, bits: int) -> np.float32:
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    smallest, largest = np.float32(values.min()), np.float32(values.max())
    with np.errstate(divide="ignore"):
        if abs(smallest) <= abs(largest) * np.float32(abs(low / high)):
            return abs(np.float32(high) / largest)
        return abs(np.float32(low) / smallest)


def integers(layer: Layer, factor: np.float32) -> Layer:
    """Return a layer in integers; weights that a factor makes too large are cut to their range."""
    half = 1 << LIMITS.weight_bits - 1
    above = int(layer.strict and _whole(layer, factor))
    later = 0 if layer.hard else above
    unlimited = np.asarray(LIMITS.state_low, dtype=np.int64)
    return evolve(
        layer,
        weights=np.clip(codes(layer.weights, factor), -half, half - 1),
        bias=None if layer.drive is None else codes(layer.drive, factor),
        leak=None,
        threshold=codes(layer.threshold, factor) + above - later,
        floor=unlimited if layer.floor is None else codes(layer.floor, factor) - later,
        initial=codes(layer.initial, factor) - later,
        overflow="saturate",
        strict=False,
        reset_time="now",
    )


def _whole(layer: Layer, factor: np.float32) -> bool:
    """Whether a layer is integers by its factor, so that a potential can be at its threshold."""
    given = (layer.weights, layer.threshold, layer.initial, layer.drive, layer.floor)
    scaled = [array.astype(np.float32) * factor for array in given if array is not None]
    return all(bool((array == np.rint(array)).all()) for array in scaled)


def codes(values: Array, factor: np.float32) -> Array:
    """Return values times a factor as int64."""
    return np.asarray(np.rint(values.astype(np.float32) * factor).astype(np.int64))
