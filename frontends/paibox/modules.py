"""PAIBox's functional modules as neurons and synapses (paicore.md, section 7.3), our own lowering.

A module becomes a population of its own name, which those that read it find, and for some modules
further populations `NAME.part`. The user's objects are not touched.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from attrs import evolve, field, frozen

from snnc.diagnostics import UNKNOWN, Location, fail, nearest
from snnc.frontends.paibox.links import Convolution, Dense, Diagonal, Window
from snnc.frontends.paibox.network import Link, Population, Synapse
from snnc.frontends.paibox.numbers import Shape, integer, leaks, per_axis, shape_of, weights_of
from snnc.frontends.paibox.presets import ann, bypass, if_neuron, lif, timing


@frozen
class Flow:
    """When the columns of a streamed map are there: first step, interval, how many (0: no end)."""

    first: int = 0
    interval: int = 1
    count: int = 0

    @property
    def last(self) -> int:
        """Step of the last column."""
        return self.first + self.interval * (self.count - 1)


@frozen(eq=False)
class Operand:
    """What a module reads: its name and shape, and how it is streamed (None: it is not)."""

    name: str
    shape: Shape
    flow: Flow | None = None


@frozen(eq=False)
class FunctionalModule:
    """A module as it was written: class name, operands, arguments of PAIBox's class."""

    kind: str
    name: str
    operands: tuple[Operand, ...]
    args: Mapping[str, Any]
    loc: Location = UNKNOWN

    @property
    def source(self) -> Operand:
        """The first operand."""
        return self.operands[0]

    def window(self) -> tuple[Shape, Shape, Shape]:
        """Return kernel, stride (by default the kernel) and padding, per axis of the kind."""
        axes = 2 if "2d" in self.kind else 1
        kernel = per_axis(self.args["kernel_size"], axes, "kernel_size", self.loc)
        stride = self.args.get("stride")
        steps = kernel if stride is None else per_axis(stride, axes, "stride", self.loc)
        return kernel, steps, per_axis(self.args.get("padding", 0), axes, "padding", self.loc)

    def population(self, shape: Shape, registers: Mapping[str, Any], part: str = "") -> Population:
        """Return neurons with these registers, working when the module does."""
        made = {**timing(self.args, self.loc), **registers}
        return Population(self.name + part, shape, loc=self.loc, **made)

    def synapse(self, number: int, link: Link, source: str = "", part: str = "") -> Synapse:
        """Return a link from an operand (or `source`) to the module's neurons."""
        origin = source or self.operands[number].name
        return Synapse(f"{self.name}{part}.w{number}", origin, self.name + part, link, self.loc)


@frozen(eq=False)
class Lowered:
    """Neurons and synapses of a module; the population of the module's name is its output."""

    populations: tuple[Population, ...]
    synapses: tuple[Synapse, ...]
    flow: Flow | None = field(default=None)


def one(sign: int = 1) -> Diagonal:
    """Return a link of equal weights, one to one."""
    return Diagonal(np.asarray(sign, dtype=np.int8))


def _joined(module: FunctionalModule, registers: Mapping[str, Any], a: int, b: int) -> Lowered:
    first, second = module.operands
    if first.shape != second.shape:
        raise fail(
            "paibox-shape",
            f"{module.name} joins {first.shape} and {second.shape}",
            module.loc,
            help="reshape one of them",
        )
    made = module.population(first.shape, registers)
    return Lowered((made,), (module.synapse(0, one(a)), module.synapse(1, one(b))))


def _and(module: FunctionalModule) -> Lowered:
    return _joined(module, lif((), 1, None, -1, 0, 0), 1, 1)


def _or(module: FunctionalModule) -> Lowered:
    return _joined(module, bypass(()), 1, 1)


def _add(module: FunctionalModule) -> Lowered:
    args = module.args
    registers = if_neuron((), args.get("pos_thres", 1), args.get("reset_v"))
    a, b = (integer(args.get(f"factor_{k}", 1), f"factor_{k}", 1, 127, module.loc) for k in "ab")
    return _joined(module, registers, a, b)


def _sub(module: FunctionalModule) -> Lowered:
    return _joined(module, if_neuron((), 1), 1, -1)


def _not(module: FunctionalModule) -> Lowered:
    made = module.population(module.source.shape, lif((), 1, None, 1, 0, 0))
    return Lowered((made,), (module.synapse(0, one(-1)),))


def _xor(module: FunctionalModule) -> Lowered:
    """One of the differences is positive: both are rectified, their OR comes a step later."""
    shape, both = module.source.shape, _joined(module, bypass(()), 1, 1)
    output = both.populations[0]
    if output.start:
        output = evolve(output, start=output.start + 1)
    parts, synapses = [], []
    for part, signs in ((".above", (1, -1)), (".below", (-1, 1))):
        parts.append(module.population(shape, {**bypass(()), "delay": 1}, part))
        synapses += [module.synapse(n, one(s), part=part) for n, s in enumerate(signs)]
    joins = [module.synapse(n, one(), parts[n].name) for n in (0, 1)]
    return Lowered((*parts, output), (*synapses, *joins))


