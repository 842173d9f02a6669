"""sinabs: a convolutional network of Squeeze layers, whose first axis is batch times time."""

import sinabs.layers as sl
from sinabs.activation import SingleSpike
from torch import Tensor, nn

from examples.pytorch.pictures import TICKS, test_pictures, trains, with_weights


def network() -> nn.Module:
    """Return the network: integrate and fire, soft reset, one spike a tick at most."""
    spiking = {"spike_fn": SingleSpike, "num_timesteps": TICKS}
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2, bias=False),
        sl.IAFSqueeze(**spiking),
        nn.Conv2d(8, 16, 3, bias=False),
        sl.IAFSqueeze(**spiking),
        sl.SumPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 10, bias=False),
        sl.IAFSqueeze(**spiking),
    )


def rows(x: Tensor) -> Tensor:
    """Return trains (ticks, samples, ...) as sinabs wants them: (samples x ticks, ...)."""
    return x.transpose(0, 1).flatten(0, 1)


def counts(net: nn.Module, x: Tensor) -> Tensor:
    """Return how often each class fired on trains (ticks, samples, ...)."""
    for module in net.modules():
        if isinstance(module, sl.StatefulLayer):
            module.reset_states()
    return net(rows(x)).unflatten(0, (-1, TICKS)).sum(1)


def build() -> tuple[nn.Module, Tensor]:
    """Return the trained network and a sample of two pictures over time."""
    return with_weights(network(), "sinabs_mnist"), rows(trains(test_pictures(2)[0]))
