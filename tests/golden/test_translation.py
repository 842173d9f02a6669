"""What the front end makes of the golden cases beside the recorded numbers."""

import pytest

from snnc.diagnostics import SnncError
from snnc.ir.read import load
from snnc.ir.write import save, write
from tests.golden.paibox_translate import describe, translate
from tests.golden.test_paibox import folder


@pytest.mark.parametrize("name", ["14_conv2d_stride_pad", "12_conv1d_stride_pad"])
def test_convolutions_stay_convolutions(name):
    kinds = {op.kind for op in translate(folder(name)).module.ops()}
    assert any(kind.startswith("conv") for kind in kinds)
    assert "linear" not in kinds


def test_every_kind_of_module_is_saved_and_loaded(tmp_path):
    for name in ("43_ann_neuron_conv_pool", "45_ann_semifolded", "18_convtranspose1d"):
        module = translate(folder(name)).module
        save(module, tmp_path / "net.snn")
        assert write(module) == write(load(tmp_path / "net.snn"))


def test_a_neuron_of_registers_keeps_its_times_and_widths():
    args = {"pos_threshold": 3, "tick_wait_start": 2, "tick_wait_end": 5, "delay": 4}
    args |= {"input_width": 8, "spike_width": 1, "snn_en": False, "bit_trunc": 9}
    nodes = [
        {"id": "i", "kind": "input", "shape": [2]},
        {"id": "n", "kind": "neuron", "type": "OfflineNeuron", "shape": [2], "args": args},
    ]
    net = {"nodes": nodes, "edges": [], "outputs": ["n"]}
    made = describe("one", net, {}).nodes["n"]
    assert (2, 5, 4, 9) == (made.start, made.ticks, made.delay, made.truncate)
    assert (True, False, False) == (made.wide_in, made.wide_out, made.keeps)
    with pytest.raises(SnncError, match="threshold"):
        describe("one", {**net, "nodes": [nodes[0], {**nodes[1], "args": {"threshold": 1}}]}, {})
