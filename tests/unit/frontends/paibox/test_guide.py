"""The facade does what the guide says, in our own words, and what PAIBox 1.3 simulates."""

from pathlib import Path

import numpy as np
import pytest

import snnc
import snnc.frontends.paibox.guide as pb
from snnc.diagnostics import SnncError

RECORDED = Path(__file__).parent / "recorded"


def recorded_once(target, attr, steps=2):
    """Return what a probe of an input shows."""
    simulator = pb.Simulator(target)
    probe = pb.Probe(target, attr)
    simulator.add_probe(probe)
    simulator.run(steps)
    return simulator.data[probe]


def called(neuron, inputs):
    spikes, potentials = [], []
    for x in inputs:
        spikes.append(int(neuron(x)))
        potentials.append(int(neuron.voltage))
    return spikes, potentials


def test_tonic_neurons_fire_at_every_third_spike():
    spikes, potentials = called(pb.neuron.TonicSpiking(shape=1, fire_step=3), np.ones(10, bool))
    assert [0, 0, 1] * 3 + [0] == spikes
    assert [1, 2, 0] * 3 + [1] == potentials


def test_phasic_neurons_fire_once_and_rest():
    spikes, potentials = called(pb.neuron.PhasicSpiking(1, time_to_fire=3), [0, 0] + [1] * 10)
    assert [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0] == spikes
    assert [0, 0, 2, 4, -11, -10, -10, -10, -10, -10, -10, -10] == potentials


def test_neurons_called_directly_have_shapes_and_begin_anew_after_a_reset():
    neuron = pb.LIF((2, 2), 3, leaky_v=-1, keep_shape=True)
    assert [[False, True], [False, False]] == neuron(np.array([1, 4, 0, 3])).tolist()
    assert [[0, 0], [-1, 2]] == neuron.voltage.tolist()
    neuron.reset()
    assert not neuron.voltage.any()
    assert neuron(4).all()


@pytest.mark.parametrize("zero", [0, 1])
def test_a_network_shows_what_paibox_shows(zero):
    class Recorded(pb.Network):
        def __init__(self):
            super().__init__()
            rng = np.random.RandomState(7)
            self.i = pb.InputProj(pb.simulator.PoissonEncoder(seed=5), shape_out=(6,))
            self.a = pb.LIF(5, 6, 0, leaky_v=-1)
            self.b = pb.IF((2, 2), 5, tick_wait_start=2, delay=3, keep_shape=True)
            self.c = pb.neuron.TonicSpiking(4, 2, tick_wait_start=4, tick_wait_end=6)
            self.d = pb.IF(4, 3, 1, tick_wait_start=3)
            self.s = pb.NoDecay(self.i, self.a, rng.randint(-3, 6, (6, 5)).astype(np.int8))
            self.t = pb.NoDecay(self.a, self.b, rng.randint(-3, 6, (5, 4)).astype(np.int8))
            self.u = pb.NoDecay(self.b, self.c, 1, conn_type=pb.ConnType.One2One)
            self.v = pb.NoDecay(self.a, self.d, 2, conn_type=pb.ConnType.All2All)

    network = Recorded()
    simulator = pb.Simulator(network, start_time_zero=bool(zero))
    network.i.input = np.linspace(0, 1, 6)
    with np.load(RECORDED / f"facade_{zero}.npz") as archive:
        expected = {key: archive[key] for key in archive.files}
    steps = expected.pop("ts")
    probes = {key: pb.Probe(getattr(network, key[0]), key[2:]) for key in expected}
    for probe in probes.values():
        simulator.add_probe(probe)
    simulator.run(5)
    simulator.run(9)
    assert steps.tolist() == simulator.data["ts"].tolist()
    for key, probe in probes.items():
        assert expected[key].tolist() == simulator.data[probe].tolist(), key


class Chain(pb.Network):
    """An input of ones, two neurons one after the other."""

    def __init__(self, first=1, weights=1):
        super().__init__()
        self.i = pb.InputProj(1, shape_out=(3,))
        self.n1 = pb.IF(3, 2, 0, tick_wait_start=first, delay=2)
        self.n2 = pb.IF(3, 1, 0, tick_wait_start=first + 1)
        self.s1 = pb.NoDecay(self.i, self.n1, weights, conn_type=pb.ConnType.One2One)
        self.s2 = pb.NoDecay(self.n1, self.n2, conn_type=pb.ConnType.BYPASS)
        self.probe = pb.Probe(self.n1, "spike")


