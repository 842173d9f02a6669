"""Layers of BIDL in torch, beside recorded runs of BIDL's own."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

import snnc  # noqa: E402
from snnc.diagnostics import SnncError  # noqa: E402
from snnc.frontends.bidl.layers import (  # noqa: E402
    Aggregation,
    Conv2dLif,
    FcLif,
    Lif1d,
    Lif2d,
    LifPlus2d,
)
from snnc.frontends.bidl.neurons import Lif, LifPlus  # noqa: E402
from snnc.frontends.bidl.sequences import SWITCHES  # noqa: E402

GOLDEN = Path(__file__).resolve().parents[3] / "golden/lynxi"
CASES = json.loads((GOLDEN / "bidl_neurons.json").read_text())
LEGAL = [c for c in product(range(3), (False, True), *[range(3)] * 4) if c[0] or not c[1]]


def layer(case):
    """The layer that a recorded case is of."""
    memb = (case.get("memb", 0), case.get("act", "tanh"))
    if case["kind"] == "lifplus":
        numbers = {"shape": (), **CASES["lifplus_params"]}
        switches = dict(zip(SWITCHES, case["cfg"], strict=True))
        return LifPlus(None, case.get("mode", "analog"), memb, numbers, **switches)
    numbers = {k: case[k] for k in ("alpha", "beta", "theta", "v_0")}
    single = {k: v for k, v in numbers.items() if not isinstance(v, list)}
    norm = None
    if "bn" in case:
        norm = nn.BatchNorm2d(len(case["bn"]["mean"]), eps=case["bn"]["eps"])
        for name, key in (("weight", "weight"), ("bias", "bias")):
            getattr(norm, name).data = torch.tensor(case["bn"][key])
        norm.running_mean, norm.running_var = (torch.tensor(case["bn"][k]) for k in ("mean", "var"))
    made = Lif(norm, case.get("mode", "spike"), memb, single)
    for name, value in numbers.items():
        if isinstance(value, list):
            getattr(made, name).data = torch.tensor(value).reshape(1, -1, 1, 1)
    return made.eval()


def test_every_recorded_layer_gives_its_values_in_torch():
    with np.load(GOLDEN / "bidl_neurons.npz", allow_pickle=False) as arrays:
        recorded = {name: arrays[name] for name in arrays.files}
    for case in CASES["cases"]:
        tag, made = case["tag"], layer(case)
        x = torch.from_numpy(recorded.get(f"{tag}.x", recorded["lp.x"]))
        with torch.no_grad():
            for t in range(len(x)):
                out = made(x[t]).numpy()
                found = {"out": out, **{n: v.numpy() for n, v in made.held.items()}}
                assert sorted(case["states"]) == sorted(made.held)
                for name, actual in found.items():
                    expected = recorded[f"{tag}.{name}"][t]
                    finite = np.isfinite(expected)
                    scale = np.maximum(1.0, np.abs(expected[finite]))
                    near = np.abs(actual[finite] - expected[finite]) <= 2e-6 * scale
                    assert near.all(), (tag, name, t)


def test_every_legal_list_of_switches_makes_a_layer_that_steps():
    assert 405 == len(LEGAL)
    x = torch.full((1, 2, 1, 1), 0.3)
    for config in LEGAL:
        switches = dict(zip(SWITCHES, config, strict=True))
        made = LifPlus2d(mode="spike", **switches).eval()
        with torch.no_grad():
            made(x)
        assert set(made.states) == set(made.held)
        # Nothing that the switches leave out is a parameter.
        assert set(made.names) == {n for n, _ in made.named_parameters()}


@pytest.mark.parametrize("config", [(2, True, 2, 1, 2, 2), (1, False, 1, 2, 1, 1)])
def test_layers_with_every_state_give_what_torch_gives(config):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            switches = dict(zip(SWITCHES, config, strict=True))
            numbers = {"shape": (), **CASES["lifplus_params"]}
            self.lif = LifPlus2d(mode="spike", soma_params=numbers, **switches)

        def forward(self, x):
            return self.lif(x)

    network = Net().eval()
    x = np.random.default_rng(0).random((1, 6, 2, 2, 2), dtype=np.float32) - 0.2
    build = snnc.compile(snnc.load((network, torch.zeros(1, 2, 2, 2))), target="lynxi")
    ran = build.run(x).outputs["out"][0]
    with torch.no_grad():
        expected = [network(torch.from_numpy(x[:, t])).numpy()[0] for t in range(6)]
    np.testing.assert_array_equal(np.stack(expected), ran)


def test_layers_without_a_synapse_know_their_axes():
    with torch.no_grad():
        assert (1, 3) == tuple(Lif1d(norm_state=3).eval()(torch.zeros(1, 3)).shape)
        spread = Lif2d(soma_params="channel_share", hidden_channel=3).eval()
        assert (1, 3, 1, 1) == tuple(spread.lif.alpha.shape)
        assert (1, 3, 2, 2) == tuple(spread(torch.zeros(1, 3, 2, 2)).shape)
        half = Conv2dLif(1, 2, 3, padding=1, mp=True, norm_state=False).eval()
        assert (1, 2, 4, 4) == tuple(half(torch.zeros(1, 1, 8, 8)).shape)


def test_activations_are_given_by_function_or_name():
    x = torch.tensor([[0.25, -0.5]])
    for memb in ((0, torch.tanh), (0, "tanh")):
        made = Lif(None, "analog", memb)
        torch.testing.assert_close(torch.tanh(x), made(x))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Lif(None, "analog", (4, "relu")),
        lambda: Lif(None, "analog", (0, torch.softmax)),
        lambda: Lif(None, "pulse"),
        lambda: Lif(None, spike_func=torch.sign),
        lambda: FcLif(2, 2, feed_back=True),
        lambda: Lif2d(soma_params="channel_share"),
        lambda: Aggregation("median"),
    ],
)
def test_arguments_that_no_layer_takes_are_refused(make):
    with pytest.raises(SnncError) as found:
        make()
    assert "bidl-option" == found.value.code
