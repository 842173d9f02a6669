"""What the reader refuses itself, and so no file test can show: modules put together by hand."""

import numpy as np
import pytest
from attrs import evolve

from snnc.diagnostics import UNKNOWN, at
from snnc.ir import Builder, Graph, Module, Op, Symbol, Tensor, Value, Weight, parse_type
from snnc.ir.verify import verify

HERE = at("net.py", 7)


def value(name, type="u1[2]~"):
    return Value(name, parse_type(type), HERE)


def module(ops=(), inputs=(), outputs=None, level="int", weights=()):
    shown = outputs if outputs is not None else inputs or [o.results[0] for o in ops][:1]
    graph = Graph("main", tuple(inputs), tuple(ops), tuple(shown), HERE)
    return Module("m", level, {}, {w.name: w for w in weights}, graph, HERE)


def op(name, *operands, result=None, **attrs):
    return Op(name, operands, attrs, (result or value("y"),), HERE)


def weight(name, type, values):
    parsed = parse_type(type)
    return Weight(name, Tensor(parsed, np.asarray(values, parsed.element.storage)), HERE)


def codes(module):
    return [d.code for d in verify(module)]


X = value("x")
LINEAR = value("y", "i32[2]~")


def test_a_valid_module_has_no_diagnostics():
    build = Builder("m", "int")
    x = build.input("x", "u1[2]~")
    assert [] == codes(build.finish(build.op("neuron", x, threshold=1)))


@pytest.mark.parametrize("ticks", [0, -1, 1 << 31, "a", True, 1.5])
def test_ticks_that_are_no_number_of_ticks_are_found(ticks):
    made = evolve(module([], [X]), attrs={"ticks": ticks})
    assert ["bad-ticks"] == codes(made)


def test_two_values_of_one_name_are_found():
    ops = [op("int.delay", X), op("int.delay", X)]
    assert ["duplicate-name"] == codes(module(ops, [X]))


def test_a_value_of_another_module_is_found():
    made = op("int.delay", value("stranger"))
    (found,) = verify(module([made], [X], [made.result]))
    assert ("undefined-name", HERE) == (found.code, found.loc)


def test_an_output_never_made_is_found():
    assert ["undefined-name"] == codes(module([], [X], [value("y")]))


def test_unknown_ops_and_attributes_are_found():
    assert ["unknown-op"] == codes(module([op("int.nothing", X)], [X]))
    assert ["unknown-attribute"] == codes(module([op("int.delay", X, after=2)], [X]))
    assert ["bad-attribute"] == codes(module([op("int.delay", X, by="two")], [X]))


def test_operands_are_counted_and_told_apart():
    fc = weight("w", "i8[2, 2]", [[1, 2], [3, 4]])
    square = value("w", "i8[2, 2]")
    assert ["operand-count"] == codes(module([op("int.delay")], [X]))
    bad = op("int.linear", X, square, result=LINEAR)
    assert ["operand-kind"] == codes(module([bad], [X, square]))
    bad = op("int.neuron", Symbol("w"), threshold=1, result=value("y", "u1[2, 2]~"))
    assert ["type-mismatch"] == codes(module([bad], [X], weights=[fc]))


def test_symbols_must_be_defined_and_cuts_lie_inside():
    fc = weight("w", "i8[2, 2]", [[1, 2], [3, 4]])
    for symbol, code in [
        (Symbol("v"), "undefined-name"),
        (Symbol("w", ((0, 3),)), "bad-cut"),
        (Symbol("w", ((1, 1),)), "bad-cut"),
        (Symbol("w", (None, None, None)), "bad-cut"),
    ]:
        bad = op("int.linear", X, symbol, result=LINEAR)
        assert [code] == codes(module([bad], [X], weights=[fc]))