def test_probes_of_a_network_are_found_added_and_removed():
    network = Chain()
    simulator = pb.Simulator(network)
    simulator.run(4)
    assert [0, 1, 0, 1] == simulator.data[network.probe][:, 0].tolist()
    simulator.remove_probe(network.probe)
    with pytest.raises(SnncError, match="was not added") as caught:
        simulator.data[network.probe]
    assert "paibox-probe" == caught.value.code


def test_output_shows_the_registers_by_slot():
    network = Chain()
    simulator, probe = pb.Simulator(network), pb.Probe(network.n1, "output")
    simulator.add_probe(probe)
    simulator.run(4)
    shown = simulator.data[probe]
    assert (4, 256, 3) == shown.shape
    # n1 fires at steps 2 and 4; with delay 2 a spike of local step k stands in slot k + 1.
    assert [[], [2], [2], [2, 4]] == [np.flatnonzero(rows[:, 0]).tolist() for rows in shown]


def test_runs_go_on_until_they_are_reset():
    network = Chain()
    simulator = pb.Simulator(network)
    simulator.run(1)
    simulator.run(1)
    simulator.run(2, reset=True)
    assert [0, 1, 0, 1] == simulator.data[network.probe][:, 0].tolist()
    assert [1, 2, 1, 2] == simulator.data["ts"].tolist()
    simulator.reset()
    simulator.run(1)
    assert [0] == simulator.data[network.probe][:, 0].tolist()
    assert [1, 1, 1] == network.n1.voltage.tolist()


def test_layers_that_start_late_show_nothing_before():
    network = Chain(first=3)
    network.late = pb.Probe(network.n2, "spike")
    simulator = pb.Simulator(network)
    for _ in range(9):
        simulator.run(1)
    assert [0, 0, 0, 1, 0, 1, 0, 1, 0] == simulator.data[network.probe][:, 0].tolist()
    assert [0, 0, 0, 0, 0, 1, 0, 1, 0] == simulator.data[network.late][:, 0].tolist()


def test_neurons_that_never_start_show_nothing():
    network = Chain()
    network.idle = pb.IF(3, 1, tick_wait_start=0)
    network.s3 = pb.NoDecay(network.n1, network.idle, conn_type=pb.ConnType.BYPASS)
    probes = [pb.Probe(network.idle, attr) for attr in network.idle.shows]
    probes.append(pb.Probe(network.s3, "output"))
    simulator = pb.Simulator(network)
    for probe in probes:
        simulator.add_probe(probe)
    simulator.run(5)
    assert not any(simulator.data[probe].any() for probe in probes)


def test_an_input_may_be_a_number_or_an_array():
    assert [[2] * 4] * 4 == recorded_once(pb.InputProj(2, (4, 4)), "feature_map")[-1].tolist()
    flat = pb.InputProj(2, shape_out=(4, 4), keep_shape=False)
    assert (2, 16) == recorded_once(flat, "feature_map").shape
    x = np.arange(4).reshape(2, 2)
    assert x.tolist() == recorded_once(pb.InputProj(x, (2, 2)), "feature_map")[-1].tolist()


def test_an_input_function_gets_the_step_and_saved_variables():
    def ramp(t, bias, **kwargs):
        return np.ones((2, 2)) * t + bias

    pb.FRONTEND_ENV.save(bias=3)
    assert 7 == recorded_once(pb.InputProj(ramp, (2, 2)), "feature_map", 4)[-1, 0, 0]
    pb.FRONTEND_ENV.clear()
    with pytest.raises(SnncError, match="no variable 'bias'") as caught:
        pb.Simulator(pb.InputProj(ramp, (2, 2))).run(1)
    assert "paibox-variable" == caught.value.code


def test_an_input_function_may_take_anything_and_use_nothing():
    def noise(*args, **kwargs):
        return np.full((2, 2), -5, dtype=np.int8)

    assert -5 == recorded_once(pb.InputProj(noise, (2, 2)), "feature_map")[-1, 0, 0]


def test_an_encoder_waits_for_numbers_and_draws_as_paibox_does():
    given = pb.InputProj(pb.simulator.PoissonEncoder(seed=1), shape_out=(3,))
    with pytest.raises(SnncError, match="has no input") as caught:
        pb.Simulator(given).run(1)
    assert "paibox-input" == caught.value.code
    given.input = np.array([0.0, 0.5, 1.0])
    draws = np.random.RandomState(1).random((5, 3))
    shown = recorded_once(given, "feature_map", 5)
    assert bool == shown.dtype
    assert (draws <= given.input).tolist() == shown.tolist()


