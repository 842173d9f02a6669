"""Train the network of sinabs' guide to DYNAP-CNN on MNIST, as an analog network.

Four convolutions (a linear layer is one) and a readout with ReLU between them become
integrate-and-fire neurons with threshold 1 and lower bound -1 when the network is compiled. To
prepare it for that, the input of training is a number of random spikes, not the pixel, and at the
end each layer is scaled so that its largest activations are about one spike per tick. The weights
leave as float32.

Written for and measured with torch 2.13.0, which snnc itself does not need:

    python -m examples.dynapcnn.train --data FOLDER -o OUT.safetensors

FOLDER holds the four IDX files of MNIST, gzipped or not.
"""

import argparse
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, cross_entropy

from examples.mnist.idx import read_idx

TICKS = 20
BATCH = 100
SHAPES = {
    "conv1": (20, 1, 5, 5),
    "conv2": (32, 20, 5, 5),
    "conv3": (128, 32, 3, 3),
    "fc1": (500, 128, 1, 1),
    "fc2": (10, 500, 1, 1),
}
POOLED = ("conv1", "conv2", "conv3")
Weights = dict[str, Tensor]


def activations(weights: Weights, x: Tensor) -> dict[str, Tensor]:
    """Return what each layer gives; the last one is not rectified."""
    found = {}
    for name, weight in weights.items():
        x = conv2d(x, weight)
        x = torch.relu(x) if name != "fc2" else x
        found[name] = x
        x = avg_pool2d(x, 2) if name in POOLED else x
    return found


def pictures(folder: Path, stem: str) -> tuple[Tensor, Tensor]:
    """Return images (samples, 1, 28, 28) as numbers from 0 to 1, and labels."""
    found = []
    for kind in ("images-idx3", "labels-idx1"):
        name = f"{stem}-{kind}-ubyte"
        path = next(p for p in (folder / name, folder / f"{name}.gz") if p.is_file())
        found.append(torch.from_numpy(read_idx(path).copy()))
    return found[0][:, None].float() / 255, found[1].long()


def spike_rates(images: Tensor, draws: torch.Generator) -> Tensor:
    """Return how often a pixel spikes per tick when it does so at random."""
    ticks = torch.full(images.shape, float(TICKS))
    return torch.binomial(ticks, images, generator=draws) / TICKS


def accuracy(weights: Weights, images: Tensor, labels: Tensor) -> float:
    """Return the share of images that are told right."""
    with torch.no_grad():
        parts = [activations(weights, part)["fc2"].flatten(1) for part in images.split(1000)]
    return float((torch.cat(parts).argmax(1) == labels).float().mean())


def scaled(weights: Weights, images: Tensor) -> Weights:
    """Return weights with which the largest activations of each layer are about 1."""
    with torch.no_grad():
        found = activations(weights, images)
    before, made = 1.0, {}
    for name, weight in weights.items():
        fired = found[name][found[name] > 0]
        after = float(torch.quantile(fired[: 1 << 20], 0.999))
        made[name] = weight * (before / after)
        before = after
    return made


def train(folder: Path, epochs: int, seed: int) -> Weights:
    """Return trained weights."""
    torch.manual_seed(seed)
    draws = torch.Generator().manual_seed(seed)
    images, labels = pictures(folder, "train")
    tests = pictures(folder, "t10k")
    weights = {n: nn.init.kaiming_uniform_(torch.empty(s)) for n, s in SHAPES.items()}
    for weight in weights.values():
        weight.requires_grad_()
    steps = epochs * len(images) // BATCH
    optimizer = torch.optim.Adam(weights.values(), 1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for epoch in range(epochs):
        begun = time.perf_counter()
        for chosen in torch.randperm(len(images), generator=draws).split(BATCH):
            found = activations(weights, spike_rates(images[chosen], draws))["fc2"].flatten(1)
            loss = cross_entropy(found, labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        taken = time.perf_counter() - begun
        print(f"epoch {epoch}: test {accuracy(weights, *tests):.4f}, {taken:.0f} s", flush=True)
    return scaled({n: w.detach() for n, w in weights.items()}, images[:500])


def main() -> None:
    """Train and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with MNIST's files")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    weights = train(chosen.data, chosen.epochs, chosen.seed)
    save_file({f"{n}.weight": w.contiguous() for n, w in weights.items()}, chosen.output)


if __name__ == "__main__":
    main()
