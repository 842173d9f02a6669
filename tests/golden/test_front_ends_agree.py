"""The language and the reading of PAIBox agree on every operator; PAICORE does what they say."""

import numpy as np
import pytest

import snnc
import snnc.frontends.paibox.guide as guide
from snnc.frontends.paibox import links
from snnc.frontends.paibox.modules import FunctionalModule, Operand, lower
from snnc.frontends.paibox.network import Input, Network, Synapse
from snnc.frontends.paibox.presets import neuron
from snnc.frontends.paibox.translate import translate
from snnc.runtime.reference import Reference

MATRIX = np.arange(-12, 12, dtype=np.int8).reshape(6, 4)
KERNEL = np.resize(np.arange(-5, 6, dtype=np.int8), (3, 2, 3, 3))

MODULES = [
    ("bitwise_and(a, b)", "BitwiseAND", (2, 6), {}),
    ("bitwise_or(a, b)", "BitwiseOR", (2, 6), {}),
    ("bitwise_xor(a, b)", "BitwiseXOR", (2, 6), {}),
    ("bitwise_not(a)", "BitwiseNOT", (2, 6), {}),
    ("spiking_add(a, b)", "SpikingAdd", (2, 6), {}),
    (
        "spiking_add(a, b, factor_a=3, factor_b=127, threshold=99, reset_v=2)",
        "SpikingAdd",
        (2, 6),
        {"factor_a": 3, "factor_b": 127, "pos_thres": 99, "reset_v": 2},
    ),
    ("spiking_sub(a, b)", "SpikingSub", (2, 6), {}),
    ("spiking_max_pool1d(a, 3)", "SpikingMaxPool1d", (2, 8), {"kernel_size": 3}),
    (
        "spiking_max_pool2d(a, 2, stride=1, padding=1)",
        "SpikingMaxPool2d",
        (2, 6, 6),
        {"kernel_size": 2, "stride": 1, "padding": 1},
    ),
    (
        "spiking_avg_pool1d(a, 3, stride=2)",
        "SpikingAvgPool1d",
        (2, 8),
        {"kernel_size": 3, "stride": 2},
    ),
    (
        "spiking_avg_pool2d(a, 3, padding=1, threshold=4)",
        "SpikingAvgPool2d",
        (2, 6, 6),
        {"kernel_size": 3, "padding": 1, "threshold": 4},
    ),
    (
        "spiking_avg_pool1d_v(a, 3, 2)",
        "SpikingAvgPool1dWithV",
        (2, 8),
        {"kernel_size": 3, "threshold": 2},
    ),
    (
        "spiking_avg_pool2d_v(a, 2, 7, stride=1)",
        "SpikingAvgPool2dWithV",
        (2, 6, 6),
        {"kernel_size": 2, "stride": 1, "threshold": 7},
    ),
]

NEURONS = [
    ("IF(threshold=5)", "IF", {"threshold": 5}),
    (
        "IF(threshold=5, reset_v=-2, neg_threshold=-9)",
        "IF",
        {"threshold": 5, "reset_v": -2, "neg_threshold": -9},
    ),
    (
        "LIF(threshold=7, reset_v=1, leak_v=-1, bias=[3, -2], neg_threshold=0)",
        "LIF",
        {
            "threshold": 7,
            "reset_v": 1,
            "leak_v": -1,
            "bias": np.array([3, -2]),
            "neg_threshold": 0,
        },
    ),
    ("TonicSpiking(fire_step=4)", "TonicSpiking", {"fire_step": 4}),
    (
        "PhasicSpiking(fire_step=3, neg_floor=-5)",
        "PhasicSpiking",
        {"fire_step": 3, "neg_floor": -5},
    ),
    ("Bypass()", "BypassNeuron", {}),
    ("StoreVoltage(leak_v=-1, bias=3)", "StoreVoltageNeuron", {"leak_v": -1, "bias": 3}),
]

SYNAPSES = [
    ("all2all(x, 3, n=8)", links.Dense(np.asarray(3, np.int8)), (6,)),
    ("all2all(x, w.matrix)", links.Dense(np.tile(MATRIX, 2)), (6,)),
    ("one2one(x, -2)", links.Diagonal(np.asarray(-2, np.int8)), (8,)),
    ("matconn(x, w.matrix)", links.rows(MATRIX, (2, 6)), (2, 6)),
    ("matconn(x, w.matrix)", links.rows(MATRIX, (6, 2)), (6, 2)),
    ("conv2d(x, w.kernel, padding=1)", links.Convolution(KERNEL, (1, 1), (1, 1)), (2, 4, 4)),
    (
        "conv_transpose2d(x, w.turned, stride=2, output_padding=1)",
        links.Transposed(KERNEL, (2, 2), (0, 0), (1, 1)),
        (2, 4, 4),
    ),
]


def language(tmp_path, body, **shapes):
    arrays = {"matrix": MATRIX, "kernel": KERNEL, "turned": np.swapaxes(KERNEL, 0, 1)}
    if "all2all" in body:
        arrays["matrix"] = np.tile(MATRIX, 2)
    np.savez(tmp_path / "w.npz", **{k: np.ascontiguousarray(v) for k, v in arrays.items()})
    inputs = "".join(f"input {n}: u1[{', '.join(map(str, s))}]~\n" for n, s in shapes.items())
    text = f'weights "w.npz" as w\nnetwork main {{\n{inputs}n = {body}\nreturn n\n}}'
    (tmp_path / "net.snnl").write_text(text)
    return snnc.load(tmp_path / "net.snnl")


