"""Integers of a layer, by the table of recorded factors (dynapcnn.md, section 4)."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import snnc
from snnc.cli.app import app
from snnc.diagnostics import Diagnostics, SnncError
from snnc.ir import Module
from snnc.ir.build import Builder
from snnc.ir.write import save
from tests.unit.targets.dynapcnn.networks import neuron, weights

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


def outlier() -> Module:
    """Weights of which one is ten times as large as the others."""
    b = Builder("outlier", "snn")
    x = b.input("x", "u8[2, 8, 8]~")
    w = weights(0, 4, 2, 3, 3)
    w[0, 0, 0, 0] = 12.0
    s = neuron(b, b.op("conv2d", x, b.weight("w", w), b.weight("b", weights(3, 4))), "s")
    v = weights(1, 3, 4, 6, 6) * np.float32(0.1)
    v[0, 0, 0, 0] = 1.0
    return b.finish(neuron(b, b.op("conv2d", s, b.weight("v", v)), "y", floor=None))


def distance(scale: str, data: np.ndarray) -> int:
    found = snnc.compile(outlier(), "dynapcnn", scale=scale, calibrate=data)
    assert found.verify(data)
    real = snnc.run(outlier(), data, probe=("s", "y")).trace
    made = found.run(data, probe=("s", "y")).trace
    return sum(int(np.abs(real[n].astype(int) - made[n].astype(int)).sum()) for n in ("s", "y"))


def test_factors_by_data_come_closer_than_the_largest_ones() -> None:
    data = np.random.Generator(np.random.PCG64(2)).integers(0, 2, (2, 10, 2, 8, 8))
    assert distance("data", data) < distance("fine", data) < distance("vendor", data)


def test_the_report_holds_factors_and_thresholds() -> None:
    report = snnc.compile(outlier(), "dynapcnn", scale="fine").manifest["report"]["discretize"]
    assert ["s", "y"] == [*report]
    small = np.abs(weights(0, 4, 2, 3, 3).ravel()[1:]) < 0.5 * 12 / 127
    assert [72, small.sum()] == [report["s"][name] for name in ("nonzero", "vanished")]
    assert report["s"]["weights"][1] == 127


def test_the_command_line_shows_the_report(tmp_path: Path) -> None:
    save(outlier(), tmp_path / "net.snn")
    args = ["compile", str(tmp_path / "net.snn"), "-t", "dynapcnn", "--report"]
    result = CliRunner().invoke(app, [*args, "-o", str(tmp_path / "build")])
    assert 0 == result.exit_code, result.output
    assert "one factor per layer" in result.stdout
    assert "nothing to report" not in result.stdout


def test_data_are_wanted_for_factors_by_data() -> None:
    with pytest.raises(SnncError) as refused:
        snnc.compile(outlier(), "dynapcnn", scale="data")
    assert "calibration-missing" == refused.value.code
