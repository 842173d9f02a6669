"""Encoders: known draws, pieces of trains and of batches agree, ops equal functions."""

import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.ir import Builder
from snnc.ir.types import U1
from snnc.runtime import encoders
from snnc.runtime.reference import Reference

X = np.random.default_rng(5).random((4, 2, 3)).astype(np.float32)


def encoded(kind, **attrs):
    """Return a program that is one encoder, and its input."""
    b = Builder("enc", "snn")
    module = b.finish(b.op(kind, b.input("x", "f32[2, 3]"), name="s", **attrs))
    return Reference().prepare(module), {"x": X}


@pytest.mark.parametrize("generator", encoders.GENERATORS)
def test_a_poisson_train_may_be_made_in_pieces_of_ticks_and_samples(generator):
    program, x = encoded("poisson", seed=11, generator=generator)
    whole = program.run(x, ticks=6).outputs["s"]
    assert np.array_equal(encoders.poisson(X, 6, 11, generator), whole)
    first = program.run(x, ticks=2)
    second = program.run(x, ticks=4, state=first.state)
    assert np.array_equal(whole[:, :2], first.outputs["s"])
    assert np.array_equal(whole[:, 2:], second.outputs["s"])
    half = program.run({"x": X[2:]}, ticks=6, first_sample=2).outputs["s"]
    assert np.array_equal(whole[2:], half)


def test_pcg64_draws_53_bits_of_the_stream_of_the_sample():
    u = encoders.uniform(6, 2, 7, samples=2, first_sample=3)
    for row, sample in enumerate((3, 4)):
        stream = np.random.PCG64(np.random.SeedSequence([7, sample]))
        expected = (stream.random_raw(12) >> np.uint64(11)) / 2.0**53
        assert np.array_equal(expected.reshape(2, 6), u[row])


def test_mt19937_draws_what_numpy_draws_anew_for_each_sample():
    stream = np.random.RandomState(7)
    expected = [stream.random((2, 3)) <= X[1] for _ in range(4)]
    assert np.array_equal(expected, encoders.poisson(X, 4, 7, "mt19937")[1])


def test_rates_of_zero_and_one_never_and_always_spike():
    x = np.array([[0.0, 1.0]], dtype=np.float32)
    assert [[0, 1]] * 50 == encoders.poisson(x, 50, 3)[0].tolist()


@pytest.mark.parametrize(("curve", "times"), [("linear", [5, 4, 2, 0]), ("log", [5, 2, 1, 0])])
def test_latency_codes_spike_at_the_known_times(curve, times):
    x = np.array([[0.0, 0.2, 0.5, 1.0]])
    assert times == encoders.spike_times(x, 6, curve)[0].tolist()


def test_a_latency_train_repeats_after_its_window():
    program, x = encoded("latency", ticks=5)
    train = program.run(x, ticks=12).outputs["s"]
    assert np.array_equal(train[:, :5], train[:, 5:10])
    assert (train[:, :5].sum(axis=1) == 1).all()
    assert np.array_equal(encoders.latency(X, 12, 5), train)


def test_a_constant_train_repeats_in_every_sample():
    rows = np.array([[1, 0], [0, 1], [1, 1]], dtype=np.uint8)
    b = Builder("p", "snn")
    total = b.op("add", b.op("periodic", b.weight("p", rows, U1)), b.input("x", "u1[2]~"), name="y")
    given = {"x": np.zeros((2, 4, 2), dtype=np.uint8)}
    out = Reference().prepare(b.finish(total)).run(given).outputs["y"]
    assert [[1, 0], [0, 1], [1, 1], [1, 0]] == out[1].tolist()


def test_direct_coding_gives_the_value_itself():
    program, x = encoded("direct")
    assert np.array_equal(np.stack([X] * 3, axis=1), program.run(x, ticks=3).outputs["s"])


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: encoders.spike_times(X + 1, 6), "encoder-range"),
        (lambda: encoders.spike_times(X, 0), "encoder-range"),
        (lambda: encoders.spike_times(X, 800, "log"), "encoder-range"),
        (lambda: encoders.spike_times(X, 6, "logg"), "unknown-curve"),
        (lambda: encoders.poisson(X, 3, 1, "pcg"), "unknown-generator"),
        (lambda: encoders.poisson(X, 3, -1), "bad-seed"),
        (lambda: encoders.poisson(X, 3, 2**32, "mt19937"), "bad-seed"),
    ],
)
def test_what_has_no_meaning_is_refused(call, code):
    with pytest.raises(SnncError) as caught:
        call()
    assert code == caught.value.code
    assert caught.value.diagnostics[0].help
