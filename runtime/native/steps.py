"""The code of a loop: its steps one after the other, block after block, and the plain steps.

A step is a function that takes the address of its block of arguments and returns whether something
left its range. Steps that read or write whole trains move on by a block of ticks as they run.
"""

from typing import Any

from attrs import frozen
from llvmlite import ir

from snnc.machine.assembly import I32, I64, Assembly, vector

LANES = 16


class Drive:
    """Writes the function `drive`: steps (function, arguments) of a table, some times over."""

    def __init__(self, module: Any) -> None:
        a = Assembly(module, "drive", 3)
        b, (table, steps, times) = a.builder, a.arguments
        type = ir.FunctionType(I64, [I64])
        with a.loop(times, carried=[a.number(0)]) as rounds:
            with a.loop(steps, carried=rounds.carried) as each:
                entry = a.sum(table, a.times(each.index, 16))
                function = b.inttoptr(a.load(entry, I64), ir.PointerType(type))
                bad = b.call(function, [a.load(a.sum(entry, 8), I64)])
                each.next = [b.or_(each.carried[0], bad)]
            rounds.next = each.results
        a.finish(rounds.results[0])


class Called:
    """Writes the function `called`: another one whose arguments are words of a block."""

    def __init__(self, module: Any, name: str) -> None:
        other = module.globals[name]
        a = Assembly(module, "called", 1)
        words = [a.load(a.sum(a.arguments[0], 8 * n), I64) for n in range(len(other.args))]
        a.builder.call(other, words)
        a.finish(a.number(0))


MOVE_FIELDS = (
    "samples",
    "ticks",
    "count",
    "source",
    "source_sample",
    "source_tick",
    "source_step",
    "target",
    "target_sample",
    "target_tick",
    "target_step",
    "from",
    "to",
)
"""Arguments of a move: addresses, the bytes from a sample and a tick to the next, the bytes by
which a round moves on, and where the places (int32) of elements in a row stand, if out of order.
"""


@frozen
class Move:
    """Elements of rows, to other places and in other numbers.

    It depends on the bits of source and target, whether whole numbers have a sign, whether they
    become floats, and whether places are given.
    """

    source: int
    target: int
    signed: bool
    real: bool
    placed: bool

    def emit(self, module: Any) -> None:
        """Write the function `move`."""
        a = Assembly(module, "move", 1)
        block = a.arguments[0]
        given = {name: a.load(a.sum(block, 8 * n), I64) for n, name in enumerate(MOVE_FIELDS)}
        with a.loop(given["samples"]) as samples, a.loop(given["ticks"]) as ticks:
            source, target = (
                a.sum(
                    given[side],
                    a.builder.mul(samples.index, given[f"{side}_sample"]),
                    a.builder.mul(ticks.index, given[f"{side}_tick"]),
                )
                for side in ("source", "target")
            )
            self._row(a, given, source, target)
        for side in ("source", "target"):
            address = a.sum(block, 8 * MOVE_FIELDS.index(side))
            a.store(a.sum(given[side], given[f"{side}_step"]), address)
        a.finish(a.number(0))

    def _row(self, a: Assembly, given: dict[str, Any], source: Any, target: Any) -> None:
        count = given["count"]
        if self.placed:
            with a.loop(count) as each:
                tables = (a.sum(given[way], a.times(each.index, 4)) for way in ("from", "to"))
                at, to = (a.builder.sext(a.load(table, I32), I64) for table in tables)
                self._some(a, source, at, target, to, 1)
            return
        full = a.builder.and_(count, a.number(-LANES))
        with a.loop(full, step=LANES) as each:
            self._some(a, source, each.index, target, each.index, LANES)
        with a.loop(count, start=full) as each:
            self._some(a, source, each.index, target, each.index, 1)

    def _some(self, a: Assembly, source: Any, at: Any, target: Any, to: Any, lanes: int) -> None:
        """Move a number, or some that lie together."""
        read, made = (_type(bits, lanes) for bits in (self.source, self.target))
        value = a.load(a.sum(source, a.times(at, self.source // 8)), read)
        b = a.builder
        if self.real:
            floats = ir.FloatType() if lanes == 1 else vector(ir.FloatType(), lanes)
            value = b.bitcast((b.sitofp if self.signed else b.uitofp)(value, floats), made)
        elif self.source > self.target:
            value = b.trunc(value, made)
        elif self.source < self.target:
            value = (b.sext if self.signed else b.zext)(value, made)
        a.store(value, a.sum(target, a.times(to, self.target // 8)))


FOLD_FIELDS = ("rows", "count", "out", "factors", "one", "other")
"""Arguments of a fold: rows of so many numbers, and addresses."""


@frozen
class Fold:
    """A sum or difference of two rows, or a row times factors; whole numbers or floats, 32 bits."""

    kind: str
    real: bool

    def emit(self, module: Any) -> None:
        """Write the function `fold`; of floats it returns whether a result is not finite."""
        a = Assembly(module, "fold", 1)
        given = {
            name: a.load(a.sum(a.arguments[0], 8 * n), I64) for n, name in enumerate(FOLD_FIELDS)
        }
        row, full = a.times(given["count"], 4), a.builder.and_(given["count"], a.number(-LANES))
        with a.loop(given["rows"], carried=[a.number(0)]) as rows:
            at = a.builder.mul(rows.index, row)
            with a.loop(full, step=LANES, carried=rows.carried) as wide:
                wide.next = [self._some(a, given, at, wide.index, LANES, wide.carried[0])]
            with a.loop(given["count"], start=full, carried=wide.results) as rest:
                rest.next = [self._some(a, given, at, rest.index, 1, rest.carried[0])]
            rows.next = rest.results
        a.finish(rows.results[0])

    def _some(
        self, a: Assembly, given: dict[str, Any], row: Any, index: Any, lanes: int, bad: Any
    ) -> Any:
        b, place = a.builder, a.times(index, 4)
        type = vector(ir.FloatType() if self.real else ir.IntType(32), lanes)
        one = a.load(a.sum(given["one"], row, place), type)
        if self.kind == "scale":
            other = a.load(a.sum(given["factors"], place), type)
        else:
            other = a.load(a.sum(given["other"], row, place), type)
        names = {"add": "add", "sub": "sub", "scale": "mul"}
        made = getattr(b, ("f" if self.real else "") + names[self.kind])(one, other)
        a.store(made, a.sum(given["out"], row, place))
        if not self.real:
            return bad
        size = a.call(f"llvm.fabs.v{lanes}f32", type, made)
        limit = ir.Constant(type, [float("inf")] * lanes)
        far = b.not_(b.fcmp_ordered("<", size, limit))
        word = b.bitcast(far, ir.IntType(lanes))
        return b.or_(bad, b.zext(word, I64))


def _type(bits: int, lanes: int) -> Any:
    return ir.IntType(bits) if lanes == 1 else vector(ir.IntType(bits), lanes)
