"""The reference at level `int`: PAICORE's worked sequences, windows, overflow, chunks."""

import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.ir import Builder, Module
from snnc.runtime.reference import Reference


def neuron(**attrs: object) -> Module:
    """Return a net whose neuron adds the i32 input `x` (one neuron)."""
    b = Builder("one", "int")
    return b.finish(b.op("neuron", b.input("x", "i32[1]~"), name="s", **attrs))


def trace(module: Module, xs: list[int]) -> list[tuple[int, int]]:
    x = np.array(xs, dtype=np.int32).reshape(1, -1, 1)
    run = Reference().prepare(module).run({"x": x}, probe=("s.v",))
    return [
        (int(s), int(v))
        for s, v in zip(run.outputs["s"].ravel(), run.trace["s.v"].ravel(), strict=True)
    ]


BIG = 2**29 - 1
RESETS = {"reset_to": 1, "negative": 2, "threshold": 4, "width": 30}
MIXED = [-2, -1, -5, 9, 1, 3]
SEQUENCES = [
    (
        {"threshold": 3, "reset": "hard", "negative": BIG},
        [1, 1, 1, 5, -4, 2, 2],
        [(0, 1), (0, 2), (1, 0), (1, 0), (0, -4), (0, -2), (0, 0)],
    ),
    (
        {"threshold": 3},
        [1, 1, 1, 5, -4, 2, 2, 0, 0],
        [(0, 1), (0, 2), (1, 0), (1, 2), (0, -2), (0, 0), (0, 2), (0, 2), (0, 2)],
    ),
    (
        {"threshold": 3, "negative": 2},
        [-2, -1, -5, 4, 1, 0],
        [(0, -2), (0, -2), (0, -2), (0, 2), (1, 0), (0, 0)],
    ),
    (
        {"threshold": 5, "leak": -1},
        [3, 3, 3, 0, 0, 10],
        [(0, 2), (0, 4), (1, 1), (0, 0), (0, -1), (1, 3)],
    ),
    (
        {"threshold": 5, "leak": -1, "leak_order": "after", "reset": "hard"},
        [3, 3, 3, 0],
        [(0, 2), (1, 0), (0, 2), (0, 1)],
    ),
    (
        {"threshold": 100, "negative": 100, "leak": 2, "leak_reversal": True},
        [-5, 0, 0, 0, 1, 0],
        [(0, -7), (0, -9), (0, -11), (0, -13), (0, -14), (0, -16)],
    ),
    (
        {"threshold": 100, "leak": -2, "leak_reversal": True},
        [5, 0, 0, 0],
        [(0, 3), (0, 1), (0, -1), (0, 1)],
    ),
    (
        {**RESETS, "reset": "hard", "negative_mode": "reset"},
        MIXED,
        [(0, -2), (0, -1), (0, -1), (1, 1), (0, 2), (1, 1)],
    ),
    ({**RESETS, "reset": "hard"}, MIXED, [(0, -2), (0, -2), (0, -2), (1, 1), (0, 2), (1, 1)]),
    (
        {**RESETS, "reset": "soft", "negative_mode": "reset"},
        MIXED,
        [(0, -2), (0, -1), (0, -4), (1, 1), (0, 2), (1, 1)],
    ),
    ({**RESETS, "reset": "soft"}, MIXED, [(0, -2), (0, -2), (0, -2), (1, 3), (1, 0), (0, 3)]),
    (
        {**RESETS, "reset": "none", "negative_mode": "reset"},
        MIXED,
        [(0, -2), (0, -3), (0, -8), (0, 1), (0, 2), (1, 5)],
    ),
    ({**RESETS, "reset": "none"}, MIXED, [(0, -2), (0, -2), (0, -2), (1, 7), (1, 8), (1, 11)]),
    (
        {"threshold": 4, "reset": "hard", "spike": "value"},
        [1, 2, 3, 4, 5],
        [(0, 1), (0, 3), (6, 0), (4, 0), (5, 0)],
    ),
]


@pytest.mark.parametrize(("attrs", "xs", "expected"), SEQUENCES)
def test_the_neuron_walks_through_the_worked_sequences_of_paicore(attrs, xs, expected):
    assert expected == trace(neuron(**attrs), xs)


