"""Expressions are made once, and loops are rolled up only where every tick is the same."""

import numpy as np

from snnc.diagnostics import UNKNOWN
from snnc.frontends.pytorch.expr import Expressions
from snnc.frontends.pytorch.unroll import summed, unified


def network():
    exprs = Expressions()
    x = exprs.make("input", (), (4,), UNKNOWN, name="x", timed=True)
    spikes = exprs.make("leaf", (), (4,), UNKNOWN, path="lif", role="spikes", timed=True)
    return exprs, x, spikes


def linear(exprs, x, bias=None):
    attrs = {"w": exprs.weight("w", np.eye(4))}
    if bias is not None:
        attrs["bias"] = exprs.weight("b", bias)
    return exprs.make("linear", (x,), (4,), UNKNOWN, **attrs)


def test_equal_expressions_are_one_object():
    exprs, x, _ = network()
    assert linear(exprs, x) is linear(exprs, x)
    assert exprs.weight("w", np.eye(4)) == exprs.weight("again", np.eye(4))


def test_delays_of_sums_are_sums_of_delays():
    exprs, x, s = network()
    total = exprs.make("add", (x, s), (4,), UNKNOWN)
    late = exprs.make("delay", (total,), (4,), UNKNOWN, by=2)
    assert "add" == late.kind
    assert [("delay", 2)] * 2 == [(a.kind, a["by"]) for a in late.args]


def test_a_recurrent_loop_is_one_expression_whose_first_tick_reads_zeros():
    exprs, x, s = network()
    zero = exprs.make("zero", (), (4,), UNKNOWN)
    first = exprs.make("add", (x, linear(exprs, zero)), (4,), UNKNOWN)
    late = exprs.make("delay", (linear(exprs, s),), (4,), UNKNOWN, by=1)
    later = exprs.make("add", (x, late), (4,), UNKNOWN)
    assert (later, 0) == unified(exprs, [first, later, later])


def test_a_bias_on_the_first_zeros_puts_the_delay_before_it():
    exprs, x, s = network()
    zero, bias = exprs.make("zero", (), (4,), UNKNOWN), np.ones(4)
    first = exprs.make("add", (x, linear(exprs, zero, bias)), (4,), UNKNOWN)
    late = exprs.make("delay", (linear(exprs, s, bias),), (4,), UNKNOWN, by=1)
    later = exprs.make("add", (x, late), (4,), UNKNOWN)
    found, _ = unified(exprs, [first, later, later])
    assert "linear" == found.args[1].kind
    assert "delay" == found.args[1].args[0].kind


def test_a_tick_of_its_own_is_found():
    exprs, x, _ = network()
    other = linear(exprs, x, np.ones(4))
    assert (None, 1) == unified(exprs, [linear(exprs, x), other, linear(exprs, x)])


def test_a_sum_over_all_ticks_is_recognized():
    exprs, x, _ = network()
    late = [exprs.make("delay", (x,), (4,), UNKNOWN, by=n) for n in range(3)]
    total = exprs.make("add", late, (4,), UNKNOWN)
    assert summed(total, 3) is x
    assert summed(total, 4) is None
