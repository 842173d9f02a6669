"""How many cores the planner needs: at least as good as the figures of mapping, section 3.3."""

import pytest

from snnc.driver.pipeline import run_pipeline
from snnc.targets.paicore.neurons.populations import Populations
from snnc.targets.paicore.placed import read_placed
from snnc.targets.paicore.tiling.plan import Planner
from snnc.targets.paicore.tiling.shares import Share
from tests.unit.targets.paicore.tiling.networks import CHAINS, Net, chain

WIDTHS = (8, 4, 1)
REQUIRED = {
    "lenet": (131, 68, 24),
    "lenet_strided": (31, 17, 7),
    "lenet_padded": (33, 19, 8),
    "vgg16x16": (243, 122, 38),
    "vgg_dvs32": (179, 90, 26),
    "vgg32": (563, 282, 86),
    "dynapcnn_mnist": (284, 144, 46),
    "vggp16": (219, 110, 32),
    "vggp32": (507, 254, 72),
}
"""Cores that hold neurons, at weights of 8, 4 and 1 bits."""

OCCUPIED = {
    "lenet": (145, 73, 24),
    "lenet_strided": (33, 17, 7),
    "lenet_padded": (34, 19, 8),
    "vgg16x16": (243, 122, 38),
    "vgg_dvs32": (179, 90, 27),
    "vgg32": (563, 282, 86),
    "dynapcnn_mnist": (328, 166, 48),
    "vggp16": (219, 110, 32),
    "vggp32": (507, 254, 72),
}
"""With cores that only receive, before any is shared between regions."""


@pytest.mark.parametrize("name", CHAINS)
def test_convolutional_networks_need_as_few_cores_as_known(name: str) -> None:
    required, occupied = [], []
    for bits in WIDTHS:
        populations = Populations(chain(name, bits))
        planner = Planner(populations, "masks")
        plans = [planner.plan([Share(op)], [1]) for op in populations.ops]
        required.append(sum(plan.cores for plan in plans))
        occupied.append(sum(plan.occupied for plan in plans))
    assert (REQUIRED[name], OCCUPIED[name]) == (tuple(required), tuple(occupied))


def test_tiles_leave_holes_that_small_layers_fit_where_that_saves_cores() -> None:
    placed = read_placed(run_pipeline(chain("dynapcnn_mnist", 8), "@paicore", target="paicore"))
    assert (284, 325) == (len(placed.cores), len(placed.cores) + len(placed.idle))


def test_a_layer_that_fills_its_cores_is_not_cut() -> None:
    populations = Populations(chain("lenet", 8))
    plans = [Planner(populations, "masks").plan([Share(op)], [1]) for op in populations.ops]
    assert [True, True, True, True, False, False, False] == [p.tile is not None for p in plans]


def test_without_multicast_nothing_is_cut() -> None:
    populations = Populations(chain("lenet", 8))
    planner = Planner(populations, "none")
    assert {None} == {planner.plan([Share(op)], [1]).tile for op in populations.ops}


def test_a_smaller_extension_is_found_where_buffers_ask_for_it() -> None:
    net = Net("deep", 1)
    x = net.build.input("x", "u1[48,16,16]~")
    populations = Populations(net.build.finish(net.fire("a", net.conv(x, 16, 3, 1, 1), 432)))
    planner = Planner(populations, "masks")
    plans = [planner.plan([Share(populations.ops[0])], [1], most) for most in (64, 1)]
    assert [(2, 16), (1, 28)] == [(plan.extension, plan.cores) for plan in plans]
