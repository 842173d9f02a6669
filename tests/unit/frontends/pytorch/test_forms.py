"""Forms in which networks are written: containers, layouts, time given, indexed or repeated."""

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra `torch`)")
pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")
pytest.importorskip("snntorch", reason="snntorch is not installed")

import snntorch as snn
from spikingjelly.activation_based import encoding, functional, layer, neuron
from torch import nn

import snnc
from snnc.ir.write import save
from tests.unit.frontends.pytorch.agreement import agree, busy, refused, spikes, torch, values


def kinds(module):
    return [op.kind for op in module.graph.ops]


def contained():
    return busy(
        nn.Sequential(
            layer.SeqToANNContainer(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3)),
            neuron.IFNode(step_mode="m"),
            layer.SeqToANNContainer(nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(1)),
            layer.MultiStepContainer(nn.Linear(3, 4)),
            neuron.LIFNode(step_mode="m"),
        )
    )


@pytest.mark.parametrize(("ticks", "samples"), [(4, 1), (1, 1), (1, 2), (3, 3)])
def test_axes_of_size_one_are_told_apart(ticks, samples):
    module = snnc.load(contained(), sample=values(ticks, samples, 1, 6, 6))
    assert "f32[1, 6, 6]~" == str(module.graph.inputs[0].type)
    assert ["conv2d", "batch_norm", "neuron", "avg_pool2d", "reshape", "linear", "neuron"] == kinds(
        module
    )


class Direct(nn.Module):
    """A picture, convolved once, then repeated over time."""

    def __init__(self, way):
        super().__init__()
        self.way, self.conv = way, nn.Conv2d(1, 3, 3)
        self.rest = nn.Sequential(
            neuron.IFNode(), layer.Flatten(), layer.Linear(48, 4), neuron.IFNode()
        )
        functional.set_step_mode(self.rest, "m")

    def forward(self, x):
        y = self.conv(x)
        if self.way == "repeat":
            trains = y.unsqueeze(0).repeat(5, 1, 1, 1, 1)
        elif self.way == "expand":
            trains = y.unsqueeze(0).expand(5, -1, -1, -1, -1)
        else:
            trains = torch.stack([y] * 5)
        return self.rest(trains).mean(0)


@pytest.mark.parametrize("way", ["repeat", "expand", "stack"])
def test_a_picture_repeated_over_time_is_an_input_without_time(way):
    network = busy(Direct(way))
    x = values(2, 1, 6, 6)
    module = snnc.load(network, sample=x)
    assert "f32[1, 6, 6]" == str(module.graph.inputs[0].type)
    assert kinds(module)[:3] == ["conv2d", "direct", "neuron"]
    (out,) = snnc.run(module, {"x": x.numpy()}, ticks=5).outputs.values()
    functional.reset_net(network)
    assert ((network(x) * 5).round().detach().numpy() == out.sum(1)).all()


class Indexed(nn.Module):
    def __init__(self, way):
        super().__init__()
        self.way, self.fc, self.lif = way, nn.Linear(36, 4), snn.Leaky(0.9)

    def forward(self, x):
        mem, out = self.lif.reset_mem(), []
        if self.way == "flattened":
            x = x.flatten(2)
        ticks = x.permute(1, 0, 2, 3, 4) if self.way == "permuted" else x
        for one in ticks.unbind(0) if self.way == "unbound" else ticks:
            spk, mem = self.lif(self.fc(one.flatten(1)), mem)
            out.append(spk.unsqueeze(1))
        return torch.cat(out, dim=1).mean(dim=1)


@pytest.mark.parametrize("way", ["flattened", "permuted", "unbound", "plain"])
def test_the_axis_that_forward_takes_apart_is_time(way):
    x = values(2, 6, 1, 6, 6) if way == "permuted" else values(6, 2, 1, 6, 6)
    module = snnc.load(busy(Indexed(way)), sample=x)
    assert {"lif": {"over_time": "sum", "factor": 1 / 6}} == module.attrs["readout"]


def test_time_may_be_stated():
    module = snnc.load(busy(Indexed("plain")), sample=values(6, 2, 1, 6, 6), time=0)
    assert ["reshape", "linear", "neuron"] == kinds(module)


