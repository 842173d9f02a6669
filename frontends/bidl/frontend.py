"""The front end for modules of one time step with explicit state: they become load/save graphs.

    snnc.load((network, sample))                  # sample has a batch axis of 1
    snnc.load("model.py:build")                   # build() returns (network, sample)

A module is read here if it keeps states in wrappers with `get` and `set`, calls the vendor's
`load`, `save` or `rand`, has layers of BIDL, or says `one_step = True`. Others are read by the
front end `pytorch`.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from snnc.diagnostics import fail
from snnc.extend.options import build
from snnc.extend.passes import option
from snnc.ir.graph import Module


@frozen
class Options:
    """What a user may say about a module of one time step."""

    name: str = option("", help="name of the network; its class name if not given")
    seed: int = option(0, help="seed of the draws that a random op makes in the emulator")
    checkpoint: str = option("", help="file of weights (.safetensors, .pt, .pth) to load first")
    backbone: str = option("", help="file.py:Class in place of the backbone of a configuration")
    slice_: int | None = option(
        None, help="model slice of a configuration (0 is model_0); the whole if not given"
    )
    input_shape: tuple[int, ...] = option((), help="input of a configuration's network: 1,C,H,W")
    check: bool = option(True, help="compare the graph with the module, function by function")
    fit: bool = option(
        False, help="neurons of BIDL fire and reset by the chip's fused ops (its FIT)"
    )
    multinet: bool = option(
        False, help="addresses of states are looked up at run time (BIDL's MULTINET)"
    )


class Bidl:
    """Reads `torch.nn.Module` objects of one step, pairs with a sample, BIDL's configurations."""

    name = "bidl"
    suffixes: tuple[str, ...] = ()
    Options = Options
    data = ("sample",)
    runs = True
    """Asks the driver for `run`, which executes modules."""

    def accepts(self, source: Any) -> bool:
        """Whether an object is such a module, or a pair (module, sample)."""
        torch = sys.modules.get("torch")
        if torch is None:
            return False
        if isinstance(source, tuple) and len(source) == 2:
            source = source[0]
        if not isinstance(source, torch.nn.Module):
            return False
        from snnc.frontends.bidl.state import calls_vendor, is_wrapper

        held = (found for module in source.modules() for found in vars(module).values())
        stated = getattr(source, "one_step", False) is True or _has_layers(source)
        return stated or any(map(is_wrapper, held)) or calls_vendor(source)

    def recognizes(self, path: Path) -> bool:
        """Whether a Python file is a configuration of BIDL, which is read and not run."""
        from snnc.frontends.bidl.config import is_config

        return is_config(path)

    def read(self, source: Path | Any, options: Mapping[str, Any]) -> Module:
        """Return the graph of a module of one step, at level `lynxi`.

        Raises:
            SnncError: `sample-missing`, `sample-shape`, `training-mode`, `unsupported-function`,
                `unsupported-network`, `torch-differs`, `unused-option`; what states and the file of
                weights raise.
        """
        from snnc.frontends.bidl.capture import Form, argument_names, capture
        from snnc.frontends.bidl.lower import lower
        from snnc.frontends.pytorch.samples import as_samples
        from snnc.frontends.pytorch.weights import load_weights

        given, told = dict(options), dict[str, Any]()
        sample, run = given.pop("sample", None), given.pop("run", None)
        chosen: Options = build(Options, given, "front end bidl")
        form = Form(chosen.fit, chosen.multinet)
        if isinstance(source, (str, Path)):
            from snnc.frontends.bidl.configured import configured

            source, stated, told = configured(Path(source), chosen, form)
            sample = stated if sample is None else sample
        else:
            _unused(chosen)
        if isinstance(source, tuple):
            source, sample = source[0], source[1] if sample is None else sample
        if chosen.checkpoint:
            source = load_weights(source, Path(chosen.checkpoint))
        tensors = as_samples(sample, argument_names(source))
        name = chosen.name or type(source).__name__
        captured = capture(source, tensors, form)
        made, env = lower(captured, name, chosen.seed)
        if chosen.check and run is not None:
            from snnc.frontends.bidl.check import check

            check(source, tensors, form, captured, made, env, run)
        return evolve(made, attrs={**made.attrs, **told})


def _has_layers(network: Any) -> bool:
    """Whether a network has neurons of BIDL; who has made some has loaded their module."""
    neurons = sys.modules.get("snnc.frontends.bidl.neurons")
    return neurons is not None and any(isinstance(m, neurons.Soma) for m in network.modules())


def _unused(chosen: Options) -> None:
    """Refuse options of configurations for what is a module already.

    Raises:
        SnncError: `unused-option`.
    """
    for name, value in (
        ("backbone", chosen.backbone),
        ("slice", chosen.slice_),
        ("input_shape", chosen.input_shape),
    ):
        if value not in ("", None, ()):
            text = f"{name} = {value} is for configurations of BIDL, and this is a module"
            raise fail("unused-option", text, help="leave it out, or compile a configuration")
