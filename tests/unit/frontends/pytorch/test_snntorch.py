"""snnTorch's layers, spike for spike, with states kept by the layer and handed on by the user."""

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra `torch`)")
snn = pytest.importorskip("snntorch", reason="snntorch is not installed")

from torch import nn  # noqa: E402

from tests.unit.frontends.pytorch.agreement import (  # noqa: E402
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
    "leaky": lambda **k: snn.Leaky(beta=0.9, **k),
    "leaky-zero": lambda **k: snn.Leaky(beta=0.9, reset_mechanism="zero", **k),
    "leaky-none": lambda **k: snn.Leaky(beta=0.5, reset_mechanism="none", **k),
    "leaky-zero-now": lambda **k: snn.Leaky(
        beta=0.9, reset_mechanism="zero", reset_delay=False, **k
    ),
    "leaky-per-neuron": lambda **k: snn.Leaky(
        beta=torch.linspace(0.5, 0.99, 8), threshold=torch.linspace(0.5, 1.5, 8), **k
    ),
    "lapicque": lambda **k: snn.Lapicque(beta=0.8, **k),
    "lapicque-zero": lambda **k: snn.Lapicque(R=2.0, C=3.0, reset_mechanism="zero", **k),
    "synaptic": lambda **k: snn.Synaptic(alpha=0.7, beta=0.8, **k),
    "synaptic-zero": lambda **k: snn.Synaptic(alpha=0.7, beta=0.8, reset_mechanism="zero", **k),
    "synaptic-zero-now": lambda **k: snn.Synaptic(
        alpha=0.7, beta=0.8, reset_mechanism="zero", reset_delay=False, **k
    ),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_every_layer_spikes_as_in_snntorch(kind):
    make = LAYERS[kind]
    network = busy(
        nn.Sequential(
            nn.Linear(12, 8), make(init_hidden=True), nn.Linear(8, 8), make(init_hidden=True)
        ),
        6.0,
    )
    agree(network, values(TICKS, SAMPLES, 12))


class Tutorial(nn.Module):
    """The form of snnTorch's tutorials: states as variables, a loop in forward, lists stacked."""

    def __init__(self, over_time):
        super().__init__()
        self.over_time = over_time
        self.fc1, self.lif1 = nn.Linear(12, 20), snn.Leaky(beta=0.9)
        self.fc2, self.lif2 = nn.Linear(20, 5), snn.Leaky(beta=0.8, reset_mechanism="zero")

    def forward(self, x):
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        spk_rec, mem_rec = [], []
        for step in range(TICKS):
            cur1 = self.fc1(x[step] if self.over_time else x)
            spk1, mem1 = self.lif1(cur1, mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spk_rec.append(spk2)
            mem_rec.append(mem2)
        return torch.stack(spk_rec, dim=0), torch.stack(mem_rec, dim=0)


def test_the_loop_of_the_tutorials_is_rolled_up():
    module = agree(busy(Tutorial(True)), values(TICKS, SAMPLES, 12), "loop")
    assert ["linear", "neuron"] * 2 == [op.kind for op in module.graph.ops]
    assert ["lif2", "lif2.potential"] == [v.name for v in module.graph.outputs]


def test_ops_of_a_loop_stand_at_the_users_lines():
    import snnc

    module = snnc.load(busy(Tutorial(True)), sample=values(TICKS, 2, 12))
    lines = [op.loc.line for op in module.graph.ops]
    with open(__file__, encoding="utf-8") as stream:
        text = stream.read().splitlines()
    assert "cur1 = self.fc1(x[step] if self.over_time else x)" == text[lines[0] - 1].strip()
    assert "spk1, mem1 = self.lif1(cur1, mem1)" == text[lines[1] - 1].strip()


def test_a_loop_over_a_constant_picture_takes_an_input_without_time():
    import snnc

    network = busy(Tutorial(False))
    x = values(SAMPLES, 12)
    module = snnc.load(network, sample=x)
    ours = snnc.run(module, {"x": x.numpy()}, ticks=TICKS).outputs["lif2"]
    theirs = network(x)[0].detach().numpy().swapaxes(0, 1)
    assert 0 < theirs.mean()
    assert (ours == theirs).all()


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.fc1 = nn.Linear(6, 8)
        self.kind = kind
        if kind == "rsynaptic":
            self.lif = snn.RSynaptic(alpha=0.6, beta=0.8, linear_features=8)
        elif kind == "one-to-one":
            self.lif = snn.RLeaky(beta=0.8, all_to_all=False, V=-0.4)
        else:
            self.lif = snn.RLeaky(beta=0.8, linear_features=8, reset_mechanism=kind)

    def forward(self, x):
        state = self.lif.reset_mem()
        out = []
        for step in range(TICKS):
            spk, *state = self.lif(self.fc1(x[step]), *state)
            state = (spk, *state)
            out.append(spk)
        return torch.stack(out)


@pytest.mark.parametrize("kind", ["subtract", "zero", "rsynaptic", "one-to-one"])
def test_recurrent_layers_with_states_handed_on_agree(kind):
    torch.manual_seed(2)
    agree(busy(Recurrent(kind)), values(TICKS, SAMPLES, 6), "loop")


def test_recurrent_layers_that_keep_their_states_agree():
    torch.manual_seed(2)
    lif = snn.RLeaky(beta=0.8, linear_features=8, init_hidden=True)
    agree(busy(nn.Sequential(nn.Linear(6, 8), lif)), values(TICKS, SAMPLES, 6))


def test_a_recurrent_convolution_agrees():
    torch.manual_seed(2)
    lif = snn.RLeaky(beta=0.8, conv2d_channels=3, kernel_size=3, init_hidden=True)
    agree(busy(nn.Sequential(nn.Conv2d(2, 3, 3), lif)), values(TICKS, SAMPLES, 2, 6, 6))


def test_convolutions_pools_and_norms_agree():
    network = busy(
        nn.Sequential(
            nn.Conv2d(2, 4, 3, bias=False),
            nn.BatchNorm2d(4),
            nn.MaxPool2d(2),
            snn.Leaky(beta=0.9, init_hidden=True),
            nn.Flatten(),
            nn.Linear(36, 5),
            snn.Leaky(beta=0.9, init_hidden=True, output=True),
        )
    )
    agree(network, spikes(TICKS, SAMPLES, 2, 8, 8))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(6, 6), snn.Leaky(beta=0.7, init_hidden=True)
        self.fc2, self.lif2 = nn.Linear(6, 6), snn.Leaky(beta=0.7, init_hidden=True)
        self.fc3, self.lif3 = nn.Linear(12, 4), snn.Leaky(beta=0.7, init_hidden=True)

    def forward(self, x):
        a = self.lif1(self.fc1(x))
        b = self.lif2(self.fc2(a)) + a
        return self.lif3(self.fc3(torch.cat([a, b], dim=1)))


def test_graded_spikes_are_spikes_times_a_factor():
    import snnc

    make = {"beta": 0.9, "init_hidden": True, "graded_spikes_factor": 0.5}
    network = busy(
        nn.Sequential(nn.Linear(12, 8), snn.Leaky(**make), nn.Linear(8, 4), snn.Leaky(**make)), 6.0
    )
    x = values(TICKS, SAMPLES, 12)
    module = snnc.load(network, sample=x[0])
    (ours,) = snnc.run(module, {"input": x.transpose(0, 1).numpy()}).outputs.values()
    theirs = torch.stack([network(one) for one in x], 1).detach().numpy()
    assert {0.0, 0.5} == set(theirs.ravel().tolist())
    assert (ours == theirs).all()


def test_residual_branches_and_joined_values_agree():
    agree(busy(Residual()), values(TICKS, SAMPLES, 6))


def test_an_immediate_soft_reset_is_refused_unless_potentials_stay_low():
    import snnc

    network = nn.Sequential(snn.Leaky(beta=0.9, reset_delay=False, init_hidden=True)).eval()
    x = spikes(2, 4) * 0.5
    found = refused("unsupported-layer", network, x)
    assert "single_crossing" in found.help
    module = snnc.load(network, sample=x, single_crossing=True)
    assert "now" == module.graph.ops[0]["reset_time"]


def test_the_self_check_finds_a_potential_that_crosses_twice():
    network = nn.Sequential(snn.Leaky(beta=0.9, reset_delay=False, init_hidden=True)).eval()
    found = refused("torch-differs", network, torch.full((2, 4), 2.5), single_crossing=True)
    assert "at tick" in found.message


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"inhibition": True}, "inhibition"),
        ({"state_quant": lambda x: x}, "state_quant"),
        ({"threshold": -1.0}, "threshold <= 0"),
    ],
)
def test_fields_without_an_exact_form_are_refused(options, words):
    network = nn.Sequential(snn.Leaky(beta=0.9, init_hidden=True, **options)).eval()
    assert words in refused("unsupported-layer", network, values(2, 4)).message


class Changed(nn.Module):
    def __init__(self):
        super().__init__()
        self.lif = snn.Leaky(beta=0.9)

    def forward(self, x):
        mem, out = self.lif.init_leaky(), []
        for step in range(4):
            spk, mem = self.lif(x[step], mem)
            mem = mem * 0.5
            out.append(spk)
        return torch.stack(out)


def test_a_state_changed_between_ticks_is_refused_at_the_users_line():
    found = refused("unsupported-function", Changed().eval(), values(4, 2, 3))
    assert "the state (v) of layer lif is changed between ticks (at tick 1)" in found.message
    assert found.loc.line > 0
