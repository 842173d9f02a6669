"""Networks of BIDL by the names that its configurations call them."""

import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch

from snnc.diagnostics import fail, nearest
from snnc.frontends.bidl import sequences
from snnc.frontends.bidl.attention import AttentionVGG
from snnc.frontends.bidl.residual import ResNet
from snnc.frontends.bidl.sequences import COMMON, FastText

Build = Any
"""A class, or a function that returns a network."""


def _loops(build: Build, *stems: str) -> dict[str, Build]:
    """Return networks with the loop outside (`..Itout`) and inside (`..It`)."""
    ends = ("Itout", False), ("It", True)
    return {f"{stem}{end}": partial(build, inner) for stem in stems for end, inner in ends}


PLUS: dict[str, Any] = {"neuron": "lifplus"}
BACKBONES: dict[str, Build] = {
    **_loops(sequences.clif3fc3, "SeqClif3Fc3Dm", "SeqClif3Fc3Lc"),
    **_loops(sequences.clif5fc2, "SeqClif5Fc2Dm", "SeqClif5Fc2Cd"),
    **_loops(sequences.clif7fc1, "SeqClif7Fc1Dg", "SeqClif7Fc1Cd"),
    "SeqClif7Fc1CdIt": partial(sequences.clif7fc1_behind, True),
    **{f"SeqClif3Flif2{d}Itout": partial(sequences.clif3flif2, False) for d in ("Dg", "Rg")},
    **{
        f"SeqClifplus3Fc3{d}Itout": partial(sequences.clif3fc3, False, **PLUS) for d in ("Dm", "Lc")
    },
    "SeqClifplus5Fc2CdItout": partial(sequences.clif5fc2, False, **PLUS),
    **{
        f"SeqClifplus3Flifplus2{d}Itout": partial(sequences.clif3flif2, False, **PLUS)
        for d in ("Dg", "Rg")
    },
    "VGG7_SNN": partial(sequences.vgg7, False),
    "VGG7_SNNIt": partial(sequences.vgg7, True),
    "VGG7_SNNPlus": partial(sequences.vgg7, False, **PLUS),
    "FastTextItout": FastText,
    "FastTextlifplusItout": partial(FastText, **PLUS),
    **dict.fromkeys(("ResNetLifItout", "ResNetLifItout_MP"), ResNet),
    "ResNetLif": partial(ResNet, inner=True),
    "ResNetLifReluItout": partial(ResNet, lite=True),
    "AttentionVGGNet": AttentionVGG,
}
"""Networks by name; each takes the arguments of a configuration by their names."""

SPELLED = {"c0": "input_channels", "h0": "h", "w0": "w"}
"""Other names of arguments, which BIDL's guide uses."""


MOST_STEPS = 1 << 24
"""float32, in which a mean over time adds up, holds every whole number to here."""


def steps(timestep: Any) -> int:
    """Return the number of steps that a network is told.

    Raises:
        SnncError: `bidl-option` for what is no whole number from 1 to `MOST_STEPS`.
    """
    whole = isinstance(timestep, int) and not isinstance(timestep, bool)
    if not whole or not 1 <= timestep <= MOST_STEPS:
        text = f"timestep = {str(timestep)[:40]} is no whole number from 1 to {MOST_STEPS}"
        raise fail("bidl-option", text, help="say of how many steps a sample is")
    return int(timestep)


def backbone(type: str, **arguments: Any) -> Any:
    """Return a network in evaluation mode by its name in BIDL.

    Raises:
        SnncError: `bidl-backbone` with the nearest name; `bidl-option`, `bidl-neuron`.
    """
    if not isinstance(type, str) or type not in BACKBONES:
        raise fail(
            "bidl-backbone",
            f"there is no backbone {type!r} among ours",
            help=nearest(str(type), list(BACKBONES))
            + "; or give a class: --backbone file.py:Class",
        )
    given = {SPELLED.get(k, k): v for k, v in arguments.items()}
    if "timestep" in given:
        steps(given["timestep"])
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of layers without elements.
        try:
            return BACKBONES[type](**given).eval()
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            reason = str(error).partition("\n")[0] or error.__class__.__name__
            raise fail(
                "bidl-option",
                f"{type} cannot be made with these options: {reason}",
                help="check the kinds of values and the sizes in the configuration",
            ) from error


def sample_shape(network: Any, arguments: Mapping[str, Any]) -> tuple[int, ...] | None:
    """Return the shape of a network's input as far as its arguments say it, else None."""
    given = {SPELLED.get(k, k): v for k, v in arguments.items()}
    if "vocab_size" in given:
        return (1, int(given["vocab_size"]))
    if not {"input_channels", "h", "w"} <= set(given):
        return None
    sides = tuple(given[n] for n in COMMON[1:4])
    if not all(isinstance(n, int) and n > 0 for n in sides):
        said = ", ".join(f"{n} = {given[n]!r}" for n in COMMON[1:4])
        raise fail("bidl-option", f"{said}: an input has no such shape", help="give whole numbers")
    if not getattr(network, "batch_axis", 0):
        return (1, *sides)
    return (steps(given["timestep"]), 1, *sides) if "timestep" in given else None
