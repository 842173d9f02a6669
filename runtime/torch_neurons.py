"""Neurons on tensors, tick by tick: integers in 64 bits, floats in the declared order.

Every operation on floats is a call of its own, so that none is fused with another. A number that
leaves its range is noted on the device and looked at once, after the last tick.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from snnc.ir.graph import Module, Op
from snnc.ir.neuron import Step, steps
from snnc.ir.types import F16
from snnc.ir.weights import Array
from snnc.runtime.semantics import OutOfRange, State
from snnc.runtime.semantics.integer_neuron import IntegerNeuron
from snnc.runtime.semantics.parameters import working
from snnc.runtime.semantics.real_neuron import RealNeuron, filtered

KINDS = {np.dtype(np.uint8): torch.uint8, np.dtype(np.float16): torch.float16}
"""Tensors' types of what neurons send, where it is not 32 bits."""


class _Scan:
    """Neurons run over many ticks; `start` and states are those of the reference."""

    meaning: IntegerNeuron | RealNeuron

    def __init__(self, module: Module, op: Op, device: Any) -> None:
        self.op, self.device = op, device
        self.sent = KINDS.get(op.result.type.element.storage, torch.int32)
        self.bad: Any = None

    def start(self, samples: int, first_sample: int) -> State:
        """Return the state before tick 0."""
        return self.meaning.start(samples, first_sample)

    def run(
        self, tick: int, ticks: int, operands: list[Any], state: Any, potentials: bool
    ) -> tuple[list[Any], Any]:
        """Return spikes, and potentials if asked for, of the chunk.

        Raises:
            OutOfRange: a potential left its range.
        """
        spikes, traced = [], []
        self.bad = torch.zeros((), dtype=torch.bool, device=self.device)
        for at in range(ticks):
            if working(self.op, tick + at):
                sent, *state = self.tick(operands[0][:, at], *state)
            else:
                sent = torch.zeros_like(state[0])
            spikes.append(sent.to(self.sent))
            traced.append(state[0])
        if bool(self.bad):
            raise OutOfRange(self.op.result.name, (), None, "")
        made = [torch.stack(spikes, 1)]
        return [*made, torch.stack(traced, 1)] if potentials else made, tuple(state)

    def tick(self, x: Any, *state: Any) -> tuple[Any, ...]:
        """Return what is sent, and the state after."""
        raise NotImplementedError

    def _tensor(self, array: Array | None) -> Any:
        return (
            None if array is None else torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
        )


