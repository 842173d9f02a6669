"""One neuron of the emulator against recorded sequences, and against a hand-written step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snnc.diagnostics import SnncError
from snnc.targets.paicore.chip import frames
from snnc.targets.paicore.chip.image import ChipImage
from snnc.targets.paicore.emulate import Machine, Semantics
from snnc.targets.paicore.emulation.neuron import truncate

MAX = 2**29 - 1
HARD, SOFT, NONE = 0, 1, 2
RESET, SATURATE = 0, 1


def one_axon_a_step(steps):
    return frames.spike_words((0, 0), (0, 0), (0, 0), np.arange(steps), np.arange(steps))


def run_core(core, sums, semantics=None):
    """Feed a core whose axon t carries the weight of step t; return outputs and potentials."""
    machine = Machine(ChipImage((core,)), semantics=semantics, record=True)
    machine.inject(one_axon_a_step(len(sums)))
    machine.step(len(sums))
    trace = machine.trace()[(0, 0), (0, 0)]
    return list(
        zip(trace.outputs[0, :, 0].tolist(), trace.potentials[0, :, 0].tolist(), strict=True)
    )


SEQUENCES = {
    "hard": (
        {"threshold": 3, "floor": SATURATE},
        [1, 1, 1, 5, -4, 2, 2],
        [(0, 1), (0, 2), (1, 0), (1, 0), (0, -4), (0, -2), (0, 0)],
    ),
    "soft": (
        {"threshold": 3, "reset_mode": SOFT, "floor": SATURATE},
        [1, 1, 1, 5, -4, 2, 2, 0, 0],
        [(0, 1), (0, 2), (1, 0), (1, 2), (0, -2), (0, 0), (0, 2), (0, 2), (0, 2)],
    ),
    "soft, floor": (
        {"threshold": 3, "reset_mode": SOFT, "negative_threshold": 2, "floor": SATURATE},
        [-2, -1, -5, 4, 1, 0],
        [(0, -2), (0, -2), (0, -2), (0, 2), (1, 0), (0, 0)],
    ),
    "soft, leak before": (
        {"threshold": 5, "reset_mode": SOFT, "leak": -1, "floor": SATURATE},
        [3, 3, 3, 0, 0, 10],
        [(0, 2), (0, 4), (1, 1), (0, 0), (0, -1), (1, 3)],
    ),
    "hard, leak after": (
        {"threshold": 5, "leak": -1, "leak_after": 1, "floor": SATURATE},
        [3, 3, 3, 0],
        [(0, 2), (1, 0), (0, 2), (0, 1)],
    ),
    "reversal leak away from zero": (
        {"threshold": 100, "negative_threshold": 100, "leak": 2, "leak_reversal": 1},
        [-5, 0, 0, 0, 1, 0],
        [(0, -7), (0, -9), (0, -11), (0, -13), (0, -14), (0, -16)],
    ),
    "reversal leak toward zero": (
        {"threshold": 100, "negative_threshold": 100, "leak": -2, "leak_reversal": 1},
        [5, 0, 0, 0],
        [(0, 3), (0, 1), (0, -1), (0, 1)],
    ),
}
NEGATIVE = {
    (HARD, RESET): [(0, -2), (0, -1), (0, -1), (1, 1), (0, 2), (1, 1)],
    (HARD, SATURATE): [(0, -2), (0, -2), (0, -2), (1, 1), (0, 2), (1, 1)],
    (SOFT, RESET): [(0, -2), (0, -1), (0, -4), (1, 1), (0, 2), (1, 1)],
    (SOFT, SATURATE): [(0, -2), (0, -2), (0, -2), (1, 3), (1, 0), (0, 3)],
    (NONE, RESET): [(0, -2), (0, -3), (0, -8), (0, 1), (0, 2), (1, 5)],
    (NONE, SATURATE): [(0, -2), (0, -2), (0, -2), (1, 7), (1, 8), (1, 11)],
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_recorded_sequences(simple_core, name):
    fields, sums, expected = SEQUENCES[name]
    assert expected == run_core(simple_core((0, 0), [sums], **fields), sums)


@pytest.mark.parametrize(("reset", "floor"), NEGATIVE)
def test_recorded_sequences_at_the_negative_threshold(simple_core, reset, floor):
    sums = [-2, -1, -5, 9, 1, 3]
    fields = {"threshold": 4, "negative_threshold": 2, "reset_value": 1}
    core = simple_core((0, 0), [sums], reset_mode=reset, floor=floor, **fields)
    assert NEGATIVE[reset, floor] == run_core(core, sums)


def test_recorded_sequence_with_8_bit_output(simple_core):
    sums = [1, 2, 3, 4, 5]
    core = simple_core((0, 0), [sums], register={"wide_output": 1}, threshold=4)
    assert run_core(core, sums) == [(0, 1), (0, 3), (6, 0), (4, 0), (5, 0)]


def test_a_core_that_keeps_no_potential_starts_anew_each_step(simple_core):
    sums = [2, 2, 3, -1, 4]
    core = simple_core((0, 0), [sums], register={"keep_potential": 0}, threshold=3, reset_mode=NONE)
    assert run_core(core, sums) == [(0, 2), (0, 2), (1, 3), (0, -1), (1, 4)]


def test_truncation_matches_the_recorded_table():
    potentials = np.array([1, 5, 127, 255, 256, 300, 1000, 5000])
    table = {
        0: [255] * 8,
        4: [16, 80] + [255] * 6,
        7: [2, 10, 254] + [255] * 5,
        8: [1, 5, 127] + [255] * 5,
        9: [0, 2, 63, 127, 128, 150, 255, 255],
        12: [0, 0, 7, 15, 16, 18, 62, 255],
    }
    for bits, expected in table.items():
        assert truncate(potentials, np.int64(bits)).tolist() == [
            255 if value is None else value for value in expected
        ]


@pytest.mark.parametrize(("wrap", "modulus"), [("paibox", 2**30 - 1), ("two", 2**30)])
def test_overflow_wraps_by_the_chosen_modulus(simple_core, wrap, modulus):
    choice = Semantics(wrap=wrap)
    rising = {"threshold": MAX, "leak": 2**28, "reset_mode": NONE}
    potentials = [v for _, v in run_core(simple_core((0, 0), [[0] * 2], **rising), [0, 0], choice)]
    assert potentials == [2**28, 2**29 - modulus]
    falling = {"threshold": MAX, "leak": -(2**29), "reset_mode": NONE, "leak_after": 1}
    potentials = [
        v for _, v in run_core(simple_core((0, 0), [[0, -1]], **falling), [0, -1], choice)
    ]
    assert potentials == [-(2**29), -1 + modulus - 2**30]


def test_the_negative_event_at_the_threshold_is_a_choice(simple_core):
    core = simple_core((0, 0), [[-2, -1]], threshold=9, negative_threshold=2, reset_value=5)
    assert run_core(core, [-2, -1]) == [(0, -2), (0, -5)]
    assert run_core(core, [-2, -1], Semantics(negative="le")) == [(0, -5), (0, -5)]


def test_the_sign_of_the_reversal_leak_is_a_choice(simple_core):
    core = simple_core((0, 0), [[5, 0]], threshold=9, leak=2, leak_reversal=1)
    assert run_core(core, [5, 0]) == [(0, 7), (1, 0)]
    assert run_core(core, [5, 0], Semantics(reversal="toward")) == [(0, 3), (0, 1)]


@pytest.mark.parametrize("field", ["random_weight", "random_leak", "threshold_mask"])
def test_random_neurons_are_refused_unless_ignored(simple_core, field):
    image = ChipImage((simple_core((0, 0), [[1]], **{field: 1}),))
    with pytest.raises(SnncError) as caught:
        Machine(image)
    assert caught.value.code == "stochastic-neuron"
    assert field in str(caught.value)
    Machine(image, semantics=Semantics(stochastic="ignore"))


def one_neuron(v, x, p):
    """One step of a neuron as the facts state it, in plain integers: spike and next potential."""

    def wrap(value):
        if value > MAX:
            return value - (2**30 - 1)
        return value + (2**30 - 1) if value < -MAX - 1 else value

    def leaked(value):
        sign = (value > 0) - (value < 0) if p["leak_reversal"] else 1
        return wrap(value + sign * p["leak"])

    c = wrap(v + x)
    w = leaked(c)
    compared = c if p["leak_after"] else w
    if compared >= p["threshold"]:
        return 1, {HARD: p["reset_value"], SOFT: w - p["threshold"], NONE: w}[p["reset_mode"]]
    n = p["negative_threshold"]
    if compared < -n:
        if p["floor"]:
            return 0, -n
        return 0, {HARD: -p["reset_value"], SOFT: w + n, NONE: w}[p["reset_mode"]]
    return 0, w


small = st.integers(-20, 20)
edge = st.sampled_from([-(2**29), -(2**28), 2**28, 2**29 - 1])
parameters = st.fixed_dictionaries(
    {
        "threshold": st.integers(0, 20) | st.just(MAX),
        "negative_threshold": st.integers(0, 20) | st.just(MAX),
        "leak": small | edge,
        "leak_reversal": st.integers(0, 1),
        "leak_after": st.integers(0, 1),
        "floor": st.integers(0, 1),
        "reset_mode": st.integers(0, 2),
        "reset_value": small | edge,
    }
)


@given(
    st.lists(parameters, min_size=1, max_size=4),
    st.lists(st.integers(-128, 127), min_size=1, max_size=12),
)
def test_neurons_step_as_stated(simple_core, neurons, sums):
    fields = {name: [one[name] for one in neurons] for name in neurons[0]}
    core = simple_core((0, 0), [sums] * len(neurons), **fields)
    machine = Machine(ChipImage((core,)), record=True)
    machine.inject(one_axon_a_step(len(sums)))
    machine.step(len(sums))
    trace = machine.trace()[(0, 0), (0, 0)]
    for number, one in enumerate(neurons):
        v, expected = 0, []
        for x in sums:
            spike, v = one_neuron(v, x, one)
            expected.append((spike, v))
        columns = (trace.outputs[0, :, number], trace.potentials[0, :, number])
        assert expected == list(zip(*(column.tolist() for column in columns), strict=True))
