"""What builds are, what is refused, and how they run."""

import json
import re

import numpy as np
import pytest
from attrs import evolve

import snnc
from snnc.diagnostics import SnncError
from snnc.ir import Builder, Module
from snnc.targets.lynxi.artifact.layout import APU, FILES, GRAPH, PARAMS, TOP, VALUES, read_files
from snnc.targets.lynxi.artifact.records import LOAD, SAVE, STATE_KEY, Binding, Node
from snnc.targets.lynxi.check import check_states
from snnc.targets.lynxi.emulate import Emulator
from tests.unit.targets.lynxi.networks import TARGET, artifact, build, emitted, small, train


def refused(function, *args, **options):
    with pytest.raises(SnncError) as found:
        function(*args, **options)
    return found.value


def code_of(function, *args, **options):
    return refused(function, *args, **options).code


@pytest.mark.parametrize(("batch", "version"), [(1, 0), (2, 1), (4, 1), (7, 1), (14, 1), (28, 1)])
def test_a_batch_above_one_is_built_as_version_one(batch, version):
    made = build(small(), batch=batch)
    assert {"batch": batch, "version": version, "profile": "f32"} == dict(made.placed.attrs)
    assert {"batch_size": batch, "n_slice": batch} == {
        k: v for k, v in json.loads((made._files / APU).read_text())["apu_x"].items()
        if k != "userload"
    }  # fmt: skip


def test_batches_and_versions_that_the_tool_chain_lacks_are_refused():
    assert "batch-size" == code_of(build, small(), batch=3)
    assert "batch-version" == code_of(build, small(), batch=7, version=0)
    assert "batch-version" == code_of(build, small(), version=2)
    assert "batch-version" == code_of(build, small(), mode="glb", version=0)


def test_states_on_the_chip_need_version_one():
    made = build(small(), mode="glb")
    assert 1 == made.placed.attrs["version"]
    assert {1} == {op["mode"] for op in made.placed.ops("annotation.load", "annotation.save")}


def test_numbers_do_not_depend_on_the_batch():
    x = {"x": train((30, 6, 6))}
    one, many = (build(small(), batch=b).run(x).outputs["digit"] for b in (1, 28))
    np.testing.assert_array_equal(one, many)


def test_states_go_on_in_a_second_run_and_are_reset_without_it():
    x, made = train((3, 10, 6)), build(small())
    whole = made.run({"x": x}, probe=("digit.v",))
    first = made.run({"x": x[:, :4]}, probe=("digit.v",))
    rest = made.run({"x": x[:, 4:]}, state=first.state, probe=("digit.v",))
    again = made.run({"x": x[:, :4]}, probe=("digit.v",))
    parts = np.concatenate([first.trace["digit.v"], rest.trace["digit.v"]], axis=1)
    np.testing.assert_array_equal(whole.trace["digit.v"], parts)
    np.testing.assert_array_equal(first.outputs["digit"], again.outputs["digit"])


def test_potentials_and_spikes_are_traced_as_the_reference_has_them():
    x, module = train((2, 9, 6)), small()
    made = build(module)
    expected = snnc.run(made.module, {"x": x}, probe=("hidden", "hidden.v"))
    actual = made.run({"x": x}, probe=("hidden", "hidden.v"))
    for name in ("hidden", "hidden.v"):
        np.testing.assert_array_equal(expected.trace[name], actual.trace[name])


@pytest.mark.parametrize("kind", ["float32", "float16", "uint8"])
def test_what_the_host_sends_has_no_influence_on_spikes(kind):
    made = build(small(), input=kind)
    assert kind == json.loads((made._files / TOP).read_text())["inputs"][0]["dtype"]
    assert made.verify({"x": train((2, 8, 6))})


def test_verification_compares_every_number_of_every_layer():
    made = build(small())
    assert {"hidden", "hidden.v", "digit", "digit.v"} <= set(made.verify().compared)


def test_verification_finds_a_potential_that_changes_no_spike():
    x, other = {"x": train((1, 4, 6))}, build(small(decay=0.8000001))
    made = build(small())
    np.testing.assert_array_equal(*(b.run(x).outputs["digit"] for b in (made, other)))
    found = made.verify(x, other.module)
    assert found.difference is not None
    assert ("hidden.v", 1) == (found.difference.name, found.difference.tick)


