"""The network of sinabs' guide: accuracy in all semantics, one configuration from all sources."""

from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.driver import Build
from snnc.machine import installed

FOLDER = Path(__file__).parents[2] / "examples"
NETWORK = FOLDER / "dynapcnn" / "mnist.snnl"


def pictures(count: int) -> tuple[np.ndarray, np.ndarray]:
    with np.load(FOLDER / "mnist" / "test1000.npz", allow_pickle=False) as archive:
        images = archive["images"][:count] / np.float32(255)
        return images.astype(np.float32)[:, None], archive["labels"][:count]


def correct(build: Build, count: int, semantics: str) -> int:
    images, labels = pictures(count)
    found = 0
    for first in range(0, count, 100):
        part = slice(first, first + 100)
        ran = build.run({"image": images[part]}, semantics=semantics, first_sample=first)
        sums = ran.outputs["digit"].sum(axis=1, dtype=np.int64)
        found += int((sums.argmax(axis=1) == labels[part]).sum())
    return found


@pytest.fixture(scope="module")
def build() -> Build:
    return snnc.compile(NETWORK, "dynapcnn:speck2fdevkit")


def test_it_takes_the_cores_that_sinabs_gives_it(build: Build) -> None:
    assert [0, 3, 5, 6, 1] == [op["core"] for op in build.placed.ops("core")]


def test_few_pictures_in_both_semantics(build: Build) -> None:
    assert 10 == correct(build, 10, "timestep")
    if installed():
        assert 10 == correct(build, 10, "event")


@pytest.mark.slow
def test_a_thousand_pictures_in_all_semantics(build: Build) -> None:
    pytest.importorskip("llvmlite")
    images, labels = pictures(1000)
    net = snnc.load(NETWORK)
    found = 0
    for first in range(0, 1000, 100):
        part = slice(first, first + 100)
        ran = snnc.run(net, {"image": images[part]}, ticks=20, first_sample=first)
        sums = ran.outputs["digit"].sum(axis=1, dtype=np.int64)
        found += int((sums.argmax(axis=1) == labels[part]).sum())
    counts = found, correct(build, 1000, "timestep"), correct(build, 1000, "event")
    assert (989, 989, 988) == counts


def test_a_module_of_sinabs_gives_the_same_configuration(build: Build) -> None:
    pytest.importorskip("sinabs")
    from examples.dynapcnn.sinabs_mnist import build as module

    assert build.config == snnc.compile(module(), "dynapcnn:speck2fdevkit").config


def test_a_graph_of_nir_is_the_same_network_without_a_lower_bound(build: Build) -> None:
    pytest.importorskip("nir")
    from examples.dynapcnn.nir_mnist import build as graph

    made = snnc.compile(
        snnc.load(graph(), profile="sinabs"), "dynapcnn:speck2fdevkit", scale="fine"
    )
    for layer, other in zip(build.config["cnn_layers"], made.config["cnn_layers"], strict=True):
        assert layer["weights"] == other["weights"]
        assert layer["destinations"] == other["destinations"]
        assert layer["threshold_high"] == other["threshold_high"]
    assert {-32768, 0} == {layer["threshold_low"] for layer in made.config["cnn_layers"]}
