"""Several places read one source: copies of it or relays, whichever takes fewer cores."""

import numpy as np
import pytest

import snnc
from snnc.extend.passes import Context
from snnc.ir import Builder
from snnc.runtime.reference import Reference
from snnc.targets.paicore import Paicore
from snnc.targets.paicore.mapping.detour import count_cores, sources_of_detours
from snnc.targets.paicore.schedule import Schedule


def network(hidden, bits, late=3, wide=False, returned=False):
    """A layer that one layer reads at once, and another late or in cores of values."""
    rng = np.random.default_rng(hidden)
    high = 2 if bits == 1 else 1 << (bits - 1)
    b = Builder("net", "int")
    x, y = b.input("x", "u1[30]~"), b.input("y", "u8[5]~")

    def dense(value, size, top=8):
        low = 0 if top == 2 else -top
        w = rng.integers(low, top, (size, value.type.size)).astype(np.int8)
        return b.op("linear", value, b.weight("w", w))

    a = b.op("neuron", dense(x, hidden, high), name="a", threshold=9, width=30)
    near = b.op("neuron", dense(a, 6), name="near", threshold=9, width=30)
    then = b.op("delay", a, by=late) if late else a
    current, more = dense(then, 4), {}
    if wide:
        current = b.op("add", current, dense(y, 4))
        more = {"memory": "clear", "spike": "value"}
    far = b.op("neuron", current, name="far", threshold=9, width=30, **more)
    return b.finish(near, far, *[a] * returned)


def built(module):
    """Return a build after checking it; and its layers."""
    rng = np.random.default_rng(1)
    x = {
        v.name: rng.integers(0, 2, (2, 40, *v.type.shape)).astype(np.uint8)
        for v in module.graph.inputs
    }
    build = snnc.compile(module, "paicore")
    assert build.verify(x).equal
    return build, {op["of"]: op for op in build.placed.ops("layer")}


@pytest.mark.parametrize(("late", "wide"), [(3, False), (0, True), (5, True)])
def test_a_relay_stands_for_a_copy_of_wide_weights(late, wide):
    """600 neurons of 8 bits take 10 cores, relays of 1 bit two at most."""
    build, layers = built(network(600, 8, late, wide))
    assert "a.detour0" in layers
    assert build.manifest["resources"]["cores"] <= 10 + 2 + 2


@pytest.mark.parametrize("times", [1, 2])
def test_an_output_that_is_read_is_sent_by_a_relay_under_its_name(times, tmp_path):
    """What is returned twice is copied: two relays would be two layers of one name."""
    module = network(600, 8, late=0, returned=times)
    build, layers = built(module)
    assert {"a", *["a.detour0"] * (times == 1)} == {n for n in layers if n[0] == "a"}
    outputs = [op["of"] for op in build.placed.ops("output")]
    assert ["near", "far", *["a"] * times] == outputs
    assert (build.manifest["resources"]["cores"] <= 10 + 2 + 1) == (times == 1)
    build.save(tmp_path / "build")
    rng = np.random.default_rng(1)
    x = {"x": rng.integers(0, 2, (1, 9, 30)), "y": rng.integers(0, 2, (1, 9, 5))}
    x = {name: train.astype(np.uint8) for name, train in x.items()}
    expected = Reference().prepare(module).run(x, probe=("a", "a.v"))
    actual = Paicore().emulate(tmp_path / "build").run(x, probe=("a", "a.v"))
    for name in ("a", "a.v"):
        assert np.array_equal(expected.trace[name], actual.trace[name])
    assert np.array_equal(expected.outputs["a"], actual.outputs["a"])


def test_few_neurons_are_copied():
    _, layers = built(network(20, 8))
    assert "a.detour0" not in layers


def test_weights_of_one_bit_are_copied():
    _, layers = built(network(600, 1))
    assert "a.detour0" not in layers


def test_a_source_that_one_place_reads_stays():
    assert [] == sources_of_detours(network(600, 8, late=0))


def test_a_relay_goes_on_over_relays_where_the_delay_is_long():
    """A buffer of 600 axons holds 256 ticks; the place is read 400 ticks late."""
    built(network(600, 8, late=400))


def test_cores_of_a_divided_layer_are_counted_in_all_its_regions() -> None:
    build = Builder("net", "int")
    weights = build.weight("w", np.full((40_000, 2), 127, np.int8))
    current = build.op("linear", build.input("x", "u1[2]~"), weights)
    module = build.finish(build.op("neuron", current, threshold=1))
    assert 40_000 / 64 == count_cores(Schedule().run(module, Context()), "masks")
