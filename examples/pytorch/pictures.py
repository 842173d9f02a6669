"""What the examples share: trained weights, and pictures as trains of spikes."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

HERE = Path(__file__).resolve().parent
TEST = HERE.parent / "mnist" / "test1000.npz"
TICKS = 12


def with_weights(network: nn.Module, name: str) -> nn.Module:
    """Return the network in eval mode, with the weights that `train` saved under this name."""
    trained = load_file(str(HERE / f"{name}.safetensors"))
    left = network.load_state_dict(trained, strict=False)
    parameters = dict(network.named_parameters())
    absent = [n for n in left.missing_keys if n in parameters and parameters[n].requires_grad]
    if absent or left.unexpected_keys:
        raise SystemExit(f"{name}: missing {absent}, unknown {left.unexpected_keys}")
    return network.eval()


def test_pictures(count: int) -> tuple[Tensor, np.ndarray]:
    """Return test pictures as numbers from 0 to 1, (count, 1, 28, 28), and their labels."""
    with np.load(TEST, allow_pickle=False) as archive:
        images, labels = archive["images"][:count], archive["labels"][:count]
    return torch.from_numpy(images.astype(np.float32) / 255)[:, None], labels


def trains(pictures: Tensor, seed: int = 0) -> Tensor:
    """Return Bernoulli spikes of pictures, (ticks, count, 1, 28, 28); a pixel is its rate."""
    generator = torch.Generator().manual_seed(seed)
    draws = torch.rand((TICKS, *pictures.shape), generator=generator)
    return (draws < pictures).float()
