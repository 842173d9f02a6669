"""Lower bounds of layers: strict for every shape of a set of neurons, reached where possible."""

from itertools import combinations, product

import numpy as np
import pytest

from snnc.driver.pipeline import run_pipeline
from snnc.ir.build import Builder
from snnc.targets.paicore.chip.geometry import capacity
from snnc.targets.paicore.placed import read_placed
from snnc.targets.paicore.reports.bounds import bounds, total
from snnc.targets.paicore.reports.windows import Axis, least_cover, union_of


def seen(axis, place):
    """Return the places of the input under one window."""
    taps = (place * axis.stride - axis.before + n * axis.dilation for n in range(axis.kernel))
    return {t for t in taps if 0 <= t < axis.given}


def made(given, kernel, stride, before, dilation=1, after=0):
    size = (given + before + after - dilation * (kernel - 1) - 1) // stride + 1
    return Axis(given, size, kernel, stride, before, dilation)


AXES = [
    made(6, 3, 1, 0),
    made(6, 3, 1, 1, after=1),
    made(9, 3, 2, 1),
    made(8, 2, 2, 0),
    made(9, 2, 3, 1, after=1),
    made(9, 3, 1, 0, dilation=2),
    made(12, 3, 2, 3, dilation=3, after=2),
    made(11, 3, 2, 2, dilation=4, after=3),
    made(9, 2, 3, 5, dilation=6, after=4),
    made(4, 2, 1, 3, after=3),
    made(5, 4, 1, 3, after=3),
    made(7, 1, 2, 0),
]


@pytest.mark.parametrize("axis", AXES)
def test_rows_of_windows_never_cover_fewer_rows(axis):
    found = least_cover(axis)
    for count in range(1, axis.made + 1):
        least = min(
            len(set().union(*(seen(axis, p) for p in places)))
            for places in combinations(range(axis.made), count)
        )
        assert least == found[count]


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (made(5, 3, 1, 0), made(6, 3, 1, 0)),
        (made(3, 3, 1, 1, after=1), made(4, 3, 1, 1, after=1)),
        (made(6, 3, 2, 1), made(8, 2, 2, 0)),
        (made(5, 2, 1, 1), made(7, 3, 2, 1)),
        (made(6, 2, 1, 0, dilation=3), made(7, 3, 1, 2, dilation=2)),
    ],
)
def test_no_set_of_places_sees_less_than_its_bound(rows, columns):
    places = list(product(range(rows.made), range(columns.made)))
    windows = [set(product(seen(rows, y), seen(columns, x))) for y, x in places]
    found = union_of((rows, columns), len(places))
    least = [len(places) * 99] * (len(places) + 1)
    least[0] = 0
    for chosen in range(1, 1 << len(places)):
        mine = [w for n, w in enumerate(windows) if chosen >> n & 1]
        least[len(mine)] = min(least[len(mine)], len(set().union(*mine)))
    assert all(bound <= real for bound, real in zip(found, least, strict=True))
    # One window, and all of them, are seen as they are.
    assert (least[1], least[-1]) == (found[1], found[-1])


def network(shape, *layers, weights="i8"):
    build = Builder("n", "int")
    spikes = build.input("x", f"u1[{', '.join(map(str, shape))}]~")
    low, high, kind = {"i8": (-128, 128, np.int8), "u1": (0, 2, np.uint8)}[weights]
    for number, (kind_of, size, options) in enumerate(layers):
        w = np.random.default_rng(number).integers(low, high, size).astype(kind)
        if kind_of == "linear":
            spikes = build.op("reshape", spikes, shape=(spikes.type.size,))
        current = build.op(kind_of, spikes, build.weight(f"w{number}", w), **options)
        spikes = build.op("neuron", current, name=f"n{number}", threshold=3)
    return build.finish(spikes)


def scheduled(module):
    return run_pipeline(module, "legalise,shrink-weights,schedule", target="paicore")


def test_a_matrix_needs_its_dendrites_at_the_extension_of_its_fan_in():
    module = network((1200,), ("linear", (600, 1200), {}))
    found = bounds(scheduled(module))["n0"]
    assert (600, 1200, 8) == (found.neurons, found.fan_in, found.bits)
    assert (10, 19, 32) == (found.by_memory, found.cores, found.neurons_per_core)


def test_a_convolution_of_one_bit_is_bound_by_axons():
    same = {"padding": (1, 1)}
    module = network((64, 16, 16), ("conv2d", (32, 64, 3, 3), same), weights="u1")
    found = bounds(scheduled(module))["n0"]
    assert 16 == found.by_memory
    # 512 neurons, 16 places, would see at least 36 places of 64 channels: more than 1152 axons.
    assert found.cores > 16
    assert found.neurons_per_core < 512


