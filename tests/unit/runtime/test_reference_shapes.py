"""Convolutions, pools and movements against formulas written out tap by tap."""

import tracemalloc
from itertools import product

import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.ir import Builder
from snnc.runtime.reference import Reference

RNG = np.random.default_rng(7)


def result(level, kind, x, *weights, **attrs):
    """Return the result of one op on one sample and one tick."""
    b = Builder("one", level)
    element = {"uint8": "u1", "int8": "i8", "float32": "f32"}[x.dtype.name]
    value = b.input("x", f"{element}[{', '.join(map(str, x.shape))}]~")
    symbols = [b.weight(f"w{i}", w) for i, w in enumerate(weights)]
    module = b.finish(b.op(kind, value, *symbols, name="y", **attrs))
    return Reference().prepare(module).run({"x": x[None, None]}).outputs["y"][0, 0]


def slow_conv(x, w, bias, stride, before, dilation, groups, out):
    """Return a correlation, one product at a time."""
    y = np.zeros((w.shape[0], *out), dtype=np.float64)
    per = w.shape[0] // groups
    for o, c, *tap in product(*map(range, w.shape)):
        for p in product(*map(range, out)):
            at = [
                s * i - b + d * k
                for s, i, b, d, k in zip(stride, p, before, dilation, tap, strict=True)
            ]
            if all(0 <= a < n for a, n in zip(at, x.shape[1:], strict=True)):
                y[(o, *p)] += w[(o, c, *tap)] * x[(o // per * w.shape[1] + c, *at)]
    return y + bias.reshape(-1, *[1] * len(out))


CONVS = [
    ((2, 7, 6), (4, 2, 3, 2), {}),
    ((2, 7, 6), (4, 1, 3, 2), {"stride": (2, 1), "padding": (1, 2), "groups": 2}),
    ((2, 9, 8), (3, 2, 3, 3), {"dilation": (2, 1), "padding": (0, 1, 2, 3)}),
    ((3, 11), (3, 3, 4), {"stride": (3,), "padding": (2,)}),
]


@pytest.mark.parametrize("level", ["int", "snn"])
@pytest.mark.parametrize(("size", "kernel", "attrs"), CONVS)
def test_a_convolution_is_the_sum_over_its_taps(level, size, kernel, attrs):
    kind = "uint8" if level == "int" else "float32"
    x = RNG.integers(0, 2, size).astype(kind)
    w = RNG.integers(-9, 9, kernel).astype("int8" if level == "int" else "float32")
    bias = RNG.integers(-5, 5, kernel[0]).astype("int32" if level == "int" else "float32")
    y = result(level, f"conv{len(size) - 1}d", x, w, bias, **attrs)
    axes = len(size) - 1
    expected = slow_conv(
        x,
        w,
        bias,
        attrs.get("stride", (1,) * axes),
        attrs.get("padding", (0,) * axes)[:axes],
        attrs.get("dilation", (1,) * axes),
        attrs.get("groups", 1),
        y.shape[1:],
    )
    assert np.array_equal(expected, y)


TRANSPOSED = [
    ((2, 4, 3), (2, 3, 3, 2), {}),
    ((2, 4, 3), (2, 1, 3, 3), {"stride": (2, 3), "padding": (1, 1), "groups": 2}),
    ((2, 5), (2, 2, 3), {"stride": (2,), "padding": (2,), "output_padding": (1,)}),
    ((2, 9), (2, 2, 2), {"dilation": (3,), "padding": (4,)}),
]


@pytest.mark.parametrize(("size", "kernel", "attrs"), TRANSPOSED)
def test_a_transposed_convolution_spreads_each_element_over_the_taps(size, kernel, attrs):
    x, w = RNG.integers(0, 2, size).astype("uint8"), RNG.integers(-9, 9, kernel).astype("int8")
    y = result("int", f"conv_transpose{len(size) - 1}d", x, w, **attrs)
    axes, groups = len(size) - 1, attrs.get("groups", 1)
    stride, padding = attrs.get("stride", (1,) * axes), attrs.get("padding", (0,) * axes)
    dilation = attrs.get("dilation", (1,) * axes)
    expected, members = np.zeros(y.shape, dtype=np.int64), kernel[0] // groups
    for c, o, *tap in product(*map(range, kernel)):
        for p in product(*map(range, size[1:])):
            at = [
                s * i - b + d * k
                for s, i, b, d, k in zip(stride, p, padding, dilation, tap, strict=True)
            ]
            if all(0 <= a < n for a, n in zip(at, y.shape[1:], strict=True)):
                expected[(c // members * kernel[1] + o, *at)] += w[(c, o, *tap)] * x[(c, *p)]
    assert np.array_equal(expected, y)


def test_pools_look_at_their_windows_only():
    x = np.array([[1, 2, 3, 4, 5]], dtype=np.int8)
    assert [[3, 7]] == result("int", "sum_pool1d", x, kernel=[2]).tolist()
    attrs = {"kernel": [3], "stride": [2], "padding": [1]}
    assert [[3, 9, 9]] == result("int", "sum_pool1d", x, **attrs).tolist()
    assert [[-1, -2, -4]] == result("int", "max_pool1d", -x, **attrs).tolist()
    attrs = {"kernel": [2], "stride": [1], "dilation": [3]}
    assert [[4, 5]] == result("int", "max_pool1d", x, **attrs).tolist()


def test_a_mean_counts_the_padding_or_not():
    x = np.array([[2.0, 4.0, 6.0]], dtype=np.float32)
    attrs = {"kernel": [2], "stride": [2], "padding": [1]}
    assert [[1.0, 5.0]] == result("snn", "avg_pool1d", x, **attrs).tolist()
    attrs["count_padding"] = False
    assert [[2.0, 5.0]] == result("snn", "avg_pool1d", x, **attrs).tolist()


def test_a_window_wholly_in_the_padding_is_refused():
    x = np.array([[2.0]], dtype=np.float32)
    with pytest.raises(SnncError, match="empty-window"):
        result("snn", "max_pool1d", x, kernel=[2], stride=[1], padding=[1], dilation=[2])


def test_movements_move():
    x = np.arange(6, dtype=np.int8).reshape(2, 3)
    assert [[0, 3], [1, 4], [2, 5]] == result("int", "permute", x, order=[1, 0]).tolist()
    assert [0, 1, 2, 3, 4, 5] == result("int", "reshape", x, shape=[6]).tolist()
    assert [[1], [4]] == result("int", "slice", x, axis=1, start=1, stop=2).tolist()


def test_scales_are_for_all_per_channel_or_per_element():
    x = np.ones((2, 2), dtype=np.int8)
    for w, expected in (
        ([3], [[3, 3], [3, 3]]),
        ([3, 4], [[3, 3], [4, 4]]),
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]]),
    ):
        assert expected == result("int", "scale", x, np.array(w, dtype=np.int8)).tolist()


def test_a_mask_removes_weights():
    x, w = np.ones(2, dtype=np.uint8), np.array([[3, 4], [5, 6]], dtype=np.int8)
    mask = np.array([[1, 0], [1, 1]], dtype=bool)
    assert [3, 11] == result("int", "masked_linear", x, w, mask).tolist()


def test_a_matrix_acts_on_the_last_axis():
    x, w = np.eye(3, dtype=np.uint8)[:2], RNG.integers(-9, 9, (4, 3)).astype(np.int8)
    assert (w.T[:2]).tolist() == result("int", "linear", x, w).tolist()


def test_a_norm_is_its_formula_rounded_once():
    x = np.array([[1.5, -2.25]], dtype=np.float32)
    mean, variance, gamma, beta = (np.array([v], dtype=np.float32) for v in (0.3, 1.7, 1.1, -0.2))
    y = result("snn", "batch_norm", x, mean, variance, gamma, beta)
    m, v, g, b = (a.astype(np.float64) for a in (mean, variance, gamma, beta))
    expected = ((x.astype(np.float64) - m) / np.sqrt(v + 1e-5) * g + b).astype(np.float32)
    assert np.array_equal(expected, y)


def test_sums_and_differences_join_values():
    b = Builder("join", "int")
    x, y = b.input("x", "u1[2]~"), b.input("y", "i8[2]~")
    module = b.finish(b.op("sub", b.op("add", x, y, x), y, name="z"))
    given = {"x": np.array([[[1, 0]]]), "y": np.array([[[5, -7]]])}
    assert [2, 0] == Reference().prepare(module).run(given).outputs["z"][0, 0].tolist()


def test_a_loop_without_a_delay_is_refused():
    b = Builder("loop", "int")
    later = b.forward("s", "u1[1]~")
    made = b.op("neuron", b.op("add", b.input("x", "u1[1]~"), later), threshold=1, name="s")
    b.bind(later, made)
    with pytest.raises(SnncError, match="loop-without-delay"):
        Reference().prepare(b.finish(made))


def test_a_tick_holds_the_values_that_are_read_again_and_no_others():
    b = Builder("deep", "snn")
    x = first = b.input("x", "f32[10000]~")
    for _ in range(50):
        x = b.op("relu", x)
    module = b.finish(b.op("add", x, b.op("delay", first)))
    program, ones = Reference().prepare(module), np.ones((1, 2, 10000), np.float32)
    tracemalloc.start()
    result = program.run({"x": ones})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [1.0, 2.0] == np.unique(result.outputs["add"]).tolist()
    assert peak < 30 * 40000
