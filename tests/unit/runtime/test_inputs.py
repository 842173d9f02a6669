"""Inputs are taken as they are or refused with what to do."""

import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.ir import Builder, Module
from snnc.ir.types import U1
from snnc.runtime.reference import Reference


def two_inputs() -> Module:
    b = Builder("two", "int")
    total = b.op("add", b.input("x", "u1[2]~"), b.input("level", "i8[2]"))
    return b.finish(b.op("neuron", total, threshold=2, name="s"))


GOOD = {"x": np.ones((1, 3, 2), dtype=np.uint8), "level": np.ones((1, 2), dtype=np.int8)}


def run(inputs, **options):
    return Reference().prepare(two_inputs()).run(inputs, **options)


def test_a_constant_input_acts_at_every_tick():
    assert [[1, 1]] * 3 == run(GOOD).outputs["s"][0].tolist()


def test_other_dtypes_are_taken_where_every_value_is_exact():
    given = {"x": np.ones((1, 3, 2), dtype=bool), "level": [[1.0, -2.0]]}
    assert [[1, 0]] * 3 == run(given).outputs["s"][0].tolist()


def test_fewer_ticks_than_given_may_be_run():
    assert (1, 2, 2) == run(GOOD, ticks=2).outputs["s"].shape


@pytest.mark.parametrize(
    ("changes", "options", "code", "words"),
    [
        ({"x": None}, {}, "missing-input", "samples, ticks, 2"),
        ({"y": 1}, {}, "unknown-input", "'y'"),
        ({"x": np.ones((3, 2), np.uint8)}, {}, "input-shape", "(3, 2)"),
        ({"x": np.full((1, 3, 2), 2)}, {}, "input-range", "x[0, 0, 0] = 2"),
        ({"x": np.full((1, 3, 2), 0.5)}, {}, "input-range", "0.5"),
        ({"x": np.full((1, 3, 2), np.nan)}, {}, "input-range", "not finite"),
        ({"x": np.full((1, 3, 2), "a")}, {}, "input-dtype", "<U1"),
        ({"level": np.full((1, 2), 128)}, {}, "input-range", "-128..127"),
        ({"level": np.ones((4, 2))}, {}, "sample-count", "level 4"),
        ({}, {"ticks": 4}, "tick-count", "4 ticks"),
        ({}, {"ticks": -1}, "tick-count", "-1 ticks"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_way_out(changes, options, code, words):
    given = {k: v for k, v in {**GOOD, **changes}.items() if v is not None}
    with pytest.raises(SnncError) as caught:
        run(given, **options)
    assert code == caught.value.code
    assert words in caught.value.diagnostics[0].message + caught.value.diagnostics[0].help
    assert caught.value.diagnostics[0].help


def test_a_float64_input_that_float32_would_round_is_refused():
    b = Builder("f", "snn")
    module = b.finish(b.op("relu", b.input("x", "f32[1]~")))
    with pytest.raises(SnncError, match="input-range"):
        Reference().prepare(module).run({"x": np.full((1, 1, 1), 0.1)})


def test_the_number_of_ticks_comes_from_the_module_where_no_input_has_ticks():
    b = Builder("p", "int", {"ticks": 3})
    rows = b.weight("p", np.eye(2, dtype=np.uint8), U1)
    module = b.finish(b.op("periodic", rows, name="y"))
    outputs = Reference().prepare(module).run({}).outputs
    assert [[1, 0], [0, 1], [1, 0]] == outputs["y"][0].tolist()


def test_without_any_ticks_their_number_must_be_given():
    b = Builder("d", "int")
    module = b.finish(b.op("direct", b.input("x", "u8[1]"), name="y"))
    program = Reference().prepare(module)
    with pytest.raises(SnncError, match="tick-count"):
        program.run({"x": [[3]]})
    assert [[3], [3]] == program.run({"x": [[3]]}, ticks=2).outputs["y"][0].tolist()
