"""Configurations of BIDL become networks: whole, in slices, and with classes of a user's file."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.diagnostics import SnncError
from snnc.targets.lynxi.artifact.assemble import to_artifact
from snnc.targets.lynxi.devices.pipeline import run_matrix
from snnc.targets.lynxi.devices.slices import cut
from snnc.targets.lynxi.emulate import Emulator

torch = pytest.importorskip("torch")

from snnc.frontends.bidl.backbones import backbone  # noqa: E402

ROOT = Path(__file__).resolve().parents[4]
PART = (
    "dict(backbone=dict(type='ResNetLifItout_MP', depth=10, nclass=3, timestep=4,"
    " input_channels=1, stem_channels=4, base_channels=4, down_t=[1, 'avg'],"
    " soma_params='channel_share', split={}))"
)
SLICES = (
    "models_compile_inputshape = [[1, 1, 32, 32], [1, 8, 4, 4]]\n"
    f"model_0 = {PART.format([0, 2])}\nmodel_1 = {PART.format([2, 4])}\n"
    "lynxi_devices = [[0, 1], [2, 3]]\nlog_level = 'INFO'\n"
)


def written(tmp_path, text, name="net_itout-b1x1-data.py"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_slices_are_one_network_that_knows_where_it_is_cut(tmp_path):
    path = written(tmp_path, SLICES)
    torch.manual_seed(2)
    module = snnc.load(path)
    told = (module.attrs["devices"], module.attrs["cuts"], module.attrs["unused"])
    assert (((0, 1), (2, 3)), ("model_0",), ("log_level",)) == told
    build = snnc.compile(module, target="lynxi")
    (cut,) = (op for op in build.placed.graph.ops if op.result.name == "model_0")
    assert (1, 8, 4, 4) == cut.result.type.shape


def test_a_slice_alone_takes_its_own_input_and_part_of_the_weights(tmp_path):
    path = written(tmp_path, SLICES)
    torch.manual_seed(2)
    options = {"depth": 10, "nclass": 3, "timestep": 4, "input_channels": 1}
    options |= {"stem_channels": 4, "base_channels": 4, "soma_params": "channel_share"}
    whole = backbone("ResNetLifItout", **options)
    torch.save({"state_dict": {f"backbone.{n}": t for n, t in whole.state_dict().items()}},
               tmp_path / "latest.pth")  # fmt: skip
    given = {"checkpoint": str(tmp_path / "latest.pth")}
    parts = [snnc.compile(snnc.load(path, slice=n, **given), target="lynxi") for n in range(2)]
    x = np.random.default_rng(0).random((1, 4, 1, 32, 32), dtype=np.float32) * 3
    between = parts[0].run(x).outputs["out"]
    assert (1, 4, 8, 4, 4) == between.shape
    joined = snnc.compile(snnc.load(path, **given), target="lynxi")
    np.testing.assert_array_equal(
        joined.run(x).outputs["out"], parts[1].run(between.astype(np.float32)).outputs["out"]
    )


def settled(tmp_path, depth):
    """A checkpoint whose norms let neurons fire."""
    torch.manual_seed(2)
    options = {"nclass": 3, "timestep": 4, "input_channels": 1, "stem_channels": 4}
    network = backbone("ResNetLifItout", depth=depth, base_channels=4, **options,
                       soma_params="channel_share")  # fmt: skip
    for module in network.modules():
        if hasattr(module, "running_mean"):
            module.running_mean.uniform_(-0.4, -0.2)
            module.running_var.uniform_(0.02, 0.07)
    torch.save(network.state_dict(), tmp_path / "net.pkl")
    return str(tmp_path / "net.pkl")


@pytest.mark.parametrize("depth", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_every_matrix_of_a_residual_network_gives_what_one_device_gives(depth, tmp_path):
    blocks = {10: ("[0, 2]", "[2, 4]"), 50: ("[0, 6]", "[6, 16]")}[depth]
    text = SLICES.replace("depth=10", f"depth={depth}")
    for old, new in zip(("[0, 2]", "[2, 4]"), blocks, strict=True):
        text = text.replace(f"split={old}", f"split={new}")
    module = snnc.load(written(tmp_path, text), checkpoint=settled(tmp_path, depth))
    build = snnc.compile(module, target="lynxi")
    x = {"x": np.random.default_rng(1).random((1, 10, 1, 32, 32), dtype=np.float32) * 3}
    whole = build.run(x)
    slices = [Emulator.of(to_artifact(m)) for m in cut(build.placed, module.attrs["cuts"])]
    states = [len(s.flags) // 2 for s in slices]
    assert {10: [5, 5], 50: [19, 31]}[depth] == states
    assert whole.outputs["out"].std() > 0
    for times in range(1, 6):
        actual = run_matrix(slices, times, x, 10)
        np.testing.assert_array_equal(whole.outputs["out"], actual["out"])


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (SLICES.replace("[2, 4]", "[3, 4]"), {}),
        (SLICES.replace("[2, 4]", "None"), {}),
        (SLICES.replace("nclass=3", "nclass=4", 1), {}),
        (SLICES, {"slice": 2}),
        (SLICES.replace(", [1, 8, 4, 4]]", "]"), {"slice": 1}),
        (SLICES.partition("\n")[2], {}),
    ],
)
def test_slices_that_are_no_network_are_refused(text, options, tmp_path):
    with pytest.raises(SnncError) as found:
        snnc.load(written(tmp_path, text), **options)
    assert "bidl-config" == found.value.code


def test_the_number_of_steps_of_an_inner_loop_is_that_of_the_configuration(tmp_path):
    text = (
        "model = dict(backbone=dict(type='SeqClif3Fc3DmIt', timestep=3, input_channels=1, h=8,"
        " w=8, nclass=2, it_batch=32))\n"
    )
    module = snnc.load(written(tmp_path, text))
    assert ["f32[3, 1, 8, 8]~"] == [str(v.type) for v in module.graph.inputs]
    with pytest.raises(SnncError) as found:
        snnc.load(written(tmp_path, text.replace("timestep=3, ", "")))
    assert "T,1,C,H,W" in found.value.diagnostics[0].help


GUIDE = """import torch as pt
import torch.nn as nn
from torch.nn import Flatten
import sys
sys.path.append("../")
from layers.lif import Conv2dLif
from layers.gradient_approx import *
from lynadapter.warp_load_save import load_kernel, save_kernel
from utils import globals
globals._init()

