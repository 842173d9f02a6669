"""Train, evaluate and sample the two MNIST demonstration networks.

Both are built of integrate-and-fire neurons without leak, bias or floor: `v += current`, a spike
where `v >= 1`, then `v -= 1`. Layers see each other's spikes within the tick. A pixel p of 0..255
spikes with probability p / 255 at each of 16 ticks; the prediction is the output that spiked most
often, the lowest index among equals. The weights leave as float32 in a safetensors file.

Written for and measured with torch 2.13.0, which snnc itself does not need:

    pip install torch==2.13.0 numpy safetensors
    python train.py {train,evaluate} {mnist_mlp,mnist_conv} --data FOLDER
    python train.py select --data FOLDER

FOLDER holds the four gzipped IDX files of MNIST under their usual names.
"""

import argparse
import gzip
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, cross_entropy, linear, pad

TICKS = 16
HERE = Path(__file__).parent
BATCH = 100
Weights = dict[str, Tensor]
Images = npt.NDArray[np.uint8]

SHAPES: dict[str, dict[str, tuple[int, ...]]] = {
    "mnist_mlp": {"fc1": (512, 784), "fc2": (10, 512)},
    "mnist_conv": {"conv1": (8, 1, 5, 5), "conv2": (16, 8, 3, 3), "fc": (10, 576)},
}
EPOCHS = {"mnist_mlp": 24, "mnist_conv": 16}
LEARNING_RATE = {"mnist_mlp": 2e-3, "mnist_conv": 1e-2}
WARM_UP = 50
SHIFT = 1


class IntegrateAndFire(torch.autograd.Function):
    """Spikes of a layer, from its currents over all ticks: `(ticks, samples, *shape)`.

    The backward pass, for a threshold of 1, replaces the step's derivative by 1 / (1 + 4 (v - 1)^2)
    and passes nothing through the reset: a current's gradient is the sum over the later ticks.
    """

    @staticmethod
    def forward(ctx: Any, current: Tensor, threshold: Tensor) -> Tensor:
        before_reset = torch.empty_like(current)
        spikes = torch.empty_like(current)
        v = torch.zeros_like(current[0])
        for tick in range(current.shape[0]):
            v += current[tick]
            before_reset[tick] = v
            torch.ge(v, threshold, out=spikes[tick])
            v -= spikes[tick] * threshold
        ctx.save_for_backward(before_reset)
        return spikes

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (before_reset,) = ctx.saved_tensors
        gradient: Tensor = gradients[0] / before_reset.sub_(1.0).square_().mul_(4.0).add_(1.0)
        for tick in range(gradient.shape[0] - 2, -1, -1):
            gradient[tick] += gradient[tick + 1]
        return gradient, None


def fire(current: Tensor, weights: Weights, layer: str) -> Tensor:
    """Spikes of the neurons of `layer` fed with `current`, of the same shape.

    The threshold is 1 unless `weights` holds one per channel of the layer.
    """
    threshold = weights.get(f"{layer}.threshold", torch.ones(()))
    if threshold.dim():
        threshold = threshold.reshape(-1, *[1] * (current.dim() - 3))
    spikes: Tensor = IntegrateAndFire.apply(current, threshold)  # type: ignore[no-untyped-call]
    return spikes


def mlp(weights: Weights, trains: Tensor) -> Tensor:
    """Output spikes (ticks, samples, 10) of 784-512-10 for trains (ticks, samples, 28, 28)."""
    hidden = fire(linear(trains.flatten(2), weights["fc1.weight"]), weights, "fc1")
    return fire(linear(hidden, weights["fc2.weight"]), weights, "fc2")


def conv(weights: Weights, trains: Tensor) -> Tensor:
    """Output spikes (ticks, samples, 10) of the convolutional network; pooling sums spikes."""
    lead = trains.shape[:2]

    def neurons(current: Tensor, layer: str) -> Tensor:
        return fire(current.reshape(*lead, *current.shape[1:]), weights, layer).flatten(0, 1)

    spikes = trains.flatten(0, 1).unsqueeze(1)
    spikes = neurons(conv2d(spikes, weights["conv1.weight"], stride=2), "conv1")
    spikes = neurons(conv2d(spikes, weights["conv2.weight"], padding=1), "conv2")
    pooled = avg_pool2d(spikes, 2, divisor_override=1).flatten(1)
    return neurons(linear(pooled, weights["fc.weight"]), "fc").reshape(*lead, 10)


