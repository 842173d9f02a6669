"""Networks of BIDL with fresh weights, as functions for the command line.

    snnc compile examples/lynxi/networks.py:dvs_mnist -t lynxi -o build
    snnc compile examples/lynxi/networks.py:resnet18 -t lynxi -o build

Each returns a network of `snnc.frontends.bidl.backbones` and a sample.
"""

from typing import Any

import torch

from snnc.frontends.bidl.backbones import backbone

Pair = tuple[torch.nn.Module, torch.Tensor]


def made(name: str, shape: tuple[int, int, int], **options: Any) -> Pair:
    torch.manual_seed(0)
    return backbone(name, **options), torch.zeros(1, *shape)


def dvs_mnist() -> Pair:
    """Three convolutions and three linear layers, analog, 20 steps of 2 x 40 x 40."""
    return made("SeqClif3Fc3DmItout", (2, 40, 40), timestep=20, cmode="analog")


def cifar10_dvs() -> Pair:
    """Five convolutions and two linear layers, 10 steps of 2 x 128 x 128."""
    return made("SeqClif5Fc2CdItout", (2, 128, 128), timestep=10, cmode="analog")


def gesture() -> Pair:
    """Seven convolutions that pool inside, 16 steps of 2 x 128 x 128."""
    return made("SeqClif7Fc1DgItout", (2, 128, 128), timestep=16, cmode="spike")


def gesture_small() -> Pair:
    """Three convolutions and two layers of neurons, 60 steps of 2 x 40 x 40."""
    return made("SeqClif3Flif2DgItout", (2, 40, 40), timestep=60, cmode="spike")


def vgg7() -> Pair:
    """Five convolutions and two layers of neurons, 20 steps of 2 x 128 x 128."""
    return made("VGG7_SNN", (2, 128, 128), timestep=20)


def inside(name: str, steps: int, **options: Any) -> Pair:
    """Return a network that takes all steps of 2 x 128 x 128 at once."""
    network, _ = made(name, (2, 128, 128), timestep=steps, **options)
    return network, torch.zeros(steps, 1, 2, 128, 128)


def vgg7_inside() -> Pair:
    """The same with the loop over 4 steps inside, one call per sample."""
    return inside("VGG7_SNNIt", 4)


def cifar10_dvs_inside() -> Pair:
    """The network of `cifar10_dvs` with the loop over 4 steps inside."""
    return inside("SeqClif5Fc2CdIt", 4, cmode="analog")


def attention() -> Pair:
    """Eight convolutions with attention over 4 steps, which are inside."""
    return inside("AttentionVGGNet", 4)


def words() -> Pair:
    """A text word by word, each a row of 1001 with one 1; 500 steps."""
    torch.manual_seed(0)
    return backbone("FastTextItout"), torch.zeros(1, 1001)


def resnet18() -> Pair:
    """Residual blocks, 10 steps of 2 x 128 x 128."""
    return made("ResNetLifItout", (2, 128, 128), depth=18, timestep=10, input_channels=2)


def resnet50() -> Pair:
    """Deep residual blocks with parameters per channel, 10 steps of 2 x 128 x 128."""
    options = {"depth": 50, "timestep": 10, "input_channels": 2, "soma_params": "channel_share"}
    return made("ResNetLifItout", (2, 128, 128), **options)


def resnet50_first() -> Pair:
    """The stem and the first six blocks of `resnet50`, for the first of two devices."""
    options = {"depth": 50, "timestep": 10, "input_channels": 2, "soma_params": "channel_share"}
    return made("ResNetLifItout_MP", (2, 128, 128), split=[0, 6], **options)


def resnet50_second() -> Pair:
    """The other ten blocks of `resnet50` and its head, for the second device."""
    options = {"depth": 50, "timestep": 10, "input_channels": 2, "soma_params": "channel_share"}
    return made("ResNetLifItout_MP", (512, 16, 16), split=[6, 16], **options)
