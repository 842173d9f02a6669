"""Sums that neurons read are made with one of their products: every value stays the reference's."""

import numpy as np
import pytest

from snnc.ir import Builder
from snnc.runtime.native.engine import NativeEngine
from tests.unit.runtime.native.test_engine import check, train

pytest.importorskip("llvmlite")

from snnc.machine.compiler import Compiler
from snnc.machine.paths import available, choose
from snnc.runtime.native.turning import channels_last


def block(rng, level, channels=20, **neuron):
    """A skip with a factor per channel, a skip as it is, a shortcut, and a sum read elsewhere."""
    b = Builder("block", level)
    x = b.input("x", f"u1[{channels}, 6, 5]~")

    def weight(name, *shape):
        whole = rng.integers(-60, 60, shape)
        return b.weight(name, whole if level == "int" else (whole / 64).astype(np.float32))

    def conv(y, name, size=3):
        w = weight(name, channels, channels, size, size)
        return b.op("conv2d", y, w, padding=(size // 2,) * 2, name=name)

    threshold = 90 if level == "int" else 1.4
    how = {"threshold": threshold} | neuron
    one = b.op("neuron", b.op("add", conv(x, "y1"), conv(x, "short", 1)), name="s1", **how)
    by = b.op("scale", x, weight("by", channels), name="by")
    two = b.op("neuron", b.op("add", by, conv(one, "y2"), name="sum"), name="s2", **how)
    three = b.op("neuron", b.op("add", conv(two, "y3"), two), name="s3", **how)
    return b.finish(three)


@pytest.mark.parametrize("level", ["int", "snn"])
@pytest.mark.parametrize("spike", ["single", "count"])
def test_skips_and_shortcuts_run_with_the_product_beside_them(level, spike):
    rng = np.random.default_rng(1)
    module = block(rng, level, spike=spike, max_count=9)
    program = NativeEngine().prepare(module)
    gone = {op.result.name for found in program.fused.values() for op in found.gone}
    assert {"y1", "y2", "y3", "by", "sum"} <= gone
    assert "short" not in gone
    assert not {"by", "sum", "y2"} & {value.name for value in program.made()}
    check(module, {"x": train(rng, (3, 9, 20, 6, 5))}, 9, 4)


@pytest.mark.parametrize("path", available())
def test_every_path_joins_alike(path):
    rng = np.random.default_rng(2)
    module = block(rng, "snn" if path in ("avx2", "vnni") else "int", channels=17)
    check(module, {"x": train(rng, (2, 7, 17, 6, 5))}, 7, 3, path=path)


@pytest.mark.parametrize("times", [{"first": 2}, {"ticks": 4}, {"first": 3, "ticks": 2}])
@pytest.mark.parametrize("level", ["int", "snn"])
def test_neurons_that_rest_join_alike(level, times):
    rng = np.random.default_rng(3)
    module = block(rng, level, channels=3, **times)
    assert (level == "int") == any(f.terms for f in NativeEngine().prepare(module).fused.values())
    check(module, {"x": train(rng, (2, 8, 3, 6, 5))}, 8, 5)


def sums(b, terms, **neuron):
    """Neurons of 18 that read a product and some other terms."""
    x = b.input("x", "u1[7]~")
    w = np.arange(18 * 7).reshape(18, 7) % 13 - 6
    y = b.op("linear", x, b.weight("w", w if b.level == "int" else w.astype(np.float32)))
    return b.finish(b.op("neuron", b.op("add", y, *terms), name="s", **neuron))


@pytest.mark.parametrize("element", ["u1", "u8", "i8", "u16", "i32"])
def test_terms_of_all_elements_are_exact(element):
    rng = np.random.default_rng(4)
    b = Builder("terms", "int")
    z = b.input("z", f"{element}[18]~")
    scaled = b.op("scale", z, b.weight("f", rng.integers(-100, 100, 18)))
    module = sums(b, [z, scaled], threshold=300, overflow="saturate")
    low, high = {"u1": (0, 1), "u8": (0, 255), "i8": (-128, 127)}.get(element, (0, 65535))
    inputs = {"x": train(rng, (2, 6, 7)), "z": rng.integers(low, high, (2, 6, 18), endpoint=True)}
    # What 32 bits might not hold is left to the ops themselves.
    assert (element != "i32") == bool(NativeEngine().prepare(module).fused)
    check(module, inputs, 6, 2)


@pytest.mark.parametrize("count", [4, 5])
def test_of_many_terms_all_count(count):
    rng = np.random.default_rng(5)
    b = Builder("many", "int")
    terms = [b.input(f"z{n}", "u8[18]~") for n in range(count)]
    module = sums(b, terms, threshold=700)
    assert (count == 4) == bool(NativeEngine().prepare(module).fused)
    inputs = {f"z{n}": rng.integers(0, 256, (2, 5, 18)) for n in range(count)}
    check(module, inputs | {"x": train(rng, (2, 5, 7))}, 5, 2)


def test_a_product_added_twice_is_not_taken_apart():
    rng = np.random.default_rng(6)
    b = Builder("twice", "int")
    x = b.input("x", "u1[7]~")
    y = b.op("linear", x, b.weight("w", rng.integers(-9, 9, (18, 7))))
    module = b.finish(b.op("neuron", b.op("add", y, y), name="s", threshold=20))
    assert not NativeEngine().prepare(module).fused
    check(module, {"x": train(rng, (2, 6, 7))}, 6, 2)


@pytest.mark.parametrize("scaled", [False, True])
def test_a_float_sum_beyond_all_numbers_is_reported_as_the_reference_does(scaled):
    b = Builder("far", "snn")
    z = b.input("z", "f32[18]~")
    term = b.op("scale", z, b.weight("f", np.array([-8], np.float32))) if scaled else z
    module = sums(b, [term], threshold=1e30, reset="none", gain=0.0)
    z = np.full((1, 4, 18), 3.4e38, dtype=np.float32)
    check(module, {"x": np.ones((1, 4, 7), np.uint8), "z": z}, 4)
    check(module, {"x": np.ones((1, 4, 7), np.uint8), "z": z / 16}, 4)


@pytest.mark.parametrize("shape", [(2, 3, 16, 4, 4), (1, 2, 48, 32), (1, 1, 17, 16), (2, 1, 3, 5)])
def test_channels_come_to_lie_together(shape):
    x = np.random.default_rng(7).integers(0, 256, shape).astype(np.uint8)
    turned = channels_last(Compiler(choose(), None), x)
    assert np.array_equal(x, turned)
    assert np.moveaxis(turned, 2, -1).flags.c_contiguous
