"""Train the tutorial's network on MNIST with the tutorial's recipe, on a CPU.

    python -m examples.lynxi.train --data FOLDER                    as the tutorial: 30 epochs
    python -m examples.lynxi.train --data FOLDER --epochs 10,2,0    as the weights beside this file

FOLDER holds the gzipped IDX files of MNIST under their usual names. A pixel is the probability of a
spike in each of 20 steps; the loss is the cross entropy of the mean output spikes; SGD has momentum
0.9, weight decay 1e-3 and batches of 200, and rates of 0.02, 0.002 and 0.0002 for as many epochs as
`--epochs` says of each. A step of a neuron and its gradient (a window of width 1 around the
threshold) are the tutorial's too. Only the order of work differs: a layer is run over all steps
before the next one begins, which gives the same numbers up to the order of sums.

The parameters leave as float32 in tutorial.safetensors beside this file after each epoch.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from examples.lynxi.tutorial import OneStep
from examples.pytorch.train import labelled

WEIGHTS = Path(__file__).parent / "tutorial.safetensors"
SEED, STEPS, BATCH = 20231026, 20, 200
RATES = (0.02, 0.002, 0.0002)
WINDOW = 0.5
"""Half of the width around the threshold where a spike has a gradient."""


class Neurons(torch.autograd.Function):
    """A layer of the tutorial's neurons over all steps: currents (steps, batch, n) to spikes."""

    @staticmethod
    def forward(ctx: Any, currents: Tensor, vth: Tensor, decay: Tensor) -> Tensor:
        v = torch.zeros_like(currents)
        spikes = torch.zeros_like(currents)
        for step, current in enumerate(currents):
            kept = v[step - 1] * (1 - spikes[step - 1]) * decay if step else 0.0
            torch.add(current, kept, out=v[step])
            spikes[step] = torch.gt(v[step], vth)
        ctx.save_for_backward(v, spikes, vth, decay)
        return spikes

    @staticmethod
    def backward(ctx: Any, wanted: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        v, spikes, vth, decay = ctx.saved_tensors
        made = torch.zeros_like(v)
        later = torch.zeros_like(v[0])
        for step in reversed(range(len(v))):
            near = (v[step] - vth).abs() < WINDOW
            spike = wanted[step] - later * v[step] * decay
            later = later * (1 - spikes[step]) * decay + spike * near
            made[step] = later
        return made, None, None


def layer(operator: nn.Module, inputs: Tensor, net: OneStep) -> Tensor:
    """Return the spikes (steps, batch, n) of a layer."""
    currents = operator(inputs.flatten(0, 1)).unflatten(0, inputs.shape[:2])
    return Neurons.apply(currents, net.vth, net.decay)


def shares(net: OneStep, pictures: Tensor, draw: torch.Generator) -> Tensor:
    """Return the mean output spikes (batch, 10) of pictures (batch, 784)."""
    steps = pictures.expand(STEPS, *pictures.shape)
    spikes = torch.bernoulli(steps, generator=draw)
    for operator in (net.linear_1, net.linear_2, net.linear_3):
        spikes = layer(operator, spikes, net)
    return spikes.mean(0)


@torch.no_grad()
def accuracy(net: OneStep, pictures: Tensor, labels: Tensor, draw: torch.Generator) -> float:
    """Return the share of pictures that are told right."""
    found = [shares(net, part, draw).argmax(1) for part in pictures.split(BATCH)]
    return float((torch.cat(found) == labels).float().mean())


def train(folder: Path, epochs: tuple[int, ...], output: Path) -> None:
    """Train the network and save its parameters after each epoch."""
    torch.manual_seed(SEED)
    net = OneStep(on_apu=False)
    parts = [labelled(folder, part) for part in ("train", "t10k")]
    (pictures, labels), test = [(p.flatten(1), n) for p, n in parts]
    draw = torch.Generator().manual_seed(SEED)
    optimizer = torch.optim.SGD(net.parameters(), RATES[0], momentum=0.9, weight_decay=1e-3)
    schedule = [rate for rate, count in zip(RATES, epochs, strict=True) for _ in range(count)]
    for epoch, rate in enumerate(schedule):
        began, right = time.perf_counter(), 0
        optimizer.param_groups[0]["lr"] = rate
        for batch in torch.randperm(len(pictures), generator=draw).split(BATCH):
            found = shares(net, pictures[batch], draw)
            loss = nn.functional.cross_entropy(found, labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            right += int((found.argmax(1) == labels[batch]).sum())
        save_file({n: t.detach().contiguous() for n, t in net.state_dict().items()}, output)
        told = accuracy(net, *test, torch.Generator().manual_seed(SEED))
        seconds = time.perf_counter() - began
        print(
            f"epoch {epoch}, rate {rate}: {right / len(pictures):.2%} of the training images, "
            f"{told:.2%} of the test images, {seconds:.0f} s",
            flush=True,
        )


def main() -> None:
    """Read the command line and train."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--epochs", default="10,10,10", metavar="A,B,C", help="per rate")
    parser.add_argument("--output", type=Path, default=WEIGHTS, metavar="FILE")
    given = parser.parse_args()
    epochs = tuple(int(part) for part in given.epochs.split(","))
    train(given.data, epochs, given.output)


if __name__ == "__main__":
    main()
