"""Layers spread over more cores than they need, because the user says so."""

import numpy as np
import pytest

import snnc
from snnc.diagnostics import SnncError
from snnc.frontends.paibox.presets import neuron
from snnc.ir import Builder, Module
from snnc.targets.paicore.placed import read_placed


def module(size: int, unroll: int, shape: str = "u1[9]~") -> Module:
    b = Builder("net", "int")
    x = b.input("x", shape)
    rng = np.random.default_rng(size)
    if "," in shape:
        kernel = b.weight("k", rng.integers(-8, 8, (size, 2, 3, 3)).astype(np.int8))
        current = b.op("conv2d", x, kernel)
    else:
        w = b.weight("w", rng.integers(-8, 8, (size, x.type.size)).astype(np.int8))
        current = b.op("linear", x, w)
    return b.finish(b.op("neuron", current, name="y", threshold=9, place={"unroll": unroll}))


def cores(made: Module, **options: object) -> list[int]:
    """Return how many neurons each core holds, after checking what the cores do."""
    build = snnc.compile(made, "paicore", **options)
    (given,) = made.graph.inputs
    rng = np.random.default_rng(1)
    assert build.verify({"x": rng.integers(0, 2, (2, 8, *given.type.shape)).astype("u1")}).equal
    return [core.count for core in read_placed(build.placed).cores]


@pytest.mark.parametrize(
    ("size", "unroll", "expected"),
    [
        (4, 3, [2, 1, 1]),
        (4, 5, [1, 1, 1, 1]),
        (6, 4, [2, 2, 1, 1]),
        (130, 1, [65, 65]),
        (130, 2, [33, 33, 32, 32]),
    ],
)
def test_a_layer_lies_on_so_many_times_the_cores_that_it_needs(size, unroll, expected) -> None:
    """PAIBox fails on the first three: its last slice is empty, or less."""
    assert expected == cores(module(size, unroll))


def test_fewest_cores_are_fewest_whatever_a_layer_asks_for() -> None:
    assert [4] == cores(module(4, 3), group="cores")


def test_a_convolution_in_tiles_may_be_spread() -> None:
    plain, spread = (cores(module(8, n, "u1[2, 30, 30]~")) for n in (1, 2))
    assert sum(plain) == sum(spread)
    assert 2 * len(plain) == len(spread)


def test_nonsense_is_refused() -> None:
    with pytest.raises(SnncError) as caught:
        snnc.compile(module(4, 0), "paicore")
    assert "bad-place" == caught.value.code


def test_the_argument_of_paibox_is_read() -> None:
    assert 3 == neuron("IF", "n", 4, {"unrolling_factor": 3}).unroll
    with pytest.raises(SnncError) as caught:
        neuron("IF", "n", 4, {"unrolling_factor": 0})
    assert "paibox-number" == caught.value.code
