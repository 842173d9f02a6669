"""Legalizing: exact rewrites keep every spike; what no record holds is refused by its field."""

from typing import Any

import numpy as np
import pytest

import snnc
from snnc.diagnostics import SnncError
from snnc.extend.passes import Context
from snnc.ir import Builder, Module, Value
from snnc.runtime.reference import Reference
from snnc.targets.paicore.legalise import Legalise

RNG = np.random.default_rng(3)


def net(shape: str = "u1[6]~") -> tuple[Builder, Value]:
    build = Builder("net", "int")
    return build, build.input("x", shape)


def dense(build: Builder, source: Value, size: int, bias: Any = None) -> Value:
    weights = build.weight("w", RNG.integers(-4, 8, (size, source.type.size)).astype(np.int8))
    more = () if bias is None else (build.weight("b", np.asarray(bias, np.int32)),)
    return build.op("linear", source, weights, *more)


def legal(module: Module) -> Module:
    return Legalise().run(module, Context())


def same_spikes(module: Module, ticks: int = 20) -> Module:
    """Check that legalizing changes no output, and return the result."""
    result = legal(module)
    inputs = {
        v.name: RNG.integers(0, 2, (3, ticks, *v.type.shape)).astype(np.uint8)
        for v in module.graph.inputs
    }
    before = list(Reference().prepare(module).run(inputs).outputs.values())
    after = list(Reference().prepare(result).run(inputs).outputs.values())
    assert any(array.any() for array in before)
    for one, other in zip(before, after, strict=True):
        assert np.array_equal(one, other)
    return result


def test_a_bias_becomes_leak() -> None:
    build, x = net()
    current = dense(build, x, 4, [1, -2, 0, 3])
    module = same_spikes(build.finish(build.op("neuron", current, threshold=5, leak=-1)))
    (neuron,) = module.ops("neuron")
    assert [0, -3, -1, 2] == module.tensor(neuron["leak"]).tolist()
    assert all(len(op.operands) == 2 for op in module.ops("linear"))


def test_a_bias_without_a_leak_comes_before_the_compare() -> None:
    build, x = net()
    current = dense(build, x, 4, [1, 1, 1, 1])
    module = build.op("neuron", current, threshold=5, leak_order="after")
    (neuron,) = same_spikes(build.finish(module)).ops("neuron")
    assert (1, "before") == (neuron["leak"], neuron["leak_order"])


def test_pooling_by_maximum_becomes_neurons() -> None:
    build, x = net("u1[2, 6, 6]~")
    spikes = build.op(
        "neuron", build.op("scale", x, build.weight("one", np.ones((), np.int8))), threshold=2
    )
    pooled = build.op("max_pool2d", spikes, kernel=[3, 3], stride=[2, 2], padding=[1, 1])
    flat = build.op("reshape", pooled, shape=[18])
    module = same_spikes(build.finish(build.op("neuron", dense(build, flat, 3), threshold=9)))
    assert ["scale", "neuron", "sum_pool2d", "neuron", "reshape", "linear", "neuron"] == [
        op.kind for op in module.graph.ops
    ]


def test_outputs_that_are_no_population_get_relays() -> None:
    build, x = net()
    a = build.op("neuron", dense(build, x, 4), threshold=3)
    late = build.op("delay", a, by=2, name="late")
    turned = build.op("reshape", a, shape=[2, 2], name="turned")
    both = build.op("concat", a, late, name="both")
    module = same_spikes(build.finish(both, turned, late))
    assert 3 == len(list(module.ops("neuron")))
    assert ["both", "turned", "late"] == [v.name for v in module.graph.outputs]


@pytest.mark.parametrize("element", ["u1", "u8"])
def test_an_input_that_is_returned_passes_through_neurons(element: str) -> None:
    build, x = net(f"{element}[3, 2]~")
    flat = build.op("reshape", x, shape=[6])
    clear = {"memory": "clear"} if element == "u8" else {}
    a = build.op("neuron", dense(build, flat, 4), threshold=3, name="a", **clear)
    made = snnc.compile(build.finish(x, a), "paicore")
    spikes = RNG.integers(0, 256 if element == "u8" else 2, (2, 9, 3, 2)).astype(np.uint8)
    assert np.array_equal(spikes, made.run({"x": spikes}).outputs["x"])
    assert made.verify({"x": spikes}).equal


def test_potentials_are_not_sent_between_neurons() -> None:
    build, x = net()
    spikes, potential = build.emit(
        "neuron", [dense(build, x, 4)], {"threshold": 3, "potential": True}
    ).results
    last = build.op("neuron", build.op("add", potential, dense(build, x, 4)), threshold=3)
    with pytest.raises(SnncError) as error:
        legal(build.finish(spikes, last))
    assert "unsupported-op" == error.value.code
    assert "eight bits" in str(error.value)


