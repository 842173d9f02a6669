"""The code that lists events: which elements of a train are active, tick by tick."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from snnc.machine.assembly import I8, I16, I32, I64, Assembly, vector
from snnc.machine.paths import Path
from snnc.runtime.native.window import Window

SLACK = 64
"""Entries behind the last index that the code may write to."""


class Events:
    """Writes the function `events`: indices of active elements, and where each unit's begin.

    It takes the number of ticks of all samples, their inputs, and where to put indices (int32,
    within a tick) and starts (int64, one per unit of a tick, and one more at the end).
    """

    def __init__(self, module: Any, window: Window, path: Path, name: str = "events") -> None:
        self.window, self.path = window, path
        self.a = Assembly(module, name, 4)
        self.b = self.a.builder
        self._emit()

    def _emit(self) -> None:
        a, w = self.a, self.window
        rows, x, indices, starts = a.arguments
        units = w.size[0] * w.size[1] * w.groups
        with a.loop(rows, carried=[a.number(0)]) as ticks:
            source = a.sum(x, a.times(ticks.index, w.inputs))
            at = a.sum(starts, a.times(ticks.index, 8 * units))
            with a.loop(units, carried=ticks.carried) as each:
                a.store(each.carried[0], a.sum(at, a.times(each.index, 8)))
                first = a.times(each.index, w.unit)
                each.next = [self._unit(source, first, indices, each.carried[0])]
            ticks.next = each.results
        a.store(ticks.results[0], a.sum(starts, a.times(rows, 8 * units)))
        a.finish(ticks.results[0])

    def _unit(self, source: Any, first: Any, indices: Any, count: Any) -> Any:
        """List the active elements of a unit behind `count` others; return the new count."""
        a, b, unit = self.a, self.b, self.window.unit
        step = 16 if self.path.wide else 8
        whole = unit - unit % step
        if whole:
            with a.loop(whole, step=step, carried=[count]) as words:
                at = a.sum(first, words.index)
                listed = self._wide if self.path.wide else self._word
                words.next = [listed(a.sum(source, at), at, indices, words.carried[0])]
            count = words.results[0]
        if unit > whole:
            with a.loop(unit, start=whole, carried=[count]) as rest:
                at = a.sum(first, rest.index)
                found = rest.carried[0]
                a.store(b.trunc(at, I32), a.sum(indices, a.times(found, 4)))
                active = b.icmp_unsigned("!=", a.load(a.sum(source, at), I8), a.number(0, I8))
                rest.next = [b.add(found, b.zext(active, I64))]
            count = rest.results[0]
        return count

    def _wide(self, address: Any, at: Any, indices: Any, count: Any) -> Any:
        a, b = self.a, self.b
        bytes_ = a.load(address, vector(I8, 16))
        active = b.icmp_unsigned("!=", bytes_, a.number(0, bytes_.type))
        type = vector(I32, 16)
        places = b.add(a.splat(b.trunc(at, I32), 16), _counting(type))
        # Compressing in a register and storing all of it: stores that compress are slow on Zen 4.
        packed = a.call("llvm.experimental.vector.compress.v16i32", type, places, active, places)
        a.store(packed, a.sum(indices, a.times(count, 4)))
        return b.add(count, b.zext(a.intrinsic("ctpop", b.bitcast(active, I16)), I64))

    def _word(self, address: Any, at: Any, indices: Any, count: Any) -> Any:
        """List the active bytes of a word of eight; all of them are stored, and passed by if 0."""
        a, b = self.a, self.b
        word = a.load(address, I64)
        with _skipped(a, b.icmp_unsigned("!=", word, a.number(0)), count) as found:
            for n in range(8):
                a.store(b.trunc(a.sum(at, n), I32), a.sum(indices, a.times(found[0], 4)))
                byte = b.and_(b.lshr(word, a.number(8 * n)), a.number(255))
                active = b.icmp_unsigned("!=", byte, a.number(0))
                found[0] = b.add(found[0], b.zext(active, I64))
        return found[0]


@contextmanager
def _skipped(a: Assembly, condition: Any, value: Any) -> Iterator[list[Any]]:
    """Change a value (the list's one entry) only where a condition holds."""
    before, changed = a.builder.block, [value]
    with a.when(condition):
        yield changed
        inside = a.builder.block
    phi = a.builder.phi(value.type)
    phi.add_incoming(value, before)
    phi.add_incoming(changed[0], inside)
    changed[0] = phi


def _counting(type: Any) -> Any:
    return ir.Constant(type, list(range(type.count)))
