"""Integers of a layer, by the table of recorded factors (dynapcnn.md, section 4)."""

import numpy as np
import pytest

import snnc
from snnc.diagnostics import Diagnostics
from snnc.ir.build import Builder
from tests.unit.targets.dynapcnn.networks import neuron

TABLE = [
    ([0.5, -0.25], [0.01, -0.3], -1.0, [127, -64], [3, -76], 254, -254),
    ([0.5, -0.502], [0.01, -0.3], -1.0, [127, -128], [3, -76], 254, -254),
    ([0.5, -0.6], [0.01, -0.3], -1.0, [107, -128], [2, -64], 213, -213),
    ([0.5, -0.6], [2.0, 0.0], -1.0, [32, -38], [127, 0], 64, -64),
    ([0.5, -0.6], [0.0, 0.0], None, [0, -1], [0, 0], 1, -32768),
    ([0.001, -0.0005], [0.0, 0.0], -1.0, [33, -16], [0, 0], 32767, -32767),
    ([0.0, 0.0], [0.0, 0.0], -1.0, [0, 0], [0, 0], 32767, -32767),
]


@pytest.mark.parametrize("row", TABLE, ids=[str(n) for n in range(len(TABLE))])
def test_one_factor_rounds_half_to_even(row: tuple) -> None:
    w, bias, low, codes, biases, high, floor = row
    b = Builder("row", "snn")
    x = b.input("x", "u1[1, 1, 1]~")
    symbols = (
        b.weight("w", np.array(w, np.float32).reshape(2, 1, 1, 1)),
        b.weight("b", np.array(bias, np.float32)),
    )
    module = b.finish(neuron(b, b.op("conv2d", x, *symbols), "y", floor=low))
    core = snnc.compile(module, "dynapcnn").config["cnn_layers"][0]
    assert codes == np.ravel(core["weights"]).tolist()
    assert biases == core["biases"]
    assert (high, floor) == (core["threshold_high"], core["threshold_low"])
    assert any(biases) == core["leak_enable"]


def test_a_mean_that_is_returned_becomes_a_sum() -> None:
    b = Builder("mean", "snn")
    x = b.input("x", "u8[1, 10, 10]~")
    w = b.weight("w", np.full((1, 1, 3, 3), 0.25, np.float32))
    s = neuron(b, b.op("conv2d", x, w), "s")
    p = b.op("sum_pool2d", b.op("avg_pool2d", s, kernel=(2, 2)), kernel=(2, 2))
    found = Diagnostics()
    build = snnc.compile(b.finish(p), "dynapcnn", diagnostics=found, check=True)
    assert ["mean-as-sum"] == [d.code for d in found]
    assert "4 times" in found.items[0].message
    ran = build.run(np.ones((1, 3, 1, 10, 10)), probe=("s",))
    windows = ran.trace["s"].reshape(1, 3, 2, 4, 2, 4).sum(axis=(3, 5))
    assert np.array_equal(windows.reshape(1, 3, 1, 2, 2), next(iter(ran.outputs.values())))