def agree(one, other, high=2):
    """Check that two networks fire alike, and that the files of both do what they say."""
    rng = np.random.default_rng(4)
    x = {
        v.name: rng.integers(0, high, (2, 25, *v.type.shape)).astype(np.uint8)
        for v in other.graph.inputs
    }
    expected, actual = (Reference().prepare(m).run(x, probe=("n", "n.v")) for m in (other, one))
    for name, array in expected.trace.items():
        assert np.array_equal(array, actual.trace[name].reshape(array.shape)), name
    for module in (one, other):
        assert snnc.compile(module, "paicore").verify(x).equal


@pytest.mark.parametrize(("body", "kind", "shape", "args"), MODULES, ids=lambda v: str(v)[:24])
def test_modules(body, kind, shape, args, tmp_path):
    names = "ab" if "b)" in body or ", b" in body else "a"
    made = lower(FunctionalModule(kind, "n", tuple(Operand(n, shape) for n in names), args))
    inputs = tuple(Input(n, shape) for n in names)
    described = Network("net", inputs, made.populations, made.synapses)
    agree(language(tmp_path, body, **dict.fromkeys(names, shape)), translate(described))


def connected(shape, link, part):
    synapse = Synapse("s", "x", "n", link)
    return translate(Network("net", (Input("x", shape),), (part,), (synapse,)))


@pytest.mark.parametrize(("body", "kind", "args"), NEURONS, ids=lambda v: str(v)[:24])
def test_neurons(body, kind, args, tmp_path):
    shape, link = (2, 4), links.Diagonal(np.resize(np.arange(-4, 8, dtype=np.int8), 8))
    given = language(tmp_path, "x |> one2one([[-4, -3, -2, -1], [0, 1, 2, 3]]) |> " + body, x=shape)
    agree(given, connected(shape, link, neuron(kind, "n", shape, args)))


@pytest.mark.parametrize(("body", "link", "shape"), SYNAPSES, ids=lambda v: str(v)[:24])
def test_synapses(body, link, shape, tmp_path):
    given = language(tmp_path, f"{body} |> IF(threshold=9, reset_v=0)", x=shape)
    size = next(v.type.shape for v in given.graph.outputs)
    args = {"threshold": 9, "reset_v": 0}
    agree(given, connected(shape, link, neuron("IF", "n", size, args)))


@pytest.mark.parametrize("cut", [0, 7, 9, 29])
def test_values(cut, tmp_path):
    """Bytes in, bytes out: the language's `ANN` and PAIBox's `Linear`."""
    given = language(tmp_path, f"x |> all2all(w.matrix) |> ANN(bias=50, bit_trunc={cut})", x=(6,))
    text = (tmp_path / "net.snnl").read_text().replace("u1[6]", "u8[6]")
    (tmp_path / "net.snnl").write_text(text)
    given = snnc.load(tmp_path / "net.snnl")
    args = {"out_features": 8, "weights": np.tile(MATRIX, 2), "bias": 50, "bit_trunc": cut}
    made = lower(FunctionalModule("Linear", "n", (Operand("x", (6,)),), args))
    described = Network("net", (Input("x", (6,)),), made.populations, made.synapses)
    agree(given, translate(described), high=256)


GUIDE = [
    ("IF", {"threshold": 40, "reset_v": 0}),
    ("IF", {"threshold": 40}),
    ("LIF", {"threshold": 30, "reset_v": -4, "leaky_v": -3}),
    ("TonicSpiking", {"fire_step": 50}),
    ("PhasicSpiking", {"time_to_fire": 60, "neg_floor": 9}),
]
WEIGHTS = ("random", "largest", "smallest")


def drawn(way, *size):
    rng = np.random.default_rng(5)
    found = {"random": rng.integers(-128, 128, size), "largest": np.full(size, 127)}
    return found.get(way, np.full(size, -128)).astype(np.int8)


CONNECTIONS = ("All2All", "MatConn", "One2One", "BYPASS")


@pytest.mark.parametrize("link", CONNECTIONS)
@pytest.mark.parametrize(("kind", "args"), GUIDE, ids=lambda v: str(v)[:24])
def test_the_guides_simulator_does_what_its_files_do(kind, args, link):
    """300 steps of every neuron and connection of the guide: simulated, compiled, emulated."""
    way = WEIGHTS[(CONNECTIONS.index(link) + args.get("threshold", 2)) % 3]
    network = guide.Network()
    x = np.random.default_rng(6).integers(0, 2, (300, 6)).astype(np.uint8)
    x[100:150], x[200:260] = 1, 0
    network.i = guide.InputProj(guide.simulator.PeriodicEncoder(x), shape_out=(6,))
    network.a = getattr(guide.neuron, kind)(6, delay=3, **args)
    network.n = guide.neuron.IF(6, threshold=1, tick_wait_start=2, tick_wait_end=200)
    joins = guide.synapses.ConnType
    size = {"One2One": (6,), "BYPASS": ()}.get(link, (6, 6))
    given = {} if link == "BYPASS" else {"weights": drawn(way, *size)}
    network.s = guide.synapses.NoDecay(network.i, network.a, conn_type=joins[link], **given)
    network.t = guide.synapses.NoDecay(network.a, network.n, conn_type=joins.BYPASS)
    probes = {p: guide.simulator.Probe(network.n, p) for p in ("spike", "voltage")}
    simulator = guide.Simulator(network)
    for probe in probes.values():
        simulator.add_probe(probe)
    simulator.run(300)
    build = snnc.compile(network, "paicore")
    assert build.verify({"i": x[None]}).equal
    ran = build.run({"i": x[None]}, probe=("n", "n.v"))
    for name, probe in (("n", "spike"), ("n.v", "voltage")):
        shown = np.asarray(simulator.data[probes[probe]]).reshape(300, 6)
        # The layer's tick 0 is PAIBox's step 2.
        assert np.array_equal(shown[1:], ran.trace[name][0, :299]), name
