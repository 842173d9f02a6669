"""Objects of PAIBox are recognized by class path; what they cannot do exactly is refused by name.

The stand-ins were written down from real objects (`tests/golden/paibox_objects`).
"""

from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.diagnostics import SnncError
from snnc.frontends.paibox import Paibox
from snnc.frontends.paibox.objects import network_of
from tests.golden.paibox_thaw import Word, thaw

OBJECTS = Path(__file__).parents[3] / "golden" / "paibox_objects"


def stand_in(name):
    return thaw(OBJECTS, name)[0]


def refused(top, **options):
    with pytest.raises(SnncError) as caught:
        Paibox().read(top, options)
    return caught.value.code, caught.value.diagnostics[0].message


def test_networks_are_accepted_and_their_parts_are_not():
    top = stand_in("logic")
    assert Paibox().accepts(top)
    assert not Paibox().accepts(top.a)
    assert not Paibox().accepts(3)


def test_parts_have_the_names_of_their_attributes():
    network = network_of(stand_in("nested"))
    assert ["first.pre", "first.post", "many.0", "many.1"] == list(network.nodes)
    top = stand_in("logic")
    top.a.name = "mine"
    assert "mine" in network_of(top).nodes


def test_a_sub_network_that_is_no_attribute_is_named_by_its_class():
    top = stand_in("nested")
    vars(top)["children"] = {"Sub_0": vars(top).pop("first")}
    assert ["many.0", "many.1", "Sub0.pre", "Sub0.post"] == list(network_of(top).nodes)


def test_several_networks_are_one_program():
    """PAIBox's mapper builds several at once; a list of networks is a source here."""
    both = [stand_in("nested"), stand_in("pools1d")]
    assert Paibox().accepts(both)
    assert not Paibox().accepts([])
    assert not Paibox().accepts([both[0], 3])
    module = snnc.load(both)
    kinds = [type(network).__name__ for network in both]
    assert "_and_".join(kinds) == module.name
    inputs = [f"{kind}{number}.i" for number, kind in enumerate(kinds)]
    assert inputs == [value.name for value in module.graph.inputs]
    x = {v.name: np.ones((1, 9, *v.type.shape), np.uint8) for v in module.graph.inputs}
    assert snnc.compile(module, "paicore").verify(x).equal


def test_two_networks_with_parts_of_one_name_are_refused():
    both = [stand_in("nested"), stand_in("pools1d")]
    both[0].many.data[0].name = both[1].a.name = "twin"
    assert ("duplicate-name", "two parts of the network are named twin") == refused(both)


def test_starts_and_delays_become_phases_and_delays():
    module = snnc.load(stand_in("logic"))
    assert {0} == {op["first"] for op in module.ops("neuron")}
    assert [1] == sorted({op["by"] for op in module.ops("delay")})


def test_the_run_may_be_as_long_as_the_simulation_that_it_repeats():
    assert 24 == Paibox().read(stand_in("logic"), {"steps": 24}).attrs["ticks"]
    assert 24 == Paibox().read(stand_in("logic"), {"steps": "24"}).attrs["ticks"]
    assert "paibox-number" == refused(stand_in("logic"), steps=-1)[0]
    assert "paibox-number" == refused(stand_in("logic"), steps=1.5)[0]
    assert "unknown-option" == refused(stand_in("logic"), step=24)[0]


def test_a_chip_that_was_asked_for_is_handed_on():
    top = stand_in("logic")
    top.a.target_chip_idx = 1
    (first, *_) = snnc.load(top).ops("neuron")
    assert {"chip": 1} == dict(first["place"])


def test_a_dilation_is_refused_but_for_what_the_simulation_shows():
    top = stand_in("synapses")
    top.e._shape = (4, 2, 2)
    top.e.shape_out = (4, 2, 2)
    code, message = refused(top)
    assert "paibox-shape" == code
    assert "(4, 3, 3)" in message
    assert Paibox().read(top, {"steps": 24}).level == "int"


