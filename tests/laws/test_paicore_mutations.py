"""The checker rejects placements that were changed: each kind of change, on random networks."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from attrs import evolve
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from snnc.ir import Module, Op, Tensor, Weight
from snnc.targets.paicore import Paicore
from snnc.targets.paicore.placed import read_placed, weighs
from snnc.targets.paicore.rules.routes import destinations, region
from tests.laws.effort import examples
from tests.laws.networks import Case, networks
from tests.laws.test_paicore import RELAXED, lower

TARGET = Paicore()
Mutate = Callable[[st.DataObject, Module], Module]


def change(module: Module, old: Op, **attrs: Any) -> Module:
    """Return the module with other attributes on one op (its results kept)."""
    new = evolve(old, attrs={**old.attrs, **attrs})
    ops = tuple(new if op is old else op for op in module.graph.ops)
    return module.with_graph(evolve(module.graph, ops=ops))


def table(module: Module, name: str, edit: Callable[[np.ndarray], None]) -> Module:
    """Return the module with a table of the neuron records edited."""
    weight = module.weights[name]
    array = weight.tensor.array().copy()
    edit(array)
    assume(not np.array_equal(array, weight.tensor.array()))
    made = Weight(name, Tensor(weight.type, array), weight.loc)
    return evolve(module, weights={**module.weights, name: made})


def core(data: st.DataObject, module: Module) -> Op:
    return data.draw(st.sampled_from(list(module.ops("core"))))


def row(data: st.DataObject, module: Module) -> int:
    count = module.weights["neuron.axon"].type.size
    return data.draw(st.integers(0, count - 1))


def is_heard(module: Module, at: int) -> bool:
    """Whether the host or a weight reads the axon that the neuron of a record sends to."""
    placed = read_placed(module)
    rows = slice(at, at + 1)
    ((where, _),) = destinations(placed, rows)
    axon, slot = (placed.tables[name][rows] for name in ("axon", "slot"))
    readers = region(placed, *where).used
    weighted = any(weighs(placed, core, core.columns(slot, axon)) for core in readers)
    return weighted or where[0] not in placed.chips


def two_cores_at_one_place(data: st.DataObject, module: Module) -> Module:
    cores = list(module.ops("core"))
    assume(len(cores) > 1)
    one, other = data.draw(st.permutations(cores))[:2]
    return change(module, one, at=other["at"])


def a_core_among_the_learning_cores(data: st.DataObject, module: Module) -> Module:
    chosen = core(data, module)
    return change(module, chosen, at=(*chosen["at"][:2], 28, 30))


def another_axon_extension(data: st.DataObject, module: Module) -> Module:
    chosen = core(data, module)
    assume(chosen["extension"] < 64)
    return change(module, chosen, extension=chosen["extension"] * 2)


def another_target_extension(data: st.DataObject, module: Module) -> Module:
    chosen = core(data, module)
    return change(module, chosen, target_extension=chosen["target_extension"] * 2)


def narrower_weights(data: st.DataObject, module: Module) -> Module:
    chosen = core(data, module)
    assume(chosen["bits"] > 1)
    return change(module, chosen, bits=chosen["bits"] // 2)


def a_start_before_the_beginning(data: st.DataObject, module: Module) -> Module:
    return change(module, core(data, module), start=40000)


def a_destination_among_the_learning_cores(data: st.DataObject, module: Module) -> Module:
    x, y, *_ = core(data, module)["at"]
    inside = np.flatnonzero(module.weights["neuron.chip"].tensor.array() == x * 32 + y)
    assume(inside.size)
    return table(module, "neuron.core", lambda a: a.__setitem__(inside[0], 28 * 32 + 28))


def an_axon_off_the_core(data: st.DataObject, module: Module) -> Module:
    at = row(data, module)
    return table(module, "neuron.axon", lambda a: a.__setitem__(at, 1152))


def two_neurons_on_one_axon(data: st.DataObject, module: Module) -> Module:
    chosen = core(data, module)
    first, count = chosen["neurons"]
    assume(count > 1)

    def collide(array: np.ndarray) -> None:
        array[first + 1] = array[first]

    slots = module.weights["neuron.slot"].tensor.array()
    assume(slots[first] == slots[first + 1])
    made = table(module, "neuron.axon", collide)
    # Clocks hear themselves by weights of 0, and random weights may all be 0: spikes that no weight
    # reads may meet, for they add nothing.
    assume(is_heard(module, first + 1) or is_heard(made, first + 1))
    return made


def a_threshold_beyond_the_record(data: st.DataObject, module: Module) -> Module:
    at = row(data, module)
    return table(module, "neuron.threshold", lambda a: a.__setitem__(at, 1 << 29))


def an_unknown_reset(data: st.DataObject, module: Module) -> Module:
    at = row(data, module)
    return table(module, "neuron.reset", lambda a: a.__setitem__(at, 3))


def a_layer_that_lost_a_core(data: st.DataObject, module: Module) -> Module:
    layers = [op for op in module.ops("layer") if len(op.operands) > 1]
    assume(layers)
    chosen = data.draw(st.sampled_from(layers))
    new = evolve(chosen, operands=chosen.operands[:-1])
    ops = tuple(new if op is chosen else op for op in module.graph.ops)
    return module.with_graph(evolve(module.graph, ops=ops))


def a_delay_that_the_slots_do_not_have(data: st.DataObject, module: Module) -> Module:
    read = [
        op
        for op in module.ops("layer")
        if op["delay"] < 100 and any(op.result in other.values for other in module.ops("core"))
    ]
    assume(read)
    chosen = data.draw(st.sampled_from(read))
    return change(module, chosen, delay=chosen["delay"] + 1)


def an_output_to_a_target_chip(data: st.DataObject, module: Module) -> Module:
    chosen = data.draw(st.sampled_from(list(module.ops("output"))))
    return change(module, chosen, chip=core(data, module)["at"][:2])


def an_input_to_cores_that_are_not_there(data: st.DataObject, module: Module) -> Module:
    inputs = list(module.ops("input"))
    assume(inputs)
    return change(module, data.draw(st.sampled_from(inputs)), core=(20, 20), mask=(0, 0))


MUTATIONS: list[Mutate] = [
    two_cores_at_one_place,
    a_core_among_the_learning_cores,
    another_axon_extension,
    another_target_extension,
    narrower_weights,
    a_start_before_the_beginning,
    a_destination_among_the_learning_cores,
    an_axon_off_the_core,
    two_neurons_on_one_axon,
    a_threshold_beyond_the_record,
    an_unknown_reset,
    a_layer_that_lost_a_core,
    a_delay_that_the_slots_do_not_have,
    an_output_to_a_target_chip,
    an_input_to_cores_that_are_not_there,
]


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda m: m.__name__)
def test_a_changed_placement_is_rejected(mutate: Mutate) -> None:
    @settings(RELAXED, max_examples=examples(4 * len(MUTATIONS)) // len(MUTATIONS))
    @given(networks(), st.data())
    def law(case: Case, data: st.DataObject) -> None:
        _, placed = lower(case)
        assert TARGET.check(mutate(data, placed)).errors

    law()
