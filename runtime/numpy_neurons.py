"""The integer neuron of the numpy engine, put together from the declared list of micro-steps.

Each micro-step becomes a function that changes the arrays of a frame in place. Where no potential
of the chunk can leave its width, which the sums of the chunk prove, the steps that bring it back
are left out and the potentials are held in the narrowest integers.
"""

from collections.abc import Callable

import numpy as np
from attrs import define

from snnc.ir.graph import Module, Op
from snnc.ir.neuron import Step, steps
from snnc.ir.weights import Array
from snnc.runtime.semantics import OutOfRange, State
from snnc.runtime.semantics.integer_neuron import IntegerNeuron

Action = Callable[["Frame"], object]
"""Changes a frame in place; what it returns is not used."""


@define(eq=False)
class Frame:
    """The arrays of one chunk: potentials, this tick's input, what the compare gives, spikes."""

    v: Array
    x: Array
    p: Array
    n: Array
    s: Array


class Scan:
    """Neurons of one `int.neuron`, run over many ticks."""

    def __init__(self, module: Module, op: Op) -> None:
        self.op = op
        self.meaning = IntegerNeuron(module, op)
        m = self.meaning
        self.width, self.low, self.high = m.width, m.low, m.high
        given = {
            "threshold": m.threshold,
            "leak": m.leak,
            "reset_to": m.reset_to,
            "reset_by": m.reset_by,
            "negative": m.negative,
            "floor": m.floor,
        }
        self.values = {name: array for name, array in given.items() if array is not None}
        self.greatest = max(_reach(array) for array in self.values.values())

    def start(self, samples: int, first_sample: int) -> State:
        """Return the initial potentials."""
        return self.meaning.start(samples, first_sample)

    def run(
        self, tick: int, ticks: int, operands: list[Array], state: State, potentials: bool
    ) -> tuple[list[Array], State]:
        """Return spikes, and potentials if asked for, of the chunk."""
        x, v, op = operands[0], state[0], self.op
        safe = self._stays_inside(x, v, ticks)
        kind = self._kind(x, v, ticks) if safe else np.dtype(np.int64)
        spikes = np.zeros((len(v), ticks, *v.shape[1:]), dtype=op.result.type.element.storage)
        traced = np.empty(spikes.shape if potentials else (0,), dtype=np.int32)
        frame = Frame(
            v.astype(kind), v, np.empty(v.shape, bool), np.empty(v.shape, bool), spikes[:, :0]
        )
        actions = [self._action(step, kind) for step in self._steps(safe)]
        last = op["first"] + op["ticks"] if op["ticks"] else tick + ticks
        for at in range(ticks):
            if op["first"] <= tick + at < last:
                frame.x, frame.s = x[:, at].astype(kind), spikes[:, at]
                for action in actions:
                    action(frame)
            if potentials:
                traced[:, at] = frame.v
        after = (frame.v.astype(np.int64),)
        return ([spikes, traced] if potentials else [spikes]), after

    def _steps(self, safe: bool) -> list[Step]:
        return [step for step in steps(self.op) if not (safe and step is Step.WRAP)]

    def _stays_inside(self, x: Array, v: Array, ticks: int) -> bool:
        """Return whether no potential of the chunk can leave the width, or the reach of int64."""
        op, m = self.op, self.meaning
        leak_last = op["leak_order"] == "after" and m.leak.any()
        towards_zero = not leak_last and op["reset_by"] is None and bool((m.threshold >= 0).all())
        upwards = m.negative is None or bool((m.negative >= 0).all())
        return towards_zero and upwards and self._farthest(x, v, ticks) <= self.high

    def _farthest(self, x: Array, v: Array, ticks: int) -> int:
        """Return what no |potential| of the chunk exceeds, resets going towards zero."""
        m = self.meaning
        start = max(_reach(v), _reach(m.reset_to), 0 if m.floor is None else _reach(m.floor))
        path = ticks * (_reach(x) + _reach(m.leak))
        if m.negative is None or int(m.negative.min()) > start + path:
            return start + path
        return max(start, _reach(m.negative)) + path

    def _kind(self, x: Array, v: Array, ticks: int) -> "np.dtype[np.signedinteger]":
        farthest = max(self.greatest, self._farthest(x, v, ticks))
        if self.op["spike"] == "value":
            return np.dtype(np.int64)
        return np.dtype(
            np.int16 if farthest < 2**15 else np.int32 if farthest < 2**31 else np.int64
        )

    def _action(self, step: Step, kind: "np.dtype[np.signedinteger]") -> Action:
        values = {name: array.astype(kind) for name, array in self.values.items()}
        makers = {
            Step.INTEGRATE: self._integrate,
            Step.WRAP: self._wrap,
            Step.LEAK: self._leak,
            Step.COMPARE: self._compare,
            Step.SPIKE: self._spike,
            Step.RESET: self._reset,
            Step.FLOOR: self._floor,
        }
        return makers[step](values)

    def _integrate(self, values: dict[str, Array]) -> Action:
        if self.op["memory"] == "keep":
            return lambda f: np.add(f.v, f.x, out=f.v)
        return lambda f: np.copyto(f.v, f.x)

    def _wrap(self, values: dict[str, Array]) -> Action:
        return {
            "error": self._refuse,
            "saturate": lambda f: np.clip(f.v, self.low, self.high, out=f.v),
            "wrap": self._turn,
            "wrap-paibox": self._turn_short,
        }[self.op["overflow"]]

    def _refuse(self, f: Frame) -> None:
        if f.v.size and (f.v.max() > self.high or f.v.min() < self.low):
            raise OutOfRange(self.op.result.name, (), None, "")

    def _turn(self, f: Frame) -> None:
        turn = 1 << self.width
        f.v -= turn * ((f.v - self.low) // turn)

    def _turn_short(self, f: Frame) -> None:
        over, under = f.v > self.high, f.v < self.low
        turn = (1 << self.width) - 1
        f.v[over] -= turn
        f.v[under] += turn

    def _leak(self, values: dict[str, Array]) -> Action:
        leak = values["leak"]
        if self.op["leak_reversal"] and self.op["memory"] == "keep":
            return lambda f: np.add(f.v, np.sign(f.v) * leak, out=f.v)
        return lambda f: np.add(f.v, leak, out=f.v)

    def _compare(self, values: dict[str, Array]) -> Action:
        threshold = values["threshold"]
        if "negative" not in values:
            return lambda f: np.greater_equal(f.v, threshold, out=f.p)
        below = -values["negative"]

        def both(f: Frame) -> None:
            np.greater_equal(f.v, threshold, out=f.p)
            np.less(f.v, below, out=f.n)
            np.greater(f.n, f.p, out=f.n)

        return both

    def _spike(self, values: dict[str, Array]) -> Action:
        kind, threshold, truncate = self.op["spike"], values["threshold"], self.op["truncate"]
        most = min(self.op["max_count"], int(np.iinfo(threshold.dtype).max))

        def count(f: Frame) -> None:
            f.s[...] = np.where(f.p, np.clip(f.v // threshold, 1, most), 0)

        def value(f: Frame) -> None:
            bits = f.v * 2 ** (8 - truncate) if truncate < 8 else f.v // 2 ** (truncate - 8)
            f.s[...] = np.where(f.p, np.where(f.v >= 2**truncate, 255, bits & 255), 0)

        def single(f: Frame) -> None:
            f.s[...] = f.p

        return {"single": single, "count": count, "value": value}[kind]

    def _reset(self, values: dict[str, Array]) -> Action:
        reset, to, by = self.op["reset"], values["reset_to"], values["reset_by"]
        many, passed = self.op["spike"] == "count", self._passed(values)

        def fired(f: Frame) -> None:
            if reset == "hard":
                np.copyto(f.v, to, where=f.p)
            elif reset == "soft":
                f.v -= (f.s.astype(f.v.dtype) if many else f.p) * by

        def both(f: Frame) -> None:
            fired(f)
            passed(f)

        return both if "negative" in values else fired

    def _passed(self, values: dict[str, Array]) -> Action:
        """Return what happens to a neuron below the negative threshold."""
        reset, up = self.op["reset"], values.get("negative", np.zeros(()))
        if self.op["negative_mode"] == "floor":
            return lambda f: np.copyto(f.v, -up, where=f.n)
        if reset == "hard":
            return lambda f: np.copyto(f.v, -values["reset_to"], where=f.n)
        if reset == "soft":
            return lambda f: np.add(f.v, f.n * up, out=f.v)
        return lambda f: None

    def _floor(self, values: dict[str, Array]) -> Action:
        return lambda f: np.maximum(f.v, values["floor"], out=f.v)


def _reach(array: Array) -> int:
    """Return the greatest magnitude of an array of whole numbers."""
    return max(int(array.max()), -int(array.min())) if array.size else 0