"""
"""What a file with a network of BIDL imports."""

CONFIG = (
    "model = dict(type='ImageClassifier', backbone=dict(type='SeqClif3Fc3DmItout', timestep=4,"
    " {}nclass=3, cmode='{}', amode='mean', noise=0, soma_params='all_share', neuron='lif',"
    " neuron_config=None), neck=None)\n"
)


def guide_class():
    """The network of BIDL's guide, where the guide lies beside the repository."""
    found = sorted((ROOT.parent / "shared/seeds").glob("001_*.txt"))
    if not found:
        pytest.skip("the guide does not lie beside the repository")
    text = found[0].read_text()
    body = re.search(r"\n   (class SeqClif3Fc3DmItout.*?)\nImport the custom", text, re.DOTALL)
    return re.sub(r"(?m)^   ", "", body[1])


@pytest.mark.parametrize("cmode", ["spike", "analog"])
@pytest.mark.parametrize("options", [{}, {"fit": True}, {"multinet": True}])
def test_the_network_of_the_guide_is_taken_as_it_is(cmode, options, tmp_path):
    sides = "input_channels=1, h=8, w=8, "
    path = written(tmp_path, CONFIG.format(sides, cmode))
    file = written(tmp_path, GUIDE + guide_class(), "backbone.py")
    loaded, before = dict(sys.modules), list(sys.path)
    torch.manual_seed(1)
    theirs = snnc.load(
        path, backbone=f"{file}:SeqClif3Fc3DmItout", input_shape="1,1,8,8", **options
    )
    torch.manual_seed(1)
    ours = snnc.load(path, **options)
    assert not [n for n in sys.modules if n not in loaded and "layers" in n and "snnc" not in n]
    assert before == sys.path
    x = np.random.default_rng(3).random((1, 4, 1, 8, 8), dtype=np.float32) * 3
    builds = [snnc.compile(m, target="lynxi") for m in (ours, theirs)]
    flags = [sorted(op["flag"] for op in b.placed.ops("annotation.load")) for b in builds]
    assert flags[0] == flags[1]
    looked = {op["uselookup"] for b in builds for op in b.placed.ops("annotation.load")}
    assert {int(bool(options.get("multinet")))} == looked
    a, b = (build.run(x).outputs["out"] for build in builds)
    np.testing.assert_array_equal(a, b)


def test_packages_of_a_user_keep_their_names(tmp_path):
    (tmp_path / "utils.py").write_text("answer = 42\n")
    text = (
        "from torch import nn\nfrom layers.lif import FcLif\nfrom utils import answer\n"
        "class Net(FcLif):\n    one_step = True\n"
        "    def __init__(self, nclass):\n"
        "        super().__init__(answer - 38, nclass)\n"
    )
    written(tmp_path, text, "own.py")
    path = written(tmp_path, "model = dict(backbone=dict(type='Net', nclass=3))\n")
    module = snnc.load(path, backbone=f"{tmp_path / 'own.py'}:Net", input_shape="1,4")
    assert ["f32[4]~"] == [str(v.type) for v in module.graph.inputs]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("SeqClif3Fc3DmItout", "SeqClif3Fc3DmItoot", "bidl-backbone"),
        ("nclass", "nclas", "bidl-option"),
        ("neuron_config=None", "neuron_config=[3] * 6, neuron='lifplus'", "bidl-neuron"),
        ("input_channels=1, ", "", "bidl-config"),
        ("timestep=4", "timestep=0", "bidl-option"),
        ("timestep=4", "timestep=True", "bidl-option"),
        ("timestep=4", "timestep=2.5", "bidl-option"),
        ("timestep=4", "timestep=16777217", "bidl-option"),
        ("Itout', timestep=4", "It', timestep=-3", "bidl-option"),
        ("Itout', timestep=4", f"It', timestep={10**60}", "bidl-option"),
        ("Itout', timestep=4", "It', timestep=16777216", "bidl-config"),
    ],
)
def test_faults_of_a_configuration_point_at_its_line(old, new, code, tmp_path):
    text = CONFIG.format("input_channels=1, h=8, w=8, ", "spike").replace(", neuron='lif'", "")
    path = written(tmp_path, "log_level = 'INFO'\n" + text.replace(old, new))
    with pytest.raises(SnncError) as found:
        snnc.load(path)
    first = found.value.diagnostics[0]
    assert (code, 2) == (first.code, first.loc.line)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("own.py:Nat", "source-function"),
        ("own.py", "source-function"),
        ("none.py:Net", "source-failed"),
        ("own.py:Net", "source-failed"),
    ],
)
def test_classes_that_are_not_there_are_refused(name, code, tmp_path):
    written(tmp_path, "class Net:\n    def __init__(self):\n        pass\n", "own.py")
    path = written(tmp_path, "model = dict(backbone=dict(type='Net', nclass=3))\n")
    with pytest.raises(SnncError) as found:
        snnc.load(path, backbone=str(tmp_path / name), input_shape="1,4")
    assert code == found.value.code
