"""sinabs' layers, spike for spike: counts of several spikes too."""

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra `torch`)")
pytest.importorskip("sinabs.layers", reason="sinabs is not installed")

import sinabs.activation as sina
import sinabs.layers as sl
from torch import nn

from tests.unit.frontends.pytorch.agreement import (
    SAMPLES,
    TICKS,
    agree,
    busy,
    refused,
    spikes,
    torch,
    values,
)

LAYERS = {
    "iaf": lambda: sl.IAF(),
    "iaf-single": lambda: sl.IAF(spike_fn=sina.SingleSpike),
    "iaf-hard": lambda: sl.IAF(spike_fn=sina.SingleSpike, reset_fn=sina.MembraneReset()),
    "iaf-floor": lambda: sl.IAF(min_v_mem=-1.0, spike_threshold=torch.tensor(0.7)),
    "iaf-max": lambda: sl.IAF(spike_fn=sina.MaxSpike(2)),
    "iaf-subtract": lambda: sl.IAF(reset_fn=sina.MembraneSubtract(0.5)),
    "lif": lambda: sl.LIF(tau_mem=5.0),
    "lif-not-normed": lambda: sl.LIF(tau_mem=5.0, norm_input=False),
    "lif-current": lambda: sl.LIF(tau_mem=5.0, tau_syn=3.0, norm_input=False),
    "lif-alphas": lambda: sl.LIF(tau_mem=4.0, train_alphas=True, norm_input=False),
    "lif-per-neuron": lambda: sl.LIF(tau_mem=torch.tensor([2.0, 4.0, 8.0, 3.0, 5.0])),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_every_layer_spikes_as_in_sinabs(kind):
    network = busy(nn.Sequential(nn.Linear(12, 5), LAYERS[kind]()), 9.0)
    agree(network, values(TICKS, SAMPLES, 12), "BT", prepare=_fresh)


def _fresh(network):
    for module in network.modules():
        if isinstance(module, sl.StatefulLayer):
            module.reset_states()


@pytest.mark.parametrize("fixed", ["num_timesteps", "batch_size"])
def test_a_squeezed_convolutional_network_spikes_as_in_sinabs(fixed):
    size = {"num_timesteps": TICKS} if fixed == "num_timesteps" else {"batch_size": 2}
    network = busy(
        nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1, bias=False),
            sl.IAFSqueeze(min_v_mem=-1.0, **size),
            sl.SumPool2d(2),
            nn.Conv2d(4, 6, 3),
            nn.BatchNorm2d(6),
            sl.LIFSqueeze(tau_mem=10.0, **size),
            nn.AvgPool2d(2),
            nn.Dropout(0.3),
            nn.Flatten(),
            nn.Linear(6, 5),
            sl.IAFSqueeze(spike_threshold=0.25, **size),
        )
    )
    samples = SAMPLES if fixed == "num_timesteps" else 2
    module = agree(network, spikes(TICKS, samples, 2, 8, 8), "merged", prepare=_fresh)
    assert "u1[2, 8, 8]~" == str(module.graph.inputs[0].type)
    assert 1 == len([o for o in module.graph.ops if o.kind == "sum_pool2d"])


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.s1 = nn.Conv2d(2, 2, 3, padding=1), sl.IAFSqueeze(num_timesteps=TICKS)
        self.conv2, self.s2 = nn.Conv2d(2, 2, 3, padding=1), sl.IAFSqueeze(num_timesteps=TICKS)
        self.merge = sl.Merge()

    def forward(self, x):
        y = self.s1(self.conv1(x))
        return self.merge(self.s2(self.conv2(y)), y)


def test_merged_branches_agree():
    network = busy(Residual())
    agree(network, spikes(TICKS, SAMPLES, 2, 5, 5), "merged", prepare=_fresh)


@pytest.mark.parametrize("layer", [sl.IAFRecurrent, sl.LIFRecurrent])
def test_recurrent_layers_feed_back_a_tick_later(layer):
    extra = {} if layer is sl.IAFRecurrent else {"tau_mem": 5.0}
    torch.manual_seed(3)
    network = busy(nn.Sequential(nn.Linear(6, 4), layer(rec_connect=nn.Linear(4, 4), **extra)))
    agree(network, values(TICKS, SAMPLES, 6), "BT", prepare=_fresh)


def test_a_leak_layer_gives_its_potential():
    import snnc

    network = busy(nn.Sequential(nn.Linear(6, 4), sl.IAF(), nn.Linear(4, 3), sl.ExpLeak(4.0)))
    x = values(SAMPLES, TICKS, 6)
    module = snnc.load(network, sample=x)
    assert "3.potential" == module.graph.outputs[0].name
    ours = snnc.run(module, {"input": x.numpy()}).outputs["3.potential"]
    _fresh(network)
    assert abs(network(x).detach().numpy() - ours).max() < 1e-5


def test_an_adaptive_layer_is_refused_with_its_path_and_why():
    network = nn.Sequential(nn.Linear(4, 4), sl.ALIF(tau_mem=5.0, tau_adapt=5.0)).eval()
    found = refused("unsupported-layer", network, values(2, 4, 4))
    assert found.message.startswith("1 (sinabs.ALIF): its threshold adapts")


def test_a_reset_that_adds_to_silent_neurons_is_refused():
    layer = sl.IAF(reset_fn=sina.MembraneReset(0.1))
    found = refused("unsupported-layer", nn.Sequential(layer).eval(), values(2, 4, 4))
    assert "adds its value to silent neurons" in found.message


def test_rows_that_are_not_whole_samples_are_refused():
    network = nn.Sequential(nn.Linear(4, 4), sl.IAFSqueeze(num_timesteps=5)).eval()
    found = refused("sample-shape", network, values(15, 4)[:12])
    assert "12 rows" in found.message
