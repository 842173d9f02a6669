"""The table of what ships in the box. Names stand for `module:Class`, imported only when used."""

from collections.abc import Iterable
from pathlib import Path

from snnc.extend.plugin import Plugin
from snnc.extend.registry import Registry

PLUGIN = Plugin(
    passes={
        # at any level
        "clean": "snnc.passes.clean:Clean",
        "infer": "snnc.passes.infer:Infer",
        # snn: real numbers
        "fold-norm": "snnc.passes.fold_norm:FoldNorm",
        "fold-pool": "snnc.passes.fold_pool:FoldPool",
        "subtractive-leak": "snnc.passes.subtractive_leak:SubtractiveLeak",
        # snn -> int
        "quantize": "snnc.passes.quantize:Quantize",
        # int
        "initial-pulse": "snnc.passes.initial_pulse:InitialPulse",
        "shrink-weights": "snnc.passes.shrink_weights:ShrinkWeights",
    },
    targets={
        "paicore": "snnc.targets.paicore:Paicore",
        "dynapcnn": "snnc.targets.dynapcnn:Dynapcnn",
        "lynxi": "snnc.targets.lynxi:Lynxi",
    },
    frontends={
        "text": "snnc.frontends.text:Text",
        "dsl": "snnc.frontends.dsl:Dsl",
        # Before pytorch, which accepts every module of torch.
        "bidl": "snnc.frontends.bidl:Bidl",
        "pytorch": "snnc.frontends.pytorch:Torch",
        "nir": "snnc.frontends.nir:Nir",
        "paibox": "snnc.frontends.paibox:Paibox",
    },
    engines={
        "native": "snnc.runtime.native.engine:NativeEngine",
        "reference": "snnc.runtime.reference:Reference",
        "numpy": "snnc.runtime.numpy_engine:NumpyEngine",
        "torch": "snnc.runtime.torch_engine:TorchEngine",
    },
    levels={
        "paicore": "snnc.targets.paicore.ops",
        "dynapcnn": "snnc.targets.dynapcnn.ops",
        "lynxi": "snnc.targets.lynxi.ops",
    },
    presets={
        "int": "clean,fold-norm,quantize,clean",
    },
)


def open_registry(plugins: Iterable[str | Path] = ()) -> Registry:
    """Return the registry of the box, of the installed packages and of some plugin files.

    Levels of its targets are found by name from then on.
    """
    registry = Registry(PLUGIN, plugins)
    registry.install()
    return registry
