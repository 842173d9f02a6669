"""Products of real numbers are rounded once, whatever they are fed: bit by bit the reference."""

import numpy as np
import pytest

from snnc.ir import Builder
from snnc.runtime.native import rounded
from snnc.runtime.native.engine import NativeEngine
from snnc.runtime.numpy_engine import NumpyEngine
from snnc.runtime.reference import Reference
from tests.unit.runtime.native.test_engine import check
from tests.unit.runtime.test_numpy_engine import outcome

pytest.importorskip("llvmlite")

from snnc.machine.paths import available

KINDS = {"f32": np.float32, "f16": np.float16}


def layer(element, w, bias=None, still=False, conv=None, **neuron):
    """A product of real inputs, its result seen, and neurons that read it."""
    b = Builder("real", "snn")
    kind = KINDS.get(element, np.float32)
    shape = conv or w.shape[1:]
    x = b.input("x", f"{element}[{', '.join(map(str, shape))}]" + ("" if still else "~"))
    x = b.op("direct", x) if still else x
    extra = [] if bias is None else [b.weight("b", bias.astype(kind))]
    op, how = ("conv2d", {"padding": (1, 1), "stride": (2, 1)}) if conv else ("linear", {})
    y = b.op(op, x, b.weight("w", w.astype(kind)), *extra, name="y", **how)
    return b.finish(b.op("neuron", y, name="s", **({"threshold": 0.7, "decay": 0.9} | neuron)))


def same(module, inputs, ticks, cut=None, **options):
    """All engines give the same bits, and nothing runs in the numpy engine."""
    assert () == NativeEngine(**options).prepare(module).notes
    check(module, inputs, ticks, cut, **options)
    word, expected = outcome(Reference(), module, inputs, ticks)
    other, actual = outcome(NumpyEngine(), module, inputs, ticks)
    assert word == other
    if word == "ok":
        for name in expected.trace:
            assert np.array_equal(expected.trace[name], actual.trace[name]), name


@pytest.mark.parametrize("path", available())
@pytest.mark.parametrize("element", KINDS)
def test_every_path_rounds_alike(element, path):
    rng = np.random.default_rng(1)
    module = layer(element, rng.normal(0, 0.2, (37, 53)), rng.normal(0, 0.1, 37))
    x = rng.normal(0, 1, (2, 11, 53)).astype(KINDS[element])
    same(module, {"x": x}, 11, 4, path=path)


