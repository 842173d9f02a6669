"""Networks written in odd ways are read exactly, or refused: never wrong in silence."""

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra `torch`)")
pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")

from spikingjelly.activation_based import functional, layer, neuron
from torch import nn
from torch.nn import functional as f

import snnc
from tests.unit.frontends.pytorch.agreement import (
    SAMPLES,
    TICKS,
    agree,
    busy,
    refused,
    torch,
    values,
)


class Written(nn.Module):
    """A network whose forward is given by the test."""

    def __init__(self, function, shape=(6,), **parts):
        super().__init__()
        torch.manual_seed(0)
        self.fc = nn.Linear(6, 6) if len(shape) == 1 else nn.Conv2d(shape[0], 4, 3)
        self.sn, self.function = neuron.IFNode(v_reset=None), function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *given):
        return self.function(self, *given)


def written(function, shape=(6,), **parts):
    return busy(Written(function, shape, **parts))


W = torch.linspace(-1, 1, 36).reshape(6, 6)
ONE = (1, 6, 6)
EXACT = {
    "functional linear": (lambda s, x: s.sn(f.linear(x, W, W[0])), (6,)),
    "matrix product": (lambda s, x: s.sn(x @ W), (6,)),
    "1 - spikes": (lambda s, x: s.sn(s.fc(1 - x)), (6,)),
    "cast to float": (lambda s, x: s.sn(s.fc(x.float())), (6,)),
    "bias over all": (lambda s, x: s.sn(s.fc(x) + W.flatten()[:16].reshape(4, 4)), ONE),
    "bias per column": (lambda s, x: s.sn(s.fc(x) + W[0, :4]), ONE),
    "bias per channel": (lambda s, x: s.sn(s.fc(x) + W[0, :4, None, None]), ONE),
    "factor per column": (lambda s, x: s.sn(s.fc(x) * W[0, 2:]), ONE),
    "views": (lambda s, x: s.sn(s.fc(x.view(-1, 1, 6, 6)).view(x.shape[0], -1)), ONE),
    "axes moved": (lambda s, x: s.sn(s.fc(x).permute(0, 2, 3, 1).reshape(x.shape[0], -1)), ONE),
    "zeros around": (lambda s, x: s.sn(f.pad(s.fc(x), (1, 2, 0, 1))), ONE),
    "channels shifted": (lambda s, x: s.sn(f.pad(s.fc(x), (0, 0, 0, 0, 1, 2))), ONE),
    "repeated": (lambda s, x: s.sn(f.interpolate(s.fc(x), scale_factor=2)), ONE),
    "largest of windows": (lambda s, x: s.sn(f.adaptive_max_pool2d(s.fc(x), 2)), ONE),
    "places left out": (lambda s, x: s.sn(f.max_pool2d(s.fc(x), 2, return_indices=True)[0]), ONE),
}


@pytest.mark.parametrize("name", EXACT)
def test_functions_are_read_exactly(name):
    function, shape = EXACT[name]
    agree(written(function, shape), values(TICKS, SAMPLES, *shape))


def test_statistics_that_forward_only_keeps_are_left_out():
    def forward(self, x):
        self.seen = x.abs().sum()
        return self.sn(self.fc(x))

    agree(written(forward), values(TICKS, SAMPLES, 6))


def test_a_shared_linear_layer_and_a_module_under_two_names_are_read():
    def forward(self, x):
        return self.again(self.fc(self.sn(self.fc(x))))

    network = written(forward, again=neuron.IFNode(v_reset=None))
    network.other = network.fc
    agree(network, values(TICKS, SAMPLES, 6))


def test_nested_sequentials_hooks_and_wrappers_are_read():
    def doubled(module, given, result):
        return result * 2

    inner = nn.Sequential(nn.Sequential(nn.Linear(6, 5)), nn.Sequential(), neuron.IFNode())
    inner[0][0].register_forward_hook(doubled)
    network = busy(nn.Sequential(inner, nn.Identity(), nn.Linear(5, 4), neuron.IFNode()))
    agree(network, values(TICKS, SAMPLES, 6))
    network[3].register_forward_hook(doubled)
    assert "scale" == snnc.load(network, sample=values(2, 6)).graph.ops[-1].kind
    assert snnc.load(torch.compile(network), sample=values(2, 6)).graph.ops


@pytest.mark.parametrize("mode", ["s", "m"])
def test_delays_are_delays(mode):
    network = nn.Sequential(layer.Linear(6, 5), neuron.IFNode(), layer.Delay(3), layer.Linear(5, 4))
    network.append(neuron.IFNode())
    functional.set_step_mode(busy(network, 5.0), mode)
    module = agree(network, values(TICKS, SAMPLES, 6), "step" if mode == "s" else "TB")
    assert [3] == [op["by"] for op in module.graph.ops if op.kind == "delay"]


@pytest.mark.parametrize("axis", [1, 2, 3, 4])
def test_time_may_be_any_axis(axis):
    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.sn = nn.Conv2d(2, 3, 3), neuron.IFNode()

        def forward(self, x):
            return torch.stack([self.sn(self.conv(one)) for one in x.unbind(axis)], dim=axis)

    network, x = busy(Loop()), values(SAMPLES, TICKS, 2, 4, 4)
    moved = x.movedim(1, axis)
    module = snnc.load(network, sample=moved[:2])
    assert "f32[2, 4, 4]~" == str(module.graph.inputs[0].type)
    ours = snnc.run(module, {"x": x.numpy()}).outputs["sn"]
    theirs = network(moved).movedim(axis, 1).detach().numpy()
    assert 0 < theirs.mean() < 1
    assert (ours == theirs).all()


