"""The frame of every neuron's code: a vector of neurons after the other, each over all ticks.

What the states hold stays in registers from the first tick to the last. Memory holds whole numbers
of 32 or 64 bits; where they are floats in truth, the update reads their bits as such.
"""

from collections.abc import Sequence
from typing import Any

from attrs import frozen
from llvmlite import ir

from snnc.machine.assembly import I1, I64, Assembly, vector

LANES = 16
WIDE = 64
"""Lanes that run together where registers have 512 bits: what they send fills a cache line."""

ARGUMENTS = 11

MOST_TERMS = 4
"""How many values may be added to a product as its neurons read it."""

FACTORS = tuple(f"by{n}" for n in range(MOST_TERMS))
"""Names of the terms' factors among the parameters."""


@frozen(kw_only=True)
class Framed:
    """What the code of neurons depends on besides numbers; equal forms have equal code.

    Bits of a state and of what is sent, parameters that there are and which of them are arrays,
    whether potentials are traced, how many neurons the last vector of a row has (0: all), whether
    `WIDE` lanes run together, and the bits of the terms that are added to each current.
    """

    bits: int
    out_bits: int
    present: tuple[str, ...]
    arrays: tuple[str, ...]
    traced: bool
    tail: int
    wide: bool = False
    terms: tuple[int, ...] = ()

    def emit(self, module: Any) -> None:
        """Write the function `neuron` into a module."""
        raise NotImplementedError


