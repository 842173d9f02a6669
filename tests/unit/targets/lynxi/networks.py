"""Networks and folders that the tests of the target share."""

from pathlib import Path

import numpy as np

import snnc
from snnc.builtins import open_registry
from snnc.ir import Builder, Module
from snnc.targets.lynxi import Lynxi
from snnc.targets.lynxi.artifact.assemble import to_artifact
from snnc.targets.lynxi.artifact.records import Artifact

TARGET = Lynxi()
open_registry()


def small(seed: int = 0, **neuron: object) -> Module:
    """Two layers with biases, the second counting."""
    rng = np.random.default_rng(seed)
    b = Builder("small", "snn")
    x = b.input("x", "u1[6]~")
    w = [rng.normal(size=s).astype(np.float32) for s in ((5, 6), (5,), (3, 5))]
    i = b.op("linear", x, b.weight("fc1.w", w[0]), b.weight("fc1.b", w[1]))
    options = {"threshold": 0.4, "compare": "gt", "decay": 0.8, "reset": "hard", **neuron}
    s = b.op("neuron", i, name="hidden", **{"reset_time": "before", **options})
    j = b.op("linear", s, b.weight("fc2.w", w[2]))
    return b.finish(b.op("neuron", j, name="digit", threshold=0.4, spike="count"))


def build(module: Module, **options: object) -> "snnc.Build":
    return snnc.compile(module, target="lynxi", **options)


def artifact(module: Module, **options: object) -> Artifact:
    return to_artifact(build(module, **options).placed)


def emitted(module: Module, folder: Path, **options: object) -> Path:
    TARGET.emit(build(module, **options).placed, folder, TARGET.Options())
    return folder


def train(shape: tuple[int, ...], rate: float = 0.5, seed: int = 1) -> np.ndarray:
    return (np.random.default_rng(seed).random(shape) < rate).astype(np.uint8)
