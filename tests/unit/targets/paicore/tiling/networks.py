"""Convolutional networks with random weights, given as short lists of layers."""

import math
import re
from collections.abc import Sequence

import numpy as np

from snnc.ir import Builder, Module, Value

ELEMENTS = {1: ("u1", 0, 1), 2: ("i2", -2, 1), 4: ("i4", -8, 7), 8: ("i8", -128, 127)}

CHAINS = {
    "lenet": ((1, 28, 28), "6c5p2 pool2 16c5 pool2 120 84 10"),
    "lenet_strided": ((1, 28, 28), "6c5s2p2 16c5s2 120 84 10"),
    "lenet_padded": ((1, 28, 28), "6c5s2p2 16c5s2p1 120 84 10"),
    "vgg16x16": ((3, 16, 16), "32c3p1 32c3s2p1 64c3p1 64c3s2p1 128 10"),
    "vgg_dvs32": ((2, 32, 32), "8c3s2p1 16c3p1 32c3s2p1 32c3p1 64c3s2p1 128 10"),
    "vgg32": ((3, 32, 32), "16c3p1 16c3s2p1 32c3p1 32c3s2p1 64c3p1 64c3s2p1 128 10"),
    "dynapcnn_mnist": ((1, 28, 28), "20c5 pool2 32c5 pool2 128c3 pool2 500 10"),
    "vggp16": ((3, 16, 16), "16c3p1 16c3p1 pool2 32c3p1 32c3p1 pool2 128 10"),
    "vggp32": (
        (3, 32, 32),
        "8c3p1 8c3p1 pool2 16c3p1 16c3p1 pool2 32c3p1 32c3p1 pool2 128 10",
    ),
}
"""Input shape and layers: 6c5s2p1 is a convolution to 6 channels, kernel 5, stride 2, padding 1."""

RESIDUAL = {"res16": (16, 16), "res32c": (32, 8)}
"""Channels and side of a block with a connection around a convolution."""


class Net:
    """Writes layers of random integer weights of one width; thresholds keep them busy."""

    def __init__(self, name: str, bits: int, seed: int = 0) -> None:
        self.build, self.bits = Builder(name, "int"), bits
        self.random = np.random.default_rng(seed)

    def weights(self, shape: Sequence[int]) -> Value:
        element, low, high = ELEMENTS[self.bits]
        values = self.random.integers(low, high + 1, tuple(shape))
        return self.build.weight("w", values, element)  # type: ignore[return-value]

    def conv(self, x: Value, out: int, k: int, stride: int, padding: int, groups: int = 1) -> Value:
        w = self.weights((out, x.type.shape[0] // groups, k, k))
        pairs = {"stride": (stride,) * 2, "padding": (padding,) * 2, "groups": groups}
        return self.build.op("conv2d", x, w, **pairs)

    def dense(self, x: Value, out: int) -> Value:
        flat = self.build.op("reshape", x, shape=(x.type.size,)) if len(x.type.shape) > 1 else x
        return self.build.op("linear", flat, self.weights((out, flat.type.size)))

    def fire(self, name: str, current: Value, fan_in: int) -> Value:
        high = ELEMENTS[self.bits][2]
        threshold = fan_in // 8 if self.bits == 1 else high * math.isqrt(fan_in) // 3
        attrs = {"threshold": max(threshold, 1), "reset": "soft", "negative": 0}
        return self.build.op("neuron", current, name=name, width=30, **attrs)


def chain(name: str, bits: int) -> Module:
    """Return a network of `CHAINS` with weights of some bits."""
    shape, layers = CHAINS[name]
    net = Net(name, bits)
    x = net.build.input("x", f"u1[{','.join(map(str, shape))}]~")
    for number, text in enumerate(layers.split()):
        conv = re.fullmatch(r"(\d+)c(\d+)(?:s(\d+))?(?:p(\d+))?", text)
        channels = x.type.shape[0]
        if conv is not None:
            out, kernel, stride, padding = (
                int(n or d) for n, d in zip(conv.groups(), "0010", strict=True)
            )
            current, fan_in = net.conv(x, out, kernel, stride, padding), channels * kernel**2
        elif text.startswith("pool"):
            size = int(text.removeprefix("pool"))
            current, fan_in = net.conv(x, channels, size, size, 0, groups=channels), size**2
        else:
            current, fan_in = net.dense(x, int(text)), x.type.size
        x = net.fire(f"l{number}", current, fan_in)
    return net.build.finish(x)


def residual(name: str, bits: int) -> Module:
    """Return a network of `RESIDUAL`: stem, convolution, convolution plus stem, pool, dense."""
    channels, side = RESIDUAL[name]
    net, fan_in = Net(name, bits), channels * 9
    image = net.build.input("x", f"u1[3,{side},{side}]~")
    stem = net.fire("stem", net.conv(image, channels, 3, 1, 1), 27)
    a = net.fire("a", net.conv(stem, channels, 3, 1, 1), fan_in)
    b = net.fire("b", net.build.op("add", net.conv(a, channels, 3, 1, 1), stem), fan_in)
    pool = net.fire("pool", net.conv(b, channels, 4, 4, 0, groups=channels), 16)
    return net.build.finish(net.fire("out", net.dense(pool, 10), pool.type.size))
