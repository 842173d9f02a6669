"""Configurations of BIDL: read as data, without torch and without being run."""

import pytest

from snnc.diagnostics import SnncError
from snnc.frontends.bidl.config import is_config, read_config

TEXT = """
dataset_type = 'BabiQa1'
timestep = 4
model = dict(
    type='ImageClassifier',
    backbone=dict(type='SeqClif3Fc3DmItout', timestep=timestep, c0=2, h0=16, w0=16, nclass=10,
                  cmode='analog', amode='mean', noise=-1e-3, soma_params='channel_share'),
    neck=None)
optimizer = dict(type='SGD', lr=0.1)
lynxi_devices = [[0], [1]]
"""

SLICES = """
models_compile_inputshape = [[1, 2, 32, 32], [1, 512, 4, 4]]
model_0 = dict(backbone=dict(type='ResNetLifItout_MP', depth=50, split=[0, 6]))
model_1 = dict(backbone=dict(type='ResNetLifItout_MP', depth=50, split=[6, 16]))
"""


def written(tmp_path, text):
    path = tmp_path / "clif3fc3dm_itout-b16x1-dvsmnist.py"
    path.write_text(text)
    return path


def test_a_configuration_is_data(tmp_path):
    path = written(tmp_path, TEXT)
    assert is_config(path)
    found = read_config(path)
    assert (("SeqClif3Fc3DmItout", 4, -1e-3),) == tuple(
        (b["type"], b["timestep"], b["noise"]) for b in found.backbones
    )
    assert ((0,), (1,)) == found.devices
    assert ("dataset_type", "optimizer") == found.unused


def test_model_slices_have_their_shapes(tmp_path):
    found = read_config(written(tmp_path, SLICES))
    assert [[0, 6], [6, 16]] == [b["split"] for b in found.backbones]
    assert ((1, 2, 32, 32), (1, 512, 4, 4)) == found.shapes


@pytest.mark.parametrize(
    "text",
    [
        "import os\n" + TEXT,
        TEXT + "data = open('f')\n",
        TEXT + "data = dataset_typo\n",
        TEXT + "data = -'a'\n",
        TEXT + "data = dict(**dataset_type)\n",
        "model = dict(backbone=dict(depth=3))\n",
        "model = dict(backbone=dict(type='A'), nek=None)\n",
        TEXT.replace("[[0], [1]]", "[[0], [1, 2]]"),
        TEXT.replace("[[0], [1]]", "[[0], ['1']]"),
        TEXT.replace("[[0], [1]]", "2"),
    ],
)
def test_what_is_no_data_is_refused_and_not_run(text, tmp_path):
    with pytest.raises(SnncError) as found:
        read_config(written(tmp_path, text))
    assert "bidl-config" == found.value.code


@pytest.mark.parametrize(
    ("slip", "meant"),
    [("lynxi_device = [[0]]", "lynxi_devices"), ("optimiser = None", "optimizer")],
)
def test_a_name_that_nobody_reads_is_refused_with_the_nearest_one(slip, meant, tmp_path):
    with pytest.raises(SnncError) as found:
        read_config(written(tmp_path, TEXT + slip + "\n"))
    assert "bidl-config" == found.value.code
    assert meant in found.value.diagnostics[0].help
    assert (TEXT + slip).count("\n") + 1 == found.value.diagnostics[0].loc.line


def test_dictionaries_are_joined_and_lists_repeated_as_configurations_do(tmp_path):
    text = "norm = dict(mean=[1.0], std=[2.0])\npad = ['constant'] * 4\n"
    text += "data = [dict(type='Normalize', **norm), pad]\n"
    found = read_config(written(tmp_path, TEXT + text))
    assert ("norm", "pad", "data") == found.unused[-3:]


def test_names_may_be_assigned_anew(tmp_path):
    text = "data = [1]\npad = [data]\ndata = [pad]\n"
    assert ("data", "pad") == read_config(written(tmp_path, TEXT + text)).unused[-2:]


def test_other_python_files_are_no_configurations(tmp_path):
    assert not is_config(written(tmp_path, "def build():\n    return 1\n"))
    assert not is_config(written(tmp_path, "model = ("))
    assert not is_config(tmp_path / "none.py")
