"""The network as sinabs' guide writes it: an analog network, converted with `from_model`."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from sinabs.from_torch import from_model
from torch import Tensor, nn

HERE = Path(__file__).resolve().parent
PICTURES = HERE.parent / "mnist" / "test1000.npz"
TICKS = 20


def analog() -> nn.Module:
    """Return the trained network with ReLU."""
    network = nn.Sequential(
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
    trained = load_file(str(HERE / "mnist.safetensors"))
    layers = [m for m in network if isinstance(m, (nn.Conv2d, nn.Linear))]
    for layer, weight in zip(layers, trained.values(), strict=True):
        layer.weight.data = weight.reshape(layer.weight.shape).clone()
    return network.eval()


def pictures(count: int) -> Tensor:
    """Return random spikes of test pictures, (pictures x ticks, 1, 28, 28)."""
    with np.load(PICTURES, allow_pickle=False) as archive:
        images = archive["images"][:count].astype(np.float32) / 255
    rates = torch.from_numpy(images)[:, None, None].expand(-1, TICKS, -1, -1, -1)
    draws = torch.rand(rates.shape, generator=torch.Generator().manual_seed(0))
    return (draws < rates).float().flatten(0, 1)


def build() -> tuple[nn.Module, Tensor]:
    """Return the spiking network and a sample of two pictures over time."""
    converted = from_model(analog(), num_timesteps=TICKS, add_spiking_output=True)
    return converted.spiking_model.eval(), pictures(2)
