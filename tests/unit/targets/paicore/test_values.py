"""Networks of values, spikes and both: compiled, loaded, emulated, equal to the reference."""

import shutil

import numpy as np
import pytest

import snnc
from snnc.ir import Builder
from snnc.ir.types import U8
from snnc.ir.write import write
from snnc.runtime.numpy_engine import NumpyEngine
from snnc.runtime.reference import Reference
from snnc.targets.paicore import Paicore
from snnc.targets.paicore.artifact.wiring import read_system
from snnc.targets.paicore.emulate import Machine
from snnc.targets.paicore.emulation.board import decode, potentials, requests


def emulated(module, x, tmp_path, **options):
    """Compile, emulate the files alone, and compare every layer; return the build."""
    build = snnc.compile(module, target="paicore", **options)
    build.save(tmp_path / "build")
    files = tmp_path / "files"
    shutil.copytree(tmp_path / "build", files)
    for name in ("model.snn", "model.safetensors"):
        (files / name).unlink(missing_ok=True)
    given = {op.result.name for op in module.ops("neuron")}
    names = sorted(given & {op["of"] for op in build.placed.ops("layer")})
    probes = [n + end for n in names for end in ("", ".v")]
    expected = Reference().prepare(module).run(x, probe=probes)
    found = Paicore().emulate(files).run(x, probe=probes)
    for name in probes:
        assert np.array_equal(expected.trace[name], found.trace[name]), name
    quick = Paicore().emulate_on(files, NumpyEngine()).run(x, probe=probes)
    for name, array in expected.outputs.items():
        assert np.array_equal(array, found.outputs[name]), name
        assert np.array_equal(array, quick.outputs[name]), name
    assert all(np.array_equal(found.trace[n], quick.trace[n]) for n in probes)
    assert write(build.placed, locs=False) == write(Paicore().load(files), locs=False)
    return build


