import numpy as np
import pytest

from snnc.driver import run_pipeline
from snnc.driver.stimuli import stimuli
from snnc.ir import Builder
from snnc.runtime.reference import Reference

RNG = np.random.default_rng(7)


def weights(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def agree(module):
    """The module after the pass, its outputs compared to float32 precision."""
    folded = run_pipeline(module, "fold-pool")
    before, after = Reference().prepare(module), Reference().prepare(folded)
    for _, inputs in stimuli(module, 3):
        old, new = before.run(inputs).outputs, after.run(inputs).outputs
        for a, b in zip(old.values(), new.values(), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)
    return folded


def kinds(module):
    return [op.kind for op in module.graph.ops]


CASES = {
    "plain": ((2, 9, 8), (4, 2, 3, 3), {}, {"kernel": (2, 2)}),
    "strides": (
        (2, 15, 14),
        (4, 2, 3, 2),
        {"stride": (2, 3)},
        {"kernel": (2, 2), "stride": (1, 2)},
    ),
    "padding": ((2, 9, 8), (4, 2, 3, 3), {"padding": (1, 1)}, {"kernel": (3, 2)}),
    "uneven padding": ((2, 9, 8), (4, 2, 2, 2), {"padding": (0, 0, 1, 1)}, {"kernel": (2, 2)}),
    "groups": ((4, 9, 8), (6, 2, 3, 3), {"groups": 2}, {"kernel": (2, 2)}),
    "one axis": ((2, 9), (4, 2, 3), {"padding": (1,)}, {"kernel": (3,), "stride": (2,)}),
}


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", ["sum", "avg"])
@pytest.mark.parametrize("case", CASES)
def test_a_pool_of_currents_goes_into_the_convolution(case, kind, bias):
    shape, w, conv, pool = CASES[case]
    axes = len(shape) - 1
    b = Builder("net", "snn")
    x = b.input("x", f"f32{list(shape)}~")
    more = [b.weight("l.b", weights(w[0]))] if bias else []
    y = b.op(f"conv{axes}d", x, b.weight("l.w", weights(*w)), *more, **conv)
    module = agree(b.finish(b.op(f"{kind}_pool{axes}d", y, name="p", **pool)))
    assert [f"conv{axes}d"] == kinds(module)
    assert ["l.w", "l.b"][: 1 + bias] == list(module.weights)
    assert ["p"] == [v.name for v in module.graph.outputs]


def test_a_chain_of_pools_becomes_one_convolution():
    b = Builder("net", "snn")
    y = b.op("conv2d", b.input("x", "f32[1, 16, 16]~"), b.weight("w", weights(2, 1, 3, 3)))
    y = b.op("sum_pool2d", b.op("avg_pool2d", y, kernel=(2, 2)), kernel=(2, 2))
    assert ["conv2d"] == kinds(agree(b.finish(y)))


@pytest.mark.parametrize("stays", ["read", "returned", "dilated", "padded", "spikes"])
def test_what_can_not_go_into_a_convolution_stays(stays):
    b = Builder("net", "snn")
    x = b.input("x", "f32[2, 9, 9]~")
    conv = {"dilation": (2, 2)} if stays == "dilated" else {}
    y = b.op("conv2d", x, b.weight("w", weights(2, 2, 3, 3)), **conv)
    if stays == "spikes":
        y = b.op("neuron", y)
    pool = {"padding": (1, 1)} if stays == "padded" else {}
    p = b.op("avg_pool2d", y, kernel=(2, 2), **pool)
    more = {"read": lambda: [b.op("neuron", y)], "returned": lambda: [y]}
    module = agree(b.finish(p, *more.get(stays, list)()))
    assert "avg_pool2d" in kinds(module)


def test_pooled_currents_keep_the_bits_of_their_weights():
    b = Builder("net", "snn")
    y = b.op("conv2d", b.input("x", "u1[1, 8, 8]~"), b.weight("w", np.abs(weights(2, 1, 3, 3))))
    module = b.finish(b.op("neuron", b.op("avg_pool2d", y, kernel=(2, 2))))
    made = run_pipeline(module, "clean,fold-pool,quantize{bits=8},clean")
    assert ["conv2d", "neuron"] == kinds(made)
    assert ["i8"] == [str(made.symbol_type(op.symbols[0]).element) for op in made.ops("conv2d")]
