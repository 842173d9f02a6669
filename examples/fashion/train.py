"""Train the Fashion-MNIST network: a LeNet of integrate-and-fire neurons.

Two phases. First the network is an ordinary one, whose activations are those that 16 ticks can
tell: `floor(16 x) / 16`, from 0 to 1. Then each activation becomes a neuron (`v += current`, a
spike where `v >= 1`, then `v -= 1`), a pixel p spikes with probability p / 255 at each tick, and
training goes on through all ticks with the surrogate derivative of `examples.mnist.train`. Nothing
is quantized in training. The test images are not looked at.

Written for torch 2.13.0 with one thread, which snnc itself does not need:

    pip install torch==2.13.0 numpy safetensors
    python -m examples.fashion.train --data FOLDER

FOLDER holds the four gzipped IDX files of Fashion-MNIST under their usual names, as the Debian
package dataset-fashion-mnist installs them.
"""

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, cross_entropy, linear

from examples.mnist.train import Weights, fire, images, save

TICKS = 16
BATCH = 100
WARM_UP = 50
LEARNING_RATES = (3e-3, 1e-3)
HERE = Path(__file__).parent

SHAPES: dict[str, tuple[int, ...]] = {
    "conv1": (6, 1, 5, 5),
    "conv2": (16, 6, 5, 5),
    "fc1": (120, 256),
    "fc2": (84, 120),
    "fc3": (10, 84),
}
Activate = Callable[[Tensor, str], Tensor]


class Levels(torch.autograd.Function):
    """`floor(TICKS x) / TICKS` from 0 to 1; the gradient passes where x is in between."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.floor(x.clamp(0, 1) * TICKS) / TICKS

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradients[0] * ((x > 0) & (x < 1))


def network(weights: Weights, x: Tensor, activate: Activate) -> Tensor:
    """Outputs (n, 10) for x (n, 1, 28, 28); pools sum, without neurons of their own."""

    def pool(y: Tensor) -> Tensor:
        return avg_pool2d(y, 2, divisor_override=1)

    y = pool(activate(conv2d(x, weights["conv1.weight"]), "conv1"))
    y = pool(activate(conv2d(y, weights["conv2.weight"]), "conv2")).flatten(1)
    for layer in ("fc1", "fc2", "fc3"):
        y = activate(linear(y, weights[f"{layer}.weight"]), layer)
    return y


def rates(weights: Weights, pictures: Tensor) -> Tensor:
    """Outputs of the first phase; the last layer is not rounded, so that it learns."""
    return network(weights, pictures, lambda x, layer: x if layer == "fc3" else Levels.apply(x))  # type: ignore[no-untyped-call]


def counts(weights: Weights, pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Output spikes per sample in the second phase."""
    lead = (TICKS, len(pictures))
    trains = (torch.rand((TICKS, *pictures.shape), generator=generator) < pictures).float()

    def spikes(current: Tensor, layer: str) -> Tensor:
        return fire(current.reshape(*lead, *current.shape[1:]), weights, layer).flatten(0, 1)

    return network(weights, trains.flatten(0, 1), spikes).reshape(*lead, 10).sum(0)


def initial(generator: torch.Generator) -> Weights:
    """Normal weights of variance 2 / fan-in; a pool of four counts as one input."""
    weights = {}
    for layer, shape in SHAPES.items():
        inputs = math.prod(shape[1:]) * (4 if layer in ("conv2", "fc1") else 1)
        weight = torch.randn(shape, generator=generator) * math.sqrt(2 / inputs)
        weights[f"{layer}.weight"] = weight.requires_grad_()
    return weights


def train(data: Path, out: Path, epochs: tuple[int, int], seed: int) -> None:
    """Write the weights after each epoch; the last ones count."""
    generator = torch.Generator().manual_seed(seed)
    pictures, labels = (torch.from_numpy(a.copy()) for a in images(data, "train"))
    weights = initial(generator)

    def guess(batch: Tensor, phase: int) -> Tensor:
        # Half a nat per spike, which rates of 1 make 16 of.
        return 8 * rates(weights, batch) if phase == 1 else counts(weights, batch, generator) / 2

    for phase, count, rate in zip((1, 2), epochs, LEARNING_RATES, strict=True):
        optimizer = torch.optim.AdamW(weights.values(), rate, weight_decay=0.02)
        total, step = count * len(pictures) // BATCH, 0
        for epoch in range(count):
            begin, right = time.perf_counter(), 0
            for index in torch.randperm(len(pictures), generator=generator).split(BATCH):
                batch = mirrored(pictures[index, None].float() / 255, generator)
                falling = (1 + math.cos(math.pi * step / total)) / 2
                for group in optimizer.param_groups:
                    group["lr"] = rate * falling * min(1, (step + 1) / WARM_UP)
                found = guess(batch, phase)
                optimizer.zero_grad()
                cross_entropy(found, labels[index].long()).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                step += 1
                right += int((found.argmax(1) == labels[index]).sum())
            save({key: weight.detach() for key, weight in weights.items()}, out)
            said = f"{right / len(labels):.2%}, {time.perf_counter() - begin:.0f} s"
            print(f"phase {phase}, epoch {epoch + 1}: {said}", flush=True)


def mirrored(batch: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures (n, 1, 28, 28), every other one seen in a mirror, at random."""
    flipped = torch.rand(len(batch), generator=generator) < 0.5
    return torch.where(flipped[:, None, None, None], batch.flip(3), batch)


def main() -> None:
    """Train and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the IDX files")
    parser.add_argument("--output", type=Path, default=HERE / "lenet.safetensors")
    parser.add_argument("--epochs", type=int, nargs=2, default=(9, 2), help="of the two phases")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    # One thread: the order of float sums, and so the weights, do not depend on the machine's cores.
    torch.set_num_threads(1)
    train(chosen.data, chosen.output, tuple(chosen.epochs), chosen.seed)


if __name__ == "__main__":
    main()
