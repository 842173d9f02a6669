"""Norse's layers, spike for spike."""

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra `torch`)")
norse = pytest.importorskip("norse.torch", reason="norse is not installed")

from torch import nn  # noqa: E402

from tests.unit.frontends.pytorch.agreement import (  # noqa: E402
    SAMPLES,
    TICKS,
    busy,
    refused,
    spikes,
    torch,
    values,
)


def parameters(kind, **given):
    return getattr(norse, kind)(**{k: torch.as_tensor(v) for k, v in given.items()})


CELLS = {
    "iaf": lambda: norse.IAFCell(),
    "box": lambda: norse.LIFBoxCell(dt=0.01),
    "box-reset-to": lambda: norse.LIFBoxCell(
        parameters("LIFBoxParameters", v_reset=-0.3, v_leak=0.1, tau_mem_inv=300.0)
    ),
    "lif": lambda: norse.LIFCell(dt=0.002),
    "lif-leak": lambda: norse.LIFCell(
        parameters("LIFParameters", v_leak=0.2, v_reset=-0.1, tau_mem_inv=200.0)
    ),
}


def stepped(network, x):
    """Return the outputs of a network that hands its state on, as (samples, ticks, ...)."""
    state, out = None, []
    with torch.no_grad():
        for one in x:
            y, state = network(one, state)
            out.append(y)
    return torch.stack(out, 1).numpy()


@pytest.mark.parametrize("kind", CELLS)
def test_every_cell_spikes_as_in_norse(kind):
    import snnc

    network = busy(
        norse.SequentialState(nn.Linear(12, 20), CELLS[kind](), nn.Linear(20, 6), CELLS[kind]()),
        20.0,
    )
    x = values(TICKS, SAMPLES, 12)
    module = snnc.load(network, sample=x[0])
    theirs = stepped(network, x)
    ours = snnc.run(module, {"input_tensor": x.transpose(0, 1).numpy()}).outputs["3"]
    assert 0 < theirs.mean() < 1
    assert (ours == theirs).all()


@pytest.mark.parametrize("kind", ["LIF", "IAF"])
def test_layers_over_time_agree(kind):
    import snnc

    layer = getattr(norse, kind)()
    network = busy(norse.SequentialState(nn.Linear(12, 20), layer, nn.Linear(20, 6)), 20.0)
    x = values(TICKS, SAMPLES, 12)
    module = snnc.load(network, sample=x[:, :2])
    theirs = network(x)[0].detach().numpy().swapaxes(0, 1)
    result = snnc.run(module, {"input_tensor": x.transpose(0, 1).numpy()})
    (ours,) = result.outputs.values()
    assert abs(ours - theirs).max() < 1e-4


@pytest.mark.parametrize("recurrent", ["LIFRecurrentCell", "LIFRecurrent"])
def test_recurrent_layers_agree(recurrent):
    import snnc

    torch.manual_seed(4)
    layer = getattr(norse, recurrent)(6, 8, dt=0.004)
    layer.input_weights.data *= 4
    network = norse.SequentialState(layer).eval()
    x = spikes(TICKS, SAMPLES, 6)
    over_time = recurrent == "LIFRecurrent"
    module = snnc.load(network, sample=x[:, :2] if over_time else x[0, :2])
    whole = network(x)[0].detach().numpy().swapaxes(0, 1) if over_time else None
    theirs = stepped(network, x) if whole is None else whole
    inputs = {"input_tensor": x.transpose(0, 1).numpy().astype("uint8")}
    ours = snnc.run(module, inputs).outputs["0"]
    assert 0 < theirs.mean() < 1
    assert (ours == theirs).all()


def test_a_convolutional_network_agrees():
    import snnc

    network = busy(
        norse.SequentialState(
            nn.Conv2d(2, 4, 3),
            nn.BatchNorm2d(4),
            norse.LIFCell(dt=0.004),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(36, 5),
            norse.LIFCell(dt=0.004),
            nn.Linear(5, 3),
            norse.LICell(dt=0.004),
        ),
        6.0,
    )
    x = spikes(TICKS, SAMPLES, 2, 8, 8)
    module = snnc.load(network, sample=x[0, :2])
    theirs = stepped(network, x)
    inputs = {"input_tensor": x.transpose(0, 1).numpy().astype("uint8")}
    result = snnc.run(module, inputs, probe=["6"])
    assert 0 < result.trace["6"].mean()
    assert abs(result.outputs["8.potential"] - theirs).max() < 1e-4


class Loop(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.cell = nn.Linear(6, 4), norse.LIFCell(dt=0.004)

    def forward(self, x):
        state, out = None, []
        for step in range(x.shape[0]):
            z, state = self.cell(self.fc(x[step]), state)
            out.append(z)
        return torch.stack(out)


def test_a_loop_in_forward_agrees():
    import snnc

    network = busy(Loop(), 10.0)
    x = values(TICKS, SAMPLES, 6)
    module = snnc.load(network, sample=x[:, :2])
    theirs = network(x).detach().numpy().swapaxes(0, 1)
    ours = snnc.run(module, {"x": x.transpose(0, 1).numpy()}).outputs["cell"]
    assert 0 < theirs.mean() < 1
    assert (ours == theirs).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: norse.RecurrentSequential(nn.Linear(4, 4), norse.LIFCell()),
        lambda: norse.SequentialState(norse.LILinearCell(4, 3)),
    ],
)
def test_feedback_and_states_of_unknown_layers_are_refused(make):
    found = refused("unsupported-network", make().eval(), values(2, 4), check=False)
    assert "a state that no recognized layer keeps" in found.message


def test_a_cell_with_refractory_time_is_refused():
    network = norse.SequentialState(nn.Linear(4, 4), norse.LIFRefracCell()).eval()
    found = refused("unsupported-layer", network, values(2, 4))
    assert "refractory" in found.message
