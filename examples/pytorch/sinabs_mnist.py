"""sinabs: layers over (batch, time, ...)."""

import sinabs.layers as sl
from sinabs.activation import SingleSpike
from torch import Tensor, nn

from examples.pytorch.pictures import load_weights, trains


def build() -> tuple[nn.Module, Tensor]:
    """Return the network and a sample over time."""
    network = nn.Sequential(
        nn.Linear(784, 512, bias=False),
        sl.IAF(spike_fn=SingleSpike),
        nn.Linear(512, 10, bias=False),
        sl.IAF(spike_fn=SingleSpike),
    )
    return load_weights(network), trains(2)[0].transpose(0, 1)