def test_a_floor_becomes_a_negative_threshold() -> None:
    build, x = net()
    module = build.op("neuron", dense(build, x, 4), threshold=9, floor=-2, reset="hard")
    (neuron,) = same_spikes(build.finish(module), 40).ops("neuron")
    assert (2, "floor", None) == (neuron["negative"], neuron["negative_mode"], neuron["floor"])


def test_a_floor_per_neuron_becomes_thresholds_per_neuron() -> None:
    build, x = net()
    floor = build.weight("floor", np.array([-1, -2, 0, -3], np.int32))
    module = build.op("neuron", dense(build, x, 4), threshold=9, floor=floor)
    (neuron,) = (result := same_spikes(build.finish(module), 40)).ops("neuron")
    assert [1, 2, 0, 3] == result.tensor(neuron["negative"]).tolist()


def test_neurons_that_nobody_reads_disappear() -> None:
    build, x = net()
    build.op("neuron", dense(build, x, 4), threshold=3)
    module = build.finish(build.op("neuron", dense(build, x, 2), threshold=3))
    assert 1 == len(list(legal(module).ops("neuron")))


@pytest.mark.parametrize(
    "attrs",
    [
        {"spike": "count"},
        {"overflow": "saturate"},
        {"overflow": "wrap"},
        {"threshold": -1},
        {"threshold": 1 << 29},
        {"leak": -(1 << 29) - 1},
        {"reset": "hard", "reset_to": 1 << 29},
        {"negative": 1 << 29},
        {"floor": 1},
        {"floor": -5, "negative": 3, "negative_mode": "reset"},
        {"ticks": 40000},
        {"first": 32767},
        {"reset_to": -(1 << 29), "reset": "hard", "negative_mode": "reset", "negative": 3},
        {"reset_to": -(1 << 29) - 1, "reset": "hard"},
    ],
)
def test_fields_that_a_record_cannot_hold_are_refused(attrs: dict[str, Any]) -> None:
    build, x = net()
    module = build.finish(build.op("neuron", dense(build, x, 4), **{"threshold": 3, **attrs}))
    with pytest.raises(SnncError) as error:
        legal(module)
    assert error.value.diagnostics[0].help
    assert error.value.exit_status == 4
    named = next(iter(attrs)) if len(attrs) == 1 else str(error.value)
    assert named in str(error.value)


def test_the_lowest_potential_may_be_reset_to() -> None:
    build, x = net()
    neuron = {"threshold": 3, "reset": "hard", "reset_to": -(1 << 29), "width": 30}
    current = build.op("linear", x, build.weight("w", np.ones((4, 6), np.int8)))
    module = build.finish(build.op("neuron", current, **neuron))
    inputs = {"x": RNG.integers(0, 2, (2, 9, 6)).astype(np.uint8)}
    made = snnc.compile(module, "paicore")
    assert made.verify(inputs).equal
    assert made.run(inputs).outputs[module.graph.outputs[0].name].any()


def test_inputs_that_are_not_spikes_are_refused() -> None:
    build, x = net("i32[6]~")
    with pytest.raises(SnncError) as error:
        legal(build.finish(build.op("neuron", dense(build, x, 4), threshold=3)))
    assert error.value.code == "input-not-spikes"


def test_values_need_neurons_that_begin_each_tick_at_zero() -> None:
    build, x = net("u8[6]~")
    with pytest.raises(SnncError) as error:
        legal(build.finish(build.op("neuron", dense(build, x, 4), threshold=3)))
    assert error.value.code == "unsupported-neuron"
    assert "memory = keep" in str(error.value)
    build, x = net("u8[6]~")
    legal(build.finish(build.op("neuron", dense(build, x, 4), threshold=3, memory="clear")))


def test_neurons_stand_between_a_largest_value_and_sums() -> None:
    build, x = net("u8[2, 4, 4]~")
    pooled = build.op("max_pool2d", x, kernel=[2, 2])
    mean = build.op("sum_pool2d", x, kernel=[2, 2])
    flat = build.op("reshape", build.op("add", pooled, mean), shape=[8])
    values = {"threshold": 1, "memory": "clear", "spike": "value", "truncate": 14, "width": 30}
    made = build.op("neuron", dense(build, flat, 5), **values)
    compiled = snnc.compile(build.finish(made), "paicore")
    values_in = RNG.integers(0, 256, (2, 9, 2, 4, 4)).astype(np.uint8)
    assert compiled.verify({"x": values_in}).equal
    assert compiled.run({"x": values_in}).outputs[made.name].any()