FORWARD: dict[str, Callable[[Weights, Tensor], Tensor]] = {"mnist_mlp": mlp, "mnist_conv": conv}


def quantized(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Integer weights and the integer threshold per output channel that stands for 1.

    Each channel is scaled so that its largest weight becomes 2^(bits-1) - 1, then rounded.
    """
    top = 2 ** (bits - 1) - 1
    scale = weight.flatten(1).abs().amax(1).clamp(min=1e-6) / top
    integers = torch.round(weight / scale.reshape(-1, *[1] * (weight.dim() - 1)))
    return integers, torch.round(1 / scale).clamp(min=1)


def straight_through(weight: Tensor) -> Tensor:
    """`weight` at 4 bits, for a threshold of 1; its gradient is that of the float weight."""
    integers, threshold = quantized(weight, 4)
    coarse = integers / threshold.reshape(-1, *[1] * (weight.dim() - 1))
    return weight + (coarse - weight).detach()


def images(data: Path, part: str) -> tuple[Images, Images]:
    """Images (n, 28, 28) and labels (n,) of `part`, "train" or "t10k"."""

    def read(name: str, header: int) -> Images:
        with gzip.open(data / f"{part}-{name}-ubyte.gz") as file:
            return np.frombuffer(file.read(), np.uint8, offset=header)

    return read("images-idx3", 16).reshape(-1, 28, 28), read("labels-idx1", 8)


def shifted(batch: Tensor, generator: torch.Generator) -> Tensor:
    """`batch` (samples, 28, 28), each image moved by up to SHIFT pixels, zeros moving in."""
    by, size = SHIFT, batch.shape[1]
    offset = torch.randint(0, 2 * by + 1, (2, len(batch), 1), generator=generator)
    rows, columns = torch.arange(size) + offset
    sample = torch.arange(len(batch))[:, None, None]
    return pad(batch, (by, by, by, by))[sample, rows[:, :, None], columns[:, None, :]]


def batches(
    pictures: Tensor, labels: Tensor, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch in random order: trains (ticks, BATCH, 28, 28) and labels (BATCH,)."""
    for index in torch.split(torch.randperm(len(pictures), generator=generator), BATCH):
        rate = shifted(pictures[index].float() / 255, generator)
        draws = torch.rand((TICKS, *rate.shape), generator=generator)
        yield (draws < rate).float(), labels[index]


def initial(name: str, generator: torch.Generator) -> Weights:
    """Normal weights of variance 3 / fan-in, of 0.3 / fan-in before the outputs.

    Spikes are sparse, so hidden neurons need large weights to fire at all; outputs that fire from
    the start send gradients back that silence the hidden layers.
    """
    weights = {}
    for layer, shape in SHAPES[name].items():
        deviation = math.sqrt((0.3 if shape[0] == 10 else 3.0) / math.prod(shape[1:]))
        weight = torch.randn(shape, generator=generator) * deviation
        weights[f"{layer}.weight"] = weight.requires_grad_()
    return weights


def train(name: str, data: Path, out: Path, epochs: int, seed: int) -> None:
    """Train `name` and write its weights to `out` after each epoch; the last ones count.

    AdamW; the learning rate rises over 50 steps and falls to 0 on a half cosine. In the last third
    of the epochs every other step sees the weights at 4 bits (straight-through), so that both the
    float network and its quantized form end up good. The test images are not looked at.
    """
    generator = torch.Generator().manual_seed(seed)
    pictures, labels = (torch.from_numpy(a.copy()) for a in images(data, "train"))
    labels = labels.long()
    weights = initial(name, generator)
    optimizer = torch.optim.AdamW(weights.values(), LEARNING_RATE[name], weight_decay=0.02)
    total = epochs * math.ceil(len(pictures) / BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda at: min(1, (at + 1) / WARM_UP) * (1 + math.cos(math.pi * at / total)) / 2,
    )
    step = 0
    for epoch in range(epochs):
        begin, loss_sum, right = time.perf_counter(), 0.0, 0
        for trains, wanted in batches(pictures, labels, generator):
            seen = weights
            if 3 * step >= 2 * total and step % 2:
                seen = {key: straight_through(weight) for key, weight in weights.items()}
            counts = FORWARD[name](seen, trains).sum(0)
            # Half a nat per spike asks for a margin of several spikes, which outlasts input noise.
            loss = cross_entropy(counts / 2, wanted)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            step += 1
            loss_sum += loss.item() * len(wanted)
            right += int((counts.argmax(1) == wanted).sum())
        save({k: w.detach() for k, w in weights.items()}, out)
        print(
            f"epoch {epoch + 1}/{epochs}: loss {loss_sum / len(labels):.4f}, training accuracy "
            f"{right / len(labels):.4f}, {time.perf_counter() - begin:.0f} s",
            flush=True,
        )


def save(weights: Weights, out: Path) -> None:
    """Write `weights` to `out`, whole or not at all."""
    temporary = out.with_name(out.name + ".part")
    save_file(weights, temporary)
    os.replace(temporary, out)


def encode(pictures: Images, generator: np.random.PCG64) -> Tensor:
    """Trains (ticks, samples, 28, 28): a raw 64-bit word per tick and pixel, 53 bits of it used."""
    shape = (TICKS, *pictures.shape)
    words = generator.random_raw(math.prod(shape)).reshape(shape)
    return torch.from_numpy((words >> 11) * 2.0**-53 < pictures / 255.0).float()


@torch.no_grad()
def accuracy(name: str, weights: Weights, data: Path, seed: int) -> float:
    """Share of the 10,000 test images that are recognized."""
    pictures, labels = images(data, "t10k")
    generator = np.random.PCG64(seed)
    right = 0
    for at in range(0, len(pictures), BATCH):
        spikes = FORWARD[name](weights, encode(pictures[at : at + BATCH], generator))
        counts = spikes.sum(0).numpy()
        # numpy's argmax gives the lowest index among equals; torch's promises no order.
        right += int((counts.argmax(1) == labels[at : at + BATCH]).sum())
    return right / len(labels)


def evaluate(name: str, data: Path, file: Path, seeds: int) -> None:
    """Print the test accuracy as floats, at 8 and at 4 bits, for each seed of the encoder."""
    stored = load_file(file)
    for key, weight in stored.items():
        print(f"{key} {list(weight.shape)}: {weight.min():.4f} to {weight.max():.4f}")
    forms = {"float": stored}
    for bits in (8, 4):
        # Integers in float32 are exact below 2^24, far above any potential here.
        integers: Weights = {}
        for key, weight in stored.items():
            threshold = key.replace("weight", "threshold")
            integers[key], integers[threshold] = quantized(weight, bits)
        forms[f"{bits} bits"] = integers
    for form, weights in forms.items():
        shares = [accuracy(name, weights, data, seed) for seed in range(seeds)]
        print(f"{form}: " + ", ".join(f"{100 * share:.2f} %" for share in shares), flush=True)


def select(data: Path, out: Path) -> None:
    """Write the first 1,000 test images and labels to `out`."""
    pictures, labels = images(data, "t10k")
    temporary = out.with_name(out.stem + ".part.npz")
    np.savez_compressed(temporary, images=pictures[:1000], labels=labels[:1000])
    os.replace(temporary, out)


def main() -> None:
    """Run the command named on the command line."""
    parser = argparse.ArgumentParser(description="Train the MNIST networks (torch 2.13.0).")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in ("train", "evaluate", "select"):
        options = commands.add_parser(command)
        options.add_argument("--data", type=Path, required=True, help="folder of the IDX files")
        options.add_argument("--file", type=Path, help="to write, or to evaluate; else in place")
        if command != "select":
            options.add_argument("name", choices=sorted(SHAPES))
        if command == "train":
            options.add_argument("--epochs", type=int)
            options.add_argument("--seed", type=int, default=1)
        if command == "evaluate":
            options.add_argument("--seeds", type=int, default=3, help="encoder seeds 0 .. N-1")
    chosen = parser.parse_args()
    # One thread: the order of float sums, and so the weights, do not depend on the machine's cores.
    torch.set_num_threads(1)
    if chosen.command == "select":
        select(chosen.data, chosen.file or HERE / "test1000.npz")
    elif chosen.command == "evaluate":
        file = chosen.file or HERE / f"{chosen.name}.safetensors"
        evaluate(chosen.name, chosen.data, file, chosen.seeds)
    else:
        file = chosen.file or HERE / f"{chosen.name}.safetensors"
        train(chosen.name, chosen.data, file, chosen.epochs or EPOCHS[chosen.name], chosen.seed)


if __name__ == "__main__":
    main()
