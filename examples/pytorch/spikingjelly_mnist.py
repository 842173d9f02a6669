"""SpikingJelly: a convolutional network with batch norm, its layers called once per tick."""

from spikingjelly.activation_based import functional, layer, neuron
from torch import Tensor, nn

from examples.pytorch.pictures import test_pictures, trains, with_weights


def network() -> nn.Module:
    """Return the network: integrate and fire, soft reset."""
    return nn.Sequential(
        layer.Conv2d(1, 8, 5, stride=2, bias=False),
        layer.BatchNorm2d(8),
        neuron.IFNode(v_reset=None),
        layer.Conv2d(8, 16, 3, stride=2, bias=False),
        layer.BatchNorm2d(16),
        neuron.IFNode(v_reset=None),
        layer.Flatten(),
        layer.Linear(400, 10, bias=False),
        neuron.IFNode(v_reset=None),
    )


def counts(net: nn.Module, x: Tensor) -> Tensor:
    """Return how often each class fired on trains (ticks, samples, ...)."""
    functional.reset_net(net)
    return sum(net(tick) for tick in x)


def build() -> tuple[nn.Module, Tensor]:
    """Return the trained network and a sample of one tick."""
    return with_weights(network(), "spikingjelly_mnist"), trains(test_pictures(2)[0])[0]
