"""PAIBox's semi-folded modules: a map is streamed, one column (channels, height) a step.

Delay neurons hold the last columns, one set per tap of the width, because a neuron has one delay;
the module's neurons work a step later (paicore.md, section 7.4). Maps are square.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from attrs import evolve

from snnc.diagnostics import fail
from snnc.frontends.paibox.links import Convolution, Dense, Window
from snnc.frontends.paibox.modules import Flow, FunctionalModule, Lowered, bits, one, pooled
from snnc.frontends.paibox.network import Link, Population, Synapse
from snnc.frontends.paibox.numbers import Shape, integer, leaks, per_axis, shape_of, weights_of
from snnc.frontends.paibox.presets import ann, ann_bypass

SLOTS, BYTES_PER_CORE = 256, 144


def _streamed(module: FunctionalModule) -> Flow:
    if module.source.flow is None or len(module.source.shape) != 2:
        raise fail(
            "paibox-unsupported",
            f"{module.name} reads {module.source.name} of shape {module.source.shape}, which is "
            "not streamed column by column",
            module.loc,
            help="feed it from an input of shape (channels, height), or from another such module",
        )
    return module.source.flow


def _columns(
    module: FunctionalModule,
    output: Population,
    flow: Flow,
    steps: int,
    taps: list[Link],
    erased: list[Link],
) -> Lowered:
    """Return delay neurons for each tap (the latest column first), and the module's neurons.

    Those of a ring (asked for, or where the buffer is short) stop as soon as nothing is read of
    them any more. `steps` is how long the delay neurons work; `erased` are links that cancel what
    arrives before the first column, the earliest first.
    """
    shape, count = module.source.shape, len(taps)
    cores = -(-shape[0] * shape[1] * count // BYTES_PER_CORE)
    ring = module.args.get("rin_buffer_option", False) or (
        count * flow.interval > SLOTS >> (cores - 1).bit_length()
    )
    found: list[Population] = []
    synapses: list[Synapse] = []

    def hold(part: str, delay: int, ticks: int, link: Link) -> None:
        registers = {**ann_bypass(shape), "delay": delay, "ticks": ticks}
        found.append(module.population(shape, registers, part))
        synapses.append(module.synapse(0, one(), part=part))
        name = f"{module.name}.w{len(synapses)}"
        synapses.append(Synapse(name, found[-1].name, module.name, link, module.loc))

    for tap, link in enumerate(taps):
        late = flow.interval * tap
        hold(f".column{tap}", late + 1, steps - late if ring else steps, link)
    for tap, link in enumerate(erased):
        hold(f".erase{tap}", 1 + flow.interval * (count - 1 - tap), flow.first, link)
    started = evolve(output, start=output.start + 1 if output.start else 0)
    return Lowered((*found, started), tuple(synapses))


def _moved(module: FunctionalModule, kernel: Shape, stride: Shape, padding: Shape) -> Flow:
    """Return when the columns of the output are there."""
    flow = _streamed(module)
    if stride[0] != stride[1]:
        raise fail(
            "paibox-unsupported",
            f"{module.name} has the strides {stride}; a streamed map is square, and PAIBox goes on "
            "by the second along both axes",
            module.loc,
            help="use one stride, or a module that is not semi-folded",
        )
    height = pooled(module.source.shape, kernel[:1], stride[:1], padding[:1])[1]
    first = flow.first + flow.interval * (kernel[1] - padding[0] - 1)
    return Flow(first, flow.interval * stride[1], height)


def _convolution(module: FunctionalModule) -> Lowered:
    kernel = weights_of(module.args["kernel"], module.name, module.loc)
    stride = per_axis(module.args.get("stride", 1), 2, "stride", module.loc)
    padding = per_axis(module.args.get("padding", 0), 2, "padding", module.loc)
    groups = integer(module.args.get("groups", 1), "groups", 1, loc=module.loc)
    flow, moved = _streamed(module), _moved(module, kernel.shape[2:], stride, padding)

    def link(column: int, sign: int) -> Link:
        taps = np.ascontiguousarray(kernel[..., column])
        signed = weights_of(sign * taps.astype(np.int16), module.name, module.loc)
        return Convolution(signed, stride[:1], padding[:1], groups, module.source.shape)

    width = kernel.shape[3]
    taps = [link(width - 1 - m, 1) for m in range(width)]
    erased = [link(p, -1) for p in range(padding[0])] if flow.first else []
    shape = (kernel.shape[0], moved.count)
    bias = leaks(module.args.get("bias", 0), shape, "bias", module.loc)
    output = module.population(shape, ann(shape, bias) | bits(module) | {"ticks": moved.last + 1})
    return _with_flow(_columns(module, output, flow, moved.last + 1, taps, erased), moved)


def _pool(module: FunctionalModule, registers: Mapping[str, Any]) -> Lowered:
    kernel, stride, padding = module.window()
    flow, moved = _streamed(module), _moved(module, kernel, stride, padding)
    shape = (module.source.shape[0], moved.count)
    window = Window(kernel[:1], stride[:1], padding[:1], module.source.shape)
    erased: list[Link] = [evolve(window, sign=-1)] * (padding[0] if flow.first else 0)
    output = module.population(shape, {**registers, "ticks": moved.last + 1})
    taps: list[Link] = [window] * kernel[1]
    return _with_flow(_columns(module, output, flow, moved.last + 1, taps, erased), moved)


def _maximum(module: FunctionalModule) -> Lowered:
    return _pool(module, {**ann((), 0), **bits(module), "largest": True})


def _average(module: FunctionalModule) -> Lowered:
    size = int(np.prod(module.window()[0]))
    return _pool(module, ann((), 0) | bits(module, 7 + size.bit_length()))


def _linear(module: FunctionalModule) -> Lowered:
    flow, height = _streamed(module), module.source.shape[1]
    shape = shape_of(module.args["out_features"], "out_features", module.loc)
    weights = weights_of(module.args["weights"], module.name, module.loc)
    bias = leaks(module.args.get("bias", 0), shape, "bias", module.loc)
    taps: list[Link] = [Dense(weights[height - 1 - m :: height]) for m in range(height)]
    output = module.population(shape, ann(shape, bias) | bits(module) | {"ticks": 0})
    if not flow.count:
        raise fail(
            "paibox-unsupported",
            f"{module.name} reads an input, whose last column is not known",
            module.loc,
            help="put it behind a semi-folded convolution or pool",
        )
    moved = Flow(flow.last, 1, 1)
    return _with_flow(_columns(module, output, flow, flow.last + 1, taps, []), moved)


def _with_flow(lowered: Lowered, flow: Flow) -> Lowered:
    *others, output = lowered.populations
    told = evolve(output, flow=(flow.first, flow.interval, flow.count))
    return evolve(lowered, populations=(*others, told), flow=flow)


STREAMED: dict[str, Callable[[FunctionalModule], Lowered]] = {
    "Conv2dSemiFolded": _convolution,
    "MaxPool2dSemiFolded": _maximum,
    "AvgPool2dSemiFolded": _average,
    "LinearSemiFolded": _linear,
}
