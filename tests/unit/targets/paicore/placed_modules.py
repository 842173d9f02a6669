"""Hand-placed modules that several tests share, and ways to spoil them."""

import numpy as np
from attrs import evolve

from snnc.ir import Builder, Tensor, Weight
from snnc.ir.rewrite import with_ops
from snnc.ir.types import ELEMENTS
from snnc.targets.paicore.ops import TABLES

NO_NEGATIVE = 2**29 - 1
DEFAULTS = {"threshold": 1, "negative": NO_NEGATIVE, "negative_mode": 1, "truncate": 8, "chip": 32}
ELEMENT = {1: "u1", 2: "i2", 4: "i4", 8: "i8"}


class Placement(Builder):
    """A builder at level `paicore` with the defaults of a vendor's neuron."""

    def __init__(self, name="net", level="paicore", **attrs):
        super().__init__(name, level, attrs)
        self.row = 0

    def neurons(self, count, **columns):
        given = {n: np.broadcast_to({**DEFAULTS, **columns}.get(n, 0), (count,)) for n in TABLES}
        symbols = [
            self.weight(f"neuron.{n}", given[n].astype(ELEMENTS[e].storage), ELEMENTS[e])
            for n, e in TABLES.items()
        ]
        self.emit("neurons", symbols, {})

    def arrive(self, x, name, core, mask=(0, 0), axon=None, slot=0, chip=(0, 0), **attrs):
        axon = np.arange(x.type.size) if axon is None else axon
        slot = np.broadcast_to(slot, axon.shape)
        symbols = (
            self.weight(f"{name}.axon", axon.astype(np.uint16)),
            self.weight(f"{name}.slot", slot.astype(np.uint8)),
        )
        return self.op("input", x, *symbols, name=name, chip=chip, core=core, mask=mask, **attrs)

    def core(self, weights, *reads, at, bits=8, extension=1, chip=(0, 0), output=(1, 0), **attrs):
        weights = np.asarray(weights)
        axons = 144 if attrs.get("wide") else 1152
        whole = np.zeros((len(weights), axons * extension), dtype=np.int8)
        whole[:, : weights.shape[1]] = weights
        code = f"{chip[0] * 32 + chip[1]}.{at[0] * 32 + at[1]}"
        element = ELEMENTS[ELEMENT[bits]]
        rows, self.row = (self.row, len(weights)), self.row + len(weights)
        return self.op(
            "core",
            self.weight(f"w.{code}", whole.astype(element.storage), element),
            *reads,
            name=f"c{code}",
            at=(*chip, *at),
            bits=bits,
            extension=extension,
            neurons=rows,
            test_chip=output,
            **attrs,
        )

    def layer(self, name, *cores, **attrs):
        shape = attrs.pop("shape", (sum(c.type.size for c in cores),))
        return self.op("layer", *cores, **{"name": name, "of": name, "shape": shape, **attrs})

    def output(self, layer, node=0, chip=(1, 0), **attrs):
        return self.op(
            "output",
            layer,
            name=f"{layer.name}.out",
            of=layer.name,
            node=node,
            chip=chip,
            core=divmod(node, 32),
            **attrs,
        )


def tiny():
    """Two layers of two neurons: the example that paicore.md gives word by word."""
    b = Placement("tiny", ticks=16)
    x = b.input("x", "u1[3]~")
    b.neurons(
        4,
        threshold=[2, 2, 3, 3],
        reset=[0, 0, 1, 1],
        leak=[0, 0, -1, -1],
        chip=[0, 0, 32, 32],
        core=[1, 1, 0, 0],
        axon=[0, 1, 0, 1],
    )
    x0 = b.arrive(x, "x.0", (0, 0))
    first = b.core([[1, 0, 1], [-2, 1, 1]], x0, at=(0, 0), bits=2)
    h = b.layer("h", first)
    second = b.core([[1, 1], [0, 1]], h, at=(0, 1), bits=1, start=2)
    return b.finish(b.output(b.layer("y", second)))


