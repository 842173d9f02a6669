"""SpikingJelly's layers, spike for spike."""

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra `torch`)")
pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")

from spikingjelly.activation_based import functional, layer, neuron
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

NODES = {
    "if": lambda: neuron.IFNode(),
    "if-soft": lambda: neuron.IFNode(v_reset=None),
    "if-reset-to": lambda: neuron.IFNode(v_threshold=0.8, v_reset=-0.2),
    "lif": lambda: neuron.LIFNode(tau=2.0),
    "lif-soft": lambda: neuron.LIFNode(tau=3.0, v_reset=None),
    "lif-input-whole": lambda: neuron.LIFNode(tau=2.5, decay_input=False),
    "lif-reset-to": lambda: neuron.LIFNode(tau=2.0, v_reset=0.1),
    "plif": lambda: neuron.ParametricLIFNode(init_tau=2.3),
    "cuba": lambda: neuron.CUBALIFNode(),
}


def mlp(make):
    return busy(
        nn.Sequential(layer.Linear(12, 20), make(), layer.Linear(20, 6, bias=False), make()),
        6.0,
    )


@pytest.mark.parametrize("mode", ["s", "m"])
@pytest.mark.parametrize("node", NODES)
def test_every_neuron_spikes_as_in_spikingjelly(node, mode):
    network = mlp(NODES[node])
    functional.set_step_mode(network, mode)
    order = "step" if mode == "s" else "TB"
    agree(network, values(TICKS, SAMPLES, 12), order)


def convolutional():
    return busy(
        nn.Sequential(
            layer.Conv2d(2, 4, 3, padding=1, bias=False),
            layer.BatchNorm2d(4),
            neuron.IFNode(v_threshold=0.7),
            layer.MaxPool2d(2, 2),
            layer.Conv2d(4, 6, 3, stride=2, padding=1, groups=2),
            neuron.LIFNode(tau=2.0, v_threshold=0.5),
            layer.AvgPool2d(2, 2),
            layer.Dropout(0.5),
            layer.Flatten(),
            layer.Linear(6, 5),
            neuron.IFNode(v_threshold=0.3, v_reset=None),
        )
    )


@pytest.mark.parametrize("mode", ["s", "m"])
def test_convolutions_pools_and_norms_spike_as_in_spikingjelly(mode):
    network = convolutional()
    functional.set_step_mode(network, mode)
    module = agree(network, spikes(TICKS, SAMPLES, 2, 8, 8), "step" if mode == "s" else "TB")
    assert "u1[2, 8, 8]~" == str(module.graph.inputs[0].type)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = layer.Conv2d(2, 2, 3, padding=1)
        self.bn1 = layer.BatchNorm2d(2)
        self.sn1 = neuron.IFNode(v_threshold=0.6)
        self.conv2 = layer.Conv2d(2, 2, 3, padding=1)
        self.sn2 = neuron.IFNode(v_threshold=0.6)
        self.head = layer.Linear(32, 4)
        self.sn3 = neuron.LIFNode(tau=2.0, v_threshold=0.4)
        functional.set_step_mode(self, "m")

    def forward(self, x):
        y = self.sn1(self.bn1(self.conv1(x)))
        z = self.sn2(self.conv2(y)) + y
        return self.sn3(self.head(z.flatten(2))).mean(0)


def test_residual_branches_and_a_rate_read_out_agree():
    module = agree(busy(Residual()), spikes(TICKS, SAMPLES, 2, 4, 4), "TB")
    readout = module.attrs["readout"]
    assert {"sn3": {"over_time": "sum", "factor": 1 / TICKS}} == readout


class Repeating(nn.Module):
    """Every tick sees the same picture; the rates are the answer."""

    def __init__(self):
        super().__init__()
        self.fc1, self.sn1 = nn.Linear(10, 16), neuron.LIFNode(tau=2.0)
        self.fc2, self.sn2 = nn.Linear(16, 4), neuron.IFNode()

    def forward(self, x):
        total = 0.0
        for _ in range(TICKS):
            total = total + self.sn2(self.fc2(self.sn1(self.fc1(x))))
        return total / TICKS


def test_a_loop_over_the_same_picture_becomes_one_input_without_time():
    import snnc

    network = busy(Repeating())
    x = values(SAMPLES, 10)
    module = snnc.load(network, sample=x)
    assert "f32[10]" == str(module.graph.inputs[0].type)
    assert ["linear", "direct"] == [o.kind for o in module.graph.ops][:2]
    result = snnc.run(module, {"x": x.numpy()}, ticks=TICKS)
    rates = result.outputs["sn2"].sum(1) / TICKS
    assert (network(x).detach().numpy() == rates.astype("float32")).all()


@pytest.mark.parametrize("mode", ["s", "m"])
def test_recurrent_containers_feed_back_a_tick_later(mode):
    inner = neuron.LIFNode(tau=2.0, v_threshold=0.5)
    network = busy(
        nn.Sequential(
            layer.Linear(6, 8),
            layer.LinearRecurrentContainer(inner, 8, 8, bias=True),
            layer.Linear(8, 3),
            neuron.IFNode(),
        ),
        2.0,
    )
    functional.set_step_mode(network, mode)
    agree(network, values(TICKS, SAMPLES, 6), "step" if mode == "s" else "TB", layers=["3"])


def test_elementwise_feedback_agrees():
    inner = neuron.IFNode(v_threshold=0.7)
    network = nn.Sequential(
        layer.ElementWiseRecurrentContainer(inner, lambda y, x: x - 0.5 * y)
    ).eval()
    agree(network, values(TICKS, SAMPLES, 6))


class Membrane(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.sn = nn.Linear(6, 4), neuron.LIFNode(tau=2.0)
        self.out, self.li = nn.Linear(4, 3), neuron.LIFNode(tau=2.0, v_threshold=50.0)

    def forward(self, x):
        for t in range(x.shape[0]):
            self.li(self.out(self.sn(self.fc(x[t]))))
        return self.li.v


def test_a_membrane_read_out_is_the_last_potential():
    module = agree(busy(Membrane()), values(TICKS, SAMPLES, 6), "loop", layers=["sn"])
    assert {"li.potential": {"over_time": "last", "factor": 1.0}} == module.attrs["readout"]


def test_a_layer_of_another_kind_is_refused_with_its_path():
    network = nn.Sequential(layer.Linear(4, 4), neuron.QIFNode()).eval()
    found = refused("unsupported-layer", network, values(2, 4))
    assert "1 (spikingjelly.QIFNode): its charge is quadratic in v" == found.message


def test_the_users_network_is_not_changed():
    import snnc

    network = mlp(NODES["lif"])
    before = {k: v.clone() for k, v in network.state_dict().items()}
    network(values(2, 12))
    state = network[1].v.clone()
    snnc.load(network, sample=values(2, 12))
    assert torch.equal(state, network[1].v)
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
