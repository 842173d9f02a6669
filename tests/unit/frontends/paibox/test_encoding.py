"""With the option `encode` a module takes the numbers that the network's encoders encode."""

import numpy as np
import pytest

import snnc
import snnc.frontends.paibox.guide as pb
from snnc.diagnostics import UNKNOWN, SnncError
from snnc.frontends.paibox.encoding import ENCODERS, Latency, Periodic, Poisson, encoder_of


class Net(pb.Network):
    """One layer behind an encoder."""

    def __init__(self, encoder):
        super().__init__()
        self.i = pb.InputProj(encoder, shape_out=(2, 3))
        self.n = pb.IF((2, 3), 2, 0)
        self.s = pb.NoDecay(self.i, self.n, conn_type=pb.ConnType.BYPASS)
        self.probe = pb.Probe(self.n, "spike")


def test_a_module_draws_what_the_simulation_draws():
    network, chances = (
        Net(pb.simulator.PoissonEncoder(seed=5)),
        np.linspace(0, 1, 6, dtype=np.float32),
    )
    module = snnc.load(network, encode=True)
    assert "f32[2, 3]" == str(module.graph.inputs[0].type)
    network.i.input = chances
    simulator = pb.Simulator(network)
    simulator.run(20)
    given = {"i": chances.reshape(1, 2, 3)}
    ran = snnc.run(module, given, ticks=20)
    assert simulator.data[network.probe].tolist() == ran.outputs["n"][0].reshape(20, 6).tolist()
    assert snnc.compile(module, "paicore").verify()


def test_a_train_that_repeats_needs_no_input():
    train = np.eye(6, dtype=int)
    module = snnc.load(Net(pb.simulator.PeriodicEncoder(train)), encode=True)
    assert () == module.graph.inputs
    ran = snnc.run(module, {}, ticks=12)
    assert 1 == ran.outputs["n"][0, 6, 0, 0] == ran.outputs["n"].sum() / 6


def test_other_inputs_stay_trains():
    for given in (None, 1, lambda t: t):
        module = snnc.load(Net(given), encode=True)
        assert "u1[2, 3]~" == str(module.graph.inputs[0].type)
    assert "u1[2, 3]~" == str(snnc.load(Net(pb.simulator.PoissonEncoder(1))).graph.inputs[0].type)


@pytest.mark.parametrize(
    ("options", "encoder", "code"),
    [
        ({"encode": True}, pb.simulator.PoissonEncoder(), "paibox-unsupported"),
        ({"encode": "true"}, pb.simulator.PeriodicEncoder([[2] * 6]), "paibox-unsupported"),
        ({"encode": "yes"}, None, "bad-option"),
    ],
)
def test_what_cannot_be_drawn_again_is_refused(options, encoder, code):
    with pytest.raises(SnncError) as caught:
        snnc.load(Net(encoder), **options)
    assert code == caught.value.code


def stand_in(name, **attributes):
    """Return an object of an encoder's class path."""
    made = type(name, (), {"__module__": ENCODERS.rstrip(".")})()
    vars(made).update(attributes)
    return made


def test_encoders_of_paibox_are_recognized_and_their_seed_is_found():
    rng = np.random.RandomState(1234)
    found = encoder_of(stand_in("PoissonEncoder", rng=rng), "i", UNKNOWN)
    assert Poisson(1234) == found
    found = encoder_of(stand_in("LatencyEncoder", T=6, enc_func="log"), "i", UNKNOWN)
    assert Latency(6, "log") == found
    found = encoder_of(stand_in("PeriodicEncoder", spike=np.eye(3), t=0), "i", UNKNOWN)
    assert isinstance(found, Periodic)
    assert encoder_of(print, "i", UNKNOWN) is None


@pytest.mark.parametrize(
    "encoder",
    [
        stand_in("PoissonEncoder", rng=np.random.RandomState()),
        stand_in("PeriodicEncoder", spike=np.eye(3), t=2),
    ],
)
def test_encoders_that_are_not_fresh_are_refused(encoder):
    with pytest.raises(SnncError) as caught:
        encoder_of(encoder, "i", UNKNOWN)
    assert "paibox-unsupported" == caught.value.code


def test_an_encoder_that_has_drawn_is_refused():
    rng = np.random.RandomState(3)
    rng.random(1)
    with pytest.raises(SnncError, match="has drawn"):
        encoder_of(stand_in("PoissonEncoder", rng=rng), "i", UNKNOWN)
