"""The comparison itself: other numbers of layers are found, other layers are not."""

import copy
from typing import Any

import snnc
from snnc.ir.build import Builder
from tests.golden.dynapcnn_compare import differences, pairings, renamed
from tests.unit.targets.dynapcnn.networks import neuron, weights

WRITTEN = {
    *("cnn_layers[].weights", "cnn_layers[].biases", "cnn_layers[].destinations[].layer"),
    *("cnn_layers[].destinations[].enable", "cnn_layers[].dimensions.kernel_size"),
    *(
        f"cnn_layers[].dimensions.{n}_shape.size.{axis}"
        for n in ("input", "output")
        for axis in "xy"
    ),
    *(f"cnn_layers[].dimensions.{n}.{axis}" for n in ("stride", "padding") for axis in "xy"),
    *("cnn_layers[].threshold_high", "cnn_layers[].threshold_low", "cnn_layers[].monitor_enable"),
    *("cnn_layers[].leak_enable", "cnn_layers[].return_to_zero", "cnn_layers[].dimensions"),
    *("cnn_layers[].destinations[].pooling", "cnn_layers[].neurons_initial_value"),
}


def config(first: int, second: int) -> Any:
    """Return the configuration of two entries that meet, with weights of these seeds."""
    b = Builder("meet", "snn")
    x = b.input("x", "u8[1, 8, 8]~")
    ends = [
        neuron(b, b.op("conv2d", x, b.weight(f"w{n}", weights(n, 2, 1, 3, 3))), f"s{n}")
        for n in (first, second)
    ]
    w = b.weight("v", weights(9, 3, 2, 3, 3))
    return snnc.compile(
        b.finish(neuron(b, b.op("conv2d", b.op("add", *ends), w), "y")), "dynapcnn"
    ).config


def alike(expected: Any, actual: Any) -> bool:
    found = pairings(expected, actual, [0, 1, 2], [0, 1, 2])
    return any(not differences(renamed(expected, p), actual, WRITTEN, False) for p in found)


def test_layers_in_another_order_are_the_same() -> None:
    assert config(1, 2) != config(2, 1)
    assert alike(config(1, 2), config(2, 1))


def test_other_layers_are_not() -> None:
    assert not alike(config(1, 2), config(1, 3))
    changed = copy.deepcopy(config(1, 2))
    changed["cnn_layers"][1]["destinations"][0]["layer"] = 0
    assert not alike(config(1, 2), changed)
