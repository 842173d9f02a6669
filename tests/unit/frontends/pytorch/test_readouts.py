"""What forward does with its trains over time, and behind that, where each tick can do it."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra `torch`)")
pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")

from spikingjelly.activation_based import functional, layer, neuron
from torch import nn

import snnc
from snnc.cli.evaluation import scores
from snnc.diagnostics import SnncError
from tests.unit.frontends.pytorch.agreement import busy, refused, torch, values

TICKS = 10


class Read(nn.Module):
    """Ten spiking neurons over time; a function of the test reads them out."""

    def __init__(self, read, bias=True):
        super().__init__()
        self.fc, self.sn = layer.Linear(6, 10), neuron.IFNode()
        functional.set_step_mode(self, "m")
        self.last, self.read = nn.Linear(10, 3, bias=bias), read

    def forward(self, x):
        return self.read(self, self.sn(self.fc(x)))


def read(function, bias=True):
    return busy(Read(function, bias))


def agreed(network, ticks=TICKS):
    """Return the module and how it reads its output out; the front end compares with torch."""
    module = snnc.load(network, sample=values(ticks, 2, 6))
    way = module.attrs["readout"][module.graph.outputs[0].name]
    return module, (way["over_time"], way["factor"])


@pytest.mark.parametrize("ticks", [10, 49])
def test_a_layer_behind_a_mean_over_time_is_done_in_every_tick(ticks):
    module, way = agreed(read(lambda self, y: self.last(y.mean(0))), ticks)
    assert ("sum", 1 / ticks) == way
    assert ["linear", "neuron", "linear"] == [op.kind for op in module.graph.ops]


def test_a_sum_over_a_population_behind_a_sum_over_time():
    module, way = agreed(read(lambda self, y: y.sum(0).reshape(-1, 2, 5).sum(2)))
    assert ("sum", 1.0) == way
    assert (2,) == module.graph.outputs[0].type.shape


@pytest.mark.parametrize(
    ("function", "factor"),
    [
        (lambda self, y: self.last(y.sum(0)), 1.0),
        (lambda self, y: self.last(y.sum(0) / TICKS), 1 / TICKS),
        (lambda self, y: y.sum(0) * torch.arange(10.0), 1.0),
        (lambda self, y: y.sum(0).flip(1)[:, 2:4].T.T / 4, 0.25),
    ],
)
def test_linear_functions_without_a_bias_behind_a_sum(function, factor):
    assert ("sum", factor) == agreed(read(function, bias=False))[1]


def test_a_bias_behind_a_sum_over_time_is_refused_with_the_way_out():
    network = read(lambda self, y: self.last(y.sum(0)))
    found = refused("unsupported-function", network, values(TICKS, 2, 6))
    assert "adds a bias to a sum over time" in found.message
    assert "take the mean over time" in found.help


@pytest.mark.parametrize(
    "function",
    [
        lambda self, y: self.last(y).max(0)[0],
        lambda self, y: self.last(y).max(dim=0).values.reshape(-1, 3, 1)[:, :, 0],
        lambda self, y: torch.amax(self.last(y), dim=0),
    ],
)
def test_the_greatest_value_over_time_is_a_read_out(function):
    module, way = agreed(read(function))
    assert ("max", 1.0) == way
    x = values(TICKS, 4, 6)
    result = snnc.run(module, {"x": x.numpy().swapaxes(0, 1)})
    name = module.graph.outputs[0].name
    network = read(function)
    functional.reset_net(network)
    expected = network(x).detach().numpy()
    assert np.allclose(expected, scores(module, name, result.outputs[name]), atol=1e-5)


@pytest.mark.parametrize(
    "function",
    [
        lambda self, y: self.last(y.max(0)[0]),
        lambda self, y: torch.relu(y.sum(0)),
        lambda self, y: y.max(2)[0],
        lambda self, y: y.max(0)[0] * -1,
    ],
)
def test_what_does_not_commute_with_the_read_out_is_refused(function):
    refused("unsupported-function", read(function), values(TICKS, 2, 6))


def test_a_last_layer_that_gives_a_list_of_potentials_is_a_train():
    network = nn.Sequential(
        layer.Linear(6, 10), neuron.IFNode(), layer.Linear(10, 3), neuron.NonSpikingIFNode()
    )
    functional.set_step_mode(network, "m")
    module = snnc.load(busy(network), sample=values(TICKS, 2, 6))
    assert ["3.potential"] == [v.name for v in module.graph.outputs]


class TestOutputs:
    """Which results of forward are kept."""

    def spikes_and_potentials(self):
        return read(lambda self, y: (y, self.last(y), self.last(y).mean(0)))

    @pytest.mark.parametrize(
        ("outputs", "names"),
        [("all", ["sn", "linear"]), ("0", ["sn"]), (0, ["sn"]), ("[1,0]", ["linear", "sn"])],
    )
    def test_are_chosen_by_number(self, outputs, names):
        network = self.spikes_and_potentials()
        module = snnc.load(network, sample=values(TICKS, 2, 6), outputs=outputs)
        assert names == [v.name.removesuffix("_1") for v in module.graph.outputs][: len(names)]

    def test_the_read_out_of_what_is_left_out_goes_too(self):
        network = self.spikes_and_potentials()
        module = snnc.load(network, sample=values(TICKS, 2, 6), outputs="0")
        assert "readout" not in module.attrs
        assert ["linear", "neuron"] == [op.kind for op in module.graph.ops]

    @pytest.mark.parametrize("outputs", ["3", "0,0", "spikes", ""])
    def test_must_be_results_of_forward(self, outputs):
        with pytest.raises(SnncError) as caught:
            snnc.load(self.spikes_and_potentials(), sample=values(TICKS, 2, 6), outputs=outputs)
        assert "unknown-output" == caught.value.code


class TestTicks:
    """How long a run is, where the input has no time."""

    def repeated(self):
        def forward(self, x):
            return self.sn(self.fc(x.unsqueeze(0).repeat(7, 1, 1))).mean(0)

        network = read(lambda self, y: y)
        network.forward = forward.__get__(network)
        return network

    def test_are_those_of_forward(self):
        module = snnc.load(self.repeated(), sample=values(2, 6))
        assert 7 == module.attrs["ticks"]
        assert (3, 7, 10) == snnc.run(module, values(3, 6).numpy()).outputs["sn"].shape

    @pytest.mark.parametrize(("options", "ticks"), [({}, TICKS), ({"ticks": 5}, 5)])
    def test_of_an_encoder_are_those_of_the_sample_or_stated(self, options, ticks):
        network = read(lambda self, y: y)
        module = snnc.load(network, sample=values(TICKS, 2, 6), encode="poisson", **options)
        assert ticks == module.attrs["ticks"]

    def test_are_refused_where_the_input_tells_them(self):
        with pytest.raises(SnncError) as caught:
            snnc.load(read(lambda self, y: y), sample=values(TICKS, 2, 6), ticks=5)
        assert "unused-option" == caught.value.code
