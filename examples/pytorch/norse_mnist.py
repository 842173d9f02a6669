"""Norse: a residual network of cells, their states handed from call to call."""

from typing import Any

import norse.torch as norse
from torch import Tensor, nn

from examples.pytorch.pictures import test_pictures, trains, with_weights


class Network(nn.Module):
    """784-96-96-10 with a branch around the second layer; hard resets."""

    def __init__(self) -> None:
        super().__init__()
        parameters = norse.IAFParameters(alpha=10.0)
        self.fc1, self.iaf1 = nn.Linear(784, 96, bias=False), norse.IAFCell(parameters)
        self.fc2, self.iaf2 = nn.Linear(96, 96, bias=False), norse.IAFCell(parameters)
        self.fc3, self.iaf3 = nn.Linear(96, 10, bias=False), norse.IAFCell(parameters)

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        first, second, third = state or (None, None, None)
        y, first = self.iaf1(self.fc1(x.flatten(1)), first)
        z, second = self.iaf2(self.fc2(y), second)
        out, third = self.iaf3(self.fc3(y + z), third)
        return out, (first, second, third)


def network() -> nn.Module:
    """Return the network."""
    return Network()


def counts(net: nn.Module, x: Tensor) -> Tensor:
    """Return how often each class fired on trains (ticks, samples, ...)."""
    total, state = 0, None
    for tick in x:
        out, state = net(tick, state)
        total = total + out
    return total


def build() -> tuple[nn.Module, Tensor]:
    """Return the trained network and a sample of one tick."""
    return with_weights(network(), "norse_mnist"), trains(test_pictures(2)[0])[0]
