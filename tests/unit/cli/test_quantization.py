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


def test_labels_beside_the_data_show_accuracies(real, folder, snnc):
    with np.load(folder / "x.npz") as archive:
        np.savez(folder / "x.npz", x=archive["x"], labels=np.array([0, 1, 2, 3, 0]))
    asked = ("compile", "real.snn", "-o", "build", "--calibrate", "x.npz", "--report")
    assert "answers to the labelled samples" in snnc(*asked).stdout
    told = snnc(*asked, "--json", "--calibrate-limit", 4).json()["report"]["quantize"]["accuracy"]
    assert (told["before"]["samples"], told["after"]["samples"]) == (4, 4)


def test_labels_that_do_not_belong_to_the_data_are_refused(real, folder, snnc):
    with np.load(folder / "x.npz") as archive:
        np.savez(folder / "x.npz", x=archive["x"], labels=np.array([0, 1]))
    told = snnc("compile", "real.snn", "-o", "build", "--calibrate", "x.npz").stderr
    assert "error[calibration-labels]: the calibration data has 5 samples and 2 labels" in told


def test_without_calibration_data_the_way_to_see_layers_is_told(real, snnc):
    told = snnc("compile", "real.snn", "-o", "build", "--report").stdout
    assert "rms error" in told
    assert "--calibrate" in told


def test_biases_are_tensors_of_the_report_like_weights(real, folder, snnc):
    b = Builder("biased", "snn")
    w = b.weight("w", np.array([[0.5, -0.25], [0.75, 0.1]], np.float32))
    sums = b.op("linear", b.input("x", "u1[2]~"), w, b.weight("b", np.array([0.2, 0], np.float32)))
    save(b.finish(b.op("neuron", sums, name="s")), folder / "biased.snn")
    told = snnc("compile", "biased.snn", "-o", "build", "--report")
    assert (0, ["b", "nearest"], ["w", "nearest"]) == (
        told.exit_code,
        *(
            line.split()[:2]
            for line in sorted(told.stdout.splitlines())
            if line[:2] in ("b ", "w ")
        ),
    )


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


def test_calibration_data_may_be_those_of_eval(folder, snnc):
    text = (folder / "net.snn").read_text()
    for old, new in (
        ("int.", "snn."),
        ("level int", "level snn"),
        ("i8[", "f32["),
        ("i32[", "f32["),
    ):
        text = text.replace(old, new)
    text = text.replace("= 3}", "= 3.0}").replace("= 2}", "= 2.0}")
    text = text.replace("%x: u1[6]~", "%image: f32[6]").replace(
        "    %a =", "    %x = snn.poisson %image {seed = 5} : (f32[6]) -> u1[6]~\n    %a ="
    )
    (folder / "rate.snn").write_text(text)
    images = np.random.default_rng(2).integers(0, 256, (7, 6), dtype=np.uint8)
    np.savez(folder / "images.npz", images=images, labels=np.arange(7) % 2)
    args = ("compile", "rate.snn", "-o", "build", "--json", "--report", "--calibrate", "images.npz")
    result = snnc(*args, "--calibrate-scale", 255, "--calibrate-limit", 5)
    assert result.exit_code == 0, result.stderr
    assert 5 == result.json()["report"]["quantize"]["calibration"]["samples"]
    assert "--calibrate-scale" in snnc(*args).stderr
    assert "error[data-scale]" in snnc(*args).stderr
    scale = ("--calibrate-scale", 255)
    assert snnc("check", "rate.snn", "--calibrate", "images.npz", *scale).exit_code == 0
    opt = ("opt", "rate.snn", "-p", "quantize", "--calibrate", "images.npz", *scale)
    assert snnc(*opt).exit_code == 0
    sweep = ("sweep", "rate.snn", "--data", "images.npz", "--scale", 255, "--grid", "bits=8,4")
    rows = snnc(*sweep, "--calibrate", "images.npz", *scale, "--json").json()
    assert [None, None] == [row["error"] for row in rows]


def test_options_of_calibration_data_need_data(snnc):
    result = snnc("compile", "net.snn", "-o", "build", "--calibrate-limit", 3)
    assert "error[unused-option]: --calibrate-limit has no use without --calibrate" in result.stderr
