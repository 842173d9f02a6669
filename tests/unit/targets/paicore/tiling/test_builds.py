"""Tiled layers from end to end: compiled, judged, emulated from the files, equal in all layers."""

from collections.abc import Callable

import numpy as np
import pytest

import snnc
from snnc.ir import Module, Value
from tests.unit.targets.paicore.tiling.networks import Net, chain, residual


def conv1d(net: Net) -> Value:
    x = net.build.input("x", "u1[2,900]~")
    return net.build.op("conv1d", x, net.weights((3, 2, 7)), stride=(2,), padding=(3,))


def grouped(net: Net) -> Value:
    return net.conv(net.build.input("x", "u1[6,18,18]~"), 9, 3, 1, 1, groups=3)


def dilated(net: Net) -> Value:
    x = net.build.input("x", "u1[2,30,30]~")
    pairs = {"dilation": (3, 2), "padding": (1, 2), "stride": (1, 2)}
    return net.build.op("conv2d", x, net.weights((4, 2, 3, 3)), **pairs)


def transposed(net: Net) -> Value:
    x = net.build.input("x", "u1[4,20,20]~")
    pairs = {"stride": (2, 1), "padding": (1, 0), "output_padding": (1, 0)}
    return net.build.op("conv_transpose2d", x, net.weights((4, 2, 3, 3)), **pairs)


def pooled(net: Net) -> Value:
    x = net.build.input("x", "u1[3,35,35]~")
    return net.build.op("sum_pool2d", x, kernel=(3, 3), stride=(2, 2), padding=(1, 0))


def joined(net: Net) -> Value:
    """Two inputs side by side, the sum of a pool and a convolution over both."""
    sides = [net.build.input(name, "u1[3,20,20]~") for name in "xy"]
    both = net.build.op("concat", *sides, axis=0)
    pool = net.build.op("sum_pool2d", both, kernel=(2, 2), stride=(1, 1))
    return net.build.op("add", pool, net.conv(both, 6, 2, 1, 0))


def turned(net: Net) -> Value:
    x = net.build.input("x", "u1[40,60,2]~")
    moved = net.build.op("permute", x, order=(2, 0, 1))
    cut = net.build.op("slice", moved, axis=1, start=2, stop=37)
    return net.conv(cut, 3, 4, 3, 0)


def matrix(net: Net) -> Value:
    return net.build.op("linear", net.build.input("x", "u1[40,50]~"), net.weights((6, 50)))


def late(net: Net) -> Value:
    x = net.build.input("x", "u1[2,30,30]~")
    return net.build.op(
        "add", net.conv(x, 3, 3, 1, 1), net.conv(net.build.op("delay", x, by=2), 3, 3, 1, 1)
    )


LAYERS = [conv1d, grouped, dilated, transposed, pooled, joined, turned, matrix, late]


def network(layer: Callable[[Net], Value], bits: int) -> Module:
    """Return a network of a layer and a pool that reads it."""
    net = Net(layer.__name__, bits)
    first = net.fire("first", layer(net), 16)
    if len(first.type.shape) != 3:
        return net.build.finish(first)
    pool = net.build.op("sum_pool2d", first, kernel=(2, 2))
    return net.build.finish(net.fire("second", pool, 4), first)


def is_tiled(build: snnc.Build) -> bool:
    """Whether elements of an input go to several groups of cores."""
    return any(op["region"] is not None for op in build.placed.ops("input"))


def verified(build: snnc.Build, module: Module) -> str:
    random = np.random.default_rng(1)
    shapes = {v.name: v.type.shape for v in module.graph.inputs}
    samples = {n: (random.random((2, 9, *s)) < 0.3).astype(np.uint8) for n, s in shapes.items()}
    return str(build.verify(samples))


@pytest.mark.parametrize("bits", [8, 2])
@pytest.mark.parametrize("layer", LAYERS)
def test_a_tiled_layer_is_exact(layer: Callable[[Net], Value], bits: int) -> None:
    module = network(layer, bits)
    build = snnc.compile(module, target="paicore")
    assert is_tiled(build)
    assert verified(build, module).startswith("equal at every tick")


@pytest.mark.parametrize("bits", [8, 1])
def test_a_residual_block_is_exact(bits: int) -> None:
    module = residual("res32c", bits)
    assert verified(snnc.compile(module, target="paicore"), module).startswith("equal")


def test_readers_of_one_layer_lie_together_where_copies_cost_more() -> None:
    cores = {}
    for bits in (8, 1):
        resources = snnc.compile(residual("res32c", bits), target="paicore").manifest["resources"]
        cores[bits] = resources["cores"], resources["neuron_copies"]
    assert {8: (99, 0), 1: (16, 0)} == cores


def test_a_network_with_cores_of_two_regions_in_one_block_is_exact() -> None:
    module = chain("lenet", 4)
    build = snnc.compile(module, target="paicore")
    resources = build.manifest["resources"]
    assert (68, 2) == (resources["cores"], resources["cores_idle"])
    assert verified(build, module).startswith("equal at every tick")


def test_masks_that_are_no_blocks_are_named_in_the_manifest() -> None:
    module = network(dilated, 8)
    needs = {
        how: [text.partition(":")[0] for text in made.manifest.get("relies_on", ())]
        for how in ("masks", "contiguous", "none")
        for made in [snnc.compile(module, target="paicore", multicast=how)]
    }
    assert {"masks": ["multicast-masks"], "contiguous": [], "none": []} == needs


@pytest.mark.parametrize("how", ["contiguous", "none"])
def test_without_masks_networks_are_exact_too(how: str) -> None:
    module = network(pooled, 8)
    build = snnc.compile(module, target="paicore", multicast=how)
    assert verified(build, module).startswith("equal at every tick")


def hidden(bits: int) -> Module:
    """Return a network whose second layer, 36,864 neurons, is divided; so is what it reads."""
    net = Net("hidden", bits)
    x = net.build.input("x", "u1[2,32,32]~")
    first = net.fire("first", net.conv(x, 2, 3, 1, 1), 18)
    second = net.fire("second", net.conv(first, 36, 3, 1, 1), 18)
    return net.build.finish(net.fire("pool", net.conv(second, 36, 4, 4, 0, groups=36), 16))


def test_a_layer_over_two_regions_is_exact_in_every_layer() -> None:
    module = hidden(8)
    build = snnc.compile(module, target="paicore")
    (second,) = [op for op in build.placed.ops("layer") if op["of"] == "second"]
    resources = build.manifest["resources"]
    assert (577, 128) == (len(second.values), resources["neuron_copies"])
    assert verified(build, module).startswith("equal at every tick")


def test_a_layer_over_two_chips_is_exact() -> None:
    net = Net("wide", 8)
    x = net.build.input("x", "u1[4]~")
    module = net.build.finish(net.fire("a", net.dense(x, 64 * 1010), 4))
    build = snnc.compile(module, target="paicore", chip=(0, 0, 0, 1), output_chip=(5, 5))
    resources = build.manifest["resources"]
    assert (2, 1010) == (resources["chips"], resources["cores"])
    assert verified(build, module).startswith("equal at every tick")