def test_a_neuron_without_memory_sends_eight_bits_of_its_input():
    module = neuron(threshold=1, leak=5, spike="value", truncate=9, memory="clear")
    sent = [s for s, _ in trace(module, [100, 300, 600, -20, -5, -4])]
    assert [52, 152, 255, 0, 0, 0] == sent


@pytest.mark.parametrize(
    ("truncate", "expected"),
    [
        (0, [255] * 8),
        (4, [16, 80, 255, 255, 255, 255, 255, 255]),
        (7, [2, 10, 254, 255, 255, 255, 255, 255]),
        (8, [1, 5, 127, 255, 255, 255, 255, 255]),
        (9, [0, 2, 63, 127, 128, 150, 255, 255]),
        (12, [0, 0, 7, 15, 16, 18, 62, 255]),
    ],
)
def test_truncation_takes_the_eight_bits_below_its_position(truncate, expected):
    module = neuron(threshold=1, spike="value", truncate=truncate, memory="clear")
    assert expected == [s for s, _ in trace(module, [1, 5, 127, 255, 256, 300, 1000, 5000])]


def test_a_count_takes_off_one_threshold_per_spike():
    module = neuron(threshold=3, spike="count")
    assert [(0, 2), (2, 1), (0, -4), (3, 0)] == trace(module, [2, 5, -5, 13])


def test_a_count_stops_at_its_maximum_and_keeps_the_rest():
    assert [(2, 7)] == trace(neuron(threshold=3, spike="count", max_count=2), [13])


def test_a_floor_acts_after_the_reset():
    assert [(0, -2), (1, -2)] == trace(neuron(threshold=1, reset_by=9, floor=-2), [-5, 4])


def test_outside_its_window_a_neuron_is_silent_and_keeps_its_state():
    module = neuron(threshold=2, first=2, ticks=3, leak=1)
    expected = [(0, 0), (0, 0), (1, 0), (1, 0), (1, 0), (0, 0)]
    assert expected == trace(module, [5, 5, 1, 1, 1, 1])


OVERFLOWS = [
    ("wrap", BIG, -(2**29)),
    ("saturate", BIG, BIG),
    ("wrap-paibox", BIG, -BIG),
]


@pytest.mark.parametrize(("mode", "start", "expected"), OVERFLOWS)
def test_overflow_upwards_does_what_the_mode_says(mode, start, expected):
    module = neuron(threshold=BIG, reset="none", width=30, overflow=mode)
    assert [start, expected] == [v for _, v in trace(module, [start, 1])]


def test_overflow_downwards_does_what_the_mode_says():
    low = -(2**29)
    for mode, expected in (("wrap", BIG), ("saturate", low), ("wrap-paibox", BIG - 1)):
        module = neuron(threshold=BIG, reset="none", width=30, overflow=mode)
        assert [low, expected] == [v for _, v in trace(module, [low, -1])]


def test_an_overflow_that_is_not_allowed_names_neuron_tick_sample_and_value():
    module = neuron(threshold=127, width=8)
    with pytest.raises(SnncError) as caught:
        trace(module, [100, 100])
    assert "overflow" == caught.value.code
    assert "%s[0] is 200 at tick 1 of sample 0" in str(caught.value)
    assert caught.value.diagnostics[0].help


def test_a_parameter_wider_than_the_potential_is_refused():
    with pytest.raises(SnncError) as caught:
        Reference().prepare(neuron(threshold=3, reset_to=200, reset="hard", width=8))
    assert "bad-attribute" == caught.value.code


def test_a_count_needs_a_positive_threshold():
    with pytest.raises(SnncError) as caught:
        Reference().prepare(neuron(threshold=0, spike="count"))
    assert "bad-attribute" == caught.value.code


def test_a_sum_that_its_element_cannot_hold_is_an_error_at_the_value_that_has_it():
    b = Builder("wide", "int")
    w = np.full((1, 3), 2**31 - 1, dtype=np.int32)
    module = b.finish(b.op("linear", b.input("x", "u1[3]~"), b.weight("w", w), name="y"))
    program = Reference().prepare(module)
    x = np.zeros((2, 2, 3), dtype=np.uint8)
    x[1, 1] = 1
    with pytest.raises(SnncError, match=r"%y\[0\] is 6442450941 at tick 1 of sample 1"):
        program.run({"x": x})


