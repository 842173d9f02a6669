import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from snnc.diagnostics import SnncError, render
from snnc.extend.options import (
    Step,
    build,
    convert,
    declared,
    expand,
    from_text,
    labels,
    parse,
    write,
)
from snnc.extend.passes import Pass, option


@frozen
class Sample(Pass):
    """A pass with an option of every kind."""

    name = "sample"
    bits: int = option(8, help="weight bits")
    drop: float = option(0.0, help="loss allowed")
    fast: bool = option(False, help="hurry")
    per: str = option("layer", help="scope", choices=("layer", "channel"))
    sizes: tuple[int, ...] = option((), help="sizes")
    seed: int | None = option(None, help="seed")
    for_: str = option("cores", help="what counts")


def refused(text):
    with pytest.raises(SnncError) as caught:
        build(Sample, parse(text)[0])
    return caught.value.diagnostics[0]


def test_canonical_text_round_trips():
    text = "quantize{bits=4 per=channel},shrink-weights,group{for=cores sizes=[1,2]},@int"
    assert write(parse(text)) == text


def test_spaces_and_commas_between_options_are_free():
    loose = " a { x_y = 1.50 , z = [ 1 , 2 ] } ,\n b "
    assert write(parse(loose)) == "a{x-y=1.5 z=[1,2]},b"


values = st.recursive(
    st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=4,
)
names = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True)


@given(st.lists(st.tuples(names, st.dictionaries(names, values, max_size=3)), max_size=3))
def test_reading_what_was_written_gives_the_same_steps(items):
    steps = tuple(Step(name, options) for name, options in items)
    assert steps == parse(write(steps))


def test_values_take_the_type_of_their_field():
    made = build(
        Sample, parse("sample{bits=4 drop=1 fast=true per=channel sizes=[2,3] seed=7 for=both}")[0]
    )
    expected = Sample(bits=4, drop=1.0, fast=True, per="channel", sizes=(2, 3), seed=7, for_="both")
    assert expected == made
    assert float is type(made.drop)


def test_none_stands_for_an_absent_optional_value():
    assert build(Sample, parse("sample{seed=none}")[0]).seed is None


def test_unknown_option_is_refused_with_the_nearest_one_and_a_caret():
    found = refused("sample{bits=4 drp=1}")
    assert found.code == "unknown-option"
    assert found.help == "did you mean 'drop'?"
    lines = render(found).splitlines()
    assert lines[1] == "  note: sample{bits=4 drp=1}"
    assert lines[2].index("^") == lines[1].index("drp")


@pytest.mark.parametrize(
    "text",
    [
        "sample{bits=4.0}",
        "sample{bits=true}",
        "sample{bits=four}",
        "sample{drop=none}",
        "sample{fast=1}",
        "sample{per=chanel}",
        "sample{sizes=3}",
        "sample{sizes=[1,a]}",
        "sample{drop=1e999}",
    ],
)
def test_value_of_another_type_is_refused(text):
    assert "bad-option" == refused(text).code


def test_wrong_choice_names_the_nearest():
    assert "did you mean 'channel'?" in refused("sample{per=chanel}").message


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("a,,b", 3),
        ("a b", 3),
        ("a{", 3),
        ("a{x}", 4),
        ("a{x=}", 5),
        ("a{x=1 x=2}", 7),
        ("a{x=[1}", 7),
        ("a;b", 2),
        ("4x", 1),
        ("a}", 2),
    ],
)
def test_syntax_error_points_at_its_place(text, column):
    with pytest.raises(SnncError) as caught:
        parse(text)
    found = caught.value.diagnostics[0]
    assert ("pipeline-syntax", column) == (found.code, found.loc.column)


def test_presets_expand_within_presets():
    presets = {"int": "clean,quantize{bits=4}", "all": "@int,place"}
    assert write(expand(parse("a,@all"), presets)) == "a,clean,quantize{bits=4},place"


@pytest.mark.parametrize(
    ("text", "code"),
    [("@nix", "unknown-preset"), ("@a", "preset-cycle"), ("@c{x=1}", "preset-options")],
)
def test_presets_that_mean_nothing_are_refused(text, code):
    with pytest.raises(SnncError) as caught:
        expand(parse(text), {"a": "@b", "b": "x,@a", "c": "x"})
    assert code == caught.value.code


def test_instances_are_numbered():
    assert ("clean", "quantize", "clean#2") == labels(parse("clean,quantize,clean"))


def test_command_line_text_has_the_type_of_the_option():
    known = {option.name: option for option in declared(Sample)}
    assert 4 == from_text(known["bits"], "4")
    assert (1, 2) == from_text(known["sizes"], "1,2")
    assert "channel" == from_text(known["per"], "channel")
    with pytest.raises(SnncError, match="bad-option"):
        from_text(known["bits"], "x")
    with pytest.raises(SnncError, match="bad-option"):
        from_text(known["bits"], "4 5")


def test_python_values_are_converted_too():
    import numpy as np

    known = {option.name: option for option in declared(Sample)}
    assert 4 == convert(known["bits"], np.int64(4))
    assert (1, 2) == convert(known["sizes"], [1, 2])


def test_option_of_a_type_that_no_text_gives_is_refused():
    @frozen
    class Odd(Pass):
        """Odd."""

        table: dict[str, int] = field(factory=dict)

    with pytest.raises(SnncError, match="option-type"):
        declared(Odd)
