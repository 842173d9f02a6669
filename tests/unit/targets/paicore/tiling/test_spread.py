"""Links of tilings, compared with what the frames of each one leave open."""

import numpy as np
import pytest

from snnc.targets.paicore.neurons.populations import Populations
from snnc.targets.paicore.tiling.axis import width
from snnc.targets.paicore.tiling.plan import Planner, grid
from snnc.targets.paicore.tiling.shares import Share
from snnc.targets.paicore.tiling.spread import LEVELS, Numbering, links, whole
from tests.unit.targets.paicore.tiling.networks import Net, chain


def passed(mask):
    """Return the links from the root down to all places that masks of places leave open."""
    bits = [np.bitwise_count(mask >> 2 * level).astype(np.int64) for level in range(LEVELS)]
    return sum(int((1 << each).sum()) for each in bits)


def counted(populations, share, tile, split):
    """Return the links by the formula, and those of the frames of the geometry."""
    made = grid(populations, [share], tile, split)
    sources = []
    for axes in made._axes.values():
        rest = int(np.prod([one.period for one, number in axes if number < 0], dtype=np.int64))
        sources.append((rest, {number: [one] for one, number in axes if number >= 0}))
    numbering = Numbering(np.array([split]), [np.array([width(n)]) for n in made.counts])
    masks = [made.arrival(segment).mask for segment in made._axes]
    return int(links(numbering, sources)[0]), sum(map(passed, masks))


@pytest.mark.parametrize("split", [0, 1, 3])
@pytest.mark.parametrize("tile", [(6, 3, 14), (6, 5, 5), (2, 28, 7), (3, 4, 9), (1, 2, 2)])
def test_links_of_a_tiling_are_those_of_its_frames(tile, split) -> None:
    populations = Populations(chain("lenet", 8))
    for op in populations.ops[:3]:
        formula, frames = counted(populations, Share(op), tile, split)
        assert frames == formula


def test_an_uncut_region_reaches_every_core_of_its_block() -> None:
    assert passed(np.full(10, 15)) == whole(10, 12)
    assert passed(np.full(7, 0)) == whole(7, 1)


def test_of_tilings_with_as_many_cores_the_one_of_fewest_links_is_taken() -> None:
    net = Net("square", 8)
    x = net.build.input("x", "u1[8,32,32]~")
    populations = Populations(net.build.finish(net.fire("a", net.conv(x, 8, 3, 1, 1), 72)))
    # Tiles of a row and a half have more neighbors than square ones.
    plan = Planner(populations, "masks").plan([Share(populations.ops[0])], [1])
    assert ((8, 2, 4), 128) == (plan.tile, plan.cores)


def test_a_layer_is_cut_at_as_many_cores_where_half_of_the_links_go() -> None:
    net = Net("small", 8)
    x = net.build.input("x", "u1[3,16,16]~")
    populations = Populations(net.build.finish(net.fire("a", net.conv(x, 16, 3, 1, 1), 27)))
    op = populations.ops[0]
    plan = Planner(populations, "masks").plan([Share(op)], [1])
    assert ((16, 2, 2), 64) == (plan.tile, plan.cores)
    formula, _ = counted(populations, Share(op), plan.tile, 0)
    assert 2 * formula < whole(768, 64)