@pytest.mark.parametrize(
    ("attribute", "value", "word"),
    [
        ("threshold_mask_bits", 3, "stochastic"),
        ("leak_integr", Word("MODE_STOCHASTIC", 1), "stochastic"),
        ("synaptic_integr", Word("MODE_STOCHASTIC", 1), "stochastic"),
        ("v0", np.array([0, 1, 0, 0, 0, 0]), "start at 0"),
    ],
)
def test_what_has_no_exact_meaning_is_refused(attribute, value, word):
    top = stand_in("logic")
    setattr(top.a, attribute, value)
    code, message = refused(top)
    assert "paibox-unsupported" == code
    assert message.startswith("a: ")
    assert word in message


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("pos_threshold", 1.5), ("reset_v", 0.0), ("pos_threshold", 2**29), ("leak_v", 0.5)],
)
def test_numbers_that_are_not_whole_or_not_in_range_are_refused(attribute, value):
    top = stand_in("logic")
    setattr(top.a, attribute, value)
    assert "paibox-number" == refused(top)[0]


def test_leaks_are_one_per_neuron_or_channel():
    top = stand_in("logic")
    top.a.leak_v = np.arange(6)
    module = snnc.load(top)
    assert [0, 1, 2, 3, 4, 5] == module.weights["a.leak"].tensor.array().tolist()
    top.a.leak_v = np.arange(4)
    assert "paibox-shape" == refused(top)[0]
    top.a.leak_v = np.arange(6) * 0.5
    assert "paibox-number" == refused(top)[0]
    top.a.leak_v = np.arange(6) * 2**29
    assert "paibox-number" == refused(top)[0]


def test_weights_beyond_a_byte_and_fractions_are_refused():
    top = stand_in("nested")
    top.s1.comm.weights = np.full((4, 4), 200)
    assert "paibox-weights" == refused(top)[0]
    top.s1.comm.weights = np.full((4, 4), 0.5)
    assert "paibox-weights" == refused(top)[0]
    top.s1.comm.weights = np.ones((3, 4), np.int8)
    assert "paibox-shape" == refused(top)[0]


def test_boolean_weights_are_zeros_and_ones():
    top = stand_in("nested")
    top.s1.comm.weights = np.eye(4, dtype=bool)
    assert "u1[4, 4]" in str(snnc.load(top).weights["s1"].type) or "u8" in str(
        snnc.load(top).weights["s1"].type
    )


def test_ends_outside_the_network_are_refused():
    top = stand_in("logic")
    del vars(top)["a"]
    code, message = refused(top)
    assert "paibox-outside" == code
    assert "not part of" in message


def test_plain_lists_are_not_where_paibox_looks():
    top = stand_in("logic")
    vars(top)["plain"] = [vars(top).pop("a")]
    assert "paibox-hidden" == refused(top)[0]


def test_containers_in_containers_are_not_where_paibox_looks():
    top = stand_in("nested")
    top.many.data.append(stand_in("nested").many)
    assert ("paibox-hidden", "many.2") == (refused(top)[0], refused(top)[1].split()[0])


def test_online_neurons_and_learning_synapses_are_refused():
    top = stand_in("logic")
    top.a = derived(top.a, "paibox.components.neuron.base", "OnlineNeuron")
    assert "online core" in refused(top)[1]
    top = stand_in("logic")
    top.sa = derived(top.sa, "paibox.base", "LearnableSys")
    assert "learn" in refused(top)[1]


def derived(part, module, name):
    """Return a part that is also of another class of PAIBox."""
    base = type(name, (type(part),), {"__module__": module, "__qualname__": name})
    made = type(type(part).__name__, (base,), {"__module__": "paibox.other"})()
    vars(made).update(vars(part))
    return made


def test_unknown_modules_and_synapses_without_a_matrix_are_refused():
    top = stand_in("pools")
    kind = type("AdaptivePool2d", (type(top.p),), {"__module__": "paibox.components.functional"})
    made = kind()
    vars(made).update(vars(top.p))
    top.p = made
    code, message = refused(top)
    assert "paibox-unsupported" == code
    assert "AdaptivePool2d" in message


def test_a_maximum_of_a_network_that_was_built_already_is_refused():
    top = stand_in("nested")
    unknown = type("Matrix", (), {"__module__": "paibox.components.synapses.transforms"})()
    vars(unknown).update(weights=np.eye(4, dtype=np.int8))
    top.s1.comm = unknown
    vars(top.s1)["connectivity"] = np.eye(4, dtype=np.int8)
    assert "linear" in {op.kind for op in snnc.load(top).ops()}
    top.many.data[0].pool_max = 1
    assert "before it is built" in refused_help(top)


def refused_help(top):
    with pytest.raises(SnncError) as caught:
        snnc.load(top)
    return caught.value.diagnostics[0].help
