"""The code of the integer neuron, put together from the declared list of micro-steps.

One call runs neurons that lie one after the other over some ticks; a vector of them keeps its
potentials in registers from the first tick to the last. Numbers have 32 bits where `narrow` proves
that to be exact, else 64, which hold every number that the level allows.
"""

from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen

from snnc.ir.graph import Op
from snnc.ir.neuron import Step, steps
from snnc.machine.assembly import I8, vector
from snnc.runtime.native.columns import FACTORS, Columns, Framed

PARAMETERS = ("threshold", "leak", "reset_to", "reset_by", "negative", "floor", *FACTORS)
"""Order of the parameters in the table that the code reads."""


@frozen
class Form(Framed):
    """All that the code of a neuron depends on; numbers come from a table when it runs."""

    steps: tuple[Step, ...]
    reset: str
    negative_mode: str
    reversal: bool
    keep: bool
    spike: str
    max_count: int
    truncate: int
    width: int
    overflow: str

    @classmethod
    def of(cls, op: Op, **frame: Any) -> "Form":
        """Return the form of a neuron op; `frame` is what `Framed` has."""
        keep = op["memory"] == "keep"
        return cls(
            steps(op),
            op["reset"],
            op["negative_mode"],
            op["leak_reversal"] and keep,
            keep,
            op["spike"],
            op["max_count"],
            op["truncate"],
            op["width"],
            op["overflow"],
            **frame,
        )

    def emit(self, module: Any) -> None:
        """Write the code into a module."""
        Update(module, self)


class Update(Columns):
    """Writes the function `neuron` of a form: the declared micro-steps, one after the other."""

    parameters = PARAMETERS

    def __init__(self, module: Any, form: Form, name: str = "neuron") -> None:
        self.form = form
        self.low, self.high = -(2 ** (form.width - 1)), 2 ** (form.width - 1) - 1
        self.p: Any = None
        self.n: Any = None
        super().__init__(module, form, name)

    def tick(self, states: Sequence[Any], x: Any, values: dict[str, Any]) -> list[Any]:
        """Return the potential after a tick."""
        return [self._tick(states[0], x, values)]

    def joined(self, x: Any, term: Any, factor: Any) -> Any:
        """Return currents with a term: bytes without a sign, or whole numbers of 32 bits."""
        if term.type.element.width < self.form.bits:
            widened = self.b.zext if term.type.element == I8 else self.b.sext
            term = widened(term, self.type)
        return self.b.add(x, term if factor is None else self.b.mul(term, factor))

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
            self.s = b.zext(self.p, vector(I8, self.lanes))
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
