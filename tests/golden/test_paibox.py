"""The reference equals PAIBox on every neuron of every golden case, spikes and potentials."""

import os
from pathlib import Path

import numpy as np
import pytest

from snnc.runtime.compare import first_difference, graph_order
from snnc.runtime.numpy_engine import NumpyEngine
from snnc.runtime.reference import Reference
from tests.golden.paibox_translate import translate
from tests.golden.run import case_folders, main, outcome

FOLDERS = case_folders(Path(__file__).parent / "paibox")
if os.environ.get("SNNC_GOLDEN_PAIBOX"):
    FOLDERS += case_folders(Path(os.environ["SNNC_GOLDEN_PAIBOX"]))

REFUSED = {
    "57_stochastic_flags": "stochastic",
    "58_stdp_online": "learn",
    "69_pin_chip0": "target_chip",
}

DEFECTS = {
    # PAIBox adds up semi-folded sums in 16 bits: 39886 - 2^16 = -25650.
    "45_ann_semifolded": "c1.v[6] at tick 0: -25650 recorded, 39885 computed",
}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_reference_equals_paibox_at_every_neuron_and_tick_or_says_why_not(folder):
    word, detail = outcome(folder, Reference())
    if folder.name in REFUSED:
        assert word == "refused"
        assert REFUSED[folder.name] in detail
    elif folder.name in DEFECTS:
        assert ("differs", DEFECTS[folder.name]) == (word, detail)
    else:
        assert ("equal", detail) == (word, detail)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_numpy_engine_equals_the_reference_on_every_value(folder):
    if folder.name in REFUSED:
        return
    case = translate(folder)
    expected, actual = (
        engine.prepare(case.module).run(case.inputs, probe=("all",)).trace
        for engine in (Reference(), NumpyEngine())
    )
    assert list(expected) == list(actual)
    assert first_difference(expected, actual, order=graph_order(case.module)) is None


def folder(name: str) -> Path:
    return Path(__file__).parent / "paibox" / name


def test_starts_that_follow_the_depth_need_no_delays():
    module = translate(folder("06_fc_int8")).module
    assert [] == list(module.ops("delay"))


def test_a_skip_that_is_read_late_becomes_a_delay():
    module = translate(folder("26_residual_add")).module
    starts = [op["first"] for op in module.ops("neuron")]
    assert [0] * len(starts) == starts


def test_a_source_that_stops_is_read_again_by_a_relay_only_in_a_long_run():
    names = [op.result.name for op in translate(folder("32_stale_delay_register_300")).module.ops()]
    assert "a.relay" in names
    names = [op.result.name for op in translate(folder("31_tick_wait_start_end")).module.ops()]
    assert not any("relay" in name for name in names)


def test_a_record_that_differs_is_found(tmp_path, capsys):
    case = folder("34_phasic")
    for path in case.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    records = dict(np.load(case / "expected.npz"))
    records["spike__n"][7, 0] ^= 1
    np.savez(tmp_path / "expected.npz", **records)
    assert 3 == main([str(tmp_path)])
    assert "n[0] at tick 7" in capsys.readouterr().out