def test_a_parameter_has_one_value_or_one_per_channel_or_neuron():
    image = value("x", "u1[2, 3]~")
    result = value("y", "u1[2, 3]~")
    for shape, expected in [
        ((), []),
        ((1,), []),
        ((2,), []),
        ((2, 3), []),
        ((3,), ["type-mismatch"]),
        ((6,), ["type-mismatch"]),
    ]:
        text = f"i32[{', '.join(map(str, shape))}]"
        made = op("int.neuron", image, threshold=Symbol("t"), result=result)
        thresholds = weight("t", text, np.ones(shape))
        assert expected == codes(module([made], [image], weights=[thresholds]))


def test_declared_results_must_be_those_inferred():
    assert ["type-mismatch"] == codes(module([op("int.delay", X, result=LINEAR)], [X]))
    extra = evolve(op("int.delay", X), results=(value("y"), value("z")))
    assert ["type-mismatch"] == codes(module([extra], [X]))


def test_values_of_weights_must_fit_their_type():
    x = value("x")
    for made, code in [
        (weight("w", "i4[1, 2]", [[8, 0]]), "weight-range"),
        (weight("w", "u1[1, 2]", [[2, 0]]), "weight-range"),
        (weight("w", "i4[2, 1]", [[1, 0]]), "weight-shape"),
    ]:
        assert code in codes(module([], [x], weights=[made]))
    nan = weight("w", "f32[1]", [np.nan])
    assert ["weight-not-finite"] == codes(module([], [x], level="snn", weights=[nan]))


def test_a_lazy_tensor_is_not_made_to_be_verified():
    def make():
        raise RuntimeError("made")

    lazy = Weight("w", Tensor(parse_type("i8[2]"), make=make), HERE)
    assert [] == codes(module([], [X], weights=[lazy]))


def test_a_weight_without_elements_is_found():
    empty = weight("w", "i8[0]", [])
    assert ["empty-shape"] == codes(module([], [X], weights=[empty]))


def test_trains_start_at_tick_zero_before_they_are_placed():
    late = value("y", "u1[2]~+1")
    assert "bad-phase" in codes(module([op("int.delay", X, result=late)], [X]))


def test_a_loop_is_legal_through_a_delay_only():
    back, spike = value("back"), value("s")
    neuron = op("int.neuron", back, threshold=1, result=spike)
    assert [] == codes(module([neuron, op("int.delay", spike, result=back)], [X]))
    moved = op("int.reshape", spike, shape=(2,), result=back)
    assert ["loop-without-delay"] == codes(module([neuron, moved], [X]))


def test_a_per_neuron_parameter_is_bounded_by_its_extremes():
    for values, expected in [([1, 127], []), ([1, 128], ["bad-attribute"])]:
        made = op("int.neuron", X, threshold=Symbol("t"), width=8)
        assert expected == codes(module([made], [X], weights=[weight("t", "i32[2]", values)]))


def test_a_soft_reset_may_have_an_amount_per_neuron():
    made = op("int.neuron", X, threshold=1, reset_by=Symbol("r"))
    assert [] == codes(module([made], [X], weights=[weight("r", "i32[2]", [1, 2])]))


@pytest.mark.parametrize("element", ["f32", "f16"])
def test_level_int_has_no_real_parameters(element):
    made = op("int.neuron", X, threshold=Symbol("t"))
    thresholds = weight("t", f"{element}[2]", [1, 2])
    assert ["float-at-int"] == codes(module([made], [X], weights=[thresholds]))


def test_an_encoder_at_level_int_reads_real_numbers():
    image = Value("x", parse_type("f32[2]"), UNKNOWN)
    assert [] == codes(module([op("int.poisson", image, seed=1)], [image]))


def test_everything_wrong_is_reported_at_once():
    ops = [
        op("snn.delay", X, result=value("a")),
        op("int.delay", value("q"), result=value("b")),
        op("int.neuron", X, threshold=1, first=-1, truncate=99, result=value("c")),
    ]
    found = codes(module(ops, [X], []))
    assert ["undefined-name", "no-outputs", "foreign-op", "bad-attribute", "bad-attribute"] == found
