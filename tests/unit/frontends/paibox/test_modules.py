"""Neuron presets and functional modules, by their arguments."""

import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.frontends.paibox.modules import Flow, FunctionalModule, Operand, lower
from snnc.frontends.paibox.numbers import FARTHEST
from snnc.frontends.paibox.presets import neuron


def code_of(call):
    with pytest.raises(SnncError) as caught:
        call()
    return caught.value.code


@pytest.mark.parametrize(
    ("kind", "args", "expected"),
    [
        ("IF", {"threshold": 3}, ("soft", 3, 0, FARTHEST, "floor")),
        ("IF", {"threshold": 3, "reset_v": 1}, ("hard", 3, 1, FARTHEST, "floor")),
        ("IF", {"threshold": 3, "neg_threshold": -4}, ("soft", 3, 0, 4, "floor")),
        ("TonicSpiking", {"fire_step": 4}, ("hard", 4, 0, FARTHEST, "reset")),
        ("PhasicSpiking", {"fire_step": 3}, ("hard", 6, -11, 10, "floor")),
        ("PhasicSpiking", {"fire_step": 3, "neg_floor": 5}, ("hard", 6, 4, 5, "floor")),
        ("BypassNeuron", {}, ("hard", 1, 0, 0, "reset")),
        ("StoreVoltageNeuron", {}, ("none", FARTHEST, 0, FARTHEST, "reset")),
    ],
)
def test_presets_are_register_values(kind, args, expected):
    p = neuron(kind, "n", 4, args)
    assert expected == (p.reset, p.threshold, p.reset_to, p.negative, p.negative_mode)


def test_numbers_of_30_bits_are_taken_and_no_others():
    assert -FARTHEST - 1 == neuron("IF", "n", 2, {"reset_v": -(2**29)}).reset_to
    lowest = np.array([-(2**29), 0])
    assert -(2**29) == neuron("LIF", "n", 2, {"leak_v": lowest}).leak[0]
    for args in ({"leak_v": -lowest}, {"bias": 2**29}, {"reset_v": 2**29}):
        assert "paibox-number" == code_of(lambda args=args: neuron("LIF", "n", 2, args))


def test_leak_and_bias_add_up_per_channel():
    p = neuron("LIF", "n", (2, 3), {"leak_v": -1, "bias": np.array([5, 7])})
    assert [[4, 4, 4], [6, 6, 6]] == p.leak.tolist()
    assert 4 == neuron("LIF", "n", 3, {"leak_v": -1, "bias": 5}).leak


def test_unknown_neurons_and_keywords_are_refused():
    assert "paibox-unsupported" == code_of(lambda: neuron("LIFF", "n", 4, {}))
    assert "unknown-keyword" == code_of(lambda: neuron("LIF", "n", 4, {"leaky_v": -1}))


def module(kind, *shapes, flow=None, **args):
    operands = tuple(Operand(f"i{n}", shape, flow) for n, shape in enumerate(shapes))
    return lower(FunctionalModule(kind, "m", operands, args))


def test_a_module_is_a_population_of_its_own_name():
    made = module("BitwiseXOR", (4,), (4,), tick_wait_start=2, delay=3)
    assert ["m.above", "m.below", "m"] == [p.name for p in made.populations]
    assert [(2, 1), (2, 1), (3, 3)] == [(p.start, p.delay) for p in made.populations]


def test_operands_keep_their_order():
    weights = [int(s.link.weights) for s in module("SpikingSub", (4,), (4,)).synapses]
    assert [1, -1] == weights
    made = module("SpikingAdd", (4,), (4,), factor_a=2, factor_b=3).synapses
    assert [("i0", 2), ("i1", 3)] == [(s.source, int(s.link.weights)) for s in made]


@pytest.mark.parametrize(("kernel", "threshold"), [(2, 2), (3, 5), ((1, 3), 2)])
def test_an_average_fires_at_half_a_window_halves_up(kernel, threshold):
    made = module("SpikingAvgPool2d", (2, 6, 6), kernel_size=kernel)
    assert 1 - threshold == made.populations[0].leak


def test_streamed_maps_say_when_their_columns_are_there():
    kernel = np.ones((3, 2, 3, 3), np.int8)
    made = module("Conv2dSemiFolded", (2, 8), flow=Flow(), kernel=kernel, padding=1)
    assert Flow(1, 1, 8) == made.flow
    assert 9 == made.populations[-1].ticks
    assert [1, 2, 3] == [p.delay for p in made.populations[:-1]]


def test_columns_of_a_ring_stop_when_nothing_is_read_of_them_any_more():
    kernel = np.ones((3, 2, 3, 3), np.int8)
    made = module("Conv2dSemiFolded", (2, 8), flow=Flow(), kernel=kernel, rin_buffer_option=True)
    assert [8, 7, 6] == [p.ticks for p in made.populations[:-1]]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (
            lambda: module(
                "AvgPool2dSemiFolded", (2, 4), flow=Flow(), kernel_size=2, stride=(1, 2)
            ),
            "paibox-unsupported",
        ),
        (lambda: module("BitwiseAND", (4,), (5,)), "paibox-shape"),
        (lambda: module("SpikingMaxPool2d", (4, 4), kernel_size=2), "paibox-shape"),
        (lambda: module("SpikingMaxPool2d", (2, 4, 4), kernel_size=(2, 2, 2)), "paibox-number"),
        (lambda: module("SpikingAdd", (4,), (4,), factor_a=0), "paibox-number"),
        (lambda: module("Linear", (4,), out_features=2, weights=np.ones((4, 2))), "paibox-weights"),
        (lambda: module("MaxPool2dSemiFolded", (2, 4), kernel_size=2), "paibox-unsupported"),
        (
            lambda: module(
                "LinearSemiFolded", (2, 4), flow=Flow(), out_features=2, weights=np.int8([[1]])
            ),
            "paibox-unsupported",
        ),
        (lambda: module("Softmax", (4,)), "paibox-unsupported"),
    ],
)
def test_modules_that_do_not_fit_are_refused(call, code):
    assert code == code_of(call)
