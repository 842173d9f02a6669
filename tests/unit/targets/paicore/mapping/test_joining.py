"""Joining regions: what is priced, how often it is asked, and that prices stay right."""

from collections.abc import Hashable, Sequence

import numpy as np
import pytest

from snnc.ir import Builder, Module, Value
from snnc.targets.paicore.mapping.grouping import Regions
from snnc.targets.paicore.mapping.joining import Copies, Joiner, Partition
from snnc.targets.paicore.neurons.populations import Populations
from snnc.targets.paicore.tiling.readers import Readers
from snnc.targets.paicore.tiling.shares import Share

READERS = 60


def layer(build: Builder, name: str, value: Value, size: int, seed: int = 0) -> Value:
    weights = np.random.default_rng(seed).integers(-8, 8, (size, value.type.size))
    current = build.op("linear", value, build.weight("w", weights.astype(np.int8)))
    return build.op("neuron", current, name=name, threshold=9)


def fan(count: int = READERS, size: int = 4) -> Module:
    """Return a network in which so many layers of one size read one source."""
    build = Builder("net", "int")
    source = layer(build, "source", build.input("x", "u1[16]~"), 32)
    made = [layer(build, f"r{n}", source, size, n) for n in range(count)]
    return build.finish(layer(build, "last", build.op("concat", *made, axis=0), 10))


class Counted:
    """Rules that allow regions of so many shares, all at one price."""

    def __init__(self, most: int) -> None:
        self.most, self.asked = most, 0

    def fits(self, shares: Sequence[Share], copies: Copies) -> bool:
        self.asked += 1
        return len(shares) <= self.most

    def price(self, shares: Sequence[Share], copies: Copies) -> int:
        return 1

    def signature(self, share: Share) -> Hashable:
        return share.op.result.type.shape


def merged(rules: Counted) -> Partition:
    populations = Populations(fan())
    shares = {op: (Share(op),) for op in populations.ops}
    joiner = Joiner(populations, shares, Readers(populations, shares), rules)
    return joiner.merge(joiner.apart())


def test_many_readers_of_a_source_are_joined_several_at_once() -> None:
    rules = Counted(READERS)
    # The source, its readers, and what reads them.
    assert 3 == len(merged(rules).members)
    assert rules.asked < READERS // 2


def test_readers_that_are_alike_are_refused_once() -> None:
    rules = Counted(1)
    assert 2 + READERS == len(merged(rules).members)
    assert 1 == rules.asked


@pytest.mark.parametrize("most", [2, 7, 16])
def test_regions_are_filled_as_one_by_one(most: int) -> None:
    sizes = [len(shares) for shares in merged(Counted(most)).members.values()]
    assert [
        1,
        *[most] * (READERS // most),
        *([READERS % most] if READERS % most else []),
        1,
    ] == sizes


@pytest.mark.parametrize("size", [4, 40])
def test_prices_after_joining_are_those_of_a_fresh_count(size: int) -> None:
    regions = Regions(Populations(fan(12, size)), "masks")
    regions.merge()
    made = regions.made
    copies = regions.populations.destinations(dict(made.groups), regions.readers.most)
    assert copies == made.copies
    assert made.prices == {g: regions.price(shares, copies) for g, shares in made.members.items()}
    assert made.cost < Regions(regions.populations, "masks").made.cost


def blocks() -> Module:
    """Return two blocks, each a source that two layers read; one of the first is the second's."""
    build = Builder("net", "int")
    value = layer(build, "s", build.input("x", "u1[16]~"), 16)
    for number in (1, 2):
        inner = layer(build, f"a{number}", value, 16, number)
        both = build.op("concat", inner, value, axis=0)
        value = layer(build, f"b{number}", both, 16, 9 + number)
    return build.finish(value)


class Blocks(Counted):
    """Rules under which the first block is worth joining only while the second one is not."""

    def price(self, shares: Sequence[Share], copies: Copies) -> int:
        names = [share.op.result.name for share in shares]
        stored = [len(copies[share.op]) for share in shares]
        return {"a1": 14 + 2 * stored[-1], "a2": 8}[names[0]] if names[1:] else 5 * stored[0]


def test_sources_are_gone_through_from_the_last_on_too() -> None:
    populations = Populations(blocks())
    shares = {op: (Share(op),) for op in populations.ops}
    joiner = Joiner(populations, shares, Readers(populations, shares), Blocks(2))
    made = joiner.merge(joiner.apart())
    names = [[share.op.result.name for share in found] for found in made.members.values()]
    assert (28, [["s"], ["a1"], ["b1"], ["a2", "b2"]]) == (made.cost, names)
