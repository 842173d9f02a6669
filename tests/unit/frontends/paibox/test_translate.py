"""The rules of the translation hold for random clocks: late starts, stops, cycles, long delays.

A small simulator keeps PAIBox's registers of 256 slots as they are described; the translated
module has only delays.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snnc.diagnostics import SnncError
from snnc.frontends.paibox.clock import SLOTS, phases
from snnc.frontends.paibox.links import Dense, Diagonal
from snnc.frontends.paibox.network import Input, Network, Population, Synapse
from snnc.frontends.paibox.translate import translate
from snnc.ir.read import read
from snnc.ir.write import write
from snnc.runtime.reference import Reference

SIZE = 3


@st.composite
def networks(draw):
    """Return a network of a few nodes with random clocks, and the length of a run."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    nodes, synapses = [], []
    for number in range(draw(st.integers(1, 4))):
        clock = {
            "delay": draw(st.sampled_from([1, 1, 2, 5, 200, 256, 257, 300])),
            "start": draw(st.sampled_from([1, 1, 2, 3, 4, 9])),
            "ticks": draw(st.sampled_from([0, 0, 3, 20, 270, 300])),
        }
        nodes.append(Population(f"n{number}", (SIZE,), threshold=2, negative=5, **clock))
    names = [n.name for n in nodes]
    for target in names:
        for source in draw(st.lists(st.sampled_from(["i", *names]), min_size=1, max_size=3)):
            weights = rng.integers(-2, 4, (SIZE, SIZE)).astype(np.int8)
            synapses.append(Synapse(f"e{len(synapses)}", source, target, Dense(weights)))
    inputs = (Input("i", (SIZE,)),)
    network = Network("random", inputs, tuple(nodes), tuple(synapses), tuple(names))
    return network, draw(st.sampled_from([12, 40, 280, 560])), rng


def simulate(network, train):
    """Return what PAIBox records: spikes and potentials of every node at every step."""
    nodes = network.nodes
    slots = {name: np.zeros((SLOTS, SIZE), dtype=np.uint8) for name in nodes}
    v = {name: np.zeros(SIZE, dtype=np.int64) for name in nodes}
    records = {key: [] for name in nodes for key in (name, f"{name}.v")}
    for t in range(1, len(train) + 1):
        x = {name: np.zeros(SIZE, dtype=np.int64) for name in nodes}
        for s in network.synapses:
            ring = slots.get(s.source)
            seen = train[t - 1] if ring is None else ring[(t - nodes[s.target].start) % SLOTS]
            x[s.target] += seen.astype(np.int64) @ s.link.weights
        for name, node in nodes.items():
            spikes = np.zeros(SIZE, dtype=np.uint8)
            if node.working(t):
                u = v[name] + x[name]
                spikes = (u >= 2).astype(np.uint8)
                v[name] = np.where(spikes, u - 2, np.maximum(u, -5))
                slots[name][(t - node.start + node.delay - 1) % SLOTS] = spikes
            records[name].append(spikes)
            records[f"{name}.v"].append(v[name])
    return {name: np.array(rows) for name, rows in records.items()}


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(networks())
def test_the_module_equals_the_registers(case):
    network, steps, rng = case
    train = (rng.random((steps, SIZE)) < 0.4).astype(np.uint8)
    expected = simulate(network, train)
    module = translate(network, steps)
    trace = Reference().prepare(module).run({"i": train[None]}, probe=tuple(expected)).trace
    starts = phases(network)
    for key, rows in expected.items():
        phase = starts[key.removesuffix(".v")]
        assert not rows[:phase].any()
        assert np.array_equal(rows[phase:], trace[key][0, : steps - phase])


def chain(**last):
    """Return i -> a -> b."""
    nodes = (Population("a", (2,), start=1, ticks=3), Population("b", (2,), **{"start": 2} | last))
    one = Diagonal(np.int8(1))
    synapses = (Synapse("s", "i", "a", one), Synapse("t", "a", "b", one))
    return Network("chain", (Input("i", (2,)),), nodes, synapses)


def test_without_steps_a_stopped_source_stays_silent_as_on_the_chip():
    train = np.ones((1, 600, 2), np.uint8)
    quiet = Reference().prepare(translate(chain())).run({"i": train}).outputs["b"]
    heard = Reference().prepare(translate(chain(), 600)).run({"i": train}).outputs["b"]
    assert (3, 9) == (quiet[0, :, 0].sum(), heard[0, :, 0].sum())


def test_the_text_of_a_translated_module_reads_back():
    module = translate(chain(ticks=4, delay=3))
    assert write(module) == write(read(write(module)))


def test_a_node_that_never_starts_is_left_out():
    module = translate(chain(start=0))
    assert ["a"] == [op.result.name for op in module.ops("neuron")]


def test_neurons_without_synapses_run_on_zeros():
    network = Network("free", (), (Population("a", (2,), threshold=2, leak=1),), ())
    ran = Reference().prepare(translate(network)).run({}, ticks=4)
    assert [0, 1, 0, 1] == ran.outputs["a"][0, :, 0].tolist()


def test_bytes_do_not_enter_neurons_that_take_spikes():
    nodes = (
        Population("a", (2,), keeps=False, wide_in=True, wide_out=True),
        Population("b", (2,), start=2),
    )
    one = Diagonal(np.int8(1))
    synapses = (Synapse("s", "i", "a", one), Synapse("t", "a", "b", one))
    with pytest.raises(SnncError, match="one bit per axon") as caught:
        translate(Network("mixed", (Input("i", (2,)),), nodes, synapses))
    assert "paibox-mixed-width" == caught.value.code


def test_a_synapse_needs_both_its_ends():
    network = Network("cut", (), (Population("a", (2,)),), (Synapse("s", "x", "a", None),))
    with pytest.raises(SnncError) as caught:
        translate(network)
    assert "paibox-outside" == caught.value.code


def test_a_network_needs_neurons_with_names_of_their_own():
    with pytest.raises(SnncError) as caught:
        translate(Network("none", (), (Population("a", (2,), start=0),), ()))
    assert "paibox-empty" == caught.value.code
    with pytest.raises(SnncError) as caught:
        translate(Network("twice", (Input("a", (2,)),), (Population("a", (2,)),), ()))
    assert "duplicate-name" == caught.value.code


def test_readers_of_one_source_that_start_together_have_one_phase():
    nodes = (Population("a", (2,)), *(Population(name, (2,), start=2) for name in "bcd"))
    one, ends = Diagonal(np.int8(1)), ("ia", "ab", "ib", "ac", "cd")
    synapses = tuple(Synapse(n + m, n, m, one) for n, m in ends)
    found = phases(Network("skip", (Input("i", (2,)),), nodes, synapses))
    # %b reads the input at once, and %c with it; %d reads %c as late as it may.
    assert {"i": 0, "a": 0, "b": 0, "c": 0, "d": 1} == found


def test_an_input_that_nobody_reads_may_hold_bytes_beside_neurons_that_take_them():
    nodes = (Population("a", (2,), keeps=False, wide_in=True, wide_out=True),)
    inputs = (Input("i", (2,)), Input("unread", (3,)))
    network = Network("net", inputs, nodes, (Synapse("s", "i", "a", Diagonal(np.int8(1))),))
    assert ["u8[2]~", "u8[3]~"] == [str(v.type) for v in translate(network).graph.inputs]
