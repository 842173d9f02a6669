"""A trained network, all the way: compiled to PAICORE frames, emulated from them, verified.

python -m examples.mnist.demo                 1,000 test images, 8 and 4 bits
python -m examples.mnist.demo --data FOLDER   all 10,000 images of a folder with MNIST's files
python -m examples.mnist.demo --network conv  the convolutional network
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

import snnc
from examples.mnist.idx import test_set

HERE = Path(__file__).parent
TICKS = 16
CHUNK = 200
VERIFIED = 20

Images = NDArray[np.float32]
Labels = NDArray[np.uint8]


def load_images(folder: Path | None) -> tuple[Images, Labels]:
    """Return images as numbers from 0 to 1, and labels."""
    if folder is not None:
        images, labels = test_set(folder)
    else:
        with np.load(HERE / "test1000.npz", allow_pickle=False) as archive:
            images, labels = archive["images"], archive["labels"]
    return (images / np.float32(255)).astype(np.float32), labels


def count_spikes(run: object, images: Images, console: Console, what: str) -> tuple[Images, float]:
    """Return the output spikes of each image, summed over the ticks, and the seconds it took."""
    start, counts = time.perf_counter(), []
    starts = range(0, len(images), CHUNK)
    quiet = not console.is_terminal
    for first in track(starts, what, console=console, transient=True, disable=quiet):
        outputs = run(images[first : first + CHUNK]).outputs  # type: ignore[operator]
        counts.append(next(iter(outputs.values())).sum(axis=1))
    return np.concatenate(counts), time.perf_counter() - start


def accuracy(counts: Images, labels: Labels) -> tuple[str, str]:
    """Return the share of images whose label spikes most, and its 95 % interval (Wilson)."""
    n, z = len(labels), 1.96
    share = float((counts.argmax(axis=1) == labels).mean())
    center = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return f"{share:.1%}", f"{center - half:.1%} to {center + half:.1%}"


def show(network: str, folder: Path | None, console: Console) -> bool:
    """Print the table of one network; return whether every build was verified."""
    images, labels = load_images(folder)
    net = snnc.load(HERE / f"{network}.snnl")
    images = images.reshape(len(images), *net.graph.inputs[0].type.shape)

    def inputs(chunk: Images) -> dict[str, Images]:
        return {"image": chunk}

    table = Table(
        "network",
        "accuracy",
        "95 % interval",
        "output spikes",
        "cores",
        "seconds",
        title=f"{net.name}, {len(images)} test images, {TICKS} ticks",
    )

    def row(name: str, counts: Images, seconds: float, cores: str = "") -> None:
        spikes = f"{counts.sum():,}"
        table.add_row(name, *accuracy(counts, labels), spikes, cores, f"{seconds:.1f}")

    counts, seconds = count_spikes(
        lambda c: snnc.run(net, inputs(c), ticks=TICKS), images, console, "float network"
    )
    row("float", counts, seconds)
    proven = True
    for bits in (8, 4):
        build = snnc.compile(net, target="paicore", bits=bits)
        counts, seconds = count_spikes(
            lambda c, b=build: snnc.run(b.module, inputs(c), ticks=TICKS),  # type: ignore[misc]
            images,
            console,
            f"{bits}-bit integers",
        )
        row(f"{bits}-bit integers", counts, seconds)
        with tempfile.TemporaryDirectory() as place:
            build.save(Path(place) / "build")
            emulated, seconds = count_spikes(
                lambda c, b=build: b.run(inputs(c)),
                images,
                console,  # type: ignore[misc]
                f"{bits}-bit frames",
            )
            verification = build.verify(inputs(images[:VERIFIED]))
        same = np.array_equal(counts, emulated) and verification.equal
        proven = proven and same
        cores = str(build.manifest["resources"]["cores"])
        row(f"{bits}-bit frames", emulated, seconds, cores)
        verdict = "equal" if same else "[bold red]DIFFERENT[/]"
        console.print(
            f"{bits} bits: frames, emulated, and integers are {verdict} on {len(images)} images; "
            f"every layer of {VERIFIED} of them: {verification}."
        )
    console.print(table)
    return proven


def main() -> None:
    """Run the demo; exit status 3 where a build differs from its network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=["mlp", "conv"], default="mlp")
    parser.add_argument("--data", type=Path, help="folder with MNIST's test files (IDX)")
    chosen = parser.parse_args()
    if not show(chosen.network, chosen.data, Console()):
        raise SystemExit(3)


if __name__ == "__main__":
    main()
