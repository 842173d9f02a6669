import numpy as np
import pytest

from snnc.diagnostics import SnncError, at
from snnc.ir import Builder, Symbol, Word, parse_type
from snnc.ir.build import check_attrs, element_of
from snnc.ir.opset import AttrSpec, OpSpec
from snnc.ir.verify import verify


def code_of(function, *args, **kwargs):
    with pytest.raises(SnncError) as caught:
        function(*args, **kwargs)
    return caught.value.code


@pytest.fixture
def build():
    return Builder("net", "int", loc=at("net.py", 4))


def test_a_network_is_built_op_by_op(build):
    x = build.input("x", "u1[3]~")
    w = build.weight("w", np.ones((2, 3), np.int8))
    s = build.op("neuron", build.op("linear", x, w), threshold=2, reset="hard", leak=0)
    module = build.finish(s)
    assert ["int.linear", "int.neuron"] == [op.name for op in module.ops()]
    assert {"threshold": 2, "reset": "hard"} == dict(module.graph.ops[1].attrs)
    assert (parse_type("u1[2]~"), at("net.py", 4)) == (s.type, s.loc)
    assert [] == list(verify(module))


def test_names_are_made_fresh(build):
    x = build.input("x", "u1[3]~")
    names = [build.op("delay", x, name="d").name for _ in range(3)]
    assert ["d", "d_1", "d_2"] == names
    assert [Symbol("w"), Symbol("w_1")] == [build.weight("w", np.ones(1)) for _ in range(2)]


def test_an_input_name_is_part_of_the_interface(build):
    build.input("x", "u1[3]~")
    assert "duplicate-name" == code_of(build.input, "x", "u1[3]~")


def test_a_loop_is_built_with_a_stand_in(build):
    later = build.forward("s", "u1[2]~")
    s = build.op("neuron", build.op("delay", later), threshold=1, name="s")
    build.bind(later, s)
    delay = build.finish(s).graph.ops[0]
    assert s is delay.operands[0]


def test_a_stand_in_must_be_bound_to_its_type(build):
    later = build.forward("s", "u1[2]~", at("net.py", 9))
    other = build.input("x", "u1[3]~")
    assert "type-mismatch" == code_of(build.bind, later, other)
    assert "undefined-name" == code_of(build.finish, other)


def test_weights_without_a_reader_are_dropped(build):
    x = build.input("x", "u1[3]~")
    build.weight("unused", np.ones(1))
    used = build.weight("used", np.ones((1, 3)))
    assert ["used"] == list(build.finish(build.op("linear", x, used)).weights)


def test_what_does_not_fit_is_refused_when_it_is_built(build):
    x = build.input("x", "u1[3]~")
    w = build.weight("w", np.ones((2, 3), np.int8))
    assert "operand-count" == code_of(build.op, "linear", x)
    assert "operand-count" == code_of(build.op, "delay", x, x)
    assert "operand-kind" == code_of(build.op, "linear", x, build.input("v", "i8[2, 3]"))
    assert "operand-kind" == code_of(build.op, "direct", w)
    assert "missing-attribute" == code_of(build.op, "neuron", x)
    assert "unknown-attribute" == code_of(build.op, "neuron", x, treshold=1)
    assert "bad-attribute" == code_of(build.op, "neuron", x, threshold="high")
    assert "bad-attribute" == code_of(build.op, "neuron", x, threshold=float("nan"))
    assert "undefined-name" == code_of(build.op, "linear", x, Symbol("v"))
    assert "bad-cut" == code_of(build.op, "linear", x, Symbol("w", ((1, 3), None)))
    assert "type-mismatch" == code_of(build.op, "linear", x, Symbol("w", (None, (0, 2))))
    assert "unknown-op" == code_of(build.op, "nothing", x)
    assert "bad-type" == code_of(build.input, "y", "u3[1]")


def test_an_unknown_level_is_refused():
    assert "unknown-level" == code_of(Builder("m", "itn").finish)


@pytest.mark.parametrize(
    ("dtype", "element"),
    [("bool", "u1"), ("int64", "i32"), ("float64", "f32"), ("uint8", "u8"), ("float16", "f16")],
)
def test_the_dtype_decides_the_element(dtype, element):
    assert element == str(element_of(np.zeros(1, dtype), "w", at("net.py", 1)))


def test_a_dtype_that_no_element_holds_is_refused(build):
    assert "weight-dtype" == code_of(build.weight, "w", np.zeros(1, "complex64"))


KINDS = OpSpec(
    "t.op",
    "",
    (),
    tuple(
        AttrSpec(kind, kind, None)
        for kind in ("bool", "int", "float", "str", "word", "ints", "param", "dict")
    ),
    lambda call: (),
)


@pytest.mark.parametrize(
    ("kind", "given", "canonical"),
    [
        ("bool", Word("true"), True),
        ("bool", np.bool_(False), False),
        ("int", np.int64(3), 3),
        ("float", 3, 3.0),
        ("str", Word("a"), "a"),
        ("word", "a", Word("a")),
        ("ints", [np.int32(1), 2], (1, 2)),
        ("ints", np.array([1, 2]), (1, 2)),
        ("ints", (), ()),
        ("param", np.float64(0.5), 0.5),
        ("param", Symbol("t"), Symbol("t")),
        ("dict", {"a": 1}, {"a": 1}),
    ],
)
def test_attributes_become_canonical(kind, given, canonical):
    made = check_attrs(KINDS, {kind: given}, at("net.py", 1))[kind]
    assert (type(canonical), canonical) == (type(made), made)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("bool", 2),
        ("bool", 1),
        ("bool", 0.0),
        ("int", True),
        ("int", 1.0),
        ("int", "1"),
        ("float", "1"),
        ("float", float("inf")),
        ("ints", "12"),
        ("ints", [1, 2.5]),
        ("ints", [1, "a"]),
        ("ints", np.array([1.5], np.float32)),
        ("ints", [[1], [2]]),
        ("ints", 3),
        ("param", True),
        ("param", "1"),
        ("str", 1),
        ("word", 1),
        ("dict", [1]),
    ],
)
def test_attributes_of_another_kind_are_refused(kind, given):
    assert "bad-attribute" == code_of(check_attrs, KINDS, {kind: given}, at("net.py", 1))


def test_the_element_of_a_weight_may_be_given_by_name():
    build = Builder("m", "int")
    build.weight("w", np.array([[1, -2]]), "i4")
    assert "i4[1, 2]" == str(build.weights["w"].type)
    with pytest.raises(SnncError) as caught:
        build.weight("v", np.array([[1, -2]]), "int4")
    assert "bad-type" == caught.value.code