def test_sums_beyond_64_bits_do_not_wrap():
    b = Builder("vast", "int")
    w = np.full((1, 4), 2**31 - 1, dtype=np.int32)
    module = b.finish(b.op("linear", b.input("x", "i32[4]~"), b.weight("w", w), name="y"))
    x = np.full((1, 1, 4), 2**31 - 1, dtype=np.int32)
    with pytest.raises(SnncError, match=str(4 * (2**31 - 1) ** 2)):
        Reference().prepare(module).run({"x": x})


def recurrent() -> Module:
    """Return two layers, the second feeding the first three ticks later."""
    rng = np.random.default_rng(3)
    b = Builder("loop", "int")
    x = b.input("x", "u1[6]~")
    later = b.forward("b", "u1[4]~")
    back = b.op("delay", later, by=3, name="back")
    wide = b.op("concat", x, back, name="wide")
    weights = rng.integers(-3, 4, (5, 10)).astype(np.int8)
    a = b.op("neuron", b.op("linear", wide, b.weight("w", weights)), threshold=2, name="a")
    weights = rng.integers(-3, 4, (4, 5)).astype(np.int8)
    c = b.op("neuron", b.op("linear", a, b.weight("v", weights)), threshold=1, name="b", first=2)
    b.bind(later, c)
    return b.finish(c)


@pytest.mark.parametrize("cuts", [[1], [2, 3], [4], [3, 4, 9]])
def test_chunks_of_ticks_give_what_one_run_gives(cuts):
    x = np.random.default_rng(1).integers(0, 2, (3, 12, 6)).astype(np.uint8)
    program = Reference().prepare(recurrent())
    whole, state, parts = program.run({"x": x}, probe=("all",)), None, []
    for piece in np.split(x, cuts, axis=1):
        run = program.run({"x": piece}, state=state, probe=("all",))
        state, parts = run.state, [*parts, run.trace]
    for name, expected in whole.trace.items():
        assert np.array_equal(expected, np.concatenate([p[name] for p in parts], axis=1))


def test_a_state_can_be_used_twice():
    x = np.ones((1, 5, 6), dtype=np.uint8)
    program = Reference().prepare(recurrent())
    state = program.run({"x": x}).state
    first, second = (program.run({"x": x}, state=state).outputs["b"] for _ in range(2))
    assert np.array_equal(first, second)


def test_the_state_of_another_network_is_refused():
    state = Reference().prepare(neuron(threshold=1)).run({"x": np.zeros((1, 1, 1), "i4")}).state
    with pytest.raises(SnncError) as caught:
        Reference().prepare(recurrent()).run({"x": np.zeros((1, 1, 6), "u1")}, state=state)
    assert "state-mismatch" == caught.value.code


def test_parameters_may_differ_by_channel_and_by_neuron():
    b = Builder("params", "int")
    x = b.input("x", "i32[2, 3]~")
    threshold = b.weight("t", np.array([2, 5], dtype=np.int32))
    leak = b.weight("l", np.arange(6, dtype=np.int8).reshape(2, 3))
    module = b.finish(b.op("neuron", x, threshold=threshold, leak=leak, name="s"))
    run = Reference().prepare(module).run({"x": np.ones((1, 1, 2, 3), "i4")}, probe=("s.v",))
    assert [[0, 1, 1], [0, 1, 1]] == run.outputs["s"][0, 0].tolist()
    assert [[1, 0, 1], [4, 0, 1]] == run.trace["s.v"][0, 0].tolist()


def test_an_unknown_probe_is_refused_with_the_nearest_name():
    program = Reference().prepare(recurrent())
    with pytest.raises(SnncError) as caught:
        program.run({"x": np.zeros((1, 1, 6), "u1")}, probe=("bakc",))
    assert "unknown-probe" == caught.value.code
    assert "back" in caught.value.diagnostics[0].help


def test_every_value_can_be_asked_for_where_one_is_called_all():
    build = Builder("net", "int")
    x = build.input("x", "u1[2]~")
    module = build.finish(build.op("neuron", x, name="all", threshold=1))
    given = {"x": np.ones((1, 2, 2), np.uint8)}
    trace = Reference().prepare(module).run(given, probe=("all",)).trace
    assert ["x", "all", "all.v"] == list(trace)
