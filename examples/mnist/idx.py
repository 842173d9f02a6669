"""MNIST in the format it was published in: IDX files, gzipped or not.

python -m examples.mnist.idx FOLDER OUT.npz    the 10,000 test images as snnc eval takes them
"""

import argparse
import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


def read_idx(path: Path) -> Bytes:
    """Return the array of unsigned bytes that an IDX file holds."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if data[:3] != b"\0\0\x08":
        raise SystemExit(f"{path} is not an IDX file of unsigned bytes")
    shape = np.frombuffer(data, ">u4", count=data[3], offset=4).astype(int)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def test_set(folder: Path) -> tuple[Bytes, Bytes]:
    """Return the 10,000 test images and labels of a folder with the published files."""
    found = []
    for stem in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        paths = [p for p in (folder / stem, folder / f"{stem}.gz") if p.is_file()]
        if not paths:
            raise SystemExit(f"there is no {stem}[.gz] in {folder}")
        found.append(read_idx(paths[0]))
    return found[0], found[1]


def main() -> None:
    """Write images and labels of the test set into a file."""
    parser = argparse.ArgumentParser(description="the test set of MNIST as an .npz file")
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path)
    given = parser.parse_args()
    images, labels = test_set(given.folder)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(given.output, images=images, labels=labels)


if __name__ == "__main__":
    main()
