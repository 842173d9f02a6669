"""The machine code of a region: bindings that work element by element, over all ticks.

A vector of elements runs through all ticks of a sample before the next one does, so what the states
hold stays in registers. Every op rounds as `kernels` says; nothing is fused with anything. Float16
is held as float32 and rounded after each op (of two such numbers, a sum, product, quotient or root
in float32 rounds to the same). Maxima give what is no number on, and of zeros the first operand.
"""

from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen
from llvmlite import ir

from snnc.machine.assembly import I8, I16, I64, Assembly, bytes_of, vector
from snnc.targets.lynxi.native.halves import Halves

NAME = "region"
LANES, WIDE = 16, 64
BIT, BYTE, HALF, FLOAT, DOUBLE = "bool", "uint8", "float16", "float32", "float64"
KINDS = (BIT, BYTE, HALF, FLOAT, DOUBLE)

_MEMORY = {BIT: I8, BYTE: I8, HALF: I16, FLOAT: ir.FloatType(), DOUBLE: ir.DoubleType()}


@frozen
class Node:
    """An op, the kind of its result, and the numbers of its operands among the values."""

    op: str
    kind: str
    operands: tuple[int, ...]


@frozen
class Form:
    """All that the code depends on; equal forms have equal code.

    Values are numbered: trains, arrays and scalars (kinds of each), states, then `nodes`. `kept` is
    the value that each state becomes, `stored` those that are written for every tick. The table has
    the addresses of trains and arrays, the bits of scalars, the addresses of states and of what is
    stored. `tail` is how many elements the last vector has (0: all).
    """

    trains: tuple[str, ...]
    arrays: tuple[str, ...]
    scalars: tuple[str, ...]
    states: tuple[str, ...]
    nodes: tuple[Node, ...]
    kept: tuple[int, ...]
    stored: tuple[int, ...]
    tail: int
    wide: bool
    own_halves: bool

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kind of each value."""
        leaves = (*self.trains, *self.arrays, *self.scalars, *self.states)
        return (*leaves, *(node.kind for node in self.nodes))


class Region:
    """Writes `region(table, count, ticks, samples)` of a form into a module.

    Trains are `(samples, ticks, count)`, states `(samples, count)`, arrays `(count,)`.
    """

    def __init__(self, module: Any, form: Form) -> None:
        self.form, self.a = form, Assembly(module, NAME, 4)
        self.b, self.halves = self.a.builder, Halves(self.a, form.own_halves)
        self.lanes = LANES
        self._emit()

    def _emit(self) -> None:
        a, (self.table, self.count, self.ticks, samples) = self.a, self.a.arguments
        with a.loop(samples) as sample:
            self.sample = sample.index
            at = a.number(0)
            for lanes in (WIDE, LANES) if self.form.wide else (LANES,):
                self.lanes, end = lanes, self.b.and_(self.count, a.number(-lanes))
                with a.loop(end, start=at, step=lanes) as block:
                    self._block(block.index, lanes)
                at = end
            if self.form.tail:
                self._block(at, self.form.tail)
        a.finish(a.number(0))

    def _block(self, at: Any, used: int) -> None:
        """Run a vector of elements through all ticks."""
        a, form = self.a, self.form
        place = 0
        trains = [self._entry(place + n) for n in range(len(form.trains))]
        place += len(trains)
        constants = [self._array(place + n, k, at, used) for n, k in enumerate(form.arrays)]
        place += len(form.arrays)
        constants += [self._scalar(place + n, k) for n, k in enumerate(form.scalars)]
        place += len(form.scalars)
        first = self.b.add(self.b.mul(self.sample, self.count), at)
        held = [self._at(place + n, k, first) for n, k in enumerate(form.states)]
        place += len(held)
        sent = [self._entry(place + n) for n in range(len(form.stored))]
        before = [self._read(h, k, used) for h, k in zip(held, form.states, strict=True)]
        base = self.b.mul(self.sample, self.ticks)
        with a.loop(self.ticks, carried=before) as tick:
            row = self.b.add(self.b.mul(self.b.add(base, tick.index), self.count), at)
            values = [
                self._read(self._moved(t, k, row), k, used)
                for t, k in zip(trains, form.trains, strict=True)
            ]
            values += [*constants, *tick.carried]
            for node in form.nodes:
                values.append(self._node(node, values))
            for number, address in zip(form.stored, sent, strict=True):
                kind = form.kinds[number]
                self._write(values[number], kind, self._moved(address, kind, row), used)
            tick.next = [values[number] for number in form.kept]
        for address, kind, value in zip(held, form.states, tick.results, strict=True):
            self._write(value, kind, address, used)

    def _entry(self, number: int) -> Any:
        return self.a.load(self.a.sum(self.table, 8 * number), I64)

    def _moved(self, address: Any, kind: str, elements: Any) -> Any:
        return self.a.sum(address, self.a.times(elements, bytes_of(_MEMORY[kind])))

    def _at(self, number: int, kind: str, elements: Any) -> Any:
        return self._moved(self._entry(number), kind, elements)

    def _array(self, number: int, kind: str, at: Any, used: int) -> Any:
        return self._read(self._at(number, kind, at), kind, used)

    def _scalar(self, number: int, kind: str) -> Any:
        """Return a number from the table, its own bits first, in every lane."""
        memory = _MEMORY[kind]
        word = self.a.load(self.a.sum(self.table, 8 * number), memory)
        return self._held(self.a.splat(word, self.lanes), kind)

    def _read(self, address: Any, kind: str, used: int) -> Any:
        type = vector(_MEMORY[kind], self.lanes)
        whole = used == self.lanes
        found = self.a.load(address, type) if whole else self.a.load_first(address, type, used)
        return self._held(found, kind)

    def _held(self, word: Any, kind: str) -> Any:
        """Return what lies in memory as it is held in registers."""
        if kind == HALF:
            return self.halves.widened(word)
        if kind == BIT:
            return self.b.icmp_unsigned("!=", word, self.a.number(0, word.type))
        return word

    def _write(self, value: Any, kind: str, address: Any, used: int) -> None:
        if kind == HALF:
            value = self.halves.narrowed(value)
        elif kind == BIT:
            value = self.b.zext(value, vector(I8, self.lanes))
        if used == self.lanes:
            self.a.store(value, address)
        else:
            self.a.store_first(value, address, used)

    def _node(self, node: Node, values: Sequence[Any]) -> Any:
        kinds = [self.form.kinds[n] for n in node.operands]
        given = [values[n] for n in node.operands]
        if node.op == "cast":
            return self._cast(given[0], kinds[0], node.kind)
        if node.op == "nn.batch_norm":
            made = self.normed(*given)
            half = node.kind == HALF
            return self.halves.from_doubles(made) if half else self.b.fptrunc(made, given[0].type)
        if node.op == "resetwithdecay":
            given.append(node.kind == HALF)
        made = _OPS[node.op](self, *given)
        rounds = node.kind == HALF and node.op in _ROUNDING
        return self.halves.rounded(made) if rounds else made

    def _cast(self, x: Any, kind: str, to: str) -> Any:
        b = self.b
        if to == BIT:
            if kind == BYTE:
                return b.icmp_unsigned("!=", x, self.a.number(0, x.type))
            return x if kind == BIT else b.fcmp_unordered("!=", x, self.constant(x.type, 0.0))
        floats = vector(ir.FloatType(), self.lanes)
        if kind in (BIT, BYTE):
            return b.uitofp(x, floats)
        return self.halves.rounded(x) if (kind, to) == (FLOAT, HALF) else x

    def constant(self, type: Any, value: float) -> Any:
        """Return a float in every lane."""
        return ir.Constant(type, [value] * type.count)

    def larger(self, x: Any, y: Any) -> Any:
        """Return the larger one, or what is no number."""
        first = self.b.fcmp_ordered(">=", x, y)
        odd = self.b.fcmp_unordered("!=", x, x)
        return self.b.select(self.b.or_(first, odd), x, y)

    def smaller(self, x: Any, y: Any) -> Any:
        """Return the smaller one, or what is no number."""
        first = self.b.fcmp_ordered("<=", x, y)
        odd = self.b.fcmp_unordered("!=", x, x)
        return self.b.select(self.b.or_(first, odd), x, y)

    def fired(self, x: Any, theta: Any) -> Any:
        """Return 1 where a number is above another one, else 0."""
        one, zero = self.constant(x.type, 1.0), self.constant(x.type, 0.0)
        return self.b.select(self.b.fcmp_ordered(">", x, theta), one, zero)

    def reset(self, x: Any, *numbers: Any) -> Any:
        """Return what `resetwithdecay` gives, but for the rounding of its sum."""
        b, (lowest, theta, v_0, alpha, beta, half) = self.b, numbers
        inside = b.and_(b.fcmp_ordered(">", x, lowest), b.fcmp_ordered("<=", x, theta))
        product = b.fmul(b.select(inside, x, v_0), alpha)
        return b.fadd(self.halves.rounded(product) if half else product, beta)

    def normed(self, x: Any, mean: Any, root: Any, gamma: Any, beta: Any) -> Any:
        """Return a batch norm in double precision."""
        b = self.b
        wide = b.fpext(x, vector(ir.DoubleType(), self.lanes))
        y = b.fdiv(b.fsub(wide, mean), root)
        return b.fadd(b.fmul(y, gamma), beta)


def _binary(name: str) -> Callable[..., Any]:
    return lambda region, x, y: getattr(region.b, name)(x, y)


def _compared(sign: str) -> Callable[..., Any]:
    return lambda region, x, y: region.b.fcmp_ordered(sign, x, y)


def _same(region: Region, x: Any) -> Any:
    return x


_OPS: dict[str, Callable[..., Any]] = {
    "add": _binary("fadd"),
    "nn.bias_add": _binary("fadd"),
    "subtract": _binary("fsub"),
    "multiply": _binary("fmul"),
    "divide": _binary("fdiv"),
    "sqrt": lambda region, x: region.a.intrinsic("sqrt", x),
    "maximum": lambda region, x, y: region.larger(x, y),
    "minimum": lambda region, x, y: region.smaller(x, y),
    "clip": lambda region, x, low, high: region.smaller(region.larger(x, low), high),
    "nn.relu": lambda region, x: region.larger(x, region.constant(x.type, 0.0)),
    "greater": _compared(">"),
    "greater_equal": _compared(">="),
    "less": _compared("<"),
    "less_equal": _compared("<="),
    "logical_and": lambda region, x, y: region.b.and_(x, y),
    "cmpandfire": lambda region, x, theta: region.fired(x, theta),
    "resetwithdecay": lambda region, *given: region.reset(*given),
    "where": lambda region, c, x, y: region.b.select(c, x, y),
    "trunc": lambda region, x: region.a.intrinsic("trunc", x),
    "negative": lambda region, x: region.b.fneg(x),
    **dict.fromkeys(("reshape", "expand_dims", "squeeze", "annotation.save"), _same),
}
OPS = frozenset(_OPS) | {"cast", "nn.batch_norm"}
"""Ops that have code; `nn.batch_norm` takes the root of its variance, in float64 as the others."""

_ROUNDING = ("add", "nn.bias_add", "subtract", "multiply", "divide", "sqrt", "resetwithdecay")
"""Ops of which a result in float32 may be no float16."""
