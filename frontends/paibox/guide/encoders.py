"""Encoders of the guide: numbers to spikes, one step a call."""

from typing import Any

import numpy as np

from snnc.diagnostics import fail
from snnc.frontends.paibox.encoding import Periodic, Poisson
from snnc.frontends.paibox.guide.calls import here, strict
from snnc.frontends.paibox.numbers import array_of, integer
from snnc.ir.weights import Array


class PoissonEncoder:
    """Spikes where a fresh draw of numpy's `RandomState(seed)` is at most the value."""

    needs_input = True

    @strict
    def __init__(self, seed: Any = None) -> None:
        if seed is not None:
            seed = integer(seed, "seed", 0, 2**32 - 1, here())
        self.seed, self.loc = seed, here()
        self._rng = np.random.RandomState(seed)

    def described(self) -> Poisson:
        """Return the encoder as data; without a seed no module could draw the same again."""
        if self.seed is None:
            raise fail(
                "paibox-unsupported",
                "a PoissonEncoder without a seed draws other spikes in every run",
                self.loc,
                help="give it a seed, or leave encode out",
            )
        return Poisson(self.seed)

    def __call__(self, x: Any) -> Array:
        """Return spikes of the shape of `x`, booleans; values are chances in 0..1."""
        values = array_of(x, "the value to encode", here())
        if not np.isfinite(values).all():
            raise fail(
                "paibox-input",
                f"{int((~np.isfinite(values)).sum())} of {values.size} values are not finite",
                here(),
                help="give chances in 0..1",
            )
        return np.asarray(self._rng.random(values.shape) <= values)


class PeriodicEncoder:
    """Gives the rows of a train `spike[T, ...]` again and again."""

    @strict
    def __init__(self, spike: Any) -> None:
        self._rows, self._next = array_of(spike, "the train", here()), 0
        if not self._rows.ndim or not len(self._rows):
            raise fail(
                "paibox-input",
                f"a train of shape {self._rows.shape} has no rows to repeat",
                here(),
                help="give an array (T, ...)",
            )

    def described(self) -> Periodic:
        """Return the encoder as data."""
        return Periodic(self._rows)

    def __call__(self, *args: Any, **kwargs: Any) -> Array:
        """Return the next row; what is given is not looked at."""
        row: Array = self._rows[self._next % len(self._rows)]
        self._next += 1
        return row

    def restart(self) -> None:
        """Begin with the first row again."""
        self._next = 0


OURS = (PoissonEncoder, PeriodicEncoder)
"""Encoders that can be part of a module."""
