"""`snnc compare`: a row per target, refusals as rows, errors of the call and of the data."""

import json

import numpy as np
import pytest

from snnc.cli import failures

COMPARE = ("compare", "real.snnl", "--data", "data.npz")

REAL = """\
ticks 8
weights "w.npz" as a

network real {
  input x: u1[2, 4, 4]~
  hidden = x |> conv2d(a.w, padding=1) |> IF(threshold=1, floor=-1)
  y      = hidden |> flatten |> linear(a.v) |> IF(threshold=1, floor=-1)
  return y
}
"""
DECAYS = REAL.replace("IF(threshold=1, floor=-1)", "neuron(decay=0.9)")


@pytest.fixture(autouse=True)
def real(folder):
    """A network of real numbers that all targets take, as real.snnl, and 12 samples."""
    draw = np.random.default_rng(3)
    kernel = draw.normal(0.2, 0.3, (3, 2, 3, 3)).astype(np.float32)
    readout = draw.normal(0.1, 0.3, (4, 48)).astype(np.float32)
    np.savez(folder / "w.npz", w=kernel, v=readout)
    (folder / "real.snnl").write_text(REAL)
    (folder / "decays.snnl").write_text(DECAYS)
    x = (draw.random((12, 8, 2, 4, 4)) < 0.4).astype(np.uint8)
    np.savez(folder / "data.npz", x=x, labels=np.arange(12) % 4)
    return x


def test_each_target_has_a_row_that_eval_of_its_build_gives(snnc):
    told = snnc(*COMPARE, "-t", "dynapcnn:speck2fdevkit", "-t", "lynxi", "--json")
    assert (0, "") == (told.exit_code, told.stderr)
    itself, *rows = told.json()
    assert ["the network", "dynapcnn:speck2fdevkit", "lynxi"] == [r["target"] for r in told.json()]
    whole = snnc("eval", "real.snnl", "--data", "data.npz", "--activity", "--json").json()
    assert whole["accuracy"] == itself["accuracy"]
    for row in rows:
        snnc("compile", "real.snnl", "-t", row["target"], "-o", "out")
        one = snnc("eval", "out", "--data", "data.npz", "--activity", "--json").json()
        assert {k: one[k] for k in ("samples", "correct", "ties", "interval_95")} == {
            k: row[k] for k in ("samples", "correct", "ties", "interval_95")
        }
        assert sum(one["spikes_per_sample"].values()) == row["spikes_per_sample"]
        assert row["fits"]
        assert row["error"] is None
        assert row["resources"]["memory_bytes"] > 0


def test_lynxi_computes_what_the_network_does(snnc):
    itself, row = snnc(*COMPARE, "-t", "lynxi", "--json").json()
    for key in ("correct", "spikes_per_sample", "ties"):
        assert itself[key] == row[key]


def test_a_refusal_is_a_row_with_its_reason(snnc):
    args = ("compare", "decays.snnl", "--data", "data.npz", "-t", "lynxi", "-t", "dynapcnn")
    told = snnc(*args, "--json")
    assert failures.UNFIT == told.exit_code
    assert [True, True, False] == [row["fits"] for row in told.json()]
    error = told.json()[2]["error"]
    assert "accuracy" not in told.json()[2]
    shown = snnc(*args).stdout
    assert "why not" in shown
    assert f"{error['code']}: {error['message']}" in shown


def test_without_a_target_all_are_asked_and_one_that_fits_is_enough(snnc):
    told = snnc("compare", "decays.snnl", "--data", "data.npz", "--json")
    assert 0 == told.exit_code
    found = {row["target"]: row["fits"] for row in told.json()}
    assert {"the network", "paicore", "dynapcnn", "lynxi"} == set(found)
    assert found["lynxi"]
    assert not found["dynapcnn"]


def test_options_in_braces_go_to_their_target_alone(snnc):
    told = snnc(*COMPARE, "-t", "lynxi", "-t", "lynxi{profile=f16 batch=4}", "--json").json()
    full, half = (row["resources"] for row in told[1:])
    assert (1, 4) == (full["batch"], half["batch"])
    assert 2 * full["state_bytes"] == half["state_bytes"]
    assert "halve" in told[2]["pipeline"]
    assert "lynxi{profile=f16 batch=4}" == told[2]["target"]


def test_rows_do_not_depend_on_the_number_of_processes(snnc):
    def rows(*args):
        found = snnc(*COMPARE, "-t", "dynapcnn", "-t", "lynxi", "--json", *args).json()
        return [{k: v for k, v in r.items() if not k.endswith("seconds")} for r in found]

    assert rows() == rows("--jobs", 2, "--batch", 5)


