"""Objects of PAIBox 1.3 as plain data, recognized by class path and read by attribute.

PAIBox is never imported, and nothing of the user's objects is changed: functional modules are
lowered by `modules` from what their attributes say. What the objects cannot do exactly on a chip
(learning synapses, randomness, initial potentials) is refused with the object's name.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from snnc.diagnostics import SnncError, fail, named
from snnc.frontends.paibox import links
from snnc.frontends.paibox.encoding import encoder_of
from snnc.frontends.paibox.modules import Flow, FunctionalModule, Lowered, Operand, lower
from snnc.frontends.paibox.network import Input, Link, Network, Population, Synapse
from snnc.frontends.paibox.numbers import FARTHEST, LOWEST, integer, leaks, shape_of, weights_of
from snnc.frontends.paibox.presets import MOST_CORES

NETWORK = "paibox.network.DynSysGroup"
INPUT = "paibox.components.projection.InputProj"
NEURON = "paibox.components.neuron.base.Neuron"
ONLINE = "paibox.components.neuron.base.OnlineNeuron"
MODULE = "paibox.components.modules.NeuModule"
SYNAPSE = "paibox.base.SynSys"
LEARNING = "paibox.base.LearnableSys"
CONTAINERS = ("paibox.node.NodeList", "paibox.node.NodeDict")
PARTS = (NETWORK, INPUT, NEURON, MODULE, SYNAPSE)

RESETS = {"MODE_NORMAL": "hard", "MODE_LINEAR": "soft", "MODE_NONRESET": "none"}


def paths(given: Any) -> tuple[str, ...]:
    """Return the class paths of an object, most derived first."""
    return tuple(f"{c.__module__}.{c.__qualname__}" for c in type(given).__mro__)


def is_a(given: Any, path: str) -> bool:
    """Return whether an object is of a class, by its path."""
    return path in paths(given)


def is_network(given: Any) -> bool:
    """Return whether an object is a network, or a list of some."""
    if isinstance(given, (list, tuple)):
        return bool(given) and all(is_a(one, NETWORK) for one in given)
    return is_a(given, NETWORK)


def unsupported(name: str, reason: str, help: str = "use a network without it") -> SnncError:
    """Return the refusal of a part of a network."""
    return fail("paibox-unsupported", f"{name}: {reason}", named(name), help=help)


def network_of(given: Any, simulated: bool = False, encode: bool = False) -> Network:
    """Return a PAIBox network, or several as one, as data; `encode`: with encoders of inputs.

    `simulated`: with what only PAIBox's simulation shows (an ignored dilation), which is refused
    else.

    Raises:
        SnncError: `paibox-unsupported`, `paibox-hidden`, `paibox-outside`, and those of numbers.
    """
    found: dict[int, tuple[str, Any]] = {}
    networks = list(given) if isinstance(given, (list, tuple)) else [given]
    for number, network in enumerate(networks):
        _collect(network, f"{type(network).__name__}{number}." if networks[1:] else "", found)
    name = "_and_".join(type(network).__name__ for network in networks)
    return _Reader(name, found, simulated, encode).network().check()


def _collect(network: Any, prefix: str, found: dict[int, tuple[str, Any]]) -> None:
    """Add the parts of a network by identity, each with its name."""
    for key, value in vars(network).items():
        if key != "children" and not key.startswith("_"):
            _add(value, prefix + key, found)
    # Sub-networks that were only handed to super().__init__().
    children = getattr(network, "children", {})
    for number, child in enumerate(getattr(children, "data", children).values()):
        _add(child, f"{prefix}{type(child).__name__}{number}", found)


def _add(value: Any, path: str, found: dict[int, tuple[str, Any]]) -> None:
    if is_a(value, NETWORK):
        _collect(value, f"{path}.", found)
    elif any(is_a(value, part) for part in PARTS):
        found.setdefault(id(value), (_name(value, path), value))
    elif any(is_a(value, container) for container in CONTAINERS):
        items = value.data
        for key in items if isinstance(items, Mapping) else range(len(items)):
            if any(is_a(items[key], container) for container in CONTAINERS):
                raise _hidden(f"{path}.{key}", items[key])
            _add(items[key], f"{path}.{key}", found)
    elif isinstance(value, (list, tuple, dict)):
        held = list(value.values()) if isinstance(value, dict) else list(value)
        if any(is_a(item, part) for item in held for part in PARTS):
            raise _hidden(path, value)


def _hidden(path: str, value: Any) -> SnncError:
    return fail(
        "paibox-hidden",
        f"{path} is a {type(value).__name__}, whose parts PAIBox does not find there",
        named(path),
        help="use a NodeList or NodeDict that is an attribute of the network",
    )


def _name(value: Any, path: str) -> str:
    """Return the user's name, or the attribute where the name is one that PAIBox counted up."""
    kind, name = type(value).__name__, str(value.name)
    return path if re.fullmatch(rf"{re.escape(kind)}_\d+", name) else name


