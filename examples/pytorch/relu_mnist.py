"""A plain ReLU network in the shape of DYNAP-CNN's introduction, to be turned into spikes."""

from torch import Tensor, nn

from examples.pytorch.pictures import test_pictures, with_weights


def network() -> nn.Module:
    """Return the network: three convolutions with average pools, two linear layers, no biases."""
    return nn.Sequential(
        nn.Conv2d(1, 20, 5, 1, bias=False),
        nn.ReLU(),
        nn.AvgPool2d(2, 2),
        nn.Conv2d(20, 32, 5, 1, bias=False),
        nn.ReLU(),
        nn.AvgPool2d(2, 2),
        nn.Conv2d(32, 128, 3, 1, bias=False),
        nn.ReLU(),
        nn.AvgPool2d(2, 2),
        nn.Flatten(),
        nn.Linear(128, 500, bias=False),
        nn.ReLU(),
        nn.Linear(500, 10, bias=False),
    )


def build() -> tuple[nn.Module, Tensor]:
    """Return the trained network and a sample of two pictures."""
    return with_weights(network(), "relu_mnist"), test_pictures(2)[0]
