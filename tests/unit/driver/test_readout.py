"""What a network computes of its last spikes stays on the host where a chip sends spikes alone."""

import numpy as np
import pytest

import snnc
from snnc.diagnostics import Diagnostics, SnncError
from snnc.driver.readout import parted
from snnc.ir import Builder
from snnc.targets.dynapcnn import Dynapcnn
from snnc.targets.lynxi import Lynxi
from snnc.targets.paicore import Paicore

RNG = np.random.default_rng(3)
LAST = RNG.normal(size=(3, 5)).astype(np.float32)


def spiking(b):
    """Return the spikes of a layer of five neurons with whole numbers as weights."""
    w = np.random.default_rng(1).integers(-3, 5, (5, 6)).astype(np.float32)
    return b.op("neuron", b.op("linear", b.input("x", "u1[6]~"), b.weight("w", w)), name="h")


def linear(b):
    return b.op("linear", spiking(b), b.weight("last", LAST), name="y")


def leaky(b):
    """Return the potential of neurons that never fire, whose state goes from tick to tick."""
    attrs = {"decay": 0.5, "reset": "none", "potential": True}
    return b.emit("neuron", (linear(b),), attrs, names=("li", "li.v")).results[1]


def network(make, **attrs):
    b = Builder("net", "snn", attrs)
    made = make(b)
    return b.finish(*made) if isinstance(made, tuple) else b.finish(made)


X = RNG.integers(0, 2, (4, 12, 6)).astype(np.uint8)


@pytest.mark.parametrize("make", [linear, leaky])
def test_real_outputs_are_those_of_the_network(make, tmp_path):
    module, said = network(make), Diagnostics()
    build = snnc.compile(module, "paicore", diagnostics=said)
    name = module.graph.outputs[0].name
    expected = snnc.run(module, X).outputs[name]
    assert np.array_equal(expected, build.run(X).outputs[name])
    assert np.array_equal(expected, build.run(X, engine="emulator").outputs[name])
    again = snnc.Build.open(build.save(tmp_path / "out"))
    assert [name] == list(again.run(X).outputs)
    assert np.array_equal(expected, again.run(X).outputs[name])
    assert again.verify(X)
    assert again.verify(X, against=module)
    assert ["host-reads-out"] == [item.code for item in said.items]


def test_events_of_dynapcnn_are_read_out():
    module = network(leaky)
    build = snnc.compile(module, "dynapcnn", scale="fine")
    ran = build.run(X, probe=["h"])
    behind = parted(module, build.target)[1]
    expected = snnc.run(behind, {"h": ran.trace["h"].astype(np.uint8)}).outputs["li.v"]
    assert np.array_equal(expected, ran.outputs["li.v"])
    assert build.verify(X)


def test_state_behind_the_cut_goes_on():
    build = snnc.compile(network(leaky), "paicore")
    whole = build.run(X).outputs["li.v"]
    first = build.run(X[:, :5])
    second = build.run(X[:, 5:], state=first.state)
    assert np.array_equal(whole[:, 5:], second.outputs["li.v"])
    assert np.abs(whole).max() > 0


def test_spikes_and_real_numbers_keep_their_order():
    def both(b):
        y = linear(b)
        h = next(op.result for op in b.ops if op.kind == "neuron")
        return y, h

    module = network(both)
    build = snnc.compile(module, "paicore")
    ran = build.run(X, probe=["h"])
    assert ["y", "h"] == list(ran.outputs)
    assert np.array_equal(snnc.run(module, X).outputs["h"], ran.outputs["h"])
    assert ran.outputs["h"].any()


def test_an_engine_that_is_named_runs_the_program_and_what_the_host_does(tmp_path):
    folder = snnc.compile(network(leaky), "paicore").save(tmp_path / "out")
    whole = snnc.run(folder, X, engine="numpy")
    assert np.array_equal(snnc.run(folder, X).outputs["li.v"], whole.outputs["li.v"])
    first = snnc.run(folder, X[:, :5], engine="numpy")
    second = snnc.run(folder, X[:, 5:], engine="numpy", state=first.state)
    assert np.array_equal(whole.outputs["li.v"][:, 5:], second.outputs["li.v"])


