"""Neurons that fire above their threshold alone, and that reset at the next tick, on cores."""

import numpy as np
import pytest

import snnc
from snnc.diagnostics import SnncError
from snnc.ir.build import Builder

X = np.random.default_rng(4).integers(0, 2, (8, 20, 1, 4, 4)).astype(np.uint8)


def network(weights, **attrs):
    """Return neurons behind a convolution, and ones with the same numbers behind these."""
    b = Builder("net", "snn")
    w = np.asarray(weights, np.float32)
    y = b.op("conv2d", b.input("x", "u1[1, 4, 4]~"), b.weight("w", w.reshape(2, 1, 2, 2)))
    y = b.op("neuron", y, name="h", **attrs)
    last = np.tile(w.reshape(2, 1, 4)[:, :, :1], (1, 2, 1)).reshape(2, 2, 1, 1)
    return b.finish(b.op("neuron", b.op("conv2d", y, b.weight("v", last)), name="y", **attrs))


WHOLE = [127, -20, 40, 5, 60, 20, -40, 20]
"""Weights whose factor is 1, so that potentials meet the threshold of 40 or 20 again and again."""


@pytest.mark.parametrize(
    "attrs",
    [
        {"compare": "gt", "reset": "hard"},
        {"compare": "gt", "reset": "hard", "reset_time": "before"},
        {"compare": "gt", "reset": "soft"},
        {"compare": "gt", "reset": "soft", "reset_time": "after"},
        {"compare": "gt", "reset": "soft", "reset_time": "before"},
        {"compare": "gt", "reset": "soft", "floor": -40.0},
        {"compare": "gt", "reset": "hard", "floor": -40.0},
        {"compare": "ge", "reset": "soft", "reset_time": "after"},
    ],
    ids=str,
)
@pytest.mark.parametrize("threshold", [20.0, 40.0])
def test_whole_numbers_are_compared_exactly(attrs, threshold):
    module = network(WHOLE, threshold=threshold, **attrs)
    build = snnc.compile(module, "dynapcnn", check=True)
    expected = snnc.run(module, X, probe=["h"], engine="reference")
    ran = build.run(X, probe=["h"])
    assert np.array_equal(expected.trace["h"], ran.trace["h"])
    assert np.array_equal(expected.outputs["y"], ran.outputs["y"])
    assert expected.outputs["y"].any()
    other = network(WHOLE, threshold=threshold, **{**attrs, "compare": "ge"})
    at_once = snnc.run(other, X, probe=["h"]).trace["h"]
    assert (attrs["compare"] == "ge") == np.array_equal(at_once, expected.trace["h"])


def test_rounded_weights_take_the_nearest_threshold():
    w = np.array(WHOLE) * 0.0037
    strict = network(w, threshold=0.1, compare="gt", floor=-0.1)
    plain = network(w, threshold=0.1, floor=-0.1)
    configs = [snnc.compile(module, "dynapcnn").config for module in (strict, plain)]
    assert configs[0] == configs[1]


@pytest.mark.parametrize(
    ("attrs", "what"),
    [
        ({"compare": "gt", "spike": "count"}, "compare = gt"),
        ({"reset": "hard", "reset_time": "after"}, "reset_time = after"),
        ({"reset_time": "after", "floor": -1.0}, "reset_time = after"),
    ],
)
def test_what_no_core_does_is_refused(attrs, what):
    with pytest.raises(SnncError) as caught:
        snnc.compile(network(WHOLE, **attrs), "dynapcnn")
    assert "neuron-not-for-cores" == caught.value.code
    assert what in caught.value.diagnostics[0].message
