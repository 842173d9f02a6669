"""Second moments: a row is what a channel reads at a place, sums are exact."""

import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.ir import Builder
from snnc.passes.buses import per_output
from snnc.passes.moments import rows, second_moments
from snnc.runtime.reference import Reference

KINDS = [
    ("linear", (6,), (4, 6), {}),
    ("linear", (3, 6), (4, 6), {}),
    ("conv1d", (4, 7), (4, 2, 3), {"groups": 2, "stride": (2,), "padding": (1, 0)}),
    ("conv2d", (3, 6, 5), (4, 3, 3, 2), {"stride": (2, 1), "padding": (1, 2)}),
    ("conv2d", (4, 5, 5), (4, 1, 3, 3), {"groups": 4, "dilation": (2, 1)}),
    ("conv_transpose1d", (4, 5), (4, 2, 3), {"groups": 2, "stride": (2,), "padding": (2,)}),
    (
        "conv_transpose2d",
        (2, 3, 3),
        (2, 4, 2, 3),
        {"stride": (2, 3), "dilation": (2, 1), "padding": (1, 0), "output_padding": (1, 2)},
    ),
]


def made(kind, shape, weights, attrs):
    b = Builder("net", "int")
    x = b.input("x", f"u8[{', '.join(map(str, shape))}]~")
    w = np.random.default_rng(0).integers(-3, 4, weights)
    module = b.finish(b.op(kind, x, b.weight("w", w.astype(np.int8)), name="y", **attrs))
    return module, w


@pytest.mark.parametrize(("kind", "shape", "weights", "attrs"), KINDS)
def test_rows_times_weights_are_the_currents(kind, shape, weights, attrs):
    module, w = made(kind, shape, weights, attrs)
    (op,) = module.graph.ops
    counts = np.random.default_rng(1).integers(0, 5, (3, *shape))
    run = Reference().prepare(module).run({"x": counts[:, None].astype(np.uint8)})
    expected = run.outputs["y"][:, 0]
    matrix = per_output(op, w)
    groups = op["groups"] if kind.startswith("conv") else 1
    parts = np.split(matrix, groups)
    found = [
        np.stack([g @ m.T for g, m in zip(part, parts, strict=True)])
        for part in rows(op, w.shape, counts)
    ]
    actual = np.concatenate(found, axis=1)
    if kind == "linear":
        np.testing.assert_array_equal(expected.reshape(-1, 4), actual[0])
        return
    places = int(np.prod(expected.shape[2:]))
    channels = actual.reshape(groups, 3, places, -1).transpose(1, 0, 3, 2)
    np.testing.assert_array_equal(expected.reshape(3, -1, places), channels.reshape(3, -1, places))


def test_moments_are_sums_of_products_of_integers():
    module, w = made("linear", (6,), (4, 6), {})
    counts = np.random.default_rng(1).integers(0, 1 << 20, (50, 6))
    actual = second_moments(module.graph.ops[0], w.shape, counts, 0, slice(1, 4))
    part = counts[:, 1:4].astype(object)
    np.testing.assert_array_equal((part.T @ part).astype(np.int64), actual)


def test_moments_beyond_64_bits_are_refused():
    module, w = made("linear", (6,), (4, 6), {})
    with pytest.raises(SnncError, match="moments-too-large"):
        second_moments(module.graph.ops[0], w.shape, np.full((2, 6), 1 << 31), 0, slice(0, 6))
