"""The neuron update of a PAICORE core, for all neurons and samples at once.

One step takes the synaptic sum x and the stored potential u (30-bit signed, see `limits.toml`):
c = wrap(u + x), leaked to w before or after the comparison; a neuron at or above its threshold
fires and resets (hard, soft, none); one below minus its negative threshold goes to its floor or
resets the other way.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.diagnostics import fail
from snnc.targets.paicore.chip.core import Register
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.limits import LIMITS

_HARD, _SOFT = 0, 1


@frozen
class Semantics:
    """Choices where nobody has measured the silicon; the defaults are the vendor's simulator.

    `wrap`: overflow of the 30-bit potential by the modulus 2^30 - 1 ("paibox") or 2^30 ("two").
    `negative`: the negative event is below minus the threshold ("lt"), or also at it ("le").
    `reversal`: a positive reversal leak drives away from 0 ("away"), or toward it ("toward").
    `stochastic`: records that ask for random numbers are refused, or work without them ("ignore").
    """

    wrap: Literal["paibox", "two"] = "paibox"
    negative: Literal["lt", "le"] = "lt"
    reversal: Literal["away", "toward"] = "away"
    stochastic: Literal["refuse", "ignore"] = "refuse"


class Neurons:
    """Parameters and potentials of a core's neurons; `potentials` is `int64[samples, neurons]`."""

    def __init__(
        self,
        fields: Mapping[str, Ints],
        register: Register,
        samples: int,
        semantics: Semantics,
        place: str,
    ) -> None:
        _check_random(fields, semantics, place)
        self.potentials = np.zeros((samples, len(fields["leak"])), dtype=np.int64)
        self.wide_output = bool(register.wide_output)
        self.keep = bool(register.keep_potential)
        self.modulus = LIMITS.paibox_modulus + (semantics.wrap == "two")
        self.threshold = fields["threshold"]
        self.bottom = -fields["negative_threshold"] - (semantics.negative == "lt")
        self.leak = fields["leak"]
        reversal = fields["leak_reversal"] * self.keep
        self.reversal = reversal * (1 if semantics.reversal == "away" else -1)
        self.forward = 1 - reversal
        self.leak_after = fields["leak_after"] != 0
        self.truncation = fields["truncation"]
        mode = fields["reset_mode"]
        self.hard = mode == _HARD
        self.reset_value = fields["reset_value"]
        self.soft = np.where(mode == _SOFT, self.threshold, 0)
        self.floor = fields["floor"] != 0
        self.floor_value = -fields["negative_threshold"]
        self.negative_soft = np.where(mode == _SOFT, fields["negative_threshold"], 0)

    def update(self, sums: Ints | np.int64) -> NDArray[np.uint8]:
        """Do one step with the synaptic sums; return what is sent, `uint8[samples, neurons]`."""
        charged = self._wrap(self.potentials + sums if self.keep else sums + 0 * self.potentials)
        leaked = self._wrap(charged + self._leak(charged)) if self.leak.any() else charged
        compared = np.where(self.leak_after, charged, leaked)
        fired = compared >= self.threshold
        negative = ~fired & (compared <= self.bottom)
        after = np.where(fired, np.where(self.hard, self.reset_value, leaked - self.soft), leaked)
        if negative.any():
            back = np.where(self.hard, -self.reset_value, leaked + self.negative_soft)
            after = np.where(negative, np.where(self.floor, self.floor_value, back), after)
        self.potentials = after
        if not self.wide_output:
            return fired.astype(np.uint8)
        return np.where(fired, truncate(leaked, self.truncation), 0).astype(np.uint8)

    def _leak(self, value: Ints) -> Ints:
        if not self.reversal.any():
            return self.leak
        return (self.forward + self.reversal * np.sign(value)) * self.leak

    def _wrap(self, value: Ints) -> Ints:
        high = LIMITS.potential_max
        if value.max(initial=0) <= high and value.min(initial=0) >= -high - 1:
            return value
        down = np.where(value > high, value - self.modulus, value)
        return np.where(value < -high - 1, value + self.modulus, down)


def truncate(value: Ints, bits: Ints) -> Ints:
    """Return the 8-bit output of potentials: bits `bits - 1` down to `bits - 8`, clipped to 255."""
    low = np.where(bits < 8, value << np.maximum(8 - bits, 0), value >> np.maximum(bits - 8, 0))
    return np.where(value >> bits > 0, 255, np.where(bits == 0, 0, low & 255))


def _check_random(fields: Mapping[str, Ints], semantics: Semantics, place: str) -> None:
    if semantics.stochastic == "ignore":
        return
    for name in ("random_weight", "random_leak", "threshold_mask"):
        if fields[name].any():
            raise fail(
                "stochastic-neuron",
                f"chip and core {place}: neuron {np.argmax(fields[name] != 0)} sets {name}, "
                "and the chip's random numbers are not known",
                help="clear the field, or choose semantics that ignore it",
            )
