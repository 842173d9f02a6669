"""Encoders of input nodes as ops, so that a module takes the user's numbers (option `encode`).

They draw what PAIBox draws: its Poisson encoder asks numpy's `RandomState(seed)` once per step.
"""

from typing import Any, Protocol

import numpy as np
from attrs import frozen

from snnc.diagnostics import Location, SnncError, fail
from snnc.frontends.paibox.numbers import Shape, array_of, integer
from snnc.ir.build import Builder
from snnc.ir.graph import Value
from snnc.ir.types import F32, U1, Type
from snnc.ir.weights import Array

ENCODERS = "paibox.simulator.encoder."


class Encoder(Protocol):
    """How numbers become the spikes of an input."""

    def train(self, build: Builder, name: str, shape: Shape, loc: Location) -> Value:
        """Add the input, if the encoder has one, and return its spikes."""


@frozen
class Poisson:
    """Spikes with a chance, drawn from a seed."""

    seed: int

    def train(self, build: Builder, name: str, shape: Shape, loc: Location) -> Value:
        """Add the chances as input and the draws."""
        chances = build.input(name, Type(F32, shape), loc)
        how = {"seed": self.seed, "generator": "mt19937"}
        return build.op("poisson", chances, name=f"{name}.spikes", loc=loc, **how)


@frozen
class Latency:
    """One spike per window, the earlier the larger the value."""

    window: int
    curve: str

    def train(self, build: Builder, name: str, shape: Shape, loc: Location) -> Value:
        """Add the values as input and their spike times."""
        values = build.input(name, Type(F32, shape), loc)
        how = {"ticks": self.window, "curve": self.curve}
        return build.op("latency", values, name=f"{name}.spikes", loc=loc, **how)


@frozen(eq=False)
class Periodic:
    """Rows repeated; there is no input."""

    rows: Array

    def train(self, build: Builder, name: str, shape: Shape, loc: Location) -> Value:
        """Add the train as a weight."""
        rows = self.rows.reshape(len(self.rows), *shape)
        if not np.isin(rows, (0, 1)).all():
            raise _refused(name, "the train of its PeriodicEncoder has more than 0 and 1", loc)
        weight = build.weight(f"{name}.train", rows.astype(np.uint8), U1, loc)
        return build.op("periodic", weight, name=f"{name}.spikes", loc=loc)


def encoder_of(given: Any, name: str, loc: Location) -> Encoder | None:
    """Return the encoder that an object of PAIBox is; None for anything else.

    Raises:
        SnncError: `paibox-unsupported` for one that has no seed or has drawn already.
    """
    kind = f"{type(given).__module__}.{type(given).__qualname__}"
    if kind == f"{ENCODERS}PoissonEncoder":
        return Poisson(_seed(given.rng, name, loc))
    if kind == f"{ENCODERS}LatencyEncoder":
        return Latency(integer(given.T, "T", 2, loc=loc), str(given.enc_func))
    if kind == f"{ENCODERS}PeriodicEncoder":
        if given.t:
            raise _refused(name, f"its PeriodicEncoder stands at row {given.t}", loc)
        return Periodic(array_of(given.spike, "the train", loc))
    return None


def _seed(rng: Any, name: str, loc: Location) -> int:
    """Return the seed that a generator was made with: the first word of its state."""
    _, words, *place = rng.get_state(legacy=True)
    seed = int(words[0])
    _, fresh, *start = np.random.RandomState(seed).get_state(legacy=True)
    if place[0] != start[0] or not np.array_equal(words, fresh):
        raise _refused(name, "its PoissonEncoder has no seed, or has drawn already", loc)
    return seed


def _refused(name: str, reason: str, loc: Location) -> SnncError:
    return fail(
        "paibox-unsupported",
        f"{name}: {reason}",
        loc,
        help="give it a fresh encoder with a seed, or leave encode out and give trains of spikes",
    )
