"""snnTorch in the form of its tutorials: a loop over time in forward, states as variables."""

import snntorch as snn
import torch
from torch import Tensor, nn

from examples.pytorch.pictures import test_pictures, trains, with_weights


class Network(nn.Module):
    """784-96-10; returns the spikes of all ticks. The reset is the default: soft, a tick later."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(784, 96), snn.Leaky(beta=1.0)
        self.fc2, self.lif2 = nn.Linear(96, 10), snn.Leaky(beta=1.0)

    def forward(self, x: Tensor) -> Tensor:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        out = []
        for step in range(x.shape[0]):
            spk1, mem1 = self.lif1(self.fc1(x[step].flatten(1)), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            out.append(spk2)
        return torch.stack(out)


def network() -> nn.Module:
    """Return the network."""
    return Network()


def counts(net: nn.Module, x: Tensor) -> Tensor:
    """Return how often each class fired on trains (ticks, samples, ...)."""
    return net(x).sum(0)


def build() -> tuple[nn.Module, Tensor]:
    """Return the trained network and a sample over time."""
    return with_weights(network(), "snntorch_mnist"), trains(test_pictures(2)[0])
