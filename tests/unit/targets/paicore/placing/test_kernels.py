"""Weights made from kernels are those of the synapses listed one by one."""

from typing import Any

import numpy as np
import pytest

from snnc.ir import Builder, Module, Value
from snnc.ir.synapses import Edge
from snnc.targets.paicore.neurons.populations import Populations
from snnc.targets.paicore.placing.kernels import Kernels

RANDOM = np.random.default_rng(3)
SHAPE = (4, 7, 6)


def conv(build: Builder, x: Value, out: int, groups: int = 1, **attrs: Any) -> Value:
    weights = RANDOM.integers(-128, 128, (out, SHAPE[0] // groups, 3, 2)).astype(np.int8)
    return build.op("conv2d", x, build.weight("w", weights), groups=groups, **attrs)


def line(build: Builder, x: Value) -> Value:
    flat = build.op("reshape", x, shape=(SHAPE[0], SHAPE[1] * SHAPE[2]))
    weights = RANDOM.integers(0, 2, (3, SHAPE[0], 5)).astype(np.uint8)
    return build.op("conv1d", flat, build.weight("w", weights, "u1"), stride=(2,), padding=(1,))


def skipped(build: Builder, x: Value) -> Value:
    late = build.op("delay", x, by=2)
    return build.op("add", conv(build, x, 4, padding=(1, 1, 1, 0)), late)


def scaled(build: Builder, x: Value) -> Value:
    return build.op("scale", x, build.weight("s", np.array(3, np.int8)))


WAYS = {
    "plain": lambda b, x: conv(b, x, 5),
    "padded": lambda b, x: conv(b, x, 5, padding=(2, 1)),
    "strided": lambda b, x: conv(b, x, 6, groups=2, stride=(2, 1), padding=(1, 0)),
    "dilated": lambda b, x: conv(b, x, 8, groups=4, dilation=(2, 3)),
    "line": line,
    "skipped": skipped,
}


def module(way: str) -> Module:
    build = Builder("net", "int")
    x = build.input("x", f"u1{[*SHAPE]}~")
    current = {**WAYS, "scaled": scaled}[way](build, x)
    return build.finish(build.op("neuron", current, name="y", threshold=1))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("spread", [False, True])
def test_kernels_give_the_weights_of_the_synapses(way: str, spread: bool) -> None:
    populations = Populations(module(way))
    (op,) = populations.ops
    size = populations.size(op)
    elements = int(np.prod(SHAPE))
    columns = {e: n * elements for n, e in enumerate(populations.synapses.edges(op))}
    at = {e: RANDOM.permutation(elements) + n if spread else n for e, n in columns.items()}
    kernels, width = Kernels(populations.synapses), len(columns) * elements
    # The last ones are alike: the second time they are at hand.
    picked = [RANDOM.permutation(size)[:20], np.arange(0, size, 3), np.arange(0, size, 3)]
    for select in picked:
        expected = np.zeros((len(select), width), dtype=np.int64)
        for edge, entries in populations.synapses.entries(op, select).items():
            row, index, weight = entries.coordinates()
            place = at[edge]
            column = index + place if isinstance(place, int) else place[index]
            np.add.at(expected, (row, column), weight)
        made = kernels.rows(op, select, at.__getitem__, width)
        assert made is not None
        assert np.array_equal(expected, made)


def test_what_is_more_than_a_kernel_is_left_to_others() -> None:
    populations = Populations(module("scaled"))
    (op,) = populations.ops

    def never(edge: Edge) -> int:
        raise AssertionError(edge)

    assert Kernels(populations.synapses).rows(op, np.arange(3), never, 200) is None
