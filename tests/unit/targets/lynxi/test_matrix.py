"""Matrices of devices: when they work, and that slicing changes no number."""

import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.targets.lynxi.artifact.assemble import to_artifact
from snnc.targets.lynxi.devices.pipeline import pack, run_matrix, run_parallel, unpack
from snnc.targets.lynxi.devices.slices import cut
from snnc.targets.lynxi.devices.timing import Costs, split_steps, timeline
from snnc.targets.lynxi.emulate import Emulator
from tests.unit.targets.lynxi.networks import build, small, train

COPIES = {"input": 0.1, "memory": 0.2, "output": 0.1, "sync": 0.05}
TABLE = [
    (1, (1.0,), (10, 10), (10.15, 10.15)),
    (2, (1.0,), (10, 5), (10.65, 5.50)),
    (4, (1.0,), (10, 3), (11.65, 3.55)),
    (10, (1.0,), (10, 1), (14.65, 1.55)),
    (1, (0.5, 0.5), (10, 5), (10.35, 5.25)),
    (2, (0.5, 0.5), (7.5, 2.5), (8.65, 3.10)),
    (1, (0.7, 0.3), (10, 7), (10.35, 7.25)),
    (5, (0.5, 0.5), (6, 1), (8.95, 1.65)),
]


def code_of(function, *args, **options):
    with pytest.raises(SnncError) as found:
        function(*args, **options)
    return found.value.code


@pytest.mark.parametrize(("times", "steps", "ideal", "copied"), TABLE)
def test_latency_and_period_are_those_of_the_published_schedule(times, steps, ideal, copied):
    for costs, expected in ((Costs(steps), ideal), (Costs(steps, **COPIES), copied)):
        found = timeline(10, times, costs, samples=100)
        np.testing.assert_allclose((found.latency, found.period), expected, atol=1e-9)


def test_no_device_does_two_samples_at_once_and_none_begins_early():
    found = timeline(7, 3, Costs((0.5, 0.2), **COPIES), samples=6)
    assert (3, 2, 2) == found.slices
    by_device = {}
    for work in found.works:
        assert work.start <= work.inference <= work.send <= work.out <= work.end
        before = by_device.get((work.time, work.model))
        assert before is None or before <= work.start
        by_device[work.time, work.model] = work.end


def test_steps_are_split_as_evenly_as_they_go():
    assert (4, 3, 3) == split_steps(10, 3)
    for wrong in ((10, 11), (10, 0)):
        assert "device-matrix" == code_of(split_steps, *wrong)
    assert "device-matrix" == code_of(timeline, 10, 1, Costs(()))


@pytest.mark.parametrize("times", [1, 2, 3, 5])
@pytest.mark.parametrize("at", [(), ("hidden",)])
@pytest.mark.parametrize("profile", ["f32", "f16"])
def test_every_matrix_gives_what_one_device_gives(times, at, profile):
    made = build(small(), profile=profile)
    x = {"x": train((4, 10, 6))}
    slices = [Emulator.of(to_artifact(m)) for m in cut(made.placed, at)]
    assert len(at) + 1 == len(slices)
    whole = made.run(x).outputs
    actual = run_matrix(slices, times, x, 10)
    np.testing.assert_array_equal(whole["digit"], actual["digit"])


def test_each_slice_keeps_its_own_states():
    first, second = cut(build(small()).placed, ("hidden",))
    flags = [[op["flag"] for op in m.ops("annotation.load")] for m in (first, second)]
    assert [["hidden.v"], ["digit.v"]] == flags


def test_states_are_packed_into_the_region_and_back():
    program = Emulator.of(to_artifact(build(small()).placed))
    state = program.run({"x": train((3, 5, 6))}).state
    region = pack(program, state)
    assert (3, 4 * 8) == region.shape
    again = unpack(program, region, state)
    for flag, array in state.held.items():
        np.testing.assert_array_equal(array, again.held[flag])


def test_cuts_that_need_more_than_one_value_are_refused():
    placed = build(small()).placed
    assert "slice-cut" == code_of(cut, placed, ("hiden",))
    assert "slice-cut" == code_of(cut, placed, ("digit.v",))
    assert "slice-cut" == code_of(cut, placed, ("hidden", "hidden"))


@pytest.mark.parametrize(("chips", "batch"), [(1, 1), (2, 2), (3, 2), (2, 4)])
def test_samples_dealt_to_chips_come_back_in_order(chips, batch):
    program = Emulator.of(to_artifact(build(small(), batch=batch).placed))
    x = {"x": train((7, 5, 6))}
    actual = run_parallel(program, chips, x, 5)["digit"]
    np.testing.assert_array_equal(program.run(x).outputs["digit"], actual)
    assert "device-matrix" == code_of(run_parallel, program, 0, x, 5)


def test_slices_of_different_networks_are_refused():
    first, _ = cut(build(small()).placed, ("hidden",))
    programs = [Emulator.of(to_artifact(m)) for m in (first, first)]
    assert "device-matrix" == code_of(run_matrix, programs, 1, {"x": train((1, 2, 6))}, 2)
