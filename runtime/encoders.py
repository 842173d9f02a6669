"""Encoders: how values become spike trains, as plain functions of arrays.

Arrays are `(samples, *shape)` going in and uint8 `(samples, ticks, *shape)` coming out. Every
function starts at tick `start`, so that a train may be made in pieces, and a Poisson train names
the index of its first sample, so that a batch may be made in pieces.
"""

import numpy as np
from numpy.typing import NDArray

from snnc.diagnostics import fail, nearest
from snnc.ir.weights import Array

Spikes = NDArray[np.uint8]

GENERATORS = ("pcg64", "mt19937")
CURVES = ("linear", "log")
LONGEST_LOG = 710
"""Ticks of the longest window whose exponential is a double."""


def uniform(
    size: int,
    ticks: int,
    seed: int,
    generator: str = "pcg64",
    *,
    samples: int = 1,
    first_sample: int = 0,
    start: int = 0,
) -> NDArray[np.float64]:
    """Return the draws u in [0, 1) of some ticks, `(samples, ticks, size)`.

    pcg64: sample s has the stream PCG64(SeedSequence([seed, s])), a draw being the upper 53 bits of
    a raw word. mt19937: every sample has the stream of `RandomState(seed).random`. Draws are taken
    tick by tick, elements in row-major order.

    Raises:
        SnncError: `unknown-generator`; `bad-seed` for a negative or too large seed.
    """
    if generator not in GENERATORS:
        raise fail(
            "unknown-generator",
            f"there is no generator {generator!r}",
            help=nearest(generator, GENERATORS),
        )
    if seed < 0 or (generator == "mt19937" and seed >= 2**32):
        raise fail(
            "bad-seed",
            f"seed {seed} of {generator} is out of range",
            help="use a number from 0 to 4294967295",
        )
    if generator == "mt19937":
        drawn = np.random.RandomState(seed).random((start + ticks) * size)[start * size :]
        return np.broadcast_to(drawn.reshape(1, ticks, size), (samples, ticks, size))
    words = np.empty((samples, ticks * size), dtype=np.uint64)
    # A stream is an object of its own, so this is the one loop over samples.
    for row, sample in enumerate(range(first_sample, first_sample + samples)):
        stream = np.random.PCG64(np.random.SeedSequence([seed, sample]))
        stream.advance(start * size)
        words[row] = stream.random_raw(ticks * size)
    draws: NDArray[np.float64] = (words >> np.uint64(11)) * np.float64(2.0**-53)
    return draws.reshape(samples, ticks, size)


def poisson(
    x: Array,
    ticks: int,
    seed: int,
    generator: str = "pcg64",
    *,
    first_sample: int = 0,
    start: int = 0,
) -> Spikes:
    """Return spikes where a fresh draw u <= x."""
    size = int(np.prod(x.shape[1:], dtype=np.int64))
    u = uniform(
        size,
        ticks,
        seed,
        generator,
        samples=len(x),
        first_sample=first_sample,
        start=start,
    )
    rates = x.astype(np.float64).reshape(len(x), 1, size)
    return (u <= rates).astype(np.uint8).reshape(len(x), ticks, *x.shape[1:])


def spike_times(x: Array, window: int, curve: str = "linear") -> NDArray[np.int64]:
    """Return the tick in a window at which each value spikes; 1 spikes first, 0 last.

    Raises:
        SnncError: `encoder-range` for a value outside 0..1 or a window too long for `log`;
            `unknown-curve`.
    """
    if curve not in CURVES:
        raise fail("unknown-curve", f"there is no curve {curve!r}", help=nearest(curve, CURVES))
    values = x.astype(np.float64)
    if x.size and not (values.min() >= 0 and values.max() <= 1):
        raise fail(
            "encoder-range",
            f"latency coding takes values in 0..1, not {values.min():g}..{values.max():g}",
            help="scale the input, for example by 1/255",
        )
    if window < 1 or (curve == "log" and window > LONGEST_LOG):
        raise fail(
            "encoder-range",
            f"a window of {window} ticks is not possible for {curve} latency coding",
            help=f"use 1 to {LONGEST_LOG} ticks",
        )
    last = float(window - 1)
    if curve == "linear":
        times = np.rint(last * (1.0 - values))
    else:
        times = np.rint(last - np.log((np.exp(last) - 1.0) * values + 1.0))
    return np.asarray(times, dtype=np.int64)


def latency(x: Array, ticks: int, window: int, curve: str = "linear", *, start: int = 0) -> Spikes:
    """Return one spike per window of `window` ticks, the earlier the larger the value."""
    times = spike_times(x, window, curve)[:, None]
    now = (np.arange(start, start + ticks) % window).reshape(1, -1, *[1] * (x.ndim - 1))
    return np.asarray(times == now, dtype=np.uint8)


def periodic(spikes: Array, ticks: int, *, samples: int = 1, start: int = 0) -> Spikes:
    """Return rows of `spikes[T, ...]` again and again, the same for every sample."""
    rows = spikes[np.arange(start, start + ticks) % len(spikes)].astype(np.uint8)
    return np.broadcast_to(rows, (samples, *rows.shape))


def direct(x: Array, ticks: int) -> Array:
    """Return each value at every tick."""
    return np.broadcast_to(x[:, None], (len(x), ticks, *x.shape[1:]))