def test_a_train_that_is_read_in_several_ways_says_all_of_them(tmp_path):
    class Several(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.sn = nn.Linear(6, 4), neuron.IFNode(step_mode="m")

        def forward(self, x):
            y = self.sn(self.fc(x))
            return y, y.mean(0), y.sum(0)

    module = snnc.load(busy(Several()), sample=values(10, 2, 6))
    assert ["sn"] == [v.name for v in module.graph.outputs]
    ways = [("all", 1.0), ("sum", 0.1), ("sum", 1.0)]
    assert ways == [(w["over_time"], w["factor"]) for w in module.attrs["readout"]["sn"]]
    save(module, tmp_path / "several.snn")
    assert module.attrs == snnc.load(str(tmp_path / "several.snn")).attrs


@pytest.mark.parametrize("decode", ["last_mem", "mean-mem"])
def test_potentials_that_are_decoded_are_read_outs(decode):
    network = busy(
        nn.Sequential(
            nn.Linear(6, 4),
            neuron.LIFNode(step_mode="m"),
            nn.Linear(4, 2),
            neuron.NonSpikingLIFNode(decode=decode),
        )
    )
    module = snnc.load(network, sample=values(16, 2, 6))
    over = {"last_mem": ("last", 1.0), "mean-mem": ("sum", 1 / 16)}[decode]
    readout = module.attrs["readout"]["3.potential"]
    assert over == (readout["over_time"], readout["factor"])


def test_a_layer_that_never_fires_is_a_membrane_read_out():
    class Potential(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.sn = nn.Linear(6, 4), neuron.IFNode()
            self.out, self.li = nn.Linear(4, 2), neuron.LIFNode(v_threshold=float("inf"))

        def forward(self, x):
            for step in range(x.shape[0]):
                self.li(self.out(self.sn(self.fc(x[step]))))
            return self.li.v

    module = snnc.load(busy(Potential()), sample=values(20, 2, 6))
    assert ["li.potential"] == [v.name for v in module.graph.outputs]
    assert "none" == module.graph.ops[-1]["reset"]


def test_one_dimensional_and_transposed_convolutions_agree():
    network = busy(
        nn.Sequential(
            nn.Conv1d(2, 3, 3, padding="same", dilation=2),
            neuron.IFNode(v_reset=None),
            nn.MaxPool1d(2),
            nn.Flatten(),
            nn.Linear(12, 3),
            neuron.IFNode(v_reset=None),
        )
    )
    agree(network, values(32, 8, 2, 8))
    network = busy(
        nn.Sequential(
            nn.Conv2d(1, 2, 3, stride=2),
            neuron.IFNode(),
            nn.ConvTranspose2d(2, 1, 3, stride=2, output_padding=1),
            neuron.IFNode(),
        )
    )
    agree(network, values(32, 8, 1, 8, 8))


@pytest.mark.parametrize("flat", [False, True])
def test_large_batches_are_checked_whatever_forward_makes_of_them(flat):
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.sn = nn.Linear(6, 4), neuron.IFNode(step_mode="m")

        def forward(self, x):
            y = self.sn(self.fc(x))
            return y.flatten(0, 1) if flat else y

    module = snnc.load(busy(Flat()), sample=values(16, 5, 6))
    assert ["linear", "neuron"] == kinds(module)


def test_groups_of_neurons_vote():
    network = busy(nn.Sequential(nn.Linear(6, 20), neuron.IFNode(), layer.VotingLayer(5)))
    assert "avg_pool1d" in kinds(snnc.load(network, sample=values(2, 6)))


def test_random_encoders_inside_a_network_are_refused():
    network = nn.Sequential(encoding.PoissonEncoder(), nn.Linear(6, 4), neuron.IFNode()).eval()
    found = refused("unsupported-function", network, values(2, 6))
    assert "draws random numbers" in found.message


def test_a_network_is_compiled_to_a_verified_build():
    network = busy(
        nn.Sequential(
            nn.Conv2d(1, 3, 3, bias=False),
            nn.BatchNorm2d(3),
            neuron.IFNode(v_threshold=0.5, v_reset=None),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(27, 5),
            neuron.IFNode(v_threshold=0.5),
        )
    )
    build = snnc.compile((network, spikes(2, 1, 8, 8)), "paicore", bits=8)
    assert build.verify()