def test_an_input_of_none_gets_its_numbers_later():
    given = pb.InputProj(input=None, shape_out=(2, 2))
    given.input = np.ones((2, 2), dtype=np.int8)
    assert recorded_once(given, "feature_map").all()
    with pytest.raises(SnncError, match="not to numbers"):
        given.input = print


def test_a_periodic_encoder_repeats_its_rows():
    train = np.eye(3, dtype=int)
    shown = recorded_once(pb.InputProj(pb.simulator.PeriodicEncoder(train), (3,)), "output", 7)
    assert np.resize(train, (7, 3)).tolist() == shown.tolist()


def test_weights_are_shown_as_numbers_or_as_matrices():
    one, other = pb.IF(5, 1), pb.IF(5, 1)
    kind = pb.synapses.ConnType.One2One
    number = pb.synapses.NoDecay(source=one, dest=other, conn_type=kind, weights=2)
    assert "2" == str(number.weights)
    listed = pb.NoDecay(one, other, conn_type=kind, weights=np.arange(1, 6, dtype=np.int8))
    assert np.diag(range(1, 6)).tolist() == listed.weights.tolist()


class Block(pb.Network):
    """Neurons before and after, to be used again."""

    def __init__(self, weights):
        super().__init__()
        self.pre, self.post = pb.LIF((4,), 2), pb.LIF((4,), 2, tick_wait_start=2)
        self.syn = pb.NoDecay(self.pre, self.post, weights, pb.ConnType.All2All)


class Nested(pb.Network):
    """Two blocks; attributes are set before `super().__init__`, as the guide does."""

    def __init__(self, handed=True):
        self.inp = pb.InputProj(1, shape_out=(4,))
        first, second = Block(1), Block(np.eye(4, dtype=np.int8))
        self.s1 = pb.NoDecay(self.inp, first.pre, conn_type=pb.ConnType.One2One)
        self.s2 = pb.NoDecay(first.post, second.pre, conn_type=pb.ConnType.One2One)
        super().__init__(*([first, second] if handed else []))


def test_sub_networks_are_found_by_the_network_that_they_are_handed_to():
    names = [op.result.name for op in snnc.load(Nested()).ops("neuron")]
    assert ["Block0.pre", "Block0.post", "Block1.pre", "Block1.post"] == names
    with pytest.raises(SnncError, match="not part of Nested") as caught:
        snnc.load(Nested(handed=False))
    assert "paibox-outside" == caught.value.code


def test_containers_hold_parts_and_plain_lists_do_not():
    network = pb.Network()
    network.many = pb.NodeList()
    network.many.append(pb.IF(2, 1))
    network.table = pb.NodeDict(a=pb.IF(2, 1), b=pb.NodeList([pb.IF(2, 1)]))
    assert ["many.0", "table.a", "table.b.0"] == list(network.parts())
    network.plain = [pb.IF(2, 1)]
    with pytest.raises(SnncError, match="plain is a list") as caught:
        network.parts()
    assert "paibox-hidden" == caught.value.code


def test_a_network_is_a_source_with_the_places_of_the_users_code():
    module = snnc.load(Chain())
    (first, second) = module.ops("neuron")
    assert first.loc.file.endswith("test_guide.py")
    assert 0 < first.loc.line < second.loc.line


def test_inputs_of_spiking_neurons_must_be_spikes():
    network = Chain()
    network.i.input = 2
    with pytest.raises(SnncError) as caught:
        pb.Simulator(network).run(1)
    assert "input-range" == caught.value.code


