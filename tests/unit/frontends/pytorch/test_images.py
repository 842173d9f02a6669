"""Real pictures, as spikes and as numbers, through a convolutional network of each framework."""

import importlib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra `torch`)")

from torch import nn

import snnc
from tests.unit.frontends.pytorch.agreement import agree, busy, needed, torch

TICKS, SAMPLES = 32, 8
DATA = Path(__file__).parents[4] / "examples" / "mnist" / "test1000.npz"


def pictures():
    with np.load(DATA, allow_pickle=False) as archive:
        images = archive["images"][:SAMPLES]
    return torch.from_numpy(images.astype("float32") / 255)[:, None]


def trains():
    """Return Bernoulli spikes of the pictures, (ticks, samples, 1, 28, 28)."""
    generator = torch.Generator().manual_seed(5)
    draws = torch.rand((TICKS, SAMPLES, 1, 28, 28), generator=generator)
    return (draws < pictures()[None]).float()


def network(make):
    return busy(
        nn.Sequential(
            nn.Conv2d(1, 4, 5, stride=2, bias=False),
            nn.BatchNorm2d(4),
            make(),
            nn.AvgPool2d(2),
            nn.Conv2d(4, 8, 3),
            make(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(32, 10),
            make(),
        ),
        2.0,
    )


@pytest.mark.parametrize("how", ["spikes", "numbers"])
@pytest.mark.parametrize("framework", ["spikingjelly", "snntorch", "sinabs"])
def test_pictures_give_the_frameworks_spikes(framework, how):
    x = trains() if how == "spikes" else pictures()[None].repeat(TICKS, 1, 1, 1, 1)
    if framework == "spikingjelly":
        neuron = needed("spikingjelly.activation_based.neuron")
        agree(network(lambda: neuron.LIFNode(tau=2.0, v_threshold=0.25)), x)
    elif framework == "snntorch":
        needed("snntorch")
        snn = importlib.import_module("snntorch")
        agree(network(lambda: snn.Leaky(beta=0.9, threshold=0.5, init_hidden=True)), x)
    else:
        sl = needed("sinabs.layers")
        make = lambda: sl.LIFSqueeze(  # noqa: E731
            tau_mem=10.0, spike_threshold=torch.tensor(0.1), num_timesteps=TICKS
        )
        own = network(make)
        reset = lambda n: [m.reset_states() for m in n if isinstance(m, sl.StatefulLayer)]  # noqa: E731
        agree(own, x, "merged", prepare=reset)


def test_pictures_give_norses_spikes():
    norse = needed("norse.torch")
    layers = busy(network(lambda: norse.LIFCell(dt=0.004)), 4.0)
    own = norse.SequentialState(*layers).eval()
    x = trains()
    module = snnc.load(own, sample=x[0])
    state, theirs = None, []
    with torch.no_grad():
        for one in x:
            y, state = own(one, state)
            theirs.append(y)
    inputs = {"input_tensor": x.transpose(0, 1).numpy().astype("uint8")}
    ours = snnc.run(module, inputs).outputs["9"]
    want = torch.stack(theirs, 1).numpy()
    assert 0 < want.mean()
    assert (ours == want).all()