class Columns:
    """Writes the function `neuron` of a form into a module.

    It takes the addresses of currents (32 bits), states, parameters, spikes and traced potentials
    and, for currents, spikes and traces, the bytes from a tick to the next; then the place of the
    first neuron in parameter arrays, the number of neurons and the number of ticks. For every term
    its address and its bytes from a tick to the next follow. It returns whether a potential left
    its range where that is an error.

    The table of parameters has a word for each of `parameters`, and one for the bytes from one
    state of a neuron to its next.
    """

    parameters: tuple[str, ...] = ()
    states = 1

    def __init__(self, module: Any, form: Framed, name: str = "neuron") -> None:
        self.frame, self.a = form, Assembly(module, name, ARGUMENTS + 2 * len(form.terms))
        self.b = self.a.builder
        self.whole = ir.IntType(form.bits)
        self.lanes = LANES
        self.bad: Any = None
        self.s: Any = None
        self._emit()

    @property
    def type(self) -> Any:
        """The type of a vector of numbers."""
        return vector(self.whole, self.lanes)

    def tick(self, states: Sequence[Any], x: Any, values: dict[str, Any]) -> list[Any]:
        """Return the states after a tick, the potential first.

        It notes spikes in `s` and adds lanes with a fault to `bad`.
        """
        raise NotImplementedError

    def joined(self, x: Any, term: Any, factor: Any) -> Any:
        """Return currents with a term, a vector as it lies in memory, times a factor or None."""
        raise NotImplementedError

    def _emit(self) -> None:
        a, count = self.a, self.a.arguments[9]
        at, bad = a.number(0), a.number(0)
        for lanes in (WIDE, LANES) if self.frame.wide else (LANES,):
            self.lanes, end = lanes, self.b.and_(count, a.number(-lanes))
            with a.loop(end, start=at, step=lanes, carried=[bad]) as loop:
                loop.next = [self.b.or_(loop.carried[0], self._column(loop.index, lanes))]
            at, bad = end, loop.results[0]
        if self.frame.tail:
            with a.loop(count, start=at, step=LANES, carried=[bad]) as last:
                found = self._column(at, self.frame.tail)
                last.next = [self.b.or_(last.carried[0], found)]
            bad = last.results[0]
        a.finish(self.b.zext(self.b.icmp_unsigned("!=", bad, a.number(0)), I64))

    def _column(self, at: Any, lanes: int) -> Any:
        """Run one vector of neurons over all ticks; return a bit for each lane with a fault."""
        a, form = self.a, self.frame
        current, step, v, table, spikes, spike_step, trace, trace_step, place, _, ticks = (
            a.arguments[:ARGUMENTS]
        )
        values = self._parameters(table, a.sum(place, at))
        held = self._held(a.sum(v, a.times(at, form.bits // 8)), table)
        current = a.sum(current, a.times(at, 4))
        spikes = a.sum(spikes, a.times(at, form.out_bits // 8))
        trace = a.sum(trace, a.times(at, 4))
        before = [a.load(address, self.type) for address in held]
        none = a.number(0, vector(I1, self.lanes))
        with a.loop(ticks, carried=[*before, none]) as loop:
            *now, self.bad = loop.carried
            x = self._x(a.sum(current, self.b.mul(loop.index, step)), lanes)
            x = self._joined(x, at, loop.index, values, lanes)
            now = self.tick(now, x, values)
            out = self._narrowed(self.s, form.out_bits)
            self._put(out, a.sum(spikes, self.b.mul(loop.index, spike_step)), lanes)
            if form.traced:
                shown = self._narrowed(now[0], 32)
                self._put(shown, a.sum(trace, self.b.mul(loop.index, trace_step)), lanes)
            loop.next = [*now, self.bad]
        for address, value in zip(held, loop.results, strict=False):
            a.store(value, address)
        return self._inside(loop.results[-1], lanes)

    def _inside(self, bad: Any, lanes: int) -> Any:
        """Return faults as bits, without those of lanes behind the last neuron."""
        word = self.b.bitcast(bad, ir.IntType(self.lanes))
        if lanes < self.lanes:
            word = self.b.and_(word, self.a.number((1 << lanes) - 1, word.type))
        return word if word.type == I64 else self.b.zext(word, I64)

    def _held(self, first: Any, table: Any) -> list[Any]:
        """Return the addresses of a neuron's states."""
        if self.states == 1:
            return [first]
        apart = self.a.load(self.a.sum(table, 8 * len(self.parameters)), I64)
        return [self.a.sum(first, self.a.times(apart, n)) for n in range(self.states)]

    def _x(self, address: Any, lanes: int) -> Any:
        x = self._taken_in(address, 32, lanes)
        return x if self.frame.bits == 32 else self.b.sext(x, self.type)

    def _joined(self, x: Any, at: Any, tick: Any, values: dict[str, Any], lanes: int) -> Any:
        """Return the currents of a tick with all terms, whose neurons begin at a place."""
        a = self.a
        for n, bits in enumerate(self.frame.terms):
            base, step = a.arguments[ARGUMENTS + 2 * n : ARGUMENTS + 2 * n + 2]
            address = a.sum(base, a.times(at, bits // 8), self.b.mul(tick, step))
            x = self.joined(x, self._taken_in(address, bits, lanes), values.get(FACTORS[n]))
        return x

    def _taken_in(self, address: Any, bits: int, lanes: int) -> Any:
        """Return a vector of which nothing behind the last neuron is read."""
        type = vector(ir.IntType(bits), self.lanes)
        if lanes == self.lanes:
            return self.a.load(address, type)
        return self.a.load_first(address, type, lanes)

    def _put(self, value: Any, address: Any, lanes: int) -> None:
        if lanes == self.lanes:
            self.a.store(value, address)
        else:
            self.a.store_first(value, address, lanes)

    def _narrowed(self, value: Any, bits: int) -> Any:
        type = vector(ir.IntType(bits), self.lanes)
        return value if value.type == type else self.b.trunc(value, type)

    def _parameters(self, table: Any, place: Any) -> dict[str, Any]:
        """Return vectors of the parameters of the neurons at a place."""
        found, a = {}, self.a
        for name in self.frame.present:
            value = a.load(a.sum(table, 8 * self.parameters.index(name)), I64)
            if name in self.frame.arrays:
                address = a.sum(value, a.times(place, self.frame.bits // 8))
                found[name] = a.load(address, self.type)
            else:
                value = value if self.frame.bits == 64 else self.b.trunc(value, self.whole)
                found[name] = a.splat(value, self.lanes)
        return found
