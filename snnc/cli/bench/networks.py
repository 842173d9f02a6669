"""The networks that simulators are compared on: integer weights, integrate-and-fire, soft reset.

A network is a list of plain descriptions, so that a peer's script, which stands alone, can read it
as JSON; weights and spikes lie beside it in a `.npz` file. A layer adds up its terms, each a linear
op, a convolution or a scale of an earlier value, and gives the sum to neurons; or it pools.
"""

from math import prod
from pathlib import Path
from typing import Any

from attrs import frozen

Layer = dict[str, Any]

DRAWN = 1 << 22
"""Random numbers that are drawn at a time."""


@frozen
class Net:
    """A network: input shape, layers, and what a tick of it multiplies (`macs`, all dense)."""

    name: str
    shape: tuple[int, ...]
    layers: tuple[Layer, ...]

    @property
    def macs(self) -> int:
        """Products of a tick if nothing is left out."""
        return sum(term["macs"] for layer in self.layers for term in layer.get("terms", ()))

    @property
    def convolutional(self) -> bool:
        """Whether there is a convolution."""
        return any(t["kind"] == "conv" for layer in self.layers for t in layer.get("terms", ()))

    @property
    def recurrent(self) -> bool:
        """Whether a layer reads itself."""
        return any(t["delay"] for layer in self.layers for t in layer.get("terms", ()))


class _Drawing:
    """Describes layers one after the other; value 0 is the input."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape
        self.shapes: list[tuple[int, ...]] = [shape]
        self.layers: list[Layer] = []
        self.weights = 0

    def fc(self, size: int, threshold: int, recurrent: bool = False) -> "_Drawing":
        """Add a fully connected layer, that may read itself one tick late too."""
        before = len(self.shapes) - 1
        terms = [self._term("linear", before, (size,), (size, prod(self.shapes[-1])))]
        if recurrent:
            terms.append(self._term("linear", before + 1, (size,), (size, size)) | {"delay": 1})
        return self._add(threshold, (size,), *terms)

    def conv(
        self, out: int, kernel: int, threshold: int, stride: int = 1, skip: int = 0
    ) -> "_Drawing":
        """Add a convolution, and the value before the last `skip` ones, scaled."""
        before, pad = len(self.shapes) - 1, kernel // 2
        channels, *size = self.shapes[-1]
        shape = (out, *((n + 2 * pad - kernel) // stride + 1 for n in size))
        term = self._term("conv", before, shape, (out, channels, kernel, kernel))
        terms = [term | {"stride": stride, "padding": pad}]
        if skip:
            by = {"kind": "scale", "of": before - skip, "by": threshold // 2}
            terms.append({**by, "delay": 0, "macs": prod(shape)})
        return self._add(threshold, shape, *terms)

    def pool(self) -> "_Drawing":
        """Add the largest value of 2 x 2 places."""
        channels, *size = self.shapes[-1]
        shape = (channels, *(n // 2 for n in size))
        self.layers.append({"pool": 2, "of": len(self.shapes) - 1, "shape": list(shape)})
        self.shapes.append(shape)
        return self

    def net(self, name: str) -> Net:
        """Return what was drawn."""
        return Net(name, self.shape, tuple(self.layers))

    def _term(self, kind: str, of: int, out: tuple[int, ...], w: tuple[int, ...]) -> Layer:
        self.weights += 1
        macs = prod(out) * prod(w[1:])
        name = f"w{self.weights}"
        return {"kind": kind, "of": of, "w": name, "size": list(w), "macs": macs, "delay": 0}

    def _add(self, threshold: int, out: tuple[int, ...], *terms: Layer) -> "_Drawing":
        self.layers.append({"terms": list(terms), "threshold": threshold, "shape": list(out)})
        self.shapes.append(out)
        return self


def networks() -> tuple[Net, ...]:
    """Return the networks; thresholds make each layer spike at about 10 % if its input does."""
    small, wide, pictures = _Drawing(784), _Drawing(784), _Drawing(1, 28, 28)
    vgg, block, loop = _Drawing(3, 32, 32), _Drawing(64, 16, 16), _Drawing(784)
    vgg.conv(64, 3, 73).conv(64, 3, 337).pool().conv(128, 3, 879).conv(128, 3, 673).pool()
    return (
        small.fc(512, 424).fc(10, 278).net("784-512-10"),
        wide.fc(1024, 439).fc(1024, 629).fc(10, 1055).net("784-1024-1024-10"),
        pictures.conv(32, 5, 59).conv(64, 5, 571, stride=2).fc(128, 2753).fc(10, 249).net("LeNet"),
        vgg.fc(256, 3939).fc(10, 410).net("VGG"),
        block.conv(64, 3, 307).conv(64, 3, 571, skip=1).net("residual block"),
        loop.fc(512, 600, recurrent=True).fc(10, 410).net("recurrent"),
    )


def large() -> tuple[Net, ...]:
    """Return networks that show how cost grows: deep ones, wide ones, pictures of many neurons.

    The deep ones spike at about 30 %: with fewer spikes their last layers would fall silent.
    """
    found = []
    for depth in (30, 120):
        chain = _Drawing(512)
        for _ in range(depth):
            chain.fc(512, 250)
        found.append(chain.net(f"deep, {depth} x 512"))
    for size in (4096, 16384):
        found.append(_Drawing(784).fc(size, 439).fc(10, 3600).net(f"wide, 784-{size}-10"))
    for side in (64, 128):
        neurons = f"{64 * side * side:,}"
        picture = _Drawing(3, side, side).conv(64, 3, 73).conv(4, 3, 337)
        found.append(picture.net(f"picture, {neurons} neurons"))
    return tuple(found)


def dense() -> Net:
    """Return the one layer on which the machine's own bound is measured."""
    return _Drawing(1024).fc(1024, 629).net("1024-1024")


def write(net: Net, batch: int, ticks: int, rate: float, path: Path) -> None:
    """Write the weights of all terms by name, and input spikes `x`, `(samples, ticks, ...)`."""
    import numpy as np

    draw = np.random.Generator(np.random.PCG64(1))
    arrays: dict[str, Any] = {}
    for term in (t for layer in net.layers for t in layer.get("terms", ()) if "w" in t):
        w = np.clip(np.rint(draw.normal(0, 30, term["size"])), -127, 127)
        arrays[term["w"]] = w.astype(np.int8)
    spikes = np.empty((batch, ticks, *net.shape), dtype=np.uint8)
    for part in np.array_split(spikes, -(-spikes.size // DRAWN)):
        part[...] = draw.random(part.shape) < rate
    np.savez(path, x=spikes, **arrays)
