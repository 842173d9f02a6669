"""Writing: what NIR can say is said, what was written comes back, what was changed is noticed."""

import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import assume, event, example, given, settings
from hypothesis import strategies as st

import snnc
from snnc.diagnostics import SnncError
from snnc.frontends.nir import Nir, save
from snnc.ir.build import Builder
from snnc.ir.types import I4, I8, U1
from snnc.ir.write import write
from snnc.runtime.reference import Reference


def unwritable(module, path, profile="spec", **conventions):
    with pytest.raises(SnncError) as caught:
        save(module, path, profile, **conventions)
    assert not path.exists()
    return caught.value.diagnostics[0]


def real(neuron, shape=(3,), inputs="u1[3]~"):
    b = Builder("net", "snn")
    x = b.input("x", inputs)
    return b.finish(b.op("neuron", x, name="n", **neuron))


def quantized():
    """An int module with a convolution, a loop, leaks, 4-bit weights and an encoder."""
    rng = np.random.default_rng(0)
    b = Builder("quantized", "int", {"ticks": 8})
    image = b.input("image", "f32[2, 6, 6]")
    x = b.op("poisson", image, name="spikes", seed=3)
    w = b.weight("conv.w", rng.integers(-8, 8, (3, 2, 3, 3)), I4)
    a = b.op("conv2d", x, w, b.weight("conv.b", np.array([1, -1, 0]), I8), padding=(1, 1))
    n = b.op("neuron", a, name="a", threshold=5, leak=-1, negative=0)
    p = b.op("sum_pool2d", n, kernel=(2, 2))
    flat = b.op("reshape", p, shape=(27,))
    later = b.forward("c", "u1[5]~")
    back = b.op("delay", later, name="back")
    r = b.weight("r.w", rng.integers(-2, 3, (5, 5)), I8)
    fc = b.op("linear", flat, b.weight("fc.w", rng.integers(-100, 100, (5, 27)), I8))
    total = b.op("add", fc, b.op("linear", back, r))
    thresholds = b.weight("c.threshold", np.array([30, 40, 50, 60, 70]))
    c = b.op("neuron", total, name="c", threshold=thresholds, reset="hard", reset_to=-2)
    b.bind(later, c)
    return b.finish(c)


def test_a_quantized_module_comes_back_identically(tmp_path):
    module, path = quantized(), tmp_path / "q.nir"
    save(module, path)
    assert write(module) == write(Nir().read(path, {}))


def test_weights_stay_in_their_dtype_and_stand_once(tmp_path):
    save(quantized(), tmp_path / "q.nir")
    with h5py.File(tmp_path / "q.nir") as file:
        assert "int8" == file["node/nodes/linear/weight"].dtype
        assert ["dt", "options", "places", "profile", "schema", "text"] == sorted(
            file["node/metadata/snnc"]
        )


def test_what_nir_cannot_say_of_a_neuron_stands_in_its_metadata(tmp_path):
    save(quantized(), tmp_path / "q.nir")
    with h5py.File(tmp_path / "q.nir") as file:
        node = file["node/nodes/a"]
        assert ("IF", 4.0) == (node["type"][()].decode(), node["v_threshold"][0, 0, 0])
        assert "reset = soft, leak = -1, negative = 0" == node["metadata/snnc"][()].decode()
        assert "metadata" not in file["node/nodes/c"]


