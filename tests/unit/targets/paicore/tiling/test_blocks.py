"""Layers in boxes: chosen together, counted as they are laid out, at most the known figures."""

import math
from itertools import product

import numpy as np
import pytest
from attrs import evolve

import snnc
from snnc.extend.passes import Context
from snnc.ir import Module
from snnc.ir.rewrite import rebuild
from snnc.targets.paicore.group import Group
from snnc.targets.paicore.mapping.laid import Division
from snnc.targets.paicore.neurons.populations import Populations
from snnc.targets.paicore.schedule import Schedule
from snnc.targets.paicore.tiling.boxes import choices
from snnc.targets.paicore.tiling.choose import OCCUPIED
from snnc.targets.paicore.tiling.plan import Planner
from snnc.targets.paicore.tiling.shares import in_boxes
from snnc.targets.paicore.tiling.sources import read_by
from tests.unit.targets.paicore.tiling.networks import Net, chain, residual


def grouped(module: Module) -> Division:
    for made in (Schedule(multicast="contiguous"), Group(multicast="contiguous")):
        module = made.run(module, Context())
    return Division(module)


KNOWN = {
    "lenet": ((137, 144), (70, 73), (24, 24)),
    "lenet_padded": ((39, 39), (20, 20), (8, 8)),
    "dynapcnn_mnist": ((343, 343), (174, 174), (50, 50)),
    "vgg16x16": ((354, 370), (186, 190), (53, 53)),
    "vgg_dvs32": ((244, 256), (125, 129), (35, 35)),
    "vggp16": ((284, 288), (138, 145), (40, 40)),
    "vggp32": ((647, 652), (318, 328), (88, 88)),
    "vgg32": ((789, 838), (409, 422), (119, 119)),
}
"""Cores required and occupied of the prototype (mapping, section 3.5) at 8, 4 and 1 bits."""

TAKEN = {
    "lenet": ((135, 135), (70, 70), (24, 24)),
    "lenet_padded": ((37, 37), (20, 20), (8, 8)),
    "dynapcnn_mnist": ((300, 300), (160, 160), (47, 47)),
    "vgg16x16": ((288, 288), (167, 167), (51, 51)),
    "vgg_dvs32": ((207, 207), (116, 116), (34, 34)),
    "vggp16": ((240, 240), (131, 131), (40, 40)),
    "vggp32": ((556, 556), (301, 301), (88, 88)),
    "vgg32": ((670, 670), (389, 389), (118, 118)),
    "res16": ((235, 235), (139, 139), (53, 53)),
    "res32c": ((120, 120), (72, 72), (27, 29)),
}
"""Ours, with relays between layers."""

QUICK = (("lenet", 0), ("vgg16x16", 2))


def exact(build: snnc.Build, module: Module) -> bool:
    """Whether the files are equal to the reference on random spikes, and where all spike."""
    random = np.random.default_rng(1)
    shapes = {v.name: v.type.shape for v in module.graph.inputs}
    samples = {n: (random.random((2, 7, *s)) < 0.3).astype(np.uint8) for n, s in shapes.items()}
    for sample in samples.values():
        sample[1] = 1
    return bool(build.verify(samples))


def boxed(module: Module) -> snnc.Build:
    return snnc.compile(module, target="paicore", multicast="contiguous")


@pytest.mark.parametrize(
    ("name", "place"),
    [
        pytest.param(name, place, marks=[] if (name, place) in QUICK else [pytest.mark.slow])
        for name in TAKEN
        for place in range(3)
    ],
)
def test_networks_take_as_many_cores_as_the_table_says(name: str, place: int) -> None:
    module = (residual if name.startswith("res") else chain)(name, (8, 4, 1)[place])
    build = boxed(module)
    needed = build.manifest["resources"]["cores"]
    taken = needed + build.manifest["resources"]["cores_idle"]
    assert TAKEN[name][place] == (needed, taken)
    if name in KNOWN:
        assert needed <= KNOWN[name][place][0]
        assert taken <= KNOWN[name][place][1]
    assert [] == build.manifest["relies_on"]
    assert exact(build, module)


@pytest.mark.parametrize("bits", [8, 1])
def test_cores_are_counted_as_they_are_filled(bits: int) -> None:
    division = grouped(chain("vgg16x16", bits))
    planner = Planner(division.populations, "contiguous")
    shares = [share for op in division.populations.ops for share in planner.shares(op)]
    wanted = sum(planner.plan([share], [1]).cores for share in shares)
    assert wanted == sum(map(len, division.cores.values()))


