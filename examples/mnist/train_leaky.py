"""Train the leaky MNIST demonstration network, 784-256-10.

Its neurons are those of snnTorch's Leaky(beta=0.9) at its defaults: `v = 0.9 v + current - s`, s
being the spikes of the tick before, and a spike where v is above 1. A pixel p of 0..255 spikes with
probability p / 255 at each of 16 ticks; the prediction is the output that spiked most often.

Written for torch 2.13.0 with one thread, which snnc itself does not need:

    pip install torch==2.13.0 numpy safetensors
    python -m examples.mnist.train_leaky --data FOLDER --output mnist_leaky.safetensors

FOLDER holds the training files of MNIST under their usual names.
"""

import argparse
import gzip
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import cross_entropy, linear

TICKS = 16
BATCH = 100
EPOCHS = 5
LEARNING_RATE = 2e-3
WARM_UP = 50


class Spike(torch.autograd.Function):
    """1 where v is above 0; the derivative of the step is replaced by 1 / (1 + 4 v^2)."""

    @staticmethod
    def forward(ctx: Any, v: Tensor) -> Tensor:
        ctx.save_for_backward(v)
        return (v > 0).float()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (v,) = ctx.saved_tensors
        result: Tensor = gradients[0] / (1 + 4 * v * v)
        return result


def fire(current: Tensor) -> Tensor:
    """Spikes of leaky neurons fed with `current`, both `(ticks, samples, neurons)`."""
    v, spikes = torch.zeros_like(current[0]), torch.zeros_like(current[0])
    train = []
    for tick in range(len(current)):
        v = 0.9 * v + current[tick] - spikes
        spikes = Spike.apply(v - 1)  # type: ignore[no-untyped-call]
        train.append(spikes)
    return torch.stack(train)


def images(data: Path) -> tuple[Tensor, Tensor]:
    """Pixels (60000, 784) from 0 to 1, and labels."""

    def read(name: str, header: int) -> Tensor:
        with gzip.open(data / f"train-{name}-ubyte.gz") as file:
            return torch.tensor(np.frombuffer(file.read(), np.uint8, offset=header).copy())

    return read("images-idx3", 16).reshape(-1, 784) / 255.0, read("labels-idx1", 8).long()


def rate(step: int, steps: int) -> float:
    """Learning rate: warmed up, then on a half cosine."""
    return LEARNING_RATE * min(1, step / WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * step / steps))


def train(data: Path) -> dict[str, Tensor]:
    """Return the weights after the last epoch."""
    torch.manual_seed(1)
    torch.set_num_threads(1)
    pixels, labels = images(data)
    first = torch.nn.Parameter(torch.randn(256, 784) * (1 / 784) ** 0.5)
    second = torch.nn.Parameter(torch.randn(10, 256) * (1 / 256) ** 0.5)
    optimizer = torch.optim.AdamW([first, second], LEARNING_RATE, weight_decay=0.02)
    step, steps = 0, EPOCHS * len(pixels) // BATCH
    for epoch in range(EPOCHS):
        order, right = torch.randperm(len(pixels)), 0
        for start in range(0, len(pixels), BATCH):
            optimizer.param_groups[0]["lr"] = rate(step, steps)
            step += 1
            chosen = order[start : start + BATCH]
            spikes = (torch.rand(TICKS, BATCH, 784) < pixels[chosen]).float()
            counts = fire(linear(fire(linear(spikes, first)), second)).sum(0)
            optimizer.zero_grad()
            cross_entropy(counts / 2, labels[chosen]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            right += int((counts.argmax(1) == labels[chosen]).sum())
        print(f"epoch {epoch + 1}: {right / len(pixels):.2%} of the training images", flush=True)
    return {"fc1.weight": first.detach(), "fc2.weight": second.detach()}


def main() -> None:
    """Train and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    chosen = parser.parse_args()
    save_file(train(chosen.data), chosen.output)


if __name__ == "__main__":
    main()
