import numpy as np
import pytest
from attrs import evolve

from snnc.diagnostics import at
from snnc.ir import Builder, parse_type
from snnc.ir.read import read
from snnc.ir.rewrite import rebuild, with_ops
from snnc.ir.types import F32
from snnc.ir.verify import verify
from snnc.ir.write import write

LOOP = """module @m level snn version 1 loc() {
  weight @w : f32[2, 2] = [[1.0, 0.0], [0.0, 1.0]] loc()

  graph @main(%x: u1[2]~ loc()) -> (u1[2]~) loc() {
    %d = snn.delay %s : (u1[2]~) -> u1[2]~ loc("net.py":1)
    %i = snn.linear %d, @w : (u1[2]~, f32[2, 2]) -> f32[2]~ loc("net.py":2)
    %j = snn.add %i, %x : (f32[2]~, u1[2]~) -> f32[2]~ loc("net.py":3)
    %s = snn.neuron %j {decay = 0.5} : (f32[2]~) -> u1[2]~ loc("net.py":4)
    return %s
  }
}
"""


@pytest.fixture
def loop():
    return read(LOOP)


def test_keeping_every_op_keeps_the_text(loop):
    assert write(rebuild(loop, lambda op, build: None)) == LOOP


def test_a_changed_attribute_is_all_that_changes(loop):
    def faster(op, build):
        return build.copy(op, decay=0.25) if op.kind == "neuron" else None

    assert LOOP.replace("decay = 0.5", "decay = 0.25") == write(rebuild(loop, faster))


def test_an_attribute_set_to_none_is_dropped(loop):
    def plain(op, build):
        return build.copy(op, decay=None) if op.kind == "neuron" else None

    assert LOOP.replace(" {decay = 0.5}", "") == write(rebuild(loop, plain))


def test_new_ops_inherit_the_location_of_what_they_replace(loop):
    def twice(op, build):
        if op.kind != "linear":
            return None
        doubled = build.op("add", build(op.values[0]), build(op.values[0]))
        return [build.op("linear", doubled, *op.symbols, name=op.result.name)]

    made = rebuild(loop, twice)
    assert [at("net.py", 2)] * 2 == [op.loc for op in made.ops("add", "linear")][:2]
    assert [] == list(verify(made))


def test_a_value_replaced_by_another_disappears(loop):
    def bypass(op, build):
        return [build(op.values[0])] if op.kind == "add" else None

    made = rebuild(loop, bypass)
    assert ["delay", "linear", "neuron"] == [op.kind for op in made.graph.ops]
    assert made.graph.ops[-1].values == (made.graph.ops[1].result,)


def test_types_follow_from_changed_inputs():
    build = Builder("m", "snn")
    module = build.finish(build.op("relu", build.input("x", "u1[2]~")))
    wide = rebuild(
        module,
        lambda op, build: None,
        inputs=lambda value: evolve(value, type=value.type.with_element(F32).with_shape((3,))),
    )
    assert parse_type("f32[3]~") == wide.graph.outputs[0].type


def test_weights_no_longer_read_are_dropped(loop):
    delay = next(loop.ops("delay"))
    kept = with_ops(loop, [delay], [delay.result])
    assert {} == dict(kept.weights)


def test_an_op_remembers_what_it_was_made_from(loop):
    seen = {}

    def remember(op, build):
        seen["build"] = build

    made = rebuild(loop, remember)
    origin = seen["build"].origin
    assert list(loop.graph.ops) == [origin[op] for op in seen["build"].ops]
    assert np.array_equal(np.eye(2), made.tensor(made.graph.ops[1].symbols[0]))


def test_ops_without_names_leave_those_of_outputs_alone():
    build = Builder("m", "int")
    x = build.input("x", "u1[2]~")
    first = build.op("neuron", x, threshold=1, name="a")
    module = build.finish(build.op("delay", first, by=2))

    def later(op, build):
        if op.kind != "neuron":
            return None
        late = build.op("delay", build(op.values[0]), by=1)
        return [build.op("neuron", late, name="a", threshold=1)]

    made = rebuild(module, later)
    assert ["delay_1", "a", "delay"] == [op.result.name for op in made.graph.ops]
    assert ["delay"] == [value.name for value in made.graph.outputs]


def test_numbers_behind_names_leave_those_of_outputs_alone():
    build = Builder("m", "int")
    x = build.input("x", "u1[2]~")
    first = build.op("delay", x, by=2)
    module = build.finish(build.op("delay", first, by=2))

    def twice(op, build):
        if op.result.name != "delay":
            return None
        half = build.op("delay", build(op.values[0]), by=1)
        return [build.op("delay", half, by=1, name=op.result.name)]

    made = rebuild(module, twice)
    assert ["delay", "delay_2", "delay_1"] == [op.result.name for op in made.graph.ops]


def test_an_op_without_a_name_may_take_that_of_the_output_it_replaces():
    build = Builder("m", "int")
    module = build.finish(build.op("delay", build.input("x", "u1[2]~"), by=2))
    made = rebuild(module, lambda op, b: [b.op("delay", b(op.values[0]), by=3)])
    assert ["delay"] == [value.name for value in made.graph.outputs]
