"""`snnc sweep`: the grid, rows of what works and of what is refused, rows that are kept."""

import csv
import io
import json

import numpy as np
import pytest

from snnc.cli import failures
from snnc.cli.sweeping import points, read_axis
from snnc.diagnostics import SnncError

SWEEP = ("sweep", "real.snn", "--data", "data.npz")


@pytest.fixture(autouse=True)
def real(folder):
    """The network with real numbers, as real.snn."""
    text = (folder / "net.snn").read_text()
    for old, new in (
        ("int.", "snn."),
        ("level int", "level snn"),
        ("i8[", "f32["),
        ("i32[", "f32["),
        ("= 3}", "= 3.0}"),
        ("= 2}", "= 2.0}"),
    ):
        text = text.replace(old, new)
    (folder / "real.snn").write_text(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bits=8,4", ("bits", (8, 4))),
        ("output-chip=[1,0],[2,0]", ("output_chip", ([1, 0], [2, 0]))),
        ("shrink=true,false", ("shrink", (True, False))),
        ("quantize.scale=max, mse", ("quantize.scale", ("max", "mse"))),
        ("pipeline=a{x=1,y=2},@paicore", ("pipeline", ("a{x=1,y=2}", "@paicore"))),
        ('pipeline="quantize{bits=4},@paicore"', ("pipeline", ("quantize{bits=4},@paicore",))),
        ("bits=8,none", ("bits", (8, None))),
        ("target=dynapcnn:speck2fmodule", ("target", ("dynapcnn:speck2fmodule",))),
    ],
)
def test_an_axis_is_read(text, expected):
    assert expected == read_axis(text)


@pytest.mark.parametrize("text", ["bits", "=4", "bits=", "bits=4,,2", "bits=4,4"])
def test_what_is_no_axis_is_refused(text):
    with pytest.raises(SnncError) as caught:
        read_axis(text)
    assert "bad-grid" == caught.value.code


def test_the_last_axis_varies_fastest():
    found = points([("a", (1, 2)), ("b", ("x", "y"))])
    assert [(1, "x"), (1, "y"), (2, "x"), (2, "y")] == [tuple(p.values()) for p in found]


def test_each_point_is_compiled_and_evaluated(snnc):
    rows = snnc(*SWEEP, "--grid", "bits=8,4", "--grid", "per=layer,channel", "--json").json()
    assert [(8, "layer"), (8, "channel"), (4, "layer"), (4, "channel")] == [
        tuple(row["options"].values()) for row in rows
    ]
    for row in rows:
        assert row["error"] is None
        assert (3, 1) == (row["samples"], row["resources"]["chips"])
        assert f"bits={row['options']['bits']}" in row["pipeline"]
        assert f"per={row['options']['per']}" in row["pipeline"]
        low, high = row["interval_95"]
        assert low <= row["accuracy"] <= high
        assert row["spikes_per_sample"] > 0


def test_a_row_is_what_eval_of_the_build_says(snnc):
    snnc("compile", "real.snn", "-o", "build", "--bits", 4)
    told = snnc("eval", "build", "--data", "data.npz", "--activity", "--json").json()
    (row,) = snnc(*SWEEP, "--grid", "bits=4", "--json").json()
    assert told["accuracy"] == row["accuracy"]
    assert sum(told["spikes_per_sample"].values()) == row["spikes_per_sample"]


def test_options_of_passes_targets_and_runs_are_swept(snnc):
    grid = ("quantize.scale=max,mse", "shrink=true,false", "output-chip=[3,0]", "ticks=8")
    args = [word for text in grid for word in ("--grid", text)]
    rows = snnc(*SWEEP, *args, "--json").json()
    assert [None] * 4 == [row["error"] for row in rows]
    assert ["scale=max" in row["pipeline"] for row in rows] == [True, True, False, False]
    assert ["shrink" in row["pipeline"] for row in rows] == [True, False, True, False]


def test_a_point_that_is_refused_is_a_row_with_the_reason(snnc):
    result = snnc(*SWEEP, "--grid", "bits=8,5", "--json")
    assert 0 == result.exit_code
    assert [None, "bad-option"] == [(r["error"] or {}).get("code") for r in result.json()]
    shown = snnc(*SWEEP, "--grid", "bits=8,5").stdout
    assert "why not" in shown
    assert "bad-option: pass quantize: bits = 5" in shown


def test_a_sweep_of_nothing_but_refusals_has_status_1(snnc):
    assert failures.REFUSED == snnc(*SWEEP, "--grid", "bits=5,6").exit_code


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("bist", "did you mean 'bits'?"),
        ("quantise.scale", "did you mean 'quantize.'?"),
        ("ouput-chip", "did you mean 'output-chip'?"),
    ],
)
def test_a_name_that_is_no_option_is_refused_before_anything_runs(snnc, name, hint):
    result = snnc(*SWEEP, "--grid", f"{name}=1")
    assert failures.REFUSED == result.exit_code
    assert f"error[bad-grid]: there is no option '{name.replace('-', '_')}'" in result.stderr
    assert hint in result.stderr


