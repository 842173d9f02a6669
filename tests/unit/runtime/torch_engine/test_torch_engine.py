"""The torch engine computes what the reference computes: every value, state and error."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.diagnostics import SnncError
from snnc.ir import Builder
from snnc.ir.types import I8
from snnc.runtime.compare import first_difference, graph_order
from snnc.runtime.numpy_engine import NumpyEngine
from snnc.runtime.reference import Reference
from snnc.runtime.torch_engine import TorchEngine
from tests.golden.paibox_translate import translate
from tests.golden.run import case_folders
from tests.laws.strategies import modules, spikes
from tests.unit.runtime.test_numpy_engine import assert_equal, outcome, relaxed

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
GOLDEN = Path(__file__).parents[3] / "golden" / "paibox"
QUICK = ("06_", "26_", "35_", "40_")


def check(module, inputs, ticks, cut=None):
    """Compare a run whose values are all seen, one that sees outputs, and a change of engines."""
    word, expected = outcome(Reference(), module, inputs, ticks)
    other, actual = outcome(TorchEngine("cpu"), module, inputs, ticks)
    assert word == other
    if word == "error":
        assert expected == actual
        return
    assert_equal(expected, actual)
    program = TorchEngine("cpu").prepare(module)
    for name, array in program.run(inputs, ticks=ticks).outputs.items():
        assert expected.outputs[name].dtype == array.dtype
        assert np.array_equal(expected.outputs[name], array), name
    if cut:
        timed = {v.name for v in module.graph.inputs if v.type.timed}
        early = {n: a[:, :cut] if n in timed else a for n, a in inputs.items()}
        late = {n: a[:, cut:] if n in timed else a for n, a in inputs.items()}
        first = program.run(early, ticks=cut)
        second = Reference().prepare(module).run(late, ticks=ticks - cut, state=first.state)
        third = program.run(late, ticks=ticks - cut, state=first.state)
        for name, arrays in expected.state.held.items():
            for run in (second, third):
                for one, two in zip(arrays, run.state.held[name], strict=True):
                    assert (one.dtype, one.shape) == (two.dtype, two.shape)
                    assert np.array_equal(one, two), name


def train(rng, shape, rate=0.3):
    return (rng.random(shape) < rate).astype(np.uint8)


def notes(module):
    return [note.message for note in TorchEngine("cpu").prepare(module).notes]


@needs_torch
@pytest.mark.parametrize("level", ["int", "snn"])
def test_random_modules_run_alike(level):
    @settings(relaxed, max_examples=25)
    @given(st.data())
    def law(data):
        module = data.draw(modules(level))
        inputs = data.draw(spikes(module, samples=3, ticks=8))
        check(module, inputs, 8, data.draw(st.integers(1, 7)))

    law()


@needs_torch
@pytest.mark.parametrize("path", case_folders(GOLDEN), ids=lambda path: path.name)
def test_golden_networks_run_alike(path):
    if path.name.startswith(("57_", "58_", "69_")):
        pytest.skip("refused by the translation")
    case = translate(path)
    expected = Reference().prepare(case.module).run(case.inputs, probe=("all",)).trace
    actual = TorchEngine("cpu").prepare(case.module).run(case.inputs, probe=("all",)).trace
    assert first_difference(expected, actual, order=graph_order(case.module)) is None


@needs_torch
@pytest.mark.parametrize("bytes_", [True, False])
@pytest.mark.parametrize(("element", "top"), [("u1", 1), ("u8", 255), ("i8", -128), ("u16", 65535)])
@pytest.mark.parametrize("fan_in", [515, 9000])
def test_products_of_the_greatest_numbers_are_exact(element, top, fan_in, bytes_, monkeypatch):
    from snnc.runtime import torch_products

    if not bytes_:
        monkeypatch.setattr(torch_products, "_has_bytes", lambda device: False)
    w = np.full((18, fan_in), -127, dtype=np.int8)
    w[1] = np.where(np.arange(fan_in) % 2, 127, -127)
    w[2:] = 127
    w[3] = -128 if fan_in < 600 else 127
    b = Builder("greatest", "int")
    x = b.input("x", f"{element}[{fan_in}]~")
    bias = b.weight("b", np.full(18, -99))
    y = b.op("linear", x, b.weight("w", w, I8), bias, name="y")
    module = b.finish(b.op("neuron", y, name="s", threshold=2**30, overflow="saturate"))
    x = np.full((1, 5, fan_in), top)
    x[0, 1, 0] = 0
    check(module, {"x": x}, 5)


@needs_torch
@pytest.mark.parametrize("level", ["int", "snn"])
def test_windows_pools_and_moves_are_exact(level):
    rng = np.random.default_rng(1)
    b = Builder("windows", level)

    def weight(name, *shape):
        whole = rng.integers(-60, 60, shape)
        return b.weight(name, whole if level == "int" else (whole / 64).astype(np.float32))

    x = b.input("x", "u1[4, 7, 6]~")
    how = {"padding": (2, 1), "stride": (2, 1), "dilation": (1, 2), "groups": 2}
    y = b.op("conv2d", x, weight("w", 6, 2, 3, 3), **how)
    s = b.op("neuron", y, threshold=40 if level == "int" else 0.6, name="s")
    up = {"stride": (2, 1), "padding": (1, 0)}
    z = b.op("conv_transpose2d", s, weight("v", 6, 5, 2, 2), **up)
    t = b.op("neuron", z, threshold=30 if level == "int" else 0.5, name="t")
    pooled = b.op("sum_pool2d", b.op("max_pool2d", t, kernel=(2, 2)), kernel=(2, 1))
    flat = b.op("reshape", b.op("permute", pooled, order=(2, 0, 1)), shape=(pooled.type.size,))
    last = b.op("linear", flat, weight("u", 3, pooled.type.size), weight("c", 3))
    module = b.finish(b.op("neuron", last, threshold=50 if level == "int" else 0.9, name="out"))
    assert level == "snn" or [] == notes(module)
    check(module, {"x": train(rng, (2, 9, 4, 7, 6))}, 9, 4)


@needs_torch
def test_a_loop_runs_alike():
    rng = np.random.default_rng(2)
    b = Builder("loop", "int")
    x, later = b.input("x", "u1[21]~"), b.forward("s", "u1[21]~")
    fed = b.op("linear", b.op("delay", later, by=2), b.weight("r", rng.integers(-20, 20, (21, 21))))
    y = b.op("add", b.op("linear", x, b.weight("w", rng.integers(-20, 20, (21, 21)))), fed)
    s = b.op("neuron", y, threshold=40, name="s", leak=-1, floor=-30)
    b.bind(later, s)
    module = b.finish(s)
    assert [] == notes(module)
    check(module, {"x": train(rng, (2, 17, 21))}, 17, 4)


@needs_torch
@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_real_inputs_and_ties_are_rounded_once(kind):
    rng = np.random.default_rng(3)
    digits = 24 if kind == np.float32 else 11
    w = rng.normal(0, 0.3, (40, 5))
    w[:, 0], w[:20, 1], w[20:, 1] = 1, 2.0**-digits, -(2.0 ** -(digits + 1))
    w[::3, 2], w[1::3, 2], w[::2, 3:] = 2.0**-40, -(2.0**-24), 0
    b = Builder("real", "snn")
    x = b.input("x", "f32[5]~" if kind == np.float32 else "f16[5]~")
    y = b.op("linear", x, b.weight("w", w.astype(kind)), name="y")
    module = b.finish(b.op("neuron", y, name="s", decay=0.9, spike="count", max_count=7))
    ties = np.array(np.meshgrid(*[[-1, 1]] * 5)).reshape(5, -1).T[None]
    drawn = rng.normal(0, 1, (1, 32, 5))
    assert [] == notes(module)
    check(module, {"x": np.concatenate([ties, drawn]).astype(kind)}, 32, 9)


@needs_torch
def test_what_would_leave_its_range_is_reported_as_the_reference_does():
    rng = np.random.default_rng(4)
    b = Builder("far", "int")
    x = b.input("x", "u1[30]~")
    y = b.op("linear", x, b.weight("w", rng.integers(-99, 99, (20, 30))))
    module = b.finish(b.op("neuron", y, name="s", width=9, reset="none", threshold=9))
    inputs = {"x": train(rng, (3, 9, 30))}
    assert "error" == outcome(Reference(), module, inputs, 9)[0]
    check(module, inputs, 9)
    b = Builder("infinite", "snn")
    x = b.input("x", "f32[2]~")
    y = b.op("add", b.op("scale", x, b.weight("f", np.array([8], np.float32))), x)
    module = b.finish(b.op("neuron", y, name="s"))
    check(module, {"x": np.full((1, 3, 2), 3e38, np.float32)}, 3)


@needs_torch
def test_what_has_no_kernel_here_runs_in_the_numpy_engine_with_a_note():
    b = Builder("mean", "snn")
    x = b.input("x", "u1[1, 6, 6]~")
    mean = b.op("avg_pool2d", x, kernel=(3, 3), name="mean")
    module = b.finish(b.op("neuron", mean, threshold=0.4, name="s"))
    assert ["%mean: snn.avg_pool2d runs in the numpy engine, on the processor"] == notes(module)
    (note,) = TorchEngine("cpu").prepare(module).notes
    assert "op-not-in-torch" == note.code
    check(module, {"x": train(np.random.default_rng(5), (2, 7, 1, 6, 6))}, 7, 2)


@needs_torch
def test_settings_that_make_products_inexact_are_switched_off_and_on_again():
    import torch

    from snnc.runtime.torch_kernels import exactly

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            with exactly(torch.device("cpu")):
                assert "highest" == torch.get_float32_matmul_precision()
                assert not torch.is_autocast_enabled("cpu")
            assert torch.is_autocast_enabled("cpu")
        assert "medium" == torch.get_float32_matmul_precision()
    finally:
        torch.set_float32_matmul_precision(before)


@needs_torch
def test_a_device_that_is_not_there_is_refused(monkeypatch):
    b = Builder("one", "int")
    module = b.finish(b.op("neuron", b.input("x", "u1[3]~"), name="s", threshold=1))
    monkeypatch.setenv("SNNC_TORCH_DEVICE", "cuda:77")
    for engine in (TorchEngine("abacus"), TorchEngine()):
        with pytest.raises(SnncError) as caught:
            engine.prepare(module)
        assert "bad-device" == caught.value.code


def test_without_torch_the_engine_is_refused(monkeypatch):
    b = Builder("one", "int")
    module = b.finish(b.op("neuron", b.input("x", "u1[3]~"), name="s", threshold=1))
    monkeypatch.setattr("snnc.runtime.torch_engine.find_spec", lambda name: None)
    with pytest.raises(SnncError) as caught:
        TorchEngine().prepare(module)
    assert "missing-package" == caught.value.code
    assert NumpyEngine().prepare(module).notes == ()
