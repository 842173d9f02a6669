"""Layers over several cores, and relays: the same spikes, within the chip's limits."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from snnc.diagnostics import SnncError
from snnc.driver import run_pipeline
from snnc.ir import Module
from snnc.ir.build import Builder
from snnc.runtime.reference import Reference
from snnc.targets.dynapcnn.lowering.canonical import write_network
from snnc.targets.dynapcnn.lowering.network import read_network
from snnc.targets.dynapcnn.mapping.relays import relayed
from snnc.targets.dynapcnn.mapping.split import split, ways
from tests.laws.effort import examples
from tests.unit.targets.dynapcnn.networks import compiled, networks, neuron, one_layer, weights


def cores(module: Module, **options: Any) -> dict[str, int]:
    build = compiled(module, spread=True, **options)
    shape = module.graph.inputs[0].type.shape
    draws = np.random.Generator(np.random.PCG64(1)).integers(0, 2, (1, 2, *shape))
    assert build.verify(draws)
    return {op.result.name: op["core"] for op in build.placed.ops("core")}


def test_a_layer_of_too_many_neurons_is_cut_in_two() -> None:
    module = one_layer("u8[2, 64, 64]~", 32, 3, padding=(1, 1))
    with pytest.raises(SnncError) as refused:
        compiled(module)
    assert "no-core-fits" == refused.value.code
    assert "--spread places it on 2 cores" in refused.value.diagnostics[0].help
    assert {"y.0": 0, "y.1": 1} == cores(module)


def test_a_layer_that_fits_stays_whole() -> None:
    assert ["y"] == [*cores(one_layer("u8[2, 8, 8]~", 4, 3))]


def test_pieces_reach_both_halves_of_the_next_layer() -> None:
    b = Builder("chain", "snn")
    x = b.input("x", "u8[1, 34, 34]~")
    s = neuron(b, b.op("conv2d", x, b.weight("w", weights(0, 128, 1, 3, 3))), "s")
    p = b.op("avg_pool2d", s, kernel=(4, 4))
    y = neuron(b, b.op("conv2d", p, b.weight("v", weights(1, 64, 128, 3, 3))), "y")
    assert {"s.0": 0, "s.1": 1, "y.0": 5, "y.1": 6} == cores(b.finish(y))


def test_neurons_of_a_linear_layer_in_another_shape_are_cut_too() -> None:
    b = Builder("shaped", "snn")
    x = b.input("x", "u8[200]~")
    made = b.op("linear", x, b.weight("w", weights(0, 512, 200)))
    s = neuron(b, b.op("reshape", made, shape=(8, 8, 8)), "s")
    flat = b.op("reshape", s, shape=(512,))
    y = neuron(b, b.op("linear", flat, b.weight("v", weights(1, 4, 512))), "y")
    assert {"s.0", "s.1", "y"} == {*cores(b.finish(s, y))}


def many_readers(count: int, **attrs: Any) -> Module:
    b = Builder("readers", "snn")
    x = b.input("x", "u8[1, 12, 12]~")
    s = neuron(b, b.op("conv2d", x, b.weight("w", weights(0, 3, 1, 3, 3))), "s", **attrs)
    ends = []
    for n in range(count):
        read = b.op("sum_pool2d", s, kernel=(2, 2)) if n % 2 else s
        made = b.op("conv2d", read, b.weight(f"w{n}", weights(n, 1, 3, 3, 3)))
        ends.append(neuron(b, made, f"y{n}"))
    return b.finish(*ends)


@pytest.mark.parametrize(("readers", "relays"), [(2, 0), (3, 1), (5, 3)])
def test_relays_pass_spikes_on_to_many_readers(readers: int, relays: int) -> None:
    found = cores(many_readers(readers))
    assert relays == sum("relay" in name for name in found)
    assert 1 + readers + relays == len(found)


@pytest.mark.parametrize("size", [32, 160])
def test_relays_let_many_layers_read_the_pixels(size: int) -> None:
    b = Builder("eyes", "snn")
    x = b.input("x", f"u8[2, {size}, {size}]~")
    seen = b.op("sum_pool2d", x, kernel=(2, 2))
    ends = []
    for n in range(4):
        made = b.op("conv2d", seen, b.weight(f"w{n}", weights(n, 1, 2, 3, 3)), stride=(2, 2))
        ends.append(neuron(b, made, f"y{n}"))
    module = b.finish(*ends)
    if size == 32:
        assert {"x.relay.0", "x.relay.1", "y0", "y1", "y2", "y3"} == {*cores(module)}
        return
    # No relay holds a map of 80 x 80.
    with pytest.raises(SnncError) as refused:
        compiled(module, spread=True)
    assert {"too-many-destinations", "pixel-map"} == {d.code for d in refused.value.diagnostics}


def test_too_many_readers_for_the_chip_are_refused_with_the_rule() -> None:
    with pytest.raises(SnncError) as refused:
        compiled(many_readers(8), spread=True)
    assert "too-many-destinations" == refused.value.code


def test_every_way_to_cut_holds_all_features() -> None:
    for features in (1, 5, 20, 33):
        for cut in ways(features, 6):
            assert features == sum(cut)
            assert all(cut)
    assert [(20,), (16, 4), (10, 10)] == list(ways(20, 2))


RELAXED = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink),
)
"""Without the phase that explains: it traces every line, and networks take ten times as long."""


def integers(module: Module) -> Module | None:
    try:
        return run_pipeline(module, "legalise,discretize", "dynapcnn")
    except SnncError:
        return None


@settings(RELAXED, max_examples=examples(20))
@given(networks(), st.data())
def test_cut_and_relayed_networks_spike_the_same(module: Module, data: st.DataObject) -> None:
    whole = integers(module)
    if whole is None:
        return
    network = read_network(whole)
    sizes = [data.draw(st.sampled_from([*ways(len(x.weights), 3)])) for x in network.layers]
    cut = relayed(split(network, sizes))
    made = write_network(cut, cut.layers, "int")
    sent = [part.source for layer in read_network(made).layers for part in layer.parts]
    assert all(sent.count(layer.result) <= 2 for layer in read_network(made).layers)
    x = whole.graph.inputs[0]
    draws = np.random.Generator(np.random.PCG64(7)).integers(0, 3, (1, 5, *x.type.shape))
    draws = np.minimum(draws, x.type.element.high)
    before = Reference().prepare(whole).run({"x": draws}, probe=("all",))
    after = Reference().prepare(made).run({"x": draws}, probe=("all",))
    for name, array in before.outputs.items():
        assert np.array_equal(array, after.outputs[name])
    for layer, pieces in zip(network.layers, sizes, strict=True):
        name = layer.result.name
        names = [f"{name}.{n}" for n in range(len(pieces))] if len(pieces) > 1 else [name]
        joined = np.concatenate([after.trace[n] for n in names], axis=2)
        assert np.array_equal(before.trace[name], joined)