@pytest.mark.parametrize(
    ("make", "code", "word"),
    [
        (lambda: pb.neuron.LIF(3, 2, leak_v=-1), "unknown-keyword", "leaky_v"),
        (lambda: pb.neuron.IF(3, 2, treshold=1), "unknown-keyword", "threshold"),
        (lambda: pb.neuron.IF(3), "bad-call", "threshold"),
        (lambda: pb.neuron.IF(3, 1.5), "paibox-number", "round"),
        (lambda: pb.neuron.IF(3, True), "paibox-number", "round"),
        (lambda: pb.neuron.IF(3, 1, reset_v=0.0), "paibox-number", "round"),
        (lambda: pb.neuron.IF((), 1), "paibox-number", "size"),
        (lambda: pb.neuron.IF(0, 1), "paibox-number", "shape"),
        (lambda: pb.neuron.IF(3, 1, delay=0), "paibox-number", "delay"),
        (lambda: pb.neuron.IF(3, 1, keep_shape=1), "paibox-number", "keep_shape"),
        (lambda: pb.neuron.IF(3, 1, name=4), "paibox-name", "text"),
        (lambda: pb.neuron.IF(3, 1)(0.5), "paibox-shape", "integer"),
        (lambda: pb.NoDecay(pb.IF(3, 1), pb.IF(3, 1)), "paibox-shape", "(3, 3)"),
        (lambda: link(pb.ConnType.One2One, [1, 2]), "paibox-shape", "3 of them"),
        (lambda: link(pb.ConnType.BYPASS, 2), "paibox-shape", "weight 1"),
        (lambda: link(pb.ConnType.All2All, [1, 2]), "paibox-shape", "(3, 3)"),
        (lambda: link(pb.ConnType.One2One, 1, 4), "paibox-shape", "equal"),
        (lambda: link(pb.ConnType.One2One, 0.5), "paibox-weights", "quantize"),
        (lambda: link(pb.ConnType.One2One, 300), "paibox-weights", "scale"),
        (lambda: link("One2One", 1), "paibox-end", "ConnType"),
        (lambda: pb.NoDecay(pb.IF(3, 1), pb.InputProj(1, 3)), "paibox-end", "neurons"),
        (lambda: pb.Probe(pb.IF(3, 1), "spikes"), "paibox-probe", "spike"),
        (lambda: pb.Probe(3, "spike"), "paibox-probe", "neurons"),
        (lambda: pb.Simulator(pb.IF(3, 1)), "paibox-end", "Network"),
        (lambda: pb.Simulator(pb.InputProj(1, 3)).run(0), "paibox-number", "duration"),
        (lambda: pb.Simulator(pb.InputProj([1, 2], 3)).run(1), "paibox-shape", "agree"),
        (lambda: pb.Simulator(pb.InputProj(0.5, 3)).run(1), "paibox-input", "encode"),
        (lambda: pb.Network(pb.IF(3, 1)), "paibox-end", "attributes"),
        (lambda: pb.Network(nme="x"), "unknown-keyword", "name"),
        (lambda: pb.Network("x"), "paibox-end", "attributes"),
        (lambda: link(pb.ConnType.One2One, [[1], [1, 2]]), "paibox-number", "rows"),
        (lambda: link(pb.ConnType.One2One, "1"), "paibox-number", "array"),
        (lambda: pb.InputProj([[1], [1, 2]], 3), "paibox-number", "rows"),
        (lambda: pb.Simulator(pb.InputProj(np.nan, 3)).run(1), "paibox-input", "encode"),
        (lambda: pb.Simulator(pb.InputProj(1, 3)).add_probe(3), "paibox-probe", "part"),
        (lambda: pb.Simulator(pb.InputProj(1, 3)).remove_probe(3), "paibox-probe", "add_probe"),
        (lambda: pb.simulator.PoissonEncoder(seed=-1), "paibox-number", "seed"),
        (lambda: pb.simulator.PoissonEncoder()([np.nan]), "paibox-input", "0..1"),
        (lambda: pb.simulator.PeriodicEncoder(np.zeros((0, 3))), "paibox-input", "(T, ...)"),
    ],
)
def test_wrong_calls_say_what_to_do(make, code, word):
    with pytest.raises(SnncError) as caught:
        make()
    assert code == caught.value.code
    assert word in caught.value.diagnostics[0].help


def link(kind, weights, size=3):
    return pb.NoDecay(pb.IF(3, 1), pb.IF(size, 1), weights, kind)


def test_a_numpy_reset_is_a_reset():
    assert "hard" == pb.IF(3, 1, reset_v=np.int64(0)).population.reset
    assert "soft" == pb.IF(3, np.int32(1)).population.reset


def test_an_error_points_at_the_users_line():
    with pytest.raises(SnncError) as caught:
        pb.IF(3, 1.5)
    assert caught.value.diagnostics[0].loc.file.endswith("test_guide.py")


def test_two_parts_with_one_name_are_refused():
    network = pb.Network()
    network.a, network.b = pb.IF(2, 1, name="x"), pb.IF(2, 1, name="x")
    with pytest.raises(SnncError) as caught:
        network.parts()
    assert "duplicate-name" == caught.value.code
