"""The code of products of real numbers: sums in float64, each known to round right or set aside.

A sum lies within a known distance of the true one, whatever order its terms are added in. Where all
that lies within it rounds to one number of the result's element, that is stored. Else, and where
it is not finite, NaN is stored and the flag of the call is set: such sums are then made exactly.
"""

from typing import Any

from llvmlite import ir

from snnc.machine.assembly import I64, vector
from snnc.runtime.native.columns import LANES
from snnc.runtime.native.gather import Product, Shape

TABLES = 3
"""What each channel has: its bias, and what inputs of 1 and the bias bring in doubt."""

_DOUBLE, _FLOAT = ir.DoubleType(), ir.FloatType()


def tile_ticks(shape: Shape) -> int:
    """Return the ticks of a tile whose sums stay in registers."""
    registers = {"baseline": 8, "avx2": 12}.get(shape.path.name, 20)
    lanes = {"baseline": 2, "avx2": 4}.get(shape.path.name, 8)
    return max(1, registers * lanes // (LANES * shape.vectors))


class Rounding(Product):
    """Writes the function `product` of inputs in float64 and weights in float32.

    Results are float32, those of `half` rounded to what float16 holds. `scale` is the address of
    the flag.
    """

    half = False

    def _bias_bytes(self) -> int:
        return 8 * TABLES * self.shape.block

    def _bytes(self) -> int:
        return 4 * self.window.length * self.shape.block

    def _dense(self, sample: Any, unit: Any, weights: Any, bias: Any) -> None:
        given, rows = self.given, tile_ticks(self.shape)
        self.bias = bias
        ticks = self.b.sub(given["end"], given["begin"])
        whole = self.b.sub(given["end"], self.b.urem(ticks, self.a.number(rows)))
        with self.a.loop(whole, start=given["begin"], step=rows) as tiles:
            self._sums(sample, unit, weights, tiles.index, rows)
        with self.a.loop(given["end"], start=whole) as rest:
            self._sums(sample, unit, weights, rest.index, 1)

    def _sums(self, sample: Any, unit: Any, weights: Any, tick: Any, rows: int) -> None:
        """Make the sums of some ticks, and the greatest magnitude that each has read."""
        a, w, s = self.a, self.window, self.shape
        step = 8 * w.inputs
        row = a.sum(self.b.mul(sample, self.given["ticks"]), tick)
        source = a.sum(self.given["inputs"], a.times(row, step), a.times(unit, 8 * w.unit))
        zeros = ir.Constant(vector(_DOUBLE, LANES), [0.0] * LANES)
        carried = [zeros] * (rows * s.vectors) + [ir.Constant(_DOUBLE, 0.0)] * rows
        with self._runs(carried) as (number, run, each):
            x = a.sum(source, a.times(run, 8 * w.unit))
            packed = a.sum(weights, a.times(number, self._bytes()))
            with a.loop(w.length, carried=each.carried) as elements:
                at = a.sum(packed, a.times(elements.index, 4 * s.block))
                x = a.sum(x, a.times(elements.index, 8))
                elements.next = self._added(elements.carried, x, at, rows, step)
            each.next = elements.results
        for r in range(rows):
            sums = each.results[r * s.vectors : (r + 1) * s.vectors]
            self._rounded(sums, each.results[rows * s.vectors + r], a.sum(tick, r))

    def _added(self, carried: list[Any], x: Any, at: Any, rows: int, step: int) -> list[Any]:
        """Add the products of one element of each row, and look at its magnitude."""
        a, b, vectors = self.a, self.b, self.shape.vectors
        wide = vector(_DOUBLE, LANES)
        narrow = vector(_FLOAT, LANES)
        loaded = [a.load(a.sum(at, 4 * LANES * n), narrow) for n in range(vectors)]
        weights = [b.fpext(value, wide) for value in loaded]
        sums, greatest = [], []
        for r in range(rows):
            value = a.load(a.sum(x, r * step), _DOUBLE)
            size = a.call("llvm.fabs.f64", _DOUBLE, value)
            most = carried[rows * vectors + r]
            greatest.append(b.select(b.fcmp_ordered(">", size, most), size, most))
            value = a.splat(value, LANES)
            for n, w in enumerate(weights):
                name = f"llvm.fmuladd.v{LANES}f64"
                sums.append(a.call(name, wide, value, w, carried[r * vectors + n]))
        return sums + greatest

    def _rounded(self, sums: list[Any], greatest: Any, tick: Any) -> None:
        """Store the currents of a tick in the buffer, as far as they are beyond doubt."""
        a, b, block = self.a, self.b, self.shape.block
        wide, narrow = vector(_DOUBLE, LANES), vector(_FLOAT, LANES)
        most = a.splat(greatest, LANES)
        address = a.sum(self.given["buffer"], a.times(tick, 4 * block))
        nothing = ir.Constant(narrow, [float("nan")] * LANES)
        for n, total in enumerate(sums):
            bias, each, start = (
                a.load(a.sum(self.bias, 8 * (t * block + n * LANES)), wide) for t in range(TABLES)
            )
            total = b.fadd(total, bias)
            reach = b.fadd(b.fmul(most, each), start)
            least, found = (
                b.fptrunc(self._kept(y), narrow)
                for y in (b.fsub(total, reach), b.fadd(total, reach))
            )
            sure = b.and_(b.fcmp_ordered("==", least, found), self._finite(found))
            a.store(b.select(sure, found, nothing), a.sum(address, 64 * n))
            doubts = b.bitcast(b.not_(sure), ir.IntType(LANES))
            with a.when(b.icmp_unsigned("!=", doubts, a.number(0, doubts.type))):
                a.store(a.number(1), self.given["scale"])

    def _finite(self, value: Any) -> Any:
        size = self.a.call(f"llvm.fabs.v{LANES}f32", value.type, value)
        most = 65504.0 if self.half else float("inf")
        limit = ir.Constant(value.type, [most] * LANES)
        return self.b.fcmp_ordered("<=" if self.half else "<", size, limit)

    def _kept(self, y: Any) -> Any:
        """Return a sum as its element holds it: float16 is rounded by adding a number so large.

        The number is 1.5 times 2^42 over the last place that float16 keeps, so that what float64
        rounds off is what lies behind that place; below 2^-14 the place is that of 2^-14.
        """
        if not self.half:
            return y
        a, b = self.a, self.b
        whole = vector(I64, LANES)
        exponent = b.and_(b.bitcast(y, whole), a.number(0x7FF << 52, whole))
        exponent = a.intrinsic("umax", exponent, a.number((1023 - 14) << 52, whole))
        large = b.or_(b.add(exponent, a.number(42 << 52, whole)), a.number(1 << 51, whole))
        large = b.bitcast(large, y.type)
        return b.fsub(b.fadd(y, large), large)


class HalfRounding(Rounding):
    """The same for sums that are rounded to float16."""

    half = True
