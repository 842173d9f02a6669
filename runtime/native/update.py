"""The code of the integer neuron, put together from the declared list of micro-steps.

One call runs neurons that lie one after the other over some ticks; a vector of them keeps its
potentials in registers from the first tick to the last. Numbers have 32 bits where `narrow` proves
that to be exact, else 64, which hold every number that the level allows.
"""

from collections.abc import Callable
from typing import Any

from attrs import field, frozen
from llvmlite import ir

from snnc.ir.graph import Op
from snnc.ir.neuron import Step, steps
from snnc.machine.assembly import I1, I8, I64, Assembly, vector

LANES = 16
ARGUMENTS = 11
PARAMETERS = ("threshold", "leak", "reset_to", "reset_by", "negative", "floor")
"""Order of the parameters in the table that the code reads."""


@frozen
class Form:
    """All that the code of a neuron depends on; numbers come from a table when it runs."""

    steps: tuple[Step, ...]
    bits: int
    present: tuple[str, ...]
    arrays: tuple[str, ...]
    reset: str
    negative_mode: str
    reversal: bool
    keep: bool
    spike: str
    max_count: int
    truncate: int
    width: int
    overflow: str
    out_bits: int
    traced: bool
    tail: int = field(default=0)

    @classmethod
    def of(
        cls, op: Op, bits: int, present: tuple[str, ...], arrays: tuple[str, ...], traced: bool
    ) -> "Form":
        """Return the form of a neuron op, before it is known where rows end."""
        keep = op["memory"] == "keep"
        return cls(
            steps(op),
            bits,
            present,
            arrays,
            op["reset"],
            op["negative_mode"],
            op["leak_reversal"] and keep,
            keep,
            op["spike"],
            op["max_count"],
            op["truncate"],
            op["width"],
            op["overflow"],
            8 * op.result.type.element.storage.itemsize,
            traced,
        )


