"""How layers are divided that no region holds, and what that makes of a network of five chips."""

from collections.abc import Iterator

import numpy as np
import pytest

import snnc
from snnc.cli.bench.map_networks import growing, make_network
from snnc.driver.pipeline import run_pipeline
from snnc.ir.graph import Module
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.neurons.populations import Populations
from snnc.targets.paicore.place import Placer
from snnc.targets.paicore.tiling.divide import Divider
from snnc.targets.paicore.tiling.plan import Planner
from tests.unit.targets.paicore.tiling.networks import Net

FIVE = tuple(n for y in range(5) for n in (0, y))
"""Chips, X, Y one after another."""


def plane(channels: int, rows: int, bits: int = 8) -> Net:
    """Return a network that has one layer so far, 32 places wide, that reads an input."""
    net = Net("plane", bits)
    x = net.build.input("x", f"u1[3,{rows},32]~")
    net.fire("a", net.conv(x, channels, 3, 1, 1), 27)
    return net


def cuts(module: Module, copies: np.ndarray | float) -> list[tuple[int, int, int]]:
    """Return axis and ends of the shares of the first layer."""
    populations = Populations(module)
    shares = Divider(Planner(populations, "masks")).shares(populations.ops[0], copies)
    return [(share.axis, share.first, share.stop) for share in shares]


def finished(net: Net) -> Module:
    """Return a network that returns what its last layer sends."""
    return net.build.finish(net.build.ops[-1].result)


def test_a_layer_that_a_region_holds_is_left_whole() -> None:
    assert [(-1, 0, 0)] == cuts(finished(plane(64, 16)), 1.0)


def test_a_layer_is_cut_into_as_few_shares_as_fill_their_regions() -> None:
    assert [(1, 0, 16), (1, 16, 32)] == cuts(finished(plane(64, 32)), 1.0)


def test_places_with_more_copies_are_apart_where_that_takes_fewer_cores() -> None:
    copies = np.ones((64, 16, 32))
    copies[:, 6:10] = 2
    found = cuts(finished(plane(64, 16)), copies)
    ends = {first for axis, first, _ in found if axis == 1}
    assert {6, 10} <= ends


def test_a_network_of_five_chips_takes_the_cores_that_its_cuts_cost() -> None:
    net = growing(64, (2, 2), 5)
    module = make_network("net", net.shape, net.layers, 8)
    grouped = run_pipeline(module, "legalise,shrink-weights,schedule,group", target="paicore")
    placer = Placer(grouped, list(zip(FIVE[::2], FIVE[1::2], strict=True)), (5, 5))
    division, cores = placer.division, dict[str, int]()
    for group, members in division.members.items():
        (name,) = {laid.share.op.result.name for laid in members}
        cores[name] = cores.get(name, 0) + len(division.cores[group])
    # Cut once, n2 and n5 read two rows twice, of 32 and of 64 cores; n4 is cut twice for that.
    assert {"n1": 1024 + 64, "n2": 1024, "n3": 256 + 64, "n4": 512 + 64, "n5": 1024} == {
        name: cores[name] for name in ("n1", "n2", "n3", "n4", "n5")
    }
    assert set(range(5)) == {region.chip_rank for region in placer.regions.values()}


@pytest.fixture(params=[8, 32])
def small_regions(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let regions have so many cores only."""
    most = LIMITS.routing_group
    object.__setattr__(LIMITS, "routing_group", request.param)
    yield
    object.__setattr__(LIMITS, "routing_group", most)


@pytest.mark.usefixtures("small_regions")
def test_a_network_cut_into_many_regions_is_exact() -> None:
    net = Net("many", 8)
    x = net.build.input("x", "u1[2,12,12]~")
    first = net.fire("first", net.conv(x, 8, 3, 1, 1), 18)
    second = net.fire("second", net.conv(first, 8, 3, 1, 1), 72)
    skipped = net.build.op("add", net.conv(second, 8, 3, 1, 1), first)
    third = net.fire("third", skipped, 72)
    module = net.build.finish(net.fire("pool", net.conv(third, 8, 3, 3, 0, groups=8), 9))
    build = snnc.compile(module, target="paicore", chip=FIVE, output_chip=(5, 5))
    spikes = (np.random.default_rng(1).random((1, 5, 2, 12, 12)) < 0.5).astype(np.uint8)
    assert build.manifest["resources"]["neuron_copies"] > 0
    assert str(build.verify({"x": spikes})).startswith("equal at every tick")
