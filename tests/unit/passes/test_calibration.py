"""Calibration data: refused by name where it says nothing; statistics do not depend on chunks."""

import numpy as np
import pytest

from snnc.builtins import open_registry
from snnc.diagnostics import SnncError
from snnc.driver.pipeline import runner
from snnc.extend.passes import Context
from snnc.ir import Builder
from snnc.passes import calibration
from snnc.passes.calibration import calibration_of, needed

RUN = runner(open_registry())


def network(ticks=None, poisson=False):
    b = Builder("net", "snn", {} if ticks is None else {"ticks": ticks})
    x = b.input("x", "f32[3]" if poisson else "u1[3]~")
    spikes = b.op("poisson", x, seed=3, name="spikes") if poisson else x
    w = b.weight("w", np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32))
    return b.finish(b.op("neuron", b.op("linear", spikes, w, name="i"), name="s"))


def data(module, **arrays):
    return calibration_of(module, Context(calibration=arrays, run=RUN))


def refused(module, **arrays):
    with pytest.raises(SnncError) as caught:
        data(module, **arrays)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.help
    return diagnostic.code


def noise(*shape):
    return np.random.default_rng(1).integers(0, 2, shape).astype(np.uint8)


def test_without_data_there_is_none():
    assert calibration_of(network(), Context()) is None
    with pytest.raises(SnncError, match="calibration-missing"):
        needed(None, network(), "rounding=second-order")


@pytest.mark.parametrize("shape", [(0, 5, 3), (4, 0, 3)])
def test_empty_data_is_refused(shape):
    assert refused(network(), x=noise(*shape)) == "calibration-empty"


def test_a_network_without_inputs_has_no_data():
    b = Builder("net", "snn", {"ticks": 4})
    beat = b.op("periodic", b.weight("beat", np.eye(3, dtype=bool)))
    assert refused(b.finish(b.op("neuron", beat))) == "calibration-empty"


@pytest.mark.parametrize("value", [0, 1])
def test_constant_data_is_refused(value):
    assert refused(network(), x=np.full((4, 5, 3), value, np.uint8)) == "calibration-constant"


def test_a_run_of_unknown_length_is_refused():
    module = network(poisson=True)
    x = np.random.default_rng(0).random((2, 3), np.float32)
    assert refused(module, x=x) == "calibration-ticks"


def test_numbers_that_are_none_are_refused():
    x = np.full((2, 3), 0.5, np.float32)
    x[1, 2] = np.nan
    assert refused(network(8, poisson=True), x=x) == "input-range"


@pytest.mark.parametrize("shape", [(4, 3), (4, 5, 2), (3,), ()])
def test_a_wrong_shape_is_refused(shape):
    assert refused(network(), x=noise(*shape)) == "input-shape"


def test_names_of_inputs_are_checked():
    assert refused(network(), y=noise(4, 5, 3), x=noise(4, 5, 3)) == "unknown-input"
    assert refused(network()) == "missing-input"


@pytest.mark.parametrize("poisson", [False, True])
def test_counts_do_not_depend_on_the_chunks(poisson, monkeypatch):
    module = network(6, poisson)
    x = np.random.default_rng(2).random((20, 3), np.float32) if poisson else noise(20, 6, 3)
    whole = data(module, x=x).counts(module, ["s", "i"])
    monkeypatch.setattr(calibration, "CHUNK_BYTES", 1000)
    parts = data(module, x=x).counts(module, ["s", "i"])
    assert data(module, x=x).step(module) < 20
    for name in ("s", "i"):
        np.testing.assert_array_equal(whole[name], parts[name])


def test_a_count_is_the_sum_over_the_ticks():
    x = noise(5, 7, 3)
    np.testing.assert_array_equal(x.sum(axis=1), data(network(), x=x).counts(network(), ["x"])["x"])
