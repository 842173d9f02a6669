"""Layers in boxes: chosen together, counted as they are laid out, at most the known figures."""

import math
from itertools import product

import numpy as np
import pytest

import snnc
from snnc.extend.passes import Context
from snnc.ir import Module
from snnc.targets.paicore.group import Group
from snnc.targets.paicore.laid import Division
from snnc.targets.paicore.populations import Populations
from snnc.targets.paicore.schedule import Schedule
from snnc.targets.paicore.tiling.boxes import Choices
from snnc.targets.paicore.tiling.choose import OCCUPIED
from snnc.targets.paicore.tiling.plan import Planner
from snnc.targets.paicore.tiling.shares import in_boxes
from snnc.targets.paicore.tiling.sources import read_by
from tests.unit.targets.paicore.tiling.networks import Net, chain, residual


def grouped(module: Module) -> Division:
    for made in (Schedule(multicast="contiguous"), Group(multicast="contiguous")):
        module = made.run(module, Context())
    return Division(module)


def verified(module: Module) -> tuple[str, dict[str, int]]:
    build = snnc.compile(module, target="paicore", multicast="contiguous")
    random = np.random.default_rng(1)
    shapes = {v.name: v.type.shape for v in module.graph.inputs}
    samples = {n: (random.random((2, 7, *s)) < 0.3).astype(np.uint8) for n, s in shapes.items()}
    return str(build.verify(samples))[:5], build.manifest["resources"]


@pytest.mark.parametrize("bits", [8, 1])
def test_cores_are_counted_as_they_are_filled(bits: int) -> None:
    module = chain("vgg16x16", bits)
    populations = Populations(module)
    planner = Planner(populations, "contiguous")
    shares = [share for op in populations.ops for share in planner.shares(op)]
    wanted = sum(planner.plan([share], [1]).cores for share in shares)
    assert wanted == sum(map(len, grouped(module).cores.values()))


def test_a_source_is_stored_once_for_each_box_that_reads_it() -> None:
    division = grouped(chain("vgg16x16", 8))
    populations = division.populations
    first, second = populations.ops[:2]
    ((_, segment),) = populations.readers[first]
    boxes = division.shares[second]
    reads = np.sum([read_by(populations, box, segment) for box in boxes], axis=0)
    held = [division.count(first, copy) for copy in range(len(division.copies[first]))]
    assert int(np.maximum(reads, 1).sum()) == sum(held) > populations.size(first)


def two_layers() -> Module:
    net = Net("two", 8)
    x = net.build.input("x", "u1[2,7,9]~")
    first = net.fire("first", net.conv(x, 40, 3, 1, 1), 18)
    return net.build.finish(net.fire("second", net.conv(first, 12, 3, 2, 0), 360))


def test_no_other_boxes_cost_less() -> None:
    populations = Populations(two_layers())
    ((_, segment),) = populations.readers[populations.ops[0]]
    first, second = (Choices(populations, op, 64, 1.0) for op in populations.ops)
    costs = []
    for one, other in product(range(first.room.size), range(second.room.size)):
        mine, others = (
            in_boxes(layer.op, layer.shape, layer.boxes(choice))
            for layer, choice in ((first, one), (second, other))
        )
        reads = np.sum([read_by(populations, box, segment) for box in others], axis=0)
        stored = np.maximum(reads, 1)
        cores = [
            *(-(-stored[b.neurons(first.shape)].sum() // first.room.flat[one]) for b in mine),
            *(-(-len(b.neurons(second.shape)) // second.room.flat[other]) for b in others),
        ]
        costs.append(sum(OCCUPIED * 2 ** math.ceil(math.log2(n)) + n for n in cores))
    planner = Planner(populations, "contiguous")
    shares = [share for op in populations.ops for share in planner.shares(op)]
    assert min(costs) == sum(planner.plan([share], [1]).cost for share in shares)
    assert len(shares) > 2


def test_a_block_around_a_convolution_is_exact_in_boxes() -> None:
    assert "equal" == verified(residual("res32c", 1))[0]
