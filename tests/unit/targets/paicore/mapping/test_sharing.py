"""Populations that may share cores: which pairs are tried, and what they take."""

import numpy as np
import pytest

import snnc
from snnc.ir import Builder, Module, Value
from snnc.targets.paicore.mapping.sharing import EVERY_PAIR, neighbors, of_one_time, strides
from snnc.targets.paicore.neurons.populations import Populations


def layer(build: Builder, name: str, size: int, *sources: Value, first: int = 0) -> Value:
    """Add neurons that read each source with weights of eight bits."""
    rng = np.random.default_rng(len(name))
    sums = []
    for source in sources:
        weights = rng.integers(-128, 128, (size, source.type.size)).astype(np.int8)
        sums.append(build.op("linear", source, build.weight("w", weights)))
    current = sums[0] if len(sums) == 1 else build.op("add", *sums)
    return build.op("neuron", current, name=name, threshold=99, first=first)


def fan(*sizes: int) -> Module:
    """Return layers of some sizes that read one input."""
    build = Builder("net", "int")
    x = build.input("x", "u1[9]~")
    return build.finish(*(layer(build, f"n{n}", size, x) for n, size in enumerate(sizes)))


def apart() -> Module:
    """Return two layers that read two inputs, and one behind them that reads both inputs."""
    build = Builder("net", "int")
    x, y = (build.input(name, "u1[9]~") for name in "xy")
    a, b = layer(build, "a", 20, x), layer(build, "b", 20, y)
    return build.finish(a, b, layer(build, "c", 60, x, build.op("delay", a), y, first=1))


def names(pairs: list[tuple[object, ...]]) -> list[str]:
    return ["".join(op.result.name for op in pair) for pair in pairs]


def cores(module: Module) -> int:
    return int(snnc.compile(module, target="paicore").manifest["resources"]["cores"])


def always(op: object) -> bool:
    return True


def test_all_pairs_of_few_are_tried_and_neighbors_of_many() -> None:
    few, many = fan(*[4] * EVERY_PAIR), fan(*[4] * (EVERY_PAIR + 1))
    assert EVERY_PAIR * (EVERY_PAIR - 1) // 2 == len(list(of_one_time(Populations(few), always)))
    assert EVERY_PAIR == len(list(of_one_time(Populations(many), always)))


def test_layers_that_work_at_one_time_are_joined_through_a_third() -> None:
    populations = Populations(apart())
    assert ["ab"] == names(list(of_one_time(populations, always)))
    assert ["ac", "bc"] == names(list(neighbors(populations, always)))


@pytest.mark.parametrize(
    ("sizes", "expected"), [((10, 60, 31), 2), ((20, 50, 44), 2), ((24, 24, 39, 37), 2)]
)
def test_small_layers_share_a_core_past_a_large_one(sizes: tuple[int, ...], expected: int) -> None:
    # A core holds 64 neurons with weights of eight bits.
    assert expected == cores(fan(*sizes))


def test_layers_that_read_different_inputs_share_a_core() -> None:
    assert 2 == cores(apart())


def test_shared_cores_do_what_the_network_does() -> None:
    rng, module = np.random.default_rng(3), apart()
    inputs = {v.name: rng.integers(0, 2, (2, 9, 9)).astype(np.uint8) for v in module.graph.inputs}
    assert snnc.compile(module, target="paicore").verify(inputs)


def test_outputs_send_to_as_many_slots_as_neurons_beside_them_that_have_room() -> None:
    inner = {"a": ("early", 4), "b": ("early", 2), "c": ("late", 1)}
    outer = {"d": ("early", 1), "e": ("early", 4), "f": ("early", 8), "g": ("late", 2)}
    found = {"a": 4, "b": 2, "c": 1, "d": 2, "e": 4, "f": 8, "g": 2}
    assert found == strides(inner, outer)


def test_an_output_shares_a_core_with_neurons_whose_readers_have_extended_axons() -> None:
    build, rng = Builder("net", "int"), np.random.default_rng(5)
    x, y = build.input("x", "u1[9]~"), build.input("y", "u1[1152]~")
    a, b = layer(build, "a", 20, x), layer(build, "b", 20, x)
    module = build.finish(b, layer(build, "c", 20, a, y))
    made = snnc.compile(module, target="paicore")
    # The readers of `a` have 1172 axons, in two slots.
    assert 2 == cores(module)
    inputs = {v.name: rng.integers(0, 2, (2, 150, v.type.size)) for v in module.graph.inputs}
    assert made.verify({name: train.astype(np.uint8) for name, train in inputs.items()})
