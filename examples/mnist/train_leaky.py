"""Train the leaky MNIST demonstration networks, 784-256-10.

The neurons are those of one of two frameworks, at their defaults:

- `snntorch`, Leaky(beta=0.9): `v = 0.9 v + current - s`, s being the spikes of the tick before, and
  a spike where v is above 1.
- `spikingjelly`, LIFNode(tau=2.0): `v = v + (current - v) / 2`, a spike where v is 1 or more, which
  puts v back to 0.

A pixel p of 0..255 spikes with probability p / 255 at each of 16 ticks; the prediction is the
output that spiked most often.

Written for torch 2.13.0 with one thread, which snnc itself does not need:

    pip install torch==2.13.0 numpy safetensors
    python -m examples.mnist.train_leaky --data FOLDER --output mnist_leaky.safetensors
    python -m examples.mnist.train_leaky --data FOLDER --output mnist_lif.safetensors \
        --neuron spikingjelly --epochs 3

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


class SpikeAt(Spike):
    """1 where v is 0 or above, with the same derivative."""

    @staticmethod
    def forward(ctx: Any, v: Tensor) -> Tensor:
        ctx.save_for_backward(v)
        return (v >= 0).float()


def lif(current: Tensor) -> Tensor:
    """Spikes of SpikingJelly's LIFNode fed with `current`, both `(ticks, samples, neurons)`."""
    v, train = torch.zeros_like(current[0]), []
    for tick in range(len(current)):
        v = v + (current[tick] - v) / 2
        spikes = SpikeAt.apply(v - 1)  # type: ignore[no-untyped-call]
        # The reset itself has no gradient, as with detach_reset=True.
        v = v * (1 - spikes.detach())
        train.append(spikes)
    return torch.stack(train)


def leaky(current: Tensor) -> Tensor:
    """Spikes of snnTorch's Leaky fed with `current`, both `(ticks, samples, neurons)`."""
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


NEURONS = {"snntorch": leaky, "spikingjelly": lif}
GAIN = {"snntorch": 1.0, "spikingjelly": 3.0}
"""What the first weights are multiplied by: half of a current is left out, half of v is lost."""


def train(data: Path, neuron: str, epochs: int) -> dict[str, Tensor]:
    """Return the weights after the last epoch."""
    fire = NEURONS[neuron]
    torch.manual_seed(1)
    torch.set_num_threads(1)
    pixels, labels = images(data)
    first = torch.nn.Parameter(torch.randn(256, 784) * (1 / 784) ** 0.5 * GAIN[neuron])
    second = torch.nn.Parameter(torch.randn(10, 256) * (1 / 256) ** 0.5 * GAIN[neuron])
    optimizer = torch.optim.AdamW([first, second], LEARNING_RATE, weight_decay=0.02)
    step, steps = 0, epochs * len(pixels) // BATCH
    for epoch in range(epochs):
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
    parser.add_argument("--neuron", choices=sorted(NEURONS), default="snntorch")
    parser.add_argument("--epochs", type=int, default=5)
    chosen = parser.parse_args()
    save_file(train(chosen.data, chosen.neuron, chosen.epochs), chosen.output)


if __name__ == "__main__":
    main()