def test_all_variants_are_a_row_each(snnc):
    told = snnc(*COMPARE, "-t", "dynapcnn:all{scale=fine}", "-t", "lynxi", "--limit", 1, "--json")
    _, *devices, last = told.json()
    variants = snnc("targets", "dynapcnn", "--json").json()["variants"]
    assert [f"dynapcnn:{v}{{scale=fine}}" for v in variants] == [r["target"] for r in devices]
    assert "lynxi" == last["target"]
    assert failures.USAGE == snnc(*COMPARE, "-t", "lynxi:all").exit_code


def test_rows_that_stand_in_a_file_are_not_made_again(snnc, folder):
    kept = ("--resume", "rows.json", "--json")
    first = snnc(*COMPARE, "-t", "lynxi", *kept).json()
    file = json.loads((folder / "rows.json").read_text())
    file["result"][1]["correct"] = 99
    (folder / "rows.json").write_text(json.dumps(file))
    more = snnc(*COMPARE, "-t", "dynapcnn{monitor=[all] scale=fine}", "-t", "lynxi", *kept).json()
    assert first[0] == more[0]
    assert {**first[1], "correct": 99} == more[2]
    assert (
        more
        == snnc(*COMPARE, "-t", "dynapcnn{monitor=[all] scale=fine}", "-t", "lynxi", *kept).json()
    )
    assert "error[resume-foreign]" in snnc(*COMPARE, "-t", "lynxi", "--limit", 3, *kept).stderr
    sweep = snnc("sweep", "real.snnl", "--data", "data.npz", "--grid", "bits=8", *kept)
    assert "error[resume-unreadable]" in sweep.stderr


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("lynx", "did you mean 'lynxi'?"),
        ("", "there is no ''"),
        ("{bits=4}", "there is no ''"),
        ("dynapcnn:speck", "dynapcnn has no variant 'speck'"),
        ("lynxi{profile=}", "write NAME[:VARIANT]{option=value option=value}"),
        ("lynxi{profile=f16", "write NAME[:VARIANT]{option=value option=value}"),
        ("lynxi{profile=f16},lynxi", "write NAME[:VARIANT]{option=value option=value}"),
        ("lynxi{size=3}", "there is no option 'size'"),
        ("lynxi{ticks=3}", "ticks is no option of compiling"),
        ("lynxi{target=paicore}", "target is no option of compiling"),
        ("lynxi{set.seed=3}", "set is no option of compiling"),
        ("lynxi{bits=4}", "bits = 4 has no use"),
    ],
)
def test_what_names_no_target_or_option_is_usage(snnc, target, reason):
    told = snnc(*COMPARE, "-t", target)
    assert failures.USAGE == told.exit_code
    assert reason in told.stderr


def test_a_value_that_an_option_does_not_have_is_refused(snnc):
    told = snnc(*COMPARE, "-t", "lynxi{profile=f17}")
    assert failures.REFUSED == told.exit_code
    assert "error[bad-option]" in told.stderr
    assert "did you mean 'f16'?" in told.stderr


@pytest.mark.parametrize(
    ("data", "code"), [("no.npz", "values-missing"), ("bare.npz", "data-labels")]
)
def test_data_that_cannot_be_read_end_the_command(snnc, folder, real, data, code):
    np.savez(folder / "bare.npz", x=real)
    told = snnc("compare", "real.snnl", "--data", data, "-t", "lynxi")
    assert failures.REFUSED == told.exit_code
    assert f"error[{code}]" in told.stderr
    assert "" == told.stdout


def test_still_inputs_are_held(snnc, folder, real):
    np.savez(folder / "still.npz", x=real[:, 0], labels=np.arange(12) % 4)
    np.savez(folder / "held.npz", x=real[:, :1].repeat(8, axis=1), labels=np.arange(12) % 4)
    still = snnc(
        "compare",
        "real.snnl",
        "--data",
        "still.npz",
        "-t",
        "lynxi",
        "--json",
        "--ticks",
        8,
        "--hold",
    ).json()
    held = snnc("compare", "real.snnl", "--data", "held.npz", "-t", "lynxi", "--json").json()
    assert [r["spikes_per_sample"] for r in held] == [r["spikes_per_sample"] for r in still]
    assert failures.USAGE == snnc(*COMPARE, "--hold").exit_code


def test_calibration_goes_to_all_targets(snnc):
    args = (*COMPARE, "-t", "dynapcnn{scale=data}", "--json")
    told = snnc(*args, "--calibrate", "data.npz", "--calibrate-limit", 4)
    assert 0 == told.exit_code, told.stderr
    assert told.json()[1]["fits"]
    alone = snnc(*args)
    assert "calibration-missing" == alone.json()[1]["error"]["code"]
