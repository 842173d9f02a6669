"""The target as the driver sees it: limits, passes, options; and the whole way down and back."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snnc.diagnostics import SnncError
from snnc.extend.options import build as build_options
from snnc.extend.passes import Context
from snnc.ir import Builder
from snnc.ir.write import write
from snnc.runtime.reference import Reference
from snnc.targets.paicore import Paicore
from snnc.targets.paicore.group import Group
from snnc.targets.paicore.legalise import Legalise
from snnc.targets.paicore.place import Place
from snnc.targets.paicore.schedule import Schedule
from tests.unit.targets.paicore.placed_modules import tiny

TARGET = Paicore()


def test_the_hardware_is_plain_data():
    limits = TARGET.hardware("paicore2", TARGET.Options())
    assert limits == json.loads(json.dumps(limits))
    assert (1152, 512, 256, 30) == tuple(
        limits[n] for n in ("axons", "dendrites", "slots", "membrane_bits")
    )
    assert ([1, 2, 4, 8, 16, 32, 64], [1, 2, 4, 8]) == (limits["extensions"], limits["weight_bits"])
    assert ([[0, 0]], [1, 0]) == (limits["chips"], limits["output_chip"])


def test_an_unknown_variant_is_refused():
    with pytest.raises(SnncError) as caught:
        TARGET.hardware("paicore3", TARGET.Options())
    assert "unknown-variant" == caught.value.code


def test_every_pass_can_be_imported():
    for name, where in TARGET.passes().items():
        module, _, attribute = where.partition(":")
        __import__(module)
        assert name == getattr(sys.modules[module], attribute).name


def test_options_reach_the_pipeline():
    options = TARGET.Options(group="cores")
    assert (
        "initial-pulse,legalise,shrink-weights,schedule,group{for=cores},place"
        == TARGET.pipeline(options)
    )


def test_options_are_read_as_the_command_line_gives_them():
    given = {"format": ["bin", "txt"], "chip": [0, 0, 0, 1], "output-chip": [2, 0]}
    options = build_options(TARGET.Options, given)
    assert (("bin", "txt"), ((0, 0), (0, 1)), (2, 0)) == (
        options.format,
        options.chips,
        options.receiver,
    )


def test_importing_the_target_loads_no_tool_of_its_own():
    """Emitter, loader, judge and emulator are imported when they are used."""
    heavy = ("emit", "load", "check", "program", "place", "emulate")
    code = f"""
import sys, snnc.targets.paicore
print([n for n in {heavy!r} if 'snnc.targets.paicore.' + n in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip()


def test_the_target_does_what_its_parts_do(tmp_path):
    module = tiny()
    assert [] == TARGET.check(module).items
    report = TARGET.emit(module, tmp_path, TARGET.Options())
    assert "config_all.bin" == report.files[0]
    assert write(module, locs=False) == write(TARGET.load(tmp_path), locs=False)
    x = np.ones((1, 6, 3), np.uint8)
    ran = TARGET.emulate(tmp_path).run({"x": x}).outputs["y"]
    words = TARGET.encode(tmp_path, {"x": x})
    assert 7 == int(words[-1]) & (1 << 30) - 1
    assert not ran.any()
    assert not TARGET.decode(tmp_path, np.zeros(0, np.uint64), 6)["y"].any()


def network(draw):
    """A network with a skip, delays, late starts, a stop and a loop, in integers."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    b = Builder("net", "int")
    x = b.input("x", f"u1[{draw(st.sampled_from([3, 40, 1200]))}]~")

    def linear(value, size, by=0):
        late = b.op("delay", value, by=by) if by else value
        weights = random.integers(-6, 8, (size, value.type.size)).astype(np.int8)
        return b.op("linear", late, b.weight("w", weights))

    def neuron(value, name, **attrs):
        given = {
            "threshold": draw(st.integers(1, 60)),
            "reset": draw(st.sampled_from(["soft", "hard", "none"])),
            "leak": draw(st.integers(-2, 2)),
            "leak_order": draw(st.sampled_from(["before", "after"])),
            "negative": draw(st.integers(0, 50)),
            "negative_mode": draw(st.sampled_from(["floor", "reset"])),
        }
        return b.op("neuron", value, name=name, width=30, **given, **attrs)

    first = draw(st.sampled_from([0, 0, 2]))
    stop = draw(st.sampled_from([0, 11]))
    later = b.forward("c", "u1[30]~")
    one = neuron(linear(x, draw(st.sampled_from([5, 150]))), "a")
    skip = linear(x, 40, draw(st.integers(0, 3)))
    joined = b.op("add", linear(one, 40, first + draw(st.integers(0, 2))), skip)
    two = neuron(joined, "b", first=first)
    three = neuron(b.op("add", linear(two, 30), linear(later, 30, 2)), "c", first=first, ticks=stop)
    b.bind(later, three)
    return b.finish(*draw(st.sampled_from([(three,), (two, three), (one, three)])))


def lowered(module, options):
    context = Context(hardware=TARGET.hardware("", options))
    for step in (Legalise(), Schedule(), Group(for_=options.group), Place()):
        module = step.run(module, context)
    return module


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None
)
@given(st.data())
def test_the_files_do_what_the_network_does(tmp_path, data):
    """Place, judge, write, load, emulate: every layer, every potential, in pieces of any length."""
    module = network(data.draw)
    options = TARGET.Options(
        group=data.draw(st.sampled_from(["both", "latency", "cores"])), chip=(0, 0, 0, 1)
    )
    placed = lowered(module, options)
    assert [] == [str(d) for d in TARGET.check(placed)]
    TARGET.emit(placed, tmp_path, options)
    assert write(placed, locs=False) == write(TARGET.load(tmp_path), locs=False)
    x = (np.random.default_rng(0).random((2, 40, *module.graph.inputs[0].type.shape)) < 0.2) * 1
    expected = Reference().prepare(module).run({"x": x}, probe=("all",))
    program = TARGET.emulate(tmp_path)
    found = program.run({"x": x}, probe=("all",))
    cut = data.draw(st.integers(0, 40))
    start = program.run({"x": x[:, :cut]})
    rest = program.run({"x": x[:, cut:]}, state=start.state)
    for name in expected.trace.keys() & found.trace.keys():
        np.testing.assert_array_equal(expected.trace[name], found.trace[name], err_msg=name)
    assert {"a", "b", "c"} == {name for name in found.trace if "." not in name}
    for name, values in expected.outputs.items():
        np.testing.assert_array_equal(values, found.outputs[name], err_msg=name)
        joined = np.concatenate([start.outputs[name], rest.outputs[name]], axis=1)
        np.testing.assert_array_equal(values, joined, err_msg=name)