def test_channels_taken_apart_are_no_ticks():
    def forward(self, x):
        return self.sn(self.fc(x[:, 0]) - self.fc(x[:, 1]))

    agree(written(forward), values(TICKS, SAMPLES, 2, 6))


def test_two_inputs_are_read_by_the_names_of_forward():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.sn = nn.Linear(6, 4), nn.Linear(3, 4), neuron.IFNode()

        def forward(self, left, right):
            return self.sn(self.a(left) - self.b(right))

    network, x, y = busy(Two()), values(TICKS, SAMPLES, 6), values(TICKS, SAMPLES, 3, seed=1)
    module = snnc.load(network, sample={"left": x[0], "right": y[0]})
    assert ["left", "right"] == [v.name for v in module.graph.inputs]
    given = {"left": x.transpose(0, 1).numpy(), "right": y.transpose(0, 1).numpy()}
    ours = snnc.run(module, given).outputs["sn"]
    theirs = torch.stack([network(a, b) for a, b in zip(x, y, strict=True)], 1).detach().numpy()
    assert 0 < theirs.mean() < 1
    assert (ours == theirs).all()
    assert "sample-type" == refused("sample-type", network, {"left": x[0], "down": y[0]}).code
    assert "[8, 6], [5, 3]" in refused("sample-shape", network, (x[0], y[0, :5])).message


def changed(self, x):
    y = self.fc(x)
    z = y.view(-1)
    z += 1
    return self.sn(y)


def filled(self, x):
    out = torch.zeros(x.shape[0], x.shape[1], 6)
    for tick in range(x.shape[0]):
        out[tick] = self.sn(self.fc(x[tick]))
    return out


def counting(self, x):
    self.calls += 1
    return self.sn(self.fc(x)) * (self.calls < 40)


def stored(self, x):
    self.kept.add_(1)
    return self.sn(self.fc(x) + self.kept)


def shared(self, x):
    return self.sn(self.fc(x)) + self.sn(self.fc(x * 2))


REFUSED = {
    "another name of a changed tensor": (changed, (2, 6), "used at"),
    "ticks written into a tensor": (filled, (5, 2, 6), "torch.stack"),
    "a counter": (counting, (2, 6), "changes calls of the network from 0 to 1"),
    "a buffer": (stored, (2, 6), "forward writes into kept"),
    "one layer at two places": (shared, (2, 6), "use a layer at one place"),
    "random numbers": (lambda s, x: s.sn(s.fc(x) + torch.randn(6)), (2, 6), "draws random numbers"),
    "half": (lambda s, x: s.sn(s.fc(x.half().float())), (2, 6), "a conversion to float16"),
    "integers": (lambda s, x: s.sn(s.fc(x.int().float())), (2, 6), "a conversion to int32"),
    "a factor per sample": (lambda s, x: s.sn(s.fc(x) * W[:2, :1]), (2, 6), "over time or batch"),
    "the batch moved": (lambda s, x: s.sn(s.fc(x.T)), (6, 6), "batch"),
    "ticks turned round": (lambda s, x: s.sn(s.fc(x.flip(0))), (2, 6), "backwards"),
    "the mean of the batch": (lambda s, x: s.sn(s.fc(x - x.mean(0))), (2, 6), "over axes [0]"),
    "neurons in line": (lambda s, x: (s.fc(x) > 1).float(), (2, 6), "outside a neuron layer"),
    "a gated layer": (lambda s, x: s.sn(s.gru(x)[0]), (5, 2, 6), "a recurrent layer of torch"),
    "a norm of each input": (lambda s, x: s.sn(f.layer_norm(x, (6,))), (2, 6), "batch norm"),
    "vmap": (lambda s, x: s.sn(torch.vmap(s.fc)(x)), (2, 6), "no function of tensors"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_exact_form_is_refused(name):
    function, shape, words = REFUSED[name]
    network = written(function, calls=0, gru=nn.GRU(6, 6))
    network.register_buffer("kept", torch.zeros(6))
    from snnc.diagnostics import SnncError

    with pytest.raises(SnncError) as caught:
        snnc.load(network, sample=values(*shape), check=False)
    (found,) = caught.value.diagnostics
    assert words in f"{found.message} {found.help}"
    assert found.help


def test_scripts_of_torch_are_refused():
    network = torch.jit.script(nn.Sequential(nn.Linear(6, 5), nn.ReLU()).eval())
    assert "torch.jit" in refused("unsupported-network", network, values(2, 6)).message


def test_programs_with_several_inputs_are_read(tmp_path):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(6, 4), nn.Linear(3, 4)

        def forward(self, left, right):
            return torch.relu(self.a(left) + self.b(right))

    given = (values(2, 6), values(2, 3))
    torch.export.save(torch.export.export(Two().eval(), given), str(tmp_path / "two.pt2"))
    module = snnc.load(str(tmp_path / "two.pt2"))
    assert ["left", "right"] == [v.name for v in module.graph.inputs]


def test_programs_whose_neurons_have_lost_their_states_are_refused(tmp_path):
    network = nn.Sequential(nn.Linear(6, 5), neuron.LIFNode()).eval()
    program = torch.export.export(network, (values(2, 6),), strict=False)
    torch.export.save(program, str(tmp_path / "lif.pt2"))
    from snnc.diagnostics import SnncError

    with pytest.raises(SnncError) as caught:
        snnc.load(str(tmp_path / "lif.pt2"))
    assert "unsupported-function" == caught.value.code
    assert "lost their states" in caught.value.diagnostics[0].help
