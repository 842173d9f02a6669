"""The neuron classes of PAIBox as register values (paicore.md, section 7.1).

Each function takes the arguments of the class of its name in PAIBox 1.3 and gives the registers of
a `Population`. Thresholds fire at or above; a negative leak is a decay.
"""

from collections.abc import Callable, Mapping
from typing import Any

from snnc.diagnostics import UNKNOWN, Location, fail, nearest
from snnc.frontends.paibox.network import Population
from snnc.frontends.paibox.numbers import FARTHEST, LOWEST, Shape, integer, leaks, shape_of, within
from snnc.ir.weights import Array

Registers = dict[str, Any]

LONGEST = 32767
"""Largest start step and number of steps that a core's register holds."""

MOST_CORES = 512
"""Cores that one multicast reaches, so the most over which a layer is spread."""


def if_neuron(
    shape: Shape, threshold: Any = 1, reset_v: Any = None, neg_threshold: Any = None
) -> Registers:
    """Integrate and fire: hard reset where `reset_v` is given, else soft; saturates below."""
    lowest = FARTHEST if neg_threshold is None else abs(integer(neg_threshold, "neg_threshold"))
    return {
        "threshold": integer(threshold, "threshold", 0),
        "reset": "soft" if reset_v is None else "hard",
        "reset_to": 0 if reset_v is None else integer(reset_v, "reset_v", LOWEST),
        "negative": lowest,
    }


def lif(
    shape: Shape,
    threshold: Any = 1,
    reset_v: Any = None,
    leak_v: Any = 0,
    bias: Any = 0,
    neg_threshold: Any = None,
) -> Registers:
    """Leaky integrate and fire: leak and bias are both added at every step, before the compare."""
    return if_neuron(shape, threshold, reset_v, neg_threshold) | {"leak": _sum(shape, leak_v, bias)}


def tonic(shape: Shape, fire_step: Any = 1) -> Registers:
    """Fire at every `fire_step`-th spike."""
    return {"reset": "hard", "threshold": integer(fire_step, "fire_step", 0)} | _RESETTING


def phasic(shape: Shape, fire_step: Any, neg_floor: Any = -10) -> Registers:
    """Fire once after `fire_step` spikes, then rest one below the floor for ever."""
    floor = integer(neg_floor, "neg_floor", 1 - FARTHEST)
    return {
        "threshold": 2 * integer(fire_step, "fire_step", 0, FARTHEST // 2),
        "reset": "hard",
        "reset_to": floor - 1,
        "negative": abs(floor),
        "leak": 1,
        "leak_reversal": True,
    }


def bypass(shape: Shape) -> Registers:
    """Fire at every step with a positive sum, keep nothing."""
    return {"reset": "hard", "negative": 0} | _RESETTING


def store(shape: Shape, leak_v: Any = 0, bias: Any = 0) -> Registers:
    """Add up, never fire."""
    leak = _sum(shape, leak_v, bias)
    return {"reset": "none", "threshold": FARTHEST, "leak": leak} | _RESETTING


def always(shape: Shape) -> Registers:
    """PAIBox's `Always1Neuron`, which overflows and so does not always fire."""
    return {"reset": "hard", "reset_to": 1, "negative": 0, "threshold": 0, "leak": FARTHEST}


def ann(shape: Shape, bias: Any = 0) -> Registers:
    """A rectifier of bytes: the sum of this step alone, eight bits of it."""
    return {"leak": leaks(bias, shape, "bias"), **BYTES}


def ann_bypass(shape: Shape) -> Registers:
    """Bytes passed on."""
    return dict(BYTES)


_RESETTING: Registers = {"negative_mode": "reset"}
BYTES: Registers = {"keeps": False, "wide_in": True, "wide_out": True}

PRESETS: Mapping[str, Callable[..., Registers]] = {
    "IF": if_neuron,
    "LIF": lif,
    "TonicSpiking": tonic,
    "PhasicSpiking": phasic,
    "BypassNeuron": bypass,
    "StoreVoltageNeuron": store,
    "Always1Neuron": always,
    "ANNNeuron": ann,
    "ANNBypassNeuron": ann_bypass,
}

HINTS = ("keep_shape", "overflow_strict", "name")
"""Arguments that say how neurons are shown, not what they do."""


def timing(args: Mapping[str, Any], loc: Location = UNKNOWN) -> Registers:
    """Return the registers of arguments that neurons and modules share: time, and spreading."""
    cores = integer(args.get("unrolling_factor", 1), "unrolling_factor", 1, MOST_CORES, loc)
    return {
        "delay": integer(args.get("delay", 1), "delay", 1, FARTHEST, loc),
        "start": integer(args.get("tick_wait_start", 1), "tick_wait_start", 0, LONGEST, loc),
        "ticks": integer(args.get("tick_wait_end", 0), "tick_wait_end", 0, LONGEST, loc),
        "unroll": cores,
    }


TIMES = ("delay", "tick_wait_start", "tick_wait_end", "unrolling_factor", "target_chip")


def neuron(
    kind: str, name: str, shape: Any, args: Mapping[str, Any], loc: Location = UNKNOWN
) -> Population:
    """Return the population of a neuron class of PAIBox, by its name and arguments.

    Raises:
        SnncError: `paibox-unsupported`, `paibox-number`, `paibox-shape`, `unknown-keyword`.
    """
    if kind not in PRESETS:
        raise fail(
            "paibox-unsupported",
            f"{name} is a {kind}, which has no form here",
            loc,
            help=nearest(kind, list(PRESETS)),
        )
    size = shape_of(shape, "shape", loc)
    rest = {k: v for k, v in args.items() if k not in (*TIMES, *HINTS, "bit_trunc")}
    preset = PRESETS[kind]
    known = preset.__code__.co_varnames[1 : preset.__code__.co_argcount]
    for key in rest:
        if key not in known:
            raise fail(
                "unknown-keyword",
                f"{kind} takes no {key!r}",
                loc,
                help=nearest(key, [*known, *TIMES, *HINTS]),
            )
    truncate = integer(args.get("bit_trunc", 8), "bit_trunc", 0, 29, loc)
    chip = integer(args.get("target_chip", -1), "target_chip", -1, 2**10, loc)
    registers = within(loc, preset, size, **rest) | timing(args, loc)
    return Population(name, size, truncate=truncate, chip=chip, loc=loc, **registers)


def _sum(shape: Shape, leak_v: Any, bias: Any) -> int | Array:
    first, second = leaks(leak_v, shape, "leak_v"), leaks(bias, shape, "bias")
    if isinstance(first, int) and isinstance(second, int):
        return integer(first + second, "leak_v + bias", LOWEST)
    return leaks(first + second, shape, "leak_v + bias")
