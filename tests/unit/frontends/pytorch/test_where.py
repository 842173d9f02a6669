"""Every refusal says where (the module's path and the user's line), why, and what to do."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra `torch`)")
pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")

from spikingjelly.activation_based import neuron
from torch import nn

import snnc
from snnc.diagnostics import SnncError
from tests.unit.frontends.pytorch.agreement import torch, values

LINES = Path(__file__).read_text(encoding="utf-8").splitlines()


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q = nn.Linear(6, 6)

    def forward(self, x):
        return torch.softmax(self.q(x), dim=-1)


class Branching(nn.Module):
    def forward(self, x):
        if x.sum() > 1:
            return x * 2
        return x


class Shapes(nn.Module):
    def forward(self, x):
        return x.nonzero().float()


class Truncated(nn.Module):
    def forward(self, x):
        return x[:, : int(x.sum())]


class Dropping(nn.Module):
    def forward(self, x):
        return nn.functional.dropout(x)


class Outer(nn.Module):
    def __init__(self, part):
        super().__init__()
        self.fc, self.sn = nn.Linear(6, 6), neuron.IFNode()
        self.part = part

    def forward(self, x):
        return self.sn(self.part(self.fc(x)))


CASES = {
    "attention": (Attention(), "softmax attention", "return torch.softmax(self.q(x), dim=-1)"),
    "control flow": (Branching(), "depend on data", "if x.sum() > 1:"),
    "a shape of the data": (Shapes(), "a shape that depends", "return x.nonzero().float()"),
    "a size of the data": (Truncated(), "depend on data", "return x[:, : int(x.sum())]"),
    "dropout": (Dropping(), "dropout in training mode", "return nn.functional.dropout(x)"),
    "a layer": (neuron.QIFNode(), "quadratic", "self.part = part"),
    "a part in training mode": (nn.Dropout(), "in training mode", "self.part = part"),
    "a part in double precision": (nn.Linear(6, 6).double(), "float64", "self.part = part"),
    "a part that takes another size": (nn.Linear(5, 6), "sample [2, 6]", None),
}


@pytest.mark.parametrize("name", CASES)
def test_path_line_reason_and_way_out_are_told(name):
    part, why, line = CASES[name]
    network = Outer(part).eval()
    network.part.train(name == "a part in training mode")
    with pytest.raises(SnncError) as caught:
        snnc.load(network, sample=values(2, 6))
    found = caught.value.diagnostics[0]
    assert "part" in found.message
    assert why in f"{found.message} {found.help}"
    assert found.help
    shown = LINES[found.loc.line - 1].strip()
    assert (line or "return self.sn(self.part(self.fc(x)))") == shown


def test_numbers_where_a_chip_takes_spikes_are_refused_at_the_line_that_reads_them():
    network = Outer(nn.Identity()).eval()
    with pytest.raises(SnncError) as caught:
        snnc.compile((network, values(2, 6)), "paicore", bits=8)
    found = caught.value.diagnostics[0]
    assert "holds real numbers" in found.message
    assert "return self.sn(self.part(self.fc(x)))" == LINES[found.loc.line - 1].strip()
    build = snnc.compile((network, values(2, 6).abs()), "paicore", bits=8, encode="poisson")
    assert build.verify()
