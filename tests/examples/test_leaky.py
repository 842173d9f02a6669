"""The leaky networks are what the frameworks compute; subtractive-leak brings them to the chip."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import snnc

torch = pytest.importorskip("torch", reason="torch is not installed (extra `torch`)")

MNIST = Path(__file__).resolve().parents[2] / "examples" / "mnist"
PIPELINE = "clean,fold-norm,subtractive-leak,quantize{bits=8},clean,@paicore"
SHOWN = 40


def snntorch():
    module = pytest.importorskip("snntorch", reason="snntorch is not installed")
    return "leaky", "mnist_leaky", lambda: module.Leaky(beta=0.9, init_hidden=True)


def spikingjelly():
    name = "spikingjelly.activation_based.neuron"
    pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")
    return "lif", "mnist_lif", lambda: importlib.import_module(name).LIFNode(tau=2.0)


@pytest.fixture(params=[snntorch, spikingjelly], ids=lambda f: f.__name__)
def both(request):
    """Our network, the framework's with the same weights, trains of test images, and labels."""
    network, file, made = request.param()
    weights = load_file(str(MNIST / f"{file}.safetensors"))
    linear = [torch.nn.Linear(n, m, bias=False) for n, m in ((784, 256), (256, 10))]
    for layer, name in zip(linear, ("fc1.weight", "fc2.weight"), strict=True):
        layer.weight.data = torch.from_numpy(weights[name])
    theirs = torch.nn.Sequential(linear[0], made(), linear[1], made()).eval()
    with np.load(MNIST / "test1000.npz", allow_pickle=False) as archive:
        images, labels = archive["images"][:SHOWN], archive["labels"][:SHOWN]
    ours = snnc.load(MNIST / f"{network}.snnl")
    given = {"image": (images / np.float32(255)).astype(np.float32)}
    result = snnc.run(ours, given, ticks=16, probe=["spikes"])
    spikes = result.trace["spikes"].reshape(SHOWN, 16, 784)
    return result.outputs["digit"], theirs, spikes, labels


def test_the_network_of_the_example_is_the_framework_s(both):
    ours, theirs, spikes, _ = both
    trains = torch.from_numpy(spikes.astype(np.float32))
    with torch.no_grad():
        expected = torch.stack([theirs(trains[:, tick]) for tick in range(16)], dim=1).numpy()
    np.testing.assert_array_equal(ours, expected)


def test_the_framework_s_network_reaches_the_chip(both):
    _, theirs, spikes, labels = both
    module = snnc.load(theirs, sample=torch.from_numpy(spikes[:2, 0].astype(np.float32)))
    (name,) = (value.name for value in module.graph.inputs)
    calibration = {name: spikes, "labels": labels}
    build = snnc.compile(module, "paicore", pipeline=PIPELINE, calibrate=calibration)
    told = build.manifest["report"]["subtractive-leak"]["accuracy"]
    assert told["before"]["right"] - told["after"]["right"] <= 1
    assert build.verify({name: spikes[:4]}).equal


def test_snntorch_s_default_reset_reaches_the_chip_exactly():
    """Integers fire above their thresholds, not at them; ties are frequent."""
    module = pytest.importorskip("snntorch", reason="snntorch is not installed")
    torch.manual_seed(0)
    linear = [torch.nn.Linear(n, m, bias=False) for n, m in ((20, 30), (30, 6))]
    for layer in linear:
        layer.weight.data = torch.randint(-7, 8, layer.weight.shape).float()
    leaky = [module.Leaky(beta=1.0, threshold=t, init_hidden=True) for t in (9.0, 6.0)]
    theirs = torch.nn.Sequential(linear[0], leaky[0], linear[1], leaky[1]).eval()
    trains = (torch.rand(5, 32, 20) < 0.4).float()
    ours = snnc.load(theirs, sample=trains[:, 0])
    with torch.no_grad():
        expected = torch.stack([theirs(trains[:, tick]) for tick in range(32)], dim=1).numpy()
    (name,) = (value.name for value in ours.graph.inputs)
    build = snnc.compile(ours, "paicore", bits=4)
    (actual,) = build.run({name: trains.numpy().astype(np.uint8)}).outputs.values()
    np.testing.assert_array_equal(actual, expected)
    assert build.verify({name: trains.numpy().astype(np.uint8)}).equal
