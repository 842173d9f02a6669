"""The machine code of time steps: `steps(table, cores, count)` runs the cores in their order.

In a step each core takes its events place by place; an event of count c adds c times its weights
to the sums of the neurons that it touches (32 bits; the caller says up to which count that cannot
overflow). Then the neurons add their sums and fire. 0 is returned, or 1 as soon as a count is
larger than allowed; what was written is then to be thrown away.
"""

from typing import Any

from llvmlite import ir

from snnc.machine.assembly import I1, I8, I32, I64, Assembly, vector
from snnc.targets.dynapcnn.native.tables import BYTES, DESTINATIONS, LANES, place, place_to

NAME = "steps"
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
        self.scratch = self.b.ptrtoint(self.b.alloca(_WIDE), I64)
        with code.loop(count), code.loop(cores) as core:
            self.core = code.sum(table, code.times(core.index, BYTES))
            self._arrivals()
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

    def _arrivals(self) -> None:
        """Take the events that have arrived, and leave none."""
        code, b = self.code, self.b
        blocks, width = self.field("in_blocks"), self.field("in_width")
        given = self.field("given")
        here = b.icmp_unsigned("!=", given, code.number(0))
        stride = code.times(blocks, _WORDS)
        with code.loop(self.field("in_height")) as y, code.loop(width) as x:
            spot = b.mul(b.add(b.mul(y.index, width), x.index), stride)
            with code.loop(blocks) as block:
                offset = b.add(spot, code.times(block.index, _WORDS))
                at = b.add(self.field("arriving"), offset)
                with code.when(here):
                    more = code.load(b.add(given, offset), _WIDE)
                    code.store(b.add(code.load(at, _WIDE), more), at)
                found = code.load(at, _WIDE)
                mask = self.any(b.icmp_signed("!=", found, code.number(0, _WIDE)))
                with code.when(b.icmp_unsigned("!=", mask, code.number(0))):
                    with self.lanes(mask) as lane:
                        bit = self.lowest(lane)
                        count = code.load(b.add(at, code.times(bit, 4)), I32)
                        feature = b.add(code.times(block.index, LANES), bit)
                        self._spread(count, feature, y.index, x.index)
                    code.store(code.number(0, _WIDE), at)

    def _spread(self, count: Any, feature: Any, y: Any, x: Any) -> None:
        """Add the weights of an event, `count` times, to the sums that it reaches."""
        code, b = self.code, self.b
        times = b.sext(count, I64)
        with code.when(b.icmp_signed(">", times, self.field("largest"))):
            b.store(code.number(1), self.excess)
        rows, columns = (
            [
                code.load(code.sum(b.add(self.field(name), code.times(at, 24)), 8 * n), I64)
                for n in range(3)
            ]
            for name, at in (("rows", y), ("columns", x))
        )
        kernel, blocks, width = self.field("kernel"), self.field("blocks"), self.field("width")
        touched = b.mul(b.mul(rows[1], columns[1]), self.field("features"))
        self.add_to("events", times)
        self.add_to("operations", b.mul(times, touched))
        factor = code.splat(count, LANES)
        sums, weights = self.field("sums"), self.field("weights")
        taps = b.mul(feature, kernel)
        with code.loop(rows[1]) as i:
            tap_y = b.sub(rows[2], b.mul(i.index, self.field("stride_y")))
            line = b.mul(b.add(taps, tap_y), kernel)
            row = b.mul(b.add(rows[0], i.index), width)
            with code.loop(columns[1]) as j:
                tap = b.sub(columns[2], b.mul(j.index, self.field("stride_x")))
                kept = b.mul(b.add(line, tap), blocks)
                spot = b.mul(b.add(row, b.add(columns[0], j.index)), blocks)
                with code.loop(blocks) as block:
                    from_ = b.add(weights, code.times(b.add(kept, block.index), LANES))
                    to = b.add(sums, code.times(b.add(spot, block.index), _WORDS))
                    w = b.sext(code.load(from_, vector(I8, LANES)), _WIDE)
                    code.store(b.add(code.load(to, _WIDE), b.mul(w, factor)), to)

    def _neurons(self) -> None:
        """Let the neurons of a core add their sums and fire; sums start again at the bias."""
        code, b = self.code, self.b
        blocks, width = self.field("blocks"), self.field("width")
        with code.loop(self.field("height")) as y, code.loop(width) as x:
            spot = b.mul(b.add(b.mul(y.index, width), x.index), blocks)
            with code.loop(blocks) as block:
                offset = code.times(b.add(spot, block.index), _WORDS)
                at, sums = (b.add(self.field(name), offset) for name in ("v", "sums"))
                bias = code.load(b.add(self.field("bias"), code.times(block.index, _WORDS)), _WIDE)
                v = code.intrinsic("sadd.sat", code.load(at, _WIDE), code.load(sums, _WIDE))
                code.store(bias, sums)
                fired = b.icmp_signed(">=", v, self.splat("high"))
                # What pads a map has no weights, and a threshold is above 0: it never fires.
                lanes = self.any(fired)
                code.store(code.intrinsic("smax", v, self.splat("low")), at)
                code.store(code.number(0, _WIDE), self.scratch)
                with code.when(b.icmp_unsigned("!=", lanes, code.number(0))):
                    self._fire(v, fired, at)
                    with self.lanes(lanes) as lane:
                        bit = self.lowest(lane)
                        g = b.add(code.times(block.index, LANES), bit)
                        self._send(bit, g, y.index, x.index)
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
        for name in ("counts", "trace", "given"):
            step = self.field(f"{name}_step")
            self.add_to(name, step)
