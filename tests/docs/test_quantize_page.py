"""The script behind the figures of docs/quantize.md runs; the page names what there is."""

import re
from pathlib import Path

import numpy as np
import pytest

from examples.mnist import quantization
from snnc.extend.options import declared
from snnc.passes.quantize import Quantize

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path):
    """A folder with the files of MNIST, 40 images long."""
    with np.load(ROOT / "examples/mnist/test1000.npz", allow_pickle=False) as archive:
        images, labels = archive["images"][:40], archive["labels"][:40]
    for stem, array in (
        ("train-images-idx3-ubyte", images),
        ("t10k-images-idx3-ubyte", images),
        ("t10k-labels-idx1-ubyte", labels),
    ):
        head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
        (tmp_path / stem).write_bytes(head + array.astype(np.uint8).tobytes())
    return tmp_path


def measured(folder, monkeypatch, capsys, *arguments):
    given = ("quantization", "--data", str(folder), "--samples", "20", *arguments)
    monkeypatch.setattr("sys.argv", list(given))
    quantization.main()
    return capsys.readouterr().out.splitlines()


def test_the_figures_can_be_measured_anew(folder, monkeypatch, capsys):
    options = ("bits=8", "bits=2 rounding=second-order")
    given = ("--network", "conv", "--options", *options)
    lines = measured(folder, monkeypatch, capsys, *given)
    assert [line.partition(":")[0] for line in lines] == [
        "mnist_conv, float",
        "bits=8",
        "bits=2 rounding=second-order",
    ]
    assert all(re.search(r"\d+\.\d\d%", line) for line in lines)


def test_leaky_neurons_can_be_measured_anew(folder, monkeypatch, capsys):
    leaky = ("--network", "leaky", "--options", "bits=8", "--emulate", "3")
    lines = measured(folder, monkeypatch, capsys, *leaky)
    assert [line.partition(":")[0] for line in lines[:2]] == ["mnist_leaky, float", "bits=8"]
    assert lines[2].endswith("emulated on 3 images: the same spikes")


def test_the_page_names_every_option_and_choice():
    page = (ROOT / "docs/quantize.md").read_text()
    for option in declared(Quantize):
        assert f"`{option.name}`" in page or f"`{option.name} = " in page
        assert all(f"{choice}" in page for choice in option.choices)
