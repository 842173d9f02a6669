"""The reference at level `snn`: exact sums rounded once, and the neurons of four frameworks."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.diagnostics import SnncError
from snnc.ir import Builder, Module, levels
from snnc.ir.types import F16, F32
from snnc.runtime.reference import Reference
from snnc.runtime.semantics import exact, has_meaning

XS = [0.6, 0.4, 0.5, 1.0, 2.7, 0.0, -3.0, 0.9, 0.2, 1.0]
HALF = {"decay": 0.5}
AFTER = {"reset_time": "after", "compare": "gt"}
SYNAPSE = {"filter_decay": 0.5, "filter": "before"}
# A row of potentials and {tick: spikes}, as measured in the frameworks (decay 0.5 where leaky).
TABLE = {
    "snntorch Leaky": (
        HALF | AFTER,
        [0.6, 0.7, 0.85, 1.425, 2.4125, 0.2062, -2.8969, -0.5484, -0.0742, 0.9629],
        {3: 1, 4: 1},
    ),
    "snntorch Leaky zero": (
        HALF | {"compare": "gt", "reset": "hard", "reset_time": "before"},
        [0.6, 0.7, 0.85, 1.425, 2.7, 0.0, -3.0, -0.6, -0.1, 0.95],
        {3: 1, 4: 1},
    ),
    "snntorch Leaky at once": (
        HALF | {"compare": "gt"},
        [0.6, 0.7, 0.85, 0.425, 1.9125, 0.9562, -2.5219, -0.3609, 0.0195, 0.0098],
        {3: 1, 4: 1, 9: 1},
    ),
    "snntorch Leaky zero at once": (
        HALF | {"compare": "gt", "reset": "hard"},
        [0.6, 0.7, 0.85, 0.0, 0.0, 0.0, -3.0, -0.6, -0.1, 0.95],
        {3: 1, 4: 1},
    ),
    "snntorch Synaptic": (
        HALF | AFTER | SYNAPSE,
        [0.6, 1.0, 1.35, 1.1, 2.9625, 2.1875, -2.0531, -1.2, -0.4867, 0.8133],
        {2: 1, 3: 1, 4: 1, 5: 1},
    ),
    "spikingjelly IFNode": (
        {"reset": "hard"},
        [0.6, 0.0, 0.5, 0.0, 0.0, 0.0, -3.0, -2.1, -1.9, -0.9],
        {1: 1, 3: 1, 4: 1},
    ),
    "spikingjelly IFNode soft": (
        {},
        [0.6, 0.0, 0.5, 0.5, 2.2, 1.2, -1.8, -0.9, -0.7, 0.3],
        {1: 1, 3: 1, 4: 1, 5: 1},
    ),
    "spikingjelly LIFNode": (
        HALF | {"gain": 0.5, "reset": "hard"},
        [0.3, 0.35, 0.425, 0.7125, 0.0, 0.0, -1.5, -0.3, -0.05, 0.475],
        {4: 1},
    ),
    "spikingjelly LIFNode undecayed input": (
        HALF | {"reset": "hard"},
        [0.6, 0.7, 0.85, 0.0, 0.0, 0.0, -3.0, -0.6, -0.1, 0.95],
        {3: 1, 4: 1},
    ),
    "norse IAF": (
        {"compare": "gt", "reset": "hard"},
        [0.6, 1.0, 0.0, 1.0, 0.0, 0.0, -3.0, -2.1, -1.9, -0.9],
        {2: 1, 4: 1},
    ),
    "norse LIFCell": (
        HALF
        | {"gain": 0.5, "filter": "after", "filter_decay": 0.5, "compare": "gt", "reset": "hard"},
        [0.3, 0.5, 0.675, 0.0, 0.0, 0.8531, -0.6469, -0.4102, -0.1484, 0.4541],
        {3: 1, 4: 1},
    ),
    "sinabs IAF": (
        {"spike": "count"},
        [0.6, 0.0, 0.5, 0.5, 0.2, 0.2, -2.8, -1.9, -1.7, -0.7],
        {1: 1, 3: 1, 4: 3},
    ),
    "sinabs LIF": (
        HALF | {"gain": 0.5, "spike": "count"},
        [0.3, 0.35, 0.425, 0.7125, 0.7062, 0.3531, -1.3234],
        {4: 1},
    ),
    "sinabs LIF without norm": (
        HALF | {"spike": "count"},
        [0.6, 0.7, 0.85, 0.425, 0.9125, 0.4562],
        {3: 1, 4: 2},
    ),
    "sinabs LIF with a synapse": (
        HALF | {"filter": "whole", "filter_decay": 0.5, "spike": "count"},
        [0.3, 0.5, 0.675, 0.05, 0.7312, 0.2188],
        {3: 1, 4: 1, 5: 1},
    ),
}


def neuron(attrs: dict[str, object]) -> Module:
    b = Builder("one", "snn")
    return b.finish(b.op("neuron", b.input("x", "f32[1]~"), name="s", **attrs))


@pytest.mark.parametrize("name", TABLE)
def test_the_neuron_gives_the_measured_potentials_of(name):
    attrs, expected, spikes = TABLE[name]
    x = np.array(XS, dtype=np.float32).reshape(1, -1, 1)
    run = Reference().prepare(neuron(attrs)).run({"x": x}, probe=("s.v",))
    potentials = run.trace["s.v"].ravel()[: len(expected)]
    assert np.abs(np.array(expected) - potentials).max() < 6e-5
    sent = {t: int(s) for t, s in enumerate(run.outputs["s"].ravel()) if s and t < len(expected)}
    assert spikes == sent


def test_every_op_of_both_levels_has_a_meaning():
    ours = [level for level in levels() if level.name in ("snn", "int")]
    assert [] == [op for level in ours for op in level.ops if not has_meaning(op)]


def once_rounded(value: Fraction) -> np.float32:
    """Return the nearest float32 of a fraction, ties to even."""
    near = np.float32(float(value))
    around = [np.nextafter(near, np.float32(s)) for s in (-np.inf, np.inf)]
    return min((near, *around), key=lambda c: (abs(Fraction(float(c)) - value), _odd(c)))


def _odd(number: np.float32) -> int:
    return int(np.asarray(number).view(np.int32)) & 1


floats = st.floats(-(2.0**40), 2.0**40, width=32)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(floats, floats), min_size=1, max_size=12), floats)
def test_a_sum_of_products_is_that_of_the_real_numbers_rounded_once(pairs, bias):
    x, w = (np.array(column, dtype=np.float32) for column in zip(*pairs, strict=True))
    b = Builder("sum", "snn")
    given = b.input("x", f"f32[{len(x)}]")
    start = b.weight("b", np.array([bias], dtype=np.float32))
    module = b.finish(b.op("linear", given, b.weight("w", w[None]), start, name="y"))
    actual = Reference().prepare(module).run({"x": x[None]}, ticks=0).outputs["y"][0, 0]
    total = sum((Fraction(float(p)) * Fraction(float(q)) for p, q in pairs), Fraction(bias))
    assert once_rounded(total) == actual


@settings(max_examples=60, deadline=None)
@given(st.lists(floats, min_size=1, max_size=9))
def test_a_mean_is_rounded_once(xs):
    b = Builder("mean", "snn")
    x = b.input("x", f"f32[1, {len(xs)}]")
    module = b.finish(b.op("avg_pool1d", x, kernel=[len(xs)], name="y"))
    given = np.array(xs, dtype=np.float32).reshape(1, 1, -1)
    actual = Reference().prepare(module).run({"x": given}, ticks=0).outputs["y"].item()
    assert once_rounded(sum(map(Fraction, xs), Fraction(0)) / len(xs)) == actual


def test_a_tie_is_broken_by_what_lies_far_below():
    terms = [np.array([1.0]), np.array([2.0**-24]), np.array([2.0**-90])]
    assert np.float32(1 + 2**-23) == exact.rounded(terms, F32)[0]
    assert np.float32(1) == exact.rounded(terms[:2], F32)[0]


def test_half_precision_rounds_once_too():
    terms = [np.array([1.0]), np.array([2.0**-11]), np.array([2.0**-60])]
    assert np.float16(1 + 2**-10) == exact.rounded(terms, F16)[0]


def test_an_infinite_sum_is_an_error():
    b = Builder("far", "snn")
    w = np.full((1, 2), 3e38, dtype=np.float32)
    module = b.finish(b.op("linear", b.input("x", "u1[2]~"), b.weight("w", w), name="y"))
    with pytest.raises(SnncError, match=r"overflow.*%y\[0\] is inf at tick 0 of sample 0"):
        Reference().prepare(module).run({"x": np.ones((1, 1, 2), np.uint8)})


def test_a_delayed_reset_survives_a_chunk():
    x = np.array(XS, dtype=np.float32).reshape(1, -1, 1)
    program = Reference().prepare(neuron(TABLE["snntorch Synaptic"][0]))
    whole = program.run({"x": x}, probe=("s.v",)).trace["s.v"]
    first = program.run({"x": x[:, :4]}, probe=("s.v",))
    second = program.run({"x": x[:, 4:]}, probe=("s.v",), state=first.state)
    assert np.array_equal(whole[:, 4:], second.trace["s.v"])


def test_outside_its_window_a_float_neuron_is_silent_and_keeps_its_state():
    x = np.full((1, 6, 1), 0.75, dtype=np.float32)
    run = (
        Reference()
        .prepare(neuron({"first": 1, "ticks": 3, "initial": 0.5}))
        .run({"x": x}, probe=("s.v",))
    )
    assert [0, 1, 1, 0, 0, 0] == run.outputs["s"].ravel().tolist()
    assert [0.5, 0.25, 0.0, 0.75, 0.75, 0.75] == run.trace["s.v"].ravel().tolist()
