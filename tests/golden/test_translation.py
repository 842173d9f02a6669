"""What the front end makes of the golden cases beside the recorded numbers."""

import pytest

from snnc.ir.read import load
from snnc.ir.write import save, write
from tests.golden.paibox_translate import translate
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
