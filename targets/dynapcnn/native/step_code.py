"""The machine code of time steps: `steps(table, cores, count)` runs the cores in their order.

In a step each core lists the events that have arrived, row after row. The events that a neuron sees
in a row of its window lie one behind the other in that list; each adds its weights, times its
count, to a sum in registers. That sum has 16 bits where the counts of the row are so few that it
fits (`small`), else 32; up to which count that cannot overflow the caller says (`largest`). Then
the neurons add their sums and fire. 0 is returned, or 1 where a count was larger than allowed; what
was written is then to be thrown away.

Where the rows that a row of neurons sees hold few events, it is the other way round: each event
adds its weights to the sums of the neurons of that row which it touches.
"""

from typing import Any

from llvmlite import ir

from snnc.machine.assembly import I1, I8, I16, I32, I64, Assembly, vector
from snnc.targets.dynapcnn.native.tables import BYTES, DESTINATIONS, LANES, place, place_to

NAME = "steps"
PAIR = 12
"""Bytes of a listed event: x * features + feature, its count, and x."""

FEW = 4
"""Events per neuron of a row below which it is faster that events seek neurons (measured)."""

_WIDE = vector(I32, LANES)
_WORDS = 4 * LANES
_DOUBLE = ir.DoubleType()


def emit(module: Any) -> None:
    """Write the function into a module."""
    _Steps(module).emit()


