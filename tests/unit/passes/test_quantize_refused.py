"""What no integers can express is refused by `quantize`, with the field and a way out."""

import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.ir import Builder
from tests.unit.passes.quantized import layer, quantize

REFUSED = [
    ({"decay": 0.9}, "decay"),
    ({"filter": "before", "filter_decay": 0.5}, "filter"),
    ({"filter": "whole"}, "filter"),
    ({"gain": -1.0}, "gain"),
    ({"spike": "count", "compare": "gt"}, "compare"),
    ({"reset": "hard", "reset_time": "after"}, "reset_time"),
    ({"reset": "soft", "reset_time": "before", "floor": 0.0}, "reset_time"),
]


@pytest.mark.parametrize(("attrs", "named"), REFUSED)
def test_a_field_without_an_integer_form_is_named(attrs, named):
    with pytest.raises(SnncError) as caught:
        quantize(layer([[1, 2]], **attrs))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "no-integer-form"
    assert f"{named} = " in diagnostic.message
    assert diagnostic.help


def test_a_late_reset_is_refused_where_the_potential_is_seen():
    b = Builder("net", "snn")
    x = b.input("x", "u1[2]~")
    w = b.weight("w", np.array([[1, 2]], np.float32))
    b.op("neuron", b.op("linear", x, w), reset_time="before", potential=True)
    with pytest.raises(SnncError, match="reset_time"):
        quantize(b.finish(*b.ops[-1].results))


def between(make):
    b = Builder("net", "snn")
    x = b.input("x", "u1[2, 4, 4]~")
    w = b.weight("w", np.ones((2, 2, 1, 1), np.float32))
    return b.finish(b.op("neuron", make(b, b.op("conv2d", x, w))))


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (lambda b, x: b.op("relu", x), "relu"),
        (lambda b, x: b.op("max_pool2d", x, kernel=(2, 2)), "max_pool2d"),
        (
            lambda b, x: b.op(
                "batch_norm", x, *(b.weight(n, np.ones(2, np.float32)) for n in "mvgb")
            ),
            "fold-norm",
        ),
        (
            lambda b, x: b.op("avg_pool2d", x, kernel=(3, 3), padding=(1, 1), count_padding=False),
            "count_padding",
        ),
    ],
)
def test_an_op_without_an_integer_form_is_named(make, wanted):
    with pytest.raises(SnncError) as caught:
        quantize(between(make))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "no-integer-form"
    assert wanted in diagnostic.message + diagnostic.help


def test_all_refusals_are_collected():
    with pytest.raises(SnncError) as caught:
        quantize(layer([[1, 2]], decay=0.9, gain=-1.0))
    assert len(caught.value.diagnostics) == 2


def test_real_inputs_are_refused():
    with pytest.raises(SnncError, match="real-source"):
        quantize(layer([[1, 2]], element="f32"))


def test_negative_weights_of_one_bit_are_refused():
    with pytest.raises(SnncError, match="negative-weights"):
        quantize(layer([[0.5, -0.25]]), bits=1)


def test_a_current_that_would_need_two_scales_is_refused():
    def make(b, x):
        return b.op("add", x, b.op("avg_pool2d", x, kernel=(3, 3), stride=(1, 1), padding=(1, 1)))

    with pytest.raises(SnncError, match="scale-conflict"):
        quantize(between(make))


def test_a_loop_of_weights_without_a_neuron_is_refused():
    b = Builder("net", "snn")
    x = b.input("x", "u1[2]~")
    later = b.forward("y", "f32[2]~")
    back = b.op("linear", b.op("delay", later), b.weight("w", np.eye(2, dtype=np.float32) / 2))
    y = b.op("add", back, x)
    b.bind(later, y)
    with pytest.raises(SnncError, match="linear-loop"):
        quantize(b.finish(b.op("neuron", y)))
