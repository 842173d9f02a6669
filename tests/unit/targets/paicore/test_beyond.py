"""What PAIBox refuses or deploys wrongly: compiled, loaded, emulated, equal to the reference.

Every network has random, largest, smallest and mixed weights; those with memory of long ago run
until slots are used again.
"""

import shutil

import numpy as np
import pytest

import snnc
from snnc.ir import Builder
from snnc.ir.types import U8
from snnc.runtime.reference import Reference
from snnc.targets.paicore import Paicore

WEIGHTS = ("random", "largest", "smallest", "mixed")


class Net:
    """Writes a network of which only the weights differ."""

    def __init__(self, way):
        self.way, self.rng = way, np.random.default_rng(len(way))
        self.build = Builder("beyond", "int")

    def op(self, kind, *values, **attrs):
        return self.build.op(kind, *values, **attrs)

    def x(self, shape, element="u1"):
        return self.build.input("x", f"{element}[{shape}]~")

    def weight(self, *size, bits=8):
        low, high = (0, 1) if bits == 1 else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        made = {
            "random": self.rng.integers(low, high + 1, size),
            "largest": np.full(size, high),
            "smallest": np.full(size, low),
            "mixed": np.where(self.rng.random(size) < 0.5, low, high),
        }[self.way]
        return self.build.weight("w", made.astype(np.int8))

    def dense(self, value, size, bits=8):
        flat = self.op("reshape", value, shape=[value.type.size])
        return self.op("linear", flat, self.weight(size, flat.type.size, bits=bits))

    def fires(self, current, name, **attrs):
        given = {"threshold": 60, "reset": "hard", "negative": 300, "width": 30}
        return self.op("neuron", current, name=name, **{**given, **attrs})

    def done(self, *outputs):
        return self.build.finish(*outputs)


def self_loop(n):
    x = n.x("6")
    later = n.build.forward("a", "u1[6]~")
    again = n.dense(n.op("delay", later, by=1), 6)
    made = n.fires(n.op("add", n.dense(x, 6), again), "a")
    n.build.bind(later, made)
    return n.done(made)


def two_that_read_each_other(n):
    x = n.x("5")
    later = n.build.forward("b", "u1[4]~")
    a = n.fires(n.op("add", n.dense(x, 5), n.dense(n.op("delay", later, by=2), 5)), "a")
    b = n.fires(n.op("sub", n.dense(a, 4), n.dense(n.op("delay", a, by=3), 4, bits=4)), "b")
    n.build.bind(later, b)
    return n.done(a, b)


def padded_convolutions(n):
    value = n.x("2, 9, 9")
    for number, channels in enumerate((4, 3, 2)):
        kernel = n.weight(channels, value.type.shape[0], 3, 3, bits=4)
        current = n.op("conv2d", value, kernel, padding=[1, 1])
        value = n.fires(current, f"c{number}", threshold=9)
    return n.done(value)


def dilated(n):
    x = n.x("2, 9, 9")
    kernel = n.weight(3, 2, 3, 3)
    a = n.fires(n.op("conv2d", x, kernel, dilation=[2, 3], padding=[2, 1]), "a")
    b = n.op("conv_transpose2d", a, n.weight(3, 2, 2, 2), stride=[2, 2], dilation=[3, 1])
    return n.done(n.fires(b, "b"))


def unequal_padding(n):
    x = n.x("2, 7, 7")
    current = n.op("conv2d", x, n.weight(3, 2, 3, 3), padding=[2, 0, 1, 1], stride=[2, 1])
    a = n.fires(current, "a")
    return n.done(n.fires(n.op("sum_pool2d", a, kernel=[2, 2], stride=[1, 1]), "b", threshold=2))


def many_outputs(n):
    return n.done(n.fires(n.dense(n.x("7"), 2500), "many"))


def outputs_that_are_read(n):
    a = n.fires(n.dense(n.x("7"), 9), "a")
    b = n.fires(n.dense(a, 4), "b")
    c = n.fires(n.dense(n.op("delay", a, by=4), 5), "c")
    return n.done(a, b, c, a)


def one_source_for_readers_of_all_kinds(n):
    """Copies: of one region each, of each delay, of values and of spikes."""
    a = n.fires(n.dense(n.x("1500"), 1300, bits=1), "a", threshold=100)
    near = n.fires(n.dense(a, 7), "near")
    late = n.fires(n.dense(n.op("delay", a, by=9), 7, bits=2), "late")
    graded = n.fires(n.dense(a, 3), "graded", memory="clear", spike="value", truncate=12)
    both = n.op("add", n.dense(near, 5), n.dense(late, 5))
    return n.done(n.fires(both, "both"), graded)