@pytest.mark.parametrize("element", KINDS)
@pytest.mark.parametrize("groups", [1, 2])
def test_windows_over_real_pictures_are_exact(element, groups):
    rng = np.random.default_rng(2)
    w = rng.normal(0, 0.2, (18, 4 // groups, 3, 2))
    b = Builder("pictures", "snn")
    x = b.input("x", f"{element}[4, 7, 6]~")
    kind = KINDS[element]
    how = {"padding": (1, 0), "stride": (2, 1), "dilation": (1, 2), "groups": groups}
    y = b.op("conv2d", x, b.weight("w", w.astype(kind)), name="y", **how)
    module = b.finish(b.op("neuron", y, name="s", threshold=0.4, reset_time="before"))
    x = rng.random((2, 6, 4, 7, 6)).astype(kind)
    x[:, :, :, :4] = 0
    same(module, {"x": x}, 6, 2)


@pytest.mark.parametrize("element", KINDS)
def test_still_pictures_are_multiplied_once(element, monkeypatch):
    rng = np.random.default_rng(3)
    module = layer(element, rng.normal(0, 0.3, (20, 3, 3, 3)), still=True, conv=(3, 5, 5))
    x = {"x": rng.random((3, 3, 5, 5)).astype(KINDS[element])}
    check(module, x, 9)
    shapes, sums = [], rounded.Rounded._sums
    monkeypatch.setattr(
        rounded.Rounded, "_sums", lambda self, x: shapes.append(x.shape[1]) or sums(self, x)
    )
    NativeEngine(jobs=1).prepare(module).run(x, ticks=9)
    assert [1] == list(dict.fromkeys(shapes))


def ties(element):
    """Rows whose sums are halfway between two numbers, or a hair's breadth beside it."""
    digits = 24 if element == "f32" else 11
    half, hair = 2.0**-digits, 2.0 ** (-digits - (45 if element == "f32" else 13))
    w = np.zeros((40, 5))
    w[:, 0] = 1.0
    w[:20, 1] = half
    w[20:, 1] = -half / 2
    w[::3, 2], w[1::3, 2] = hair, -hair
    w[::2, 3], w[::2, 4] = 0.25, -0.25
    return w


@pytest.mark.parametrize("element", KINDS)
def test_ties_and_what_lies_beside_them_are_rounded_as_exact_sums(element, monkeypatch):
    settled = []
    settle = rounded.Rounded._settle
    monkeypatch.setattr(
        rounded.Rounded, "_settle", lambda *given: settled.append(1) or settle(*given)
    )
    w = ties(element)
    x = np.array(np.meshgrid(*[[-1, 1]] * 5)).reshape(5, -1).T[None]
    same(layer(element, w), {"x": x.astype(KINDS[element])}, 32)
    same(layer(element, w, w[:, 2] * 3), {"x": x.astype(KINDS[element])}, 32)
    assert settled


@pytest.mark.parametrize("element", KINDS)
def test_sums_of_nothing_need_no_second_look(element, monkeypatch):
    monkeypatch.setattr(rounded.Rounded, "_settle", lambda *given: pytest.fail("not needed"))
    rng = np.random.default_rng(5)
    x = rng.random((2, 5, 30)).astype(KINDS[element])
    x[:, ::2] = 0
    NativeEngine().prepare(layer(element, rng.random((17, 30)))).run({"x": x})


@pytest.mark.parametrize("path", available())
@pytest.mark.parametrize(("element", "top"), [("u1", 1), ("u8", 255)])
def test_sums_that_float64_holds_need_no_second_look(element, top, path, monkeypatch):
    """Half of the sums of these weights of float16 lie midway between two of them."""
    monkeypatch.setattr(rounded.Rounded, "_settle", lambda *given: pytest.fail("not needed"))
    rng = np.random.default_rng(8)
    w = (rng.integers(-2047, 2048, (37, 53)) / 2.0 ** rng.integers(11, 24, (37, 53))).astype("f2")
    b = Builder("half", "snn")
    y = b.op("linear", b.input("x", f"{element}[53]~"), b.weight("w", w), name="y")
    x = rng.integers(0, top, (3, 9, 53), endpoint=True)
    same(b.finish(b.op("neuron", y, name="s", threshold=0.7)), {"x": x}, 9, 4, path=path)


@pytest.mark.parametrize(
    ("element", "top"), [("u16", 65535), ("i32", 2**31 - 1), ("i16", 2**15 - 1)]
)
def test_whole_numbers_of_any_size_are_inputs_too(element, top):
    rng = np.random.default_rng(6)
    low = 0 if element == "u16" else -top
    x = rng.integers(low, top, (2, 7, 19), endpoint=True)
    same(layer(element, rng.normal(0, 0.2, (18, 19)), threshold=1e5), {"x": x}, 7, 3)


def test_weights_of_all_sizes_are_exact():
    rng = np.random.default_rng(7)
    w = rng.normal(0, 1, (33, 26)) * 10.0 ** rng.integers(-30, 30, (33, 26))
    for element in ("u1", "f32"):
        x = (rng.random((2, 8, 26)) < 0.4).astype(KINDS.get(element, np.uint8))
        same(layer(element, w, w[:, 0] / 3), {"x": x}, 8, 3)


@pytest.mark.parametrize("element", KINDS)
def test_sums_beyond_the_largest_number_are_reported_as_the_reference_does(element):
    top = 3.4e38 if element == "f32" else 65504
    x = np.full((1, 3, 2), top).astype(KINDS[element])
    x[0, 1, 1] = 0
    for factor, word in ((1.0, "ok"), (1.001, "error")):
        module = layer(element, np.full((20, 2), [factor, -0.5]), gain=0.0)
        assert word == outcome(Reference(), module, {"x": x}, 3)[0]
        same(module, {"x": x}, 3)


def test_every_float16_and_its_neighbors_are_rounded_right():
    """A product with 1 of all float16, and of sums just beside the middle of two of them."""
    bits = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    finite = bits[np.isfinite(bits) & (abs(bits) < 6e4)]
    finite = finite[: len(finite) // 64 * 64].reshape(1, -1, 64, 1)
    step = np.spacing(finite) / np.float16(2)
    x = np.concatenate([finite, step.astype(np.float16)], axis=-1)
    b = Builder("all", "snn")
    given = b.input("x", "f16[64, 2]~")
    w = np.array([[1, 1], [1, -1], [1, 0], [1, 0.5], [1, -1.5]], dtype=np.float16)
    module = b.finish(b.op("linear", given, b.weight("w", w), name="y"))
    expected = (x.astype(np.float64) @ w.T.astype(np.float64)).astype(np.float16)
    actual = NativeEngine().prepare(module).run({"x": x}).outputs["y"]
    assert np.array_equal(expected, actual)