def test_a_channel_with_narrow_weights_counts_as_narrow():
    build = Builder("n", "int")
    x = build.input("x", "u1[100]~")
    w = np.ones((100, 100), np.int8)
    w[:50] = 100
    y = build.op("neuron", build.op("linear", x, build.weight("w", w)), name="y", threshold=7)
    found = bounds(run_pipeline(build.finish(y), "legalise,schedule", target="paicore"))["y"]
    assert (8, 1) == (found.bits, found.by_memory)
    assert 50 * 8 + 50 == found.shares * 512


def test_weights_of_which_nothing_is_known_are_looked_at():
    build = Builder("n", "int")
    x = build.input("x", "u1[300]~")
    sparse = np.eye(300, dtype=np.int8) * 5
    mask = build.weight("m", np.eye(300, dtype=np.uint8), "u1")
    current = build.op("masked_linear", x, build.weight("w", sparse), mask)
    module = build.finish(build.op("neuron", current, name="y", threshold=7))
    found = bounds(run_pipeline(module, "legalise,schedule", target="paicore"))["y"]
    assert (1, 4, 3) == (found.fan_in, found.bits, found.cores)


def test_layers_that_start_together_may_share_a_core():
    build = Builder("n", "int")
    x = build.input("x", "u1[20]~")
    w = build.weight("w", np.full((5, 20), 100, np.int8))
    ys = [build.op("neuron", build.op("linear", x, w), name=f"y{n}", threshold=9) for n in range(3)]
    module = build.finish(*ys)
    found = bounds(scheduled(module))
    assert ([1, 1, 1], 1) == ([b.cores for b in found.values()], total(found))
    assert total(found) <= len(
        read_placed(run_pipeline(module, "@paicore", target="paicore")).cores
    )


@pytest.mark.parametrize("weights", ["i8", "u1"])
def test_no_placement_is_below_the_bound(weights):
    module = network(
        (4, 12, 12),
        ("conv2d", (16, 4, 3, 3), {"padding": (1, 1)}),
        ("conv2d", (16, 16, 3, 3), {"stride": (2, 2)}),
        ("linear", (90, 16 * 25), {}),
        weights=weights,
    )
    found = bounds(scheduled(module))
    placed = read_placed(run_pipeline(module, "@paicore", target="paicore"))
    assert total(found) <= len(placed.cores)
    for name, bound in found.items():
        used = {core.place for layer in placed.copies[name] for core, _, _ in layer.pieces}
        assert bound.cores <= len(used)
        assert bound.neurons_per_core <= capacity(False, bound.bits, 1)


@pytest.mark.parametrize("apart", [False, True])
def test_windows_beside_a_matrix_count_their_weights_alone(apart):
    build = Builder("n", "int")
    x, z = build.input("x", "u1[128, 4, 4]~"), build.input("z", "u1[512]~")
    w = np.random.default_rng(0).integers(-8, 8, (32, 128, 3, 3)).astype(np.int8)
    w *= (np.arange(32)[:, None] // 4 == np.arange(128) // 16)[:, :, None, None].astype(np.int8)
    current = build.op("conv2d", x, build.weight("w", w), padding=(1, 1))
    current = build.op("reshape", current, shape=(512,))
    matrix = build.weight("m", np.eye(512, dtype=np.int8) * 7)
    # In one layer with the windows, or in another that reads what they read.
    if apart:
        flat = build.op("slice", build.op("reshape", x, shape=(2048,)), axis=0, start=0, stop=512)
        other = build.op("neuron", build.op("linear", flat, matrix), name="other", threshold=9)
        module = build.finish(build.op("neuron", current, name="y", threshold=9), other)
    else:
        current = build.op("add", current, build.op("linear", z, matrix))
        module = build.finish(build.op("neuron", current, name="y", threshold=9))
    found = bounds(scheduled(module))
    cores = read_placed(run_pipeline(module, "@paicore", target="paicore")).cores
    assert total(found) <= len(cores)
    assert 4 == found["y"].cores


def test_rows_times_a_matrix_with_zeros_count_their_weights_alone():
    build = Builder("n", "int")
    x = build.input("x", "u1[4, 1200]~")
    half = np.kron(np.eye(2, dtype=np.int8), np.ones((32, 600), np.int8) * 100)
    current = build.op("linear", x, build.weight("w", half))
    module = build.finish(build.op("neuron", current, name="y", threshold=9))
    found = bounds(scheduled(module))["y"]
    cores = read_placed(run_pipeline(module, "@paicore", target="paicore")).cores
    assert (600, 4) == (found.fan_in, found.cores)
    assert found.cores <= len(cores)


def test_what_no_core_can_hold_has_no_neurons_per_core():
    build = Builder("n", "int")
    x = build.input("x", "u1[80000]~")
    w = build.weight("w", np.ones((2, 80000), np.int8))
    module = build.finish(build.op("neuron", build.op("linear", x, w), name="y", threshold=7))
    assert 0 == bounds(module)["y"].neurons_per_core
