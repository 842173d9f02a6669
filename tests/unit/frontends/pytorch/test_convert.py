"""ReLU networks become spiking ones: as sinabs' from_model does, and close to their activations."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra `torch`)")

from torch import nn

import snnc
from tests.unit.frontends.pytorch.agreement import busy, refused, torch, values


def seed_network():
    """The network of DYNAP-CNN's introduction, narrower."""
    torch.manual_seed(0)
    return busy(
        nn.Sequential(
            nn.Conv2d(1, 4, 5, 1, bias=False),
            nn.ReLU(),
            nn.AvgPool2d(2, 2),
            nn.Conv2d(4, 6, 5, 1, bias=False),
            nn.ReLU(),
            nn.AvgPool2d(2, 2),
            nn.Flatten(),
            nn.Linear(96, 20, bias=False),
            nn.ReLU(),
            nn.Linear(20, 10, bias=False),
        ),
        2.0,
    )


def pictures(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((count, 1, 28, 28), generator=generator)


@pytest.mark.parametrize("spiking_output", [False, True])
def test_the_conversion_is_that_of_sinabs_spike_for_spike(spiking_output):
    from_torch = pytest.importorskip("sinabs.from_torch", reason="sinabs is not installed")
    ticks, samples = 32, 8
    ann = seed_network()
    snn = from_torch.from_model(
        ann, num_timesteps=ticks, add_spiking_output=spiking_output
    ).spiking_model.eval()
    events = (pictures(samples * ticks) < 0.3).float()
    with torch.no_grad():
        theirs = snn(events).reshape(samples, ticks, 10).numpy()
    module = snnc.load(ann, sample=events[:2], convert=True, spiking_output=spiking_output)
    x = events.reshape(samples, ticks, 1, 28, 28).numpy().astype("uint8")
    (ours,) = snnc.run(module, {"input": x}).outputs.values()
    assert 0 < (ours != 0).mean()
    if spiking_output:
        assert (ours == theirs).all()
    else:
        assert np.allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_average_pools_become_sum_pools_with_their_divisor_in_the_weights():
    ann = seed_network()
    module = snnc.load(ann, sample=pictures(2), convert=True)
    kinds = [op.kind for op in module.graph.ops]
    assert kinds.count("sum_pool2d") == 2
    assert "avg_pool2d" not in kinds
    conv = [op for op in module.graph.ops if op.kind == "conv2d"][1]
    assert np.allclose(module.tensor(conv.symbols[0]), ann[3].weight.detach().numpy() / 4)


def test_normalized_on_data_rates_come_close_to_activations():
    ann = seed_network()
    data = pictures(64, seed=3)
    module = snnc.load(
        ann,
        sample=data[:2],
        convert=True,
        normalize_on=data,
        percentile=99.5,
        spike="single",
        encode="direct",
    )
    assert "f32[1, 28, 28]" == str(module.graph.inputs[0].type)
    x = pictures(16, seed=4)
    (out,) = snnc.run(module, {"input": x.numpy()}, ticks=200).outputs.values()
    with torch.no_grad():
        wanted = ann(x).numpy()
    got = out.mean(axis=1)
    assert np.abs(got - wanted).mean() < 0.1 * np.abs(wanted).mean()


def test_a_poisson_encoder_gives_spikes_to_the_first_layer():
    module = snnc.load(seed_network(), sample=pictures(2), convert=True, encode="poisson", seed=7)
    first = module.graph.ops[0]
    assert ("poisson", 7) == (first.kind, first["seed"])
    assert "u1[1, 28, 28]~" == str(first.result.type)


def test_every_output_gets_neurons_of_its_own():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(6, 8), nn.Linear(8, 3), nn.Linear(8, 2)

        def forward(self, x):
            y = torch.relu(self.a(x))
            return self.b(y), self.c(y)

    data = values(32, 6)
    options = {"convert": True, "spiking_output": True, "normalize_on": data, "encode": "direct"}
    module = snnc.load(busy(Two(), 2.0), sample=data[:2], **options)
    assert [(3,), (2,)] == [v.type.shape for v in module.graph.outputs]
    assert ["neuron"] * 2 == [o.kind for o in module.graph.ops if o.result in module.graph.outputs]
    levels = [o["threshold"] for o in module.graph.ops if o.kind == "neuron"]
    assert len(set(levels)) == 3


def test_a_spiking_network_stays_as_it_is_behind_an_encoder():
    neuron = pytest.importorskip("spikingjelly.activation_based.neuron", reason="not installed")
    network = busy(nn.Sequential(nn.Linear(6, 5), neuron.IFNode(), nn.Linear(5, 2)))
    plain = snnc.load(network, sample=values(2, 6))
    behind = snnc.load(network, sample=values(2, 6), encode="poisson", seed=3)
    assert ["poisson", *(o.kind for o in plain.graph.ops)] == [o.kind for o in behind.graph.ops]
    assert "f32[6]" == str(behind.graph.inputs[0].type)


def test_a_network_without_relu_is_not_converted():
    found = refused(
        "conversion-network", nn.Sequential(nn.Linear(4, 3)).eval(), values(2, 4), convert=True
    )
    assert "has no ReLU" in found.message


@pytest.mark.parametrize("data", ["constant", "empty"])
def test_data_that_says_nothing_is_refused(data):
    network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval()
    network[0].bias.data.fill_(-5)
    code = "conversion-data" if data == "constant" else "sample-type"
    given = torch.zeros(4, 4) if data == "constant" else torch.zeros(0, 4)
    refused(code, network, values(2, 4), convert=True, normalize_on=given)


def test_residual_relu_networks_are_converted():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)

        def forward(self, x):
            y = torch.relu(self.a(x))
            return self.c(torch.relu(self.b(y) + y))

    network = busy(Residual(), 2.0)
    data = values(64, 6)
    module = snnc.load(network, sample=data[:2], convert=True, normalize_on=data, encode="direct")
    (out,) = snnc.run(module, {"x": data.numpy()}, ticks=400).outputs.values()
    wanted = network(data).detach().numpy()
    assert np.abs(out.mean(axis=1) - wanted).max() < 0.1