def wide():
    """1200 inputs, 180 neurons on three cores with two slots a tick, and a reserved core."""
    b = Placement("wide")
    x = b.input("x", "u1[30, 40]~")
    i, j = np.arange(1200), np.arange(180)[:, None]
    weights = (7 * i + 3 * j * j + i * j) % 15 - 7
    b.neurons(180, threshold=20, reset=1, axon=np.arange(180))
    x0 = b.arrive(x, "x.0", (0, 0), (1, 1), i % 1152, i // 1152, extension=2)
    places = [(0, 0), (0, 1), (1, 0)]
    cores = [
        b.core(weights[60 * k : 60 * k + 60], x0, at=at, bits=4, extension=2)
        for k, at in enumerate(places)
    ]
    b.emit("idle", (), {"at": (0, 0, 1, 1), "test_chip": (1, 0)})
    return b.finish(b.output(b.layer("n", *cores, shape=(9, 20))))


def loop():
    """Two chips, a loop, a delayed input, two copies of a layer, an order that is no identity.

    `a` reads x and, two ticks late, b; `b` on the other chip reads a; both are outputs, so both
    have a copy in the next core.
    """
    b = Placement("loop")
    x = b.input("x", "u1[4]~")
    b.neurons(
        12,
        threshold=[2] * 6 + [1] * 6,
        reset=1,
        negative=5,
        negative_mode=[0] * 6 + [1] * 6,
        chip=[1, 1, 1, 32, 32, 32, 0, 0, 0, 32, 32, 32],
        core=[0, 0, 0, 0, 0, 0, 2, 2, 2, 1, 1, 1],
        mask=[0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0],
        axon=[0, 1, 2, 0, 2, 1, 10, 11, 12, 0, 1, 2],
        slot=[0, 0, 0, 0, 0, 0, 2, 2, 2, 0, 0, 0],
    )
    x0 = b.arrive(x, "x.0", (0, 2), (0, 1), slot=1)
    later = b.forward("b", "u1[3]~+1")
    weights = np.zeros((3, 13), dtype=np.int8)
    weights[:, :4] = [[1, 1, 0, -1], [0, 1, 2, 1], [1, -1, 1, 1]]
    weights[:, 10:] = [[1, 0, 0], [0, -3, 0], [1, 1, 1]]
    one = b.core(weights, x0, later, at=(0, 2))
    two = b.core(weights[[0, 2, 1]], x0, later, at=(0, 3))
    a = b.layer("a", one)
    order = b.weight("a.order", np.array([0, 2, 1], dtype=np.int32))
    copy = b.layer("a.1", two, of="a", copy=1, order=order)
    both = [[1, 1, 0], [-1, 2, 1], [0, 1, 1]]
    third = b.core(both + both, a, at=(0, 0), chip=(0, 1), start=2)
    b.bind(later, b.layer("b", third, pieces=((0, 3),), shape=(3,), delay=3))
    last = b.layer("b.1", third, of="b", copy=1, pieces=((3, 6),), shape=(3,))
    return b.finish(b.output(copy), b.output(last, 1))


def changed(module, kind, index=0, **attrs):
    """Return a module in which the `index`-th op of a kind has other attributes."""
    target = list(module.ops(kind))[index]
    new = evolve(target, attrs={**target.attrs, **attrs})
    return with_ops(module, [new if op is target else op for op in module.graph.ops])


def rewired(module, kind, index, operands):
    """Return a module in which the `index`-th op of a kind has other operands."""
    target = list(module.ops(kind))[index]
    new = evolve(target, operands=tuple(operands))
    return with_ops(module, [new if op is target else op for op in module.graph.ops])


def without(module, kind, index=0):
    """Return a module without the `index`-th op of a kind."""
    target = list(module.ops(kind))[index]
    return with_ops(module, [op for op in module.graph.ops if op is not target])


def reweighted(module, name, at, value, element=None):
    """Return a module in which some entries of a weight have another value, or another element."""
    old = module.weights[name].tensor
    array = np.array(old.array())
    array[at] = value
    kind = old.type if element is None else old.type.with_element(ELEMENTS[element])
    tensor = Tensor(kind, array.astype(kind.element.storage))
    return evolve(
        module, weights={**module.weights, name: Weight(name, tensor, module.weights[name].loc)}
    )
