"""The judge accepts legal placements and finds each kind of violation by its own code."""

import re
from pathlib import Path

import numpy as np
import pytest
from attrs import evolve

import snnc.targets.paicore
from snnc.ir.rewrite import with_ops
from snnc.targets.paicore.check import check
from tests.unit.targets.paicore.placed_modules import (
    Placement,
    changed,
    loop,
    reweighted,
    rewired,
    tiny,
    wide,
    without,
)


def codes(module):
    return {d.code for d in check(module)}


def weights_of(module, core):
    """Return the name of a core's weights."""
    return next(o.name for o in list(module.ops("core"))[core].operands if hasattr(o, "cut"))


def values():
    return cores_of_values()


@pytest.mark.parametrize("make", [tiny, wide, loop, values])
def test_legal_placements_are_accepted(make):
    assert [] == [str(d) for d in check(make())]


def pair_of_layers(**attrs):
    """Two cores in a row, the second with attributes of its own."""
    b = Placement()
    x = b.input("x", "u1[2]~")
    b.neurons(4, chip=[0, 0, 32, 32], core=[1, 1, 0, 0], axon=[0, 1, 0, 1])
    one = b.core(np.ones((2, 2)), b.arrive(x, "x.0", (0, 0)), at=(0, 0))
    h = b.layer("h", one)
    two = b.core(np.ones((2, 2)), h, at=(0, 1), **{"start": 2, **attrs})
    return b.finish(b.output(b.layer("y", two)))