class Net:
    """A network drawn at random: layers of spikes and of values that read each other."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.build = Builder("drawn", "int")
        self.made = []
        for name, element in (("x", "u8"), ("s", "u1")):
            self.made.append(self.build.input(name, f"{element}[2, 6, 6]~"))

    def module(self):
        for number in range(int(self.rng.integers(2, 7))):
            self.made.append(self.layer(f"n{number}"))
        return self.build.finish(*self.made[2:][-2:])

    def source(self, shaped=False):
        fitting = [v for v in self.made if len(v.type.shape) == 3 or not shaped]
        value = fitting[self.rng.integers(len(fitting))]
        if self.rng.random() < 0.2:
            return self.build.op("delay", value, by=int(self.rng.integers(1, 4)))
        return value

    def layer(self, name):
        kind = self.rng.choice(["dense", "conv", "pool", "sum", "both"])
        shaped = [v for v in self.made if len(v.type.shape) == 3 and min(v.type.shape[1:]) > 2]
        if kind in ("dense", "both") or not shaped:
            values = [self.source() for _ in range(2 if kind == "both" else 1)]
            sums = [self.dense(v) for v in values]
            total = sums[0] if len(sums) == 1 else self.build.op("add", *sums)
            return self.neurons(name, total, values)
        source = shaped[self.rng.integers(len(shaped))]
        window = {"kernel": [2, 2], "stride": [int(self.rng.integers(1, 3))] * 2}
        if kind == "pool" and source.type.element == U8:
            pooled = self.build.op("max_pool2d", source, **window)
            return self.neurons(name, pooled, [source])
        if kind == "conv":
            size = (3, source.type.shape[0], 3, 3)
            weight = self.rng.integers(-20, 25, size).astype(np.int8)
            sums = self.build.op("conv2d", source, self.build.weight(f"{name}.k", weight))
        else:
            sums = self.build.op("sum_pool2d", source, **window)
        return self.neurons(name, sums, [source])

    def dense(self, value):
        flat = self.build.op("reshape", value, shape=[value.type.size])
        high = int(self.rng.choice([2, 8, 60]))
        low = 0 if high == 2 else -high
        weight = self.rng.integers(low, high, (7, value.type.size)).astype(np.int8)
        return self.build.op("linear", flat, self.build.weight("w", weight))

    def neurons(self, name, current, sources):
        rng = self.rng
        wide = any(v.type.element == U8 for v in sources)
        attrs = {"threshold": int(rng.integers(1, 40)), "width": 30}
        if wide or rng.random() < 0.3:
            attrs["memory"] = "clear"
        if rng.random() < 0.6:
            attrs |= {"spike": "value", "truncate": int(rng.integers(6, 14)), "threshold": 1}
        attrs["leak"] = int(rng.integers(-30, 60))
        attrs["reset"] = str(rng.choice(["soft", "hard", "none"]))
        if attrs["reset"] == "none" or attrs["reset"] == "soft":
            attrs |= {"negative": 3000, "overflow": "wrap-paibox"}
        return self.build.op("neuron", current, name=name, **attrs)


@pytest.mark.parametrize("seed", range(24))
def test_a_network_of_values_and_spikes_does_what_the_reference_does(seed, tmp_path):
    module = Net(seed).module()
    rng = np.random.default_rng(seed)
    x = {
        v.name: rng.integers(0, 256 if v.type.element == U8 else 2, (2, 9, 2, 6, 6)).astype(
            np.uint8
        )
        for v in module.graph.inputs
    }
    emulated(module, x, tmp_path)


def dense(build, x, weights, **attrs):
    given = {"threshold": 1, "spike": "value", "memory": "clear", "truncate": 12, "width": 30}
    current = build.op("linear", x, build.weight("w", np.asarray(weights, np.int8)))
    return build.op("neuron", current, **{**given, **attrs})


@pytest.mark.parametrize(
    ("inputs", "neurons", "high", "cores"),
    [(144, 1888, 2, 1), (144, 1889, 2, 2), (144, 600, 8, 1), (145, 513, 8, 2), (1000, 40, 128, 1)],
)
def test_cores_of_values_are_filled_to_the_vendors_table(inputs, neurons, high, cores, tmp_path):
    rng = np.random.default_rng(neurons)
    build = Builder("full", "int")
    x = build.input("x", f"u8[{inputs}]~")
    weights = rng.integers(0 if high == 2 else -high, high, (neurons, inputs))
    first = dense(build, x, weights, name="a")
    module = build.finish(dense(build, first, rng.integers(-2, 2, (5, neurons)), name="b"))
    values = {"x": rng.integers(0, 256, (1, 5, inputs)).astype(np.uint8)}
    made = emulated(module, values, tmp_path)
    assert cores == len({op["at"] for op in made.placed.ops("core")}) - 1


def test_values_that_spikes_also_read_are_sent_twice(tmp_path):
    """One layer of values reads the input, one of spikes too; regions of both kinds."""
    build = Builder("both", "int")
    x = build.input("x", "u1[20]~")
    rng = np.random.default_rng(1)
    a = dense(build, x, rng.integers(-8, 8, (12, 20)), name="a", truncate=8)
    b = dense(build, x, rng.integers(-8, 8, (9, 20)), name="b", spike="single", memory="keep")
    flat = build.op("concat", build.op("reshape", a, shape=[12]), a)
    c = dense(build, flat, rng.integers(-8, 8, (6, 24)), name="c")
    module = build.finish(b, c)
    spikes = {"x": rng.integers(0, 2, (3, 12, 20)).astype(np.uint8)}
    made = emulated(module, spikes, tmp_path)
    modes = {(op["wide"], op["values"], op["keep"]) for op in made.placed.ops("core")}
    assert {(False, True, False), (False, False, True), (True, True, False)} == modes


def test_a_long_run_goes_on_beyond_the_slots(tmp_path):
    build = Builder("long", "int")
    x = build.input("x", "u8[300]~")
    rng = np.random.default_rng(2)
    late = build.op("delay", x, by=3)
    both = build.op("concat", x, late)
    module = build.finish(dense(build, both, rng.integers(-8, 8, (6, 600)), name="n"))
    emulated(module, {"x": rng.integers(0, 256, (1, 600, 300)).astype(np.uint8)}, tmp_path)


def test_only_cores_that_keep_potentials_are_asked_for_them(tmp_path):
    build = Builder("asked", "int")
    x = build.input("x", "u8[3]~")
    a = dense(build, x, np.ones((4, 3)), name="a", spike="single")
    b = dense(build, a, np.ones((2, 4)), name="b", spike="single", memory="keep")
    snnc.compile(build.finish(b), target="paicore").save(tmp_path / "build")
    (asked,) = requests(tmp_path / "build")
    assert 2 == len(asked)
    record = np.zeros(4, np.uint64)
    record[0] = 5
    head = asked & ~np.uint64(1 << 19) & ~(np.uint64(1023) << np.uint64(50))
    answers = [np.concatenate([[h | np.uint64(32 << 50)], record]) for h in head]
    assert {"b.v": [5, 5]} == {
        name: array.tolist() for name, array in potentials(tmp_path / "build", [answers]).items()
    }


def test_pools_are_named_among_what_a_build_relies_on():
    build = Builder("pool", "int")
    x = build.input("x", "u8[1, 4, 4]~")
    pooled = build.op("max_pool2d", x, kernel=[2, 2])
    relay = build.op("neuron", pooled, threshold=1, spike="value", memory="clear", width=30)
    made = snnc.compile(build.finish(relay), target="paicore")
    assert any("largest of the values" in line for line in made.manifest["relies_on"])


def test_more_values_than_a_slot_has_axons_leave_the_chip_and_are_decoded(tmp_path):
    rng = np.random.default_rng(4)
    build = Builder("many", "int")
    x = build.input("x", "u8[30]~")
    module = build.finish(dense(build, x, rng.integers(0, 2, (1300, 30)), name="n", truncate=10))
    values = {"x": rng.integers(0, 256, (1, 7, 30)).astype(np.uint8)}
    made = emulated(module, values, tmp_path)
    (out,) = made.placed.ops("output")
    assert 2 == out["blocks"]
    system = read_system(tmp_path / "build")
    ticks = 7
    machine, frames = Machine(system.image), []
    for done, steps in system.wiring.bursts(ticks):
        machine.inject(system.wiring.encode(values, done, steps)[1])
        frames.append(machine.step(steps).words)
    decoded = decode(tmp_path / "build", frames, ticks)["n"]
    assert np.array_equal(Reference().prepare(module).run(values).outputs["n"], decoded)


def test_values_cross_from_chip_to_chip(tmp_path):
    rng = np.random.default_rng(5)
    build = Builder("chips", "int")
    x = build.input("x", "u8[40]~")
    a = dense(build, x, rng.integers(-8, 8, (30, 40)), name="a", place={"chip": 0})
    b = dense(build, a, rng.integers(-8, 8, (20, 30)), name="b", place={"chip": 1})
    c = dense(build, b, rng.integers(-8, 8, (10, 20)), name="c", place={"chip": 0})
    values = {"x": rng.integers(0, 256, (2, 6, 40)).astype(np.uint8)}
    made = emulated(build.finish(c), values, tmp_path, chip=[0, 0, 0, 1], output_chip=[2, 0])
    assert 2 == made.manifest["resources"]["chips"]


@pytest.mark.parametrize("group", ["both", "cores"])
def test_layers_share_a_core_beyond_its_neuron_memory(group, tmp_path):
    """Records of the second layer lie on both sides of the end of the neuron memory."""
    rng = np.random.default_rng(6)
    build = Builder("shared", "int")
    x = build.input("x", "u8[100]~")
    a = dense(build, x, rng.integers(0, 2, (400, 100)), name="a", truncate=11)
    b = dense(build, x, rng.integers(0, 2, (500, 100)), name="b", truncate=10, leak=-900)
    both = build.op("concat", a, b)
    c = dense(build, both, rng.integers(-2, 2, (6, 900)), name="c", truncate=14)
    values = {"x": rng.integers(0, 256, (1, 6, 100)).astype(np.uint8)}
    made = emulated(build.finish(c), values, tmp_path, group=group)
    assert 2 == made.manifest["resources"]["cores"]
