"""Accuracy of the MNIST networks in integers, for the options of `quantize`.

python -m examples.mnist.quantization --data FOLDER --options 'bits=2' 'bits=4 per=layer'

FOLDER holds the files of MNIST; the first training images are the calibration data, the 10,000 test
images are counted. Prints one line per set of options: accuracy, and for each layer the mean
difference of spike counts from the float network on the calibration data.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import snnc
from examples.mnist.idx import read_idx, test_set
from snnc.builtins import open_registry
from snnc.driver.pipeline import run_pipeline, runner
from snnc.extend.passes import Context
from snnc.ir.graph import Module

HERE = Path(__file__).parent
TICKS = 16
CHUNK = 500
RUN = runner(open_registry())


def pixels(net: Module, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return images as numbers from 0 to 1 in the shape of the network's input."""
    scaled = (images / np.float32(255)).astype(np.float32)
    return scaled.reshape(len(images), *net.graph.inputs[0].type.shape)


def accuracy(net: Module, images: NDArray[np.float32], labels: NDArray[np.uint8]) -> float:
    """Return the share of images whose label spikes most, the lowest among equals."""
    right = 0
    for first in range(0, len(images), CHUNK):
        chunk = {"image": images[first : first + CHUNK]}
        (spikes,) = RUN(net, chunk, ticks=TICKS, first_sample=first).outputs.values()
        answers = spikes.sum(axis=1).argmax(axis=1)
        right += int((answers == labels[first : first + CHUNK]).sum())
    return right / len(images)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with MNIST's files (IDX)")
    parser.add_argument("--network", choices=["mlp", "conv", "leaky"], default="mlp")
    parser.add_argument("--before", default="fold-norm", help="passes in front of quantize")
    parser.add_argument("--samples", type=int, default=1000, help="images to calibrate with")
    parser.add_argument("--options", nargs="*", default=["bits=8", "bits=4"])
    chosen = parser.parse_args()
    net = snnc.load(HERE / f"{chosen.network}.snnl")
    images, labels = test_set(chosen.data)
    stem = "train-images-idx3-ubyte"
    path = next(p for p in (chosen.data / stem, chosen.data / f"{stem}.gz") if p.is_file())
    seen = {"image": pixels(net, read_idx(path)[: chosen.samples])}
    print(f"{net.name}, float: {accuracy(net, pixels(net, images), labels):.2%}", flush=True)
    for options in chosen.options:
        context = Context(calibration=seen, run=RUN)
        text = f"clean,{chosen.before},quantize{{{options}}},clean"
        integers = run_pipeline(net, text, context=context)
        layers = context.report["quantize"]["layers"]
        off = ", ".join(f"{name} {layer['count_error']:.3f}" for name, layer in layers.items())
        shown = accuracy(integers, pixels(net, images), labels)
        print(f"{options}: {shown:.2%} (off by {off} spikes)", flush=True)


if __name__ == "__main__":
    main()
