"""Result shapes as torch has them: each line was printed by torch 2 for the same arguments."""

import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.ir import Builder


def result(kind, x, *weights, level="snn", **attrs):
    build = Builder("m", level)
    symbols = [build.weight("w", np.zeros(shape, np.float32)) for shape in weights]
    value = build.input("x", f"f32[{', '.join(map(str, x))}]~")
    return build.op(kind, value, *symbols, **attrs).type.shape


@pytest.mark.parametrize(
    ("kind", "x", "w", "attrs", "expected"),
    [
        ("conv2d", (3, 28, 28), (8, 3, 5, 5), {}, (8, 24, 24)),
        ("conv2d", (3, 28, 28), (8, 3, 5, 5), {"stride": (2, 3), "padding": (2, 0)}, (8, 14, 8)),
        ("conv2d", (3, 9, 9), (3, 1, 3, 3), {"groups": 3, "dilation": (2, 2)}, (3, 5, 5)),
        ("conv2d", (1, 4, 4), (2, 1, 3, 3), {"padding": (1, 0, 0, 2)}, (2, 3, 4)),
        ("conv1d", (2, 10), (4, 2, 3), {"stride": (3,), "padding": (1,)}, (4, 4)),
        ("conv_transpose2d", (4, 5, 5), (4, 2, 3, 3), {"stride": (2, 2)}, (2, 11, 11)),
        (
            "conv_transpose2d",
            (4, 5, 5),
            (4, 2, 3, 3),
            {"stride": (2, 2), "padding": (1, 1), "output_padding": (1, 1), "groups": 2},
            (4, 10, 10),
        ),
        ("conv_transpose1d", (2, 7), (2, 3, 4), {"dilation": (2,)}, (3, 13)),
        ("linear", (7, 5), (3, 5), {}, (7, 3)),
    ],
)
def test_weighted_ops(kind, x, w, attrs, expected):
    assert expected == result(kind, x, w, **attrs)


@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        ({"kernel": (2, 2)}, (3, 3, 3)),
        ({"kernel": (3, 3), "stride": (1, 1)}, (3, 5, 5)),
        ({"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1)}, (3, 4, 4)),
        ({"kernel": (2, 2), "stride": (1, 1), "dilation": (3, 3)}, (3, 4, 4)),
    ],
)
def test_pools(attrs, expected):
    assert expected == result("max_pool2d", (3, 7, 7), **attrs)


@pytest.mark.parametrize(
    ("kind", "x", "w", "attrs", "words"),
    [
        ("linear", (4,), [(3, 5)], {}, "does not match weights"),
        ("linear", (5,), [(3, 5), (4,)], {}, "bias"),
        ("conv2d", (3, 9), [(8, 3, 5, 5)], {}, "needs 3 axes"),
        ("conv2d", (3, 9, 9), [(8, 2, 5, 5)], {}, "do not divide into"),
        ("conv2d", (3, 9, 9), [(8, 3, 5, 5)], {"groups": 0}, "do not divide into"),
        ("conv2d", (3, 4, 4), [(8, 3, 5, 5)], {}, "does not fit"),
        ("conv2d", (3, 9, 9), [(8, 3, 5, 5)], {"stride": (0, 1)}, "needs 2 numbers >= 1"),
        ("conv2d", (3, 9, 9), [(8, 3, 5, 5)], {"padding": (1, 1, 1)}, "needs 2 or 4 numbers"),
        ("conv_transpose1d", (3, 9), [(2, 1, 2)], {}, "do not match"),
        ("conv_transpose1d", (2, 9), [(2, 1, 2)], {"output_padding": (1,)}, "output_padding"),
        ("conv_transpose1d", (2, 1), [(2, 1, 2)], {"padding": (2,)}, "leaves no output"),
        ("conv_transpose1d", (2, 1, 1), [(2, 1, 2)], {}, "needs 2 axes"),
        ("max_pool2d", (3, 7), [], {"kernel": (2, 2)}, "needs 3 axes"),
        ("max_pool2d", (3, 7, 7), [], {"kernel": (2, 2), "padding": (2, 0)}, "half"),
        ("reshape", (3, 4), [], {"shape": (5,)}, "cannot become"),
        ("reshape", (3, 4), [], {"shape": (-1, -12)}, "cannot become"),
        ("permute", (3, 4), [], {"order": (0, 0)}, "not a permutation"),
        ("slice", (3, 4), [], {"axis": 1, "start": 2, "stop": 5}, "outside"),
        ("slice", (3, 4), [], {"axis": 2, "start": 0, "stop": 1}, "outside"),
        ("concat", (3, 4), [], {"axis": 2}, "outside"),
        ("scale", (3, 4), [(4,)], {}, "one per channel"),
        ("delay", (3, 4), [], {"by": 0}, "at least 1"),
        ("batch_norm", (3, 4), [(3,), (3,), (3,), (4,)], {}, "one value per channel"),
        ("direct", (3,), [], {}, "already"),
    ],
)
def test_what_does_not_fit_is_refused_with_numbers(kind, x, w, attrs, words):
    with pytest.raises(SnncError, match=words) as caught:
        result(kind, x, *w, **attrs)
    assert caught.value.code == "type-mismatch"


@pytest.mark.parametrize("kind", ["add", "sub", "concat"])
def test_joined_values_must_agree(kind):
    build = Builder("m", "int")
    a, b = build.input("a", "u1[2, 3]~"), build.input("b", "u1[3, 2]~")
    with pytest.raises(SnncError, match="differ"):
        build.op(kind, a, b)


def test_joined_elements_and_phases_must_agree():
    build = Builder("m", "int")
    a, b, c = (build.input(n, t) for n, t in [("a", "u1[2]~"), ("b", "i8[2]~"), ("c", "u1[2]~+1")])
    with pytest.raises(SnncError, match="different elements: i8, u1"):
        build.op("concat", a, b)
    with pytest.raises(SnncError, match="different ticks"):
        build.op("add", a, c)


def test_a_neuron_reads_trains_of_its_level():
    build = Builder("m", "int")
    real, constant = build.input("a", "f32[2]~"), build.input("b", "i8[2]")
    for value in (real, constant):
        with pytest.raises(SnncError, match="one per tick"):
            build.op("neuron", value, threshold=1)
    with pytest.raises(SnncError, match="2 to 32 bits"):
        build.op("neuron", build.input("c", "u1[2]~"), threshold=1, width=33)
    real = Builder("m", "snn")
    constant = real.input("x", "f32[2]")
    with pytest.raises(SnncError, match="has no time"):
        real.op("neuron", constant)


def test_spikes_have_the_element_that_holds_them():
    build = Builder("m", "int")
    x = build.input("x", "u1[2]~")
    elements = {
        ("single", 65535): "u1",
        ("count", 65535): "u16",
        ("count", 65536): "i32",
        ("value", 65535): "u8",
    }
    for (spike, most), element in elements.items():
        made = build.op("neuron", x, threshold=1, spike=spike, max_count=most)
        assert element == str(made.type.element)


def test_a_periodic_train_is_one_bit_per_tick():
    build = Builder("m", "int")
    assert (3,) == build.op("periodic", build.weight("w", np.zeros((5, 3), bool))).type.shape
    with pytest.raises(SnncError, match="u1"):
        build.op("periodic", build.weight("v", np.zeros((5, 3), np.int8)))