def test_the_largest_of_sums_is_refused() -> None:
    build, x = net("u8[2, 4, 4]~")
    one = build.weight("one", np.ones((), np.int8))
    pooled = build.op("max_pool2d", build.op("scale", x, one), kernel=[2, 2])
    with pytest.raises(SnncError) as error:
        legal(build.finish(build.op("neuron", pooled, threshold=1, memory="clear")))
    assert error.value.code == "unsupported-op"
    assert "largest" in str(error.value)


def test_values_that_leave_a_pool_get_a_neuron_that_passes_them() -> None:
    build, x = net("u8[2, 4, 4]~")
    module = build.finish(build.op("max_pool2d", x, kernel=[2, 2]))
    (neuron,) = legal(module).ops("neuron")
    assert ("value", "clear") == (neuron["spike"], neuron["memory"])


def test_counts_of_spikes_are_refused_where_they_are_made_and_nowhere_else() -> None:
    build, x = net()
    first = build.op("neuron", dense(build, x, 4), name="a", threshold=3, spike="count")
    last = build.op("neuron", dense(build, first, 4), name="b", threshold=3, spike="count")
    with pytest.raises(SnncError) as error:
        legal(build.finish(last))
    told = [d.message.split(" = ")[0] for d in error.value.diagnostics]
    assert ["%a: spike", "%b: spike"] == told


def test_an_input_of_another_element_is_refused_once() -> None:
    build, x = net("i8[6]~")
    with pytest.raises(SnncError) as error:
        legal(build.finish(build.op("neuron", dense(build, x, 4), threshold=3)))
    assert ["input-not-spikes"] == [d.code for d in error.value.diagnostics]


def test_outputs_that_are_not_spikes_are_refused() -> None:
    build, x = net()
    neuron = build.emit("neuron", [dense(build, x, 4)], {"threshold": 3, "potential": True})
    with pytest.raises(SnncError) as error:
        legal(build.finish(*neuron.results))
    assert error.value.code == "output-not-spikes"


def test_a_maximum_over_counts_is_refused() -> None:
    build, x = net("u1[2, 4, 4]~")
    weight = build.weight("one", np.ones((), np.int8))
    pooled = build.op("max_pool2d", build.op("scale", x, weight), kernel=[2, 2])
    flat = build.op("reshape", pooled, shape=[8])
    with pytest.raises(SnncError) as error:
        legal(build.finish(build.op("neuron", dense(build, flat, 3), threshold=9)))
    assert error.value.code == "unsupported-op"


@pytest.mark.parametrize("place", [{"unit": (3,)}, {"group": 0}, {"slices": ((0, 0, 3, 0),)}])
def test_what_passes_note_for_each_other_is_no_part_of_a_program(place: dict[str, Any]) -> None:
    b = Builder("m", "int")
    x = b.input("x", "u1[3]~")
    module = b.finish(b.op("neuron", x, threshold=2, width=30, place=place))
    with pytest.raises(SnncError) as error:
        snnc.compile(module, "paicore")
    assert "bad-place" == error.value.code
    assert next(iter(place)) in str(error.value)


def test_weights_may_be_divided_before_a_network_is_legalised() -> None:
    b = Builder("m", "int")
    x = b.input("x", "u1[3]~")
    current = b.op("linear", x, b.weight("w", np.full((2, 3), 12, np.int8)))
    module = b.finish(b.op("neuron", current, threshold=24, width=30))
    build = snnc.compile(module, "paicore", pipeline="shrink-weights,@paicore")
    assert build.verify({"x": np.ones((1, 4, 3), np.uint8)}).equal


def test_more_outputs_than_the_receiving_chip_has_addresses_are_refused() -> None:
    b, x = net("u1[2]~")
    outputs = [b.op("neuron", x, threshold=1, name=f"n{k}") for k in range(1025)]
    with pytest.raises(SnncError) as error:
        legal(b.finish(*outputs))
    assert "too-many-outputs" == error.value.code
    assert "1025" in str(error.value)
    assert "1024" in str(error.value)


@pytest.mark.parametrize("size", [73728, 73729])
def test_an_output_has_as_many_neurons_as_its_frames_tell_apart(size: int) -> None:
    b, x = net("u1[2]~")
    weights = b.weight("w", np.ones((size, 2), np.uint8), "u1")
    module = b.finish(b.op("neuron", b.op("linear", x, weights), threshold=1, width=30))
    if size == 73728:
        legal(module)
        return
    with pytest.raises(SnncError) as error:
        legal(module)
    assert "output-too-large" == error.value.code


def test_what_a_potential_begins_with_is_dropped_where_each_tick_begins_at_0() -> None:
    b, x = net("u1[3]~")
    module = b.finish(b.op("neuron", x, threshold=1, memory="clear", initial=5, width=30))
    (op,) = same_spikes(module).ops("neuron")
    assert 0 == op["initial"]
