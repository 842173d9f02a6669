import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.driver import run_pipeline
from snnc.driver.stimuli import stimuli
from snnc.ir import Builder
from snnc.runtime.reference import Reference

RNG = np.random.default_rng(5)


def statistics(b, channels):
    draws = [RNG.normal(size=channels), RNG.random(channels) + 0.1]
    draws += [RNG.normal(size=channels), RNG.normal(size=channels)]
    return [b.weight(n, a.astype(np.float32)) for n, a in zip("mvgb", draws, strict=True)]


def weights(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def agree(module):
    """The module without norms, after comparing all outputs to float32 precision."""
    folded = run_pipeline(module, "fold-norm")
    before, after = Reference().prepare(module), Reference().prepare(folded)
    for _, inputs in stimuli(module, 4):
        old, new = before.run(inputs).outputs, after.run(inputs).outputs
        for a, b in zip(old.values(), new.values(), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)
    assert [] == list(folded.ops("batch_norm"))
    return folded


LAYERS = {
    "linear": ((6,), "linear", (4, 6), {}),
    "conv1d": ((4, 9), "conv1d", (6, 2, 3), {"groups": 2, "stride": [2]}),
    "conv2d": ((2, 6, 5), "conv2d", (4, 2, 3, 3), {"padding": [1, 1]}),
    "transpose1d": ((4, 5), "conv_transpose1d", (4, 3, 2), {"groups": 2, "stride": [2]}),
    "transpose2d": ((2, 4, 4), "conv_transpose2d", (2, 3, 2, 2), {}),
}


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("case", LAYERS)
def test_norm_behind_a_layer_goes_into_its_weights(case, bias):
    shape, kind, w, attrs = LAYERS[case]
    b = Builder("net", "snn")
    x = b.input("x", f"f32{list(shape)}~")
    out = w[1] * attrs.get("groups", 1) if "transpose" in kind else w[0]
    more = [b.weight("l.b", weights(out))] if bias else []
    y = b.op(kind, x, b.weight("l.w", weights(*w)), *more, **attrs)
    module = agree(b.finish(b.op("batch_norm", y, *statistics(b, out), epsilon=1e-3, name="n")))
    assert [kind] == [op.kind for op in module.graph.ops]
    assert ["l.w", "l.b"] == list(module.weights)
    assert ["n"] == [v.name for v in module.graph.outputs]


@pytest.mark.parametrize("shape", [(3,), (3, 4), (3, 4, 5)])
def test_norm_elsewhere_becomes_a_depthwise_convolution(shape):
    b = Builder("net", "snn")
    x = b.input("x", f"f32{list(shape)}~")
    module = agree(b.finish(b.op("batch_norm", x, *statistics(b, 3), name="n")))
    assert [3] == [op["groups"] for op in module.ops("conv1d")]


def test_norm_behind_a_layer_over_rows_does_not_scale_its_outputs():
    b = Builder("net", "snn")
    x = b.input("x", "f32[3, 6]~")
    y = b.op("linear", x, b.weight("w", weights(4, 6)))
    agree(b.finish(b.op("batch_norm", y, *statistics(b, 3))))


def test_layer_that_others_read_stays():
    b = Builder("net", "snn")
    y = b.op("linear", b.input("x", "f32[6]~"), b.weight("w", weights(4, 6)))
    module = agree(b.finish(b.op("add", y, b.op("batch_norm", y, *statistics(b, 4)))))
    assert ["linear", "linear", "add"] == [op.kind for op in module.graph.ops]


def test_chain_of_norms_folds():
    b = Builder("net", "snn")
    y = b.op("linear", b.input("x", "f32[6]~"), b.weight("w", weights(4, 6)))
    for _ in range(3):
        y = b.op("batch_norm", y, *statistics(b, 4))
    module = agree(b.finish(y))
    assert ["linear"] == [op.kind for op in module.graph.ops]


def test_location_of_a_folded_layer_names_both():
    from snnc.diagnostics import at

    b = Builder("net", "snn")
    x = b.input("x", "f32[6]~")
    y = b.op("linear", x, b.weight("w", weights(4, 6)), loc=at("net.py", 1))
    y = b.op("batch_norm", y, *statistics(b, 4), loc=at("net.py", 2))
    module = run_pipeline(b.finish(y), "fold-norm")
    assert "net.py:1, net.py:2" == str(module.graph.ops[0].loc)


def refused(variance, gamma):
    b = Builder("net", "snn")
    y = b.op("linear", b.input("x", "f32[1]~"), b.weight("w", np.full((1, 1), 1e30, np.float32)))
    given = [0.0, variance, gamma, 0.0]
    y = b.op(
        "batch_norm", y, *[b.weight(n, np.float32([v])) for n, v in zip("mvgb", given, strict=True)]
    )
    with pytest.raises(SnncError) as caught:
        run_pipeline(b.finish(y), "fold-norm")
    return caught.value.code


def test_negative_variance_is_refused():
    assert "norm-variance" == refused(-1.0, 1.0)


def test_weight_beyond_float32_is_refused():
    assert "weight-not-finite" == refused(1e-12, 1e30)
