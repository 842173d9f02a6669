"""Programs at the edge of what the chip does: as the reference, or refused with a reason."""

import json

import numpy as np
import pytest

import snnc
from snnc.diagnostics import SnncError
from snnc.ir import Builder
from snnc.ir.types import I32
from snnc.runtime.reference import Reference
from snnc.targets.paicore import Paicore
from snnc.targets.paicore.artifact.wiring import read_system
from snnc.targets.paicore.chip import frames
from snnc.targets.paicore.chip.core import Register, check_register
from snnc.targets.paicore.chip.frames import Kind
from snnc.targets.paicore.emulate import Machine
from snnc.targets.paicore.emulation import board
from snnc.targets.paicore.emulation.host import read_requests
from tests.unit.targets.paicore.test_wide_cores import wide_core


def one_layer(weight=100, inputs=4, neurons=3, **attrs):
    build = Builder("edge", "int")
    x = build.input("x", f"u1[{inputs}]~")
    weights = build.weight("w", np.full((neurons, inputs), weight, np.int8))
    given = {k: build.weight(k, v) if isinstance(v, np.ndarray) else v for k, v in attrs.items()}
    return build.finish(build.op("neuron", build.op("linear", x, weights), name="n", **given))


def assert_equal(module, x, folder):
    """Compile, and compare outputs and all layers that the program names with the reference."""
    made = snnc.compile(module, target="paicore")
    made.save(folder)
    held = {op["of"] for op in made.placed.ops("layer")}
    names = [op.result.name for op in module.ops("neuron") if op.result.name in held]
    probes = [name + end for name in names for end in ("", ".v")]
    expected = Reference().prepare(module).run(x, probe=probes)
    found = Paicore().emulate(folder).run(x, probe=probes)
    for name, array in (expected.outputs | expected.trace).items():
        assert np.array_equal(array, (found.outputs | found.trace)[name]), name
    return made


def spikes(*shape):
    return np.random.default_rng(3).integers(0, 2, shape).astype(np.uint8)


def refusal(module):
    with pytest.raises(SnncError) as caught:
        snnc.compile(module, target="paicore")
    return caught.value.code, caught.value.diagnostics[0].message


def test_the_lowest_byte_is_a_floor_like_any_other(tmp_path):
    module = one_layer(-100, threshold=2, floor=np.full(3, -128, np.int8))
    assert_equal(module, {"x": spikes(2, 9, 4)}, tmp_path / "build")


def test_potentials_that_come_back_at_other_widths_are_refused():
    module = one_layer(threshold=500, reset="none", width=10, overflow="wrap-paibox")
    code, message = refusal(module)
    assert "unsupported-neuron" == code
    assert "width = 10" in message


def test_a_build_is_exact_until_a_late_leak_may_bring_a_potential_back_before_a_soft_reset():
    late = {"leak": 2**27, "leak_order": "after", "width": 30, "overflow": "wrap-paibox"}
    build = snnc.compile(one_layer(threshold=2**26, **late), target="paicore")
    longest = build.manifest["max_ticks"]
    assert 1 <= longest < 12
    assert build.verify(np.ones((1, longest, 4), np.uint8))
    with pytest.raises(SnncError) as caught:
        build.run(np.ones((1, longest + 1, 4), np.uint8))
    assert "run-too-long" == caught.value.code


def test_parameters_per_channel_reach_their_neurons(tmp_path):
    rng = np.random.default_rng(1)
    build = Builder("channels", "int")
    x = build.input("x", "u1[2, 3, 3]~")
    weights = build.weight("w", rng.integers(-5, 6, (3, 2, 2, 2)).astype(np.int8))
    given = {
        "threshold": build.weight("t", np.array([9, 6, 100], np.int8)),
        "floor": build.weight("f", np.array([-3, -100, -128], np.int8)),
        "initial": build.weight("i", np.array([3, -200, 77]), I32),
    }
    current = build.op("conv2d", x, weights)
    module = build.finish(build.op("neuron", current, name="n", ticks=7, **given))
    assert_equal(module, {"x": spikes(2, 9, 2, 3, 3)}, tmp_path / "build")