class _Steps:
    def __init__(self, module: Any) -> None:
        self.code = Assembly(module, NAME, 3)
        self.b = self.code.builder

    def emit(self) -> None:
        code = self.code
        table, cores, count = code.arguments
        # What is larger than allowed is noted here; a loop has one way out.
        self.excess = self.b.alloca(I64)
        self.b.store(code.number(0), self.excess)
        self.listed, self.mass = self.b.alloca(I64), self.b.alloca(I64)
        self.total = self.b.alloca(_WIDE)
        self.scratch = self.b.ptrtoint(self.b.alloca(_WIDE), I64)
        with code.loop(count), code.loop(cores) as core:
            self.core = code.sum(table, code.times(core.index, BYTES))
            self._hear()
            self._list()
            self._neurons()
            self._advance()
        code.finish(self.b.load(self.excess))

    def field(self, name: str) -> Any:
        return self.code.load(self.code.sum(self.core, place(name)), I64)

    def splat(self, name: str) -> Any:
        return self.code.splat(self.b.trunc(self.field(name), I32), LANES)

    def add_to(self, name: str, amount: Any) -> None:
        at = self.code.sum(self.core, place(name))
        self.code.store(self.b.add(self.code.load(at, I64), amount), at)

    def any(self, mask: Any) -> Any:
        """Return the lanes of a vector of bits as a 64-bit integer."""
        return self.b.zext(self.b.bitcast(mask, ir.IntType(LANES)), I64)

    def lanes(self, mask: Any) -> Any:
        """Return a loop over the bits that are set; its index is carried, see `lowest`."""
        count = self.code.call("llvm.ctpop.i64", I64, mask)
        return self.code.loop(count, carried=[mask])

    def lowest(self, loop: Any) -> Any:
        """Return the lowest bit of what a loop over lanes carries, and take it away."""
        mask = loop.carried[0]
        loop.next = [self.b.and_(mask, self.b.sub(mask, self.code.number(1)))]
        return self.code.call("llvm.cttz.i64", I64, mask, ir.Constant(I1, 0))

    def _hear(self) -> None:
        """Add what the host sends in this step to what has arrived."""
        code, b = self.code, self.b
        ends = self.field("given_ends")
        with code.when(b.icmp_unsigned("!=", ends, code.number(0))):
            begun, ended = (code.load(code.sum(ends, 8 * n), I64) for n in range(2))
            with code.loop(ended, start=begun) as event:
                pair = b.add(self.field("given"), code.times(event.index, 8))
                index, count = (code.load(code.sum(pair, 4 * n), I32) for n in range(2))
                at = b.add(self.field("arriving"), code.times(b.sext(index, I64), 4))
                code.store(b.add(code.load(at, I32), count), at)
            code.store(code.sum(ends, 8), code.sum(self.core, place("given_ends")))

    def _list(self) -> None:
        """List what has arrived, row after row, and forget it."""
        code, b = self.code, self.b
        blocks, width = self.field("in_blocks"), self.field("in_width")
        features, arriving = self.field("in_features"), self.field("arriving")
        lines = self.field("lines")
        b.store(code.number(0), self.listed)
        b.store(code.number(0), self.mass)
        with code.loop(self.field("in_height")) as y:
            line = b.add(lines, code.times(b.mul(y.index, code.sum(width, 1)), 16))
            with code.loop(width) as x:
                self._mark(b.add(line, code.times(x.index, 16)))
                spot = b.mul(b.add(b.mul(y.index, width), x.index), blocks)
                with code.loop(blocks) as block:
                    at = b.add(arriving, code.times(b.add(spot, block.index), _WORDS))
                    found = code.load(at, _WIDE)
                    mask = self.any(b.icmp_signed("!=", found, code.number(0, _WIDE)))
                    with code.when(b.icmp_unsigned("!=", mask, code.number(0))):
                        first = b.add(b.mul(x.index, features), code.times(block.index, LANES))
                        with self.lanes(mask) as lane:
                            bit = self.lowest(lane)
                            count = code.load(b.add(at, code.times(bit, 4)), I32)
                            self._note(count, b.add(first, bit), y.index, x.index)
                        code.store(code.number(0, _WIDE), at)
            self._mark(b.add(line, code.times(width, 16)))

    def _mark(self, at: Any) -> None:
        """Write how many events are on the list, and the sum of their counts."""
        self.code.store(self.b.load(self.listed), at)
        self.code.store(self.b.load(self.mass), self.code.sum(at, 8))

    def _note(self, count: Any, position: Any, y: Any, x: Any) -> None:
        """Put an event on the list, and count what it does."""
        code, b = self.code, self.b
        times = b.sext(count, I64)
        with code.when(b.icmp_signed(">", times, self.field("largest"))):
            b.store(code.number(1), self.excess)
        number = b.load(self.listed)
        pair = b.add(self.field("list"), code.times(number, PAIR))
        for n, value in enumerate((b.trunc(position, I32), count, b.trunc(x, I32))):
            code.store(value, code.sum(pair, 4 * n))
        b.store(code.sum(number, 1), self.listed)
        b.store(b.add(b.load(self.mass), times), self.mass)
        reached = [
            code.load(code.sum(b.add(self.field(name), code.times(at, 24)), 8), I64)
            for name, at in (("rows", y), ("columns", x))
        ]
        touched = b.mul(b.mul(reached[0], reached[1]), self.field("features"))
        self.add_to("events", times)
        self.add_to("operations", b.mul(times, touched))

    def _neurons(self) -> None:
        """Let the neurons of a core add up what they see, and fire."""
        code, b = self.code, self.b
        blocks, width = self.field("blocks"), self.field("width")
        with code.loop(self.field("height")) as y:
            rows = self._seen("in_height", "stride_y", "padding_y", y.index)
            line = b.mul(y.index, width)
            with b.if_else(self._few(rows)) as (then, otherwise):
                with then, code.loop(blocks) as block:
                    self._spread(rows, block.index)
                    with code.loop(width) as x:
                        at = b.add(self.field("row"), code.times(x.index, _WORDS))
                        spot = b.add(b.mul(b.add(line, x.index), blocks), block.index)
                        self._update(code.load(at, _WIDE), spot, block.index, y.index, x.index)
                with otherwise, code.loop(width) as x:
                    columns = self._seen("in_width", "stride_x", "padding_x", x.index)
                    with code.loop(blocks) as block:
                        spot = b.add(b.mul(b.add(line, x.index), blocks), block.index)
                        sums = self._sums(rows, columns, block.index)
                        self._update(sums, spot, block.index, y.index, x.index)

    def _ends(self, row: Any, column: Any) -> Any:
        """Return where an entry of `lines` stands: events listed before a place, their counts."""
        code, b = self.code, self.b
        step = code.sum(self.field("in_width"), 1)
        return b.add(self.field("lines"), code.times(b.add(b.mul(row, step), column), 16))

    def _few(self, rows: tuple[Any, Any, Any]) -> Any:
        """Return whether rows (first, last excluded) hold few events for the width of the map."""
        code, b = self.code, self.b
        # A window outside of the map has no rows; what is read must lie in `lines` all the same.
        bottom = code.sum(self.field("in_height"), -1)
        first = code.intrinsic("smin", rows[1], bottom)
        last = code.intrinsic("smax", code.sum(rows[2], -1), first)
        begun = code.load(self._ends(first, code.number(0)), I64)
        ended = code.load(self._ends(last, self.field("in_width")), I64)
        return b.icmp_signed("<", b.sub(ended, begun), code.times(self.field("width"), FEW))

    def _spread(self, rows: tuple[Any, Any, Any], block: Any) -> None:
        """Let the events of rows add a block of their weights to the sums of a row of neurons."""
        code, b = self.code, self.b
        kernel, features = self.field("kernel"), self.field("in_features")
        lanes = code.times(self.field("blocks"), LANES)
        mine = b.add(self.field("weights"), code.times(block, LANES))
        sums = self.field("row")
        bias = code.load(b.add(self.field("bias"), code.times(block, _WORDS)), _WIDE)
        with code.loop(self.field("width")) as x:
            code.store(bias, b.add(sums, code.times(x.index, _WORDS)))
        with code.loop(rows[2], start=rows[1]) as row:
            ends = (code.number(0), self.field("in_width"))
            begun, ended = (code.load(self._ends(row.index, end), I64) for end in ends)
            tap_y = b.mul(b.sub(row.index, rows[0]), kernel)
            with code.loop(ended, start=begun) as event:
                pair = b.add(self.field("list"), code.times(event.index, PAIR))
                position, count, column = (code.load(code.sum(pair, 4 * n), I32) for n in range(3))
                x_at = b.sext(column, I64)
                feature = b.sub(b.sext(position, I64), b.mul(x_at, features))
                reach = b.add(self.field("columns"), code.times(x_at, 24))
                first, many, tap = (code.load(code.sum(reach, 8 * n), I64) for n in range(3))
                factor = code.splat(count, LANES)
                with code.loop(many) as j:
                    tap_x = b.sub(tap, b.mul(j.index, self.field("stride_x")))
                    spot = b.add(b.mul(b.add(tap_y, tap_x), features), feature)
                    w = code.load(b.add(mine, b.mul(spot, lanes)), vector(I8, LANES))
                    at = b.add(sums, code.times(b.add(first, j.index), _WORDS))
                    more = b.mul(b.sext(w, _WIDE), factor)
                    code.store(b.add(code.load(at, _WIDE), more), at)

    def _seen(self, size: str, stride: str, padding: str, at: Any) -> tuple[Any, Any, Any]:
        """Return where a window begins, and the first and last (excluded) place in the map."""
        code, b = self.code, self.b
        start = b.sub(b.mul(at, self.field(stride)), self.field(padding))
        stop = b.add(start, self.field("kernel"))
        inside = self.field(size)
        first = code.intrinsic("smin", code.intrinsic("smax", start, code.number(0)), inside)
        last = code.intrinsic("smax", code.intrinsic("smin", stop, inside), first)
        return start, first, last

    def _sums(self, rows: tuple[Any, Any, Any], columns: tuple[Any, Any, Any], block: Any) -> Any:
        """Return the sums of a block of neurons at one place, bias included."""
        code, b = self.code, self.b
        kernel, features = self.field("kernel"), self.field("in_features")
        lanes = code.times(self.field("blocks"), LANES)
        small = self.field("small")
        mine = b.add(self.field("weights"), code.times(block, LANES))
        bias = b.add(self.field("bias"), code.times(block, _WORDS))
        b.store(code.load(bias, _WIDE), self.total)
        with code.loop(rows[2], start=rows[1]) as row:
            ends = [self._ends(row.index, at) for at in columns[1:]]
            begun, ended = (code.load(at, I64) for at in ends)
            masses = [code.load(code.sum(at, 8), I64) for at in ends]
            tap = b.sub(b.mul(b.sub(row.index, rows[0]), kernel), columns[0])
            base = b.add(mine, b.mul(b.mul(tap, features), lanes))
            fits = b.icmp_signed("<=", b.sub(masses[1], masses[0]), small)
            with b.if_else(fits) as (then, otherwise):
                with then:
                    self._add_row(I16, base, lanes, begun, ended)
                with otherwise:
                    self._add_row(I32, base, lanes, begun, ended)
        return b.load(self.total)

    def _add_row(self, type: Any, base: Any, lanes: Any, begun: Any, ended: Any) -> None:
        """Add the weights of the listed events of a row, summed in a type that holds the sum."""
        code, b = self.code, self.b
        wide = vector(type, LANES)
        with code.loop(ended, start=begun, carried=[code.number(0, wide)]) as event:
            pair = b.add(self.field("list"), code.times(event.index, PAIR))
            position, count = (code.load(code.sum(pair, 4 * n), I32) for n in range(2))
            at = b.add(base, b.mul(b.sext(position, I64), lanes))
            w = b.sext(code.load(at, vector(I8, LANES)), wide)
            times = count if type is I32 else b.trunc(count, I16)
            event.next = [b.add(event.carried[0], b.mul(w, code.splat(times, LANES)))]
        found = event.results[0]
        more = found if type is I32 else b.sext(found, _WIDE)
        b.store(b.add(b.load(self.total), more), self.total)

    def _update(self, sums: Any, spot: Any, block: Any, y: Any, x: Any) -> None:
        code, b = self.code, self.b
        offset = code.times(spot, _WORDS)
        at = b.add(self.field("v"), offset)
        v = code.intrinsic("sadd.sat", code.load(at, _WIDE), sums)
        fired = b.icmp_signed(">=", v, self.splat("high"))
        # What pads a map has no weights, and a threshold is above 0: it never fires.
        lanes = self.any(fired)
        code.store(code.intrinsic("smax", v, self.splat("low")), at)
        code.store(code.number(0, _WIDE), self.scratch)
        with code.when(b.icmp_unsigned("!=", lanes, code.number(0))):
            self._fire(v, fired, at)
            with self.lanes(lanes) as lane:
                bit = self.lowest(lane)
                self._send(bit, b.add(code.times(block, LANES), bit), y, x)
        self._write("counts", offset, self.scratch)
        self._write("trace", offset, at)

    def _fire(self, v: Any, fired: Any, at: Any) -> None:
        """Write how often the neurons of a block fire into `scratch`, and what is left into v."""
        code, b = self.code, self.b
        high, low = self.splat("high"), self.splat("low")
        twice = self.any(b.icmp_signed(">=", v, b.add(high, high)))
        code.store(b.zext(fired, _WIDE), self.scratch)
        with code.when(b.icmp_unsigned("!=", twice, code.number(0))):
            # A quotient of 32-bit integers is far enough from the next one for 64-bit floats.
            wide = vector(_DOUBLE, LANES)
            quotient = b.fdiv(b.sitofp(v, wide), b.sitofp(high, wide))
            often = code.intrinsic("smin", b.fptosi(quotient, _WIDE), self.splat("most"))
            code.store(b.select(fired, often, code.number(0, _WIDE)), self.scratch)
        counts = code.load(self.scratch, _WIDE)
        zero = b.icmp_unsigned("!=", self.field("to_zero"), code.number(0))
        rest = b.sub(v, b.mul(counts, high))
        cleared = b.select(fired, code.number(0, _WIDE), v)
        code.store(code.intrinsic("smax", b.select(zero, cleared, rest), low), at)

    def _send(self, bit: Any, feature: Any, y: Any, x: Any) -> None:
        code, b = self.code, self.b
        count = code.load(b.add(self.scratch, code.times(bit, 4)), I32)
        self.add_to("spikes", b.sext(count, I64))
        sent = self.field("sent")
        for number in range(DESTINATIONS):
            with code.when(b.icmp_signed(">", sent, code.number(number))):
                to = {
                    name: code.load(code.sum(self.core, place_to(number, name)), I64)
                    for name in ("pool", "shift", "height", "width", "arriving", "in_blocks")
                }
                row, column = (b.ashr(n, to["pool"]) for n in (y, x))
                inside = b.and_(
                    b.icmp_signed("<", row, to["height"]),
                    b.icmp_signed("<", column, to["width"]),
                )
                with code.when(inside):
                    spot = b.mul(b.add(b.mul(row, to["width"]), column), to["in_blocks"])
                    place_ = b.add(code.times(spot, LANES), b.add(feature, to["shift"]))
                    at = b.add(to["arriving"], code.times(place_, 4))
                    code.store(b.add(code.load(at, I32), count), at)

    def _write(self, name: str, offset: Any, at: Any) -> None:
        """Copy a block to where an entry points, if it points anywhere."""
        code, b = self.code, self.b
        to = self.field(name)
        with code.when(b.icmp_unsigned("!=", to, code.number(0))):
            code.store(code.load(at, _WIDE), b.add(to, offset))

    def _advance(self) -> None:
        """Move what is read and written step by step to the next one."""
        for name in ("counts", "trace"):
            step = self.field(f"{name}_step")
            self.add_to(name, step)