def very_late(n):
    x = n.x("9")
    a = n.fires(n.dense(n.op("delay", x, by=270), 1200, bits=2), "a", threshold=3)
    return n.done(n.fires(n.dense(n.op("delay", a, by=200), 4), "b"))


def neurons_that_nobody_reads(n):
    x = n.x("9")
    a = n.fires(n.dense(x, 6), "a")
    n.fires(n.dense(a, 5), "unread")
    part = n.op("slice", a, axis=0, start=1, stop=3)
    return n.done(n.fires(n.dense(part, 3), "b"))


def movements(n):
    a = n.fires(n.dense(n.x("12"), 12), "a")
    turned = n.op("permute", n.op("reshape", a, shape=[3, 4]), order=[1, 0])
    joined = n.op("concat", turned, n.op("reshape", a, shape=[4, 3]), axis=1)
    return n.done(n.fires(n.dense(joined, 5), "b"))


def values_in_loops(n):
    """Values go round: of the largest of two windows, and of their sum."""
    x = n.x("2, 6, 6", "u8")
    later = n.build.forward("m", "u8[2, 3, 3]~")
    pooled = n.op("max_pool2d", x, kernel=[2, 2])
    graded = {"memory": "clear", "spike": "value", "threshold": 1, "negative": 0}
    top = n.fires(pooled, "top", **graded, truncate=8)
    again = n.dense(n.op("delay", later, by=1), 18, bits=2)
    total = n.op("add", n.dense(top, 18), again)
    m = n.fires(n.op("reshape", total, shape=[2, 3, 3]), "m", **graded, truncate=13)
    n.build.bind(later, m)
    return n.done(m, top)


def late_and_short(n):
    """Layers that begin late, stop, and are read by what works longer."""
    x = n.x("6")
    a = n.fires(n.dense(x, 6), "a", first=3, ticks=20)
    b = n.fires(n.op("add", n.dense(a, 4), n.dense(x, 4)), "b", first=3)
    late = n.op("delay", b, by=2)
    return n.done(n.fires(n.dense(late, 4), "c", first=5, ticks=200))


NETWORKS = [
    self_loop,
    two_that_read_each_other,
    padded_convolutions,
    dilated,
    unequal_padding,
    many_outputs,
    outputs_that_are_read,
    one_source_for_readers_of_all_kinds,
    very_late,
    neurons_that_nobody_reads,
    movements,
    values_in_loops,
    late_and_short,
]


LONG = {self_loop: 300, two_that_read_each_other: 300, late_and_short: 300, very_late: 520}
"""Ticks of those that are small, or that take long to show anything; 12 of others."""

CASES = [
    pytest.param(make, way, id=f"{make.__name__}-{way}", marks=[pytest.mark.slow][: way != "mixed"])
    for make in NETWORKS
    for way in WEIGHTS
]


@pytest.mark.parametrize(("make", "way"), CASES)
def test_the_files_do_what_the_network_says(make, way, tmp_path):
    module, ticks = make(Net(way)), LONG.get(make, 12)
    rng = np.random.default_rng(3)
    (given,) = module.graph.inputs
    high = 256 if given.type.element == U8 else 2
    x = rng.integers(0, high, (1, ticks, *given.type.shape)).astype(np.uint8)
    x[:, ticks // 3 : ticks // 2] = high - 1
    x[:, ticks // 2 : 2 * ticks // 3] = 0
    build = snnc.compile(module, target="paicore")
    build.save(tmp_path / "build")
    shutil.copytree(tmp_path / "build", tmp_path / "files")
    for name in ("model.snn", "model.safetensors"):
        (tmp_path / "files" / name).unlink(missing_ok=True)
    placed = {op["of"] for op in build.placed.ops("layer")}
    names = [op.result.name for op in module.ops("neuron") if op.result.name in placed]
    probes = [n + end for n in names for end in ("", ".v")]
    expected = Reference().prepare(module).run({"x": x}, probe=probes)
    actual = Paicore().emulate(tmp_path / "files").run({"x": x}, probe=probes)
    for name in probes:
        assert np.array_equal(expected.trace[name], actual.trace[name]), name
    for name, array in expected.outputs.items():
        assert np.array_equal(array, actual.outputs[name]), name
    assert "unread" not in names
