"""The networks that simulators are compared on: integer weights, integrate-and-fire, soft reset.

A network is a list of plain descriptions, so that a peer's script, which stands alone, can read it
as JSON; weights and spikes lie beside it in a `.npz` file. A layer adds up its terms, each a linear
op, a convolution or a scale of an earlier value, and gives the sum to neurons; or it pools.
"""

from pathlib import Path
from typing import Any

from attrs import frozen

Layer = dict[str, Any]


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
        self.shape, self.shapes, self.layers = shape, [shape], list[Layer]()

    def term(
        self, kind: str, of: int, out: tuple[int, ...], w: tuple[int, ...], **more: Any
    ) -> Any:
        macs = 1
        for n in (*w[1:], *out):
            macs *= n
        return {"kind": kind, "of": of, "w": list(w), "macs": macs, "delay": 0, **more}

    def add(self, threshold: int, out: tuple[int, ...], *terms: Any) -> "_Drawing":
        self.layers.append({"terms": list(terms), "threshold": threshold, "shape": list(out)})
        self.shapes.append(out)
        return self

    def fc(self, size: int, threshold: int, recurrent: bool = False) -> "_Drawing":
        before = len(self.shapes) - 1
        inputs = 1
        for n in self.shapes[-1]:
            inputs *= n
        terms = [self.term("linear", before, (size,), (size, inputs))]
        if recurrent:
            terms.append(self.term("linear", before + 1, (size,), (size, size)) | {"delay": 1})
        return self.add(threshold, (size,), *terms)

    def conv(
        self, out: int, kernel: int, threshold: int, stride: int = 1, skip: int = 0
    ) -> "_Drawing":
        before, pad = len(self.shapes) - 1, kernel // 2
        channels, high, wide = self.shapes[-1]
        shape = (
            out,
            (high + 2 * pad - kernel) // stride + 1,
            (wide + 2 * pad - kernel) // stride + 1,
        )
        how = {"stride": stride, "padding": pad}
        terms = [self.term("conv", before, shape, (out, channels, kernel, kernel), **how)]
        if skip:
            terms.append(self.term("scale", before - skip, shape, (1,)) | {"by": threshold // 2})
        return self.add(threshold, shape, *terms)

    def pool(self) -> "_Drawing":
        channels, high, wide = self.shapes[-1]
        self.shapes.append((channels, high // 2, wide // 2))
        self.layers.append({"pool": 2, "of": len(self.shapes) - 2, "shape": list(self.shapes[-1])})
        return self

    def net(self, name: str) -> Net:
        return Net(name, self.shape, tuple(self.layers))


def networks() -> tuple[Net, ...]:
    """Return the networks; thresholds make every layer spike at about the rate of its input."""
    return (
        _Drawing(784).fc(512, 1600).fc(10, 1400).net("784-512-10"),
        _Drawing(784).fc(1024, 1600).fc(1024, 1900).fc(10, 1900).net("784-1024-1024-10"),
        _Drawing(1, 28, 28)
        .conv(32, 5, 290)
        .conv(64, 5, 1500, 2)
        .fc(128, 6400)
        .fc(10, 700)
        .net("LeNet"),
        _Drawing(3, 32, 32)
        .conv(64, 3, 300)
        .conv(64, 3, 1400)
        .pool()
        .conv(128, 3, 2400)
        .conv(128, 3, 1900)
        .pool()
        .fc(256, 9000)
        .fc(10, 1000)
        .net("VGG"),
        _Drawing(64, 16, 16).conv(64, 3, 1300).conv(64, 3, 1500, skip=1).net("residual block"),
        _Drawing(784).fc(512, 2000, recurrent=True).fc(10, 1400).net("recurrent"),
    )


def write(net: Net, batch: int, ticks: int, rate: float, path: Path) -> None:
    """Write weights `w0`, `w1` ... of all terms and input spikes `x`, `(samples, ticks, ...)`."""
    import numpy as np

    draw = np.random.Generator(np.random.PCG64(1))
    arrays: dict[str, Any] = {}
    for layer in net.layers:
        for term in layer.get("terms", ()):
            w = np.clip(np.rint(draw.normal(0, 30, term["w"])), -127, 127)
            arrays[f"w{len(arrays)}"] = w.astype(np.int8)
    spikes = draw.random((batch, ticks, *net.shape)) < rate
    np.savez(path, x=spikes.astype(np.uint8), **arrays)
