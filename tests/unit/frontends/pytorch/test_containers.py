"""Containers, pools and other modules of the frameworks that keep no state, spike for spike."""

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra `torch`)")

from torch import nn
from torch.nn.utils import prune

import snnc
from tests.unit.frontends.pytorch.agreement import (
    SAMPLES,
    TICKS,
    agree,
    busy,
    needed,
    spikes,
    torch,
    values,
)

IMAGES = (TICKS, SAMPLES, 1, 8, 8)


def sinabs_head(sl):
    return [nn.Conv2d(1, 2, 3), sl.IAFSqueeze(batch_size=SAMPLES)]


SINABS = {
    "Repeat": (
        "BT",
        lambda sl: [
            sl.Repeat(nn.Conv2d(1, 2, 3)),
            sl.IAF(),
            sl.Repeat(nn.Flatten()),
            nn.Linear(72, 4),
            sl.LIF(tau_mem=5.0, norm_input=False),
        ],
    ),
    "FlattenTime": (
        "BT",
        lambda sl: [
            sl.FlattenTime(),
            nn.Conv2d(1, 2, 3),
            sl.IAFSqueeze(num_timesteps=TICKS),
        ],
    ),
    "Cropping2dLayer": (
        "merged",
        lambda sl: [sl.Cropping2dLayer(((1, 0), (2, 1))), *sinabs_head(sl)],
    ),
    "ChannelShift": ("merged", lambda sl: [*sinabs_head(sl), sl.ChannelShift(3)]),
    "SumPool2d": ("merged", lambda sl: [*sinabs_head(sl), sl.SumPool2d(3, stride=1)]),
}


@pytest.mark.parametrize("name", SINABS)
def test_modules_of_sinabs(name):
    sl = needed("sinabs.layers")
    order, parts = SINABS[name]
    network = busy(nn.Sequential(*parts(sl)))

    def fresh(net):
        for module in net.modules():
            if isinstance(module, sl.StatefulLayer):
                module.reset_states()

    wanted = [n for n, m in network.named_modules() if isinstance(m, sl.StatefulLayer)]
    order_of_layers = "merged" if name == "FlattenTime" else order
    agree(network, spikes(*IMAGES), order, fresh, wanted, recorded_as=order_of_layers)


def test_rows_are_taken_apart_again_by_sinabs():
    sl = needed("sinabs.layers")
    parts = [sl.FlattenTime(), nn.Linear(6, 5), sl.IAFSqueeze(num_timesteps=TICKS)]
    network = busy(nn.Sequential(*parts, sl.UnflattenTime(2)))
    module = snnc.load(network, sample=values(2, TICKS, 6))
    assert ["linear", "neuron"] == [op.kind for op in module.graph.ops]


JELLY = {
    "ThresholdDependentBatchNorm2d": lambda la: [
        la.Conv2d(1, 2, 3),
        la.ThresholdDependentBatchNorm2d(1.0, 1.0, 2),
    ],
    "WSConv2d": lambda la: [la.WSConv2d(1, 2, 3)],
    "Upsample": lambda la: [la.Conv2d(1, 2, 3), la.Upsample(scale_factor=2)],
    "AdaptiveAvgPool2d": lambda la: [la.Conv2d(1, 2, 3), la.AdaptiveAvgPool2d(3)],
    "ConvTranspose2d": lambda la: [la.ConvTranspose2d(1, 2, 3)],
    "SeqToANNContainer": lambda la: [la.SeqToANNContainer(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2))],
    "MultiStepContainer": lambda la: [la.MultiStepContainer(nn.Conv2d(1, 2, 3))],
    "Conv1d": lambda la: [la.Flatten(2), la.Conv1d(1, 2, 3), la.BatchNorm1d(2), la.MaxPool1d(2, 2)],
}


@pytest.mark.parametrize("name", JELLY)
def test_modules_of_spikingjelly(name):
    layer = needed("spikingjelly.activation_based.layer")
    neuron = needed("spikingjelly.activation_based.neuron")
    parts = JELLY[name](layer)
    for part in parts:
        if hasattr(part, "step_mode"):
            part.step_mode = "m"
    network = busy(nn.Sequential(*parts, neuron.IFNode(v_reset=None, step_mode="m")))
    agree(network, values(*IMAGES), "TB")


def test_functions_of_spikingjelly_over_time():
    functional = needed("spikingjelly.activation_based.functional")
    neuron = needed("spikingjelly.activation_based.neuron")

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(6, 5), neuron.IFNode())
            self.fc, self.sn = nn.Linear(5, 4), neuron.IFNode(step_mode="m")

        def forward(self, x):
            y = functional.multi_step_forward(x, self.inner)
            return self.sn(functional.seq_to_ann_forward(y, self.fc))

    agree(busy(Both(), 5.0), values(TICKS, SAMPLES, 6), "loop", layers=["sn"])


def test_graded_spikes_of_snntorch():
    snn = needed("snntorch")
    leaky = {"beta": 0.8, "init_hidden": True}
    graded = snn.GradedSpikes(5, None)
    graded.weights.data = graded.weights.data.reshape(5)
    network = nn.Sequential(nn.Linear(6, 5), snn.Leaky(**leaky), graded, nn.Linear(5, 4))
    agree(busy(network.append(snn.Leaky(**leaky))), values(TICKS, SAMPLES, 6))


def test_lifted_modules_of_norse():
    norse = needed("norse.torch")
    network = busy(
        norse.SequentialState(
            norse.Lift(nn.Conv2d(1, 2, 3)),
            norse.LIF(dt=0.004),
            norse.Lift(nn.Flatten()),
            nn.Linear(72, 4),
            norse.LIF(dt=0.004),
        ),
        9.0,
    )
    x = values(*IMAGES)
    module = snnc.load(network, sample=x[:, :2])
    (ours,) = snnc.run(module, {"input_tensor": x.transpose(0, 1).numpy()}).outputs.values()
    theirs = network(x)[0].detach().transpose(0, 1).numpy()
    assert 0 < theirs.mean() < 1
    assert (ours == theirs).all()


def test_parametrized_weights_are_the_weights_that_are_used():
    neuron = needed("spikingjelly.activation_based.neuron")
    torch.manual_seed(0)
    weighed = torch.nn.utils.parametrizations.weight_norm(nn.Linear(6, 5))
    pruned = prune.l1_unstructured(nn.Linear(5, 4), "weight", 0.5)
    network = nn.Sequential(weighed, neuron.IFNode(v_threshold=0.3), pruned)
    agree(network.append(neuron.IFNode(v_threshold=0.1)).eval(), values(TICKS, SAMPLES, 6))