def many_outputs(blocks, size=1160, extension=2):
    b = Placement()
    x = b.input("x", "u1[1]~")
    element = np.arange(size)
    b.neurons(size, axon=element % 1152, slot=element // 1152)
    x0 = b.arrive(x, "x.0", (0, 0), (1, 1))
    cores = [
        b.core(np.ones((size // 4, 1)), x0, at=at, bits=1, target_extension=extension)
        for at in ((0, 0), (0, 1), (1, 0), (1, 1))
    ]
    return b.finish(b.output(b.layer("y", *cores), blocks=blocks))


def one_core(size=2, **attrs):
    b = Placement()
    x = b.input("x", "u1[2]~")
    b.neurons(size, axon=np.arange(size))
    return b.finish(
        b.output(
            b.layer("y", b.core(np.ones((size, 2)), b.arrive(x, "x.0", (0, 0)), at=(0, 0), **attrs))
        )
    )


def swapped_outputs(module):
    graph = evolve(module.graph, outputs=module.graph.outputs[::-1])
    return module.with_graph(graph)


def second_table(module):
    op = next(iter(module.ops("neurons")))
    return with_ops(module, [op, *module.graph.ops])


VALUES = {"wide": True, "values": True, "keep": False}


def cores_of_values(step=8, first=(), second=VALUES):
    """Two cores in a row that take and send values, or what is said of them."""
    b = Placement()
    x = b.input("x", "u8[2]~")
    b.neurons(4, chip=[0, 0, 32, 32], core=[1, 1, 0, 0], axon=[0, step, 0, 1])
    x0 = b.arrive(x, "x.0", (0, 0), axon=np.array([0, 8]))
    one = b.core(np.ones((2, 2)), x0, at=(0, 0), **{**VALUES, **dict(first)})
    h = b.layer("h", one)
    two = b.core(np.ones((2, 2)), h, at=(0, 1), start=2, **second)
    return b.finish(b.output(b.layer("y", two)))


MUTATIONS = [
    ("placed-malformed", lambda: second_table(tiny())),
    ("placed-malformed", lambda: without(tiny(), "neurons")),
    ("placed-malformed", lambda: changed(tiny(), "core", 0, at=(0, 0))),
    ("placed-malformed", lambda: changed(tiny(), "core", 0, neurons=(0, 5))),
    ("placed-malformed", lambda: changed(tiny(), "core", 0, neurons=(0,))),
    ("placed-malformed", lambda: changed(tiny(), "core", 0, test_chip=(1,))),
    ("placed-malformed", lambda: changed(tiny(), "input", 0, mask=(1, 0, 0))),
    ("placed-malformed", lambda: changed(tiny(), "layer", 0, pieces=((0, 3),))),
    ("placed-malformed", lambda: changed(tiny(), "layer", 0, shape=(3,))),
    ("placed-malformed", lambda: changed(tiny(), "layer", 0, pieces=((0, 1), (1, 2)))),
    ("placed-malformed", lambda: reweighted(loop(), "a.order", 0, 2)),
    ("placed-malformed", lambda: evolve(tiny(), level="int")),
    ("core-place", lambda: changed(tiny(), "core", 1, at=(0, 0, 0, 32))),
    ("core-place", lambda: changed(tiny(), "core", 1, test_chip=(1, 40))),
    ("core-online", lambda: changed(tiny(), "core", 1, at=(0, 0, 28, 31))),
    ("core-twice", lambda: changed(tiny(), "core", 1, at=(0, 0, 0, 0))),
    ("core-twice", lambda: changed(wide(), "idle", 0, at=(0, 0, 1, 0))),
    ("output-nodes", lambda: changed(loop(), "output", 1, of="a.1")),
    ("output-chip", lambda: changed(tiny(), "core", 1, test_chip=(0, 0))),
    ("output-chip", lambda: changed(tiny(), "output", 0, chip=(0, 0))),
    ("core-bits", lambda: changed(tiny(), "core", 0, bits=3)),
    ("core-extension", lambda: changed(tiny(), "core", 0, extension=128)),
    ("core-target-extension", lambda: changed(tiny(), "core", 0, target_extension=3)),
    ("core-start", lambda: changed(tiny(), "core", 1, start=32768)),
    ("core-ticks", lambda: changed(tiny(), "core", 1, ticks=-1)),
    ("core-first", lambda: changed(tiny(), "core", 1, first=2)),
    ("core-capacity", lambda: one_core(65)),
    ("core-mode", lambda: cores_of_values(first={"keep": True})),
    ("core-mode", lambda: one_core(pool=True)),
    ("axon-address", lambda: cores_of_values(step=1)),
    ("edge-width", lambda: cores_of_values(step=1, second={})),
    ("core-capacity", lambda: changed(wide(), "core", 0, bits=8)),
    ("neuron-rows", lambda: changed(tiny(), "core", 1, neurons=(1, 2))),
    ("layer-rows", lambda: changed(loop(), "layer", 3, pieces=((0, 3),))),
    ("record-range", lambda: reweighted(tiny(), "neuron.threshold", 1, -1)),
    ("record-range", lambda: reweighted(tiny(), "neuron.reset", 1, 3)),
    ("record-range", lambda: reweighted(tiny(), "neuron.axon", 1, 1152)),
    ("record-range", lambda: reweighted(tiny(), "neuron.core", 1, 1024)),
    ("record-range", lambda: reweighted(tiny(), "neuron.leak", 1, -(2**29) - 1)),
    ("layer-copy", lambda: changed(loop(), "layer", 1, copy=2)),
    ("layer-shape", lambda: changed(loop(), "layer", 1, shape=(3, 1))),
    ("core-mode", lambda: cores_of_values(first={"pool": True, "values": False})),
    ("layer-mode", lambda: changed(wide(), "core", 1, keep=False)),
    ("layer-mode", lambda: changed(loop(), "core", 1, keep=False)),
    ("layer-timing", lambda: changed(wide(), "core", 1, start=2)),
    ("layer-timing", lambda: changed(loop(), "core", 1, ticks=3)),
    ("copy-differs", lambda: reweighted(loop(), "neuron.threshold", 4, 9)),
    ("copy-differs", lambda: reweighted(loop(), weights_of(loop(), 1), (0, 2), 1)),
    ("weight-shape", lambda: changed(tiny(), "core", 0, extension=2)),
    ("weight-width", lambda: changed(tiny(), "core", 1, bits=2)),
    ("weight-range", lambda: reweighted(tiny(), "w.0.1", (0, 0), 2)),
    ("weight-unreached", lambda: reweighted(tiny(), "w.0.1", (0, 2), 1)),
    ("region-online", lambda: changed(tiny(), "input", 0, core=(28, 28))),
    ("region-online", lambda: reweighted(tiny(), "neuron.mask", 0, 1023)),
    ("region-stray", lambda: without(wide(), "idle")),
    ("region-empty", lambda: changed(tiny(), "input", 0, core=(5, 5))),
    ("region-extension", lambda: changed(tiny(), "core", 0, target_extension=2)),
    ("region-extension", lambda: changed(wide(), "input", 0, extension=4)),
    ("edge-late", lambda: pair_of_layers(start=1)),
    ("edge-slot", lambda: changed(pair_of_layers(), "layer", 0, delay=2)),
    ("edge-deep", lambda: pair_of_layers(start=258)),
    ("input-chip", lambda: changed(tiny(), "input", 0, chip=(3, 3))),
    ("input-range", lambda: changed(tiny(), "input", 0, extension=3)),
    ("input-range", lambda: reweighted(tiny(), "x.0.axon", 0, 1152)),
    ("input-range", lambda: changed(tiny(), "input", 0, first=-1)),
    ("input-range", lambda: changed(tiny(), "input", 0, mask=(0, 32))),
    ("input-early", lambda: changed(tiny(), "input", 0, first=1)),
    ("input-deep", lambda: one_core(start=257)),
    ("axon-collision", lambda: reweighted(tiny(), "x.0.axon", 0, 1)),
    ("axon-collision", lambda: reweighted(loop(), "neuron.axon", 7, 2)),
    ("core-reads", lambda: rewired(tiny(), "core", 1, list(tiny_operands())[:1])),
    ("output-nodes", lambda: changed(tiny(), "output", 0, node=1)),
    ("output-nodes", lambda: swapped_outputs(loop())),
    ("output-nodes", lambda: changed(loop(), "output", 1, core=(0, 0))),
    ("output-unknown", lambda: reweighted(tiny(), "neuron.chip", 1, 64)),
    ("output-blocks", lambda: many_outputs(1, extension=1)),
    ("output-blocks", lambda: many_outputs(3)),
    ("output-extension", lambda: many_outputs(2, extension=1)),
    ("output-record", lambda: reweighted(tiny(), "neuron.axon", 3, 7)),
    ("output-record", lambda: reweighted(tiny(), "neuron.core", 2, 1)),
    ("output-record", lambda: reweighted(tiny(), "neuron.mask", 2, 1)),
]


def tiny_operands():
    """The weight symbol of the second core alone: it does not say what it reads."""
    core = list(tiny().ops("core"))[1]
    return core.symbols


@pytest.mark.parametrize(("code", "make"), MUTATIONS, ids=[c for c, _ in MUTATIONS])
def test_each_violation_is_found(code, make):
    assert code in codes(make())


def test_every_code_is_provoked():
    folder = Path(snnc.targets.paicore.__file__).parent
    text = "".join((folder / name).read_text() for name in ("check.py", "rules/routes.py"))
    found = set(re.findall(r"error\(\s*\"([a-z-]+)\"", text))
    found |= set(re.findall(r"\"(core-[a-z-]+)\": \(", text))
    # Two come from what reads the module and its weights.
    found |= {"placed-malformed", "weight-range"}
    assert found == {code for code, _ in MUTATIONS}


def test_messages_have_numbers_and_a_way_out():
    (error,) = check(one_core(65)).errors
    assert "65 neurons x 8 bits x extension 1, a core that takes spikes holds 64" in error.message
    assert error.help


def test_many_outputs_are_legal_with_a_slot_for_each_block():
    assert set() == codes(many_outputs(2))


def test_a_source_that_never_works_has_no_time_to_judge():
    assert "edge-late" not in codes(changed(pair_of_layers(), "core", 0, start=0))


def test_slots_of_different_delays_meet_in_one_row():
    """A spike sent with delay 2 lands in the row that another source reaches a tick later."""
    spoiled = reweighted(loop(), "neuron.axon", slice(6, 9), [0, 1, 2])
    assert "axon-collision" in codes(spoiled)
