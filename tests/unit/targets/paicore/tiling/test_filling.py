"""Layers of inputs core by core, in the holes of regions that other frames pass."""

import numpy as np
import pytest

import snnc
from snnc.targets.paicore.neurons.populations import Populations
from snnc.targets.paicore.tiling.filling import filling
from snnc.targets.paicore.tiling.plan import Planner
from tests.unit.targets.paicore.tiling.networks import Net, residual


def boxes(module: snnc.ir.Module, name: str) -> list[tuple[tuple[int, int], ...]]:
    """Return the boxes of a layer."""
    populations = Populations(module)
    (op,) = (op for op in populations.ops if op.result.name == name)
    return [share.box for share in filling(Planner(populations, "masks"), op)]


def stem(channels: int, side: int, bits: int = 1, source: int = 3) -> snnc.ir.Module:
    """Return a convolution of an input alone."""
    net = Net("stem", bits)
    x = net.build.input("x", f"u1[{source},{side},{side}]~")
    return net.build.finish(net.fire("stem", net.conv(x, channels, 3, 1, 1), 9 * source))


def test_a_box_fills_a_core_and_reads_little() -> None:
    # Squares of 4 x 4 places read the least around them; all 32 channels read the same.
    expected = [
        ((0, 32), (row, row + 4), (column, column + 4)) for row in (0, 4) for column in (0, 4)
    ]
    assert expected == boxes(stem(32, 8), "stem")


def test_boxes_are_as_many_as_the_cores() -> None:
    found = boxes(stem(16, 16), "stem")
    assert (8, {512}) == (len(found), {int(np.prod([b - a for a, b in box])) for box in found})


@pytest.mark.parametrize(
    "module",
    [
        pytest.param(stem(16, 5), id="one core"),
        pytest.param(stem(64, 16, 8), id="many cores"),
        pytest.param(stem(24, 16), id="holes of its own"),
        pytest.param(stem(17, 11), id="no boxes that fill cores"),
        pytest.param(stem(32, 8, 1, 200), id="an extension"),
    ],
)
def test_other_layers_stay_whole(module: snnc.ir.Module) -> None:
    assert [] == boxes(module, "stem")


def test_what_reads_neurons_stays_whole() -> None:
    assert [] == boxes(residual("res32c", 1), "a")


@pytest.mark.parametrize(("name", "cores", "side"), [("res16", 31, 16), ("res32c", 16, 8)])
def test_a_block_takes_no_core_that_holds_nothing_and_is_exact(
    name: str, cores: int, side: int
) -> None:
    build = snnc.compile(residual(name, 1), target="paicore")
    resources = build.manifest["resources"]
    assert (cores, 0) == (resources["cores"], resources["cores_idle"])
    samples = np.ones((2, 6, 3, side, side), np.uint8)
    samples[1] = np.random.default_rng(7).random((6, 3, side, side)) < 0.4
    assert str(build.verify({"x": samples})).startswith("equal at every tick")
