import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.ir import Builder
from snnc.ir.analysis import live_ops, makers, readers, run_order


@pytest.fixture
def looped():
    """A neuron that reads its own spikes of the tick before, written after its reader."""
    build = Builder("m", "int")
    x = build.input("x", "u1[2]~")
    later = build.forward("s", "u1[2]~")
    back = build.op("delay", later, name="back")
    joined = build.op("add", x, back, name="joined")
    spikes = build.op("neuron", joined, threshold=build.weight("t", np.ones(1, np.int8)), name="s")
    build.op("delay", x, name="dead")
    build.bind(later, spikes)
    return build.finish(spikes)


def names(ops):
    return [op.result.name for op in ops]


def test_makers_and_readers_of_values(looped):
    graph = looped.graph
    made, read = makers(graph), readers(graph)
    x, spikes = graph.inputs[0], graph.outputs[0]
    assert x not in made
    assert "s" == made[spikes].result.name
    assert ["joined", "dead"] == names(read[x])
    assert ["back"] == names(read[spikes])


def test_ops_run_after_what_they_read_in_this_tick(looped):
    assert ["back", "joined", "s", "dead"] == names(run_order(looped.graph))


def test_order_does_not_depend_on_the_text():
    build = Builder("m", "int")
    x = build.input("x", "u1[2]~")
    later = build.forward("a", "u1[2]~")
    last = build.op("neuron", later, threshold=1, name="b")
    build.bind(later, build.op("neuron", x, threshold=1, name="a"))
    assert ["a", "b"] == names(run_order(build.finish(last).graph))


def test_a_loop_within_a_tick_is_named():
    build = Builder("m", "int")
    later = build.forward("b", "u1[2]~")
    first = build.op("neuron", later, threshold=1, name="a")
    build.bind(later, build.op("neuron", first, threshold=1, name="b"))
    with pytest.raises(SnncError, match="%a -> %b -> %a") as caught:
        run_order(build.finish(first).graph)
    assert caught.value.code == "loop-without-delay"
    assert "delay" in caught.value.diagnostics[0].help


def test_a_chain_of_any_length_is_ordered():
    build = Builder("m", "int")
    values = [build.input("x", "u1[1]~")]
    for _ in range(3000):
        values.append(build.op("neuron", values[-1], threshold=1))
    assert 3000 == len(run_order(build.finish(values[-1]).graph))


def test_live_ops_reach_back_through_delays(looped):
    assert ["back", "joined", "s"] == names(live_ops(looped.graph))
