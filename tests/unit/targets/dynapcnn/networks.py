"""Small networks and random ones, for the tests of this folder."""

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

import snnc
from snnc.driver import Build
from snnc.ir import Module
from snnc.ir.build import Builder
from snnc.ir.graph import Value


def weights(seed: int, *shape: int) -> Any:
    return np.random.Generator(np.random.PCG64(seed)).normal(0.05, 0.3, shape).astype(np.float32)


def neuron(b: Builder, x: Value, name: str, **attrs: Any) -> Value:
    given = {"threshold": 1.0, "floor": -1.0, "spike": "count", "reset": "soft", **attrs}
    return b.op("neuron", x, name=name, **given)


def small(**attrs: Any) -> Module:
    """A convolution, neurons, pooling by two, a linear layer of 5."""
    b = Builder("small", "snn")
    x = b.input("x", "u8[2, 10, 10]~")
    s = neuron(b, b.op("conv2d", x, b.weight("w0", weights(0, 4, 2, 3, 3))), "s", **attrs)
    p = b.op("reshape", b.op("sum_pool2d", s, kernel=(2, 2)), shape=(64,))
    return b.finish(neuron(b, b.op("linear", p, b.weight("w1", weights(1, 5, 64))), "y"))


def one_layer(shape: str, out: int, kernel: int, **conv: Any) -> Module:
    b = Builder("one", "snn")
    x = b.input("x", shape)
    w = b.weight("w", weights(2, out, x.type.shape[0], kernel, kernel))
    return b.finish(neuron(b, b.op("conv2d", x, w, **conv), "y"))


def compiled(module: Module, device: str = "speck2fmodule", **options: Any) -> Build:
    return snnc.compile(module, f"dynapcnn:{device}", **options)


def saved(module: Module, folder: Path, **options: Any) -> Path:
    return compiled(module, **options).save(folder / "build")


def flat() -> Module:
    """Neurons that see the map of a convolution flat, and a second output of both layers joined."""
    b = Builder("flat", "snn")
    x = b.input("x", "u8[1, 6, 6]~")
    made = b.op("conv2d", x, b.weight("w0", weights(0, 2, 1, 3, 3)))
    s = neuron(b, b.op("reshape", made, shape=(32,)), "s")
    y = neuron(b, b.op("linear", s, b.weight("w1", weights(1, 3, 32))), "y")
    z = neuron(b, b.op("linear", s, b.weight("w2", weights(2, 2, 32))), "z")
    return b.finish(y, b.op("concat", y, z))


def flat_maps() -> Module:
    """Two flat maps of one size one after the other, read by a linear layer and returned."""
    b = Builder("maps", "snn")
    x = b.input("x", "u8[1, 6, 6]~")
    ends = []
    for n, out in enumerate((2, 3)):
        made = b.op("conv2d", x, b.weight(f"w{n}", weights(n, out, 1, 3, 3)))
        ends.append(neuron(b, b.op("reshape", made, shape=(16 * out,)), f"s{n}"))
    both = b.op("concat", *ends)
    y = neuron(b, b.op("linear", both, b.weight("w2", weights(2, 4, 80))), "y")
    return b.finish(both, y)


@st.composite
def networks(draw: st.DrawFn) -> Module:
    """A legal network: up to five layers with branches, joins, pools, biases and resets."""
    b = Builder("random", "snn")
    seed = draw(st.integers(0, 1 << 20))
    size = draw(st.integers(6, 11))
    features = draw(st.integers(1, 3))
    element = draw(st.sampled_from(["u1", "u8"]))
    values = [b.input("x", f"{element}[{features}, {size}, {draw(st.integers(6, 11))}]~")]
    uses: dict[Value, int] = {}
    for number in range(draw(st.integers(1, 5))):
        free = [v for v in values if uses.get(v, 0) < 2 or v is values[0]]
        source = draw(st.sampled_from(free))
        uses[source] = uses.get(source, 0) + 1
        value = source
        if source is not values[0] and min(source.type.shape[1:]) >= 4 and draw(st.booleans()):
            kind = draw(st.sampled_from(["sum_pool2d", "avg_pool2d"]))
            value = b.op(kind, value, kernel=(2, 2))
        twins = [v for v in free if v.type.shape == value.type.shape and v is not source]
        if twins and source is not values[0] and draw(st.booleans()):
            other = draw(st.sampled_from(twins))
            uses[other] = uses.get(other, 0) + 1
            pair = [b.op("sum_pool2d", v, kernel=(1, 1)) for v in (value, other)]
            value = b.op(draw(st.sampled_from(["add", "concat"])), *pair)
        values.append(_layer(draw, b, value, f"n{number}", seed + number))
    ends = [v for v in values[1:] if v not in uses]
    return b.finish(*ends)


def _layer(draw: st.DrawFn, b: Builder, x: Value, name: str, seed: int) -> Value:
    channels, height, width = x.type.shape
    out = draw(st.integers(1, 4))
    if draw(st.integers(0, 4)) == 0:
        flat = b.op("reshape", x, shape=(x.type.size,))
        symbol = b.weight(f"{name}.w", weights(seed, out, x.type.size))
        made = b.op("reshape", b.op("linear", flat, symbol), shape=(out, 1, 1))
    else:
        kernel = draw(st.integers(1, min(3, height, width)))
        symbols = [b.weight(f"{name}.w", weights(seed, out, channels, kernel, kernel))]
        if draw(st.booleans()):
            symbols.append(b.weight(f"{name}.b", weights(seed + 1, out)))
        made = b.op(
            "conv2d",
            x,
            *symbols,
            stride=(draw(st.sampled_from([1, 2])), draw(st.sampled_from([1, 2]))),
            padding=(draw(st.integers(0, 2)), draw(st.integers(0, 2))),
        )
    return neuron(
        b,
        made,
        name,
        reset=draw(st.sampled_from(["soft", "hard"])),
        spike=draw(st.sampled_from(["count", "single"])),
        floor=draw(st.sampled_from([-1.0, -0.25, None])),
        threshold=draw(st.sampled_from([1.0, 0.5])),
    )
