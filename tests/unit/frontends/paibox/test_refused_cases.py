"""What no build can do is refused by the part's name, from PAIBox's objects to the compiler.

Golden cases 57, 58 and 69 are of these kinds.
"""

import pytest

import snnc
from snnc.diagnostics import SnncError
from tests.golden.paibox_thaw import Word
from tests.unit.frontends.paibox.test_objects import derived, stand_in


def refusal(top):
    """Return code, message and way out of the one thing that is wrong."""
    with pytest.raises(SnncError) as caught:
        snnc.compile(top, target="paicore")
    (found,) = caught.value.diagnostics
    return found.code, found.message, found.help


def test_a_chip_that_is_not_in_the_list():
    top = stand_in("logic")
    top.a.target_chip_idx = 7
    code, message, help = refusal(top)
    assert ("bad-chip", "%a is pinned to chip 7, which is not in the list: 0 is 0,0") == (
        code,
        message,
    )
    assert "--chip" in help


def test_two_networks_with_one_name_of_a_node():
    top = stand_in("nested")
    top.first.pre.name = top.many.data[0].name = "twin"
    code, message, help = refusal(top)
    assert ("duplicate-name", "two parts of the network are named twin") == (code, message)
    assert "its own name" in help


def test_neurons_that_learn():
    top = stand_in("logic")
    top.a = derived(top.a, "paibox.components.neuron.base", "OnlineNeuron")
    code, message, help = refusal(top)
    assert "paibox-unsupported" == code
    assert "a: the neurons are of an online core, which learns" == message
    assert "without it" in help


def test_synapses_that_learn():
    top = stand_in("logic")
    top.sa = derived(top.sa, "paibox.base", "LearnableSys")
    code, message, _ = refusal(top)
    assert "paibox-unsupported" == code
    assert "sa: the synapses learn, which takes an online core" == message


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("threshold_mask_bits", 3),
        ("leak_integr", Word("MODE_STOCHASTIC", 1)),
        ("synaptic_integr", Word("MODE_STOCHASTIC", 1)),
    ],
)
def test_modes_that_draw_random_numbers(attribute, value):
    top = stand_in("logic")
    setattr(top.a, attribute, value)
    code, message, _ = refusal(top)
    assert "paibox-unsupported" == code
    assert "a: stochastic thresholds, leaks and weights have no exact meaning" == message