class _Reader:
    """Turns the parts of a network into data."""

    def __init__(
        self, name: str, found: Mapping[int, tuple[str, Any]], simulated: bool, encode: bool
    ) -> None:
        self.name, self.found, self.simulated, self.encode = name, found, simulated, encode
        self.lowered: dict[int, Lowered] = {}

    def network(self) -> Network:
        """Return the network."""
        inputs: list[Input] = []
        populations: list[Population] = []
        synapses: list[Synapse] = []
        for name, part in self.found.values():
            if is_a(part, INPUT):
                inputs.append(self._input(name, part))
            elif is_a(part, MODULE):
                made = self._module(part)
                populations += made.populations
                synapses += made.synapses
            elif is_a(part, NEURON):
                populations.append(population(name, part))
            else:
                synapses.append(self._synapse(name, part))
        return Network(self.name, tuple(inputs), tuple(populations), tuple(synapses))

    def _input(self, name: str, part: Any) -> Input:
        function = getattr(part, "_func_input", None) if self.encode else None
        encoder = None if function is None else encoder_of(function, name, named(name))
        return Input(name, shape_of(part.shape_out), named(name), encoder)

    def _named(self, part: Any, reader: str) -> str:
        if id(part) not in self.found:
            raise fail(
                "paibox-outside",
                f"{reader} joins {part.name}, which is not part of {self.name}",
                named(reader),
                help="make it an attribute of the network, or pass its sub-network to "
                "super().__init__(...)",
            )
        return self.found[id(part)][0]

    def _synapse(self, name: str, part: Any) -> Synapse:
        if is_a(part, LEARNING):
            raise unsupported(name, "the synapses learn, which takes an online core")
        source, target = (self._named(end, name) for end in (part.source, part.target))
        return Synapse(name, source, target, link(name, part, self.simulated), named(name))

    def _module(self, part: Any) -> Lowered:
        if id(part) not in self.lowered:
            name = self._named(part, self.name)
            operands = tuple(self._operand(o, name) for o in part.module_intf.operands)
            args = {**_times(part), **arguments(part)}
            module = FunctionalModule(type(part).__name__, name, operands, args, named(name))
            self.lowered[id(part)] = lower(module)
        return self.lowered[id(part)]

    def _operand(self, part: Any, reader: str) -> Operand:
        name, shape = self._named(part, reader), shape_of(part.shape_out)
        if is_a(part, INPUT):
            return Operand(name, shape, Flow())
        return Operand(name, shape, self._module(part).flow if is_a(part, MODULE) else None)


def _times(part: Any) -> dict[str, Any]:
    return {
        "delay": part.delay_relative,
        "tick_wait_start": part.tick_wait_start,
        "tick_wait_end": part.tick_wait_end,
        "unrolling_factor": unrolling(part),
    }


def unrolling(part: Any) -> Any:
    """Return over how many times the cores that it needs a part is spread."""
    return getattr(part, "unrolling_factor", 1)


