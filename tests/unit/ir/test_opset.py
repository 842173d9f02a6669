import pytest

from snnc.diagnostics import SnncError
from snnc.ir import Symbol, Word, level, levels, lookup
from snnc.ir.opset import AttrSpec, OpSpec, register_level


def test_the_levels_of_the_ir_are_registered():
    assert {"snn", "int"} <= {made.name for made in levels()}


def test_a_level_is_registered_once():
    with pytest.raises(SnncError) as caught:
        register_level("int", "again", [])
    assert caught.value.code == "duplicate-level"


def test_an_op_bears_the_name_of_its_level():
    with pytest.raises(SnncError) as caught:
        register_level("mine", "", [OpSpec("other.op", "", (), (), lambda call: ())])
    assert caught.value.code == "bad-level"


def test_unknown_names_offer_the_nearest():
    with pytest.raises(SnncError) as caught:
        lookup("int.nueron")
    assert "did you mean 'int.neuron'?" == caught.value.diagnostics[0].help
    with pytest.raises(SnncError) as caught:
        level("itn")
    assert caught.value.code == "unknown-level"


def test_a_cut_gives_shape_and_slices():
    symbol = Symbol("w", ((2, 5),))
    assert (3, 7) == symbol.shape((10, 7))
    assert (slice(2, 5), slice(None)) == symbol.slices((10, 7))
    assert ("@w[2:5]", "@w") == (str(symbol), str(Symbol("w")))


def test_a_word_equals_its_string():
    assert Word("soft") == "soft"


def test_stripping_keeps_what_differs_in_declared_order():
    specs = (
        AttrSpec("a", "int", 1),
        AttrSpec("b", "param", 0.0),
        AttrSpec("c", "bool", False),
        AttrSpec("d", "word", "soft"),
        AttrSpec("e", "param", None),
    )
    spec = OpSpec("t.op", "", (), specs, lambda call: ())
    given = {"e": 0, "d": Word("soft"), "c": True, "b": 0, "a": 2}
    assert ["a", "c", "e"] == list(spec.stripped(given))
    assert {"a": 2, "b": 0.0, "c": False, "d": "soft", "e": None} == spec.filled({"a": 2})
