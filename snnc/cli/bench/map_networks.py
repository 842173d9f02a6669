"""The networks that mappings are compared on, as plain descriptions that a peer's script can read.

A layer adds up its terms, each a convolution, a matrix or the value itself, and gives the sum to
integrate-and-fire neurons; value 0 is the input. A pool is a convolution of each channel by itself.
Weights are random over the whole range of their bits, so that no width can be saved.
"""

import re
from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from attrs import frozen

from snnc.cli.bench.map_sparse import SPARSE, mask_of

if TYPE_CHECKING:
    from snnc.ir.graph import Module

Layer = dict[str, Any]

BITS = (8, 4, 1)

CONVOLUTIONAL = {
    "lenet": ((1, 28, 28), "c6k5p2 m2 c16k5 m2 f120 f84 f10"),
    "dynapcnn_mnist": ((1, 28, 28), "c20k5 m2 c32k5 m2 c128k3 m2 f500 f10"),
    "vgg16x16": ((3, 16, 16), "c32k3p1 c32k3s2p1 c64k3p1 c64k3s2p1 f128 f10"),
    "vgg_dvs32": ((2, 32, 32), "c8k3s2p1 c16k3p1 c32k3s2p1 c32k3p1 c64k3s2p1 f128 f10"),
    "vggp16": ((3, 16, 16), "c16k3p1 c16k3p1 m2 c32k3p1 c32k3p1 m2 f128 f10"),
    "vggp32": ((3, 32, 32), "c8k3p1 c8k3p1 m2 c16k3p1 c16k3p1 m2 c32k3p1 c32k3p1 m2 f128 f10"),
    "vgg32": ((3, 32, 32), "c16k3p1 c16k3s2p1 c32k3p1 c32k3s2p1 c64k3p1 c64k3s2p1 f128 f10"),
}
"""Input and layers: cN a convolution with N channels, k its kernel, s stride, p padding; m a pool;
f a matrix."""

CONNECTED = {
    "fc_512": ((784,), "f512 f10"),
    "fc_600": ((784,), "f600 f600 f10"),
    "fc_1024": ((784,), "f1024 f1024 f10"),
    "fc_1200": ((784,), "f1200 f1200 f10"),
}

RESIDUAL = {"res16": (16, 16), "res32c": (32, 8)}
"""Channels and side of a block whose input is added before its last neurons."""

GROWING = {8: 1, 16: 1, 32: 2, 64: 5}
"""Channels of the first layers of networks that show how cost grows, and chips they may use."""

DEEP = 32, 5
"""The same of one whose blocks have more layers."""

_LAYER = re.compile(r"(?P<kind>[cmf])(?P<size>\d+)(k(?P<k>\d+))?(s(?P<s>\d+))?(p(?P<p>\d+))?")


@frozen
class Net:
    """A network: its suite, the shape of its input, its layers, and the chips that it may use."""

    name: str
    suite: str
    shape: tuple[int, ...]
    layers: tuple[Layer, ...]
    chips: int = 1

    @property
    def neurons(self) -> int:
        """Neurons of all layers."""
        return sum(prod(layer["shape"]) for layer in self.layers)


def networks() -> tuple[Net, ...]:
    """Return the networks of all suites."""
    chains = [
        Net(name, suite, shape, chain(shape, text))
        for suite, nets in (("conv", CONVOLUTIONAL), ("fc", CONNECTED))
        for name, (shape, text) in nets.items()
    ]
    blocks = [
        Net(name, "residual", (3, side, side), _block(channels, side))
        for name, (channels, side) in RESIDUAL.items()
    ]
    sparse = [Net(name, "sparse", *about) for name, about in SPARSE.items()]
    wide = [growing(channels, (2, 2), chips) for channels, chips in GROWING.items()]
    channels, chips = DEEP
    return (*chains, *blocks, *sparse, *wide, growing(channels, (4, 6, 2), chips, "deep vgg"))


def growing(channels: int, layers: Sequence[int], chips: int, kind: str = "vgg") -> Net:
    """Return a network on 32 x 32 pixels: blocks of so many layers, each twice as many channels."""
    blocks = (f"c{channels << n}k3p1 " * count + "m2" for n, count in enumerate(layers))
    shape, text = (3, 32, 32), f"{' '.join(blocks)} f128 f10"
    return Net(f"{kind} {channels}/{2 * channels}", "growth", shape, chain(shape, text), chips)


