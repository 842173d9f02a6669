"""Layers whose channels have weights of several widths: wide neurons lie apart from narrow ones."""

import numpy as np
import pytest

import snnc
from snnc.ir import Module
from tests.unit.targets.paicore.tiling.networks import Net


def mixed(kind: str, widest: int = 128) -> Module:
    """Return a layer in which every fourth channel has weights of 8 bits, the others of 2."""
    net = Net(kind, 2)
    shape = "u1[8,20,20]~" if kind == "conv" else "u1[60]~"
    x = net.build.input("x", shape)
    size = (32, 8, 3, 3) if kind == "conv" else (512, 60)
    weights = net.random.integers(-2, 2, size)
    weights[::4] = net.random.integers(-widest, widest, weights[::4].shape)
    w = net.build.weight("mixed", weights, "i8")
    if kind == "conv":
        current = net.build.op("conv2d", x, w, padding=(1, 1))
    else:
        current = net.build.op("linear", x, w)
    return net.build.finish(net.fire("a", current, 72))


def cores(build: snnc.Build) -> dict[int, int]:
    """Return how many cores have weights of so many bits."""
    bits = [op["bits"] for op in build.placed.ops("core")]
    return {width: bits.count(width) for width in sorted(set(bits))}


@pytest.mark.parametrize(("kind", "expected"), [("conv", {2: 40, 8: 52}), ("linear", {2: 2, 8: 2})])
def test_narrow_neurons_are_packed_apart_from_wide_ones(
    kind: str, expected: dict[int, int]
) -> None:
    module = mixed(kind)
    build = snnc.compile(module, target="paicore")
    assert expected == cores(build)
    x = module.graph.inputs[0].type.shape
    samples = (np.random.default_rng(2).random((2, 8, *x)) < 0.4).astype(np.uint8)
    assert str(build.verify({"x": samples})).startswith("equal at every tick")


def test_neurons_of_one_width_keep_their_order() -> None:
    module = mixed("linear", 2)
    (layer,) = snnc.compile(module, target="paicore").placed.ops("layer")
    assert layer["order"] is None