class Update:
    """Writes the function `neuron` of a form into a module.

    It takes the addresses of currents (int32), potentials, parameters, spikes and traced potentials
    and, for currents, spikes and traces, the bytes from a tick to the next; then the place of the
    first neuron in parameter arrays, the number of neurons and the number of ticks. It returns
    whether a potential left its width where that is an error.
    """

    def __init__(self, module: Any, form: Form, name: str = "neuron") -> None:
        self.form, self.a = form, Assembly(module, name, ARGUMENTS)
        self.b = self.a.builder
        self.whole = ir.IntType(form.bits)
        self.type = vector(self.whole, LANES)
        self.low, self.high = -(2 ** (form.width - 1)), 2 ** (form.width - 1) - 1
        self.bad: Any = None
        self.p: Any = None
        self.n: Any = None
        self.s: Any = None
        self._emit()

    def _emit(self) -> None:
        a, count = self.a, self.a.arguments[9]
        none = a.number(0, vector(I1, LANES))
        full = self.b.and_(count, a.number(-LANES))
        with a.loop(full, step=LANES, carried=[none]) as loop:
            loop.next = [self._column(loop.index, loop.carried[0], LANES)]
        bad = loop.results[0]
        if self.form.tail:
            rest = self.b.sub(count, full)
            with a.loop(rest, step=LANES, carried=[bad]) as last:
                last.next = [self._column(full, last.carried[0], self.form.tail)]
            bad = last.results[0]
        word = self.b.bitcast(bad, ir.IntType(LANES))
        a.finish(self.b.zext(self.b.icmp_unsigned("!=", word, a.number(0, word.type)), I64))

    def _column(self, at: Any, bad: Any, lanes: int) -> Any:
        """Run one vector of neurons over all ticks; return the lanes that left their width."""
        a, form = self.a, self.form
        current, step, v, table, spikes, spike_step, trace, trace_step, place, _, ticks = (
            a.arguments
        )
        size = form.bits // 8
        values = self._parameters(table, a.sum(place, at))
        potential = a.sum(v, a.times(at, size))
        current = a.sum(current, a.times(at, 4))
        spikes = a.sum(spikes, a.times(at, form.out_bits // 8))
        trace = a.sum(trace, a.times(at, 4))
        with a.loop(ticks, carried=[a.load(potential, self.type), bad]) as loop:
            now = loop.carried[0]
            self.bad = loop.carried[1]
            x = self._x(a.sum(current, self.b.mul(loop.index, step)), lanes)
            now = self._tick(now, x, values)
            out = self._narrowed(self.s, form.out_bits)
            self._put(out, a.sum(spikes, self.b.mul(loop.index, spike_step)), lanes)
            if form.traced:
                shown = self._narrowed(now, 32)
                self._put(shown, a.sum(trace, self.b.mul(loop.index, trace_step)), lanes)
            loop.next = [now, self.bad]
        a.store(loop.results[0], potential)
        return loop.results[1]

    def _x(self, address: Any, lanes: int) -> Any:
        type = vector(ir.IntType(32), LANES)
        x = (
            self.a.load(address, type)
            if lanes == LANES
            else self.a.load_first(address, type, lanes)
        )
        return x if self.form.bits == 32 else self.b.sext(x, self.type)

    def _put(self, value: Any, address: Any, lanes: int) -> None:
        if lanes == LANES:
            self.a.store(value, address)
        else:
            self.a.store_first(value, address, lanes)

    def _narrowed(self, value: Any, bits: int) -> Any:
        type = vector(ir.IntType(bits), LANES)
        return value if value.type == type else self.b.trunc(value, type)

    def _parameters(self, table: Any, place: Any) -> dict[str, Any]:
        """Return vectors of the parameters of the neurons at a place."""
        found, a = {}, self.a
        for name in self.form.present:
            value = a.load(a.sum(table, 8 * PARAMETERS.index(name)), I64)
            if name in self.form.arrays:
                address = a.sum(value, a.times(place, self.form.bits // 8))
                found[name] = a.load(address, self.type)
            else:
                value = value if self.form.bits == 64 else self.b.trunc(value, self.whole)
                found[name] = a.splat(value, LANES)
        return found

    def _tick(self, v: Any, x: Any, values: dict[str, Any]) -> Any:
        actions: dict[Step, Callable[[Any], Any]] = {
            Step.INTEGRATE: lambda v: self._added(v, x) if self.form.keep else x,
            Step.WRAP: self._fit,
            Step.LEAK: lambda v: self._leak(v, values),
            Step.COMPARE: lambda v: self._compare(v, values),
            Step.SPIKE: lambda v: self._spike(v, values),
            Step.RESET: lambda v: self._reset(v, values),
            Step.FLOOR: lambda v: self.a.intrinsic("smax", v, values["floor"]),
        }
        for step in self.form.steps:
            v = actions[step](v)
        return v

    def _constant(self, value: int) -> Any:
        return self.a.number(value, self.type)

    def _added(self, v: Any, x: Any, where: Any = None) -> Any:
        """Return a sum; in 32 bits it saturates or is noted as bad where it must not turn over."""
        if self.form.bits == 32 and self.form.overflow == "saturate":
            return self.a.intrinsic("sadd.sat", v, x)
        total = self.b.add(v, x)
        if self.form.bits == 32 and self.form.overflow == "error":
            turned = self.b.and_(self.b.xor(v, total), self.b.xor(x, total))
            self._note(self.b.icmp_signed("<", turned, self._constant(0)), where)
        return total

    def _taken(self, v: Any, x: Any, where: Any) -> Any:
        """Return a difference, as `_added` does."""
        if self.form.bits == 32 and self.form.overflow == "saturate":
            return self.a.intrinsic("ssub.sat", v, x)
        rest = self.b.sub(v, x)
        if self.form.bits == 32 and self.form.overflow == "error":
            turned = self.b.and_(self.b.xor(v, x), self.b.xor(v, rest))
            self._note(self.b.icmp_signed("<", turned, self._constant(0)), where)
        return rest

    def _note(self, lanes: Any, where: Any = None) -> None:
        if where is not None:
            lanes = self.b.and_(lanes, where)
        self.bad = self.b.or_(self.bad, lanes)

    def _fit(self, v: Any) -> Any:
        form, b = self.form, self.b
        if form.bits == form.width and form.overflow != "wrap-paibox":
            return v  # `_added` has seen to it, and turning over is how 32 bits wrap
        over = b.icmp_signed(">", v, self._constant(self.high))
        under = b.icmp_signed("<", v, self._constant(self.low))
        if form.overflow == "error":
            self._note(b.or_(over, under))
            return v
        if form.overflow == "saturate":
            v = self.a.intrinsic("smin", v, self._constant(self.high))
            return self.a.intrinsic("smax", v, self._constant(self.low))
        if form.overflow == "wrap":
            left = self._constant(form.bits - form.width)
            return b.ashr(b.shl(v, left), left)
        turn, zero = self._constant(2**form.width - 1), self._constant(0)
        return b.add(b.sub(v, b.select(over, turn, zero)), b.select(under, turn, zero))

    def _leak(self, v: Any, values: dict[str, Any]) -> Any:
        leak = values["leak"]
        if self.form.reversal:
            zero = self._constant(0)
            back = self.b.select(self.b.icmp_signed("<", v, zero), self.b.sub(zero, leak), zero)
            leak = self.b.select(self.b.icmp_signed(">", v, zero), leak, back)
        return self._added(v, leak)

    def _compare(self, v: Any, values: dict[str, Any]) -> Any:
        self.p = self.b.icmp_signed(">=", v, values["threshold"])
        if "negative" in values:
            below = self.b.sub(self._constant(0), values["negative"])
            under = self.b.icmp_signed("<", v, below)
            self.n = self.b.and_(under, self.b.not_(self.p))
        return v

    def _spike(self, v: Any, values: dict[str, Any]) -> Any:
        b, form, one = self.b, self.form, self._constant(1)
        if form.spike == "single":
            self.s = b.zext(self.p, vector(I8, LANES))
            return v
        if form.spike == "count":
            # Where a neuron does not fire the quotient is not used; 1 keeps it defined.
            v_fired = b.select(self.p, v, one)
            count = b.sdiv(v_fired, b.select(self.p, values["threshold"], one))
            most = self._constant(min(form.max_count, 2**31 - 1))
            value = self.a.intrinsic("smin", self.a.intrinsic("smax", count, one), most)
        else:
            truncate = form.truncate
            apart = self._constant(abs(truncate - 8))
            low = b.shl(v, apart) if truncate < 8 else b.ashr(v, apart)
            above = b.icmp_signed(">", b.ashr(v, self._constant(truncate)), self._constant(0))
            bits = b.and_(low, self._constant(255))
            value = b.select(above, self._constant(255), bits)
        self.s = b.select(self.p, value, self._constant(0))
        return v

    def _reset(self, v: Any, values: dict[str, Any]) -> Any:
        b, form = self.b, self.form
        fired = v
        if form.reset == "hard":
            fired = values["reset_to"]
        elif form.reset == "soft":
            amount = values["reset_by"]
            if form.spike == "count":
                amount = b.mul(amount, self.s)
            fired = self._taken(v, amount, self.p)
        result = b.select(self.p, fired, v)
        if "negative" not in values:
            return result
        return b.select(self.n, self._passed(v, values), result)

    def _passed(self, v: Any, values: dict[str, Any]) -> Any:
        """Return the potential of a neuron below the negative threshold."""
        zero = self._constant(0)
        if self.form.negative_mode == "floor":
            return self.b.sub(zero, values["negative"])
        if self.form.reset == "hard":
            return self.b.sub(zero, values["reset_to"])
        return self._added(v, values["negative"], self.n) if self.form.reset == "soft" else v
