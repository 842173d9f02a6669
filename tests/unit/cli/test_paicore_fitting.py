"""`snnc check -t paicore`: the fewest cores a network needs, and what would make it fit."""

import numpy as np
import pytest

from snnc.cli import failures
from snnc.ir.build import Builder
from snnc.ir.write import save

LAYERS, NEURONS = 5, 16_000


def wide(level, path, layers=LAYERS):
    """Write layers of 16,000 neurons with two inputs: 250 cores each with 8 bits."""
    build = Builder("wide", level)
    x = build.input("x", "u1[2]~")
    made = []
    for number in range(layers):
        w = np.random.default_rng(number).integers(90, 128, (NEURONS, 2))
        kind = np.int8 if level == "int" else np.float32
        current = build.op("linear", x, build.weight(f"w{number}", w.astype(kind)))
        made.append(build.op("neuron", current, name=f"y{number}", threshold=7, reset="soft"))
    save(build.finish(*made), path)


@pytest.fixture
def integers(folder):
    wide("int", folder / "wide.snn")
    return "wide.snn"


def test_a_network_that_fits_is_told_beside_its_bound(snnc):
    assert "2 cores (2 at least)" in snnc("check", "net.snn", "-t", "paicore").stdout
    (found,) = snnc("check", "net.snn", "-t", "paicore", "--json").json()
    assert (2, 1, 1008, []) == (
        found["needs"]["cores"],
        found["needs"]["chips"],
        found["needs"]["available"],
        found["ways"],
    )


def test_a_network_that_does_not_fit_is_told_what_it_needs_and_with_how_many_chips(integers, snnc):
    result = snnc("check", integers, "-t", "paicore", "--json")
    assert failures.UNFIT == result.exit_code
    (found,) = result.json()
    needs, (way,) = found["needs"], found["ways"]
    assert (1250, 2, 8) == (needs["cores"], needs["chips"], needs["bits"])
    assert {"4": 625, "2": 313, "1": 157} == needs["cores_by_bits"]
    assert ("--chip 0,0 --chip 0,1", True, 1250) == (way["option"], way["fits"], way["cores"])
    shown = snnc("check", integers, "-t", "paicore").stdout
    assert "1,250 or more, for weights of 8 bits; 1,008 are there" in shown
    assert "the weights are integers already" in shown
    assert "What would make it fit" in shown


def test_what_would_make_it_fit_does(integers, snnc):
    chips = ("--chip", "0,0", "--chip", "0,1")
    assert 0 == snnc("check", integers, "-t", "paicore", *chips).exit_code


def test_as_many_chips_are_tried_as_regions_need_and_told_so_that_a_line_holds_them(folder, snnc):
    wide("int", folder / "wide.snn", 13)
    (found,) = snnc("check", "wide.snn", "-t", "paicore", "--json").json()
    # Three regions of 250 cores fill a chip, as each takes a block of 256.
    assert [(5, True)] == [(way["chips"], way["fits"]) for way in found["ways"]]
    shown = snnc("check", "wide.snn", "-t", "paicore").stdout
    chips = " ".join(f"--chip 0,{n}" for n in range(5))
    assert f"yes    3,250\n  5 chips: {chips}\n" in shown


def test_a_network_that_is_to_be_quantized_is_tried_with_fewer_bits(folder, snnc):
    wide("snn", folder / "real.snn")
    (found,) = snnc("check", "real.snn", "-t", "paicore", "--json").json()
    assert ["--chip 0,0 --chip 0,1", "--bits 4"] == [way["option"] for way in found["ways"]]
    assert [True, True] == [way["fits"] for way in found["ways"]]
    assert 0 == snnc("check", "real.snn", "-t", "paicore", "--bits", 4).exit_code


def test_a_neuron_with_more_inputs_than_a_core_has_is_named(folder, snnc):
    build = Builder("deep", "int")
    x = build.input("x", "u1[80000]~")
    w = build.weight("w", np.ones((1, 80000), np.int8))
    y = build.op("neuron", build.op("linear", x, w), name="y", threshold=7)
    save(build.finish(y), folder / "deep.snn")
    (found,) = snnc("check", "deep.snn", "-t", "paicore", "--json").json()
    if found["needs"] is not None:
        assert {"y": 80000} == found["needs"]["beyond_a_core"]
    assert not found["fits"]
    assert [] == found["ways"]
