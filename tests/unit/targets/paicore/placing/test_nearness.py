"""Regions near those that they exchange frames with, on few chips that few frames cross between."""

from itertools import pairwise, product

import numpy as np
import pytest

from snnc.targets.paicore.chip.regions import ONLINE, Wish, allocate
from snnc.targets.paicore.placing.cutting import MOST_REGIONS, crossing, cut
from snnc.targets.paicore.placing.flows import LEVEL, LINKS, Flow, Flows
from snnc.targets.paicore.placing.nearness import nearer

CHIPS = [(0, n) for n in range(4)]


def exchange(frames):
    """Return flows from core 0 to core 0 of regions: (source, target) -> frames."""
    zero = np.zeros(1, np.int64)
    return Flows({pair: Flow(zero, zero, zero, np.array([n])) for pair, n in frames.items()})


def placed(sizes, frames, chips=1, pins=None):
    wishes = [
        Wish.block(number, size, (pins or {}).get(number)) for number, size in enumerate(sizes)
    ]
    first = allocate(wishes, CHIPS[:chips])
    return first, nearer(wishes, first, CHIPS[:chips], exchange(frames))


def cost(regions, frames):
    """Return the links of frames between regions of one core."""
    return sum(
        n * int(LINKS[0, LEVEL[regions[one].start ^ regions[other].start]])
        for (one, other), n in frames.items()
    )


def ranks(regions):
    return {number: region.chip_rank for number, region in regions.items()}


def test_a_region_lies_in_the_block_of_what_it_exchanges_most_with():
    # Of sixteen cores that are alike, 5 hears from 0, and 6 from 4.
    frames = {(0, 5): 9, (4, 6): 9, (1, 2): 1}
    _, found = placed([1] * 16, frames)
    starts = {number: region.start for number, region in found.items()}
    assert (starts[0] >> 2, starts[4] >> 2) == (starts[5] >> 2, starts[6] >> 2)


@pytest.mark.parametrize("quiet", [1, 2, 3, 4])
def test_what_sends_least_lies_outside_of_a_full_block(quiet):
    frames = {(0, n): 1 if n == quiet else 9 for n in (1, 2, 3, 4)}
    _, found = placed([1] * 5, frames)
    home = found[0].start >> 2
    assert [quiet] == [n for n, region in found.items() if region.start >> 2 != home]


def test_whole_blocks_change_places():
    # Blocks of four lie in text order at first; the first and the last exchange the most.
    frames = {(0, 31): 9, (1, 30): 9, (2, 29): 9, (3, 28): 9, (4, 8): 1}
    first, found = placed([1] * 32, frames)
    assert 31 == max(region.start for region in found.values())
    assert 2 * cost(found, frames) <= cost(first, frames)
    assert all(found[a].start >> 2 == found[31 - a].start >> 2 for a in range(4))


def test_as_many_cores_are_taken_and_none_twice():
    draw = np.random.default_rng(1)
    for _ in range(20):
        sizes = draw.choice([1, 2, 3, 5, 8, 20], 24).tolist()
        pairs = {(a, b): int(draw.integers(1, 99)) for a, b in draw.integers(0, 24, (40, 2))}
        first, found = placed(sizes, pairs)
        taken = [n for r in found.values() for n in range(r.start, r.start + r.size)]
        assert len({*taken}) == len(taken) == sum(r.size for r in first.values())
        assert all(r.start % r.size == 0 for r in found.values())


def test_where_first_fit_has_fewer_links_it_stays():
    # Nothing is exchanged: there is nothing to be near to.
    first, found = placed([8, 4, 4, 2, 1], {})
    assert first == found


def test_chips_are_cut_where_few_frames_cross():
    # First fit puts 512 + 256 + 128, alternating along the chain.
    sizes = [512, 512, 128, 256, 256, 64, 8, 1]
    frames = dict(zip(pairwise(range(8)), [32, 32, 8, 16, 16, 4, 1], strict=True))
    first, found = placed(sizes, frames, chips=2)
    flows = exchange(frames)
    assert (96, 48) == (crossing(ranks(first), flows), crossing(ranks(found), flows))


@pytest.mark.parametrize("seed", range(6))
def test_no_other_cut_of_a_few_regions_is_better_by_far(seed):
    draw = np.random.default_rng(seed)
    sizes = draw.choice([512, 256, 256, 128, 64, 16], 7).tolist()
    pairs = {(a, a + 1): int(draw.integers(1, 50)) for a in range(6)} | {(0, 5): 7}
    wishes, flows = [Wish.block(n, size) for n, size in enumerate(sizes)], exchange(pairs)
    first = ranks(allocate(wishes, CHIPS))
    found, chips = cut(wishes, first, flows), sorted({*first.values()})
    best = min(
        crossing(dict(enumerate(each)), flows)
        for each in product(chips, repeat=7)
        if all(sum(s for s, c in zip(sizes, each, strict=True) if c == k) <= ONLINE for k in chips)
    )
    assert {*found.values()} <= {*first.values()}
    assert best <= crossing(found, flows) <= min(crossing(first, flows), 1.2 * best)


def test_of_very_many_regions_all_stay_on_the_chips_of_first_fit():
    count = MOST_REGIONS + 1
    wishes = [Wish.block(number, 20) for number in range(count)]
    first = {n: region.chip_rank for n, region in allocate(wishes, CHIPS).items()}
    flows = exchange({(n, count - 1 - n): 9 for n in range(count // 2)})
    assert first == cut(wishes, first, flows)
    assert len({*first.values()}) > 1


def test_pinned_regions_stay_and_others_come_to_them():
    sizes, frames = [512, 512, 16, 16], {(0, 2): 9, (1, 3): 9}
    first, found = placed(sizes, frames, chips=2, pins={0: 1, 2: 1, 3: 0})
    assert {0: 1, 1: 0, 2: 1, 3: 0} == ranks(found)
    assert 1 == first[0].chip_rank


def test_regions_whose_holes_take_others_are_tried_out():
    # Alone a block of 1024 places needs more than a chip; its holes take the others.
    needs = np.arange(1024) < 900
    wishes = [
        Wish(0, needs, needs),
        *(Wish.block(n, 64) for n in (1, 2)),
        *(Wish.block(n, 32) for n in (3, 4)),
    ]
    flows = exchange({(0, 1): 5, (0, 2): 9, (1, 3): 2, (2, 4): 1})
    first = allocate(wishes, CHIPS)
    found = nearer(wishes, first, CHIPS, flows)
    assert {0, 1} == {*ranks(first).values()} == {*ranks(found).values()}
    assert crossing(ranks(found), flows) <= crossing(ranks(first), flows)
