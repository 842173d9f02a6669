"""Accuracy of the networks of examples/mnist and examples/fashion in integers, on all test images.

python -m examples.mnist.quantization --data FOLDER --options 'bits=2' 'bits=4 per=layer'
python -m examples.mnist.quantization --data FOLDER --network fashion --emulate 100

FOLDER holds the files of MNIST, or of Fashion-MNIST; the first training images are the calibration
data, the 10,000 test images are counted. Prints one line per set of options: accuracy, its 95 %
interval, how many answers are others than in real numbers, mean bits per weight, and for each layer
the mean difference of spike counts from the real network on the calibration data. With `--emulate`,
PAICORE's frames are made too and run on that many test images; exit status 3 where a spike differs.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import snnc
from examples.mnist.idx import read_idx, test_set
from snnc.builtins import open_registry
from snnc.driver.engines import pick_engine
from snnc.driver.pipeline import runner
from snnc.extend.passes import Context
from snnc.ir.graph import Module
from snnc.passes.accuracy import wilson
from snnc.passes.mixed_precision import weight_bits

HERE = Path(__file__).parent
NETWORKS = {
    "mlp": HERE / "mlp.snnl",
    "conv": HERE / "conv.snnl",
    "leaky": HERE / "leaky.snnl",
    "lif": HERE / "lif.snnl",
    "fashion": HERE.parent / "fashion" / "lenet.snnl",
}
BEFORE = {"leaky": "fold-norm,subtractive-leak", "lif": "fold-norm,subtractive-leak"}
TICKS = 16
CHUNK = 500

Images = NDArray[np.float32]


def pixels(net: Module, images: NDArray[np.uint8]) -> Images:
    """Return images as numbers from 0 to 1 in the shape of the network's input."""
    scaled = (images / np.float32(255)).astype(np.float32)
    return scaled.reshape(len(images), *net.graph.inputs[0].type.shape)


def answers(net: Module, images: Images) -> NDArray[np.int64]:
    """Return the output that spikes most for each image, the lowest among equals."""
    program = pick_engine(open_registry(), "auto", net).prepare(net)
    found = []
    for first in range(0, len(images), CHUNK):
        chunk = {"image": images[first : first + CHUNK]}
        (spikes,) = program.run(chunk, ticks=TICKS, first_sample=first).outputs.values()
        found.append(spikes.sum(axis=1).argmax(axis=1))
    return np.concatenate(found)


def share(right: NDArray[np.bool_]) -> str:
    """Return the share of right answers with its interval."""
    low, high = wilson(int(right.sum()), len(right))
    return f"{right.mean():.2%} ({low:.2%} to {high:.2%})"


def mean_bits(net: Module) -> float:
    """Return how many bits a weight of a module at level int has on average."""
    weights = {op.symbols[0] for op in net.ops("linear", "conv2d")}
    return weight_bits(net) / sum(net.symbol_type(symbol).size for symbol in weights)


def emulated(build: snnc.Build, images: Images) -> bool:
    """Return whether PAICORE's frames give the spikes of the integers."""
    inputs = {"image": images}
    actual = build.run(inputs).outputs
    expected = snnc.run(build.module, inputs, ticks=TICKS).outputs
    return all(np.array_equal(actual[name], expected[name]) for name in expected)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the files (IDX)")
    parser.add_argument("--network", choices=sorted(NETWORKS), default="mlp")
    parser.add_argument("--before", help="passes in front of quantize; those it needs by default")
    parser.add_argument("--samples", type=int, default=1000, help="images to calibrate with")
    parser.add_argument("--limit", type=int, help="test images to count, instead of all")
    parser.add_argument("--emulate", type=int, default=0, help="test images to run the frames on")
    parser.add_argument("--options", nargs="*", default=["bits=8", "bits=4"])
    chosen = parser.parse_args()
    net = snnc.load(NETWORKS[chosen.network])
    before = chosen.before or BEFORE.get(chosen.network, "fold-norm")
    images, labels = (array[: chosen.limit] for array in test_set(chosen.data))
    stem = "train-images-idx3-ubyte"
    path = next(p for p in (chosen.data / stem, chosen.data / f"{stem}.gz") if p.is_file())
    seen = {"image": pixels(net, read_idx(path)[: chosen.samples])}
    given = pixels(net, images)
    real = answers(net, given)
    print(f"{net.name}, float: {share(real == labels)}", flush=True)
    for options in chosen.options:
        context = Context(calibration=seen, run=runner(open_registry()))
        pipeline = f"clean,{before},quantize{{{options}}},clean"
        integers = snnc.run_pipeline(net, pipeline, context=context)
        layers = context.report["quantize"]["layers"]
        off = ", ".join(f"{name} {layer['count_error']:.3f}" for name, layer in layers.items())
        found = answers(integers, given)
        changed, bits = int((found != real).sum()), mean_bits(integers)
        mixed = context.report["quantize"].get("mixed", {"bits": {}})["bits"]
        each = f" ({', '.join(f'{name} {n}' for name, n in mixed.items())})" if mixed else ""
        said = f"{changed} changed, {bits:.2f} bits per weight{each}, off by {off} spikes"
        print(f"{options}: {share(found == labels)}, {said}", flush=True)
        if chosen.emulate:
            same = emulated(snnc.compile(integers, "paicore"), given[: chosen.emulate])
            verdict = "the same spikes" if same else "OTHER spikes"
            print(f"  PAICORE's frames, emulated on {chosen.emulate} images: {verdict}", flush=True)
            if not same:
                raise SystemExit(3)


if __name__ == "__main__":
    main()
