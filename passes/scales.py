"""Scales of the buses of a real network: what one integer step of each current stands for.

The scale of a bus is chosen once for all weights that write onto it, per block or for the whole
bus: as they are where everything is integers already, else by `rounding.choose_steps`. A bus that
feeds weights or is returned has one scale, so that its values stay comparable.
"""

from collections.abc import Mapping

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from snnc.diagnostics import fail
from snnc.ir.graph import Module, Op, Value
from snnc.passes.buses import (
    Bus,
    bias_of,
    count_blocks,
    find_buses,
    in_blocks,
    in_order,
    per_output,
    spread,
    weights_of,
)
from snnc.passes.integer_neuron import IntegerParams, integer_params, largest_potential
from snnc.passes.parameters import by_neuron, param_array
from snnc.passes.rounding import CLIPS, Reals, choose_steps, snapped, top_weight


@frozen(eq=False)
class Scaled:
    """A bus with its scale, one value per block, and the bits of its weights.

    `exact`: nothing that it scales is rounded. `whole`, per block: nothing of its currents is.
    """

    bus: Bus
    scale: Reals
    exact: bool
    bits: int
    whole: NDArray[np.bool_]

    def of(self, value: Value) -> Reals:
        """Return what one integer step of a current of this bus stands for, per block."""
        return np.asarray(self.scale * float(self.bus.ratios[value]))

    def with_scale(self, scale: Reals) -> "Scaled":
        """Return the bus with another scale."""
        return evolve(self, scale=scale, whole=self.whole & (scale == self.scale))

    def of_entry(self, op: Op) -> Reals:
        """Return what one integer step of an operand that has no weights yet stands for."""
        return np.asarray(self.scale * float(self.bus.entry_ratio(op)))


def name_of(bus: Bus) -> str:
    """Return the name of a bus: the current that its first maker writes, or its first current."""
    made = bus.makers[0].result if bus.makers else next(iter(bus.ratios))
    return made.name


