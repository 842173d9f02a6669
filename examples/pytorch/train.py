"""Train the examples on MNIST, with each framework's own surrogate gradient.

    python -m examples.pytorch.train {spikingjelly,sinabs,snntorch,norse,relu} --data FOLDER

FOLDER holds the gzipped IDX files of MNIST under their usual names. A picture is drawn as spikes
(for `relu` it is given as numbers), the loss is the cross entropy of the counts of output spikes,
and the parameters leave as float32 in NAME.safetensors beside this file.
"""

import argparse
import importlib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from examples.mnist.idx import read_idx
from examples.pytorch.pictures import HERE, TICKS

BATCH = 100
EPOCHS = {"relu": 3}
RATE = {"relu": 1e-3}


def labelled(folder: Path, part: str) -> tuple[Tensor, Tensor]:
    """Return pictures as numbers from 0 to 1, (count, 1, 28, 28), and labels."""
    images = read_idx(folder / f"{part}-images-idx3-ubyte.gz")
    labels = read_idx(folder / f"{part}-labels-idx1-ubyte.gz")
    pictures = torch.from_numpy(images.astype(np.float32) / 255)[:, None]
    return pictures, torch.from_numpy(labels.astype(np.int64))


def answers(example: object, net: nn.Module, pictures: Tensor, draw: torch.Generator) -> Tensor:
    """Return the ten numbers of each picture whose largest is the answer."""
    if not hasattr(example, "counts"):
        return net(pictures)
    drawn = torch.rand((TICKS, *pictures.shape), generator=draw) < pictures
    return example.counts(net, drawn.float())


def share(example: object, net: nn.Module, data: tuple[Tensor, Tensor], limit: int) -> float:
    """Return the share of the first pictures that are told right."""
    net.eval()
    draw, right = torch.Generator().manual_seed(1), 0
    with torch.no_grad():
        for first in range(0, limit, BATCH):
            part = slice(first, first + BATCH)
            found = answers(example, net, data[0][part], draw).argmax(1)
            right += int((found == data[1][part]).sum())
    return right / limit


def train(name: str, folder: Path, epochs: int) -> None:
    """Train one example and save its parameters."""
    torch.manual_seed(0)
    example = importlib.import_module(f"examples.pytorch.{name}_mnist")
    net = example.network()
    pictures, labels = labelled(folder, "train")
    held_out = labelled(folder, "t10k")
    draw = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(net.parameters(), RATE.get(name, 2e-3))
    steps = epochs * (len(pictures) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for epoch in range(epochs):
        net.train()
        order = torch.randperm(len(pictures), generator=draw)
        for batch in order.split(BATCH):
            found = answers(example, net, pictures[batch], draw)
            scale = 1.0 if name == "relu" else 4.0 / TICKS
            loss = nn.functional.cross_entropy(found * scale, labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        some = min(2000, len(held_out[0]))
        right = share(example, net, held_out, some)
        print(f"{name}: epoch {epoch}, loss {loss.item():.3f}, {right:.1%} of {some:,}", flush=True)
    right = share(example, net, held_out, len(held_out[0]))
    print(f"{name}: {right:.2%} of the {len(held_out[0]):,} test pictures")
    learned = {k for k, p in net.named_parameters() if p.requires_grad}
    learned |= {k for k in net.state_dict() if k.endswith(("running_mean", "running_var"))}
    saved = {k: v.float().contiguous() for k, v in net.state_dict().items() if k in learned}
    save_file(saved, str(HERE / f"{name}_mnist.safetensors"))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=["spikingjelly", "sinabs", "snntorch", "norse", "relu"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int)
    given = parser.parse_args()
    train(given.name, given.data, given.epochs or EPOCHS.get(given.name, 2))


if __name__ == "__main__":
    main()