def test_a_source_is_stored_once_for_each_box_that_reads_it() -> None:
    division = grouped(chain("vgg16x16", 1))
    populations = division.populations
    first, second = populations.ops[:2]
    ((_, segment),) = populations.readers[first]
    boxes = division.shares[second]
    reads = np.sum([read_by(populations, box, segment) for box in boxes], axis=0)
    held = [division.count(first, copy) for copy in range(len(division.copies[first]))]
    assert int(np.maximum(reads, 1).sum()) == sum(held) > populations.size(first)


def test_an_input_is_sent_as_often_as_boxes_read_one_element() -> None:
    module = two_layers()
    build = boxed(module)
    division = grouped(module)
    op = division.populations.ops[0]
    ((_, segment),) = [
        (edge, division.populations.segment(op, edge))
        for edge, _ in division.populations.feeding(op)
    ]
    reads = np.sum([read_by(division.populations, b, segment) for b in division.shares[op]], axis=0)
    ways = list(build.placed.ops("input"))
    assert int(reads.max()) == len(ways) < len(division.shares[op])
    assert exact(build, module)


def two_layers() -> Module:
    net = Net("two", 8)
    x = net.build.input("x", "u1[2,7,9]~")
    first = net.fire("first", net.conv(x, 40, 3, 1, 1), 18)
    return net.build.finish(net.fire("second", net.conv(first, 12, 3, 2, 0), 360))


def test_no_other_boxes_cost_less() -> None:
    populations = Populations(two_layers())
    ((_, segment),) = populations.readers[populations.ops[0]]
    first, second = (choices(populations, op, 64, 1.0, False) for op in populations.ops)
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
    module = residual("res32c", 1)
    assert exact(boxed(module), module)


def behind(module: Module) -> list[str]:
    """Return the layers that relays stand behind."""
    made = Schedule(multicast="contiguous").run(module, Context())
    names = [op.result.name for op in made.ops("neuron")]
    return [name.removesuffix(".passed") for name in names if name.endswith(".passed")]


def test_relays_stand_where_copies_would_take_more_cores() -> None:
    assert ["l0", "l1", "l2"] == behind(chain("vgg16x16", 8))
    assert [] == behind(chain("vgg16x16", 1))


def test_each_row_of_relays_makes_the_outputs_a_tick_later() -> None:
    module = chain("lenet", 8)
    builds = [boxed(module), snnc.compile(module, target="paicore")]
    late, early = (build.manifest["latency"]["l6"] for build in builds)
    assert len(behind(module)) == late - early == 1


def test_where_the_user_gives_starts_there_are_no_relays() -> None:
    module = chain("lenet", 8)
    starts = rebuild(
        module,
        lambda op, build: (
            build.copy(op, place={"start": int(op.result.name[1:])})
            if op.kind == "neuron"
            else None
        ),
    )
    assert [] == behind(starts)


def test_a_loop_gets_no_relays_for_which_it_has_no_tick() -> None:
    net = Net("loop", 8)
    x = net.build.input("x", "u1[4,12,12]~")
    later = net.build.forward("b", evolve(x.type, shape=(12, 12, 12)))
    back = net.conv(net.build.op("delay", later, by=2), 12, 3, 1, 1)
    a = net.fire("a", net.build.op("add", net.conv(x, 12, 3, 1, 1), back), 108)
    b = net.fire("b", net.conv(a, 12, 3, 1, 1), 108)
    net.build.bind(later, b)
    module = net.build.finish(b)
    assert exact(boxed(module), module)


def test_a_layer_of_more_than_a_block_is_cut_along_its_neurons() -> None:
    net = Net("wide", 8)
    x = net.build.input("x", "u1[4]~")
    division = grouped(net.build.finish(net.fire("a", net.dense(x, 64 * 600), 4)))
    held = [len(cores) for cores in division.cores.values()]
    assert (600, True) == (sum(held), len(held) > 1)


def test_neurons_of_another_shape_than_their_currents_are_cut_too() -> None:
    net = Net("flat", 8)
    x = net.build.input("x", "u1[4,10,10]~")
    flat = net.build.op("reshape", net.conv(x, 16, 3, 1, 1), shape=(16, 100))
    first = net.fire("first", flat, 36)
    back = net.build.op("reshape", first, shape=(16, 10, 10))
    second = net.fire("second", net.conv(back, 4, 3, 1, 1), 144)
    module = net.build.finish(second)
    assert exact(boxed(module), module)


def test_a_value_without_axes_is_one_box() -> None:
    net = Net("one", 8)
    x = net.build.input("x", "u1[]~")
    factor = net.build.weight("w", np.full((), 5, np.int8))
    module = net.build.finish(net.fire("a", net.build.op("scale", x, factor), 1))
    assert 1 == boxed(module).manifest["resources"]["cores"]