def test_equal_modules_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        save(quantized(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_an_example_goes_through_nir(network, tmp_path, request):
    examples = request.config.rootpath / "examples" / "mnist"
    module = snnc.load(examples / f"{network}.snnl")
    path = tmp_path / "net.nir"
    refused = unwritable(module, path)
    assert "reset = soft" in refused.message
    save(module, path, reset="soft", compare="ge")
    assert write(module) == write(snnc.load(path))
    save(snnc.run_pipeline(module, "@int"), path)
    assert "int" == snnc.load(path).level


def both(module, tmp_path, run, profile="spec", **conventions):
    """Spikes of a module and of its nodes read without the metadata, on random input."""
    path = tmp_path / "net.nir"
    save(module, path, profile, **conventions)
    again = Nir().read(path, {"profile": profile, "input": "f32", "dt": 1e-4, **conventions})
    x = np.random.default_rng(1).integers(0, 2, (60, 3)).astype(float)
    return run(module, x).tolist(), run(again, x).tolist(), again


@pytest.mark.parametrize(
    "neuron",
    [
        {"compare": "gt", "reset": "hard"},
        {"compare": "gt", "reset": "hard", "reset_to": -0.3, "gain": 0.7},
        {"compare": "gt", "reset": "hard", "decay": 0.9, "leak_to": 0.1, "threshold": 1.7},
        {"compare": "ge", "reset": "hard", "threshold": 2.0},
        {"compare": "gt", "reset": "none", "decay": 0.0, "threshold": 0.5},
        {
            "compare": "gt",
            "reset": "hard",
            "filter": "before",
            "filter_decay": 0.6,
            "decay": 0.85,
            "gain": 0.3,
        },
    ],
)
def test_the_nodes_alone_say_what_the_module_does(neuron, tmp_path, run):
    wanted, found, _ = both(real(neuron), tmp_path, run)
    assert 0 < sum(map(sum, wanted)) < 180
    assert wanted == found


def test_firing_at_the_threshold_is_said_by_the_number_below(tmp_path, run):
    module = real({"compare": "ge", "reset": "hard", "threshold": 2.0})
    op = both(module, tmp_path, run)[2].graph.ops[0]
    assert ("gt", np.nextafter(np.float32(2), np.float32(0))) == (
        op["compare"],
        np.float32(op["threshold"]),
    )


def test_a_profile_says_what_its_producer_means(tmp_path, run):
    module = real({"compare": "gt", "decay": 0.9, "reset_time": "after"})
    wanted, found, _ = both(module, tmp_path, run, "snntorch")
    assert 0 < sum(map(sum, wanted)) < 180
    assert wanted == found
    refused = unwritable(module, tmp_path / "no.nir")
    assert "reset_time = after" in refused.message
    assert "snntorch" in refused.help


NO_FORM = {
    "floor": {"floor": -1.0, "compare": "gt", "reset": "hard"},
    "leak": {"leak": 0.5, "compare": "gt", "reset": "hard"},
    "initial": {"initial": 0.5, "compare": "gt", "reset": "hard"},
    "first": {"first": 2, "compare": "gt", "reset": "hard"},
    "max_count": {"spike": "count", "max_count": 3},
    "reset_by": {"reset_by": 0.5},
    "leak_to": {"leak_to": 1.0, "compare": "gt", "reset": "hard"},
    "filter": {"filter": "whole", "filter_decay": 0.5, "decay": 0.5, "compare": "gt"},
}


@pytest.mark.parametrize("name", NO_FORM)
def test_a_neuron_beyond_nir_is_refused_by_name(name, tmp_path):
    found = unwritable(real(NO_FORM[name]), tmp_path / "no.nir")
    assert ("nir-unwritable", True) == (found.code, name in found.message)


def built(make, type="f32[2, 4, 4]~"):
    b = Builder("net", "snn")
    x = b.input("x", type)
    return b.finish(make(b, x))


OPS = {
    "max_pool": lambda b, x: b.op("max_pool2d", x, kernel=(2, 2)),
    "concat": lambda b, x: b.op("concat", x, x),
    "relu": lambda b, x: b.op("relu", x),
    "sub": lambda b, x: b.op("sub", x, b.op("relu", x)),
    "split": lambda b, x: b.op("reshape", x, shape=(4, 2, 4)),
    "twice": lambda b, x: b.op("add", x, x),
    "rows": lambda b, x: b.op("linear", x, b.weight("w", np.ones((3, 4), np.float32))),
    "uneven": lambda b, x: b.op("sum_pool2d", x, kernel=(2, 2), padding=(0, 0, 1, 1)),
    "dilated": lambda b, x: b.op("sum_pool2d", x, kernel=(2, 2), dilation=(2, 2)),
    "mean": lambda b, x: b.op("avg_pool2d", x, kernel=(2, 2), padding=(1, 1)),
    "norm": lambda b, x: b.op(
        "batch_norm", x, *(b.weight(n, np.ones(2, np.float32)) for n in "abcd")
    ),
}


@pytest.mark.parametrize("name", OPS)
def test_an_op_without_a_node_is_refused(name, tmp_path):
    assert "nir-unwritable" == unwritable(built(OPS[name]), tmp_path / "no.nir").code


WRITTEN = {
    "scale per channel": lambda b, x: b.op("scale", x, b.weight("s", np.array([2, 3], np.float32))),
    "scale of one": lambda b, x: b.op("scale", x, b.weight("s", np.float32(2))),
    "flatten": lambda b, x: b.op("reshape", x, shape=(8, 4)),
    "same": lambda b, x: b.op(
        "conv2d", x, b.weight("w", np.ones((1, 2, 2, 4), np.float32)), padding=(0, 1, 1, 2)
    ),
    "sum": lambda b, x: b.op("add", x, b.op("avg_pool2d", x, kernel=(1, 1))),
    "masked": lambda b, x: b.op(
        "masked_linear",
        b.op("reshape", x, shape=(32,)),
        b.weight("w", np.arange(64, dtype=np.float32).reshape(2, 32)),
        b.weight("m", np.tile(np.array([[0], [1]], np.uint8), (1, 32)), U1),
    ),
    "delay": lambda b, x: b.op("delay", x, by=3),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_an_op_with_a_node_is_read_the_same_without_metadata(name, tmp_path, run):
    module, path = built(WRITTEN[name]), tmp_path / "net.nir"
    save(module, path)
    again = Nir().read(path, {"profile": "spec", "dt": 1e-4, "input": "f32"})
    x = np.random.default_rng(2).integers(-3, 4, (5, 2, 4, 4))
    assert run(module, x).tolist() == run(again, x).tolist()
    assert write(module) == write(Nir().read(path, {}))


def changed(path, change):
    with h5py.File(path, "r+") as file:
        change(file["node"])
    with pytest.raises(SnncError) as caught:
        Nir().read(path, {})
    return caught.value.diagnostics[0]


def overwrite(name, key, value):
    def change(node):
        del node[f"{name}/{key}"]
        node[f"{name}/{key}"] = value

    return change


CHANGES = {
    "a threshold": overwrite("nodes/a", "v_threshold", np.full((3, 6, 6), 9.0)),
    "a weight": overwrite("nodes/linear", "weight", np.zeros((5, 27), np.int8)),
    "a bias": overwrite("nodes/conv2d", "bias", np.zeros(3, np.int8)),
    "a type": overwrite("nodes/a", "type", "LIF"),
    "an edge": overwrite(".", "edges", np.array([["spikes", "conv2d"]], dtype="S10")),
    "a node": lambda node: node.__delitem__("nodes/back"),
    "the text": overwrite("metadata/snnc", "text", "module"),
    "the schema": overwrite("metadata/snnc", "schema", "2"),
    "the places": overwrite("metadata/snnc", "places", "[1]"),
    "the options": overwrite("metadata/snnc", "options", "{"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_graph_that_was_changed_is_not_half_read(name, tmp_path):
    path = tmp_path / "q.nir"
    save(quantized(), path)
    found = changed(path, CHANGES[name])
    assert found.code in ("nir-changed", "nir-field", "nir-edge")
    assert found.loc.known


def test_a_file_of_ours_takes_no_conventions_but_may_be_read_as_a_graph(tmp_path):
    path = tmp_path / "q.nir"
    save(quantized(), path)
    with pytest.raises(SnncError) as caught:
        Nir().read(path, {"dt": 1.0})
    assert "nir-profile" == caught.value.code
    assert "snn" == Nir().read(path, {"profile": "spec", "dt": 1.0}).level


def test_placed_modules_are_not_written(tmp_path):
    from attrs import evolve

    module = evolve(real({}), level="paicore")
    assert "paicore" in unwritable(module, tmp_path / "no.nir").message


def test_names_that_hdf5_cannot_hold_are_changed_in_the_graph_only(tmp_path):
    b = Builder("net", "snn")
    x = b.input("in/put", "f32[2]~")
    module = b.finish(b.op("scale", x, b.weight("s", np.ones(2, np.float32)), name="a/b"))
    save(module, tmp_path / "n.nir")
    with h5py.File(tmp_path / "n.nir") as file:
        assert ["a_b", "in_put", "output"] == sorted(file["node/nodes"])
    assert write(module) == write(Nir().read(tmp_path / "n.nir", {}))


numbers = st.floats(-2, 2, width=32)


@given(
    st.fixed_dictionaries(
        {
            "decay": st.floats(0, 1, width=32),
            "gain": numbers,
            "leak_to": numbers,
            "threshold": numbers,
            "reset_to": numbers,
            "compare": st.sampled_from(["gt", "ge"]),
            "filter": st.sampled_from(["none", "before"]),
            "filter_decay": st.floats(0, 1, width=32),
        }
    )
)
@example(
    {
        "decay": 1.0,
        "gain": 1.1754943508222875e-38,
        "leak_to": 1.0,
        "threshold": 0.0,
        "reset_to": 0.0,
        "compare": "gt",
        "filter": "none",
        "filter_decay": 0.0,
    }
)
@settings(max_examples=40, deadline=None)
def test_whatever_is_written_is_read_the_same_by_its_nodes(neuron):
    module = real({**neuron, "reset": "hard"}, inputs="f32[3]~")
    x = np.random.default_rng(4).normal(0, 1, (1, 30, 3)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.nir"
        try:
            save(module, path)
        except SnncError as error:
            event(error.code)
            assume(False)
        again = Nir().read(path, {"profile": "spec", "dt": 1e-4, "input": "f32"})
        assert write(module) == write(Nir().read(path, {}))
    found = [Reference().prepare(m).run({"x": x}).outputs["n"].tolist() for m in (module, again)]
    assert found[0] == found[1]
