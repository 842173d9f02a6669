"""The rules of a core, one by one: what is wrong with a layer, wherever it is placed.

Each problem is a code, a message and a way out. `place` asks before it looks for cores, `check`
asks again about what was placed.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from attrs import frozen

from snnc.ir.weights import Array
from snnc.targets.dynapcnn.artifact.records import Core, Pixels, Shape, windows
from snnc.targets.dynapcnn.limits import LIMITS


@frozen
class Problem:
    """A rule that is broken: its code, the fact, the way out."""

    code: str
    message: str
    help: str


def core_problems(core: Core) -> Iterator[Problem]:
    """Yield what no core of any chip can do of a layer; its number and targets are not asked."""
    yield from _shape_problems(core)
    yield from _value_problems(core)
    yield from pool_problems([to.pool for to in core.destinations])
    targets = [str(to.core) for to in core.destinations] + ["the readout block"] * core.readout
    if len(targets) > LIMITS.destinations:
        yield Problem(
            "too-many-destinations",
            f"it sends to {len(targets)} places ({', '.join(targets)}), and a core has "
            f"{LIMITS.destinations} destinations",
            "let fewer layers read it, or put a layer between that passes its spikes on "
            "(--spread does)",
        )


def _shape_problems(core: Core) -> Iterator[Problem]:
    if not 1 <= core.kernel <= LIMITS.max_kernel:
        yield Problem(
            "kernel-size",
            f"its kernel is {core.kernel} wide, and a core's is 1 to {LIMITS.max_kernel}",
            "use a smaller kernel; before a linear op, pool until the map is small enough",
        )
    for axis, stride, padding in zip("yx", core.stride, core.padding, strict=True):
        if stride not in LIMITS.strides:
            known = ", ".join(map(str, LIMITS.strides))
            message = f"its stride in {axis} is {stride}, and a core's is one of {known}"
            yield Problem("stride-size", message, f"use a stride of {known}")
        if not 0 <= padding <= LIMITS.max_padding:
            message = f"its padding in {axis} is {padding}, and a core's 0 to {LIMITS.max_padding}"
            yield Problem("padding-size", message, "use less padding")
    for what, shape, limit in (
        ("input", core.input, LIMITS.max_input),
        ("neuron", core.output, LIMITS.max_output),
    ):
        if max(shape[1:]) > limit or min(shape) < 1:
            message = f"its {what} map {_size(shape)} exceeds {limit} x {limit}"
            yield Problem("map-size", message, "pool before, or use a larger stride")
        if shape[0] > LIMITS.max_features:
            message = f"its {what} map has {shape[0]} features, and a core's {LIMITS.max_features}"
            yield Problem("feature-count", message, "use fewer channels")
    expected = (len(core.weights), *windows(core.input, core.kernel, core.stride, core.padding))
    if core.weights.shape[1] != core.input[0] or core.output != expected:
        yield Problem(
            "layer-shape",
            f"weights {list(core.weights.shape)} on the map {list(core.input)} give neurons "
            f"{list(expected)}, not {list(core.output)}",
            "compile anew; a configuration edited by hand must keep its dimensions",
        )


def _size(shape: Shape) -> str:
    return " x ".join(map(str, shape[1:]))


def _value_problems(core: Core) -> Iterator[Problem]:
    low, high = LIMITS.state_low, LIMITS.state_high
    values: dict[str, Array | int | None] = {"threshold": core.high, "lower bound": core.low}
    values |= {"bias": core.bias, "initial state": core.initial}
    for name, numbers in values.items():
        if numbers is None:
            continue
        least, most = int(np.min(numbers)), int(np.max(numbers))
        if least < low or most > high:
            message = f"its {name} spans {least} to {most}, beyond {low} to {high}"
            yield Problem("state-range", message, "scale the layer down: run discretize")
    if core.high < 1 or core.low > 0:
        message = f"its threshold {core.high} must be above 0, its lower bound {core.low} not"
        yield Problem("state-range", message, "give the neurons a positive threshold")
    if core.bias is not None and core.bias.shape != core.output[:1]:
        message = f"{core.bias.size} biases for {core.output[0]} features"
        yield Problem("layer-shape", message, "give one bias per feature")
    if core.initial is not None and core.initial.shape != core.output:
        message = f"initial states {list(core.initial.shape)} for neurons {list(core.output)}"
        yield Problem("layer-shape", message, "give one state per neuron")


def pool_problems(pools: Sequence[int]) -> Iterator[Problem]:
    """Yield poolings that no destination has."""
    for pool in pools:
        if pool not in LIMITS.pools:
            known = ", ".join(map(str, LIMITS.pools))
            message = f"a pooling of {pool} is wanted on its way, and a core pools by {known}"
            yield Problem("pool-size", message, f"pool by {known}, or use a stride")


def pixel_problems(pixels: Pixels, shape: Shape) -> Iterator[Problem]:
    """Yield what the pixel block can't do with an input of `shape` (features, y, x)."""
    if shape[0] > LIMITS.dvs_polarities or max(shape[1:]) > LIMITS.dvs_size:
        message = (
            f"the input {list(shape)} exceeds the pixel block's {LIMITS.dvs_polarities} "
            f"polarities of {LIMITS.dvs_size} x {LIMITS.dvs_size}"
        )
        yield Problem("pixel-map", message, "give events of one camera, or pool on the host")
    for axis, pool, first, last, size in zip(
        "yx", pixels.pool, pixels.origin, pixels.last, shape[1:], strict=True
    ):
        if pool not in LIMITS.dvs_pools:
            known = ", ".join(map(str, LIMITS.dvs_pools))
            message = f"the input is pooled by {pool} in {axis}, the pixel block does {known}"
            yield Problem("pool-size", message, f"pool by {known}")
        elif not 0 <= first <= last < size // pool:
            message = f"the cut {first}..{last} in {axis} leaves the {size // pool} pooled pixels"
            yield Problem("pixel-map", message, "cut within the pooled map")
    if len(pixels.destinations) > LIMITS.dvs_destinations:
        message = f"{len(pixels.destinations)} layers read the pixel block, it has 2 destinations"
        yield Problem("too-many-destinations", message, "let one layer read it")
