"""One `snn.neuron` becomes elementwise ops and states, in the order of its declaration.

Every product, sum and quotient of the declaration is one op, so each is rounded where the reference
rounds. What changes nothing (a decay of 1, a leak of 0) is left out. A reset multiplies with
bits, as the vendor's networks do, which is exact for finite potentials. Spikes of the tick before
are computed again from the potential that was kept, where that gives them; else they are kept too.
"""

from typing import Any

import numpy as np

from snnc.diagnostics import fail
from snnc.ir.graph import Module, Op, Value
from snnc.ir.neuron import param
from snnc.ir.opset import Symbol
from snnc.ir.weights import Array
from snnc.targets.lynxi.lowering.sketch import Sketch, symbol_name

COMPARE = {"gt": "greater", "ge": "greater_equal"}
CLOCK = "tick"
"""Flag of the state that counts ticks, for neurons that do not always work."""


class Clock:
    """The number of the tick, as a value that is made when it is first asked for."""

    def __init__(self, sketch: Sketch, most: int) -> None:
        self.sketch, self.most = sketch, most
        self._tick: Value | None = None

    def working(self, op: Op) -> Value | None:
        """Return 1 in the ticks in which neurons work, None if they always do.

        Raises:
            SnncError: `neuron-window` for ticks that are not exact in the profile's numbers.
        """
        first, ticks = int(op["first"]), int(op["ticks"])
        if not first and not ticks:
            return None
        if first + ticks > self.most:
            raise fail(
                "neuron-window",
                f"%{op.result.name} works until tick {first + ticks}; ticks are counted up to "
                f"{self.most}",
                op.loc,
                help="let it work for ever (ticks = 0), or use --profile f32",
            )
        s = self.sketch
        if self._tick is None:
            self._tick = s.load(CLOCK, np.zeros((1, 1)))
            s.save(CLOCK, s.call("add", self._tick, s.scalar(1.0)))
        after = s.bits("greater_equal", self._tick, s.scalar(first))
        if not ticks:
            return after
        return s.call("multiply", after, s.bits("less", self._tick, s.scalar(first + ticks)))


class Neuron:
    """The ops of one neuron op; `x` is its input."""

    def __init__(self, sketch: Sketch, module: Module, op: Op, x: Value, clock: Clock) -> None:
        self.s, self.module, self.op, self.x = sketch, module, op, x
        self.name, self.shape = op.result.name, (1, *op.result.type.shape)
        self.working = clock.working(op)
        self.again = self._recomputed()

    def lower(self) -> tuple[Value, ...]:
        """Return the spikes, and the potential if the op returns it."""
        op, s = self.op, self.s
        old = v = s.load(f"{self.name}.v", self._image("initial"))
        last = None if op["reset_time"] == "now" or op["reset"] == "none" else self._last(v)
        before = last
        if op["reset_time"] == "before" and last is not None:
            v = self._reset(v, last)
        v = self._charge(v)
        if op["reset_time"] == "after" and last is not None:
            v = self._reset(v, last)
        threshold = self._number("threshold")
        plain = op["spike"] == "single" and self.working is None
        fired = s.bits(COMPARE[op["compare"]], v, threshold, self.name if plain else "")
        spikes = fired if op["spike"] == "single" else self._count(v, threshold, fired)
        if op["reset_time"] == "now":
            v = self._reset(v, spikes)
        if op["floor"] is not None:
            v = s.call("maximum", v, self._number("floor"))
        return self._end(v, old, spikes, before)

    def _end(self, v: Value, old: Value, spikes: Value, before: Value | None) -> tuple[Value, ...]:
        s = self.s
        if before is not None and not self.again:
            s.save(f"{self.name}.s", self._gated(spikes, before))
        v = self._gated(v, old)
        s.save(f"{self.name}.v", v)
        if self.working is not None:
            spikes = s.call("multiply", spikes, self.working, name=self.name)
        return (spikes, v) if self.op["potential"] else (spikes,)

    def _gated(self, new: Value, old: Value) -> Value:
        return new if self.working is None else self.s.where(self.working, new, old)

    def _recomputed(self) -> bool:
        """Whether the potential that is kept tells whether the neuron fired."""
        op = self.op
        if op["spike"] != "single" or op["floor"] is not None or self.working is not None:
            return False
        start, high = (param(self.module, op, n) for n in ("initial", "threshold"))
        assert start is not None
        assert high is not None
        start, high = start.astype(np.float32), high.astype(np.float32)
        return not np.any(start > high if op["compare"] == "gt" else start >= high)

    def _last(self, v: Value) -> Value:
        if self.again:
            return self.s.bits(COMPARE[self.op["compare"]], v, self._number("threshold"))
        return self.s.load(f"{self.name}.s", np.zeros(self.shape))

    def _charge(self, v: Value) -> Value:
        """Return decay (v - leak_to) + leak_to + gain c + leak, rounded from the left."""
        s, current = self.s, self._filter()
        if self._differs("leak_to", 0):
            v = s.call("subtract", v, self._number("leak_to"))
        if self._differs("decay", 1):
            v = s.call("multiply", v, self._number("decay"))
        if self._differs("leak_to", 0):
            v = s.call("add", v, self._number("leak_to"))
        if self._differs("gain", 1):
            current = s.call("multiply", current, self._number("gain"))
        v = s.call("add", v, current)
        return s.call("add", v, self._number("leak")) if self._differs("leak", 0) else v

    def _filter(self) -> Value:
        """Return the current that charges, and keep the synaptic current."""
        kind, s = self.op["filter"], self.s
        if kind == "none":
            return self.x
        flag = f"{self.name}.i"
        old = s.load(flag, np.zeros(self.shape))
        a = self._number("filter_decay")
        if kind == "before":
            charge = kept = s.call("add", s.call("multiply", old, a), self.x)
        else:
            charge = s.call("add", old, self.x)
            kept = s.call("multiply", charge, a)
            charge = kept if kind == "whole" else charge
        s.save(flag, self._gated(kept, old))
        return charge

    def _count(self, v: Value, threshold: Value, fired: Value) -> Value:
        s, most = self.s, float(self.op["max_count"])
        whole = s.call("trunc", s.call("divide", v, threshold))
        clipped = s.call("clip", whole, a_min=1.0, a_max=most)
        return s.call("multiply", clipped, fired, name=self.name if self.working is None else "")

    def _reset(self, v: Value, spikes: Value) -> Value:
        kind, s = self.op["reset"], self.s
        if kind == "none":
            return v
        if kind == "soft":
            return s.call("subtract", v, s.call("multiply", spikes, self._number("reset_by")))
        fired = spikes
        if self.op["spike"] == "count":
            fired = s.bits("greater", spikes, s.scalar(0.0))
        to = self._number("reset_to") if self._differs("reset_to", 0) else None
        return s.where(fired, to, v)

    def _differs(self, name: str, idle: float) -> bool:
        value = self.op[name]
        return isinstance(value, Symbol) or value != idle

    def _number(self, name: str) -> Value:
        value: Any = self.op[name]
        if value is None:
            return self._number("threshold")
        if not isinstance(value, Symbol):
            return self.s.scalar(value)
        array = param(self.module, self.op, name)
        assert array is not None
        spread = array.ndim > 1 and array.ndim != len(self.module.symbol_type(value).shape)
        own = symbol_name(value) + (f".{array.ndim}d" if spread else "")
        return self.s.param(own, array.reshape(array.shape or (1,)))

    def _image(self, name: str) -> Array:
        array = param(self.module, self.op, name)
        assert array is not None
        image = np.empty(self.shape)
        image[...] = array
        return image.astype(np.float32)
