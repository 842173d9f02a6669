"""Sums, differences and scales run natively as in the reference, or are left alone."""

import numpy as np
import pytest

from snnc.ir import Builder
from snnc.runtime.native.elementwise import elementwise
from tests.unit.runtime.native.test_engine import check

pytest.importorskip("llvmlite")


def block(level, element, factor, shape=(4, 5, 6)):
    """A convolution joined with what it reads, scaled, and a difference of both."""
    rng = np.random.default_rng(7)
    b = Builder("block", level)
    x = b.input("x", f"{element}[{', '.join(map(str, shape))}]~")
    w = rng.integers(-9, 9, (shape[0], shape[0], 3, 3))
    kind = np.int8 if level == "int" else np.float32
    y = b.op("conv2d", x, b.weight("w", w.astype(kind)), padding=(1, 1))
    z = b.op("scale", x, b.weight("f", np.asarray(factor)), name="z")
    total = (
        b.op("add", y, z, y, name="total") if level == "int" else b.op("add", y, z, name="total")
    )
    rest = b.op("sub", total, z, name="rest")
    return b.finish(b.op("neuron", rest, threshold=20, name="s"))


FACTORS = {
    "one": [3],
    "channel": [1, -2, 3, 4],
    "element": np.arange(120).reshape(4, 5, 6) - 50,
}


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("element", ["u1", "i8", "u16"])
def test_integers_are_joined_exactly(factor, element):
    rng = np.random.default_rng(1)
    low, high = {"u1": (0, 1), "i8": (-128, 127), "u16": (0, 65535)}[element]
    x = rng.integers(low, high, (2, 6, 4, 5, 6), endpoint=True)
    check(block("int", element, np.asarray(FACTORS[factor], np.int32)), {"x": x}, 6, 2)


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("element", ["u1", "f32"])
def test_floats_are_joined_with_one_rounding(factor, element):
    rng = np.random.default_rng(1)
    x = (rng.random((2, 6, 4, 5, 6)) < 0.4) if element == "u1" else rng.normal(size=(2, 6, 4, 5, 6))
    scaled = np.asarray(FACTORS[factor], np.float32) / 3
    check(block("snn", element, scaled), {"x": x.astype(np.float32)}, 6, 2)


def test_sums_beyond_all_floats_are_reported_as_the_reference_does():
    b = Builder("far", "snn")
    x = b.input("x", "f32[3]~")
    y = b.op("add", x, x, name="y")
    module = b.finish(b.op("neuron", y, name="s"))
    check(module, {"x": np.full((1, 2, 3), 3e38, np.float32)}, 2)


def test_what_32_bits_may_not_hold_is_left_alone():
    b = Builder("wide", "int")
    x = b.input("x", "i32[2]~")
    small = b.input("n", "i16[2]~")
    y = b.op("add", x, small)
    z = b.op("scale", small, b.weight("f", np.array([2**17])))
    module = b.finish(y, z)
    most = (-(2**31), 2**31 - 1), (-(2**15), 2**15 - 1)
    added, scaled = module.graph.ops
    assert elementwise(module, added, list(most)) is None
    assert elementwise(module, scaled, [most[1]]) is None
    assert elementwise(module, scaled, [(0, 100)]) is not None
    check(module, {"x": np.full((1, 2, 2), 2**31 - 9), "n": np.full((1, 2, 2), 5)}, 2)