@pytest.mark.parametrize("first", [0, 2])
def test_pools_before_neurons_of_spikes_send_values(first, tmp_path):
    build = Builder("pooled", "int")
    x = build.input("x", "u8[2, 4, 4]~")
    pooled = build.op("max_pool2d", x, kernel=[2, 2])
    given = {"threshold": 90, "memory": "clear", "leak": -20, "first": first}
    module = build.finish(build.op("neuron", pooled, name="n", **given))
    values = np.random.default_rng(2).integers(0, 256, (2, 9, 2, 4, 4)).astype(np.uint8)
    made = assert_equal(module, {"x": values}, tmp_path / "build")
    modes = {(op["pool"], op["values"]) for op in made.placed.ops("core")}
    assert {(True, True), (False, False)} == modes


def test_a_core_that_pools_into_spikes_is_no_legal_register():
    fields = {"wide_input": 1, "keep_potential": 0, "max_pool": 1}
    assert check_register(Register(**fields, wide_output=1)) is None
    assert "config-register" == check_register(Register(**fields, wide_output=0)).code


@pytest.mark.parametrize(("memory", "named"), [("clear", True), ("keep", False)])
def test_spikes_without_memory_are_named_among_what_a_build_relies_on(memory, named):
    made = snnc.compile(one_layer(threshold=9, memory=memory), target="paicore")
    names = [line.partition(":")[0] for line in made.manifest["relies_on"]]
    assert named == ("spikes-without-memory" in names)


def test_potentials_from_a_board_are_in_the_units_of_the_program(tmp_path):
    module = one_layer(3, threshold=60)
    x = {"x": spikes(1, 7, 4)}
    made = assert_equal(module, x, tmp_path / "build")
    assert [(3,)] == [op["unit"] for op in made.placed.ops("layer")]
    system = read_system(tmp_path / "build")
    (core,) = system.image.cores
    machine = Machine(system.image)
    machine.inject(system.wiring.encode(x, 0, 7)[1])
    machine.step(7)
    held = machine.potentials()[core.chip, core.at][0]
    records = frames.encode_records({**core.neurons, "potential": held})
    starts = np.arange(3) * core.register.copies
    heads = frames.package_word(Kind.TEST_NEURONS, (1, 0), core.at, starts, 4)
    answers = [np.concatenate([h[None], r]) for h, r in zip(heads, records, strict=True)]
    found = board.potentials(tmp_path / "build", [answers])["n.v"]
    traced = Reference().prepare(module).run(x, probe=["n.v"]).trace["n.v"][0, -1]
    assert traced.tolist() == found.tolist()


def test_records_of_wide_cores_are_asked_for_where_they_lie():
    asked = read_requests(wide_core(np.ones((5, 3)), code=3))
    starts = frames.decode(frames.PACKAGE, asked[:, None], ("start",))["start"]
    assert [0, 1, 2, 3, 4] == starts.tolist()


def test_outputs_keep_their_names_beside_similar_ones(tmp_path):
    build = Builder("names", "int")
    x = build.input("x", "u1[4]~")
    first = build.op("neuron", build.op("delay", x, by=1), name="y.out", threshold=1)
    second = build.op("neuron", build.op("add", x, first), name="y", threshold=2)
    module = build.finish(second, first, second)
    made = assert_equal(module, {"x": spikes(2, 9, 4)}, tmp_path / "build")
    run = made.run({"x": spikes(2, 9, 4)})
    assert {"y", "y.out"} == set(run.outputs)
    told = json.loads((tmp_path / "build/output_dest_info.json").read_text())
    assert ["y", "y.out", "y#1"] == list(told)


def test_relays_leave_the_names_of_outputs_alone(tmp_path):
    build = Builder("relayed", "int")
    x = build.input("x", "u1[3]~")
    far = build.op("delay", x, by=300, name="far")
    n = build.op("neuron", far, name="n", threshold=1)
    late = build.op("delay", n, by=2, name="delay")
    module = build.finish(n, late)
    made = assert_equal(module, {"x": spikes(1, 330, 3)}, tmp_path / "build")
    assert ["n", "delay"] == [op["of"] for op in made.placed.ops("output")]
