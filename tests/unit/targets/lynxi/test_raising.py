"""Graphs raised to networks: neurons are known again, and every spike is the same."""

import numpy as np
import pytest

import snnc
from snnc.diagnostics import SnncError
from snnc.driver.pipeline import run_pipeline
from snnc.ir import Builder
from snnc.targets.lynxi.artifact.assemble import to_module
from tests.golden.test_lynxi import FOLDER, bits, tutorial
from tests.unit.targets.lynxi.networks import build, small, train

KINDS = [
    {},
    {"compare": "ge", "decay": 1.0},
    {"reset": "soft", "reset_time": "now"},
    {"reset": "soft", "reset_by": 0.25, "reset_time": "now"},
    {"reset_time": "now", "floor": -0.5},
    {"reset": "none", "reset_time": "now"},
    {"reset": "hard", "reset_to": -0.25},
    {"reset": "hard", "reset_to": -0.25, "reset_time": "now", "initial": 0.1},
    {"initial": 0.125},
]


def layer(**neuron):
    """One layer with a bias, a delay in front of it."""
    rng = np.random.default_rng(3)
    b = Builder("layer", "snn")
    w, bias = (rng.normal(size=s).astype(np.float32) for s in ((5, 6), (5,)))
    x = b.op("delay", b.input("x", "u1[6]~"))
    i = b.op("linear", x, b.weight("w", w), b.weight("bias", bias))
    options = {"threshold": 0.4, "compare": "gt", "decay": 0.8, "reset": "hard"}
    options |= {"reset_time": "before", **neuron}
    return b.finish(b.op("neuron", i, name="hidden", **options))


def raised(module, text="raise"):
    return run_pipeline(module, text, target="lynxi", check=text == "raise")


def code_of(module, text="raise"):
    with pytest.raises(SnncError) as found:
        raised(module, text)
    return found.value.code


@pytest.mark.parametrize("neuron", KINDS, ids=str)
def test_a_neuron_is_known_again(neuron):
    made = build(layer(**neuron))
    network = raised(made.placed)
    (before,), (after,) = (list(m.ops("neuron")) for m in (made.module, network))
    for name in ("threshold", "decay", "compare", "reset", "reset_to", "reset_time", "floor"):
        assert before[name] == after[name], name
    x = {"x": train((3, 12, 6))}
    expected, actual = (snnc.run(m, x).outputs["hidden"] for m in (made.module, network))
    np.testing.assert_array_equal(expected, actual)


def test_what_is_raised_is_lowered_to_the_same_graph():
    first = build(layer())
    second = build(raised(first.placed))
    texts = [(b._files / "Net_0/graph.relay").read_text() for b in (first, second)]
    assert texts[0].count("annotation.load") == texts[1].count("annotation.load")
    assert second.verify()


def test_the_tutorials_graph_gives_the_recorded_spikes_at_level_snn():
    module = to_module(tutorial("f32"))
    assert "not-raisable" == code_of(module)
    network = raised(module, "raise{draws=input}")
    kinds = [(op["reset"], op["reset_time"], op["compare"]) for op in network.ops("neuron")]
    assert [("hard", "before", "gt")] * 3 == kinds
    with np.load(FOLDER / "golden64.npz", allow_pickle=False) as golden:
        s0, s3 = bits(golden["s0"], 784), golden["s3"]
    x = np.moveaxis(s0, 0, 1)[:4].reshape(4, -1, 1, 28, 28)
    ran = snnc.run(network, {"image": x})
    np.testing.assert_array_equal(np.moveaxis(s3, 0, 1)[:4], ran.outputs["digit"])


def test_an_integrate_and_fire_graph_goes_to_another_chip():
    network = raised(build(layer(decay=1.0, reset="soft", reset_time="now", compare="ge")).placed)
    assert snnc.compile(network, target="paicore").verify()


def test_what_has_no_form_is_refused():
    assert "not-raisable" == code_of(build(small(spike="count", reset_time="now")).placed)
    assert "not-raisable" == code_of(build(small(filter="before", filter_decay=0.5)).placed)
    assert "not-raisable" == code_of(build(layer(), profile="f16").placed)
