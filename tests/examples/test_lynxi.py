"""The tutorial's network of Lynxi: trained with its gradient, and accurate through the emulator."""

import importlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file

from snnc.cli.app import app

torch = pytest.importorskip("torch", reason="torch is not installed (extra `torch`)")

train = importlib.import_module("examples.lynxi.train")
OneStep = train.OneStep

EXAMPLES = Path(__file__).parents[2] / "examples"
WEIGHTS = EXAMPLES / "lynxi" / "tutorial.safetensors"


INFORMATIONS = """\
######## model informations ########
batchsize: 28
inputnum: 1
inputshape: [[1, 1, 28, 28]]
inputdatalen: 3136
inputdatatype: lyn_data_type_t.DT_FLOAT
outputnum: 1
outputshape: [[1, 10]]
outputdatalen: 40
outputdatatype: lyn_data_type_t.DT_FLOAT
####################################
"""


def test_the_weights_are_those_of_the_network():
    found = {name: array.shape for name, array in load_file(str(WEIGHTS)).items()}
    wanted = {name: tuple(t.shape) for name, t in OneStep().state_dict().items()}
    assert wanted == found
    assert 669_706 == sum(t.numel() for t in OneStep().parameters() if t.requires_grad)


def test_the_emulated_files_are_as_accurate_as_the_example_says():
    words = ["sweep", f"{EXAMPLES / 'lynxi' / 'tutorial.py'}:build", "--checkpoint", WEIGHTS]
    words += ["--set", "seed=0", "-t", "lynxi", "--grid", "profile=f32,f16", "--json"]
    words += ["--data", EXAMPLES / "mnist" / "test1000.npz", "--scale", 255, "--limit", 200]
    found = CliRunner().invoke(app, [str(word) for word in (*words, "--ticks", 20, "--hold")])
    rows = json.loads(found.stdout)
    assert [200, 200] == [row["samples"] for row in rows]
    assert all(row["correct"] >= 190 for row in rows)


def test_inspect_prints_what_the_tutorial_prints(tmp_path):
    def call(*words):
        return CliRunner().invoke(app, [str(word) for word in words]).stdout

    call(
        "compile",
        f"{EXAMPLES / 'lynxi' / 'tutorial.py'}:build",
        "-t",
        "lynxi",
        "--batch",
        28,
        "-o",
        tmp_path / "graph",
    )
    assert call("inspect", tmp_path / "graph").startswith(INFORMATIONS)


class Act(torch.autograd.Function):
    """The tutorial's spike: a step, and a window of width 1 for a gradient."""

    @staticmethod
    def forward(ctx, v, vth):
        ctx.save_for_backward(v)
        ctx.vth = vth
        return v.gt(vth).float()

    @staticmethod
    def backward(ctx, grad):
        (v,) = ctx.saved_tensors
        return grad * ((v - ctx.vth).abs() < 0.5).float() / 1.0, None


def step_by_step(net, draws):
    """Return mean spikes as the tutorial computes them: all layers of a step, then the next."""
    sizes = (net.channel, net.channel, net.classes)
    mems, total = [torch.zeros(1, n) for n in sizes], 0
    for spikes in draws:
        for k, operator in enumerate((net.linear_1, net.linear_2, net.linear_3)):
            last = Act.apply(mems[k], net.vth)
            mems[k] = mems[k] * (1 - last) * net.decay + operator(spikes)
            spikes = Act.apply(mems[k], net.vth)
        total = total + spikes
    return total / len(draws)


def layer_by_layer(net, draws):
    for operator in (net.linear_1, net.linear_2, net.linear_3):
        draws = train.layer(operator, draws, net)
    return draws.mean(0)


def test_a_layer_over_all_steps_has_the_spikes_and_the_gradient_of_step_by_step():
    torch.manual_seed(1)
    net = OneStep(size=8, channel=32, on_apu=False)
    draws = torch.bernoulli(torch.rand(6, 64).expand(12, 6, 64))
    labels, shares, gradients = torch.randint(0, 10, (6,)), [], []
    for way in (step_by_step, layer_by_layer):
        net.zero_grad()
        shares.append(way(net, draws))
        torch.nn.functional.cross_entropy(shares[-1], labels).backward()
        gradients.append([p.grad.clone() for p in net.parameters() if p.requires_grad])
    assert torch.equal(*shares)
    assert shares[0].any()
    for one, other in zip(*gradients, strict=True):
        assert one.any()
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-7)


def test_training_takes_the_rates_in_turn_and_keeps_the_weights(tmp_path, monkeypatch, capsys):
    pictures, labels = torch.rand(40, 1, 28, 28), torch.arange(40) % 10
    monkeypatch.setattr(train, "labelled", lambda folder, part: (pictures, labels))
    monkeypatch.setattr(train, "BATCH", 20)
    train.train(tmp_path, (1, 0, 1), tmp_path / "w.safetensors")
    told = capsys.readouterr().out.splitlines()
    assert ["epoch 0, rate 0.02", "epoch 1, rate 0.0002"] == [t.partition(":")[0] for t in told]
    assert set(OneStep().state_dict()) == set(load_file(str(tmp_path / "w.safetensors")))
