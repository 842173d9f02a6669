"""Files that the frameworks exported do, layer by layer, what the frameworks' networks do.

`data/exports.zip` holds files, inputs and what every neuron layer gave in its framework; where the
frameworks are installed, test_frameworks does the same with new ones. Round trips are in test_docs.
"""

import pytest

from tests.unit.frontends.nir.recorded import compare, names, recorded


@pytest.mark.parametrize("name", names())
def test_every_layer_gives_what_it_gives_in_its_framework(name, load, tmp_path):
    case = recorded(name, tmp_path)
    assert 32 <= case.x.shape[1]
    module = load(case.path, **case.options)
    assert case.producer == module.attrs["nir"]["profile"]
    assert 0 == compare(module, case.x, case.layers).differing


def test_a_wrong_profile_is_seen(load, tmp_path):
    case = recorded("snntorch_leaky", tmp_path)
    module = load(case.path, profile="spec", dt=1e-4, gain="unit")
    assert 100 < compare(module, case.x, case.layers).differing
