"""Frames between regions, counted before and after they have their places."""

import numpy as np
import pytest

from snnc.driver.pipeline import run_pipeline
from snnc.ir.build import Builder
from snnc.targets.paicore.chip.frames import coordinate
from snnc.targets.paicore.chip.regions import cores_at
from snnc.targets.paicore.mapping.laid import Division
from snnc.targets.paicore.place import Placer
from snnc.targets.paicore.placed import read_placed
from snnc.targets.paicore.placing.flows import LEVEL, LINKS, flows
from snnc.targets.paicore.reports.traffic import links, traffic
from snnc.targets.paicore.rules.routes import Region as Reached
from tests.unit.targets.paicore.tiling import sparse
from tests.unit.targets.paicore.tiling.networks import chain

CHIPS = [(0, 0), (0, 1)]


def grouped(module):
    return run_pipeline(module, "legalise,shrink-weights,schedule,group", target="paicore")


def all_links(placer, found):
    """Return the links of all frames between regions of a placer."""
    start = {number: region.start for number, region in placer.regions.items()}
    return sum(
        flow.links(start[source], start[target]) for (source, target), flow in found.between.items()
    )


def sent(placer, rates=None):
    """Return the links of what neurons send on the chip, by the placed module."""
    placed = read_placed(placer.place())
    costs = traffic(placed).rows
    counts = np.ones(len(costs.deliveries), np.int64)
    for layer in placed.layers if rates else ():
        counts[layer.rows()] = rates[layer.of][np.sort(layer.elements)]
    return int((costs.links.sum(axis=1) * counts)[costs.deliveries > 0].sum())


LOCAL = sparse.shuffled(sparse.band(1300, 8))

MODULES = {
    "chain": chain("lenet", 4),
    "tiles": chain("vgg_dvs32", 4),
    "sparse": sparse.chain(LOCAL, LOCAL, LOCAL),
}


@pytest.mark.parametrize("name", MODULES)
def test_the_links_of_flows_are_those_of_the_placed_module(name):
    module = grouped(MODULES[name])
    placer = Placer(module, CHIPS[:1], (1, 0))
    assert sent(placer) == all_links(placer, flows(Division(module)))


def test_neurons_count_as_often_as_they_spike():
    module = grouped(chain("lenet", 1))
    draw = np.random.default_rng(3)
    rates = {
        op.result.name: draw.integers(0, 9, op.result.type.size) for op in module.ops("neuron")
    }
    placer = Placer(module, CHIPS[:1], (1, 0), rates)
    assert sent(placer, rates) == all_links(placer, flows(Division(module), rates))


def test_links_by_mask_and_level_are_those_of_frames():
    draw = np.random.default_rng(4)
    for _ in range(200):
        source, target, mask = draw.integers(0, 1024, 3).tolist()
        mask &= int(draw.integers(0, 1024))
        base = target & ~mask
        at, to, left = (coordinate(int(c)) for c in cores_at(np.array([source, base, mask])))
        region = Reached((0, 0), to, left, (), ())
        level = LEVEL[(source ^ base) & ~mask | mask]
        assert sum(links(((0, 0), at), region)) == LINKS[mask, level]


def test_a_region_that_reads_itself_has_no_flow_but_to_others():
    build = Builder("ring", "int")
    x = build.input("x", "u1[40]~")
    back = build.forward("a", "u1[300]~")
    w, v = np.ones((300, 40), np.int8), np.ones((300, 300), np.int8)
    late = build.op("delay", back, by=1)
    total = build.op(
        "add",
        build.op("linear", x, build.weight("w", w)),
        build.op("linear", late, build.weight("v", v)),
    )
    made = build.op("neuron", total, threshold=9)
    build.bind(back, made)
    b = build.op("linear", back, build.weight("u", np.ones((80, 300), np.int8)))
    found = flows(Division(grouped(build.finish(build.op("neuron", b, name="b", threshold=9)))))
    assert {(0, 1): 300} == found.frames
