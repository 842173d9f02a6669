"""The readout block: classes four features apart, the same output, refused where it can't be."""

from typing import Any

import numpy as np
import pytest
from attrs import evolve

from snnc.diagnostics import SnncError
from snnc.ir.build import Builder
from snnc.targets.dynapcnn import Dynapcnn
from snnc.targets.dynapcnn.artifact.assemble import read_module, to_module
from tests.unit.targets.dynapcnn.networks import compiled, flat, neuron, small, weights


def test_five_classes_become_seventeen_features() -> None:
    build = compiled(small(), readout=True)
    assert build.verify()
    plain = compiled(small()).config["cnn_layers"][1]["weights"]
    layer = build.config["cnn_layers"][1]
    assert 17 == layer["dimensions"]["output_shape"]["feature_count"]
    assert plain == layer["weights"][::4]
    assert not np.any([row for n, row in enumerate(layer["weights"]) if n % 4])
    assert [12, True] == [layer["destinations"][0][k] for k in ("layer", "enable")]
    assert build.config["readout"]["enable"]
    assert [False, True] == [op["readout"] for op in build.placed.ops("core")]
    assert any("readout-spacing" in one for one in build.manifest["relies_on"])
    named = compiled(small(), readout=True, monitor=("y",))
    assert [False, True] == [op["monitor"] for op in named.placed.ops("core")]


def test_initial_states_and_biases_keep_their_class() -> None:
    b = Builder("biased", "snn")
    x = b.input("x", "u8[1, 1, 1]~")
    w, bias = b.weight("w", weights(0, 3, 1, 1, 1)), b.weight("b", weights(1, 3))
    start = b.weight("v", np.array([0.5, 0.25, -0.5], np.float32).reshape(3, 1, 1))
    build = compiled(
        b.finish(neuron(b, b.op("conv2d", x, w, bias), "y", initial=start)), readout=True
    )
    assert build.verify()
    layer = build.config["cnn_layers"][0]
    for values in (layer["biases"], np.ravel(layer["neurons_initial_value"])):
        assert [0, 4, 8] == np.flatnonzero(values).tolist()
        assert 9 == len(values)


@pytest.mark.parametrize("device", ["speck2b", "dynapcnndevkit"])
def test_a_device_without_the_block(device: str) -> None:
    with pytest.raises(SnncError) as refused:
        compiled(small(), device, readout=True)
    assert "readout-layer" == refused.value.code


def wide() -> Any:
    b = Builder("wide", "snn")
    x = b.input("x", "u8[1, 4, 4]~")
    return b.finish(neuron(b, b.op("conv2d", x, b.weight("w", weights(0, 16, 1, 4, 4))), "y"))


@pytest.mark.parametrize("module", [flat, wide])
def test_networks_without_one_layer_of_classes(module: Any) -> None:
    with pytest.raises(SnncError) as refused:
        compiled(module(), readout=True)
    assert "readout-layer" == refused.value.code


def test_the_checker_judges_a_readout_by_its_device() -> None:
    placed = evolve(read_module(compiled(small(), readout=True).placed), device="speck2b")
    found = Dynapcnn().check(to_module(placed))
    assert "readout-layer" in [d.code for d in found.errors]