def test_spikes_that_only_the_host_reads_are_shown_when_they_are_asked_for():
    build = snnc.compile(network(linear), "paicore")
    assert "h" not in build.run(X).trace
    assert np.array_equal(
        build.run(X, probe=["h"]).trace["h"], build.run(X, probe=["all"]).trace["h"]
    )


def test_the_manifest_and_the_readme_say_what_the_host_does(tmp_path):
    build = snnc.compile(network(leaky), "paicore")
    expected = {"file": "host.snn", "reads": ["h"], "ops": "linear, neuron"}
    expected |= {"makes": ["li.v"], "returns": ["li.v"]}
    assert expected == build.manifest["host"]
    assert {"li.v": {"type": "f32[3]~"}} == build.manifest["outputs"]
    assert ["li.v"] == list(build.manifest["latency"])
    folder = build.save(tmp_path / "out")
    assert "`li.v` the host computes of it, by `host.snn`" in (folder / "README.md").read_text()


def test_quantization_leaves_the_weights_behind_the_cut_alone():
    build = snnc.compile(network(linear), "paicore", bits=4)
    hidden = build.run(X, probe=["h"]).trace["h"].astype(np.float64)
    assert np.allclose(hidden @ LAST.T, build.run(X).outputs["y"], atol=1e-5)


def test_labels_say_nothing_of_spikes_that_the_host_reads():
    module = network(linear)
    data = {"x": X, "labels": np.zeros(4, np.int64)}
    build = snnc.compile(module, "paicore", calibrate=data)
    assert "accuracy" not in build.manifest["report"]["quantize"]
    with pytest.raises(SnncError) as caught:
        snnc.compile(module, "paicore", calibrate=data, passes={"quantize": {"drop": 0.1}})
    assert "no-answer" == caught.value.code


def test_a_build_is_kept_only_for_the_same_part_on_the_host(tmp_path):
    folder = snnc.compile(network(linear), "paicore").save(tmp_path / "out")
    assert folder == snnc.compile(network(linear), "paicore", reuse=folder).folder
    other = network(lambda b: b.op("scale", linear(b), b.weight("two", np.float32(2)), name="z"))
    assert snnc.compile(other, "paicore", reuse=folder).folder is None


def test_frames_that_came_back_are_read_out():
    build = snnc.compile(network(linear), "paicore")
    sent = {"h": snnc.run(network(linear), X, probe=["h"]).trace["h"]}
    assert np.array_equal(build.run(X).outputs["y"], build.read_out(sent)[0]["y"])
    part = {"x": X[:1]}
    words = build.encode(part)
    assert words.size
    assert not build.decode(np.zeros(0, np.uint64), 3)["y"].any()


def fires_and_shows(b):
    attrs = {"potential": True}
    x = b.op("linear", b.input("x", "u1[6]~"), b.weight("w", np.ones((2, 6), np.float32)))
    return b.emit("neuron", (x,), attrs, names=("s", "s.v")).results


def of_the_input(b):
    return b.op("linear", b.input("x", "u1[6]~"), b.weight("w", np.ones((2, 6), np.float32)))


def mean(b):
    shaped = b.op("reshape", spiking(b), shape=(1, 1, 5))
    return b.op("avg_pool2d", shaped, kernel=(1, 5))


@pytest.mark.parametrize(
    ("make", "target", "cut"),
    [
        (linear, Paicore(), True),
        (linear, Dynapcnn(), True),
        (linear, Lynxi(), False),
        (mean, Paicore(), True),
        (mean, Dynapcnn(), False),
        (spiking, Paicore(), False),
        (fires_and_shows, Paicore(), False),
        (of_the_input, Paicore(), False),
    ],
)
def test_networks_are_cut_where_the_target_sends_spikes_alone(make, target, cut):
    module = network(make)
    front, tail = parted(module, target)
    assert cut == (tail is not None)
    assert cut or front is module
