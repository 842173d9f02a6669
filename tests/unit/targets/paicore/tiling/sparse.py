"""Networks of layers with few synapses, given by masks of which input each neuron reads."""

import numpy as np
from numpy.typing import NDArray

from snnc.ir import Builder, Module, Value

Mask = NDArray[np.bool_]


def band(count: int, width: int, places: int | None = None) -> Mask:
    """Each neuron reads the places around its own, the last ones next to the first."""
    places = places or count
    away = np.abs(np.arange(places) - np.arange(count)[:, None] * places // count)
    return np.minimum(away, places - away) <= width


def blocks(count: int, number: int) -> Mask:
    """Each neuron reads all of its own block and nothing else."""
    block = np.arange(count) * number // count
    return block[:, None] == block


def random(neurons: int, places: int, fan_in: int, seed: int = 0) -> Mask:
    """Each neuron reads some places anywhere."""
    return np.random.default_rng(seed).random((neurons, places)) < fan_in / places


def shuffled(mask: Mask, seed: int = 0) -> Mask:
    """The same network with its neurons, and its places, in another order."""
    draw = np.random.default_rng(seed)
    return mask[draw.permutation(len(mask))][:, draw.permutation(mask.shape[1])]


class Sparse:
    """Writes layers with random weights of 8 bits where a mask says so."""

    def __init__(self, seed: int = 0) -> None:
        self.build = Builder("sparse", "int")
        self.random = np.random.default_rng(seed)

    def sums(self, x: Value, mask: Mask) -> Value:
        weights = np.where(mask, self.random.integers(1, 100, mask.shape), 0)
        weights *= self.random.choice([-1, 1, 1], mask.shape)
        return self.build.op("linear", x, self.build.weight("w", weights, "i8"))

    def fire(self, name: str, current: Value) -> Value:
        attrs = {"threshold": 90, "reset": "soft", "negative": 0}
        return self.build.op("neuron", current, name=name, width=30, **attrs)

    def values(self, name: str, current: Value) -> Value:
        attrs = {"threshold": 1, "spike": "value", "memory": "clear", "truncate": 15}
        return self.build.op("neuron", current, name=name, width=30, **attrs)


def chain(*masks: Mask) -> Module:
    """Return layers one after another, `l0` reading the input."""
    net = Sparse()
    x = net.build.input("x", f"u1[{masks[0].shape[1]}]~")
    for number, mask in enumerate(masks):
        x = net.fire(f"l{number}", net.sums(x, mask))
    return net.build.finish(x)


def reservoir(rec: Mask, read: Mask) -> Module:
    """Return neurons that read an input, and each other a tick later, and ten that read them."""
    net = Sparse()
    x = net.build.input("x", f"u1[{read.shape[1]}]~")
    later = net.build.forward("r", f"u1[{len(rec)}]~")
    back = net.sums(net.build.op("delay", later, by=1), rec)
    made = net.fire("r", net.build.op("add", net.sums(x, read), back))
    net.build.bind(later, made)
    return net.build.finish(net.fire("y", net.sums(made, np.ones((10, len(rec)), dtype=bool))))


def spikes(module: Module, ticks: int = 6) -> dict[str, NDArray[np.uint8]]:
    """Return random inputs for one sample."""
    draw = np.random.default_rng(5)
    return {
        v.name: draw.integers(
            0, 256 if v.type.element.name == "u8" else 2, (1, ticks, *v.type.shape), np.uint8
        )
        for v in module.graph.inputs
    }
