"""A second emulator, which knows the vendor's files only, sees what PAIBox recorded."""

from pathlib import Path

import numpy as np
import pytest

import snnc
from tests.golden.paibox_translate import chips, translate
from tests.golden.witness import Witness

HERE = Path(__file__).parent / "paibox"
CASES = (
    *("05_lif_bias_channel", "16_conv2d_multi_tile", "22b_spiking_avgpool2d_with_v_3ch"),
    *("26_residual_add", "31_tick_wait_start_end", "34_phasic", "38_raw_negreset_linear"),
    *("39_raw_leak_after_comp", "40_voltage_overflow", "42_ann_linear", "43_ann_neuron_conv_pool"),
    *("48_lcn_with_delay", "49_ann_lcn2", "51_multichip", "63_input_skip", "66_output_gt_1152"),
    *("70_random_0", "70_random_2", "70_random_4"),
)
"""One of each: tiles, copies, relays, extensions, chips, modes, late readers, wide outputs."""


@pytest.mark.parametrize("name", CASES)
def test_a_host_written_for_the_vendor_sees_the_recorded_spikes(name, tmp_path):
    case = translate(HERE / name)
    snnc.compile(case.module, target="paicore", **chips(HERE / name)).save(tmp_path)
    inputs = {key: train[0].reshape(train.shape[1], -1) for key, train in case.inputs.items()}
    ticks = len(next(iter(inputs.values())))
    seen = Witness(tmp_path).run(inputs, ticks)
    firsts = {op.result.name: op["first"] for op in case.module.ops("neuron")}
    assert {v.name for v in case.module.graph.outputs} == set(seen)
    for key, actual in seen.items():
        # A core's k-th step is tick k + first of the program.
        expected = case.expected[key][0, firsts[key] :]
        assert np.array_equal(expected, actual[: len(expected), : expected.shape[1]]), key