def test_real_inputs_are_not_sent_as_bytes():
    b = Builder("reals", "snn")
    module = b.finish(b.op("neuron", b.input("x", "f32[3]~")))
    assert "input-element" == code_of(build, module, input="uint8")
    made = build(module, input="float16")
    assert "input-range" == code_of(made.run, {"x": np.full((1, 2, 3), 0.1, np.float32)})


@pytest.mark.parametrize("lowered", [False, True])
@pytest.mark.parametrize("neuron", [{"threshold": 1e5}, {"gain": -7e4}])
def test_numbers_beyond_float16_are_refused(neuron, lowered):
    module = build(small(**neuron)).placed if lowered else small(**neuron)
    assert "weight-range" == code_of(build, module, profile="f16")


def test_weights_of_a_graph_beyond_float16_are_refused():
    b = Builder("large", "snn")
    i = b.op("linear", b.input("x", "u1[2]~"), b.weight("w", np.full((1, 2), 7e4, np.float32)))
    module = b.finish(b.op("neuron", i, threshold=1.0))
    for given in (module, build(module).placed):
        assert "weight-range" == code_of(build, given, profile="f16")


def test_a_state_of_another_program_is_refused(tmp_path):
    one, other = build(small()), build(small(reset="soft", floor=0.0))
    x = {"x": train((1, 3, 6))}
    state = Emulator(one._files).run(x).state
    assert "bad-state" == code_of(Emulator(other._files).run, x, state=state)
    assert "bad-state" == code_of(Emulator(one._files).run, {"x": train((2, 3, 6))}, state=state)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "missing-input"),
        ({"y": train((1, 2, 6))}, "unknown-input"),
        ({"x": train((1, 2, 5))}, "input-shape"),
        ({"x": np.full((1, 2, 6), 2)}, "input-range"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(given, code):
    made = build(small())
    assert code == code_of(Emulator(made._files).run, given)


def test_probes_and_ticks_that_do_not_exist_are_refused():
    made = build(small())
    emulator = Emulator(made._files)
    x = {"x": train((1, 2, 6))}
    assert "unknown-probe" == code_of(emulator.run, x, probe=("hiden",))
    assert "tick-count" == code_of(emulator.run, x, ticks=3)
    assert (1, 2, 1, 5) == emulator.run(x, probe=("14",)).trace["14"].shape


def repeated(graph, op, **changes):
    """The graph with the attributes of its first state op of a kind changed in the section."""
    index = next(b.meta for _, b in graph.of(op))
    rows = list(graph.metas[STATE_KEY])
    rows[index] = {**rows[index], **changes}
    return evolve(graph, metas={**graph.metas, STATE_KEY: tuple(rows)})


@pytest.mark.parametrize(
    ("op", "changes", "codes"),
    [
        (SAVE, {"flag": "digit.v"}, {"state-twice", "state-unsaved"}),
        (LOAD, {"flag": "hidden.v"}, {"state-twice", "state-unloaded"}),
        (SAVE, {"flag": "other"}, {"state-unsaved", "state-unloaded"}),
        (LOAD, {"mode": 2}, {"state-place"}),
        (LOAD, {"offset": 4}, {"state-place"}),
    ],
)
def test_states_without_their_pair_are_refused(op, changes, codes):
    graph = artifact(small()).graph
    assert codes == {d.code for d in check_states(repeated(graph, op, **changes)).errors}


def test_a_load_and_save_of_different_shapes_are_refused():
    graph = artifact(small()).graph
    rows = list(graph.metas[STATE_KEY])
    rows[2], rows[3] = ({**rows[i], "flag": f} for i, f in ((2, "digit.v"), (3, "hidden.v")))
    swapped = evolve(graph, metas={**graph.metas, STATE_KEY: tuple(rows)})
    assert {"state-shape"} == {d.code for d in check_states(swapped).errors}


def test_a_save_that_nothing_ties_is_refused():
    graph = artifact(small()).graph
    last = graph.result
    loose = evolve(last, args=last.args[:-1])
    cut = evolve(graph, bindings=(*graph.bindings[:-1], loose))
    assert {"state-dropped"} == {d.code for d in check_states(cut).errors}


def test_an_op_without_a_kernel_is_refused():
    made = artifact(small())
    type = made.graph.bindings[0].type
    odd = Binding("nn.gelu", (Node(0),), type)
    bindings = (*made.graph.bindings[:1], odd, *made.graph.bindings[2:])
    graph = evolve(made.graph, bindings=bindings, metas={})
    assert "op-unknown" == code_of(
        Emulator.of, evolve(made, graph=evolve(graph, bindings=(bindings[0], odd)))
    )


def test_a_printed_type_that_does_not_follow_is_refused(tmp_path):
    folder = emitted(small(), tmp_path)
    path = folder / GRAPH
    line = next(t for t in path.read_text().splitlines() if "divide(" in t)
    text = path.read_text().replace(
        line, line.replace("(1, 3), float32] */;", "(1, 2), float32] */;")
    )
    path.write_text(text)
    for read in (TARGET.load, Emulator):
        assert f"{path}: error[graph-type]" in str(refused(read, folder))


def test_states_that_are_not_a_pair_are_told_with_their_file(tmp_path):
    path = emitted(small(), tmp_path) / GRAPH
    rows = path.read_text()
    path.write_text(re.sub(r'("mode": )0', r"\g<1>2", rows, count=1))
    for read in (TARGET.load, Emulator):
        assert f"{path}: error[state-place]" in str(refused(read, tmp_path))


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_lacks_is_named(name, tmp_path):
    folder = emitted(small(), tmp_path)
    (folder / name).unlink()
    wanted = "weights-missing" if name == VALUES else "artifact-missing"
    assert wanted == code_of(read_files, folder)


@pytest.mark.parametrize("name", [TOP, PARAMS, APU])
def test_a_table_that_was_edited_is_refused(name, tmp_path):
    folder = emitted(small(), tmp_path)
    (folder / name).write_text("{}")
    assert "artifact-malformed" == code_of(read_files, folder)
    (folder / name).write_text("[1")
    assert "artifact-malformed" == code_of(read_files, folder)


def test_tables_that_do_not_say_the_graph_are_refused(tmp_path):
    folder = emitted(small(), tmp_path)
    top = json.loads((folder / TOP).read_text())
    top["states"][0]["addr"] = 4
    (folder / TOP).write_text(json.dumps(top))
    assert "artifact-malformed" == code_of(read_files, folder)


def test_what_the_target_does_not_take_is_refused_with_a_way_out():
    b = Builder("ints", "int")
    integers = b.finish(b.op("neuron", b.input("x", "i32[3]~"), threshold=1))
    assert "lynxi-integers" == code_of(build, integers, pipeline="legalise,place")
    assert "lynxi-malformed" == code_of(build, small(), pipeline="place")
    assert "bias-in-sum" == code_of(build, small(), pipeline="legalise,place")
    b = Builder("plain", "snn")
    assert "output-is-input" == code_of(build, b.finish(b.input("x", "u1[3]~")))
    b = Builder("still", "snn")
    still = b.finish(b.op("linear", b.input("x", "f32[3]"), b.weight("w", np.eye(3))))
    assert "untimed-value" == code_of(build, still)
    assert "count-too-large" == code_of(build, small(spike="count", max_count=2**30))
    late = {"first": 2**24, "ticks": 9}
    assert "neuron-window" == code_of(build, small(**late))
    b = Builder("mixed", "snn")
    x, y = b.input("x", "f32[3]~"), b.input("y", "f16[3]~")
    assert "mixed-floats" == code_of(build, b.finish(b.op("neuron", x), b.op("neuron", y)))
    b = Builder("wide", "snn")
    w = b.weight("w", np.full((1, 3), 2**24 + 1, np.int32))
    assert "weight-inexact" == code_of(build, b.finish(b.op("linear", b.input("x", "u1[3]~"), w)))


def test_an_output_that_its_element_does_not_hold_is_refused():
    made = artifact(small())
    narrow = evolve(made, outputs=(evolve(made.outputs[0], type="u1[3]~"),))
    x = {"x": np.ones((1, 9, 6), np.uint8)}
    assert "output-range" == code_of(Emulator.of(narrow).run, x)


def test_a_real_output_may_be_infinite():
    b = Builder("sum", "snn")
    w = b.weight("w", np.full((1, 1), 3e38, np.float32))
    made = build(b.finish(b.op("linear", b.input("x", "f32[1]~"), w)))
    ran = Emulator(made._files).run({"x": np.full((1, 1, 1), 100, np.float32)})
    assert np.isinf(next(iter(ran.outputs.values()))).all()


@pytest.mark.parametrize(
    "options",
    [
        {"stride": (2, 2), "padding": (1, 1), "output_padding": (1, 0)},
        {"stride": (3, 3), "padding": (2, 1), "output_padding": (2, 0), "groups": 2},
        {"stride": (2, 2), "dilation": (2, 2), "output_padding": (1, 0)},
        {"padding": (2, 0)},
    ],
)
def test_transposed_convolutions_are_exact(options):
    rng = np.random.default_rng(6)
    b = Builder("turned", "snn")
    w = b.weight("w", rng.normal(size=(4, 3, 3, 2)).astype(np.float32))
    bias = b.weight("b", rng.normal(size=3 * options.get("groups", 1)).astype(np.float32))
    c = b.op("conv_transpose2d", b.input("x", "u1[4, 5, 6]~"), w, bias, **options)
    assert build(b.finish(b.op("neuron", c, threshold=0.5)), check=True).verify()


def test_a_build_says_what_it_takes_of_the_chip():
    made = build(small(), batch=4)
    found = made.manifest["resources"]
    assert (2, 8, 4 * 8 * 4) == (found["states"], found["state_values"], found["state_bytes"])
    assert found["parameter_bytes"] + 128 == found["memory_bytes"]
    assert ["numbers", "states"] == [r.partition(":")[0] for r in made.manifest["relies_on"]]
    assert {"digit": 0} == made.manifest["latency"]


def numbered() -> Module:
    """Return layers that are called 1 to 4, as those of torch.nn.Sequential are."""
    b = Builder("numbered", "snn")
    x = b.input("0", "u1[6]~")
    w = [np.random.default_rng(3).normal(size=s).astype(np.float32) for s in ((5, 6), (3, 5))]
    i = b.op("linear", x, b.weight("1.weight", w[0]), name="1")
    s = b.op("neuron", i, name="2", threshold=0.4)
    j = b.op("linear", s, b.weight("3.weight", w[1]), name="3")
    return b.finish(b.op("neuron", j, name="4", threshold=0.4))


@pytest.mark.parametrize("engine", ["auto", "emulator"])
def test_values_that_are_called_by_numbers_are_not_taken_for_bindings(tmp_path, engine):
    module, inputs = numbered(), {"0": train((2, 9, 6))}
    folder = build(module).save(tmp_path / "out")
    names = ("1", "2", "2.v", "3", "4.v", "4")
    expected = snnc.run(module, inputs, probe=names, engine="reference")
    actual = snnc.run(folder, inputs, probe=names, engine=engine)
    for name in names:
        np.testing.assert_array_equal(expected.trace[name], actual.trace[name], name)
    np.testing.assert_array_equal(expected.outputs["4"], actual.outputs["4"])
    assert set(names) - {"4"} == set(snnc.run(folder, inputs, probe="all", engine=engine).trace)


def test_a_graph_with_such_names_is_read_back(tmp_path):
    made = build(numbered())
    assert str(made.placed) == str(TARGET.load(made._files))
    assert snnc.compile(made.placed, target="lynxi").verify({"0": train((2, 9, 6))})


def test_a_type_that_does_not_follow_from_its_operands_is_refused_before_a_run(tmp_path):
    folder = emitted(small(), tmp_path)
    text = (folder / GRAPH).read_text()
    right = "newshape=[1, 5]) /* ty=Tensor[(1, 5)"
    (folder / GRAPH).write_text(text.replace(right, right.replace("[(1", "[(5"), 1))
    assert "graph-type" == code_of(Emulator, folder)
