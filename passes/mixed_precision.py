"""Mixed precision: bits per layer, as few as a budget of changed answers allows.

An answer is the element of an output with the largest sum over the ticks, the first of equals. All
layers begin at the widest; as long as one can be narrower with no more changed answers on the
calibration data than the budget, the one that saves most for its error gets narrower by one size.
Changed answers are few, and chance decides among them; so the error that a saving is weighed
against is that of the outputs' spike counts, the sum of its squares. A layer that would exceed the
budget keeps its size from then on.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction

import numpy as np
from attrs import frozen

from snnc.diagnostics import fail
from snnc.extend.passes import Context
from snnc.ir.graph import Module
from snnc.ir.synapses import WEIGHTED
from snnc.ir.types import Type
from snnc.ir.weights import Array
from snnc.passes.calibration import Calibration

SIZES = (8, 4, 2)
"""Bits that a memory of weights has columns for; 1 bit has no sign."""

Bits = dict[str, int]
Sums = Mapping[str, Array]


def weight_bits(module: Module) -> float:
    """Return the bits of all weights of synapses of a module at level int."""
    return float(sum(type.size * type.element.bits for type in _weights(module)))


def weight_count(module: Module) -> int:
    """Return how many weights the synapses of a module have."""
    return sum(type.size for type in _weights(module))


def _weights(module: Module) -> list[Type]:
    symbols = {symbol: None for op in module.ops(*WEIGHTED) for symbol in op.symbols[:1]}
    return [module.symbol_type(symbol) for symbol in symbols]


def cores(module: Module, context: Context) -> Callable[[Module], float]:
    """Return how many cores of the target a module at level int takes.

    Raises:
        SnncError: `no-cost` where there is no target, or none that counts cores.
    """

    def count(made: Module) -> float:
        found = {} if context.cost is None else context.cost(made)
        if "cores" not in found:
            raise fail(
                "no-cost",
                "for = cores needs a target that counts cores, and there is none",
                module.loc,
                help="compile for such a target (paicore), or use for=bits",
            )
        return float(found["cores"])

    return count


@frozen
class Mixed:
    """Bits by layer, how many samples have another answer, and the cost of widest and mixed.

    `error` is the sum of the squared differences of the outputs' spike counts.
    """

    bits: Bits
    changed: int
    error: int
    before: float
    after: float


@frozen(eq=False)
class Search:
    """What is asked at each step: `make` quantizes with some bits, `cost` judges the result."""

    real: Module
    data: Calibration
    make: Callable[[Bits], Module]
    cost: Callable[[Module], float]

    def run(
        self, layers: list[str], widest: int, drop: float | None, goal: float | None = None
    ) -> Mixed:
        """Return the bits of the layers.

        `drop` is the share of samples whose answer may change, None for all; `goal` the cost that
        is low enough, None for as low as `drop` allows.

        Raises:
            SnncError: `drop-out-of-reach` where the widest change more, `no-answer` where the
                network returns nothing that has time.
        """
        wanted = self._sums(self.real)
        allowed = int(Fraction(repr(1.0 if drop is None else drop)) * self.data.samples)
        bits = dict.fromkeys(layers, widest)
        module = self.make(bits)
        (changed, error), cost = self._off(module, wanted), self.cost(module)
        if changed > allowed:
            raise fail(
                "drop-out-of-reach",
                f"with {widest} bits everywhere {changed} of {self.data.samples} samples get "
                f"another answer, and drop = {drop} allows {allowed}",
                self.real.loc,
                help="allow more, or begin with more bits",
            )
        best, before = Mixed(bits, changed, error, cost, cost), cost
        opened = list(layers)
        while opened and (goal is None or best.after > goal):
            offers = []
            for layer in list(opened):
                offer = self._narrower(best, layer, wanted, before)
                if offer is None or offer.changed > allowed:
                    opened.remove(layer)
                else:
                    offers.append(offer)
            if offers:
                best = max(offers, key=lambda offer: _worth(best, offer))
        return best

    def _narrower(self, now: Mixed, layer: str, wanted: Sums, before: float) -> Mixed | None:
        sizes = [size for size in SIZES if size < now.bits[layer]]
        if not sizes:
            return None
        bits = now.bits | {layer: sizes[0]}
        module = self.make(bits)
        return Mixed(bits, *self._off(module, wanted), before, self.cost(module))

    def _sums(self, module: Module) -> Sums:
        names = [v.name for v in module.graph.outputs if v.type.timed]
        if not names:
            raise fail(
                "no-answer",
                "the network returns nothing that has time, so no answer can be compared",
                module.loc,
                help="leave drop out, or return the spikes of the last layer",
            )
        counts = self.data.counts(module, names)
        return {name: counts[name].reshape(self.data.samples, -1) for name in names}

    def _off(self, module: Module, wanted: Sums) -> tuple[int, int]:
        """Return how many samples have another answer, and the error of the spike counts."""
        found = self._sums(module)
        other = [found[n].argmax(axis=1) != wanted[n].argmax(axis=1) for n in wanted]
        # Returned currents and potentials have scales of their own, so only spikes are compared.
        spikes = [n for n in wanted if wanted[n].dtype.kind == "i"]
        error = sum(int(np.square(found[n] - wanted[n]).sum()) for n in spikes)
        return int(np.any(other, axis=0).sum()), error


def _worth(now: Mixed, offer: Mixed) -> tuple[Fraction, int]:
    """Return what an offer saves per further error, or per changed answer if no spikes tell it."""
    saved = Fraction(now.after) - Fraction(offer.after)
    further = offer.error - now.error if now.error or offer.error else offer.changed - now.changed
    return saved / max(1, further), -offer.changed
