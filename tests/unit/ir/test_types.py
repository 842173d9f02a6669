import pytest

from snnc.diagnostics import SnncError
from snnc.ir.types import ELEMENTS, I8, U1, Type, parse_type, smallest_weight, train


@pytest.mark.parametrize(
    "text", ["u1[784]~", "i32[10]", "f32[512, 784]", "f16[]", "u1[1, 28, 28]~+2", "u16[0]~"]
)
def test_a_type_reads_back(text):
    assert text == str(parse_type(text))


@pytest.mark.parametrize(
    "text", ["i3[2]", "u1", "u1[2", "u1[-1]", "u1[1,,2]", "U1[2]", "u1[2]+1", "u1[1 2]", ""]
)
def test_what_is_no_type_is_refused(text):
    with pytest.raises(SnncError, match="is not a type") as caught:
        parse_type(text)
    assert caught.value.code == "bad-type"


def test_a_dimension_beyond_18_digits_is_refused():
    with pytest.raises(SnncError, match="is not a type"):
        parse_type(f"u1[{'9' * 5000}]")


def test_sizes_of_enormous_shapes_are_exact():
    assert 2**80 == Type(U1, (2**40, 2**40)).size


def test_a_scalar_has_one_element():
    assert Type(I8, ()).size == 1


def test_ranges_are_those_of_twos_complement():
    ranges = {name: (e.low, e.high) for name, e in ELEMENTS.items()}
    assert (0, 1) == ranges["u1"]
    assert (-2, 1) == ranges["i2"]
    assert (-8, 7) == ranges["i4"]
    assert (0, 65535) == ranges["u16"]
    assert (-(2**31), 2**31 - 1) == ranges["i32"]


@pytest.mark.parametrize(
    ("low", "high", "name"),
    [(0, 1, "u1"), (-1, 1, "i2"), (0, 2, "i4"), (-8, 7, "i4"), (-9, 0, "i8"), (-128, 127, "i8")],
)
def test_the_narrowest_weight_is_chosen(low, high, name):
    assert name == str(smallest_weight(low, high))


def test_no_weight_is_wider_than_eight_bits():
    assert smallest_weight(0, 128) is None


def test_a_train_starts_at_tick_zero():
    assert parse_type("u1[3, 4]~") == train(U1, 3, 4)