class Scales:
    """The scale of every current of a module at level snn, looked up by value or op.

    `narrower` gives the bits of buses, by `name_of`, that have fewer than `bits`.
    """

    def __init__(
        self,
        module: Module,
        bits: int,
        method: str,
        per: str,
        width: int,
        percentile: float = 100,
        narrower: Mapping[str, int] | None = None,
    ) -> None:
        self.module, self.width = module, width
        self.method, self.percentile = method, percentile
        own = narrower or {}
        self.by_value: dict[Value, Scaled] = {}
        self.by_neuron: dict[Op, Scaled] = {}
        self.by_entry: dict[Op, Scaled] = {}
        self._by_bus: dict[Bus, Scaled] = {}
        seen = _potentials_seen(module)
        for bus in in_order(find_buses(module)):
            whole = (
                per == "layer" or bus.feeds or bus.returned or any(n in seen for n in bus.neurons)
            )
            blocks = 1 if whole else count_blocks(bus)
            self.put(self._choose(bus, blocks, own.get(name_of(bus), bits)))

    @property
    def all(self) -> tuple[Scaled, ...]:
        """Every bus with its scale, in the order in which scales are chosen."""
        return tuple(self._by_bus.values())

    def of_bus(self, bus: Bus) -> Scaled:
        """Return a bus with its scale."""
        return self._by_bus[bus]

    def put(self, scaled: Scaled) -> None:
        """Take over the scale of a bus."""
        bus = scaled.bus
        self._by_bus[bus] = scaled
        self.by_neuron.update(dict.fromkeys(bus.neurons, scaled))
        self.by_entry.update(dict.fromkeys((op for op, _ in bus.entries), scaled))
        if bus.makers or bus.links:
            self.by_value.update(dict.fromkeys(bus.ratios, scaled))

    def weights(self, op: Op) -> tuple[Reals, Reals]:
        """Return a maker's real weights in its own layout, and the step of each, broadcast."""
        step = self.by_value[op.result].of(op.result)
        real = weights_of(self.module, op, len(step)).astype(np.float64)
        return real, spread(op, real.shape, step / self.input_scale(op))

    def input_scale(self, op: Op) -> float:
        """Return the scale of what a maker multiplies: 1 for spikes."""
        x = op.values[0]
        return float(self.by_value[x].of(x)[0]) if x in self.by_value else 1.0

    def _units(self, bus: Bus) -> tuple[list[float], list[float]]:
        """Return, per maker and per entry, the bus value that a weight of 1 adds."""
        makers = [self.input_scale(op) / float(bus.ratios[op.result]) for op in bus.makers]
        return makers, [1.0 / float(bus.entry_ratio(op)) for op, _ in bus.entries]

    def _weights(self, bus: Bus, blocks: int) -> list[Reals]:
        return [weights_of(self.module, op, blocks).astype(np.float64) for op in bus.makers]

    def _matrix(self, bus: Bus, blocks: int) -> Reals:
        """Return all that weights and entries add to the bus: `(blocks, n)`."""
        makers, entries = self._units(bus)
        rows = zip(bus.makers, self._weights(bus, blocks), makers, strict=True)
        parts = [per_output(op, w) * unit for op, w, unit in rows]
        parts += [np.full((blocks, 1), unit) for unit in entries]
        return in_blocks(parts or [np.zeros((blocks, 1))], blocks)

    def trials(self, scaled: Scaled) -> list[Reals]:
        """Return the scales of a bus to choose from: the present one, or with `mse` many.

        They are the clips of the largest magnitude, each moved to where the threshold is a whole
        number of steps if the neurons of a block share one: coarse steps round no threshold then.
        """
        bus, blocks = scaled.bus, len(scaled.scale)
        if self.method != "mse" or bus.entries or bus.feeds:
            return [scaled.scale]
        peak = np.abs(self._matrix(bus, blocks)).max(axis=1)
        threshold = self._threshold(bus, blocks)
        steps = np.multiply.outer(CLIPS / top_weight(scaled.bits), np.where(peak > 0, peak, 1.0))
        fitted = threshold > 0
        parts = np.maximum(np.rint(threshold / steps), 1)
        steps = np.where(fitted, np.where(fitted, threshold, 1.0) / parts, steps)
        # As few trials as there are different steps in a block; they grow finer with each clip.
        new = np.ones(steps.shape, np.bool_)
        new[1:] = steps[1:] != steps[:-1]
        rank = np.cumsum(new, axis=0) - 1
        found = np.tile(steps[-1], (int(rank.max()) + 1, 1))
        np.put_along_axis(found, rank, steps, axis=0)
        kept = scaled.whole | (peak == 0)
        return [np.where(kept, scaled.scale, self._roomy(bus, row, blocks)) for row in found]

    def _threshold(self, bus: Bus, blocks: int) -> Reals:
        """Return the threshold on the bus that all neurons of a block share, 0 where they don't."""
        found = []
        for op in bus.neurons:
            array, gain = (param_array(self.module, op, name) for name in ("threshold", "gain"))
            assert array is not None
            assert gain is not None
            found.append((array / gain / float(bus.ratios[op.values[0]])).reshape(blocks, -1))
        every = np.concatenate(found, axis=1) if found else np.zeros((blocks, 1))
        return np.where(every.min(axis=1) == every.max(axis=1), every[:, 0], 0.0)

    def _choose(self, bus: Bus, blocks: int, bits: int) -> Scaled:
        makers, entries = self._units(bus)
        weights = self._weights(bus, blocks)
        as_is = min(makers + entries, default=1.0)
        if self._integral(bus, bits, as_is, [*zip(weights, makers, strict=True)], entries):
            return Scaled(bus, np.full(blocks, as_is), True, bits, np.ones(blocks, np.bool_))
        matrix = self._matrix(bus, blocks)
        if bits == 1 and matrix.min(initial=0) < 0:
            raise fail(
                "negative-weights",
                f"one-bit weights are 0 or 1, but {int((matrix < 0).sum())} of {matrix.size} are "
                f"negative (least {float(matrix.min()):.6g})",
                (bus.makers or bus.neurons)[0].loc,
                help="use bits=2 or more, or train with weights that are not negative",
            )
        steps = choose_steps(matrix, bits, self.method, self.percentile)
        steps = self._roomy(bus, steps, blocks)
        return Scaled(bus, steps, False, bits, self._stay_whole(bus, matrix, steps, bits))

    def _stay_whole(self, bus: Bus, matrix: Reals, steps: Reals, bits: int) -> NDArray[np.bool_]:
        """Return the blocks whose weights and biases are integers in their steps, and fit."""
        codes = snapped(matrix / steps[:, None])
        found = (codes == np.rint(codes)) & (np.abs(codes) <= top_weight(bits))
        whole = np.asarray(found.all(axis=1))
        for op in bus.makers:
            bias = bias_of(self.module, op)
            if bias is not None:
                apart = np.repeat(steps, bias.size // len(steps)) * float(bus.ratios[op.result])
                parts = snapped(bias.ravel() / apart).reshape(len(steps), -1)
                whole &= (parts == np.rint(parts)).all(axis=1)
        return whole

    def _roomy(self, bus: Bus, steps: Reals, blocks: int) -> Reals:
        """Return steps wide enough that biases and thresholds fit; blocks of zeros get one too."""
        need = np.zeros(blocks)
        for op in bus.makers:
            bias = bias_of(self.module, op)
            if bias is not None:
                sizes = np.abs(bias).reshape(min(blocks, bias.size), -1).max(axis=1)
                need = np.maximum(need, sizes / float(bus.ratios[op.result]))
        bias_need = need
        for op in bus.neurons:
            peak = largest_potential(self.module, op).reshape(blocks, -1).max(axis=1)
            need = np.maximum(need, peak / float(bus.ratios[op.values[0]]))
        # Without weights, as fine as a bias or a threshold deserves.
        fallback = np.where(bias_need > 0, bias_need, need) / top_weight(8)
        steps = np.where(steps > 0, steps, np.where(fallback > 0, fallback, 1.0))
        return np.maximum(steps, need / 2.0 ** (self.width - 2))

    def _integral(
        self,
        bus: Bus,
        bits: int,
        as_is: float,
        makers: list[tuple[Reals, float]],
        entries: list[float],
    ) -> bool:
        """Whether all weights, biases and parameters are integers in steps of `as_is` that fit."""
        low, high = (0, 1) if bits == 1 else (-(1 << bits - 1), (1 << bits - 1) - 1)
        room = 2.0 ** (self.width - 1) - 2
        for weights, unit in [*makers, *((np.ones(1), unit) for unit in entries)]:
            factor = snapped(np.array(unit / as_is))
            least, most = weights.min(initial=0) * factor, weights.max(initial=0) * factor
            if least < low or most > high or not (_whole(weights) and _whole(factor)):
                return False
        for op in bus.makers:
            bias = bias_of(self.module, op)
            if bias is None:
                continue
            bias = snapped(bias / (as_is * float(bus.ratios[op.result])))
            if not _whole(bias) or np.abs(bias).max() > room:
                return False
        for op in bus.neurons:
            x = op.values[0]
            unit_of_neuron = np.full(x.type.shape, as_is * float(bus.ratios[x]))
            if (largest_potential(self.module, op) / unit_of_neuron > room).any():
                return False
            if not integer_params(self.module, op, unit_of_neuron).exact:
                return False
        return True

    def unit(self, op: Op) -> Reals:
        """Return what one integer step of a neuron's input stands for, in the neurons' shape."""
        x = op.values[0]
        return by_neuron(self.by_neuron[op].of(x), x.type.shape)

    def params(self, op: Op, shift: NDArray[np.int64] | None = None) -> IntegerParams:
        """Return the integer parameters of a neuron op; `shift` as in `integer_params`."""
        whole = by_neuron(self.by_neuron[op].whole, op.values[0].type.shape)
        return integer_params(self.module, op, self.unit(op), shift, whole)


def _potentials_seen(module: Module) -> dict[Op, None]:
    """Return the neurons whose potential is returned or read."""
    used = [*module.graph.outputs, *(v for op in module.graph.ops for v in op.values)]
    return {op: None for op in module.ops("neuron") if any(r in used for r in op.results[1:])}


def _whole(values: Reals) -> bool:
    return bool((values == np.rint(values)).all())
