"""The dense rows of every linear op equal what the reference interpreter computes forwards."""

import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.ir import Builder, Module, Value
from snnc.ir.synapses import Edge, Synapses
from snnc.runtime.reference import Reference

RNG = np.random.default_rng(7)


def weights(*shape: int) -> np.ndarray:
    return RNG.integers(-5, 6, shape).astype(np.int8)


def finish(build: Builder, current: Value) -> tuple[Module, Module]:
    """Return the module that ends in neurons, and the one that returns their input."""
    spikes = build.op("neuron", current, threshold=10**6, name="s")
    return build.finish(spikes), build.finish(current)


def check(build: Builder, current: Value, ticks: int = 6) -> None:
    """Compare rows times spikes, delayed, with the reference's values of the neurons' input."""
    module, forward = finish(build, current)
    x = module.graph.inputs[0]
    spikes = RNG.integers(0, 2, (2, ticks, *x.type.shape)).astype(np.uint8)
    expected = Reference().prepare(forward).run({x.name: spikes}).outputs[current.name]
    synapses, op = Synapses(module), module.graph.ops[-1]
    size = current.type.size
    actual = np.zeros((2, ticks, size), dtype=np.int64)
    for select, rows in synapses.blocks(op):
        for edge, block in rows.weights.items():
            late = np.zeros((2, ticks, x.type.size), dtype=np.int64)
            late[:, edge.delay :] = spikes.reshape(2, ticks, -1)[:, : ticks - edge.delay]
            actual[..., select] += late @ block.T.astype(np.int64)
        actual[..., select] += rows.bias
    assert np.array_equal(expected.reshape(2, ticks, size), actual)


def image(*shape: int) -> tuple[Builder, Value]:
    build = Builder("net", "int")
    return build, build.input("x", f"u1[{', '.join(map(str, shape))}]~")


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    "attrs",
    [
        {},
        {"stride": [2, 1], "padding": [1, 2]},
        {"dilation": [2, 1], "padding": [2, 0, 1, 1]},
    ],
)
def test_rows_of_a_convolution(groups: int, attrs: dict[str, list[int]]) -> None:
    build, x = image(4, 6, 7)
    kernel = build.weight("k", weights(6, 4 // groups, 3, 2))
    bias = build.weight("b", np.arange(6, dtype=np.int32))
    check(build, build.op("conv2d", x, kernel, bias, groups=groups, **attrs))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    "attrs",
    [
        {},
        {"stride": [2, 3], "padding": [1, 0], "output_padding": [1, 2]},
        {"dilation": [2, 1], "stride": [1, 2]},
    ],
)
def test_rows_of_a_transposed_convolution(groups: int, attrs: dict[str, list[int]]) -> None:
    build, x = image(4, 3, 4)
    kernel = build.weight("k", weights(4, 3, 3, 2))
    bias = build.weight("b", np.arange(3 * groups, dtype=np.int32))
    check(build, build.op("conv_transpose2d", x, kernel, bias, groups=groups, **attrs))


def test_rows_of_one_dimensional_convolutions() -> None:
    build, x = image(2, 9)
    wide = build.op("conv_transpose1d", x, build.weight("t", weights(2, 3, 4)), stride=[2])
    check(build, build.op("conv1d", wide, build.weight("k", weights(2, 3, 3)), padding=[1]))


def test_rows_of_a_matrix_over_leading_axes() -> None:
    build, x = image(3, 5)
    check(
        build,
        build.op(
            "linear",
            x,
            build.weight("w", weights(4, 5)),
            build.weight("b", np.arange(4, dtype=np.int32)),
        ),
    )


def test_rows_of_pools_scales_and_movements() -> None:
    build, x = image(2, 6, 6)
    pooled = build.op("sum_pool2d", x, kernel=[3, 2], stride=[2, 2], padding=[1, 0])
    scaled = build.op("scale", pooled, build.weight("c", weights(2)))
    turned = build.op("permute", scaled, order=[2, 0, 1])
    flat = build.op("reshape", turned, shape=[18])
    part = build.op("slice", flat, start=3, stop=15)
    joined = build.op("concat", part, part)
    check(build, build.op("linear", joined, build.weight("w", weights(5, 24))))


def test_parallel_paths_with_one_delay_add_up() -> None:
    build, x = image(6)
    one = build.op("linear", x, build.weight("a", weights(4, 6)))
    other = build.op("linear", x, build.weight("b", weights(4, 6)))
    late = build.op("linear", build.op("delay", x, by=2), build.weight("c", weights(4, 6)))
    current = build.op("sub", build.op("add", one, late, one), other)
    check(build, current)
    module, _ = finish(build, current)
    edges = Synapses(module).edges(module.graph.ops[-1])
    assert [Edge(x, 0), Edge(x, 2)] == list(edges)


def test_a_masked_connection_has_the_weights_of_the_mask() -> None:
    build, x = image(6)
    mask = build.weight("m", RNG.integers(0, 2, (4, 6)).astype(bool))
    check(build, build.op("masked_linear", x, build.weight("a", weights(4, 6)), mask))


def test_selected_rows_of_a_matrix_are_a_view_of_it() -> None:
    build, x = image(6)
    module, _ = finish(build, build.op("linear", x, build.weight("w", weights(4, 6))))
    op = module.graph.ops[-1]
    (block,) = Synapses(module).rows(op, np.arange(1, 3)).weights.values()
    assert block.base is not None
    assert np.array_equal(module.tensor(module.graph.ops[0].symbols[0])[1:3], block)


def test_the_range_of_parallel_weights_is_that_of_their_sum() -> None:
    build, x = image(1)
    one = build.op("linear", x, build.weight("a", np.array([[100]], np.int8)))
    other = build.op("linear", x, build.weight("b", np.array([[90]], np.int8)))
    module, _ = finish(build, build.op("add", one, other))
    assert (0, 190) == Synapses(module).weight_range(module.graph.ops[-1])


def test_a_bias_that_is_read_late_is_refused() -> None:
    build, x = image(2)
    current = build.op(
        "linear", x, build.weight("a", weights(2, 2)), build.weight("b", np.ones(2, np.int32))
    )
    module, _ = finish(build, build.op("delay", current, by=1))
    with pytest.raises(SnncError) as refused:
        Synapses(module).rows(module.graph.ops[-1], np.arange(2))
    assert refused.value.code == "bias-behind-delay"


def test_a_loop_without_neurons_is_refused() -> None:
    build, x = image(2)
    later = build.forward("sum", "i32[2]~")
    current = build.op("linear", x, build.weight("a", weights(2, 2)))
    total = build.op("add", current, build.op("delay", later, by=1), name="sum")
    build.bind(later, total)
    module, _ = finish(build, total)
    with pytest.raises(SnncError) as refused:
        Synapses(module).edges(module.graph.ops[-1])
    assert refused.value.code == "linear-loop"
