"""`snnc compile --report`: tensors, layers, and the same as JSON."""

import numpy as np
import pytest

from snnc.ir import Builder
from snnc.ir.write import save


@pytest.fixture
def real(folder):
    rng = np.random.default_rng(0)
    b = Builder("real", "snn")
    x = b.input("x", "u1[6]~")
    w = b.weight("w", rng.normal(size=(4, 6)).astype(np.float32))
    save(b.finish(b.op("neuron", b.op("linear", x, w), name="s")), folder / "real.snn")
    np.savez(folder / "x.npz", x=rng.integers(0, 2, (5, 8, 6)).astype(np.uint8))


def test_tensors_and_layers_are_shown(real, snnc):
    told = snnc("compile", "real.snn", "-o", "build", "--calibrate", "x.npz", "--report").stdout
    assert "quantized with bits 8, per channel, scale mse, rounding nearest" in told
    assert "on 5 calibration samples of 8 ticks" in told
    assert "count error" in told


def test_without_calibration_data_the_way_to_see_layers_is_told(real, snnc):
    told = snnc("compile", "real.snn", "-o", "build", "--report").stdout
    assert "rms error" in told
    assert "--calibrate" in told


def test_leaks_that_became_constant_are_shown(real, folder, snnc):
    text = (
        (folder / "real.snn")
        .read_text()
        .replace("snn.neuron %linear", "snn.neuron %linear {decay = 0.9}")
    )
    (folder / "leaky.snn").write_text(text)
    pipeline = "subtractive-leak,quantize,@paicore"
    told = snnc(
        *("compile", "leaky.snn", "-o", "build", "-p", pipeline, "--calibrate", "x.npz"),
        "--report",
    ).stdout
    assert "leaks by a factor became constant ones" in told
    assert told.count("on 5 calibration samples of 8 ticks") == 2


def test_json_holds_the_report_if_asked_for(real, snnc):
    asked = ("compile", "real.snn", "-o", "build", "--json")
    assert "report" not in snnc(*asked).json()
    told = snnc(*asked, "--report", "--calibrate", "x.npz").json()["report"]["quantize"]
    assert told["calibration"] == {"samples": 5, "ticks": 8}
    assert list(told["layers"]) == ["s"]


def test_integers_have_nothing_to_report(folder, snnc):
    told = snnc("compile", "net.snn", "-o", "build", "--report").stdout
    assert "nothing to report: the network came as integers" in told


def test_a_calibrated_pipeline_compiles_and_verifies(real, snnc):
    text = "quantize{bits=2 rounding=second-order thresholds=matched},@paicore"
    result = snnc(
        *("compile", "real.snn", "-o", "build", "-p", text, "--calibrate", "x.npz", "--check")
    )
    assert result.exit_code == 0, result.stderr


def test_an_option_that_needs_data_says_so(real, snnc):
    text = "quantize{rounding=second-order},@paicore"
    result = snnc("compile", "real.snn", "-o", "build", "-p", text)
    assert result.exit_code == 1
    assert "error[calibration-missing]" in result.stderr
    assert "--calibrate" in result.stderr