def chain(shape: tuple[int, ...], text: str) -> tuple[Layer, ...]:
    """Return the layers of a chain on an input; `text` as in `CONVOLUTIONAL`."""
    found: list[Layer] = []
    for number, word in enumerate(text.split()):
        match = _LAYER.fullmatch(word)
        assert match is not None, word
        size = int(match["size"])
        k, s, p = (int(match[name] or default) for name, default in (("k", 1), ("s", 1), ("p", 0)))
        if match["kind"] == "f":
            layer = _layer((size,), [_matrix(number, prod(shape), size)])
        elif match["kind"] == "m":
            layer = _convolved(number, shape, shape[0], (size, size, 0), shape[0])
        else:
            layer = _convolved(number, shape, size, (k, s, p), 1)
        found.append(layer)
        shape = tuple(layer["shape"])
    return tuple(found)


def _block(channels: int, side: int) -> tuple[Layer, ...]:
    inner = (channels, side, side)
    same = (3, 1, 1)
    last = _convolved(2, inner, channels, same, 1)
    last["terms"].append({"kind": "same", "of": 1})
    pooled = _convolved(3, inner, channels, (4, 4, 0), channels)
    return (
        _convolved(0, (3, side, side), channels, same, 1),
        _convolved(1, inner, channels, same, 1),
        last,
        pooled,
        _layer((10,), [_matrix(4, prod(pooled["shape"]), 10)]),
    )


def _layer(shape: tuple[int, ...], terms: list[Layer]) -> Layer:
    return {"shape": list(shape), "terms": terms}


def _matrix(of: int, read: int, made: int) -> Layer:
    return {"kind": "matrix", "of": of, "size": [made, read]}


def _convolved(
    of: int, shape: tuple[int, ...], made: int, window: tuple[int, int, int], groups: int
) -> Layer:
    k, s, p = window
    places = [(n + 2 * p - k) // s + 1 for n in shape[1:]]
    size = [made, shape[0] // groups, k, k]
    term = {"kind": "conv", "of": of, "size": size, "stride": s, "padding": p, "groups": groups}
    return _layer((made, *places), [term])


def draw_weights(seed: int, layers: tuple[Layer, ...], bits: int) -> list[Any]:
    """Return the weights of all terms that have some, in their order."""
    import numpy as np

    draw = np.random.Generator(np.random.PCG64(seed))
    low, high = (0, 2) if bits == 1 else (-(1 << bits - 1), 1 << bits - 1)
    found = []
    for term in (term for layer in layers for term in layer["terms"] if "size" in term):
        weights, mask = draw.integers(low, high, term["size"], dtype=np.int8), mask_of(term)
        found.append(weights if mask is None else weights * mask)
    return found


def make_network(
    name: str, shape: tuple[int, ...], layers: tuple[Layer, ...], bits: int
) -> "Module":
    """Return a network as a module of integers."""
    from snnc.ir.build import Builder

    build = Builder(name, "int", {})
    made = [build.input("x", f"u1[{', '.join(map(str, shape))}]~")]
    weights = iter(draw_weights(1, layers, bits))
    for number, layer in enumerate(layers, 1):
        # A layer may read itself, so it is announced before its terms.
        made.append(build.forward(f"n{number}", f"u1[{', '.join(map(str, layer['shape']))}]~"))
        terms = [_term(build, made[term["of"]], term, weights) for term in layer["terms"]]
        total = terms[0] if len(terms) == 1 else build.op("add", *terms)
        fired = build.op("neuron", total, name=f"n{number}", threshold=20)
        build.bind(made[-1], fired)
        made[-1] = fired
    return build.finish(made[-1])


def _term(build: Any, value: Any, term: Layer, weights: Any) -> Any:
    if term["kind"] == "same":
        return value
    if "late" in term:
        value = build.op("delay", value, by=term["late"])
    array = next(weights)
    symbol = build.weight(f"w{len(build.weights)}", array)
    if term["kind"] == "matrix":
        flat = build.op("reshape", value, shape=(value.type.size,))
        return build.op("linear", flat, symbol)
    around = {name: (term[name],) * 2 for name in ("stride", "padding")}
    return build.op("conv2d", value, symbol, groups=term["groups"], **around)
