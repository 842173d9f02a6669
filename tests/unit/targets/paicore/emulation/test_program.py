"""A build run from its files: values in the program's ticks, states, probes, refusals."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snnc.diagnostics import SnncError
from snnc.targets.paicore.emit import emit
from snnc.targets.paicore.emulation.neuron import Semantics
from snnc.targets.paicore.emulation.program import Program
from snnc.targets.paicore.options import Options
from tests.unit.targets.paicore.placed_modules import Placement, loop, reweighted, tiny, wide


@pytest.fixture
def program(tmp_path):
    def make(module, **options):
        folder = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        emit(module, folder, Options(chip=(0, 0, 0, 1)))
        return Program(folder, **options)

    return make


def spikes(*shape, rate=0.5, seed=0):
    return (np.random.default_rng(seed).random(shape) < rate).astype(np.uint8)


def soft(v, x, threshold, floor=None):
    """One tick of soft-reset neurons with a reset at minus 5, or a floor there."""
    v = v + x
    fired = v >= threshold
    after = np.where(fired, v - threshold, v)
    below = ~fired & (v < -5)
    back = -5 if floor else v + 5
    return np.where(below, back, after), fired


def expected_loop(x):
    """What `loop` means: a reads x one tick late and b two ticks late, b reads a."""
    samples, ticks, _ = x.shape
    into = np.array([[1, 1, 0, -1], [0, 1, 2, 1], [1, -1, 1, 1]]).T
    back = np.array([[1, 0, 0], [0, -3, 0], [1, 1, 1]]).T
    onto = np.array([[1, 1, 0], [-1, 2, 1], [0, 1, 1]]).T
    va = vb = np.zeros((samples, 3), dtype=int)
    a, b, pa = (np.zeros((samples, ticks, 3), dtype=int) for _ in range(3))
    for t in range(ticks):
        late = x[:, t - 1] @ into if t >= 1 else 0
        again = b[:, t - 2] @ back if t >= 2 else 0
        va, a[:, t] = soft(va, late + again, [2, 2, 2])
        pa[:, t] = va
        vb, b[:, t] = soft(vb, a[:, t] @ onto, [1, 1, 1], floor=True)
    return a, b, pa


def test_a_loop_over_two_chips_is_what_it_means(program):
    x = spikes(3, 40, 4)
    result = program(loop()).run({"x": x}, probe=("all",))
    a, b, potentials = expected_loop(x)
    assert a.any()
    assert b.any()
    np.testing.assert_array_equal(a, result.outputs["a.1"])
    np.testing.assert_array_equal(b, result.outputs["b.1"])
    np.testing.assert_array_equal(a, result.trace["a"])
    np.testing.assert_array_equal(potentials, result.trace["a.v"])
    assert ["a", "a.v", "b", "b.v"] == list(result.trace)


def test_outputs_have_the_shape_of_the_program(program):
    result = program(wide()).run({"x": spikes(2, 5, 30, 40)}, probe=("n.v",))
    assert (2, 5, 9, 20) == result.outputs["n"].shape
    assert (np.int32, (2, 5, 9, 20)) == (result.trace["n.v"].dtype, result.trace["n.v"].shape)
    assert np.uint8 == result.outputs["n"].dtype


def test_the_recorded_stimulus_gives_the_recorded_spikes(program):
    """paicore.md, section 14 B: 36, 36, 12 and 36 spikes in the first four steps."""
    i, t = np.arange(1200), np.arange(1, 5)[:, None]
    x = ((i * i + t) % 3 == 1).astype(np.uint8).reshape(1, 4, 30, 40)
    found = program(wide()).run({"x": x}).outputs["n"].sum(axis=(0, 2, 3))
    assert [36, 36, 12, 36] == found.tolist()


@pytest.mark.parametrize("make", [tiny, loop])
def test_a_run_in_pieces_is_the_run_in_one(program, make):
    run = program(make())
    size = run.system.inputs["x"].shape
    x = spikes(2, 600, *size, rate=0.7)
    whole = run.run({"x": x}, probe=("all",))
    state, pieces = None, []
    for first, last in ((0, 1), (1, 3), (3, 3), (3, 250), (250, 530), (530, 600)):
        part = run.run({"x": x[:, first:last]}, state=state, probe=("all",))
        state = part.state
        pieces.append(part)
    for name, values in {**whole.outputs, **whole.trace}.items():
        joined = [{**p.outputs, **p.trace}[name] for p in pieces]
        np.testing.assert_array_equal(values, np.concatenate(joined, axis=1), err_msg=name)
    assert all(values.any() for name, values in whole.trace.items() if name != "y")


def test_a_state_can_be_used_twice(program):
    run = program(loop())
    x = spikes(1, 30, 4)
    state = run.run({"x": x[:, :20]}).state
    twice = [run.run({"x": x[:, 20:]}, state=state).outputs["a.1"] for _ in range(2)]
    np.testing.assert_array_equal(twice[0], twice[1])
    assert not np.array_equal(twice[0], run.run({"x": x[:, 20:]}).outputs["a.1"])


def first_tick(first, **attrs):
    """One core whose program begins late; it counts the spikes of one input."""
    b = Placement("late", ticks=9)
    x = b.input("x", "u1[1]~")
    b.neurons(1, threshold=100)
    x0 = b.arrive(x, "x.0", (0, 0), first=first)
    core = b.core([[1]], x0, at=(0, 0), first=first, start=first + 1, **attrs)
    return b.finish(b.output(b.layer("y", core)))


def test_late_and_stopped_neurons_keep_their_potential(program):
    x = np.ones((1, 9, 1), dtype=np.uint8)
    run = program(first_tick(3, ticks=4))
    found = run.run({"x": x}, probe=("y.v", "y"))
    assert [0, 0, 0, 1, 2, 3, 4, 4, 4] == found.trace["y.v"].ravel().tolist()
    assert ["y.v", "y"] == list(found.trace)


def test_a_core_that_never_starts_says_nothing(program):
    b = Placement()
    x = b.input("x", "u1[1]~")
    b.neurons(1)
    core = b.core([[1]], b.arrive(x, "x.0", (0, 0)), at=(0, 0), start=0)
    run = program(b.finish(b.output(b.layer("y", core))))
    found = run.run({"x": np.ones((1, 5, 1), np.uint8)}, probe=("all",))
    assert [0, 0] == [int(array.sum()) for array in found.trace.values()]


def test_an_order_of_neurons_is_undone(program):
    """Copy 1 of `a` holds its neurons in another order; both copies give one trace."""
    result = program(loop()).run({"x": spikes(1, 20, 4)}, probe=("a",))
    np.testing.assert_array_equal(result.outputs["a.1"], result.trace["a"])


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(st.sampled_from(["layout.json", "input_proj_info.json", "config_all.bin"]), st.data())
def test_a_damaged_build_runs_or_is_refused(tmp_path, name, data):
    emit(tiny(), tmp_path, Options())
    content = bytearray((tmp_path / name).read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.one_of(st.integers(0, 255), st.sampled_from(b"0123456789-")))
    (tmp_path / name).write_bytes(content)
    try:
        program = Program(tmp_path)
        inputs = {n: spikes(1, 20, *t.shape) for n, t in program.system.inputs.items()}
        program.run(inputs, probe=("all",))
    except SnncError:
        return


@pytest.mark.parametrize(
    ("file", "path", "code"),
    [
        ("input_proj_info.json", ("x", "lcn"), "input-range"),
        ("input_proj_info.json", ("x", "addr_chip_x"), "input-chip"),
        ("layout.json", ("ops", 4, "first"), "core-first"),
        ("layout.json", ("ops", 1, "first"), "side-file-mismatch"),
    ],
)
def test_builds_that_break_a_rule_of_the_chip_are_refused(tmp_path, file, path, code):
    emit(tiny(), tmp_path, Options())
    content = json.loads((tmp_path / file).read_text())
    part = content
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = 5
    (tmp_path / file).write_text(json.dumps(content))
    with pytest.raises(SnncError) as caught:
        Program(tmp_path)
    assert code in {d.code for d in caught.value.diagnostics}


def test_copies_that_part_are_reported(program, monkeypatch):
    """The judge finds them before; the emulator does not rely on it."""
    spoiled = reweighted(loop(), "w.0.3", (0, 0), 2)
    with pytest.raises(SnncError) as caught:
        program(spoiled)
    assert "copy-differs" == caught.value.code
    monkeypatch.setattr("snnc.targets.paicore.check.check_twins", lambda *_: None)
    with pytest.raises(SnncError) as caught:
        program(spoiled).run({"x": spikes(1, 20, 4)}, probe=("a",))
    assert "copies-differ" == caught.value.code


def test_semantics_can_be_chosen(program):
    """At minus the negative threshold, `<=` resets and `<` does not."""
    b = Placement()
    x = b.input("x", "u1[1]~")
    b.neurons(1, negative=2, negative_mode=0, reset=0, reset_to=-7)
    core = b.core([[-2]], b.arrive(x, "x.0", (0, 0)), at=(0, 0))
    module = b.finish(b.output(b.layer("y", core)))
    for negative, expected in (("lt", -2), ("le", 7)):
        run = program(module, semantics=Semantics(negative=negative))
        found = run.run({"x": np.ones((1, 1, 1), np.uint8)}, probe=("y.v",))
        assert expected == found.trace["y.v"].item()


def test_a_build_without_inputs_runs_as_long_as_asked(program):
    b = Placement("clock", ticks=7)
    b.neurons(1, threshold=2, leak=1, reset=1)
    run = program(b.finish(b.output(b.layer("y", b.core([[0]], at=(0, 0))))))
    assert [0, 1, 0, 1, 0, 1, 0] == run.run({}).outputs["y"].ravel().tolist()
    assert (1, 3, 1) == run.run({}, ticks=3).outputs["y"].shape


def test_fewer_ticks_than_given_may_be_asked_for(program):
    x = spikes(1, 20, 3)
    run = program(tiny())
    expected = run.run({"x": x}).outputs["y"][:, :5]
    np.testing.assert_array_equal(expected, run.run({"x": x}, ticks=5).outputs["y"])


def test_no_ticks_and_no_samples_are_runs_too(program):
    run = program(tiny())
    assert (2, 0, 2) == run.run({"x": spikes(2, 0, 3)}, probe=("all",)).outputs["y"].shape
    assert (0, 4, 2) == run.run({"x": spikes(0, 4, 3)}, probe=("all",)).outputs["y"].shape


@pytest.mark.parametrize(
    ("code", "inputs", "options"),
    [
        ("missing-input", {}, {}),
        ("unknown-input", {"x": spikes(1, 2, 3), "z": spikes(1, 2, 3)}, {}),
        ("input-shape", {"x": spikes(1, 2, 4)}, {}),
        ("input-shape", {"x": spikes(2, 3)}, {}),
        ("input-range", {"x": spikes(1, 2, 3) * 2 + 1}, {}),
        ("input-range", {"x": spikes(1, 2, 3) * 0.5 + 0.1}, {}),
        ("input-range", {"x": np.full((1, 2, 3), "1")}, {}),
        ("tick-count", {"x": spikes(1, 2, 3)}, {"ticks": 3}),
        ("tick-count", {"x": spikes(1, 2, 3)}, {"ticks": -1}),
        ("unknown-probe", {"x": spikes(1, 2, 3)}, {"probe": ("z",)}),
        ("bad-state", {"x": spikes(1, 2, 3)}, {"state": 3}),
    ],
)
def test_what_cannot_be_run_is_refused(program, code, inputs, options):
    with pytest.raises(SnncError) as caught:
        program(tiny()).run(inputs, **options)
    assert code == caught.value.code
    assert caught.value.diagnostics[0].help


def test_states_fit_only_what_they_come_from(program):
    one, other = program(tiny()), program(tiny())
    state = one.run({"x": spikes(2, 4, 3)}).state
    for run, inputs, options, code in (
        (other, {"x": spikes(2, 4, 3)}, {}, "bad-state"),
        (one, {"x": spikes(2, 4, 3)}, {"probe": ("all",)}, "bad-state"),
        (one, {"x": spikes(3, 4, 3)}, {}, "sample-count"),
    ):
        with pytest.raises(SnncError) as caught:
            run.run(inputs, state=state, **options)
        assert code == caught.value.code


def test_a_core_that_weighs_no_input_does_not_shorten_bursts(program):
    """Two cores share a region; the one that starts late ignores the input that both receive."""
    b = Placement()
    x = b.input("x", "u1[1]~")
    b.neurons(2, chip=[0, 32], mask=[1, 0], axon=[5, 0])
    x0 = b.arrive(x, "x.0", (0, 0), (0, 1))
    later = b.forward("a", "u1[1]~")
    one = b.core([[1]], x0, later, at=(0, 0))
    two = b.core([[0, 0, 0, 0, 0, 1]], x0, later, at=(0, 1), start=257)
    b.bind(later, b.layer("a", one))
    run = program(b.finish(b.output(b.layer("y", two))))
    assert 256 == run.system.wiring.burst_steps
    x = spikes(1, 300, 1)
    np.testing.assert_array_equal(x, run.run({"x": x}).outputs["y"])