def population(name: str, part: Any) -> Population:
    """Return a neuron object's registers.

    Raises:
        SnncError: `paibox-unsupported` for online and random neurons, `paibox-number`.
    """
    _refuse_inexact(name, part)
    loc, shape = named(name), shape_of(part.shape_out)
    width = {key: int(_plain(value)) for key, value in part.rt_mode_kwds.items()}
    return Population(
        name,
        shape,
        threshold=integer(part.pos_threshold, f"{name}.threshold", 0, FARTHEST, loc),
        reset=RESETS[_word(part.reset_mode)],
        reset_to=integer(part.reset_v, f"{name}.reset_v", LOWEST, loc=loc),
        leak=leaks(part.leak_v, shape, f"{name}.leak_v", loc),
        leak_order="after" if _word(part.leak_comparison) == "LEAK_AFTER_COMP" else "before",
        leak_reversal=_word(part.leak_direction) == "MODE_REVERSAL",
        negative=abs(integer(part.neg_threshold, f"{name}.neg_threshold", loc=loc)),
        negative_mode="reset" if _word(part.neg_thres_mode) == "MODE_RESET" else "floor",
        keeps=bool(width["snn_en"]),
        wide_in=bool(width["input_width"]),
        wide_out=bool(width["spike_width"]),
        truncate=integer(part.bit_trunc, f"{name}.bit_trunc", 0, 29, loc),
        largest=bool(_plain(part.pool_max)),
        delay=integer(part.delay_relative, f"{name}.delay", 1, loc=loc),
        start=integer(part.tick_wait_start, f"{name}.tick_wait_start", 0, loc=loc),
        ticks=integer(part.tick_wait_end, f"{name}.tick_wait_end", 0, loc=loc),
        unroll=integer(unrolling(part), f"{name}.unrolling_factor", 1, MOST_CORES, loc),
        chip=integer(part.target_chip_idx, f"{name}.target_chip", -1, loc=loc),
        loc=loc,
    )


def _refuse_inexact(name: str, part: Any) -> None:
    if is_a(part, ONLINE):
        raise unsupported(name, "the neurons are of an online core, which learns")
    modes = (_word(part.leak_integr), _word(part.synaptic_integr))
    if part.threshold_mask_bits or "MODE_STOCHASTIC" in modes:
        raise unsupported(name, "stochastic thresholds, leaks and weights have no exact meaning")
    if np.any(part.v0):
        raise unsupported(name, "a core's potentials start at 0", "shift the thresholds instead")


def _word(value: Any) -> str:
    return str(getattr(value, "name", value))


def _plain(value: Any) -> Any:
    return getattr(value, "value", value)


def arguments(part: Any) -> dict[str, Any]:
    """Return the arguments that a functional module was made with, from its attributes."""
    found: dict[str, Any] = {}
    for name in ("weights", "bias", "bit_trunc", "kernel", "kernel_size", "stride", "padding"):
        if name in vars(part):
            found[name] = getattr(part, name)
    for name in ("groups", "factor_a", "factor_b", "reset_v", "rin_buffer_option"):
        if name in vars(part):
            found[name] = getattr(part, name)
    if "pos_threshold" in vars(part):
        found["pos_thres"] = part.pos_threshold
    if "pos_thres" in vars(part):
        found["threshold"] = part.pos_thres
    if "tfm" in vars(part):
        window = part.tfm
        kernel = window.ksize if hasattr(window, "ksize") else window.weights.shape[2:]
        found |= {"kernel_size": kernel, "stride": window.stride, "padding": window.padding}
        if hasattr(window, "threshold"):
            found["threshold"] = window.threshold
    found["out_features"] = part.shape_out
    return found


def link(name: str, part: Any, simulated: bool = False) -> Link:
    """Return what a synapse object multiplies by: its kernel or matrix, else its dense matrix."""
    transform, kind = part.comm, type(part.comm).__name__
    weights = weights_of(transform.weights, name, named(name))
    if kind == "AllToAll":
        return links.Dense(weights)
    if kind in ("OneToOne", "Identity"):
        return links.Diagonal(weights)
    if kind == "MaskedLinear":
        return links.rows(weights, shape_of(part.source.shape_out))
    if kind in ("Conv1dForward", "Conv2dForward", "Conv2dSemiFoldedForward"):
        axes, groups = weights.ndim - 2, transform.groups
        shape = (weights.shape[1] * groups, *transform.in_shape[-axes:])
        stride, padding = transform.stride[:axes], transform.padding[:axes]
        return links.Convolution(weights, stride, padding, groups, shape, cut=simulated)
    if kind in ("ConvTranspose1dForward", "ConvTranspose2dForward"):
        shape = (weights.shape[1], *transform.in_shape)
        steps = (transform.stride, transform.padding, transform.output_padding)
        return links.Transposed(weights, *steps, shape)
    if is_a(part.target, NEURON) and _plain(part.target.pool_max):
        raise unsupported(
            name,
            "the maximum is kept as a matrix, because Mapper.build() has rewritten the network",
            "give the network before it is built",
        )
    return links.Dense(weights_of(part.connectivity, name, named(name)))
