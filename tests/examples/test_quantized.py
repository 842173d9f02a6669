"""The integers of the example networks are, spike for spike, what PAICORE's frames do."""

from pathlib import Path

import numpy as np
import pytest

import snnc

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NETWORKS = {
    "mlp": ("mnist/mlp.snnl", "mnist/test1000.npz"),
    "conv": ("mnist/conv.snnl", "mnist/test1000.npz"),
    "lenet": ("fashion/lenet.snnl", "fashion/test100.npz"),
}


def same(name, bits, count):
    """Return the share of right answers, having compared every spike of every output."""
    network, data = NETWORKS[name]
    module = snnc.load(EXAMPLES / network)
    with np.load(EXAMPLES / data, allow_pickle=False) as archive:
        images, labels = archive["images"][:count], archive["labels"][:count]
    shaped = images.reshape(count, *module.graph.inputs[0].type.shape)
    inputs = {"image": (shaped / np.float32(255)).astype(np.float32)}
    build = snnc.compile(module, "paicore", bits=bits)
    expected, actual = snnc.run(build.module, inputs, ticks=16).outputs, build.run(inputs).outputs
    for output in expected:
        np.testing.assert_array_equal(actual[output], expected[output])
    (spikes,) = actual.values()
    return (spikes.sum(axis=1).argmax(axis=1) == labels).mean()


def test_frames_of_the_fashion_network_do_what_its_integers_do():
    assert same("lenet", 4, 6) >= 0.5


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("mlp", 0.97), ("conv", 0.96), ("lenet", 0.8)])
@pytest.mark.parametrize("bits", [8, 4])
def test_frames_do_what_integers_do_on_100_images(name, bits, least):
    assert same(name, bits, 100) >= least
