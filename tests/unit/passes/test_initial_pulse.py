"""`initial-pulse`: potentials begin at 0, and every spike and potential stays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import snnc
from snnc.diagnostics import SnncError
from snnc.extend.passes import Context
from snnc.ir import Builder
from snnc.ir.types import U1
from snnc.passes.initial_pulse import InitialPulse
from snnc.runtime.reference import Reference


def network(initial, element="i4", shape=(6,), seed=0, **attrs):
    rng = np.random.default_rng(seed)
    b = Builder("net", "int")
    x = b.input("x", "u1[5]~")
    size = int(np.prod(shape))
    low, high = {"u1": (0, 1), "i2": (-2, 1), "i4": (-8, 7), "i8": (-128, 127)}[element]
    current = b.op("linear", x, b.weight("w", rng.integers(low, high + 1, (size, 5)), element))
    if len(shape) > 1:
        current = b.op("reshape", current, shape=shape)
    given = initial if np.ndim(initial) == 0 else b.weight("v0", np.asarray(initial, np.int32))
    s = b.op("neuron", current, name="s", threshold=3, initial=given, **attrs)
    return b.finish(*b.ops[-1].results if attrs.get("potential") else [s])


def started(module):
    return InitialPulse().run(module, Context())


def same(module, seed=0, ticks=9):
    inputs = {"x": np.random.default_rng(seed).integers(0, 2, (4, ticks, 5)).astype(np.uint8)}
    expected, actual = (
        Reference().prepare(m).run(inputs, probe=["s", "s.v"]) for m in (module, started(module))
    )
    for name in ("s", "s.v"):
        np.testing.assert_array_equal(actual.trace[name], expected.trace[name])


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    initial=st.one_of(
        st.integers(-300, 300),
        st.lists(st.integers(-40, 40), min_size=6, max_size=6),
    ),
    element=st.sampled_from(["u1", "i2", "i4", "i8"]),
    reset=st.sampled_from(["soft", "hard", "none"]),
    leak=st.integers(-2, 2),
    order=st.sampled_from(["before", "after"]),
    floor=st.sampled_from([None, -2, -20]),
)
def test_every_potential_stays(seed, initial, element, reset, leak, order, floor):
    attrs = {"reset": reset, "leak": leak, "leak_order": order}
    if floor is not None:
        attrs["floor"] = floor
    module = network(initial, element, seed=seed, **attrs)
    inputs = {"x": np.random.default_rng(seed).integers(0, 2, (3, 9, 5)).astype(np.uint8)}
    made = started(module)
    results = [Reference().prepare(m).run(inputs, probe=["s", "s.v"]) for m in (module, made)]
    for name in ("s", "s.v"):
        expected, actual = (r.trace[name] for r in results)
        np.testing.assert_array_equal(actual, expected)


def test_no_weight_gets_wider_for_it():
    made = started(network([-5, 4, 0, 1, 2, 3], "i2"))
    assert str(made.weights["s.begin.w"].type) == "i2[6, 4]"


def test_one_bit_weights_stay_where_no_initial_potential_is_negative():
    made = started(network([2, 0, 0, 1, 2, 0], "u1"))
    assert made.weights["s.begin.w"].type.element == U1


def test_maps_get_it_too():
    same(network(-2, shape=(2, 3)))


@pytest.mark.parametrize("attrs", [{"memory": "clear"}, {"first": 2}])
def test_neurons_that_it_would_change_stay(attrs):
    module = network(2, **attrs)
    assert started(module) is module


def test_neurons_that_begin_late_at_a_potential_that_fires_are_refused():
    """They cannot rest at a potential that fires."""
    with pytest.raises(SnncError) as caught:
        snnc.compile(network(4, first=3), "paicore")
    assert "unsupported-neuron" == caught.value.code
    assert "begin to work at tick 3" in str(caught.value)


def test_layers_share_one_population():
    rng = np.random.default_rng(0)
    b = Builder("net", "int")
    value = b.input("x", "u1[5]~")
    for number in range(3):
        w = b.weight(f"w{number}", rng.integers(-2, 4, (5, 5)), "i4")
        attrs = {"threshold": 3, "initial": -9 * number - 1}
        value = b.op("neuron", b.op("linear", value, w), name=f"s{number}", **attrs)
    module = b.finish(value)
    made = started(module)
    assert len([*made.ops("neuron")]) == 3 + 1
    inputs = {"x": rng.integers(0, 2, (4, 12, 5)).astype(np.uint8)}
    expected, actual = (Reference().prepare(m).run(inputs).outputs["s2"] for m in (module, made))
    np.testing.assert_array_equal(actual, expected)
    build = snnc.compile(module, "paicore")
    assert build.verify(inputs).equal
    assert build.manifest["resources"]["cores"] == 4


def test_a_network_that_begins_at_0_stays():
    module = network(0)
    assert started(module) is module


def strict_network():
    """A recurrent network of integers that fires above its thresholds, as snnTorch's do."""
    rng = np.random.default_rng(4)
    b = Builder("net", "snn")
    x = b.input("x", "u1[20]~")
    w = [rng.integers(-7, 8, shape).astype(np.float32) for shape in ((12, 20), (12, 12), (4, 12))]
    later = b.forward("late", "u1[12]~")
    back = b.op("linear", b.op("delay", later), b.weight("r", w[1]))
    attrs = {"compare": "gt", "reset_time": "after"}
    total = b.op("add", b.op("linear", x, b.weight("w", w[0])), back)
    s = b.op("neuron", total, threshold=9.0, name="s", **attrs)
    b.bind(later, s)
    o = b.op("neuron", b.op("linear", s, b.weight("o", w[2])), threshold=5.0, name="o", **attrs)
    return b.finish(s, o)


def test_strict_soft_resets_reach_the_chip_exactly():
    module = strict_network()
    inputs = {"x": np.random.default_rng(1).integers(0, 2, (5, 40, 20)).astype(np.uint8)}
    build = snnc.compile(module, "paicore", bits=4)
    assert build.verify(inputs).equal
    expected, actual = snnc.run(module, inputs).outputs, build.run(inputs).outputs
    for name in ("s", "o"):
        np.testing.assert_array_equal(actual[name], expected[name])


def test_beginnings_that_take_too_many_pulses_are_refused():
    with pytest.raises(SnncError) as caught:
        started(network(2**28, element="u1"))
    assert "initial-too-large" == caught.value.code
    assert "268435456 pulses" in caught.value.diagnostics[0].message
