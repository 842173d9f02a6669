"""The code of the float neuron: the declared formula, each op rounded once to its element.

No product is fused with a sum and nothing is left out, not even a factor of 1, so that every bit
is that of the reference, signs of zeros included. Numbers of float16 are held in float32. A count
of spikes is made from the quotient's whole part, which is exact up to 2^24.
"""

from collections.abc import Sequence
from typing import Any

from attrs import frozen
from llvmlite import ir

from snnc.ir.graph import Op
from snnc.machine.assembly import I8, I32, vector
from snnc.runtime.native.columns import FACTORS, Columns, Framed

PARAMETERS = (
    "decay",
    "leak_to",
    "gain",
    "leak",
    "filter_decay",
    "threshold",
    "reset_to",
    "reset_by",
    "floor",
    *FACTORS,
)
"""Order of the parameters in the table that the code reads."""

MOST_COUNT = 1 << 24
"""Largest count that float32 holds with all below it."""


@frozen
class RealForm(Framed):
    """All that the code of a float neuron depends on; numbers come from a table when it runs."""

    filter: str
    compare: str
    spike: str
    max_count: int
    reset: str
    reset_time: str
    half: bool

    @classmethod
    def of(cls, op: Op, half: bool, **frame: Any) -> "RealForm":
        """Return the form of a neuron op, of float16 or float32; `frame` is what `Framed` has."""
        names = ("filter", "compare", "spike", "max_count", "reset", "reset_time")
        return cls(**{name: op[name] for name in names}, half=half, **frame)

    def emit(self, module: Any) -> None:
        """Write the code into a module."""
        RealUpdate(module, self)


class RealUpdate(Columns):
    """Writes the function `neuron`; states are the potential, the current and the last spikes."""

    parameters = PARAMETERS
    states = 3

    def __init__(self, module: Any, form: RealForm, name: str = "neuron") -> None:
        self.form = form
        super().__init__(module, form, name)

    @property
    def floats(self) -> Any:
        """The type of a vector of floats."""
        return vector(ir.FloatType(), self.lanes)

    def tick(self, states: Sequence[Any], x: Any, values: dict[str, Any]) -> list[Any]:
        """Return potential, current and spikes of a tick."""
        b, form = self.b, self.form
        v, i, last = (b.bitcast(state, self.floats) for state in states)
        x = b.bitcast(x, self.floats)
        p = {name: b.bitcast(value, self.floats) for name, value in values.items()}
        if form.reset_time == "before":
            v = self._reset(v, last, p)
        c, i = self._filter(x, i, p)
        # decay (v - leak_to) + leak_to + gain c + leak, from the left
        op = self._op
        v = op("fmul", p["decay"], op("fsub", v, p["leak_to"]))
        v = op("fadd", op("fadd", v, p["leak_to"]), op("fmul", p["gain"], c))
        v = op("fadd", v, p["leak"])
        if form.reset_time == "after":
            v = self._reset(v, last, p)
        last = self._spike(v, p)
        if form.reset_time == "now":
            v = self._reset(v, last, p)
        if "floor" in p:
            v = b.select(b.fcmp_ordered("<", v, p["floor"]), p["floor"], v)
        self._check(v)
        if form.filter != "none":
            self._check(i)
        return [b.bitcast(value, self.type) for value in (v, i, last)]

    def joined(self, x: Any, term: Any, factor: Any) -> Any:
        """Return currents with a term, bytes or floats, rounded after the product and the sum."""
        b = self.b
        if term.type.element == I8:
            term = b.uitofp(term, self.floats)
        term = b.bitcast(term, self.floats)
        if factor is not None:
            term = b.fmul(term, b.bitcast(factor, self.floats))
            self._check(term)
        total = b.fadd(b.bitcast(x, self.floats), term)
        self._check(total)
        return b.bitcast(total, self.type)

    def _constant(self, value: float) -> Any:
        return ir.Constant(self.floats, [value] * self.lanes)

    def _op(self, name: str, one: Any, other: Any) -> Any:
        """Return what an operation gives, rounded once to the element."""
        made = getattr(self.b, name)(one, other)
        return self._half(made) if self.form.half else made

    def _half(self, value: Any) -> Any:
        """Return floats rounded to what float16 holds; float32 twice as precise makes that exact.

        A number so large is added that float32 rounds off what lies behind the last place of
        float16; below 2^-14 the place is that of 2^-14. Signs of zeros are kept.
        """
        b, a = self.b, self.a
        bits = b.bitcast(value, self.type)
        exponent = b.and_(bits, a.number(0xFF << 23, self.type))
        exponent = a.intrinsic("umax", exponent, a.number((127 - 14) << 23, self.type))
        large = b.or_(b.add(exponent, a.number(13 << 23, self.type)), a.number(1 << 22, self.type))
        large = b.bitcast(large, self.floats)
        kept = b.bitcast(b.fsub(b.fadd(value, large), large), self.type)
        kept = b.or_(kept, b.and_(bits, a.number(1 << 31, self.type)))
        kept = b.bitcast(kept, self.floats)
        name = f"llvm.fabs.v{self.lanes}f32"
        near = b.fcmp_ordered("<", a.call(name, self.floats, value), self._constant(65520.0))
        return b.select(near, kept, b.fmul(value, self._constant(float("inf"))))

    def _filter(self, x: Any, i: Any, p: dict[str, Any]) -> tuple[Any, Any]:
        """Return the current that charges, and the synaptic current kept."""
        kind = self.form.filter
        if kind == "none":
            return x, i
        if kind == "before":
            i = self._op("fadd", self._op("fmul", p["filter_decay"], i), x)
            return i, i
        total = self._op("fadd", i, x)
        decayed = self._op("fmul", p["filter_decay"], total)
        return (total, decayed) if kind == "after" else (decayed, decayed)

    def _spike(self, v: Any, p: dict[str, Any]) -> Any:
        """Note what is sent; return it as floats."""
        b, form, one = self.b, self.form, self._constant(1.0)
        fires = b.fcmp_ordered(">=" if form.compare == "ge" else ">", v, p["threshold"])
        if form.spike == "single":
            self.s = b.zext(fires, vector(I8, self.lanes))
            return b.select(fires, one, self._constant(0.0))
        # Where a neuron does not fire the quotient is not used; 1 keeps it defined.
        quotient = self._op("fdiv", b.select(fires, v, p["threshold"]), p["threshold"])
        most = self._constant(float(form.max_count))
        quotient = b.select(b.fcmp_ordered(">", quotient, one), quotient, one)
        quotient = b.select(b.fcmp_ordered("<", quotient, most), quotient, most)
        whole = vector(I32, self.lanes)
        self.s = b.select(fires, b.fptosi(quotient, whole), self.a.number(0, whole))
        return b.sitofp(self.s, self.floats)

    def _reset(self, v: Any, spikes: Any, p: dict[str, Any]) -> Any:
        b, kind = self.b, self.form.reset
        if kind == "none":
            return v
        if kind == "soft":
            spikes = self._half(spikes) if self.form.half else spikes
            return self._op("fsub", v, self._op("fmul", spikes, p["reset_by"]))
        return b.select(b.fcmp_ordered(">", spikes, self._constant(0.0)), p["reset_to"], v)

    def _check(self, value: Any) -> None:
        """Note the lanes that are not finite."""
        size = self.a.call(f"llvm.fabs.v{self.lanes}f32", self.floats, value)
        finite = self.b.fcmp_ordered("<", size, self._constant(float("inf")))
        self.bad = self.b.or_(self.bad, self.b.not_(finite))
