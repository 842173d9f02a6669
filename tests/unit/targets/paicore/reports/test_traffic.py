"""Links, deliveries and additions of one spike, counted as they are defined."""

import numpy as np
import pytest

from snnc.driver.pipeline import run_pipeline
from snnc.ir.build import Builder
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.placed import read_placed
from snnc.targets.paicore.reports.traffic import LEVELS, links, traffic
from snnc.targets.paicore.rules.routes import Region


def region(base, mask, chip=(0, 0)):
    sides = [
        sorted({b & ~m | n & m for n in range(LIMITS.side)})
        for b, m in zip(base, mask, strict=True)
    ]
    places = tuple((chip, (x, y)) for x in sides[0] for y in sides[1])
    return Region(chip, base, mask, places, ())


def counted(source, to):
    """Return the links of each level by walking the tree."""
    cores = [at for _, at in to.places]
    top = LEVELS
    if source is not None and source[0] == to.chip:
        top = next(
            n
            for n in range(LEVELS + 1)
            if len({(x >> n, y >> n) for x, y in [*cores, source[1]]}) == 1
        )
    up = LEVELS if source is not None and source[0] != to.chip else top if source else 0
    down = [len({(x >> n, y >> n) for x, y in cores}) if n < top else 0 for n in range(LEVELS)]
    return tuple(d + (n < up) for n, d in enumerate(down))


def test_links_are_those_of_a_walk_through_the_tree():
    draw = np.random.default_rng(5)
    for _ in range(300):
        base, mask, at = (tuple(draw.integers(0, 32, 2).tolist()) for _ in range(3))
        mask = tuple(m & int(draw.integers(0, 32)) for m in mask)
        base = tuple(b & ~m for b, m in zip(base, mask, strict=True))
        to = region(base, mask)
        for source in (None, ((0, 0), at), ((0, 1), at), ((0, 0), base)):
            assert counted(source, to) == links(source, to)


def test_a_core_that_sends_to_itself_passes_no_link():
    assert (0,) * LEVELS == links(((0, 0), (3, 4)), region((3, 4), (0, 0)))
    # The four cores of a block: up one level and down to each of them.
    assert (5, 0, 0, 0, 0) == links(((0, 0), (3, 4)), region((2, 4), (1, 1)))
    assert (1, 1, 1, 1, 1) == links(None, region((3, 4), (0, 0)))


def network():
    build = Builder("n", "int")
    x = build.input("x", "u1[40]~")
    w = np.random.default_rng(1).integers(-128, 128, (300, 40)).astype(np.int8)
    v = np.random.default_rng(2).integers(-3, 4, (20, 300)).astype(np.int8)
    hidden = build.op("neuron", build.op("linear", x, build.weight("w", w)), name="a", threshold=9)
    y = build.op("neuron", build.op("linear", hidden, build.weight("v", v)), name="y", threshold=9)
    return build.finish(y), w, v


def test_additions_are_the_weights_that_are_not_zero():
    module, w, v = network()
    placed = read_placed(run_pipeline(module, "legalise,schedule,group,place", target="paicore"))
    found = traffic(placed)
    (inner,) = placed.copies["a"]
    assert np.array_equal(np.count_nonzero(v, axis=0), found.rows.additions[inner.rows()])
    (way,) = found.inputs
    assert np.array_equal(np.count_nonzero(w, axis=0), way.additions)
    # 300 neurons of 8 bits lie in 5 cores of a region of 8.
    assert ({8}, {5}) == (set(way.deliveries.tolist()), set(way.wanted.tolist()))


def test_what_goes_to_the_host_passes_the_root_and_is_no_delivery():
    module, _, _ = network()
    placed = read_placed(run_pipeline(module, "@paicore", target="paicore"))
    rows = placed.copies["y"][0].rows()
    costs = traffic(placed).rows
    assert np.array_equal(np.ones((20, LEVELS)), costs.links[rows])
    assert (20, 0) == (costs.between[rows].sum(), costs.deliveries[rows].sum())


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        # 8 cores: 8 + 2 + 1 + 1 + 1 links down; then up two levels, and down to the one core.
        (512, 784 * 13 + 512 * 4),
        # 19 cores in a region of 32: 32 + 8 + 2 + 1 + 1; the core beside it is three levels away.
        (1200, 784 * 44 + 1200 * 6),
    ],
)
def test_links_of_fully_connected_layers_are_those_of_the_blocks(size, expected):
    build = Builder("n", "int")
    x = build.input("x", "u1[784]~")
    w = np.full((size, 784), -100, np.int8)
    v = np.full((10, size), -100, np.int8)
    a = build.op("neuron", build.op("linear", x, build.weight("w", w)), name="a", threshold=9)
    y = build.op("neuron", build.op("linear", a, build.weight("v", v)), name="y", threshold=9)
    module = run_pipeline(build.finish(y), "legalise,schedule,group,place", target="paicore")
    found = traffic(read_placed(module))
    inside = found.rows.links[found.rows.between == 0].sum()
    assert expected == inside + sum(way.links.sum() for way in found.inputs)