def pooled(shape: Shape, kernel: Shape, stride: Shape, padding: Shape) -> Shape:
    """Return the shape after pooling."""
    sizes = zip(shape[1:], kernel, stride, padding, strict=True)
    return (shape[0], *((n + 2 * p - k) // s + 1 for n, k, s, p in sizes))


def _pool(module: FunctionalModule, registers: Mapping[str, Any]) -> Lowered:
    shape = module.source.shape
    kernel, stride, padding = module.window()
    if len(shape) != len(kernel) + 1:
        raise fail(
            "paibox-shape",
            f"{module.name} pools {len(kernel)} axes of {shape}",
            module.loc,
            help="a source has its channels first",
        )
    made = module.population(pooled(shape, kernel, stride, padding), registers)
    return Lowered((made,), (module.synapse(0, Window(kernel, stride, padding, shape)),))


def _half(module: FunctionalModule, key: str) -> int:
    """Return the threshold of an average: half a window, halves up, where none is given."""
    given = module.args.get(key)
    size = int(np.prod(module.window()[0]))
    return (size + 1) // 2 if given is None else integer(given, key, 1, loc=module.loc)


def _spiking_max(module: FunctionalModule) -> Lowered:
    return _pool(module, bypass(()))


def _spiking_average(module: FunctionalModule) -> Lowered:
    return _pool(module, {**bypass(()), "leak": 1 - _half(module, "threshold")})


def _integrating_average(module: FunctionalModule) -> Lowered:
    """PAIBox adds up all channels here, not each for itself."""
    shape = module.source.shape
    kernel, stride, padding = module.window()
    negative = 0 if len(kernel) == 2 else None
    registers = if_neuron((), _half(module, "threshold"), 0, negative)
    ones = np.ones((shape[0], shape[0], *kernel), dtype=np.int8)
    made = module.population(pooled(shape, kernel, stride, padding), registers)
    link = Convolution(ones, stride, padding, shape=shape)
    return Lowered((made,), (module.synapse(0, link),))


def bits(module: FunctionalModule, default: int = 8) -> dict[str, int]:
    """Return the register that picks the eight bits of an output."""
    given = module.args.get("bit_trunc")
    value = default if given is None else integer(given, "bit_trunc", 0, 29, module.loc)
    return {"truncate": value}


def _linear(module: FunctionalModule) -> Lowered:
    shape = shape_of(module.args["out_features"], "out_features", module.loc)
    bias = leaks(module.args.get("bias", 0), shape, "bias", module.loc)
    made = module.population(shape, ann(shape, bias) | bits(module))
    weights = weights_of(module.args["weights"], module.name, module.loc)
    return Lowered((made,), (module.synapse(0, Dense(weights)),))


def _maximum(module: FunctionalModule) -> Lowered:
    return _pool(module, {**ann((), 0), **bits(module), "largest": True})


def _average(module: FunctionalModule) -> Lowered:
    size = int(np.prod(module.window()[0]))
    return _pool(module, ann((), 0) | bits(module, 7 + size.bit_length()))


_TABLE: dict[str, Callable[[FunctionalModule], Lowered]] = {
    "BitwiseAND": _and,
    "BitwiseOR": _or,
    "BitwiseNOT": _not,
    "BitwiseXOR": _xor,
    "SpikingAdd": _add,
    "SpikingSub": _sub,
    "SpikingMaxPool1d": _spiking_max,
    "SpikingMaxPool2d": _spiking_max,
    "SpikingAvgPool1d": _spiking_average,
    "SpikingAvgPool2d": _spiking_average,
    "SpikingAvgPool1dWithV": _integrating_average,
    "SpikingAvgPool2dWithV": _integrating_average,
    "Linear": _linear,
    "MaxPool1d": _maximum,
    "MaxPool2d": _maximum,
    "AvgPool1d": _average,
    "AvgPool2d": _average,
}


def lower(module: FunctionalModule) -> Lowered:
    """Return the neurons and synapses of a module.

    Raises:
        SnncError: `paibox-unsupported`, `paibox-shape`, `paibox-number`, `paibox-weights`.
    """
    # Streamed modules are made of the same pieces, so they import this file.
    from snnc.frontends.paibox.streamed import STREAMED

    table = _TABLE | STREAMED
    if module.kind not in table:
        raise fail(
            "paibox-unsupported",
            f"{module.name} is a {module.kind}, which has no form here",
            module.loc,
            help=nearest(module.kind, list(table)),
        )
    return table[module.kind](module)
