"""What the examples share: the trained weights, and pictures as trains of spikes."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

HERE = Path(__file__).resolve().parent
MNIST = HERE.parent / "mnist"
TICKS = 16


def load_weights(network: nn.Module) -> nn.Module:
    """Return the network in eval mode, its two linear layers as examples/mnist trained them."""
    trained = load_file(str(MNIST / "mnist_mlp.safetensors"))
    layers = [m for m in network.modules() if isinstance(m, nn.Linear)]
    for layer, name in zip(layers, ("fc1.weight", "fc2.weight"), strict=True):
        layer.weight.data = trained[name].clone()
    return network.eval()


def trains(count: int) -> tuple[Tensor, np.ndarray]:
    """Return Bernoulli spikes of test pictures, (ticks, count, 784), and their labels."""
    with np.load(MNIST / "test1000.npz", allow_pickle=False) as archive:
        images, labels = archive["images"][:count], archive["labels"][:count]
    rates = torch.from_numpy(images.reshape(count, 784).astype(np.float32) / 255)
    draws = torch.rand((TICKS, count, 784), generator=torch.Generator().manual_seed(0))
    return (draws < rates).float(), labels