def test_csv_has_a_line_per_row_and_columns_of_all(snnc):
    text = snnc(*SWEEP, "--grid", "bits=5,8", "--csv").stdout
    refused, done = csv.DictReader(io.StringIO(text))
    assert ("5", "bad-option", "") == (refused["bits"], refused["error"], refused["cores"])
    assert ("8", "", "3") == (done["bits"], done["error"], done["samples"])
    assert float(done["interval_low"]) <= float(done["accuracy"])


def test_rows_that_are_kept_are_not_made_again(folder, snnc):
    resume = ("--resume", "rows.json", "--json")
    first = snnc(*SWEEP, "--grid", "bits=8", *resume).json()
    more = snnc(*SWEEP, "--grid", "bits=4,8", *resume).json()
    assert first[0] == more[1]
    assert 2 == len(json.loads((folder / "rows.json").read_text())["result"])
    other = snnc(*SWEEP, "--grid", "bits=8", "--limit", 2, *resume)
    assert "was begun with other limit" in other.stderr
    wrong = snnc("eval", "real.snn", "--data", "data.npz", "--resume", "rows.json")
    assert "error[resume-unreadable]" in wrong.stderr


def test_rows_come_from_several_processes_too(snnc):
    def same(row):
        return {k: v for k, v in row.items() if not k.endswith("seconds")}

    grid = ("--grid", "bits=8,5", "--json")
    one, two = (snnc(*SWEEP, *grid, "--jobs", jobs).json() for jobs in (1, 2))
    assert [same(row) for row in one] == [same(row) for row in two]


def test_a_sweep_refuses_what_it_cannot_do(snnc):
    assert failures.USAGE == snnc(*SWEEP, "--grid", "bits=8", "--json", "--csv").exit_code
    twice = snnc(*SWEEP, "--grid", "bits=8", "--grid", "bits=4")
    assert "bits is given twice" in twice.stderr


@pytest.mark.parametrize(
    ("axis", "option"),
    [
        ("bits=8", ("--bits", 4)),
        ("shrink=true", ("--no-shrink",)),
        ("target=paicore", ("-t", "paicore")),
        ("ticks=4", ("--ticks", 8)),
    ],
)
def test_what_is_given_twice_is_usage(snnc, axis, option):
    result = snnc(*SWEEP, "--grid", axis, *option)
    assert failures.USAGE == result.exit_code
    assert "is given by --grid and by --" in result.stderr


def test_a_network_on_stdin_is_read_once_for_all_processes(folder, snnc):
    text = (folder / "real.snn").read_text()
    args = ("-", "--data", "data.npz", "--json", "--jobs", 2)
    rows = snnc("sweep", *args, "--grid", "bits=8,4", input=text).json()
    assert [None, None] == [row["error"] for row in rows]
    assert 3 == snnc("eval", *args, input=text).json()["samples"]
    run = ("run", "-", "-i", "x.npz", "-o", "y.npz", "--jobs", 2)
    assert 0 == snnc(*run, input=text).exit_code


def test_a_row_is_made_again_where_its_file_is_another(folder, snnc):
    inputs = np.load(folder / "x.npz")["x"]
    args = (*SWEEP, "--grid", "calibrate=c.npz,x.npz", "--resume", "rows.json", "--json")
    np.savez(folder / "c.npz", x=inputs)
    first = snnc(*args).json()
    np.savez(folder / "c.npz", x=1 - inputs)
    second = snnc(*args).json()
    assert first[1] == second[1]
    assert first[0]["digests"] != second[0]["digests"]
    assert 2 == len(json.loads((folder / "rows.json").read_text())["result"])


def test_targets_stand_beside_each_other(snnc):
    rows = snnc(*SWEEP, "--grid", "target=paicore,lynxi", "--json").json()
    assert [None, None] == [row["error"] for row in rows]
    assert all(row["spikes_per_sample"] > 0 for row in rows)
    shown = snnc(*SWEEP, "--grid", "target=paicore,lynxi")
    assert 0 == shown.exit_code
    assert "cores" in shown.stdout


def test_an_option_of_a_target_may_have_the_name_of_one_of_ours(snnc):
    args = ("-t", "dynapcnn", "--scale", 1, "--grid", "scale=vendor,fine", "--json")
    assert ["vendor", "fine"] == [r["options"]["scale"] for r in snnc(*SWEEP, *args).json()]