class IntegerScan(_Scan):
    """The neurons of an `int.neuron`, put together from the declared micro-steps."""

    def __init__(self, module: Module, op: Op, device: Any) -> None:
        super().__init__(module, op, device)
        self.meaning = m = IntegerNeuron(module, op)
        self.low, self.high, self.steps = m.low, m.high, steps(op)
        self.threshold, self.leak = self._tensor(m.threshold), self._tensor(m.leak)
        self.reset_to, self.reset_by = self._tensor(m.reset_to), self._tensor(m.reset_by)
        self.negative, self.floor = self._tensor(m.negative), self._tensor(m.floor)
        self.p: Any = None
        self.n: Any = None
        self.s: Any = None

    def tick(self, x: Any, *state: Any) -> tuple[Any, ...]:
        """Return what is sent, and the potential after."""
        x, v = x.to(torch.int64), state[0]
        actions: dict[Step, Callable[[Any], Any]] = {
            Step.INTEGRATE: lambda v: v + x if self.op["memory"] == "keep" else x,
            Step.WRAP: self._fit,
            Step.LEAK: self._leak,
            Step.COMPARE: self._compare,
            Step.SPIKE: self._spike,
            Step.RESET: self._reset,
            Step.FLOOR: lambda v: torch.maximum(v, self.floor),
        }
        for step in self.steps:
            v = actions[step](v)
        return self.s, v

    def _fit(self, v: Any) -> Any:
        mode, turn = self.op["overflow"], self.high - self.low
        over, under = v > self.high, v < self.low
        if mode == "saturate":
            return v.clamp(self.low, self.high)
        if mode == "wrap":
            return ((v - self.low) & turn) + self.low
        if mode == "wrap-paibox":
            return v - over.to(v.dtype) * turn + under.to(v.dtype) * turn
        self.bad = self.bad | over.any() | under.any()
        return v

    def _leak(self, v: Any) -> Any:
        reversal = self.op["leak_reversal"] and self.op["memory"] == "keep"
        return v + (torch.sign(v) * self.leak if reversal else self.leak)

    def _compare(self, v: Any) -> Any:
        self.p = v >= self.threshold
        if self.negative is not None:
            self.n = (v < -self.negative) & ~self.p
        return v

    def _spike(self, v: Any) -> Any:
        kind, truncate = self.op["spike"], self.op["truncate"]
        if kind == "single":
            self.s = self.p.to(torch.int64)
            return v
        if kind == "count":
            # Where a neuron does not fire the quotient is not used; 1 keeps it defined.
            by = torch.where(self.p, self.threshold, torch.ones_like(v))
            found = torch.div(v, by, rounding_mode="floor").clamp(1, self.op["max_count"])
        else:
            low = v << (8 - truncate) if truncate < 8 else v >> (truncate - 8)
            found = torch.where(v >> truncate > 0, 255, low & 255)
        self.s = torch.where(self.p, found, 0)
        return v

    def _reset(self, v: Any) -> Any:
        reset, after = self.op["reset"], v
        if reset == "hard":
            after = self.reset_to
        elif reset == "soft":
            after = v - (self.s if self.op["spike"] == "count" else 1) * self.reset_by
        made = torch.where(self.p, after, v)
        if self.negative is None:
            return made
        below = v
        if self.op["negative_mode"] == "floor":
            below = -self.negative
        elif reset == "hard":
            below = -self.reset_to
        elif reset == "soft":
            below = v + self.negative
        return torch.where(self.n, below, made)


class RealScan(_Scan):
    """The neurons of an `snn.neuron`; the formula is that of the reference, call by call."""

    def __init__(self, module: Module, op: Op, device: Any) -> None:
        super().__init__(module, op, device)
        self.meaning = m = RealNeuron(module, op)
        self.kind = torch.float16 if m.element == F16 else torch.float32
        names = ("decay", "leak_to", "gain", "leak", "filter_decay", "threshold", "reset_to")
        self.p = {name: self._tensor(getattr(m, name)) for name in (*names, "reset_by", "floor")}

    def tick(self, x: Any, *state: Any) -> tuple[Any, ...]:
        """Return what is sent, and potential, current and last spikes after."""
        (v, i, last), p, when = state, self.p, self.op["reset_time"]
        if when == "before":
            v = self._reset(v, last)
        c, i = filtered(self.op["filter"], self.p["filter_decay"], x.to(self.kind), i)
        v = p["decay"] * (v - p["leak_to"]) + p["leak_to"] + p["gain"] * c + p["leak"]
        if when == "after":
            v = self._reset(v, last)
        fires = v >= p["threshold"] if self.op["compare"] == "ge" else v > p["threshold"]
        last = fires.to(torch.float64)
        if self.op["spike"] == "count":
            whole = torch.trunc(v / p["threshold"]).to(torch.float64)
            last = torch.where(fires, whole.clamp(1, self.op["max_count"]), 0.0)
        if when == "now":
            v = self._reset(v, last)
        if p["floor"] is not None:
            v = torch.maximum(v, p["floor"])
        self.bad = self.bad | ~torch.isfinite(v).all() | ~torch.isfinite(i).all()
        return last, v, i, last

    def _reset(self, v: Any, spikes: Any) -> Any:
        if self.op["reset"] == "hard":
            return torch.where(spikes > 0, self.p["reset_to"], v)
        if self.op["reset"] == "none":
            return v
        return v - spikes.to(v.dtype) * self.p["reset_by"]
