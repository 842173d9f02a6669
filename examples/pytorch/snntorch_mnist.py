"""snnTorch in the form of its tutorials: a loop over time in forward, states as variables."""

import snntorch as snn
import torch
from torch import Tensor, nn

from examples.pytorch.pictures import load_weights, trains


class Network(nn.Module):
    """784-512-10; returns the spikes of all ticks."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(784, 512, bias=False), nn.Linear(512, 10, bias=False)
        self.lif1 = snn.Leaky(beta=1.0, reset_mechanism="zero")
        self.lif2 = snn.Leaky(beta=1.0, reset_mechanism="zero")

    def forward(self, x: Tensor) -> Tensor:
        mem1, mem2 = self.lif1.reset_mem(), self.lif2.reset_mem()
        out = []
        for tick in range(x.shape[0]):
            spk1, mem1 = self.lif1(self.fc1(x[tick]), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            out.append(spk2)
        return torch.stack(out)


def build() -> tuple[nn.Module, Tensor]:
    """Return the network and a sample over time."""
    return load_weights(Network()), trains(2)[0]
