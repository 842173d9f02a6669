"""Fewer cores than `least_cores` says hold no layer, however its places and channels are shared."""

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from snnc.driver.pipeline import run_pipeline
from snnc.ir.build import Builder
from snnc.targets.paicore.reports.bounds import bounds
from snnc.targets.paicore.reports.corners import heaviest, least_cores, side_of
from snnc.targets.paicore.reports.windows import Axis, seen_by, union_of


def made(size, kernel, stride=1, before=0, after=0, dilation=1):
    places = (size + before + after - dilation * (kernel - 1) - 1) // stride + 1
    return Axis(size, places, kernel, stride, before, dilation)


def taps(axis, place):
    """Return the places of the input under one window."""
    every = (place * axis.stride - axis.before + n * axis.dilation for n in range(axis.kernel))
    return [tap for tap in every if 0 <= tap < axis.given]


def unions(axes, channels=1):
    """Return how many places of the input each set of neurons sees, sets as bits of the index."""
    rows, columns = axes
    windows = [
        sum(
            1 << (y * columns.given + x) for y, x in product(taps(rows, row), taps(columns, column))
        )
        for row, column in product(range(rows.made), range(columns.made))
        for _ in range(channels)
    ]
    found = [0]
    for window in windows:
        found += [seen | window for seen in found]
    return np.array([seen.bit_count() for seen in found])


def fewest_cores(fits):
    """Return how many sets that fit have all elements, None where one element does not fit."""
    count, every = len(fits).bit_length() - 1, np.flatnonzero(fits)
    if not all(fits[1 << n] for n in range(count)):
        return None
    largest = [
        m for m in every if not any(fits[m | 1 << n] for n in range(count) if not m >> n & 1)
    ]
    covered, cores = np.zeros(len(fits), bool), 0
    covered[0] = True
    while not covered[-1]:
        before = np.flatnonzero(covered)
        for some in largest:
            covered[before | some] = True
        cores += 1
    return cores


axis = st.builds(
    lambda size, kernel, stride, before, after: made(
        size, kernel, stride, min(before, kernel - 1), min(after, kernel - 1)
    ),
    *(
        st.integers(1, 8),
        st.integers(1, 4),
        st.integers(1, 3),
        st.integers(0, 2),
        st.integers(0, 2),
    ),
).filter(lambda a: 1 <= a.made <= 6 and all(seen_by(a)))


@settings(max_examples=120)
@given(
    axes=st.tuples(axis, axis),
    channels=st.integers(1, 2),
    read=st.integers(1, 3),
    own=st.integers(0, 2),
    axons=st.integers(1, 60),
    memory=st.integers(2, 10),
    known=st.booleans(),
)
def test_no_cover_by_sets_that_fit_has_fewer_cores(axes, channels, read, own, axons, memory, known):
    count = axes[0].made * axes[1].made * channels
    assume(2 <= count <= 10)
    union = unions(axes, channels)
    neurons = np.array([some.bit_count() for some in range(len(union))])
    rooms = ((axons, memory), (2 * axons, memory // 2))
    fits = sum((read * union + own * neurons <= a) & (neurons <= n) for a, n in rooms) > 0
    real = fewest_cores(fits)
    assume(real is not None)
    whole = axes[0].given * axes[1].given
    inside = channels * (np.searchsorted(union_of(axes, count), range(whole + 1), "right") - 1)
    held = tuple(
        tuple(
            min(n, int(inside[u]), (a - read * u) // own if own else n)
            for u in range(min(a // read, whole) + 1)
        )
        for a, n in rooms
    )
    at_least = -(-count // int(neurons[fits].max())) if known else 1
    assert least_cores(axes, channels, at_least, held) <= real


@pytest.mark.parametrize(
    "axes",
    [
        (made(4, 3, before=1, after=1), made(4, 3, before=1, after=1)),
        (made(6, 3, 2, before=1), made(8, 3, 2, before=1)),
        (made(4, 5, before=2, after=2), made(5, 3, before=1, after=1)),
        (made(1, 1), made(11, 4, before=3, after=1)),
        (made(5, 2, before=1, dilation=2), made(6, 3, 1, 2, 1, dilation=2)),
    ],
)
def test_no_set_of_places_is_heavier_than_its_bound(axes):
    rows, columns = (side_of(one) for one in axes)
    weights = np.random.default_rng(0).integers(-3, 9, (5, len(rows.sizes), len(columns.sizes)))
    union = unions(axes)
    kinds = [kinds_of(one) for one in axes]
    found = heaviest(rows, columns, weights, int(union.max()))
    for mine, bound in zip(weights, found, strict=True):
        heavy = np.zeros(1, np.int64)
        for y, x in product(*kinds):
            heavy = np.concatenate([heavy, heavy + mine[y, x]])
        real = [heavy[union <= u].max() for u in range(len(bound))]
        assert all(r <= b for r, b in zip(real, bound, strict=True))


def kinds_of(one):
    """Return the class of each place, from how the cover of all places of a class is counted."""
    short = [len(seen) < one.kernel for seen in seen_by(one)]
    inside = [n for n in range(1, one.made - 1) if not short[n]]
    if not inside:
        return [0] * one.made
    last = 0 if len(side_of(one).sizes) == 2 else 2
    return [0 if n < inside[0] else 1 if n <= inside[-1] else last for n in range(one.made)]


def of_one_bit(shape, outputs, *, skip=False, stride=1, padding=1, cut=None):
    """Return the bound of a layer of 3 x 3 windows with weights of one bit."""
    build = Builder("n", "int")
    x = build.input("x", f"u1[{', '.join(map(str, shape))}]~")
    draw = np.random.default_rng(0)
    w = build.weight("w", draw.integers(0, 2, (outputs, shape[0], 3, 3)).astype(np.int8))
    around = {"stride": (stride,) * 2, "padding": (padding,) * 2}
    current = build.op("conv2d", x, w, **around)
    if skip:
        other = build.input("z", f"u1[{', '.join(map(str, current.type.shape))}]~")
        current = build.op("add", current, other)
    if cut:
        current = build.op("slice", current, axis=1, start=0, stop=cut)
    module = build.finish(build.op("neuron", current, name="y", threshold=9))
    return bounds(run_pipeline(module, "legalise,schedule", target="paicore"))["y"]


@pytest.mark.parametrize(
    ("layer", "about", "cores"),
    [
        # Inside the map 4 of 64 places share a core: 14 x 14 of them; at a corner 8.
        (((64, 16, 16), 64), {}, 49),
        # The sums of two sources: a block with a connection around its convolution.
        (((16, 16, 16), 16), {"skip": True}, 10),
        # Strides leave the last row and column whole; halves of memory do not fit as halves.
        (((16, 16, 16), 32), {"stride": 2}, 5),
        (((32, 8, 8), 64), {"stride": 2}, 3),
        (((16, 32, 32), 16), {"stride": 2}, 16),
    ],
)
def test_a_map_has_few_corners(layer, about, cores):
    found = of_one_bit(*layer, **about)
    assert -(-found.neurons // found.neurons_per_core) < cores == found.cores


def test_places_that_are_cut_off_do_not_count():
    whole, part = of_one_bit((64, 16, 16), 64), of_one_bit((64, 16, 16), 64, cut=8)
    assert (49, 16) == (whole.cores, part.cores)
